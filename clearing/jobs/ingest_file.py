"""JSON Lines through the same door as the worker's records. 文件入账

A file has no place of its own to go on from: run again, what was taken is announced as duplicate, so a run that
was killed is finished by running it again. Runs side by side take a slot each, with a digest chain of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from clearing.errors import WorldFailed
from clearing.jobs.ingest import Batch, Record, Stream, quiet_collector, take
from clearing.jobs.totals import Totals
from clearing.store import streams
from clearing.store.session import transaction
from messages import Event, Malformed, decode

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.ext.asyncio import AsyncEngine

    from clearing.ledger.members import Members
    from clearing.settings import Settings

STREAM: Final = "file"
SLOTS: Final = 16
SLOT_LOCK: Final = 7210
"""Class of the advisory locks that say which slots are taken."""
LANE_FIRST: Final = 30_000
"""Slots have lanes of their own, apart from the worker's."""


async def ingest_lines(
    engine: AsyncEngine,
    settings: Settings,
    members: Members,
    lines: Iterable[bytes],
    *,
    told: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Take JSON Lines, one event a line, in batches; empty lines are passed over.

    In:      bytes of each line, its line end included or not; `told` hears how many were taken after each batch.
    Out:     the shape of `clearing ingest --json`.
    Writes:  as `take`; the stream "file".
    Again:   every line ends as `duplicate`, nothing moves.
    Raises:  WorldFailed, InvariantViolated.
    """
    began = time.monotonic()
    totals = Totals()
    quiet_collector()
    async with slot(engine) as stream:
        todo = batches(lines, settings.batch_events_max)
        ready = await asyncio.to_thread(_next, todo)
        while ready is not None:
            # The next batch is read and decoded while this one waits for the database.
            coming = asyncio.create_task(asyncio.to_thread(_next, todo))
            [taken] = await take(engine, settings, members, [_placed(stream, *ready)])
            stream = taken.stream  # noqa: PLW2901 - where the next batch goes on
            totals.add(taken)
            if told is not None:
                told(len(ready[0]))
            ready = await coming
    return totals.as_json(time.monotonic() - began)


def _next(todo: Iterator[list[bytes]]) -> tuple[list[bytes], list[Event | Malformed]] | None:
    values = next(todo, None)
    return None if values is None else (values, [decode(value) for value in values])


def _placed(stream: Stream, values: list[bytes], read: list[Event | Malformed]) -> Batch:
    start = stream.position or 0
    records = [Record(start + number, value) for number, value in enumerate(values)]
    return Batch(head=stream, position_to=start + len(values), records=records, decoded=read)


def batches(lines: Iterable[bytes], events_max: int) -> Iterator[list[bytes]]:
    """The lines that say something, in lists of at most `events_max`."""
    batch: list[bytes] = []
    for line in lines:
        value = line.rstrip(b"\r\n")
        if not value.strip():
            continue
        batch.append(value)
        if len(batch) >= events_max:
            yield batch
            batch = []
    if batch:
        yield batch


@contextlib.asynccontextmanager
async def slot(engine: AsyncEngine) -> AsyncIterator[Stream]:
    """A stream of our own while we run: the lowest slot that nobody holds.

    Raises:  WorldFailed when all are taken.
    """
    async with engine.connect() as holder:
        for number in range(SLOTS):
            taken = await holder.scalar(
                text("SELECT pg_try_advisory_lock(:kind, :slot)"), {"kind": SLOT_LOCK, "slot": number}
            )
            await holder.commit()
            if taken:
                async with transaction(engine) as conn:
                    heads = await streams.load(conn, STREAM)
                try:
                    yield replace(Stream.of(STREAM, number, heads.get(number)), lane=LANE_FIRST + number)
                finally:
                    # The connection goes back to a pool, so the lock must be given up by name.
                    await holder.scalar(
                        text("SELECT pg_advisory_unlock(:kind, :slot)"), {"kind": SLOT_LOCK, "slot": number}
                    )
                    await holder.commit()
                return
    raise WorldFailed(
        f"ingest: {SLOTS} other runs are taking files. Next: wait for one to end, then try again"
    )
