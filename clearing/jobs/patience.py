"""What the world refuses is tried again, ever longer apart. 退避重试"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog
from aiokafka.errors import KafkaError

from clearing.errors import WorldFailed
from clearing.store.refusals import DATABASE_ERRORS, database_failed, state_of

T = TypeVar("T")

RETRY_SECONDS_MAX: Final = 30.0
WORTH_WAITING: Final = (WorldFailed, KafkaError, *DATABASE_ERRORS)
"""What goes away by itself, or when somebody has mended the database, the broker or the disk."""
NO_RIGHT: Final = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG}
)
"""What a machine answers to whoever may not, or names what cannot be: waiting does not mend it."""
AWAY: Final = frozenset({"08", "53", "57"})
"""Classes of a database's errors: no connection, no room for one more, being started or stopped."""

log = structlog.get_logger("worker")


def waiting(error: Exception, failures: int) -> float:
    """Say what failed, for the so-manieth time in a row, and give how many seconds to wait."""
    seconds = min(RETRY_SECONDS_MAX, 0.2 * float(2 ** min(failures, 10)))
    log.warning("trying again", error=said(error), seconds=seconds)
    return seconds


def said(error: Exception) -> str:
    """What a failure says, without the values that a driver's own words may hold."""
    if isinstance(error, KafkaError):
        return f"Kafka: {error}. Next: see that it runs"
    return str(database_failed(error) if isinstance(error, DATABASE_ERRORS) else error)


async def patiently(work: Callable[[], Awaitable[T]]) -> T:
    """Begin something, as often as it takes until what it needs is there. 直到就绪

    In:      work that can be begun again.
    Raises:  at once what does not pass by itself: a wrong password, a database without books.
    """
    failures = 0
    while True:
        try:
            return await work()
        except WORTH_WAITING as error:
            if not passes(error):
                raise
            failures += 1
            await asyncio.sleep(waiting(error, failures))


def passes(error: Exception) -> bool:
    """Whether a failure means that a service is away or busy or a disk full, rather than that we are refused."""
    cause = error.__cause__ if isinstance(error, WorldFailed) else error
    if isinstance(cause, OSError) and cause.errno in NO_RIGHT:
        return False
    state = state_of(cause) if cause else ""
    if state:
        return state[:2] in AWAY
    return isinstance(cause, (KafkaError, *DATABASE_ERRORS))
