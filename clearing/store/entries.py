"""Entries as rows and back, and a day's entries in order of id. 记账凭证"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from datetime import date, timedelta
from itertools import starmap
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.ledger.entry import Entry, Leg, Posting, Status
from clearing.store.session import DriverRow, driver

COLUMNS: Final = (
    "id", "clearing_date", "type", "source", "event_id", "accounts", "fens", "legs", "occurred_at", "late",
    "amount_fen", "status", "institution", "bank", "payer", "route", "partner", "bank_ref", "bank_date",
    "order_no", "receipt_no", "admission_no", "terminal", "access", "card", "card_last4", "app_area",
    "original_id", "original_date", "text",
)  # fmt: skip
"""Without `batch` and `no`, which say who wrote it."""

_SELECT: Final = f"SELECT {', '.join(COLUMNS)} FROM entry"  # noqa: S608 - our own column names
_OF_DAY: Final = f"{_SELECT} WHERE id >= $1 AND id < $2 ORDER BY id"
_CHUNK: Final = 2000
_LEGS: Final = {leg.value: leg for leg in Leg}
_ONE_DAY: Final = timedelta(days=1)


def row_of(entry: Entry) -> tuple[Any, ...]:
    """The values of an entry in the order of COLUMNS; ids as hex digits, which the driver takes."""
    accounts, fens, legs = zip(*entry.postings, strict=True)
    return (
        entry.id, entry.clearing_date, entry.type, entry.source, entry.event_id, accounts, fens,
        "".join(legs), entry.occurred_at, entry.late, entry.amount_fen, entry.status.value, entry.institution,
        entry.bank, entry.payer, entry.route, entry.partner, entry.bank_ref, entry.bank_date, entry.order_no,
        entry.receipt_no, entry.admission_no, entry.terminal, entry.access, entry.card, entry.card_last4,
        entry.app_area, entry.original_id or None, entry.original_date, entry.text,
    )  # fmt: skip


def of_row(row: DriverRow) -> Entry:
    """The entry of a row that has all of COLUMNS; it is checked again as it is made."""
    values = {name: row[name] for name in COLUMNS}
    accounts, fens, legs = values.pop("accounts"), values.pop("fens"), values.pop("legs")
    original = values["original_id"]
    values |= {"id": values["id"].hex, "original_id": original.hex if original else ""}
    values["status"] = Status(values["status"])
    postings = zip(accounts, fens, (_LEGS[letter] for letter in legs), strict=True)
    return Entry(**values, postings=tuple(starmap(Posting, postings)))


async def of_ids(conn: AsyncConnection, ids: Iterable[str]) -> dict[str, Entry]:
    """Entries by public id; those that are not there are absent."""
    rows = await (await driver(conn)).fetch(f"{_SELECT} WHERE id = ANY($1::uuid[])", list(ids))
    return {found.id: found for found in map(of_row, rows)}


async def entries_of(conn: AsyncConnection, day: date) -> AsyncIterator[Entry]:
    """One day's entries in order of id, read as they are used. 当日凭证

    In:      a connection in a transaction; what others commit meanwhile is not seen.
    """
    first, after = (f"{one:%Y%m%d}{'0' * 24}" for one in (day, day + _ONE_DAY))
    raw = await driver(conn)
    # An id begins with its day, so the primary key is the day's index too.
    async for row in raw.cursor(
        f"{_SELECT} WHERE id >= $1 AND id < $2 ORDER BY id", first, after, prefetch=_CHUNK
    ):
        yield of_row(row)
