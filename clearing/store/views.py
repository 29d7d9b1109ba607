"""What people look at: read-only queries for listings, none on the way of an event. 查询

Listings are cut off at a number of rows that the caller gives; nothing here writes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any, Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.ledger.entry import Entry
from clearing.store.entries import COLUMNS, of_row
from clearing.store.session import driver

Row = Mapping[str, Any]
"""A row by column name."""

_ENTRY: Final = f"SELECT {', '.join(COLUMNS)} FROM entry"  # noqa: S608 - our own column names
_COUNTS: Final = """
    SELECT count(*), count(*) FILTER (WHERE late) FROM entry
    WHERE id >= $1::uuid AND id < $2::uuid
"""
_EVENT: Final = """
    SELECT e.source, e.id, e.type, e.outcome, e.reason, e.detail, e.entry_id, e.clearing_date, e.late,
        e.waits_for, e.occurred_at, e.position, e.batch, b.stream, b.partition, b.at, e.raw,
        s.announced >= b.id AS announced
    FROM event e JOIN batch b ON b.id = e.batch JOIN stream s ON s.name = b.stream AND s.partition = b.partition
    WHERE e.source = $1 AND e.id = $2
"""
_WOKEN: Final = """
    SELECT w.outcome, w.reason, w.detail, w.entry_id, w.clearing_date, w.late, w.batch, b.stream, b.partition, b.at,
        s.announced >= b.id AS announced
    FROM woken w JOIN batch b ON b.id = w.batch JOIN stream s ON s.name = b.stream AND s.partition = b.partition
    WHERE w.source = $1 AND w.id = $2
"""
_REPEATS: Final = """
    SELECT r.outcome, r.reason, r.detail, r.position, r.batch, b.stream, b.partition, b.at
    FROM repeat r JOIN batch b ON b.id = r.batch WHERE r.source = $1 AND r.id = $2 ORDER BY r.batch, r.no
"""
_QUARANTINE: Final = """
    SELECT stream, partition, position, where_, what, source, id, type, encode(sm3, 'hex') AS sm3, length,
        raw IS NOT NULL AS kept
    FROM quarantine WHERE ($2::text IS NULL OR encode(sm3, 'hex') LIKE $2::text || '%')
    ORDER BY batch DESC, no DESC LIMIT $1
"""
_PARKED: Final = """
    SELECT p.source, p.id, e.type, p.waits_for, p.detail, p.since, p.limit_days, e.occurred_at
    FROM parked p JOIN event e ON e.source = p.source AND e.id = p.id ORDER BY p.arrival LIMIT $1
"""
# The id is ASCII in every layout, whatever its encoding, so its bytes are what to look for. Parts are whole lines:
# the first, those with the id and the last are a file that can be read, however long the whole is.
_FILES: Final = """
    SELECT name, type, receiver, profile, layout, (
        SELECT string_agg(p.content, ''::bytea ORDER BY p.no) FROM file_part p
        WHERE p.name = file.name AND (p.no = 0 OR position(convert_to($2, 'UTF8') IN p.content) > 0
            OR p.no = (SELECT max(no) FROM file_part l WHERE l.name = file.name))
    ) AS around
    FROM file WHERE clearing_date = $1 AND EXISTS (
        SELECT 1 FROM file_part p WHERE p.name = file.name AND position(convert_to($2, 'UTF8') IN p.content) > 0
    ) ORDER BY name
"""
_BREAKS: Final = """
    SELECT id, clearing_date, code, vector, amount_fen, state FROM break_
    WHERE keys ->> 'entry_id' = $1 OR ($2 <> '' AND keys ->> 'bank_ref' = $2)
        OR id IN (SELECT break_id FROM break_proposal WHERE event = $3) ORDER BY id
"""
_LISTED_BREAKS: Final = """
    SELECT id, clearing_date, code, vector, amount_fen, state FROM break_
    WHERE keys ->> 'order_no' = $2 AND institution = $1 ORDER BY id
"""
_VERSIONS: Final = """
    SELECT id, loaded_at, loaded_by, encode(digest, 'hex') AS digest, approved_by, approved_at
    FROM members ORDER BY id
