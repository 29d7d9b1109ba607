"""Numbers that producers give their events, and those that are missing: read-only. 报文序号"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.store.session import driver

# Numbers are read out of the records as they came; an hour more on both sides shows where a day joins the next.
# PostgreSQL reads no text with an escaped zero or half a pair in it, records may hold both: escapes are blanked.
_GAPS: Final = """
    WITH every AS (
        SELECT source, occurred_at, raw FROM event
        UNION ALL
        SELECT r.source, e.occurred_at, r.raw FROM repeat r JOIN event e ON e.source = r.source AND e.id = r.id
    ), told AS (
        SELECT source, occurred_at, raw FROM every
        WHERE occurred_at >= $1::timestamptz - interval '1 hour'
            AND occurred_at < $2::timestamptz + interval '1 hour'
            AND position('"producerseq"'::bytea IN raw) > 0
    ), numbered AS (
        SELECT source, occurred_at,
            (regexp_replace(convert_from(raw, 'UTF8'), '\\\\.', '_', 'g')::json ->> 'producerseq')::bigint AS seq
        FROM told
    ), of_number AS (
        SELECT source, seq, bool_or(occurred_at >= $1 AND occurred_at < $2) AS of_day
        FROM numbered WHERE seq IS NOT NULL GROUP BY source, seq
    ), following AS (
        SELECT source, seq, of_day, lag(seq) OVER numbers AS before, lag(of_day) OVER numbers AS before_of_day
        FROM of_number WINDOW numbers AS (PARTITION BY source ORDER BY seq)
    )
    SELECT source, count(*) FILTER (WHERE of_day) AS numbers, min(seq) FILTER (WHERE of_day) AS first,
        max(seq) FILTER (WHERE of_day) AS last,
        coalesce(json_agg(json_build_array(before + 1, seq - 1) ORDER BY seq)
            FILTER (WHERE seq > before + 1 AND (of_day OR before_of_day)), '[]')::text AS gaps
    FROM following GROUP BY source HAVING bool_or(of_day) ORDER BY source
"""


class Producer(NamedTuple):
    """What a source numbered of one date's events."""

    source: str
    numbers: int
    """How many numbers came."""
    first: int
    last: int
    gaps: list[tuple[int, int]]
    """(first, last) missing number, in order."""


async def producers(conn: AsyncConnection, since: datetime, before: datetime) -> list[Producer]:
    """Sources that number their events, with the numbers missing between two instants. 报文序号缺口

    In:      the first instant and the first after, of the events' own times; pages of other times are passed over.
    Out:     in order of source; a source without numbers is absent. A record in quarantine is a gap;
             one told again counts with its number then, at the time of the first.
    """
    found: list[Any] = await (await driver(conn)).fetch(_GAPS, since, before)
    return [
        Producer(
            row["source"],
            row["numbers"],
            row["first"],
            row["last"],
            [tuple(g) for g in json.loads(row["gaps"])],
        )
        for row in found
    ]
