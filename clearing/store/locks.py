"""Locks to the end of the transaction: names a batch reads or writes, present or not, and the cutover. 锁

A name becomes a 32-bit number in the server, and numbers are locked in ascending order, so that two batches
never wait for each other. Two names with the same number only wait once too often. What is only read is locked
shared: batches that use one terminal or card run side by side, its own event waits for them. A batch that would take
more than an eighth of the server's lock table takes one lock on everything instead (SQL function
`clearing_lock`): the table is never full with six workers, and a small server only works one batch at a time.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from clearing.store.session import SEPARATOR, driver

_DAY: Final = 7204
"""Class of the cutover's lock; 7201 and 7202 are the names', 7203 is the migrations'. Also in `clearing_lock`."""


async def lock(
    conn: AsyncConnection, names: Iterable[str], shared: Iterable[str] = (), *, day: bool = False
) -> None:
    """Wait until every name is ours, to the end of the transaction. 加锁

    In:      `facts.lock_name` of every key that may be written, and in `shared` of those that are only read;
             any order, repeats allowed, a name in both is ours alone. With `day` the day is held shared first:
             who cuts holds the day before any name, so they never wait in a ring.
    Writes:  nothing.
    Again:   what is held already is held.
    """
    await (await driver(conn)).fetchval(
        "SELECT clearing_lock($1, $2, true, $3)", SEPARATOR.join(set(names)), SEPARATOR.join(set(shared)), day
    )


async def day_shared(conn: AsyncConnection) -> None:
    """Keep the cut away until this transaction ends; batches do it before they read the day. 日切共享锁"""
    await lock(conn, (), day=True)


async def day_exclusive(conn: AsyncConnection, seconds_max: int = 0) -> None:
    """Wait for every running batch and keep new ones away until this transaction ends: the cut. 日切排他锁

    In:      `seconds_max`: how long it and later locks of this transaction are waited for; 0 for ever.
    """
    if seconds_max:
        await conn.execute(_LOCK_TIMEOUT, {"most": f"{seconds_max}s"})
    await (await driver(conn)).fetchval("SELECT pg_advisory_xact_lock($1, 0)", _DAY)


@contextlib.asynccontextmanager
async def alone(engine: AsyncEngine, kind: int, name: str, *, wait: bool = False) -> AsyncIterator[bool]:
    """Whether nobody else does this now, in whatever process; if so, nobody will while we do. 独占

    For work of many transactions, or of files: a connection of its own holds the lock, in no transaction.

    In:      `kind`: the class of the lock; `wait` until nobody does: then it is always true.
    """
    what = {"kind": kind, "name": name}
    lock_, try_ = "pg_advisory_lock", "pg_try_advisory_lock"
    async with engine.connect() as holder:
        got = await holder.scalar(text(f"SELECT {lock_ if wait else try_}(:kind, hashtext(:name))"), what)
        mine = wait or bool(got)
        await holder.commit()
        try:
            yield mine
        finally:
            if mine:  # the connection goes back to a pool, so the lock must be given up by name
                await holder.scalar(text("SELECT pg_advisory_unlock(:kind, hashtext(:name))"), what)
                await holder.commit()


_LOCK_TIMEOUT: Final = text("SELECT set_config('lock_timeout', :most, true)")

# The server itself ends a transaction that is idle, but not one that waits in the middle of a COPY.
_END_SILENT: Final = text(
    "SELECT count(pg_terminate_backend(s.pid)) FROM pg_stat_activity s "
    "WHERE s.datname = current_database() AND s.usename = current_user AND s.wait_event = 'ClientRead' "
    "AND greatest(s.query_start, s.state_change) < now() - make_interval(secs => :seconds) "
    "AND EXISTS (SELECT 1 FROM pg_locks l WHERE l.pid = s.pid AND l.locktype = 'advisory' AND l.granted "
    "AND l.classid = :day AND l.mode = 'ShareLock')"
)


async def end_silent(conn: AsyncConnection, seconds: int) -> int:
    """End the batches of processes that have said nothing for so long, and give how many. 清理停滞会话

    For who has waited for a lock in vain: a process that stands still would keep its names for ever.

    In:      a connection with the rights of its login, outside of `transaction`.
    Writes:  nothing; what those batches had written is rolled back.
    Again:   they are gone.
    """
    return int(await conn.scalar(_END_SILENT, {"seconds": seconds, "day": _DAY}) or 0)
