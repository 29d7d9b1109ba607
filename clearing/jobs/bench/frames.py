"""The two measurements that frame the engine: a transaction an event, and a raw COPY of its rows. 对照测速"""

from __future__ import annotations

import asyncio
import functools
import time
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from clearing.jobs.ingest import Record, Stream, decoded, take
from clearing.store.database import Database, connect

if TYPE_CHECKING:
    from clearing.jobs.generate import Sent
    from clearing.ledger.members import Members
    from clearing.settings import Settings

CONNECTIONS: Final = 8
COPIED: Final = ("event", "entry", "bank_ref", "order_no")
"""What a day of payments mostly writes; `parked` is empty at its end."""


async def take_one_by_one(
    database: Database, settings: Settings, members: Members, sent: Sequence[Sent]
) -> float:
    """Take every record in a transaction of its own, on eight connections at once, and give the seconds.

    In:      records in order of arrival; those with one key go to one connection, in order.
    Writes:  as `take`.
    """
    lanes: list[list[Sent]] = [[] for _ in range(CONNECTIONS)]
    for one in sent:
        lanes[zlib.crc32(one.key.encode()) % CONNECTIONS].append(one)
    # The engine's own pool keeps four connections and closes others after each use.
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=functools.partial(connect, database.dsn),
        pool_size=CONNECTIONS,
        max_overflow=0,
    )
    try:
        await asyncio.gather(*(_touch(engine) for _ in lanes))
        began = time.perf_counter()
        await asyncio.gather(
            *(_take_lane(engine, settings, members, number, lane) for number, lane in enumerate(lanes))
        )
        return time.perf_counter() - began
    finally:
        await engine.dispose()


async def _touch(engine: AsyncEngine) -> None:
    """Open a connection before the clock runs."""
    async with engine.connect():
        await asyncio.sleep(0.05)


async def _take_lane(
    engine: AsyncEngine, settings: Settings, members: Members, number: int, lane: Sequence[Sent]
) -> None:
    stream = replace(Stream.of("one", number, None), lane=number)
    for position, one in enumerate(lane):
        batch = decoded(stream, [Record(position, one.value)], position + 1)
        [taken] = await take(engine, settings, members, [batch])
        stream = taken.stream


async def copy_rows(database: Database, place: Path) -> float:
    """Copy the rows that a run left behind into new tables made like ours, and give the seconds.

    In:      books after a run; `place` for the rows between reading and writing, outside the clock.
    Out:     from the first byte to the commit: one binary COPY a table, all in one transaction; the same
             columns, checks and indexes, the rows in the order in which they were first written.
    Writes:  schema raw_copy, and removes it.
    """
    connection = await connect(database.dsn)
    try:
        await connection.execute("CREATE SCHEMA raw_copy")
        for table in COPIED:
            await connection.execute(f"CREATE TABLE raw_copy.{table} (LIKE public.{table} INCLUDING ALL)")
            await connection.copy_from_query(
                f"SELECT * FROM public.{table} ORDER BY ctid",  # noqa: S608 - our tables
                output=place / table,
                format="binary",
            )
        await connection.execute("CHECKPOINT")
        began = time.perf_counter()
        async with connection.transaction():
            for table in COPIED:
                await connection.copy_to_table(
                    table, source=place / table, schema_name="raw_copy", format="binary"
                )
        seconds = time.perf_counter() - began
        await connection.execute("DROP SCHEMA raw_copy CASCADE")
        return seconds
    finally:
        await connection.close()
        for table in COPIED:
            (place / table).unlink(missing_ok=True)
