"""What `trace` follows beyond one event's own rows: later events, files, payouts by what people call them. 追踪

Read-only, for a person who waits; nothing here is on the way of an event.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from pydantic_core import from_json
from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.store.session import driver

# ---------------------------------------------------------------- events about something


class About(NamedTuple):
    """An event that names what is followed."""

    source: str
    id: str
    batch: int
    """Where it was decided last; the engine's own order."""
    no: int
    raw: bytes


# The words of the index `ix_event_payout`: what banks and payers say of money on its way out.
_NAMING: Final = """
    SELECT e.source, e.id, coalesce(w.batch, e.batch), coalesce(w.no, e.no), e.raw
    FROM event e LEFT JOIN woken w ON w.source = e.source AND w.id = e.id
    WHERE (e.type LIKE 'payout.%' OR e.type LIKE 'settlement.%') AND e.batch >= $1
        AND position(convert_to($2, 'UTF8') IN e.raw) > 0
"""


async def naming(conn: AsyncConnection, id_: str, since: int) -> list[About]:
    """Events of payouts and settlements that have an id in their bytes, from a batch on, in any order.

    Out:     also such as have it by chance: the caller reads them.
    """
    return [About(*row) for row in await (await driver(conn)).fetch(_NAMING, since, id_)]


async def cut_batch(conn: AsyncConnection, day: date) -> int:
    """The last batch before a day's cut, 0 while it is open: nobody speaks of its instructions before."""
    found: int | None = await (await driver(conn)).fetchval(
        "SELECT cut_batch FROM day WHERE clearing_date = $1", day
    )
    return found or 0


# A card's entries are found by it, as is what was done to the card that took its place.
_LATER: Final = """
    WITH RECURSIVE line AS (
        SELECT unnest($2::text[]) COLLATE "C" AS token
        UNION SELECT c.replaced_by FROM line JOIN card c ON c.token = line.token WHERE c.replaced_by <> ''
    )
    SELECT e.source, e.id, n.batch, n.no, e.raw
    FROM entry n JOIN event e ON e.source = n.source AND e.id = n.event_id
    WHERE n.card = ANY(ARRAY(SELECT token FROM line)) AND n.original_id = $1
"""


async def later(conn: AsyncConnection, entry_id: str, cards: Collection[str]) -> list[About]:
    """Events whose entries name this one as their original, on these cards or what replaced them, in any order."""
    rows = await (await driver(conn)).fetch(_LATER, UUID(entry_id), list(cards))
    return [About(*row) for row in rows]


# ---------------------------------------------------------------- payouts by what payers call them


async def payouts_named(
    conn: AsyncConnection, payer: str, *, settlement_id: str = "", batch_id: str = "", row_no: int = 0
) -> list[tuple[str, str]]:
    """(source, id) of a payer's payouts of a settlement, or of a row of its list. 代付按单号"""
    query = "SELECT source, id FROM payout WHERE payer = $1 AND {} ORDER BY last_date, source, id"
    raw = await driver(conn)
    if batch_id:
        rows = await raw.fetch(query.format("batch_id = $2 AND row_no = $3"), payer, batch_id, row_no)
    else:
        rows = await raw.fetch(query.format("settlement_id = $2"), payer, settlement_id)
    return [tuple(row) for row in rows]


# ---------------------------------------------------------------- events by the references they used


async def reference_used(conn: AsyncConnection, partner: str, bank_ref: str) -> list[tuple[str, str]]:
    """(source, id) of the events that used a partner's reference, on any of its dates. 按银行流水号"""
    query = "SELECT source, id FROM bank_ref WHERE partner = $1 AND bank_ref = $2 ORDER BY source, id"
    return [tuple(row) for row in await (await driver(conn)).fetch(query, partner, bank_ref)]


# ---------------------------------------------------------------- files with an id in them

# An id is ASCII in every layout, whatever its encoding, so its bytes are what to look for.
_OURS: Final = """
    SELECT f.name FROM file f WHERE f.type IN ('PAY', 'PYR') AND f.receiver = $1 AND f.clearing_date >= $2
        AND EXISTS (SELECT 1 FROM file_part p, unnest($3::text[]) AS ref
            WHERE p.name = f.name AND position(convert_to(ref, 'UTF8') IN p.content) > 0)
    ORDER BY f.clearing_date, f.type, f.seq, f.version
"""


async def orders_out(conn: AsyncConnection, bank: str, since: date, refs: Sequence[str]) -> list[str]:
    """Names of our PAY and PYR files to a bank, of a day or later, that have one of these ids. 含此指令的文件"""
    return [name for (name,) in await (await driver(conn)).fetch(_OURS, bank, since, list(refs))]


# What came in an envelope does not show its ids: it is for the caller to open.
_THEIRS: Final = """
    SELECT s.id FROM statement_file s
    WHERE s.kind IN ('PYR', 'RTN') AND s.partner = $1 AND s.clearing_date >= $2
        AND (EXISTS (SELECT 1 FROM unnest($3::text[]) AS ref WHERE position(convert_to(ref, 'UTF8') IN s.content) > 0)
            OR (position('"encryption"'::bytea IN s.manifest) > 0
                AND position('"encryption": null'::bytea IN s.manifest) = 0))
    ORDER BY s.id
"""


async def answers_in(conn: AsyncConnection, bank: str, since: date, refs: Sequence[str]) -> list[int]:
    """Numbers of a bank's answers, of a day or later, that have one of these ids or came in an envelope. 回盘"""
    return [number for (number,) in await (await driver(conn)).fetch(_THEIRS, bank, since, list(refs))]


async def came_as(conn: AsyncConnection, name: str) -> list[int]:
    """Numbers of what came in under a name, the newest first."""
    rows = await (await driver(conn)).fetch(
        "SELECT id FROM statement_file WHERE name = $1 ORDER BY id DESC", name
    )
    return [number for (number,) in rows]


class Acknowledged(NamedTuple):
    """What a receiver said of a file of ours."""

    partner: str
    verdict: str
    file: str
    """Name of its ACK."""
    at: datetime
    faults: list[list[Any]]
    """(line, field, column, expected, got, code) of each."""


_ACKS: Final = """
    SELECT a.partner, a.verdict, s.name, s.received_at, a.faults::text AS faults
    FROM acknowledgement a JOIN statement_file s ON s.id = a.received WHERE a.file = $1 ORDER BY a.received
"""


async def acknowledged(conn: AsyncConnection, file: str) -> list[Acknowledged]:
    """Every ACK of a file of ours, in order of arrival. 对方回执"""
    rows = await (await driver(conn)).fetch(_ACKS, file)
    return [
        Acknowledged(
            row["partner"], row["verdict"], row["name"], row["received_at"], from_json(row["faults"])
        )
        for row in rows
    ]
