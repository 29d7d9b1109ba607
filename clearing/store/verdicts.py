"""What was said of files that came in, and what partners said of ours. 回执"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.store.session import driver

_RECEIVING: Final = 7207
"""Class of the advisory lock that lets one file be judged at a time; 7201 to 7206 are others'."""


class Verdict(NamedTuple):
    """What was said of one file; meanings as in `delivery_tables.verdict`."""

    file: int
    verdict: str
    records: int
    taken: int
    faults: Sequence[Sequence[Any]]
    """(line, field, column, expected, got, code) of each."""
    ack: str
    by_whom: str = ""
    why: str = ""


class Known(NamedTuple):
    """A file of a partner that was judged, with its last verdict."""

    file: int
    kind: str
    clearing_date: date
    name: str
    sha256: bytes
    verdict: str
    at: datetime


async def one_at_a_time(conn: AsyncConnection) -> None:
    """Keep other judging away until this transaction ends. 收文锁"""
    await (await driver(conn)).fetchval("SELECT pg_advisory_xact_lock($1, 0)", _RECEIVING)


_ADD: Final = """
    INSERT INTO verdict (file, no, at, verdict, records, taken, faults, ack, by_whom, why)
    SELECT $1, count(*) + 1, $7, $2, $3, $4, $5::text::jsonb, $6, $8, $9 FROM verdict WHERE file = $1
"""


async def add(conn: AsyncConnection, one: Verdict, at: datetime) -> None:
    """Keep what was said of a file.

    Writes:  verdict.
    Again:   the next verdict on it.
    """
    told = json.dumps([list(fault) for fault in one.faults], ensure_ascii=False).replace("\\u0000", "")
    said = (one.file, one.verdict, one.records, one.taken, told, one.ack, at, one.by_whom, one.why)
    await (await driver(conn)).execute(_ADD, *said)


_LAST: Final = """
    SELECT DISTINCT ON (v.file) s.id AS file, s.kind, s.clearing_date, s.name, s.sha256, v.verdict, v.at
    FROM statement_file s JOIN verdict v ON v.file = s.id WHERE {} ORDER BY v.file, v.no DESC
"""


async def known(conn: AsyncConnection, partner: str) -> list[Known]:
    """The files of a partner that were judged, in order of arrival. 已收文件"""
    rows = await (await driver(conn)).fetch(_LAST.format("s.partner = $1"), partner)
    return [Known(*row) for row in rows]


class Waiting(NamedTuple):
    """A file that is held."""

    file: int
    partner: str
    name: str
    records: int
    since: datetime
    """When it was first judged."""


_WAITING: Final = """
    SELECT s.id, s.partner, s.name, v.records, v.at FROM statement_file s JOIN LATERAL (
        SELECT * FROM verdict WHERE file = s.id ORDER BY no DESC LIMIT 1
    ) v ON true WHERE v.verdict = $1 ORDER BY v.number
"""


async def waiting(conn: AsyncConnection, verdict: str) -> list[Waiting]:
    """The files whose last verdict is this one, oldest first. 滞留来文"""
    return [Waiting(*row) for row in await (await driver(conn)).fetch(_WAITING, verdict)]


async def judged(conn: AsyncConnection, file: int) -> Known | None:
    """One file that was judged."""
    row = await (await driver(conn)).fetchrow(_LAST.format("s.id = $1"), file)
    return None if row is None else Known(*row)


async def acknowledge(conn: AsyncConnection, file: str, partner: str, received: int, said: Verdict) -> None:
    """Keep what a receiver said of a file of ours.

    Writes:  acknowledgement.
    Again:   refused by (file, partner, received).
    """
    told = json.dumps([list(fault) for fault in said.faults], ensure_ascii=False).replace("\\u0000", "")
    await (await driver(conn)).execute(
        "INSERT INTO acknowledgement (file, partner, received, verdict, records, taken, faults) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7::text::jsonb)",
        file,
        partner,
        received,
        said.verdict,
        said.records,
        said.taken,
        told,
    )


async def last_of(conn: AsyncConnection, file: int) -> Verdict | None:
    """The last verdict on a file, with its faults."""
    row = await (await driver(conn)).fetchrow(
        "SELECT file, verdict, records, taken, faults::text AS faults, ack, by_whom, why FROM verdict "
        "WHERE file = $1 ORDER BY no DESC LIMIT 1",
        file,
    )
    return None if row is None else Verdict(*row)._replace(faults=json.loads(row["faults"]))