"""


class DayCounts(NamedTuple):
    """What a day holds."""

    entries: int
    """Those of its end included."""
    late: int


async def day_counts(conn: AsyncConnection, day: date) -> DayCounts:
    """How many entries a day has, and how many of them are late. 当日笔数"""
    return DayCounts(*await (await driver(conn)).fetchrow(_COUNTS, *_ids(day)))


def _ids(day: date) -> tuple[str, str]:
    """The ids of a day lie between these two: an id begins with its day."""
    first = f"{day:%Y%m%d}{'0' * 24}"
    return first, f"{int(first[:8]) + 1:08d}{'0' * 24}"


async def entries(
    conn: AsyncConnection,
    *,
    day: date | None = None,
    cards: Collection[str] | None = None,
    institution: str | None = None,
    account: str | None = None,
    rows_max: int = 100,
) -> list[Entry]:
    """Entries in order of day and time: of a day, of cards, an institution, or with an account. 凭证查询

    In:      cards by their own tokens, as entries have them; what is None is not asked.
    """
    asked = {
        # only what is asked stands in the query: a plan for "this or nothing" would use no index
        "id >= ${}::uuid": _ids(day)[0] if day else None,
        "id < ${}::uuid": _ids(day)[1] if day else None,
        "card = ANY(${}::text[])": None if cards is None else list(cards),
        "institution = ${}": institution,
        "${} = ANY(accounts)": account,
    }
    given = [(condition, value) for condition, value in asked.items() if value is not None]
    where = " AND ".join(condition.format(number) for number, (condition, _) in enumerate(given, 2)) or "true"
    found = await (await driver(conn)).fetch(
        f"{_ENTRY} WHERE {where} ORDER BY clearing_date, occurred_at, id LIMIT $1",
        rows_max,
        *(value for _, value in given),
    )
    return [of_row(row) for row in found]


async def entries_starting(conn: AsyncConnection, prefix: str, rows_max: int = 3) -> list[Entry]:
    """Entries whose id begins with these hex digits (8 or more), so that people may shorten it."""
    first, last = prefix.ljust(32, "0"), prefix.ljust(32, "f")
    found = await (await driver(conn)).fetch(
        f"{_ENTRY} WHERE id BETWEEN $1::uuid AND $2::uuid ORDER BY id LIMIT $3", first, last, rows_max
    )
    return [of_row(row) for row in found]


async def event(conn: AsyncConnection, source: str, event_id: str) -> Row | None:
    """An event's record and first outcome, None when it never came."""
    row = await (await driver(conn)).fetchrow(_EVENT, source, event_id)
    return dict(row) if row else None


async def woken(conn: AsyncConnection, source: str, event_id: str) -> Row | None:
    """The last outcome of an event that had been parked."""
    row = await (await driver(conn)).fetchrow(_WOKEN, source, event_id)
    return dict(row) if row else None


async def repeats(conn: AsyncConnection, source: str, event_id: str) -> list[Row]:
    """Later records with the same source and id."""
    return [dict(row) for row in await (await driver(conn)).fetch(_REPEATS, source, event_id)]


async def quarantine(conn: AsyncConnection, rows_max: int = 100, sm3: str | None = None) -> list[Row]:
    """Records that could not be read, newest first; without their bytes. 待处理"""
    return [dict(row) for row in await (await driver(conn)).fetch(_QUARANTINE, rows_max, sm3)]


async def waiting(conn: AsyncConnection, rows_max: int = 100) -> list[Row]:
    """What is parked, oldest first. 挂起"""
    return [dict(row) for row in await (await driver(conn)).fetch(_PARKED, rows_max)]


class FileWith(NamedTuple):
    """A file that has an id somewhere in its bytes."""

    name: str
    type: str
    receiver: str
    profile: str
    layout: bytes
    """SM3 of the layout it was written in."""
    around: bytes
    """Its first part, those with the id, and its last."""


async def files_with(conn: AsyncConnection, day: date, entry_id: str) -> list[FileWith]:
    """The files of a day that have an id in their bytes, be it as another line's original, in order of name."""
    return [FileWith(*row) for row in await (await driver(conn)).fetch(_FILES, day, entry_id)]


async def breaks_with(conn: AsyncConnection, entry_id: str, bank_ref: str, event: str) -> list[Row]:
    """The breaks that name this entry or reference, and those that its event (source/id) is to end."""
    return [dict(row) for row in await (await driver(conn)).fetch(_BREAKS, entry_id, bank_ref, event)]


async def breaks_on_list(conn: AsyncConnection, payer: str, settlement_id: str) -> list[Row]:
    """The breaks of a payer's list that name one of its settlements."""
    found = await (await driver(conn)).fetch(_LISTED_BREAKS, payer, settlement_id)
    return [dict(row) for row in found]


async def members_versions(conn: AsyncConnection) -> list[Row]:
    """Every version of the members, who loaded it and who approved it. 资料版本"""
    return [dict(row) for row in await (await driver(conn)).fetch(_VERSIONS)]
