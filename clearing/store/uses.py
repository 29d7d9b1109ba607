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
# that each counts in one day and never moves.
_OF_DAY: Final = """
    WITH cut AS (
        SELECT coalesce(max(cut_batch) FILTER (WHERE clearing_date < $1), 0) AS before,
            max(cut_batch) FILTER (WHERE clearing_date = $1) AS upto
        FROM day
    ), said AS (
        SELECT e.source, e.id, e.raw, coalesce(w.outcome, e.outcome) AS outcome,
            coalesce(w.reason, e.reason) AS reason, coalesce(w.clearing_date, e.clearing_date) AS clearing_date,
            coalesce(w.batch, e.batch) AS batch
        FROM event e LEFT JOIN woken w ON w.source = e.source AND w.id = e.id AND w.outcome <> 'parked'
        WHERE e.type = ANY($2) AND coalesce(w.outcome, e.outcome) IN ('noted', 'rejected')
            AND coalesce(w.reason, e.reason) <> 'id_reused'
    )
    SELECT source, id, outcome, reason, raw FROM said, cut
    WHERE (outcome = 'noted' AND clearing_date = $1)
        OR (outcome = 'rejected' AND batch > cut.before AND batch <= cut.upto)
    ORDER BY source, id
"""


async def not_posted(conn: AsyncConnection, day: date, types: Collection[str]) -> list[NotPosted]:
    """The events of these types that made no entry and count in a day that is cut, by source and id."""
    raw = await driver(conn)
    await raw.execute("SET LOCAL enable_hashjoin = on")  # all refused events of the books, joined once a day
    return [NotPosted(*row) for row in await raw.fetch(_OF_DAY, day, sorted(types))]
