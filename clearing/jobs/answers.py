"""What a bank answers to payment orders, line by line, as events through the one door. 回盘与退票

A line is held against the order it names before any event is made of it: the same bank, the same amount, and no
other answer that stands. The event's id follows from what the line says, so that a line that comes again, in a
file or by message, is known again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, get_args

from clearing.files.faults import Fault, Faults
from clearing.files.parse import Row
from clearing.files.records import PayLine, ResultLine, ReturnLine
from clearing.jobs.orders import INTER_BANK, PAYOUT
from clearing.jobs.own_events import OwnEvent, event_bytes
from clearing.ledger.money import yuan
from clearing.store.payments import Answer, PayLineRow
from messages.fields import ReasonCode

if TYPE_CHECKING:
    from datetime import date, tzinfo

    from clearing.ledger.members import Members

Line: TypeAlias = ResultLine | ReturnLine

REASONS: Final = frozenset(get_args(ReasonCode))
BUSY: Final = "R12"
"""The bank could not: the one reason for which an order goes out again by itself."""
OTHER: Final = "R99"
REFERENCE_MAX: Final = 32


class Said(NamedTuple):
    """What a file's good lines come to."""

    events: list[bytes]
    answers: list[Answer]
    taken: int


def faults_of(
    name: str, bank: str, rows: Sequence[Row], orders: dict[str, PayLineRow], given: dict[str, PayLine]
) -> tuple[Fault, ...]:
    """What is wrong with lines that can be read, seen from the orders they name. 勾对

    In:      `orders` by pay_id; `given`: the lines of our PAY files, to see that a result repeats its order.
    Out:     in order of line.
    """
    faults = Faults(name)
    seen: set[str] = set()
    for row in rows:
        line: Line = row.record
        order = orders.get(line.pay_id)
        if order is None or order.bank != bank:
            faults.add(
                "FMT-008",
                f"an order that was given to {bank}",
                line.pay_id,
                line=row.line,
                column=row.column("pay_id"),
            )
            continue
        if line.pay_id in seen:
            faults.add("FMT-008", "each order once", line.pay_id, line=row.line, column=row.column("pay_id"))
        seen.add(line.pay_id)
        if line.amount_fen != order.amount_fen:
            faults.add(
                "FMT-009",
                f"the whole {yuan(order.amount_fen)}",
                yuan(line.amount_fen),
                line=row.line,
                column=row.column("amount"),
            )
        if line.reason_code and line.reason_code not in REASONS:
            faults.add(
                "FMT-004",
                "a reason R01 to R14 or R99",
                line.reason_code,
                line=row.line,
                column=row.column("reason_code"),
            )
        _short(row, line, faults)
        _stands(row, line, order, given, faults)
    return tuple(faults.found)


def _short(row: Row, line: Line, faults: Faults) -> None:
    """References as long as events have them."""
    for column in ("bank_ref", "return_ref"):
        text = getattr(line, column, "")
        if len(text) > REFERENCE_MAX:
            faults.add(
                "FMT-004",
                f"at most {REFERENCE_MAX} characters",
                text,
                line=row.line,
                column=row.column(column),
            )


def _stands(row: Row, line: Line, order: PayLineRow, given: dict[str, PayLine], faults: Faults) -> None:
    """An answer that contradicts one that stands, or another order than the one that was given."""
    if isinstance(line, ReturnLine):
        if order.result not in {"S", "R"}:
            faults.add(
                "FMT-009",
                "a result S before a return",
                order.result or "none",
                line=row.line,
                column=row.column("pay_id"),
            )
        elif order.result == "S" and line.bank_ref and line.bank_ref != order.bank_ref:
            faults.add("FMT-009", order.bank_ref, line.bank_ref, line=row.line, column=row.column("bank_ref"))
        return
    sent = given.get(line.pay_id)
    if sent is not None:
        for column in ("payer_account", "payee_bank", "payee_account", "corporate", "value_date"):
            said = getattr(line, column)
            if said and said != getattr(sent, column):  # what a bank does not repeat it does not contradict
                got = "another" if "account" in column else said
                faults.add("FMT-009", "what the order says", got, line=row.line, column=row.column(column))
    same = (order.result, order.bank_ref) == (line.result, line.bank_ref)
    if order.result in {"S", "F", "R"} and line.result != "U" and not same and order.result != "R":
        faults.add(
            "FMT-009",
            f"{order.result} {order.bank_ref}".strip(),
            line.result,
            line=row.line,
            column=row.column("result"),
        )


