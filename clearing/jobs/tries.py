"""A job's step in one transaction, again where others held what it needs. 重试"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from clearing.errors import Fenced, WorldFailed
from clearing.jobs.gather import NO_NAMES, Busy, Names
from clearing.jobs.ingest import TRIES_MAX
from clearing.store.refusals import database_failed, worth_another_try
from clearing.store.session import transaction

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

T = TypeVar("T")


class Moved(Exception):
    """What was to be written of has changed under our eyes: rolled back, it is looked at anew."""


async def in_transaction(
    engine: AsyncEngine, what: str, work: Callable[[AsyncConnection, Names], Awaitable[T]]
) -> T:
    """Do a job's step in one transaction, and again where others held what it needs. 重试

    In:      `work` gets the connection and the names that a `Busy` gave; it may be called several times, and
             nothing that it wrote before stands.
    Raises:  WorldFailed when it was in vain so often; what `work` raises.
    """
    known: Names = NO_NAMES
    for attempt in range(1, TRIES_MAX + 1):
        try:
            async with transaction(engine) as conn:
                return await work(conn, known)
        except Busy as busy:
            known = busy.names
        except (Moved, Fenced):
            pass
        except Exception as error:
            if not worth_another_try(error):
                raise
            if attempt == TRIES_MAX:
                raise database_failed(error) from error
        await asyncio.sleep(0.01 * attempt)
    raise WorldFailed(f"{what}: others held what it needs {TRIES_MAX} times. Next: try again")
