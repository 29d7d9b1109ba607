"""One transaction of ours: its rights, its plans, and the driver underneath for COPY. 数据库事务"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final, TypeAlias

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from clearing.errors import InvariantViolated

Driver: TypeAlias = Any
"""A connection of asyncpg, which ships without types."""

DriverRow: TypeAlias = Any
"""A row of asyncpg: values by position and by column name."""

SEPARATOR: Final = "\x1f"
"""Between the parts of a parameter that stands for many; no field of an event may hold a control character."""

APP_ROLE: Final = "clearing_app"
"""What the engine works as: it may add entries and events, never change or remove one."""

IDLE_SECONDS_MAX: Final = 15
"""For what a worker writes: batches, and how far their notices are out."""

# A batch asks for a few thousand rows by key. A plan made while a table was new would read all of it for ever
# after, so every way of doing that is switched off. What a worker sends is the same in every batch: planning it
# anew costs up to 0.2 ms a statement, which a batch of one pays ten times. Generic plans without ruling out whole
# tables were tried: made on empty books, they cost 90 µs an event from then on.
_SETTINGS: Final = text(
    f"SELECT set_config('role', '{APP_ROLE}', true), set_config('enable_hashjoin', 'off', true), "
    "set_config('enable_mergejoin', 'off', true), set_config('jit', 'off', true)"
)


def _begin(idle_seconds_max: int) -> str:
    """A worker's first words, in one trip."""
    return (
        f"BEGIN; SET LOCAL ROLE {APP_ROLE}; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; "
        "SET LOCAL jit = off; SET LOCAL enable_seqscan = off; SET LOCAL plan_cache_mode = force_generic_plan; "
        f"SET LOCAL idle_in_transaction_session_timeout = '{idle_seconds_max}s'; "
        f"SET LOCAL lock_timeout = '{idle_seconds_max}s'"
    )


@contextlib.asynccontextmanager
async def transaction(engine: AsyncEngine, *, idle_seconds_max: int = 0) -> AsyncIterator[AsyncConnection]:
    """One transaction with the application's rights; commits at the end, rolls back on any exception. 事务

    In:      `idle_seconds_max`: how long the server waits for our next word before it ends the transaction, so
             that a process that stands still does not keep others from what it has locked, and how long we
             wait for a lock of others; 0 for ever. A worker's transactions give it, and get a worker's plans.
    Writes:  nothing itself.
    Again:   each call is a transaction of its own.
    """
    if idle_seconds_max:
        async with _in_few_words(engine, _begin(idle_seconds_max)) as conn:
            yield conn
    else:
        async with engine.connect() as conn, conn.begin():
            await conn.execute(_SETTINGS)
            yield conn


@contextlib.asynccontextmanager
async def _in_few_words(engine: AsyncEngine, first: str) -> AsyncIterator[AsyncConnection]:
    """A transaction that begins and ends with one trip each: SQLAlchemy would begin, then set, then ask."""
    async with engine.connect() as conn, (await conn.execution_options(isolation_level="AUTOCOMMIT")).begin():
        raw: Driver = (await conn.get_raw_connection()).driver_connection
        try:
            await raw.execute(first)
            yield conn
            await raw.execute("COMMIT")
        except BaseException:
            await _roll_back(raw)
            raise


async def _roll_back(raw: Driver) -> None:
    """End what was begun. A connection that cannot even do that is closed: the pool makes a new one."""
    if raw.is_closed() or not raw.is_in_transaction():
        return
    try:
        await raw.execute("ROLLBACK")
    except Exception:  # noqa: BLE001 - what failed before is told, not this
        raw.terminate()
    except BaseException:
        raw.terminate()
        raise


async def driver(conn: AsyncConnection) -> Driver:
    """The asyncpg connection under `conn`, inside the same transaction.

    Raises:  InvariantViolated when no transaction has begun: COPY would then commit by itself.
    """
    raw: Driver = None if conn.sync_connection is None else conn.sync_connection.connection.driver_connection
    if raw is None or not conn.in_transaction():
        raise InvariantViolated("store: no transaction has begun on this connection; use session.transaction")
    if not raw.is_in_transaction():  # SQLAlchemy begins with its first own statement
        await conn.execute(text("SELECT 1"))
    return raw
