"""Outcomes that have not been announced yet, read from where they are kept. 通知

No second table is written on the hot path: a notice is an outcome's row, and a stream remembers the last
batch whose notices were published. Two publishers at once announce twice, which receivers can tell by the id.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.store.session import driver

ROWS_MAX: Final = 1_000
"""Outcomes that are read back at a time: a batch may be a whole file of a bank, or all that a cut has woken."""


class Row(NamedTuple):
    """One outcome to announce."""

    batch: int
    no: int
    table: str
    """event, woken, repeat or quarantine."""
    position: int | None
    """In its stream partition; None when woken."""
    source: str
    id: str
    type: str
    outcome: str
    reason: str
    """For quarantine: the path of the field."""
    detail: str
    """For quarantine: what is wrong."""
    entry_id: UUID | None
    clearing_date: date | None
    late: bool
    waits_for: str
    sm3: bytes
    """Of the content; of the bytes for quarantine."""
    raw: bytes | None
    """The record's bytes, for the notices that tell what was said; never of quarantine."""
    length: int
    """Of quarantine: of the record, in bytes; else 0."""
    kept: bool
    """Of quarantine: whether the record's bytes were kept."""


# Compared and ordered as the index has them, the next batches of a stream partition are found by it whatever the
# planner believes; stated as equal, they were looked for among all that were written since, years in an idle stream.
_TO_TELL: Final = """(
            SELECT next.id FROM (
                SELECT b.id, b.stream, b.partition FROM batch b
                WHERE (b.stream, b.partition, b.id) > (s.name, s.partition, {after})
                    AND (b.records > 0 OR EXISTS (SELECT 1 FROM woken WHERE batch = b.id OFFSET 0))
                ORDER BY b.stream, b.partition, b.id LIMIT {most}
            ) AS next WHERE next.stream = s.name AND next.partition = s.partition
        )"""
_PENDING: Final = f"""
    SELECT told.* FROM stream s
    CROSS JOIN LATERAL {_TO_TELL.format(after="greatest(s.announced, $3 - 1)", most=10)} AS due
    CROSS JOIN LATERAL (
        SELECT batch, no, 'event', position, source, id, type, outcome, reason, detail, entry_id,
            clearing_date, late, waits_for, sm3, raw, 0, true
        FROM event WHERE batch = due.id
        UNION ALL
        SELECT w.batch, w.no, 'woken', NULL, w.source, w.id, e.type, w.outcome, w.reason, w.detail,
            w.entry_id, w.clearing_date, w.late, '', e.sm3, e.raw, 0, true
        FROM woken w CROSS JOIN LATERAL (SELECT * FROM event WHERE source = w.source AND id = w.id OFFSET 0) e
        WHERE w.batch = due.id
        UNION ALL
        SELECT batch, no, 'repeat', position, source, id, type, outcome, reason, detail,
            NULL, NULL, false, '', sm3, raw, 0, true
        FROM repeat WHERE batch = due.id
        UNION ALL
        SELECT batch, no, 'quarantine', position, source, id, type, 'malformed', where_, what,
            NULL, NULL, false, '', sm3, NULL, length, raw IS NOT NULL
        FROM quarantine WHERE batch = due.id
        OFFSET 0
    ) AS told
    WHERE s.name = $1 AND s.partition = $2 AND (told.batch, told.no) > ($3, $4)
    ORDER BY told.batch, told.no LIMIT $5
"""  # noqa: S608 - our own text
_BEHIND: Final = f"""
    SELECT s.name, s.partition FROM stream s
    CROSS JOIN LATERAL {_TO_TELL.format(after="s.announced", most=1)} AS due
    WHERE s.name = ANY($1) ORDER BY 1, 2
"""  # noqa: S608 - our own text
START: Final = (0, -1)
"""Before every outcome."""


async def pending(
    conn: AsyncConnection,
    stream: str,
    partition: int,
    *,
    after: tuple[int, int] = START,
    rows_max: int = ROWS_MAX,
) -> list[Row]:
    """The next outcomes to announce, in order of batch and number. 待发通知

    In:      `after`: (batch, number) of the last one that was sent since the stream last remembered.
    Out:     of a few batches, so many rows at most; where there are as many, the last batch may have more.
             () when all is announced; batches without outcomes are passed over.
    """
    rows = await (await driver(conn)).fetch(_PENDING, stream, partition, *after, rows_max)
    return [Row(*row) for row in rows]


async def behind(conn: AsyncConnection, streams: Collection[str]) -> list[tuple[str, int]]:
    """The stream partitions, of these streams, that have outcomes to announce."""
    rows = await (await driver(conn)).fetch(_BEHIND, list(streams))
    return [tuple(row) for row in rows]


async def last_batch(conn: AsyncConnection) -> int:
    """The number of the last batch that is committed, 0 before the first. 最新批次"""
    found: int | None = await (await driver(conn)).fetchval("SELECT max(id) FROM batch")
    return found or 0


_ANNOUNCED: Final = """
    UPDATE stream s SET announced = told.batch
    FROM (
        SELECT o.name, o.partition, told.batch FROM unnest($1::text[], $2::integer[], $3::bigint[])
            AS told(name, partition, batch)
        JOIN stream o ON o.name = told.name COLLATE "C" AND o.partition = told.partition AND o.announced < told.batch
        JOIN batch b ON b.id = told.batch AND b.stream = o.name AND b.partition = o.partition
        ORDER BY o.name, o.partition FOR UPDATE OF o
    ) AS told
    WHERE s.name = told.name AND s.partition = told.partition
"""


async def announced(conn: AsyncConnection, ends: Sequence[tuple[str, int, int]]) -> None:
    """Remember that all notices up to these batches are out. 已发通知

    In:      (stream, partition, batch), each stream partition once.
    Writes:  stream, its rows locked in the order in which batches lock them.
    Again:   it never goes back, nor to a batch that these books do not have: a worker may have sent notices of some
             that a failover lost, and those that get their numbers have not been told.
    """
    names, partitions, batches = map(list, zip(*ends, strict=True))
    await (await driver(conn)).execute(_ANNOUNCED, names, partitions, batches)
