"""Records in, one transaction a batch, one outcome a record. 入账

The one door: the Kafka worker, `clearing ingest FILE` and the demo all come through `take`. A batch is the unit
of durability; an event alone is a batch of one.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from clearing.errors import InvariantViolated, WorldFailed
from clearing.jobs.gather import NO_NAMES, Busy, Gathered, Names, gather
from clearing.ledger.case import Context, Limits
from clearing.ledger.decide import Folded, Incoming, decide
from clearing.ledger.facts import Key
from clearing.ledger.members import Members
from clearing.ledger.outcomes import PARKED, Decision
from clearing.settings import Settings
from clearing.store import days, locks
from clearing.store.chain import GENESIS
from clearing.store.record import BatchRecord, Item, record_all
from clearing.store.refusals import (
    DATABASE_ERRORS,
    LOCK_TIMEOUT,
    database_failed,
    no_room,
    state_of,
    worth_another_try,
)
from clearing.store.session import IDLE_SECONDS_MAX, transaction
from clearing.store.streams import Head
from messages import Event, Malformed, decode

TRIES_MAX: Final = 8
"""How often a batch starts again because another one holds a key it found, or the database aborted it."""


class Record(NamedTuple):
    """One record as it came."""

    position: int
    """Offset in its partition, or line number of its file."""
    value: bytes | None
    recorded_at: datetime | None = None
    """The broker's own time; None for files."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream partition, where it stands, and whose share of the balances it adds to."""

    name: str
    partition: int
    position: int | None
    """Where its next batch starts; None when nothing of it was ever taken."""
    digest: bytes
    """Head of its digest chain."""
    lane: int = 0
    """Streams that run at the same time have lanes of their own, so that none waits for another's row."""

    @classmethod
    def of(cls, name: str, partition: int, head: Head | None) -> Stream:
        """The stream partition as it was loaded."""
        return cls(name, partition, head.position if head else None, head.digest if head else GENESIS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Records of one stream partition, decoded, in order."""

    head: Stream
    """The stream partition as it was loaded: the position moves from here or the batch is fenced."""
    position_to: int
    """The next position after the batch."""
    records: Sequence[Record]
    decoded: Sequence[Event | Malformed]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A batch that is durable."""

    number: int
    stream: Stream
    """The stream partition after the batch."""
    outcomes: Sequence[Decision | Malformed]
    """Of its records, in order, as they stand at the end of the batch."""
    woken: Sequence[Decision]
    """Of events parked by earlier batches, decided by this one."""


def decoded(head: Stream, records: Sequence[Record], position_to: int) -> Batch:
    """Decode the records of a batch; this is pure work that can go on while another batch commits."""
    return Batch(
        head=head,
        position_to=position_to,
        records=records,
        decoded=[decode(one.value) for one in records],
    )


def context_of(settings: Settings, members: Members, open_day: date) -> Context:
    """What holds for a batch, from the settings and the day."""
    return Context(
        members=members,
        open_day=open_day,
        env=settings.env,
        cards_required=settings.cards_required,
        refund_days_max=settings.refund_days_max,
        depends_days_max=settings.depends_days_max,
        park_days_max=settings.park_days_max,
        account_limits={
            "II": Limits(day_fen=settings.limit_class2_day_fen, year_fen=settings.limit_class2_year_fen),
            "III": Limits(day_fen=settings.limit_class3_day_fen, year_fen=settings.limit_class3_year_fen),
        },
    )


async def take(
    engine: AsyncEngine, settings: Settings, members: Members, batches: Sequence[Batch]
) -> list[Taken]:
    """Decide batches of some stream partitions and make them durable in one transaction, all or nothing. 入账

    In:      at most one batch a stream partition; those before are decided before those after.
    Out:     what has no room in the books is malformed: such a record alone, the others are taken without it, then in
             several transactions.
    Writes:  events, entries, balances, facts, parked events, quarantine, the streams' positions and digests.
    Again:   what is durable is refused as Fenced; load the positions and go on from there.
    Raises:  Fenced, WorldFailed when the database cannot be had, InvariantViolated.
    """
    known: Names = NO_NAMES
    for attempt in range(1, TRIES_MAX + 1):
        try:
            async with transaction(engine, idle_seconds_max=IDLE_SECONDS_MAX) as conn:
                return await take_in(conn, settings, members, batches, known)
        except Busy as busy:
            known = busy.names
            if attempt == 1:
                continue  # next time all of them are waited for, in order
        except DATABASE_ERRORS as error:
            if no_room(error) and any(one.records for one in batches):
                break
            if not worth_another_try(error) or attempt == TRIES_MAX:
                raise database_failed(error) from error
            if state_of(error) == LOCK_TIMEOUT:
                async with engine.connect() as conn:
                    await locks.end_silent(conn, IDLE_SECONDS_MAX)
        await asyncio.sleep(0.01 * attempt)
    else:
        names = ", ".join(f"{one.head.name}[{one.head.partition}]" for one in batches)
        raise WorldFailed(f"{names}: other batches held their keys {TRIES_MAX} times. Next: try again")
    return await _apart(engine, settings, members, batches)


async def _apart(
    engine: AsyncEngine, settings: Settings, members: Members, batches: Sequence[Batch]
) -> list[Taken]:
    """Take by halves what the books have no room for as a whole, down to the record that is too much."""
    if len(batches) > 1:
        middle = len(batches) // 2
        before = await take(engine, settings, members, batches[:middle])
        return before + await take(engine, settings, members, batches[middle:])
    [batch] = batches
    if len(batch.records) == 1:
        none = [_too_much(batch.records[0], batch.decoded[0])]
        return await take(engine, settings, members, [replace(batch, decoded=none)])
    middle = len(batch.records) // 2
    records, read = batch.records, batch.decoded
    half = replace(
        batch, position_to=records[middle - 1].position + 1, records=records[:middle], decoded=read[:middle]
    )
    [first] = await take(engine, settings, members, [half])
    half = replace(batch, head=first.stream, records=records[middle:], decoded=read[middle:])
    [second] = await take(engine, settings, members, [half])
    outcomes, woken = [*first.outcomes, *second.outcomes], [*first.woken, *second.woken]
    return [replace(second, outcomes=outcomes, woken=woken)]


def _too_much(record: Record, event: Event | Malformed) -> Malformed:
    """The record whose amounts, or those of what it wakes, are more than the books can add up.

    Raises:  InvariantViolated for one without any.
    """
    if isinstance(event, Malformed):
        raise InvariantViolated(f"record at {record.position}: {event}: the books have no room for nothing")
    value = record.value or b""
    what = "expected amounts for which the books have room, got more than an account may come to on a day"
    sm3 = hashlib.new("sm3", value).digest()
    return Malformed("data", what, event.source, event.id, event.type, sm3, len(value), keep_bytes=True)


async def take_in(
    conn: AsyncConnection,
    settings: Settings,
    members: Members,
    batches: Sequence[Batch],
    known: Names = NO_NAMES,
) -> list[Taken]:
    """Decide batches and write them inside a transaction that the caller commits. 入账

    In:      `known`: the names that an earlier `Busy` gave.
    Writes, Again: as `take`.
    Raises:  Busy when another batch holds a key that is found on the way; Fenced; the database's own errors.
    """
    decoded_ = [one for batch in batches for one in batch.decoded]
    events = [one for one in decoded_ if isinstance(one, Event)]
    gathered = await gather(conn, events, networks_of(members), known_names=known)
    open_day = days.known(gathered.open_day)
    incoming = [
        Incoming(one, record_.recorded_at)
        for batch in batches
        for one, record_ in zip(batch.decoded, batch.records, strict=True)
        if isinstance(one, Event)
    ]
    folded = decide(incoming, gathered.waiting, gathered.facts, context_of(settings, members, open_day))
    outcomes, woken = ends_of(folded, decoded_)
    decided = iter(outcomes)
    recorded = [
        BatchRecord(
            stream=batch.head.name,
            partition=batch.head.partition,
            position_from=batch.head.position,
            position_to=batch.position_to,
            previous=batch.head.digest,
            lane=batches[0].head.lane,
            items=[
                Item(one.position, one.value or b"", outcome)
                for one, outcome in zip(batch.records, decided, strict=False)
            ],
            first_uncut=open_day,
        )
        for batch in batches
    ]
    # What earlier batches had parked stands with the first of these, and what changed is written with it.
    changes, new = folded.changes, new_keys(folded, gathered)
    recorded[0] = replace(recorded[0], woken=woken, changes=changes, new=new)
    told = [one for one in woken if one.outcome is not PARKED]
    return [
        Taken(
            number=number,
            stream=replace(batch.head, position=batch.position_to, digest=digest),
            outcomes=[item.outcome for item in written.items],
            woken=told if batch is batches[0] else (),
        )
        for batch, written, (number, digest) in zip(
            batches, recorded, await record_all(conn, recorded), strict=True
        )
    ]


def networks_of(members: Members) -> tuple[str, ...]:
    """Every card network that the members file names, whatever its dates."""
    return tuple(sorted({one.code for one in members.records if one.kind == "network"}))


def ends_of(
    folded: Folded, decoded_: Sequence[Event | Malformed]
) -> tuple[list[Decision | Malformed], list[Decision]]:
    """Each record's outcome at the end of the batch, and those of events parked before it.

    Out:     an event parked and decided in this batch stands once, with its last decision; one that still waits
             stands as parked with what it waits for now.
    """
    last = {(one.event.source, one.event.id): one for one in folded.woken}
    outcomes: list[Decision | Malformed] = []
    decisions = iter(folded.decisions)
    for one in decoded_:
        if isinstance(one, Malformed):
            outcomes.append(one)
            continue
        decision = next(decisions)
        if decision.outcome is PARKED:
            key = (one.source, one.id)
            waits = folded.parked.get(key)
            if (final := last.pop(key, None)) is not None:
                decision = final
            elif waits is not None:
                decision = replace(
                    decision,
                    waits_for=waits.waits_for,
                    detail=waits.detail,
                    limit_days=waits.limit_days,
                    line=waits.line,
                    feeds=waits.feeds,
                )
        outcomes.append(decision)
    earlier = [one for one in folded.woken if (one.event.source, one.event.id) in last]
    earlier += [
        Decision(
            event=waits.event,
            outcome=PARKED,
            detail=waits.detail,
            waits_for=waits.waits_for,
            woken=True,
            limit_days=waits.limit_days,
            line=waits.line,
            feeds=waits.feeds,
        )
        for waits in folded.parked.values()
        if waits.arrival is not None
    ]
    return outcomes, earlier


def new_keys(folded: Folded, gathered: Gathered) -> set[Key]:
    """Changed facts that were not there before; every one of them was read, under a lock of our own.

    Raises:  InvariantViolated when a rule changes a key that it did not name as a need, or said it only reads.
    """
    strange = folded.changes.keys() - gathered.own
    if strange:
        kinds = ", ".join(sorted({key[0] for key in strange}))
        raise InvariantViolated(
            f"rules changed {len(strange)} facts they did not ask for ({kinds}). Nothing was written"
        )
    return folded.changes.keys() - gathered.found


def quiet_collector() -> None:
    """Let the garbage collector look less often: a batch makes some ten thousand values and drops them all.

    Again: the same.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
