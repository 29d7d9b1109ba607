"""Events that wait: who waits for a name, for a day, or has waited too long. 挂起"""

from __future__ import annotations

from datetime import date
from typing import Any, Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.store.session import driver


class Waiting(NamedTuple):
    """One parked event."""

    source: str
    id: str
    arrival: int
    """Order of first parking."""
    waits_for: str
    """Name of the key (`facts.lock_name`), or day/YYYY-MM-DD."""
    since: date | None
    """First uncut day when it first waited for something that is not a day."""
    limit_days: int
    """The cut of `since` and this many days ends the wait."""
    raw: bytes
    """The record's bytes."""


COLUMNS: Final = "p.source, p.id, p.arrival, p.waits_for, p.since, p.limit_days, encode(e.raw, 'hex')"
"""What of a parked event p and its event e `facts.look` reads with the facts, as JSON."""
_SELECT: Final = (
    "SELECT p.source, p.id, p.arrival, p.waits_for, p.since, p.limit_days, e.raw "
    "FROM parked p JOIN event e ON e.source = p.source AND e.id = p.id "
)
# What waits for an event that is parked itself waits as long as that one. Asked by its key: a name put together from
# each parked event would be looked for among all of them, a minute for twenty thousand, while the cut keeps all away.
_OVER: Final = """
    WHERE p.since + p.limit_days <= $1 AND NOT EXISTS (
        SELECT 1 FROM parked o WHERE starts_with(p.waits_for, 'event/')
            AND o.source = split_part(p.waits_for, '/', 2) COLLATE "C"
            AND o.id = split_part(p.waits_for, '/', 3) COLLATE "C")
    ORDER BY p.arrival
"""
_EXPIRED: Final = _SELECT + _OVER
_DAYS: Final = _SELECT + "WHERE p.waits_for LIKE 'day/%' AND p.waits_for <= $1 ORDER BY p.arrival"
_ALL: Final = _SELECT + "ORDER BY p.arrival"


def of_json(row: list[Any]) -> Waiting:
    """One parked event of its COLUMNS as JSON has them."""
    source, id_, arrival, waits_for, since, limit_days, raw = row
    day = date.fromisoformat(since) if since else None
    return Waiting(source, id_, arrival, waits_for, day, limit_days, bytes.fromhex(raw))


async def expired(conn: AsyncConnection, day: date) -> list[Waiting]:
    """Whose wait the cut of `day` ends, in order of arrival; waits for days and parked events go on. 超期"""
    return _read(await (await driver(conn)).fetch(_EXPIRED, day))


async def waiting_for_days(conn: AsyncConnection, upto: date) -> list[Waiting]:
    """Who waits for a day up to this one, in order of arrival. 待日"""
    return _read(await (await driver(conn)).fetch(_DAYS, f"day/{upto.isoformat()}"))


async def everyone(conn: AsyncConnection) -> list[Waiting]:
    """All that is parked, in order of arrival, for people."""
    return _read(await (await driver(conn)).fetch(_ALL))


def _read(rows: list[Any]) -> list[Waiting]:
    return [Waiting(*row) for row in rows]
