"""Events that were rejected while a day was open. 拒绝清单"""

from __future__ import annotations

from datetime import date, datetime
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.store.session import driver


class Rejected(NamedTuple):
    """One rejected record."""

    source: str
    id: str
    type: str
    reason: str
    """From the closed list."""
    detail: str
    """What was expected and what came, in words."""
    occurred_at: datetime | None
    """The event's own time; None for an id that was used again."""


# As day files count them: a rejected event belongs to the day whose cut came first after its batch was written.
_OF_DAY: Final = """
    WITH cut AS (
        SELECT coalesce(max(cut_batch) FILTER (WHERE clearing_date < $1), 0) AS before,
            max(cut_batch) FILTER (WHERE clearing_date = $1) AS upto
        FROM day
    ), written AS MATERIALIZED (
        SELECT id FROM batch, cut WHERE id > cut.before AND (cut.upto IS NULL OR id <= cut.upto)
    ), said AS (
        SELECT w.id AS batch, e.no, e.source, e.id, e.type, e.reason, e.detail, e.occurred_at
        FROM written w JOIN event e ON e.batch = w.id WHERE e.outcome = 'rejected'
        UNION ALL
        SELECT w.id, k.no, k.source, k.id, e.type, k.reason, k.detail, e.occurred_at
        FROM written w JOIN woken k ON k.batch = w.id JOIN event e ON e.source = k.source AND e.id = k.id
        WHERE k.outcome = 'rejected'
        UNION ALL
        SELECT w.id, r.no, r.source, r.id, r.type, r.reason, r.detail, NULL
        FROM written w JOIN repeat r ON r.batch = w.id WHERE r.outcome = 'rejected'
    )
    SELECT source, id, type, reason, detail, occurred_at FROM said
    WHERE ($2::text IS NULL OR source = $2) AND ($3::text IS NULL OR reason = $3)
    ORDER BY batch, no
"""


async def rejected(
    conn: AsyncConnection, day: date, *, source: str | None = None, reason: str | None = None
) -> list[Rejected]:
    """The rejected records of a day that was opened, in the order in which they came. 拒绝清单

    In:      the sender, or the reason, where not all are wanted.
    """
    found = await (await driver(conn)).fetch(_OF_DAY, day, source, reason)
    return [Rejected(*row) for row in found]
