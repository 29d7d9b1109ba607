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
_WORKER_SETTINGS: Final = text(
    f"SELECT set_config('role', '{APP_ROLE}', true), set_config('enable_hashjoin', 'off', true), "
    "set_config('enable_mergejoin', 'off', true), set_config('jit', 'off', true), "
    "set_config('enable_seqscan', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true), "
    "set_config('idle_in_transaction_session_timeout', CAST(:idle AS text), true), "
    "set_config('lock_timeout', CAST(:idle AS text), true)"
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
    async with engine.connect() as conn, conn.begin():
        if idle_seconds_max:
            await conn.execute(_WORKER_SETTINGS, {"idle": f"{idle_seconds_max}s"})
        else:
            await conn.execute(_SETTINGS)
        yield conn


async def driver(conn: AsyncConnection) -> Driver:
    """The asyncpg connection under `conn`, inside the same transaction.

    Raises:  InvariantViolated when no transaction has begun: COPY would then commit by itself.
    """
    raw = (await conn.get_raw_connection()).driver_connection
    if raw is None or not conn.in_transaction():
        raise InvariantViolated("store: no transaction has begun on this connection; use session.transaction")
    if not raw.is_in_transaction():  # SQLAlchemy begins with its first own statement
        await conn.execute(text("SELECT 1"))
    return raw
