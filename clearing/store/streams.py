"""How far each stream partition has been taken in. 流位置"""

from __future__ import annotations

from typing import NamedTuple

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


async def heads(conn: AsyncConnection) -> list[tuple[str, int, bytes]]:
    """Every chain's head (stream, partition, digest), in the order in which the root takes them. 链头"""
    rows = await (await driver(conn)).fetch(
        "SELECT name, partition, digest FROM stream ORDER BY name, partition"
    )
    return [tuple(row) for row in rows]