def answers_of(
    rows: Iterable[Row],
    orders: dict[str, PayLineRow],
    members: Members,
    *,
    bank: str,
    day: date,
    tries_max: int,
    env: str,
) -> Said:
    """The events and answers of lines without a fault. 事件

    In:      `day`: the file's, for a line that names none; how often an order goes out while the bank is busy.
    Out:     no event for what is not known yet, goes out again, or was said before and since came back.
    """
    said = Said([], [], 0)
    taken = 0
    for row in rows:
        line: Line = row.record
        order = orders[line.pay_id]
        taken += 1
        event: OwnEvent | None
        if isinstance(line, ReturnLine):
            line = _filled(line, day)
            event, result = _returned(line, order), "R"
            answer = Answer(line.pay_id, result, order.bank_ref, order.bank_date, line.reason_code)
            at = line.return_date
        else:
            if line.result == "U" and order.result in {"S", "F", "R"}:
                continue  # it is known since
            event, result = _result(line, order, day, tries_max)
            answer = Answer(line.pay_id, result, line.bank_ref, line.bank_date, line.reason_code)
            at = line.bank_date or day
        if order.result != "R":
            said.answers.append(answer)
        if event is not None:
            said.events.append(event_bytes(event, bank, _instant(at, members.clock.zone), env))
    return said._replace(taken=taken)


def event_of(line: Line, order: PayLineRow, day: date) -> OwnEvent | None:
    """The event that a line became if it was taken and ended its order; None for one that ends none. 回盘事件

    In:      a line under our own id and with its amount, as `answers_of` has it.
    """
    if isinstance(line, ReturnLine):
        return _returned(_filled(line, day), order)
    return _result(line, order, day, tries_max=0)[0]


def _filled(line: ReturnLine, day: date) -> ReturnLine:
    """A return with what its bank left open."""
    said_not: dict[str, Any] = {"return_ref": _reference(line), "return_date": day, "reason_code": OTHER}
    return line._replace(**{name: getattr(line, name) or one for name, one in said_not.items()})


def _instant(day: date, zone: tzinfo) -> datetime:
    """The first instant of the bank's day: a file says no more of it."""
    return datetime.combine(day, time(), zone)


def _result(line: ResultLine, order: PayLineRow, day: date, tries_max: int) -> tuple[OwnEvent | None, str]:
    if line.result == "U":
        return None, "U"
    if line.result == "F" and line.reason_code == BUSY and order.sent < tries_max:
        return None, "AGAIN"
    if order.kind != PAYOUT:
        return _settled(line, order, day), line.result
    data: dict[str, Any] = _attempt(line.pay_id) | {
        "amount": yuan(line.amount_fen),
        "bank_ref": line.bank_ref or _reference(line),
        "bank_date": f"{line.bank_date or day}",
        "result": "PAID" if line.result == "S" else "REJECTED",
    }
    if line.result == "F":
        data["reason_code"] = line.reason_code
    return _event("payout.result", data), line.result


def _settled(line: ResultLine, order: PayLineRow, day: date) -> OwnEvent | None:
    """What a bank says of an instruction. That money between banks has come, the receiving bank says itself."""
    if line.result == "F":
        reason = f"{line.reason_code} {line.reason}".strip()
        return _event("settlement.failed", {"instruction": line.pay_id, "reason": reason})
    if order.kind == INTER_BANK:
        return None
    data = {
        "instruction": line.pay_id,
        "amount": yuan(line.amount_fen),
        "bank_ref": line.bank_ref,
        "bank_date": f"{line.bank_date or day}",
    }
    return _event("settlement.confirmed", data)


def _returned(line: ReturnLine, order: PayLineRow) -> OwnEvent:
    if order.kind != PAYOUT:
        reason = f"{line.reason_code} {line.reason}".strip()
        return _event("settlement.failed", {"instruction": line.pay_id, "reason": reason})
    data: dict[str, Any] = _attempt(line.pay_id) | {
        "amount": yuan(line.amount_fen),
        "bank_ref": line.return_ref,
        "bank_date": f"{line.return_date}",
        "reason_code": line.reason_code,
    }
    if line.reason or line.reason_code == OTHER:
        data["text"] = line.reason or "not said"
    return _event("payout.returned", data)


def _attempt(pay_id: str) -> dict[str, Any]:
    source, id_, attempt = pay_id.split("/")
    return {"original": {"source": source, "id": id_}, "attempt": int(attempt)}


def _reference(line: Line) -> str:
    """A reference for a refusal or return that has none: ours, from the order."""
    return "NOREF" + hashlib.new("sm3", line.pay_id.encode()).hexdigest()[: REFERENCE_MAX - len("NOREF")]


def _event(type_: str, data: dict[str, Any]) -> OwnEvent:
    text = "|".join(f"{key}={data[key]}" for key in sorted(data))
    name = hashlib.new("sm3", f"{type_}|{text}".encode()).hexdigest()[:32]
    return OwnEvent(id=f"{type_}:{name}", type=type_, data=data)
