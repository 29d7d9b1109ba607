"""Partners' files with a header row: bytes to rows, or every error at once. 表头文件解析

A file is taken whole, or without its bad lines where that is agreed. Columns are found by the names in the header
row, in any order. Messages say file, line, field, what was expected and what stands there; a card number is never
repeated in one.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final, Generic

from clearing.ledger.business_day import BusinessClock
from clearing.reconciliation.cells import Cells, Errors
from clearing.reconciliation.partner_files import Balance, Parsed, R, Refused, SoundFile, Totals, counted
from clearing.reconciliation.rows import HisRow, StatementRow
from clearing.reconciliation.trailers import trailer_of

_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose file it is, under which name, and the clock that dates its rows."""

    partner: str
    file: str
    clock: BusinessClock


@dataclass(frozen=True, slots=True)
class Layout(Generic[R]):
    """One kind of file: its columns, and how a line becomes a row."""

    columns: tuple[str, ...]
    more: tuple[str, ...]
    row: Callable[[Cells, Origin, int], R]
    of_bank: bool


def keys_of(row: StatementRow | HisRow) -> tuple[str, ...]:
    """The references and numbers by which a row may belong to one of ours."""
    if isinstance(row, StatementRow):
        return (row.platform_ref, row.bank_ref, row.original_bank_ref)
    return (row.platform_ref, row.bank_ref, row.order_no, row.original_order_no)


def parse_rows(
    layout: Layout[R],
    data: bytes,
    origin: Origin,
    day: date | None,
    known: Collection[str],
    *,
    partial: bool = False,
) -> Parsed[R] | Refused:
    """Rows of a file with a header row, or every error in it. 逐行解析

    In:      `partial`: whether good lines are taken of a file in which only single lines are wrong.
    """
    partner, file, errors = origin.partner, origin.file, Errors(origin.file)
    rows: list[R] = []
    totals: Totals | None = None
    balance: Balance | None = None
    text = decoded(data, errors)
    if text is not None:
        rows, totals, balance = _read(layout, text, origin, errors)
    bad = errors.of_lines() if partial else ()
    rows = [row for row in rows if row.line not in errors.lines]
    if (not errors.found or bad) and day is not None:
        _check_day(rows, day, origin.clock, known, errors)
    if errors.found and (not bad or not rows or errors.whole):
        return refused_for(errors, data, partner, of_bank=layout.of_bank)
    said = SoundFile.of(file, data, counted(rows), totals=totals, balance=balance, bad=bad)
    return Parsed(partner=partner, rows=tuple(rows), files=(said,))


def refused_for(errors: Errors, data: bytes, partner: str, *, of_bank: bool) -> Refused:
    """A file that is not sound, with all that was found: FIL-002. 拒收"""
    if errors.more:
        errors.found.append(f"{errors.file}: {errors.more} more errors are not listed [FMT-009]")
    return Refused(
        partner=partner,
        file=errors.file,
        sha256=hashlib.sha256(data).hexdigest(),
        code="FIL-002",
        errors=tuple(errors.found),
        of_bank=of_bank,
    )


def decoded(data: bytes, errors: Errors) -> str | None:
    """The text of a file, None where it is not UTF-8."""
    try:
        return data.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        got = f"byte 0x{data[error.start]:02X} at offset {error.start}"
        errors.add(line, "encoding", f"expected UTF-8, got {got}", "FMT-001")
        return None


def _read(
    layout: Layout[R], text: str, origin: Origin, errors: Errors
) -> tuple[list[R], Totals | None, Balance | None]:
    lines = numbered(text, errors)
    rows: list[R] = []
    totals: Totals | None = None
    balance: Balance | None = None
    header = next(lines, None)
    at = header_of(layout.columns, layout.more, header, errors)
    if header is None or at is None:
        return rows, totals, balance
    ended = False
    for line, cells in lines:
        if cells[0].startswith("#"):
            ended = True
            totals, balance = trailer_of(cells, line, (totals, balance), errors)
        elif ended:
            errors.add(line, "trailer", "expected no rows after #TOTAL or #BALANCE, got one", "FMT-008")
        elif len(cells) != len(header[1]):
            errors.add(
                line, "line", f"expected {len(header[1])} fields, got {len(cells)}", "FMT-003", of_line=True
            )
        else:
            rows.append(layout.row(Cells(at, cells, line, errors), origin, line))
    return rows, totals, balance


def numbered(text: str, errors: Errors) -> Iterator[tuple[int, list[str]]]:
    """(number of its first line, cells) of every line that is not empty."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    start = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield start, cells
            start = reader.line_num + 1
    except csv.Error as error:
        errors.add(start, "line", f"expected quotes that open and close, got {error}", "FMT-003")


def header_of(
    columns: Sequence[str], more: Sequence[str], header: tuple[int, list[str]] | None, errors: Errors
) -> dict[str, int] | None:
    """Column to its place; None, with every error, where the header row is not sound. 表头"""
    if header is None:
        errors.add(1, "header", "expected a header row, got an empty file", "FMT-002")
        return None
    line, cells = header
    names = [cell.strip() for cell in cells]
    at = {name: place for place, name in enumerate(names)}
    before = len(errors.found)
    for place, name in enumerate(names, 1):
        if name not in columns and name not in more:
            expected = ",".join((*columns, *more))
            errors.add(
                line, f"field {place} header", f'expected one of {expected}, got "{name[:64]}"', "FMT-002"
            )
        elif at[name] != place - 1:
            errors.add(
                line, f"field {place} header", f'expected each column once, got "{name}" again', "FMT-002"
            )
    for name in columns:
        if name not in at:
            errors.add(line, "header", f'expected a column "{name}", got none', "FMT-002")
    return at if len(errors.found) == before else None


def _check_day(
    rows: list[R], day: date, clock: BusinessClock, known: Collection[str], errors: Errors
) -> None:
    dates = {row.clearing_date for row in rows}
    if not dates or day in dates or any(key in known for row in rows for key in keys_of(row) if key):
        return
    start, end = (instant.astimezone(clock.zone) for instant in (clock.cut_from(day), clock.cut_to(day)))
    got = f"{min(dates)}" if len(dates) == 1 else f"{min(dates)} to {max(dates)}"
    errors.add(
        0,
        "dates",
        f"expected rows of clearing date {day} ({start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}), "
        f"got {len(rows)} rows, all of {got}: this looks like another day's file",
        "FMT-010",
    )


def belongs_to(day: date, at: time | None, clock: BusinessClock) -> date:
    """The clearing date of a partner's own date and time; without a time it lies before the cutover."""
    return day if at is None else clock.date_of(datetime.combine(day, at, clock.zone))
