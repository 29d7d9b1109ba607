"""Payment orders into files: numbered, signed, kept, under one control total. 代付指令文件"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from clearing.errors import InvariantViolated
from clearing.files.check import read_lines
from clearing.files.iso20022.message import short_id
from clearing.files.layout import Layout
from clearing.files.names import FileName
from clearing.files.outgoing import RenderedFile, file_of
from clearing.files.parse import Row
from clearing.files.records import PayLine, ResultLine
from clearing.jobs.layouts import writing_layout
from clearing.jobs.seal import seal_files, sealer_of
from clearing.jobs.tries import Moved
from clearing.ledger.money import yuan
from clearing.store import files, payments, reference
from clearing.store.payments import Dispatched

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from clearing.jobs.seal import Sealer
    from clearing.ledger.members import Members
    from clearing.settings import Settings
    from clearing.store.payments import SentOrder

PAYOUT: Final = "PAYOUT"
IN_BANK: Final = "IN_BANK"
INTER_BANK: Final = "INTER_BANK"
"""Kinds of orders: a payout, or an instruction of a closed day, within a bank or from one to another."""


class Sent(NamedTuple):
    """What went to one bank."""

    kind: str
    window: str
    bank: str
    files: tuple[str, ...]
    rows: int
    """Control count over all the files."""
    total_fen: int
    """Control total over all the files."""


class Bank(NamedTuple):
    """What one dispatch to one bank is made with."""

    settings: Settings
    members: Members
    code: str
    now: datetime


async def send(
    conn: AsyncConnection, bank: Bank, of: tuple[str, str], day: date, lines: Sequence[PayLine]
) -> Sent:
    """Put orders into files of at most so many rows, under one control total, and keep all of it.

    In:      (kind, window) of the dispatch; the date that the files are of.
    Raises:  Moved when a bank has answered one of them since it was found to be due: it must not go out any more.
    """
    kind, window = of
    made = await files_of(conn, bank, "PAY", day, lines)
    total = sum(one.amount_total for one in made)
    if total != sum(one.amount_fen for one in lines) or any(one.notes for one in made):
        raise InvariantViolated(f"orders to {bank.code}: files of {total} fen do not say what was to be sent")
    at = bank.now.astimezone(UTC)
    number = await payments.add_dispatch(
        conn, Dispatched(kind, window, bank.code, at, len(made), len(lines), total)
    )
    size = bank.settings.pay_rows_max
    kept = await payments.add_lines(
        conn,
        kind,
        bank.code,
        number,
        [
            (one.pay_id, short_id(one.pay_id), made[place // size].name, one.amount_fen)
            for place, one in enumerate(lines)
        ],
    )
    if kept != len(lines):
        raise Moved(f"orders to {bank.code}: {len(lines) - kept} of {len(lines)} were answered meanwhile")
    return Sent(kind, window, bank.code, tuple(one.name for one in made), len(lines), total)


async def files_of(
    conn: AsyncConnection, bank: Bank, file_type: str, day: date, lines: Sequence[PayLine | ResultLine]
) -> list[RenderedFile]:
    """Render and keep files of at most `pay_rows_max` rows, numbered on without a gap."""
    usual = bank.settings.pay_profile
    layout = writing_layout(bank.settings, bank.members, bank.code, day, file_type=file_type, usual=usual)
    seq = await payments.next_seq(conn, day, layout.profile, file_type, bank.code)
    made = [
        file_of(
            FileName(file_type, bank.members.platform.code, bank.code, day, seq + number, 1),
            [("D", one) for one in some],
            layout,
            bank.members.clock,
        )
        for number, some in enumerate(_slices(lines, bank.settings.pay_rows_max))
    ]
    await keep_made(conn, sealer_of(bank.settings, bank.members), made, layout)
    return made


async def keep_made(
    conn: AsyncConnection, sealer: Sealer, made: Sequence[RenderedFile], layout: Layout
) -> None:
    """Keep files that a job made, signed and wrapped as their receivers have agreed. 保存

    Writes:  file, file_part, layout, file_seal.
    Again:   refused by the name.
    """
    in_force = await reference.in_force(conn)
    number = in_force[0] if in_force else 0
    await files.keep(conn, made, layout, number)
    await seal_files(conn, sealer, [files.stored(one, layout, number) for one in made])


def _slices(lines: Sequence[PayLine | ResultLine], size: int) -> Iterable[Sequence[PayLine | ResultLine]]:
    return (lines[start : start + size] for start in range(0, len(lines), size))


async def orders_of(conn: AsyncConnection, name: str) -> list[PayLine]:
    """The orders of a PAY file of ours, in order. 代付明细"""
    return [row.record for row in await lines_of(conn, name)]


async def lines_of(conn: AsyncConnection, name: str) -> Sequence[Row]:
    """The lines of a file of ours that was sent, each with its place in it. 明细行"""
    stored = await files.get(conn, name)
    if stored is None:
        raise InvariantViolated(f"file {name}: it was sent, and is not stored")
    layouts = await files.layouts_by_digest(conn, [stored.layout])
    parsed = read_lines(name, await files.content(conn, name), layouts[stored.layout])
    if parsed.faults:
        raise InvariantViolated(f"{parsed.faults[0]}: a file of our own cannot be read")
    return parsed.rows


def order_shape(sent: SentOrder) -> dict[str, Any]:
    """An order and what its bank last said of it, for JSON. 指令"""
    order = sent.order
    return {
        "order": order.pay_id,
        "short": order.pay_ref,
        "kind": order.kind,
        "bank": order.bank,
        "amount": yuan(order.amount_fen),
        "sent": order.sent,
        "sent_at": sent.at.isoformat(),
        "result": order.result or None,
        "bank_ref": order.bank_ref or None,
        "bank_date": f"{order.bank_date}" if order.bank_date else None,
        "reason_code": order.reason_code or None,
        "answered_at": order.answered_at.isoformat() if order.answered_at else None,
        "asked_at": order.asked_at.isoformat() if order.asked_at else None,
    }
