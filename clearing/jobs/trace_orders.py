"""One payment order and every file that speaks of it: out, delivered, asked after, answered. 指令追踪"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from clearing.files.check import check_file
from clearing.files.faults import Detail, Fault
from clearing.files.manifest import Manifest, read_manifest
from clearing.files.records import ResultLine, ReturnLine
from clearing.jobs.answers import event_of
from clearing.jobs.layouts import reading_layouts
from clearing.jobs.orders import lines_of, order_shape
from clearing.jobs.seal import sealer_of
from clearing.jobs.take_file import ACCEPTED
from clearing.jobs.take_lines import named
from clearing.store import deliveries, files, payments, statements, trails, verdicts

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from clearing.files.parse import Row
    from clearing.ledger.facts import EventKey
    from clearing.ledger.members import Members
    from clearing.settings import Settings
    from clearing.store.payments import PayLineRow
    from clearing.store.statements import StatementFile

Step: TypeAlias = dict[str, Any]
"""One step of a way: `step` says what it is, the other keys are its own; instants and dates as text."""

BEFORE: Final = timedelta(days=1)
"""A bank's day may be the one before ours when an order goes out behind the cutover."""


class World(NamedTuple):
    """What is needed to read what partners sent."""

    settings: Settings
    members: Members


class Answered(NamedTuple):
    """A line of a bank about an order."""

    step: Step
    event: EventKey | None
    """The event that it became, or would have."""


class OrderWay(NamedTuple):
    """The way of one order."""

    out: list[Step]
    """The order, the files that it went out in, and those that asked after it."""
    answers: list[Answered]


async def order_way(conn: AsyncConnection, world: World, pay_id: str, since: date) -> OrderWay:
    """All that went out and came back about one order, each part in its own order. 指令全程

    In:      its own id; a clearing date before which there was no such order.
    Out:     nothing for an order that was never given.
    """
    found = await payments.listed(conn, pay_id=pay_id)
    if not found:
        return OrderWay([], [])
    order = found[0].order
    refs = {order.pay_id, order.pay_ref}
    steps = [{"step": "order", **order_shape(found[0])}]
    for name in await trails.orders_out(conn, order.bank, since - BEFORE, sorted(refs)):
        steps += await _out(conn, name, refs)
    numbers = await trails.answers_in(conn, order.bank, since - BEFORE, sorted(refs))
    answers = [one for number in numbers for one in await _back(conn, world, number, order)]
    return OrderWay(steps, answers)


async def _out(conn: AsyncConnection, name: str, refs: set[str]) -> list[Step]:
    """One file of ours, if a line of it is this order: the line, each delivery, what the bank said of the file."""
    lines = [row.line for row in await lines_of(conn, name) if row.record.pay_id in refs]
    stored = await files.get(conn, name)
    if not lines or stored is None:
        return []
    steps: list[Step] = [
        {
            "step": "sent" if stored.type == "PAY" else "asked",
            "file": name,
            "line": line,
            "type": stored.type,
            "version": stored.version,
            "profile": stored.profile,
            "receiver": stored.receiver,
            "clearing_date": f"{stored.clearing_date}",
        }
        for line in lines
    ]
    steps += [
        {
            "step": "delivery",
            "file": name,
            "target": one.target,
            "place": one.place,
            "attempt": one.attempt,
            "result": one.result,
            "at": (one.ended_at or one.started_at).isoformat(),
            "message": one.message or None,
        }
        for one in await deliveries.attempts(conn, file=name)
    ]
    steps += [
        {
            "step": "acknowledged",
            "file": name,
            "partner": one.partner,
            "verdict": one.verdict,
            "ack": one.file,
            "at": one.at.isoformat(),
            "faults": [str(Fault(name, *fault)) for fault in one.faults if fault[0] in {0, *lines}],
        }
        for one in await trails.acknowledged(conn, name)
    ]
    return steps


async def _back(conn: AsyncConnection, world: World, number: int, order: PayLineRow) -> list[Answered]:
    """What one file of the bank says of the order, a line each, with the verdict on it."""
    kept = await statements.get(conn, number)
    said = await verdicts.last_of(conn, number)
    judged = await verdicts.judged(conn, number)
    told: list[Answered] = []
    wrong = [Fault(kept.name, *one) for one in (said.faults if said else ())]
    for line, place, record in _lines(world, kept, order):
        faults = [str(one) for one in wrong if one.detail in {0, place}]
        taken = said is not None and said.verdict in ACCEPTED and not faults
        event = event_of(record, order, kept.clearing_date) if taken and record is not None else None
        told.append(
            Answered(
                {
                    "step": "answer",
                    "file": kept.name,
                    "line": line,
                    "type": kept.kind,
                    "partner": kept.partner,
                    "at": (judged.at if judged else kept.received_at).isoformat(),
                    "verdict": said.verdict if said else None,
                    "ack": (said.ack if said else "") or None,
                    **_said(record),
                    "event": f"{kept.partner}/{event.id}" if event else None,
                    "faults": faults,
                },
                (kept.partner, event.id) if event else None,
            )
        )
    return told


def _said(record: ResultLine | ReturnLine | None) -> Step:
    """What a bank's line says, as far as it could be read."""
    if record is None:
        return {"result": None, "reason_code": None, "bank_ref": None}
    result, ref = (
        ("R", record.return_ref) if isinstance(record, ReturnLine) else (record.result, record.bank_ref)
    )
    return {"result": result, "reason_code": record.reason_code or None, "bank_ref": ref or None}


def _lines(
    world: World, kept: StatementFile, order: PayLineRow
) -> Iterator[tuple[int, Detail, ResultLine | ReturnLine | None]]:
    """The lines of a bank's file about an order, as faults place them; one that cannot be read has no more."""
    plain = plain_bytes(world, kept)
    orders = {order.pay_id: order, order.pay_ref: order}
    seen: set[int] = set()
    for row in framed_rows(world, kept, plain):
        if row.record.pay_id in orders:
            seen.add(row.line)
            yield row.line, row.detail, named(row, orders).record
    marks = [ref.encode() for ref in orders]
    if not seen:
        for number, line in enumerate(plain.splitlines(), 1):
            if any(mark in line for mark in marks):
                yield number, number, None


def plain_bytes(world: World, kept: StatementFile) -> bytes:
    """What came in, out of its envelope; nothing of one that cannot be opened."""
    manifest = read_manifest(kept.name, kept.manifest) if kept.manifest else None
    if not isinstance(manifest, Manifest) or manifest.encryption is None:
        return kept.content
    sealer = sealer_of(world.settings, world.members)
    opened = sealer.opened(kept.name, kept.content, manifest, kept.partner, kept.clearing_date)
    return opened if isinstance(opened, bytes) else b""


def framed_rows(world: World, kept: StatementFile, plain: bytes) -> Sequence[Row]:
    """The lines of a partner's file of a type that a layout describes."""
    layouts = reading_layouts(world.settings, world.members, kept.partner, kept.clearing_date)
    checked = check_file(kept.name, plain, None, layouts=layouts, zone=world.members.clock.zone)
    return checked.parsed.rows if checked.parsed else ()
