"""Writing one batch: outcomes, entries, balances, facts, parked events, the position and the digest. 记录"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.errors import Fenced, InvariantViolated
from clearing.ledger.outcomes import Decision
from clearing.ledger.rules import RULES
from clearing.store import chain
from clearing.store.put import Puts
from clearing.store.rows import COLUMNS, DAY_PREFIX, BatchRecord, Item, collect
from clearing.store.session import Driver, driver

__all__ = ["BatchRecord", "Item", "record"]


async def record(conn: AsyncConnection, batch: BatchRecord) -> tuple[int, bytes]:
    """Write one batch; see `record_all`. 记录一批"""
    return (await record_all(conn, [batch]))[0]


async def record_all(conn: AsyncConnection, batches: Sequence[BatchRecord]) -> list[tuple[int, bytes]]:
    """Write batches of some stream partitions, all or nothing, and give each one's number and chain head. 记录

    In:      decided facts, with their names locked and the day held shared in this transaction; no two batches
             of one stream partition.
    Writes:  batch, stream, event, woken, repeat, quarantine, entry, balance, parked, a table a kind of fact.
    Again:   refused: the position has moved.
    Raises:  Fenced when another worker moved a stream since it was loaded; InvariantViolated for a decision
             that cannot be recorded.
    """
    raw = await driver(conn)
    rows = [collect(batch) for batch in batches]
    digests = [chain.seal(batch.previous, one.lines) for batch, one in zip(batches, rows, strict=True)]
    puts = Puts()
    for place, (batch, one) in enumerate(zip(batches, rows, strict=True), 1):
        for table in COLUMNS:
            puts.rows(table, place, getattr(one, table))
        puts.facts(batch.changes, batch.new)
        puts.waits += _waits(batch, one.parked)
        puts.moved += _waits(batch, one.moved)
        puts.gone += [(gone.event.source, gone.event.id) for gone in one.gone]
    puts.balances(batches[0].lane, _moved(row for one in rows for row in one.entry))
    numbers = await _write(raw, batches, digests, puts)
    return list(zip(numbers, digests, strict=True))


async def _write(
    raw: Driver, batches: Sequence[BatchRecord], digests: Sequence[bytes], puts: Puts
) -> list[int]:
    """Move the positions and write a row a batch, whose numbers are given, and all else; or be fenced."""
    columns = zip(
        *(
            (
                one.stream,
                one.partition,
                one.position_from,
                one.position_to,
                len(one.items),
                one.previous,
                digest,
            )
            for one, digest in zip(batches, digests, strict=True)
        ),
        strict=True,
    )
    numbers = await puts.write(raw, *columns)
    if numbers is None:
        told = ", ".join(f"{one.stream}[{one.partition}] at {one.position_from}" for one in batches)
        raise Fenced(
            f"{told}: expected there, another worker has moved one of them. Nothing was written. "
            "Next: load the positions again"
        )
    return numbers


def _moved(entries: Iterable[tuple[Any, ...]]) -> dict[tuple[date, str], int]:
    """What entries move, by day and account."""
    moved: defaultdict[tuple[date, str], int] = defaultdict(int)
    for row in entries:
        day = row[1]
        for account, fen in zip(row[5], row[6], strict=True):
            moved[day, account] += fen
    return moved


def _waits(batch: BatchRecord, decisions: Sequence[Decision]) -> list[tuple[Any, ...]]:
    """The columns of some waits: a limit counts from the first uncut day, a wait for a day has none.

    Raises:  InvariantViolated when that day is not known.
    """
    if not decisions:
        return []
    if batch.first_uncut is None:
        raise InvariantViolated(f"{batch.stream}: {len(decisions)} events parked without the first uncut day")
    return [
        (
            one.event.source,
            one.event.id,
            one.waits_for,
            None if one.waits_for.startswith(DAY_PREFIX) else batch.first_uncut,
            one.detail,
            one.limit_days,
            one.line,
            RULES[one.event.type].adds,
            one.feeds,
        )
        for one in decisions
    ]
