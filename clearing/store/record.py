"""Writing one batch: outcomes, entries, balances, facts, parked events, the position and the digest. 记录"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.errors import Fenced, InvariantViolated
from clearing.ledger.outcomes import Decision
from clearing.ledger.rules import RULES
from clearing.store import chain, facts
from clearing.store.rows import COLUMNS, DAY_PREFIX, BatchRecord, Item, Rows, collect
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
    numbers: dict[int, int] = {}
    # In one order whoever writes: two that move the same streams, one of them to be fenced, never wait in a ring.
    for place in sorted(range(len(batches)), key=lambda place: _name(batches[place])):
        numbers[place] = await _advance(raw, batches[place], digests[place])
    for table, columns in COLUMNS.items():
        values = [(*row, numbers[place]) for place, one in enumerate(rows) for row in getattr(one, table)]
        if values:
            await raw.copy_records_to_table(table, records=values, columns=[*columns, "batch"])
    await _add_balances(raw, batches[0].lane, (row for one in rows for row in one.entry))
    for batch, one in zip(batches, rows, strict=True):
        await _park(raw, batch, one)
        if batch.changes:
            await facts.write(conn, batch.changes, batch.new)
    return [(numbers[place], digest) for place, digest in enumerate(digests)]


def _name(batch: BatchRecord) -> tuple[str, int]:
    return batch.stream, batch.partition


_MOVE: Final = """
    WITH moved AS (
        UPDATE stream SET position = $4, digest = $6
        WHERE name = $1 AND partition = $2 AND position = $3 AND digest = $5 RETURNING name
    )
    INSERT INTO batch (stream, partition, position_from, position_to, records, previous, digest)
    SELECT $1, $2, $3, $4, $7, $5, $6 FROM moved RETURNING id
"""
_BEGIN: Final = """
    WITH moved AS (
        INSERT INTO stream (name, partition, position, digest, announced)
        VALUES ($1, $2, $4, $6, 0) ON CONFLICT DO NOTHING RETURNING name
    )
    INSERT INTO batch (stream, partition, position_from, position_to, records, previous, digest)
    SELECT $1, $2, $3::bigint, $4, $7, $5, $6 FROM moved RETURNING id
"""
_BALANCES: Final = """
    INSERT INTO balance (clearing_date, account, lane, fen)
    SELECT d, a, $1, f FROM unnest($2::date[], $3::text[], $4::bigint[]) AS delta(d, a, f)
    ON CONFLICT (clearing_date, account, lane) DO UPDATE SET fen = balance.fen + excluded.fen
"""
_PARKED: Final = """
    INSERT INTO parked (source, id, waits_for, since, limit_days, detail, line, adds)
    SELECT source, id, waits_for, since, limit_days, detail, line, adds
    FROM unnest($1::text[], $2::text[], $3::text[], $4::date[], $5::text[], $6::integer[], $7::text[], $8::boolean[])
        WITH ORDINALITY AS new(source, id, waits_for, since, detail, limit_days, line, adds, no) ORDER BY no
"""
_MOVED: Final = """
    UPDATE parked p SET waits_for = new.waits_for, since = coalesce(p.since, new.since),
        limit_days = new.limit_days, detail = new.detail, line = new.line, adds = new.adds
    FROM unnest($1::text[], $2::text[], $3::text[], $4::date[], $5::text[], $6::integer[], $7::text[], $8::boolean[])
        AS new(source, id, waits_for, since, detail, limit_days, line, adds)
    WHERE p.source = new.source COLLATE "C" AND p.id = new.id COLLATE "C"
"""
_GONE: Final = """
    DELETE FROM parked p USING unnest($1::text[], $2::text[]) AS old(source, id)
    WHERE p.source = old.source COLLATE "C" AND p.id = old.id COLLATE "C"
"""


async def _advance(raw: Driver, batch: BatchRecord, digest: bytes) -> int:
    """Move the position and write the batch's row, or be fenced."""
    statement = _BEGIN if batch.position_from is None else _MOVE
    number: int | None = await raw.fetchval(
        statement, batch.stream, batch.partition, batch.position_from, batch.position_to, batch.previous,
        digest, len(batch.items),
    )  # fmt: skip
    if number is None:
        raise Fenced(
            f"{batch.stream}[{batch.partition}]: position {batch.position_from} expected, another worker "
            "has moved it. Nothing was written. Next: load the position again"
        )
    return number


async def _add_balances(raw: Driver, lane: int, rows: Iterable[tuple[Any, ...]]) -> None:
    """Add what moved to a lane's share of each account and day."""
    moved: defaultdict[tuple[date, str], int] = defaultdict(int)
    for row in rows:
        day = row[1]
        for account, fen in zip(row[5], row[6], strict=True):
            moved[day, account] += fen
    if moved:
        keys = sorted(moved)
        days, accounts = map(list, zip(*keys, strict=True))
        await raw.execute(_BALANCES, lane, days, accounts, [moved[key] for key in keys])


async def _park(raw: Driver, batch: BatchRecord, rows: Rows) -> None:
    for statement, decisions in ((_PARKED, rows.parked), (_MOVED, rows.moved)):
        if decisions:
            await raw.execute(statement, *_waits(batch, decisions))
    if rows.gone:
        sources, ids = map(list, zip(*((one.event.source, one.event.id) for one in rows.gone), strict=True))
        await raw.execute(_GONE, sources, ids)


def _waits(batch: BatchRecord, decisions: Sequence[Decision]) -> list[list[Any]]:
    """The columns of some waits: a limit counts from the first uncut day, a wait for a day has none."""
    if batch.first_uncut is None:
        raise InvariantViolated(f"{batch.stream}: {len(decisions)} events parked without the first uncut day")
    rows = [
        (
            one.event.source,
            one.event.id,
            one.waits_for,
            None if one.waits_for.startswith(DAY_PREFIX) else batch.first_uncut,
            one.detail,
            one.limit_days,
            one.line,
            RULES[one.event.type].adds,
        )
        for one in decisions
    ]
    return [list(column) for column in zip(*rows, strict=True)]
