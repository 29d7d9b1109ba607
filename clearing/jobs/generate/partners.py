"""How partners write down what happened: lines of statements and exports. 对方账务"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clearing.jobs.generate.clerk import CLOCK, Line
from clearing.ledger.money import yuan
from clearing.reconciliation.statements import EXPORT_COLUMNS, EXPORT_MORE, STATEMENT_COLUMNS, STATEMENT_MORE

if TYPE_CHECKING:
    from clearing.jobs.generate.clerk import Clerk

STATEMENT_HEADER = ",".join((*STATEMENT_COLUMNS, *STATEMENT_MORE))
EXPORT_HEADER = ",".join((*EXPORT_COLUMNS, *EXPORT_MORE))


def booked(
    clerk: Clerk,
    partner: str,
    second: int,
    what: tuple[str, str, int],
    ref: str,
    *,
    card: str,
    original: str = "",
    status: str = "SUCC",
    day: str = "",
    clock: str = "",
    fee: str = "",
) -> Line:
    """One line of a bank's, channel's or network's statement.

    In:      `what`: type, direction as the card sees it (D or C), fen unsigned; `original`: reference of what
             it undoes; `day` and `clock` where the partner dates it otherwise; `fee` in yuan where it tells one.
    """
    kind, direction, fen = what
    text = (
        f"{ref},,{day or clerk.day_text},{clock or CLOCK[second]},{kind},{direction},{yuan(fen)},{status},"
        f"{card},{original},,{fee},"
    )
    counts = fen if status == "SUCC" else 0
    return Line(partner, False, text, *((counts, 0) if direction == "D" else (0, counts)))


def exported(
    clerk: Clerk,
    institution: str,
    second: int,
    what: tuple[str, str, int],
    key: str,
    *,
    ref: str,
    original: str = "",
    status: str = "SUCC",
    platform_ref: str = "",
    group: str = "",
) -> Line:
    """One line of a hospital's or pharmacy's export.

    In:      `what`: trade type, direction R (received) or P (paid back), fen unsigned; `key`: its number
             there; `original`: number of what it undoes; `group`: name of the lines that stand for one together.
    """
    trade, direction, fen = what
    when = f"{clerk.day_text},{CLOCK[second]}"
    text = f"{key},{platform_ref},{trade},{direction},{yuan(fen)},{status},{when},{ref},{original},,,{group}"
    counts = fen if status == "SUCC" else 0
    return Line(institution, True, text, *((counts, 0) if direction == "R" else (0, counts)))
