"""Locks to the end of the transaction: names a batch reads or writes, present or not, and the cutover. 锁

A name becomes a 32-bit number in the server, and numbers are locked in ascending order, so that two batches
never wait for each other. Two names with the same number only wait once too often. A batch that would take
more than an eighth of the server's lock table takes one lock on everything instead (SQL function
`clearing_lock`): the table is never full with six workers, and a small server only works one batch at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.store.session import driver

_DAY: Final = 7204
"""Class of the cutover's lock; 7201 and 7202 are the names', 7203 is the migrations'."""

IDLE_SECONDS_MAX: Final = 15
"""How long a batch may leave the server waiting for its next word."""

_SEPARATOR: Final = "\x1f"


async def lock(conn: AsyncConnection, names: Iterable[str]) -> None:
    """Wait until every name is ours, to the end of the transaction. 加锁

    In:      `facts.lock_name` of every key that is read or written, any order, repeats allowed.
    Writes:  nothing.
    Again:   what is held already is held.
    """
    await (await driver(conn)).fetchval("SELECT clearing_lock($1, true)", _SEPARATOR.join(set(names)))


async def try_lock(conn: AsyncConnection, names: Iterable[str]) -> bool:
    """Take every name without waiting, and say whether all were got; some may be held when not. 试锁

    Use it for names found after the first `lock`: waiting out of order could be for ever.
    """
    got: bool = await (await driver(conn)).fetchval(
        "SELECT clearing_lock($1, false)", _SEPARATOR.join(set(names))
    )
    return got


async def day_shared(conn: AsyncConnection) -> None:
    """Keep the cut away until this transaction ends; batches do it before they read the day. 日切共享锁

    A process that stands still in the middle of a batch would keep others out for as long as it stands: the
    server ends its transaction instead.
    """
    await (await driver(conn)).fetchrow(
        "SELECT pg_advisory_xact_lock_shared($1, 0), "
        f"set_config('idle_in_transaction_session_timeout', '{IDLE_SECONDS_MAX}s', true)",
        _DAY,
    )


async def day_exclusive(conn: AsyncConnection) -> None:
    """Wait for every running batch and keep new ones away until this transaction ends: the cut. 日切排他锁"""
    await (await driver(conn)).fetchval("SELECT pg_advisory_xact_lock($1, 0)", _DAY)
