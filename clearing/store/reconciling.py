"""What a reconciliation asks of the books besides entries: events without one, open time-outs, repeats. 对账取数"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.ledger.business_day import BusinessClock
from clearing.store.facts import event_of
from clearing.store.session import driver
from messages import Event

_RECONCILIATION: Final = 7205
"""Class of the advisory lock that lets one reconciliation write at a time; 7201 to 7204 are the books'."""


class Unposted(NamedTuple):
    """A record that moved nothing in the books, though a partner may have moved money for it."""

    event: Event
    name: str
    """Its id; of one that used another's id again, that id, a stroke and 8 hex digits of its digest."""
    outcome: str
    """rejected or noted."""
    clearing_date: date
    """Its own; of a rejected one the date it would have had."""


class StoredTimeout(NamedTuple):
    """A time-out, its event, and the entry it made if the bank had debited."""

    event: Event
    entry_id: str
    clearing_date: date


async def one_at_a_time(conn: AsyncConnection) -> None:
    """Keep other reconciliations away until this transaction ends. 对账锁"""
    await (await driver(conn)).fetchval("SELECT pg_advisory_xact_lock($1, 0)", _RECONCILIATION)


# ---------------------------------------------------------------- records without an entry

_ENDED: Final = "rejected", "topup.made", "topup.reversed"
_UNPOSTED: Final = """
    WITH written AS MATERIALIZED (SELECT id FROM batch WHERE id > $1 AND id <= $2)
    SELECT e.source, e.id AS name, e.outcome, e.clearing_date, e.occurred_at, w.id AS batch, e.raw
    FROM written w JOIN event e ON e.batch = w.id
    WHERE e.outcome = $3 OR (e.outcome = 'noted' AND e.type IN ($4, $5))
    UNION ALL
    SELECT e.source, e.id, k.outcome, k.clearing_date, e.occurred_at, w.id AS batch, e.raw
    FROM written w JOIN woken k ON k.batch = w.id
    JOIN event e ON e.source = k.source AND e.id = k.id
    WHERE k.outcome = $3 OR (k.outcome = 'noted' AND e.type IN ($4, $5))
    UNION ALL
    SELECT r.source, r.id || '/' || left(encode(r.sm3, 'hex'), 8), r.outcome, NULL, NULL, w.id, r.raw
    FROM written w JOIN repeat r ON r.batch = w.id
    WHERE r.outcome = $3
"""
_CUTS: Final = "SELECT clearing_date, cut_batch FROM day WHERE clearing_date >= $1 ORDER BY clearing_date"
_DAYS_TAKEN: Final = 2
"""How many cuts before a day its first events may have been taken: the open day and the next take them."""


async def unposted(conn: AsyncConnection, clock: BusinessClock, first: date, last: date) -> list[Unposted]:
    """Rejected records and noted top-ups of some days, in order of (date, source, name). 未入账

    In:      `last` has been cut. A rejected record belongs to the later of its time's date and the first day
             that was not cut when it was decided, so that a day read again is the same.
    Out:     all of them, with or without a bank reference.
    """
    raw = await driver(conn)
    cuts = [(day, upto) for day, upto in await raw.fetch(_CUTS, first - timedelta(days=_DAYS_TAKEN))]
    ends = dict(cuts)
    since = ends.get(first - timedelta(days=_DAYS_TAKEN)) or 0
    found: list[Unposted] = []
    for row in await raw.fetch(_UNPOSTED, since, ends[last], *_ENDED):
        event = event_of(row["raw"], f"{row['source']}/{row['name']}")
        day = row["clearing_date"]
        if day is None:
            open_day = next((one for one, upto in cuts if upto is None or upto >= row["batch"]), last)
            day = max(clock.date_of(event.time), open_day)
        if first <= day <= last:
            found.append(Unposted(event, row["name"], row["outcome"], day))
    return sorted(found, key=lambda one: (one.clearing_date, one.event.source, one.name))


_TIMEOUTS: Final = """
    SELECT t.source, t.id, e.raw, coalesce(w.entry_id, e.entry_id) AS entry_id,
           coalesce(w.clearing_date, e.clearing_date) AS clearing_date
    FROM timeout t JOIN event e ON e.source = t.source AND e.id = t.id
    LEFT JOIN woken w ON w.source = e.source AND w.id = e.id AND e.outcome = 'parked'
    WHERE (t.state = 'OPEN' OR t.last_date > $1) AND coalesce(w.clearing_date, e.clearing_date) <= $1
    ORDER BY t.source, t.id
"""


