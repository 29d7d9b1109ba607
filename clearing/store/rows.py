"""What a batch becomes before it is written: rows for each table, and lines for the digest. 批次行"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, NamedTuple

from clearing.ledger.entry import Entry
from clearing.ledger.facts import Fact, Key
from clearing.ledger.outcomes import DUPLICATE, PARKED, Decision, Reason
from clearing.store import chain, entries
from messages import Malformed

DAY_PREFIX: Final = "day/"
"""Names of days begin with it; a wait for one has no limit."""


_ID_REUSED: Final = str(Reason.ID_REUSED)


class Item(NamedTuple):
    """One record of a batch and what became of it."""

    position: int
    raw: bytes
    outcome: Decision | Malformed


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRecord:
    """All that one transaction of the engine writes.

    An event of `items` that was parked and decided again in this same batch comes once, with its last
    decision, `woken=True` and `notice_no=2`: its `event` row then says "parked" and its `woken` row the rest,
    so that both notices are announced. If it then waits for something else, it is parked with that.
    """

    stream: str
    partition: int
    position_from: int | None
    """As loaded; None when this stream partition has never been written."""
    position_to: int
    previous: bytes
    """Head of the chain as loaded, `chain.GENESIS` for the first batch."""
    lane: int
    """Whose share of the balances is added to: one a worker at a time."""
    items: Sequence[Item] = ()
    """In order of arrival."""
    woken: Sequence[Decision] = ()
    """Parked by an earlier batch and decided again, in that order; one still PARKED waits for more."""
    entries: Sequence[Entry] = ()
    """Of no event: the end of a day's."""
    changes: Mapping[Key, Fact] = field(default_factory=dict)
    new: Collection[Key] = frozenset()
    """Keys of `changes` that were not there when they were read: copied in, which is fastest."""
    first_uncut: date | None = None
    """The open day; needed where anything is parked."""


_RESULT: Final = ("outcome", "reason", "detail", "entry_id", "clearing_date", "late")
COLUMNS: Final = {
    "event": ("source", "id", "type", "sm3", *_RESULT, "waits_for", "occurred_at", "raw", "position", "no"),
    "woken": ("source", "id", *_RESULT, "no"),
    "repeat": ("source", "id", "type", "outcome", "reason", "detail", "sm3", "position", "raw", "no"),
    "quarantine": (
        "stream", "partition", "position", "where_", "what", "source", "id", "type", "sm3", "length", "raw",
        "no",
    ),
    "entry": (*entries.COLUMNS, "no"),
}  # fmt: skip


class Rows:
    """The rows of a batch, collected in one walk through its items."""

    __slots__ = ("entry", "event", "gone", "lines", "moved", "no", "parked", "quarantine", "repeat", "woken")

    def __init__(self) -> None:
        self.no = 0
        self.event: list[tuple[Any, ...]] = []
        self.woken: list[tuple[Any, ...]] = []
        self.repeat: list[tuple[Any, ...]] = []
        self.quarantine: list[tuple[Any, ...]] = []
        self.entry: list[tuple[Any, ...]] = []
        self.parked: list[Decision] = []
        self.moved: list[Decision] = []
        self.gone: list[Decision] = []
        self.lines: list[chain.Line] = []


def collect(batch: BatchRecord) -> Rows:
    """The rows of a batch, its number left out, and its lines in order of `no`."""
    rows = Rows()
    last: list[Decision] = []
    for item in batch.items:
        outcome = item.outcome
        if isinstance(outcome, Malformed):
            _add_malformed(rows, batch, item, outcome)
        elif outcome.outcome is DUPLICATE or outcome.reason == _ID_REUSED:
            _add_repeat(rows, item, outcome)
        else:
            _add_event(rows, item, outcome, last)
        rows.no += 1
    for decision in last:  # parked and decided in this batch: never a row in `parked`
        _add_woken(rows, decision)
    for decision in batch.woken:
        if decision.outcome is PARKED:
            rows.moved.append(decision)
        else:
            rows.gone.append(decision)
            _add_woken(rows, decision)
    for entry in batch.entries:
        _add_entry(rows, entry)
        rows.no += 1
    return rows


def _add_event(rows: Rows, item: Item, decision: Decision, last: list[Decision]) -> None:
    event, outcome, no = decision.event, decision.outcome, rows.no
    entry = decision.entry
    if outcome is PARKED:
        rows.parked.append(decision)
    if decision.woken and outcome is not PARKED:
        last.append(decision)
        entry = None
        result: tuple[Any, ...] = ("parked", "", "", None, None, False)
    else:
        result = _result(decision)
    source, id_, type_, sm3 = event.source, event.id, event.type, event.sm3
    word, reason, _, entry_id, day, late = result
    rows.event.append(
        (source, id_, type_, sm3, *result, decision.waits_for, event.time, item.raw, item.position, no)
    )
    rows.lines.append((no, "event", source, id_, type_, word, reason, entry_id, day, late, sm3.hex()))
    if entry is not None:
        _add_entry(rows, entry)


def _result(decision: Decision) -> tuple[Any, ...]:
    """The columns that `event` and `woken` share."""
    entry = decision.entry
    return (
        str(decision.outcome), str(decision.reason), decision.detail, entry.id if entry else None,
        decision.clearing_date, decision.late,
    )  # fmt: skip


def _add_woken(rows: Rows, decision: Decision) -> None:
    """The last outcome of an event that had been parked, with a number of its own."""
    event, entry, no = decision.event, decision.entry, rows.no
    result = word, reason, _, entry_id, day, late = _result(decision)
    rows.woken.append((event.source, event.id, *result, no))
    rows.lines.append((no, "woken", event.source, event.id, None, word, reason, entry_id, day, late, None))
    if entry is not None:
        _add_entry(rows, entry)
    rows.no += 1


def _add_repeat(rows: Rows, item: Item, decision: Decision) -> None:
    event, no, word, reason = decision.event, rows.no, str(decision.outcome), str(decision.reason)
    source, id_, type_, sm3 = event.source, event.id, event.type, event.sm3
    rows.repeat.append((source, id_, type_, word, reason, decision.detail, sm3, item.position, item.raw, no))
    rows.lines.append((no, "repeat", source, id_, type_, word, reason, None, None, None, sm3.hex()))


def _add_malformed(rows: Rows, batch: BatchRecord, item: Item, malformed: Malformed) -> None:
    no, sm3 = rows.no, malformed.sm3
    where, what, source, id_, type_ = map(
        _storable, (malformed.where, malformed.what, malformed.source, malformed.id, malformed.type)
    )
    raw = item.raw if malformed.keep_bytes else None
    place = (batch.stream, batch.partition, item.position)
    rows.quarantine.append((*place, where, what, source, id_, type_, sm3, malformed.length, raw, no))
    rows.lines.append((no, "quarantine", source, id_, type_, "malformed", where, None, None, None, sm3.hex()))


def _add_entry(rows: Rows, entry: Entry) -> None:
    row = entries.row_of(entry)
    rows.entry.append((*row, rows.no))
    rows.lines.append(chain.entry_line(rows.no, row))


def _storable(text: str | None) -> str:
    """Text of a malformed record as the database takes it: what it cannot hold becomes U+FFFD or ?."""
    return (text or "").encode("utf-8", "replace").decode().replace("\0", "\ufffd")
