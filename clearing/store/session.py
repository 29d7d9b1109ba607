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

APP_ROLE: Final = "clearing_app"
"""What the engine works as: it may add entries and events, never change or remove one."""

IDLE_SECONDS_MAX: Final = 15
"""For what a worker writes: batches, and how far their notices are out."""

# A batch asks for a few thousand rows by key. A plan made while a table was new would read all of it for
# ever after, so the two ways of doing that are switched off for the transaction. A batch's statements are
# the same every time: planning them anew costs up to 0.2 ms each, which a batch of one pays ten times.
_SETTINGS: Final = text(
    f"SELECT set_config('role', '{APP_ROLE}', true), set_config('enable_hashjoin', 'off', true), "
    "set_config('enable_mergejoin', 'off', true), set_config('jit', 'off', true), "
    "set_config('plan_cache_mode', 'force_generic_plan', true), "
    "set_config('idle_in_transaction_session_timeout', "
    "coalesce(CAST(:idle AS text), current_setting('idle_in_transaction_session_timeout')), true), "
    "set_config('lock_timeout', coalesce(CAST(:idle AS text), current_setting('lock_timeout')), true)"
)


@contextlib.asynccontextmanager
async def transaction(engine: AsyncEngine, *, idle_seconds_max: int = 0) -> AsyncIterator[AsyncConnection]:
    """One transaction with the application's rights; commits at the end, rolls back on any exception. 事务

    In:      `idle_seconds_max`: how long the server waits for our next word before it ends the transaction, so
             that a process that stands still does not keep others from what it has locked, and how long we
             wait for a lock of others; 0 for ever.
    Writes:  nothing itself.
    Again:   each call is a transaction of its own.
    """
    async with engine.connect() as conn, conn.begin():
        await conn.execute(_SETTINGS, {"idle": f"{idle_seconds_max}s" if idle_seconds_max else None})
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