async def open_timeouts(conn: AsyncConnection, day: date) -> list[StoredTimeout]:
    """The time-outs that were open at the end of a day, of that day or an earlier one. 未明超时

    A time-out's last date is that of its confirmation or reversal, once it has one.
    """
    return [
        StoredTimeout(
            event_of(row["raw"], f"{row['source']}/{row['id']}"),
            row["entry_id"].hex if row["entry_id"] else "",
            row["clearing_date"],
        )
        for row in await (await driver(conn)).fetch(_TIMEOUTS, day)
    ]


# ---------------------------------------------------------------- cards and rows seen before

_ALIASES: Final = "SELECT token, card FROM alias WHERE token = ANY($1::text[])"


async def cards_of(conn: AsyncConnection, tokens: Iterable[str]) -> dict[str, str]:
    """The own token of each of these that is an alias. 别名"""
    found = await (await driver(conn)).fetch(_ALIASES, sorted(set(tokens)))
    return {row["token"]: row["card"] for row in found}


_TAKEN: Final = """
    SELECT DISTINCT t.digest
    FROM taken_row t JOIN reconciliation_run r ON r.id = t.run
    WHERE t.digest = ANY($1::uuid[]) AND r.clearing_date < $2
      AND NOT EXISTS (
          SELECT 1 FROM reconciliation_run l WHERE l.clearing_date = r.clearing_date AND l.id > r.id)
"""


async def taken_before(conn: AsyncConnection, day: date, digests: Collection[str]) -> frozenset[str]:
    """Which of these rows the run that stands of any earlier day has taken in. 已取行

    In:      digests of 32 hex digits.
    """
    if not digests:
        return frozenset()
    rows = await (await driver(conn)).fetch(_TAKEN, list(digests), day)
    return frozenset(row["digest"].hex for row in rows)


async def add_taken(conn: AsyncConnection, path: Path) -> None:
    """Keep the rows that a run has taken in, from a file of (run, digest). 记已取行

    Writes:  taken_row.
    Again:   the same rows once more, of another run.
    """
    await (await driver(conn)).copy_to_table(
        "taken_row", source=path, columns=["run", "digest"], format="csv"
    )


# ---------------------------------------------------------------- entries, all at once

_ENTRIES: Final = """
    SELECT replace(e.id::text, '-', '') AS id, e.clearing_date, e.type, e.source, e.event_id,
        array_to_string(e.accounts, ';') AS accounts, array_to_string(e.fens, ';') AS fens, e.legs,
        (extract(epoch FROM e.occurred_at) * 1000000)::bigint AS occurred_us, e.institution, e.bank, e.partner,
        e.bank_ref, e.bank_date, e.order_no, e.receipt_no, e.admission_no, e.card,
        replace(coalesce(e.original_id::text, ''), '-', '') AS original_id, coalesce(o.bank_ref, '') AS original_ref,
        coalesce(o.order_no, '') AS original_order, coalesce(o.receipt_no, '') AS original_receipt,
        coalesce(o.admission_no, '') AS original_admission
    FROM entry e LEFT JOIN entry o ON o.id = e.original_id
    WHERE e.id >= $1 AND e.id < $2 ORDER BY e.id
"""


async def copy_entries(conn: AsyncConnection, day: date, path: Path) -> None:
    """All entries of a day as one CSV file, with what they undo, in order of id. 导出凭证

    Writes:  the file: columns of `sides.tables.ENTRY_COLUMNS`.
    """
    first, after = (f"{one:%Y%m%d}{'0' * 24}" for one in (day, day + timedelta(days=1)))
    raw = await driver(conn)
    await raw.copy_from_query(_ENTRIES, UUID(first), UUID(after), output=path, format="csv", header=True)


_INPUTS: Final = """
    SELECT r.clearing_date, one->>'partner' AS partner, one->>'file' AS file, one->>'sha256' AS sha256
    FROM reconciliation_run r, jsonb_array_elements(r.inputs) AS one
    WHERE r.clearing_date = $1
       OR (one->>'sha256' = ANY($2::text[]) AND (one->>'rows')::integer > 0 AND NOT EXISTS (
           SELECT 1 FROM reconciliation_run l WHERE l.clearing_date = r.clearing_date AND l.id > r.id))
    ORDER BY r.id
"""


class Input(NamedTuple):
    """One file that a run took in."""

    clearing_date: date
    partner: str
    file: str
    sha256: str


async def inputs_seen(conn: AsyncConnection, day: date, sha256s: Iterable[str]) -> list[Input]:
    """Every file that a run of this day took in, and those of these bytes that stand for another day. 已收文件"""
    rows = await (await driver(conn)).fetch(_INPUTS, day, list(sha256s))
    return [Input(*row) for row in rows]
