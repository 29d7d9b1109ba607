"""Files on their way to receivers: which are due, and every attempt. 交付"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.store.session import DriverRow, driver

TARGET_LOCK: Final = 7211
"""Class of the advisory locks that let one process at a time work for a target."""

DONE: Final = ("DELIVERED", "ALREADY")


class Due(NamedTuple):
    """A file that a target has not got."""

    name: str
    receiver: str
    clearing_date: date
    attempts: int
    """How often it was tried."""
    next_at: datetime | None
    """Not to be tried before."""


class Attempt(NamedTuple):
    """One attempt as it is kept; meanings as in `delivery_tables.delivery_attempt`."""

    file: str
    target: str
    place: str
    attempt: int
    started_at: datetime
    ended_at: datetime | None
    result: str
    bytes: int
    sent: int
    resumed_from: int
    sha256: str
    receipt: dict[str, Any] | None
    message: str
    next_at: datetime | None
    ack: str
    """What the receiver said of the file in its last ACK; empty while it said nothing."""


# The last attempt for each file that may be meant is looked up by index: joined, files and attempts of years take
# hours where the server knows little of the tables yet.
_DUE: Final = """
    SELECT f.name, f.receiver, f.clearing_date, coalesce(l.attempt, 0) AS attempts, l.next_at
    FROM file f LEFT JOIN LATERAL (
        SELECT a.attempt, a.result, a.next_at FROM delivery_attempt a
        WHERE a.file = f.name AND a.target = $1 ORDER BY a.attempt DESC LIMIT 1
    ) l ON true
    WHERE ($2 = '*' OR f.receiver = $2) AND (cardinality($3::text[]) = 0 OR f.type = ANY($3::text[]))
        AND (cardinality($4::text[]) = 0 OR f.profile = ANY($4::text[]) OR f.profile = '')
        AND ($5::date IS NULL OR f.clearing_date >= $5) AND ($6::date IS NULL OR f.clearing_date = $6)
        AND coalesce(l.result, '') <> ALL($7::text[])
    ORDER BY f.clearing_date, f.version, f.name
"""
_BEGIN: Final = """
    INSERT INTO delivery_attempt
        (file, target, place, attempt, started_at, result, bytes, sent, resumed_from, sha256, manifest, message)
    VALUES ($1, $2, $3, $4, $5, 'STARTED', $6, 0, 0, $7, $8, '') RETURNING id
"""
_END: Final = """
    UPDATE delivery_attempt SET ended_at = $2, result = $3, sent = $4, resumed_from = $5, receipt = $6::jsonb,
        message = $7, next_at = $8
    WHERE id = $1 AND result = 'STARTED'
"""
_BREAK: Final = """
    UPDATE delivery_attempt SET ended_at = $2, result = 'BROKEN', message = 'the process was ended'
    WHERE target = $1 AND result = 'STARTED'
"""
_LISTED: Final = """
    SELECT a.file, a.target, a.place, a.attempt, a.started_at, a.ended_at, a.result, a.bytes, a.sent,
        a.resumed_from, encode(a.sha256, 'hex') AS sha256, a.receipt::text AS receipt, a.message, a.next_at,
        coalesce((SELECT k.verdict FROM acknowledgement k WHERE k.file = a.file ORDER BY k.received DESC LIMIT 1), '')
    FROM delivery_attempt a JOIN file f ON f.name = a.file
    WHERE ($1::date IS NULL OR f.clearing_date = $1) AND ($2::text IS NULL OR a.file = $2)
    ORDER BY a.file, a.target, a.attempt
"""


async def due(
    conn: AsyncConnection,
    target: str,
    *,
    receiver: str,
    types: Collection[str],
    profiles: Collection[str],
    since: date | None,
    day: date | None,
) -> list[Due]:
    """The files that a target has not got, oldest first; of one clearing date when `day` is given. 待交付"""
    raw = await driver(conn)
    await raw.execute("SET LOCAL enable_seqscan = off")
    rows = await raw.fetch(_DUE, target, receiver, list(types), list(profiles), since, day, list(DONE))
    await raw.execute("SET LOCAL enable_seqscan = on")
    return [Due(*row) for row in rows]


async def begin(
    conn: AsyncConnection,
    one: Due,
    *,
    target: str,
    place: str,
    at: datetime,
    length: int,
    sha256: bytes,
    manifest: bytes,
) -> int:
    """Note that an attempt begins, and give its number.

    Writes:  delivery_attempt.
    Again:   refused by (file, target, attempt).
    """
    number: int = await (await driver(conn)).fetchval(
        _BEGIN, one.name, target, place, one.attempts + 1, at, length, sha256, manifest
    )
    return number


async def end(
    conn: AsyncConnection,
    number: int,
    *,
    at: datetime,
    result: str,
    sent: int = 0,
    resumed_from: int = 0,
    receipt: dict[str, Any] | None = None,
    message: str = "",
    next_at: datetime | None = None,
) -> None:
    """Note how an attempt ended.

    Writes:  delivery_attempt.
    Again:   what has ended stays.
    """
    told = None if receipt is None else json.dumps(receipt)
    await (await driver(conn)).execute(_END, number, at, result, sent, resumed_from, told, message, next_at)


async def end_broken(conn: AsyncConnection, target: str, at: datetime) -> None:
    """Note that attempts of processes that are gone led to nothing; only who holds the target's lock may.

    Writes:  delivery_attempt.
    Again:   nothing is left to note.
    """
    await (await driver(conn)).execute(_BREAK, target, at)


async def attempts(
    conn: AsyncConnection, *, day: date | None = None, file: str | None = None
) -> list[Attempt]:
    """Every attempt for the files of a day, or for one, in order of file, target and attempt. 交付记录"""
    return [_attempt(row) for row in await (await driver(conn)).fetch(_LISTED, day, file)]


def _attempt(row: DriverRow) -> Attempt:
    found = Attempt(*row)
    told: Any = found.receipt
    return found._replace(receipt=None if told is None else json.loads(told))
