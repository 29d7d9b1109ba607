"""Entries as rows and back, and a day's entries in order of id. 记账凭证"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.ledger.entry import Entry, Leg, Posting, Status
from clearing.store.session import DriverRow, driver

if TYPE_CHECKING:
    from clearing.ledger.entry_columns import EntryColumns

COLUMNS: Final = (
    "id", "clearing_date", "type", "source", "event_id", "accounts", "fens", "legs", "occurred_at", "late",
    "amount_fen", "status", "institution", "bank", "payer", "route", "partner", "bank_ref", "bank_date",
    "order_no", "receipt_no", "admission_no", "terminal", "access", "card", "card_last4", "app_area",
    "original_id", "original_date", "text",
)  # fmt: skip
"""Without `batch` and `no`, which say who wrote it."""

_SELECT: Final = f"SELECT {', '.join(COLUMNS)} FROM entry"  # noqa: S608 - our own column names
_OF_DAY: Final = f"{_SELECT} WHERE id >= $1 AND id < $2 ORDER BY id"
_CHUNK: Final = 25_000
"""Entries read at once: enough that what a block costs is little, few enough that memory stays flat."""
_CELL: Final = "\x1e"
_NULL: Final = "\\N"
_AS_TEXT: Final = {"format": "csv", "delimiter": _CELL, "null": _NULL}
"""How COPY sends entries to be read as columns: quoted only where a text holds a control or a quote."""
_SENT: Final = {
    "accounts": "array_to_string(accounts, chr(31))",
    "occurred_at": "(extract(epoch FROM occurred_at) * 1000000)::bigint",
}
"""Columns that are sent in another form: BETWEEN between accounts, microseconds since 1970."""
_NEXT: Final = (
    f"SELECT {', '.join(_SENT.get(name, name) for name in COLUMNS)} FROM entry "  # noqa: S608 - our own names
    "WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3"
)
_LEGS: Final = {leg.value: leg for leg in Leg}
_STATUSES: Final = {status.value: status for status in Status}
_ONE_DAY: Final = timedelta(days=1)


def row_of(entry: Entry) -> tuple[Any, ...]:
    """The values of an entry in the order of COLUMNS; ids as hex digits, which the driver takes."""
    accounts, fens, legs = zip(*entry.postings, strict=True)
    return (
        entry.id, entry.clearing_date, entry.type, entry.source, entry.event_id, accounts, fens,
        "".join(legs), entry.occurred_at, entry.late, entry.amount_fen, str(entry.status), entry.institution,
        entry.bank, entry.payer, entry.route, entry.partner, entry.bank_ref, entry.bank_date, entry.order_no,
        entry.receipt_no, entry.admission_no, entry.terminal, entry.access, entry.card, entry.card_last4,
        entry.app_area, entry.original_id or None, entry.original_date, entry.text,
    )  # fmt: skip


_IN_ORDER: Final = itemgetter(*COLUMNS)


def of_row(row: DriverRow) -> Entry:
    """The entry of a row that has all of COLUMNS; it is checked again as it is made."""
    return _of_values(_IN_ORDER(row))


def of_json(row: list[Any]) -> Entry:
    """As `of_row`, of the values of COLUMNS in their order as JSON has them."""
    for place, read in _READERS:
        if row[place] is not None:
            row[place] = read(row[place])
    return _of_values(row)


_READERS: Final[tuple[tuple[int, Callable[[Any], Any]], ...]] = tuple(
    (COLUMNS.index(name), read)
    for names, read in (
        (("id", "original_id"), UUID),
        (("clearing_date", "bank_date", "original_date"), date.fromisoformat),
        (("occurred_at",), datetime.fromisoformat),
    )
    for name in names
)


def _of_values(row: Sequence[Any]) -> Entry:
    (
        id_, clearing_date, type_, source, event_id, names, fens, legs, occurred_at, late, amount_fen, status,
        institution, bank, payer, route, partner, bank_ref, bank_date, order_no, receipt_no, admission_no,
        terminal, access, card, card_last4, app_area, original, original_date, text,
    ) = row  # fmt: skip
    postings = tuple(map(Posting, names, fens, map(_LEGS.__getitem__, legs)))
    return Entry(
        id=id_.hex, clearing_date=clearing_date, type=type_, source=source, event_id=event_id,
        postings=postings, occurred_at=occurred_at, late=late, amount_fen=amount_fen,
        status=_STATUSES[status], institution=institution, bank=bank, payer=payer, route=route,
        partner=partner, bank_ref=bank_ref, bank_date=bank_date, order_no=order_no, receipt_no=receipt_no,
        admission_no=admission_no, terminal=terminal, access=access, card=card, card_last4=card_last4,
        app_area=app_area, original_id=original.hex if original else "", original_date=original_date,
        text=text,
    )  # fmt: skip


async def of_ids(conn: AsyncConnection, ids: Iterable[str]) -> dict[str, Entry]:
    """Entries by public id; those that are not there are absent."""
    rows = await (await driver(conn)).fetch(f"{_SELECT} WHERE id = ANY($1::uuid[])", list(ids))
    return {found.id: found for found in map(of_row, rows)}


def _ids_of(day: date) -> tuple[str, str]:
    """The first id that a day can have, and the first of the next day: an id begins with its day."""
    first, after = (f"{one:%Y%m%d}{'0' * 24}" for one in (day, day + _ONE_DAY))
    return first, after


async def chunks_of(conn: AsyncConnection, day: date) -> AsyncIterator[EntryColumns]:
    """One day's entries in order of id, some thousands at a time, read as they are used. 当日凭证

    In:      a connection in a transaction, a day that nobody adds to.
    """
    first, after = _ids_of(day)
    raw = await driver(conn)
    # In order of id by the index: of a table that has no statistics yet the server would sort the day for each chunk.
    await raw.execute("SET LOCAL enable_sort = off")
    count = _CHUNK
    while count == _CHUNK:
        sent: list[bytes] = []
        await raw.copy_from_query(_NEXT, first, after, _CHUNK, output=_taker(sent), **_AS_TEXT)
        chunk = await asyncio.to_thread(_read, sent)
        if count := len(chunk):
            yield chunk
            first = f"{int(chunk.frame['id'][-1], 16) + 1:032x}"
    await raw.execute("SET LOCAL enable_sort = on")


def _taker(sent: list[bytes]) -> Callable[[bytes], Awaitable[None]]:
    async def take(data: bytes) -> None:
        sent.append(data)

    return take


def _read(sent: list[bytes]) -> EntryColumns:
    """What COPY sent, as columns."""
    import polars as pl  # noqa: PLC0415 - a large library, for whoever reads whole days

    from clearing.ledger.entry_columns import SCHEMA, EntryColumns  # noqa: PLC0415

    if not sent:
        return EntryColumns(pl.DataFrame(schema=SCHEMA))
    plain = {"accounts": pl.String(), "fens": pl.String(), "occurred_at": pl.Int64(), "late": pl.String()}
    dates = ("clearing_date", "bank_date", "original_date")
    frame = pl.read_csv(
        b"".join(sent),
        has_header=False,
        separator=_CELL,
        schema=SCHEMA | dict.fromkeys(dates, pl.String()) | plain,
        null_values=dict.fromkeys((*dates, "original_id"), _NULL),
        empty_string_is_null=False,
    )
    read = frame.with_columns(
        pl.col("id").str.replace_all("-", "", literal=True),
        pl.col("original_id").str.replace_all("-", "", literal=True).fill_null(""),
        pl.col(dates).str.to_date("%Y-%m-%d"),
        pl.col("fens").str.strip_chars("{}").str.split(",").cast(SCHEMA["fens"]),
        pl.col("occurred_at").cast(SCHEMA["occurred_at"]),
        pl.col("late") == "t",
    )
    return EntryColumns(read.rechunk())


async def entries_of(conn: AsyncConnection, day: date) -> AsyncIterator[Entry]:
    """One day's entries in order of id, one by one; as `chunks_of`."""
    async for chunk in chunks_of(conn, day):
        for entry in chunk.entries():
            yield entry


async def sent_out(conn: AsyncConnection, day: date) -> int:
    """Have the server send a day's entries by COPY and throw them away; gives how many bytes came. 基准

    For measurements: what reading the entries costs at the least.
    """
    first, after = _ids_of(day)
    raw = await driver(conn)
    size = 0

    async def take(data: bytes) -> None:
        nonlocal size
        size += len(data)

    await raw.copy_from_query(_OF_DAY, first, after, output=take, format="binary")
    return size
