"""How far each stream partition has been taken in. 流位置"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.store.session import driver


class Head(NamedTuple):
    """Where one stream partition stands."""

    position: int
    """Where its next batch starts."""
    digest: bytes
    """Head of its digest chain."""
    announced: int
    """The last batch whose notices have been published."""


async def load(conn: AsyncConnection, name: str) -> dict[int, Head]:
    """Where the partitions of a stream stand, by partition; one that was never written is absent. 读取位置"""
    rows = await (await driver(conn)).fetch(
        "SELECT partition, position, digest, announced FROM stream WHERE name = $1", name
    )
    return {row[0]: Head(*row[1:]) for row in rows}


class LastRecord(NamedTuple):
    """The record behind which a stream partition goes on."""

    offset: int
    sm3: bytes
    """Of its bytes."""


# As `notices` asks for a partition's next batches: in the order of the index, whatever the planner believes.
_LAST: Final = """
    WITH last AS (
        SELECT s.name, s.partition, s.position - 1 AS place, b.id AS batch
        FROM unnest($1::text[], $2::integer[]) AS wanted(name, partition)
        JOIN stream s ON s.name = wanted.name COLLATE "C" AND s.partition = wanted.partition
        CROSS JOIN LATERAL (
            SELECT id, stream, partition FROM batch
            WHERE (stream, partition, id) <= (s.name, s.partition, 9223372036854775807)
            ORDER BY stream DESC, partition DESC, id DESC LIMIT 1
        ) AS b WHERE b.stream = s.name AND b.partition = s.partition
    )
    SELECT l.name, l.partition, l.place, e.raw, NULL::bytea FROM last l JOIN event e ON e.batch = l.batch
        AND e.position = l.place
    UNION ALL
    SELECT l.name, l.partition, l.place, r.raw, NULL FROM last l JOIN repeat r ON r.batch = l.batch
        AND r.position = l.place
    UNION ALL
    SELECT l.name, l.partition, l.place, NULL, q.sm3 FROM last l JOIN quarantine q ON q.batch = l.batch
        AND q.position = l.place AND q.stream = l.name AND q.partition = l.partition
"""


async def last_records(
    conn: AsyncConnection, wanted: Collection[tuple[str, int]]
) -> dict[tuple[str, int], LastRecord]:
    """The record that each of these stream partitions took last; one that was never written is absent. 末条记录"""
    if not wanted:
        return {}
    names, partitions = zip(*wanted, strict=True)
    rows = await (await driver(conn)).fetch(_LAST, names, partitions)
    return {
        (name, partition): LastRecord(place, sm3 or hashlib.new("sm3", raw).digest())
        for name, partition, place, raw, sm3 in rows
    }


async def heads(conn: AsyncConnection) -> list[tuple[str, int, bytes]]:
    """Every chain's head (stream, partition, digest), in the order in which the root takes them. 链头"""
    rows = await (await driver(conn)).fetch(
        "SELECT name, partition, digest FROM stream ORDER BY name, partition"
    )
    return [tuple(row) for row in rows]
