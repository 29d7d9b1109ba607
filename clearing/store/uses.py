"""Uses of cards that made no entry: noted, or refused though the bank had a reference. 未入账用卡"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.store.session import driver


class NotPosted(NamedTuple):
    """One event of a day that made no entry."""

    source: str
    id: str
    outcome: str
    """noted or rejected."""
    reason: str
    raw: bytes


# A refused event has no clearing date. It counts in the day whose cut came first after its batch was written, so
# that each counts in one day and never moves. What is noted on a day was decided before its cut, and not before that
# of two days earlier, which also wakes what waits for it: only what was decided in between is read, however long the
# books are.
_OF_DAY: Final = """
    WITH cut AS (
        SELECT coalesce(max(cut_batch) FILTER (WHERE clearing_date < $1::date - 2), 0) AS since,
            coalesce(max(cut_batch) FILTER (WHERE clearing_date < $1), 0) AS before,
            max(cut_batch) FILTER (WHERE clearing_date = $1) AS upto
        FROM day
    ), written AS MATERIALIZED (
        SELECT id FROM batch, cut WHERE id > cut.since AND id <= cut.upto
    ), said AS (
        SELECT e.source, e.id, e.raw, e.outcome, e.reason, e.clearing_date, e.batch
        FROM written b JOIN event e ON e.batch = b.id
        WHERE e.type = ANY($2) AND e.outcome IN ('noted', 'rejected')
        UNION ALL
        SELECT e.source, e.id, e.raw, w.outcome, w.reason, w.clearing_date, w.batch
        FROM written b JOIN woken w ON w.batch = b.id JOIN event e ON e.source = w.source AND e.id = w.id
        WHERE e.type = ANY($2) AND w.outcome IN ('noted', 'rejected')
    )
    SELECT source, id, outcome, reason, raw FROM said, cut
    WHERE reason <> 'id_reused'
        AND ((outcome = 'noted' AND clearing_date = $1) OR (outcome = 'rejected' AND batch > cut.before))
    ORDER BY source, id
"""


async def not_posted(conn: AsyncConnection, day: date, types: Collection[str]) -> list[NotPosted]:
    """The events of these types that made no entry and count in a day that is cut, by source and id."""
    return [NotPosted(*row) for row in await (await driver(conn)).fetch(_OF_DAY, day, sorted(types))]
