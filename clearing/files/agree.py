"""What one line says twice must agree: each kind of line's own rule. 行内勾稽

Where a layout lacks one of the columns that a rule needs, there is nothing to compare.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from clearing.files.faults import Faults
from clearing.files.records import ClaimSum, DepLine, ResultLine, ReturnLine, SumLine, TxnLine
from clearing.ledger.money import yuan

if TYPE_CHECKING:
    from clearing.files.parse import Row

Wrong: TypeAlias = tuple[str, str, str]
"""(column, what follows from the rest of the line, what stands there)."""


def disagreement(record: Any) -> Wrong | None:  # noqa: ANN401  (a line of any kind)
    """What contradicts the rest of a line, None when it agrees with itself."""
    rule = RULES.get(type(record))
    return rule(record) if rule else None


def _txn(line: TxnLine) -> Wrong | None:
    mode, amount_fen, fee_fen, settle_fen = line.settle_mode, line.amount_fen, line.fee_fen, line.settle_fen
    parts = (mode, amount_fen, fee_fen, settle_fen, line.direction)
    if None in parts:  # `_lacks`, said here: this runs for every line of a large file
        return None
    gross = 0
    if mode == "N":
        gross = amount_fen if line.direction == "R" else -amount_fen
    if settle_fen == gross - fee_fen:
        return None
    return ("settle_amount", yuan(gross - fee_fen), yuan(settle_fen))


def _sum(line: SumLine) -> Wrong | None:
    if _lacks(line.in_fen, line.out_fen, line.fee_fen, line.net_fen):
        return None
    net = line.in_fen - line.out_fen - line.fee_fen
    return None if line.net_fen == net else ("net", yuan(net), yuan(line.net_fen))


def _deposit(line: DepLine) -> Wrong | None:
    parts = (line.opening_fen, line.paid_fen, line.refunded_fen, line.used_fen, line.transferred_fen)
    if _lacks(*parts, line.closing_fen):
        return None
    closing = parts[0] + parts[1] - parts[2] - parts[3] + parts[4]
    return None if line.closing_fen == closing else ("closing", yuan(closing), yuan(line.closing_fen))


def _claims(line: ClaimSum) -> Wrong | None:
    if _lacks(line.in_fen, line.out_fen, line.net_fen):
        return None
    net = line.in_fen - line.out_fen
    return None if line.net_fen == net else ("net", yuan(net), yuan(line.net_fen))


def _lacks(*values: object) -> bool:
    """Whether a layout has no column for one of them."""
    return None in values


def _result(line: ResultLine) -> Wrong | None:
    if _lacks(line.bank_ref, line.reason_code):
        return None
    if line.result == "S" and not (line.bank_ref and line.bank_date):
        return ("bank_ref", "a reference and a bank_date, since the result is S", line.bank_ref)
    if line.result == "F" and not line.reason_code:
        return ("reason_code", "a reason, since the result is F", "")
    return None


def _return(line: ReturnLine) -> Wrong | None:
    if line.reason_code == "":  # not None: a layout may have no column for it
        return ("reason_code", "a reason, since it came back", "")
    return None


RULES: Final[Mapping[type[Any], Callable[[Any], Wrong | None]]] = {
    TxnLine: _txn,
    SumLine: _sum,
    ResultLine: _result,
    ReturnLine: _return,
    DepLine: _deposit,
    ClaimSum: _claims,
}


def verdict_faults(rows: Sequence[Row], faults: Faults) -> None:
    """An ACK is one verdict, then its faults: none when all was taken, some when not."""
    if [row.tag for row in rows[:1]] != ["A"] or any(row.tag == "A" for row in rows[1:]):
        faults.add("FMT-002", "one line A, then lines E", " ".join(row.tag for row in rows[:3]), line=2)
        return
    said, bad = rows[0].record, len(rows) - 1
    taken = {"ACPT": said.records, "RJCT": 0}.get(said.verdict, said.taken)
    if said.taken != taken or said.taken > said.records:
        faults.add(
            "FMT-009", f"{min(taken, said.records)} with {said.verdict}", said.taken, line=2, column="taken"
        )
    if bool(bad) is (said.verdict == "ACPT"):
        wanted = "no line E" if said.verdict == "ACPT" else "a line E for each fault"
        faults.add("FMT-009", f"{wanted} with {said.verdict}", bad, line=2, column="verdict")
