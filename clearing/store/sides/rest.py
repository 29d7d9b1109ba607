"""The rows that go through the passes, back as values of the pure room: read again from the files. 余行"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import starmap
from typing import Any, Final, cast

from clearing.errors import InvariantViolated
from clearing.ledger.entry import Entry, Leg, Posting
from clearing.reconciliation.cells import to_fen
from clearing.reconciliation.rows import HisRow, PartnerRow, StatementRow
from clearing.store.sides.plain_files import TABLE, Side
from clearing.store.sides.tables import ENTRY_COLUMNS, SEPARATOR, FileRead, SideTables

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_DAY: Final = timedelta(days=1)
_TEXTS: Final = (
    "id", "type", "source", "event_id", "institution", "bank", "partner", "bank_ref", "order_no", "receipt_no",
    "admission_no", "card", "original_id",
)  # fmt: skip
_ID_DIGITS: Final = 32
_REST: Final = "SELECT DISTINCT id FROM ours WHERE rowid NOT IN (SELECT o FROM kept)"
_LEGS: Final = {leg.value: leg for leg in Leg}
_HEADER_LINES: Final = 2
"""The first row of a file is its second line."""


def entries(tables: SideTables) -> list[Entry]:
    """The entries whose rows go through the passes, with what reconciliation reads of them. 余凭证"""
    return list(_entries(tables, [name for (name,) in tables.all(_REST)]))


def entries_named(tables: SideTables, ids: Iterable[str]) -> dict[str, Entry]:
    """Those of these entries that are of the day, by id."""
    return {entry.id: entry for entry in _entries(tables, ids)}


def _entries(tables: SideTables, ids: Iterable[str]) -> Iterator[Entry]:
    """Entries by id, which each line of their file begins with."""
    wanted = frozenset(name.encode() for name in ids)
    if not wanted or tables.entries is None:
        return
    with tables.entries.open("rb") as file:
        for line in file:
            if line[:_ID_DIGITS] in wanted:
                (cells,) = csv.reader([line.decode().rstrip("\n")], strict=True)
                yield _entry(dict(zip(ENTRY_COLUMNS, cells, strict=True)))


def _entry(cells: dict[str, str]) -> Entry:
    fens = map(int, cells["fens"].split(SEPARATOR))
    postings = zip(
        cells["accounts"].split(SEPARATOR), fens, (_LEGS[leg] for leg in cells["legs"]), strict=True
    )
    texts: dict[str, Any] = {name: cells[name] for name in _TEXTS}
    return Entry(
        **texts,
        clearing_date=date.fromisoformat(cells["clearing_date"]),
        bank_date=date.fromisoformat(cells["bank_date"]) if cells["bank_date"] else None,
        occurred_at=_EPOCH + timedelta(microseconds=int(cells["occurred_us"])),
        postings=tuple(starmap(Posting, postings)),
    )


def statement_rows(tables: SideTables) -> dict[str, list[StatementRow]]:
    """The banks' rows that go through the passes, by partner, in order of file and line. 余银行行"""
    return cast("dict[str, list[StatementRow]]", _rows(tables, "B"))


def his_rows(tables: SideTables) -> dict[str, list[HisRow]]:
    """The institutions' rows that go through the passes, by institution, in order of file and line. 余医院行"""
    return cast("dict[str, list[HisRow]]", _rows(tables, "H"))


def _rows(tables: SideTables, side: Side) -> dict[str, list[PartnerRow]]:
    kept = (
        "SELECT b FROM kept WHERE b IS NOT NULL" if side == "B" else "SELECT h FROM kept WHERE h IS NOT NULL"
    )
    found: dict[str, list[PartnerRow]] = {}
    for number, file in enumerate(tables.files):
        if file.side != side:
            continue
        query = f"SELECT rowid - ?, fen FROM {TABLE[side]} WHERE file = ? AND rowid NOT IN ({kept}) ORDER BY rowid"  # noqa: S608
        places = [(int(place), int(fen)) for place, fen in tables.all(query, file.first, number)]
        rows = found.setdefault(file.partner, [])
        rows.extend(
            _read_again(tables, file, places) if file.path else (file.rows[place] for place, _ in places)
        )
    return found


def _read_again(
    tables: SideTables, file: FileRead, places: Sequence[tuple[int, int]]
) -> Iterator[PartnerRow]:
    """These rows of a file that is known to be plain in every cell: place and fen of each, as they were read.

    Raises:  InvariantViolated when another amount stands at a place.
    """
    if not places or file.path is None or file.shape is None:
        return
    make = _statement_row if file.side == "B" else _his_row
    wanted = iter(places)
    place, fen = next(wanted)
    with file.path.open("rb") as lines:
        next(lines)  # the header
        for number, line in enumerate(lines):
            if number == place:
                cells = line.decode().rstrip("\r\n").split(",")
                row = dict(zip(file.shape.header, cells, strict=True))
                if to_fen(row["amount"]) != fen:
                    raise InvariantViolated(
                        f"{file.name}:{number + _HEADER_LINES}: read as {fen} fen, now it is {row['amount']} yuan"
                    )
                yield make(row, file, number + _HEADER_LINES, tables.cutover)
                place, fen = next(wanted, (-1, 0))


def _when(day: str, at: str, cutover: time) -> tuple[date, time | None, date]:
    """Date, time and clearing date of a partner's row."""
    on, clock = date.fromisoformat(day), time.fromisoformat(at) if at else None
    return on, clock, on + _ONE_DAY if clock is not None and clock >= cutover else on


def _statement_row(cells: dict[str, str], file: FileRead, line: int, cutover: time) -> StatementRow:
    bank_date, bank_time, clearing_date = _when(cells["bank_date"], cells["bank_time"], cutover)
    fee, values = cells.get("fee", ""), cast("dict[str, Any]", cells)
    return StatementRow(
        partner=file.partner,
        bank_ref=cells["bank_ref"],
        platform_ref=cells["platform_ref"],
        bank_date=bank_date,
        bank_time=bank_time,
        type=cells["type"],
        direction=values["direction"],
        amount_fen=to_fen(cells["amount"]),
        status=values["status"],
        card=cells["card"],
        original_bank_ref=cells["original_bank_ref"],
        institution=cells.get("institution", ""),
        fee_fen=abs(to_fen(fee)) if fee else None,
        group=cells.get("group", ""),
        clearing_date=clearing_date,
        file=file.name,
        line=line,
    )


def _his_row(cells: dict[str, str], file: FileRead, line: int, cutover: time) -> HisRow:
    his_date, his_time, clearing_date = _when(cells["his_date"], cells["his_time"], cutover)
    values = cast("dict[str, Any]", cells)
    return HisRow(
        partner=file.partner,
        order_no=cells["order_no"],
        platform_ref=cells["platform_ref"],
        trade_type=cells["trade_type"],
        direction=values["direction"],
        amount_fen=to_fen(cells["amount"]),
        status=values["status"],
        his_date=his_date,
        his_time=his_time,
        bank_ref=cells["bank_ref"],
        original_order_no=cells["original_order_no"],
        bank=cells.get("bank", ""),
        card=cells.get("card", ""),
        group=cells.get("group", ""),
        clearing_date=clearing_date,
        file=file.name,
        line=line,
    )
