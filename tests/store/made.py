"""Values to store: events, decisions, entries and batches as the engine would hand them over."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, TypeAlias

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.ledger.entry import Entry, Leg, Posting, entry_id
from clearing.ledger.facts import Fact, Key
from clearing.ledger.outcomes import Decision, Outcome, Reason
from clearing.store import chain, facts
from clearing.store.parked import Waiting
from clearing.store.put import Puts
from clearing.store.record import BatchRecord, Item
from clearing.store.session import driver
from messages import Event, Malformed, decode

Value: TypeAlias = Any
"""Whatever a field takes."""

DAY = date(2026, 3, 10)
NOON = datetime(2026, 3, 10, 4, tzinfo=UTC)
MONEY = (
    Posting("1010.B1", 10_000),
    Posting("2010.H1", -10_000),
    Posting("2010.H1", 38, Leg.FEE),
    Posting("2060.B1", -38, Leg.FEE),
)


def raw(id_: str, source: str = "H1") -> bytes:
    """The bytes of one payment."""
    data = {
        "amount": "100.00", "card": "tok_00000001", "bank": "B1", "institution": "H1",
        "purpose": "OUTPATIENT",
        "bank_ref": id_, "bank_date": "2026-03-10", "order_no": f"O-{id_}",
    }  # fmt: skip
    frame = {"specversion": "1.0", "id": id_, "source": source, "type": "payment.made", "data": data}
    return json.dumps(frame | {"time": "2026-03-10T12:00:00+08:00"}).encode()


def event(id_: str, source: str = "H1") -> Event:
    """That payment, read."""
    found = decode(raw(id_, source))
    assert isinstance(found, Event), found
    return found


def entry(id_: str, postings: tuple[Posting, ...] = MONEY, *, day: date = DAY, **more: Value) -> Entry:
    """The entry of a payment."""
    fields: dict[str, Any] = {
        "source": "H1",
        "type": "payment.made",
        "occurred_at": NOON,
        "card": "tok_00000001",
    }
    named = entry_id(day, f"PLAT/{more.get('source', 'H1')}/{id_}")
    return Entry(
        **{**fields, "id": named, "clearing_date": day, "event_id": id_, "postings": postings, **more}
    )


def posted(id_: str, **more: Value) -> Decision:
    """A payment that was posted."""
    made = Decision(event=event(id_), outcome=Outcome.POSTED, entry=entry(id_), clearing_date=DAY)
    return replace(made, **more)


def rejected(id_: str, reason: Reason = Reason.CARD_NOT_ALLOWED, **more: Value) -> Decision:
    """A payment that was refused."""
    return replace(Decision(event=event(id_), outcome=Outcome.REJECTED, reason=reason, detail="no"), **more)


def parked(id_: str, waits_for: str, **more: Value) -> Decision:
    """A payment that waits."""
    made = Decision(
        event=event(id_), outcome=Outcome.PARKED, waits_for=waits_for, detail="waits", limit_days=3
    )
    return replace(made, **more)


def malformed(**more: Value) -> Malformed:
    """A record that is no event."""
    values: dict[str, Any] = {
        "where": "data.amount", "what": "is missing", "source": None, "id": None, "type": None,
        "sm3": bytes(32), "length": 7, "keep_bytes": True,
    }  # fmt: skip
    return Malformed(**(values | more))


def batch(
    outcomes: Sequence[Decision | Malformed] = (), first: int | None = None, **more: Value
) -> BatchRecord:
    """A batch of these outcomes, the first at position `first` (None: of a new stream)."""
    start = first or 0
    items = [Item(start + number, _raw(one), one) for number, one in enumerate(outcomes)]
    values: dict[str, Any] = {
        "stream": "clearing.payments", "partition": 0, "position_from": first,
        "position_to": start + len(items), "previous": chain.GENESIS, "lane": 1, "items": items,
        "first_uncut": DAY,
    }  # fmt: skip
    return BatchRecord(**(values | more))


def _raw(outcome: Decision | Malformed) -> bytes:
    return b"no json" if isinstance(outcome, Malformed) else raw(outcome.event.id, outcome.event.source)


def ids(rows: Iterable[Any]) -> list[str]:
    """The event ids of some rows."""
    return [row.id for row in rows]


async def write(
    conn: AsyncConnection, changes: Mapping[Key, Fact], new: Collection[Key] = frozenset()
) -> None:
    """Store facts, as a batch that changed them does."""
    puts = Puts()
    puts.facts(changes, new)
    assert await puts.write(await driver(conn), *[[]] * 7) == []


async def waiting(conn: AsyncConnection, *names: str) -> list[Waiting]:
    """Who is parked for these names."""
    looked = await facts.look(conn, [], waiting=names)
    assert looked is not None
    return looked.waiting
