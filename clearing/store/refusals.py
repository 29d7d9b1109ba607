"""What the database's refusals mean: whether to try again, what is too much, and how it is said. 数据库错误"""

from __future__ import annotations

from typing import Any, Final

import asyncpg
from sqlalchemy.exc import DBAPIError

from clearing.errors import InvariantViolated, WorldFailed

DATABASE_ERRORS: Final = (
    DBAPIError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)
"""What a database that fails raises: through SQLAlchemy, from the driver underneath (the last of its own when the
server's last word comes between two of ours), from the network."""
LOCK_TIMEOUT: Final = "55P03"
OUT_OF_RANGE: Final = "22003"
ROOM: Final = "ck_balance_room"
"""The constraint that says how much a day's share of an account may come to."""
_BROKEN: Final = frozenset({"22", "23"})
"""Classes of errors that come again however often one tries: data that does not fit, a constraint."""


def no_room(error: Exception) -> bool:
    """Whether a sum is more than a number of the database holds, or than a day's share of an account may come to."""
    original: Any = getattr(error, "orig", error)
    return (
        state_of(error) == OUT_OF_RANGE
        or getattr(original, "constraint_name", None) == ROOM
        or (isinstance(original, asyncpg.DataError) and "out of int64 range" in str(original))
    )


def worth_another_try(error: Exception) -> bool:
    """Deadlock, serialization failure, a lock waited for in vain, a unique key taken a moment before."""
    return state_of(error) in ("40P01", "40001", "23505", LOCK_TIMEOUT)


def state_of(error: BaseException) -> str:
    """The five characters that say what kind of error it is; empty where the server said nothing."""
    return getattr(getattr(error, "orig", error), "sqlstate", None) or ""


def database_failed(error: Exception) -> WorldFailed | InvariantViolated:
    """The database's own words as one of our errors; they name constraints, never values."""
    original: Any = getattr(error, "orig", error)
    cause = getattr(original, "__cause__", None) or original
    state = state_of(error)
    first = str(cause).splitlines()[0] if str(cause) else type(cause).__name__
    said = f"database: {first} [{state or 'no state'}]. Nothing was written."
    if state[:2] in _BROKEN:
        return InvariantViolated(f"{said} It would be the same again. Next: clearing verify, and tell us")
    return WorldFailed(f"{said} Next: see that it runs, then try again")
