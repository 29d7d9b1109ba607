"""A partner's snapshot of cards or terminals: the file, in a layout or in its plain form. 卡册快照

The plain form is UTF-8 CSV with a header row; columns are found by name, in any order:

    token,bank,state,area,registrations       one line a card
    terminal,sam,institution,state            one line a terminal

In a layout it is the type REG: lines C of cards, lines M of terminals, and both may stand in one file.

`registrations` has some of BANK PLATFORM HOSPITAL with spaces between. An empty `area` or `registrations` is not
compared; all other cells are needed. `#TOTAL,<rows>` may end the plain form. A token may be any number of the card.
A snapshot need not hold what has ended: cards replaced, cancelled, terminated or of the deceased, and terminals
scrapped. A file with a fault is refused whole, every fault named.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from clearing.errors import UsageError
from clearing.files.check import check_file, fields_of, layout_for
from clearing.reconciliation.cells import Cells, Errors

if TYPE_CHECKING:
    from clearing.files.layout import Layout
    from clearing.files.parse import Row

CARD_COLUMNS: Final = ("token", "bank", "state", "area", "registrations")
TERMINAL_COLUMNS: Final = ("terminal", "sam", "institution", "state")
CARD_STATES: Final = (
    "UNKNOWN", "ISSUED", "ACTIVE", "FROZEN_DEBIT", "FROZEN_ALL", "LOST", "REPLACED", "CANCELLED", "TERMINATED",
    "DECEASED",
)  # fmt: skip
TERMINAL_STATES: Final = ("IN_USE", "LOCKED", "LOST", "RECALLED", "SCRAPPED")
STAGES: Final = ("BANK", "PLATFORM", "HOSPITAL")

_FORMS: Final = {
    "token": (re.compile(r"[A-Za-z0-9_-]{8,64}"), "8 to 64 of A-Z a-z 0-9 _ -"),
    "bank": (re.compile(r"[A-Z][A-Z0-9]{0,11}"), "a member's code"),
    "area": (re.compile(r"[0-9]{6}|"), "6 digits or nothing"),
    "terminal": (re.compile(r"[0-9A-Fa-f]{12}"), "12 hex digits"),
    "sam": (re.compile(r"[0-9]{20}"), "20 digits"),
    "institution": (re.compile(r"[A-Z][A-Z0-9]{0,11}"), "a member's code"),
}
"""Column to its form, in the words of a message; the value is never in one."""

_BOM: Final = b"\xef\xbb\xbf"
FIRST_BYTES: Final = 4096
_CARDS: Final = "C"
"""Tag of a card's line in a layout."""

Seen = dict[str, str]
"""What one side says of one card or terminal: column to value, without its number."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A sound file."""

    of_cards: bool
    rows: dict[str, Seen]
    """By number, in file order; an empty value is not compared."""


class Read(NamedTuple):
    """What a file holds, and what is wrong with it."""

    snapshots: tuple[Snapshot, ...]
    """One, or one of cards and one of terminals."""
    records: int
    """Lines that could be read."""
    errors: Sequence[str]


def parse(data: bytes, file: str, layouts: Sequence[Layout] = ()) -> tuple[Snapshot, ...]:
    """The snapshots of a file: one of cards, one of terminals, or both. 快照

    In:      the file's bytes; its name, which says the layout where it is in one of these.
    Raises:  UsageError with every fault (1 000 at most), each with line and field.
    """
    if is_plain(data) or layout_for(file, layouts) is None:
        found = read_plain(data, file)
    else:
        checked = check_file(file, data, layouts=layouts)
        parsed = checked.parsed
        found = of_rows(parsed.rows if parsed else (), file, fields_of(parsed) if parsed else {})
        found = found._replace(errors=[*map(str, checked.faults), *found.errors])
    if found.errors:
        # What stands in a file may be made to move a terminal's cursor: only what prints is repeated.
        said = ("".join(sign if sign.isprintable() else "?" for sign in one) for one in found.errors)
        raise UsageError("\n".join((*said, f"{file}: refused, nothing was compared")))
    return found.snapshots


def is_plain(data: bytes) -> bool:
    """Whether a file begins with the header row of the plain form, and with no layout's."""
    first = data[:FIRST_BYTES].removeprefix(_BOM).split(b"\n", 1)[0]
    names = {name.strip().decode("ascii", "replace") for name in first.split(b",")}
    return bool(names & {"token", "terminal"}) and "line_no" not in names


def read_plain(data: bytes, file: str) -> Read:
    """The rows of a file in the plain form, and every fault of it."""
    errors = Errors(file)
    found = _read(data, errors)
    more = [f"{file}: {errors.more} more errors are not listed [FMT-009]"] if errors.more else []
    return Read((found,), len(found.rows), [*errors.found, *more])


def of_rows(rows: Iterable[Row], file: str, fields: Mapping[str, int] = MappingProxyType({})) -> Read:
    """The snapshots in the lines of a file that was read by its layout, and what is wrong with them.

    In:      where the columns of its lines stand, for messages.
    """
    errors = Errors(file)
    found: dict[bool, dict[str, Seen]] = {}
    count = 0
    for row in rows:
        of_cards, count = row.tag == _CARDS, count + 1
        said = row.record._asdict()
        at = {name: fields.get(name, number) - 1 for number, name in enumerate(said, 1)}
        cells = [""] * (max(at.values()) + 1)
        for name, value in said.items():
            cells[at[name]] = value or ""
        _row(
            Cells(at, cells, row.line, errors),
            found.setdefault(of_cards, {}),
            row.line,
            errors,
            of_cards=of_cards,
        )
    made = [Snapshot(of_cards, some) for of_cards, some in sorted(found.items(), reverse=True)]
    return Read(tuple(made) or (Snapshot(True, {}),), count, errors.found)


def _read(data: bytes, errors: Errors) -> Snapshot:
    rows: dict[str, Seen] = {}
    lines = _numbered(data, errors)
    line, header = next(lines, (1, []))
    of_cards = "terminal" not in header
    if not header and not errors.found:
        errors.add(line, "header", "expected a header row, got an empty file", "FMT-002")
    at = _header(header, CARD_COLUMNS if of_cards else TERMINAL_COLUMNS, line, errors) if header else None
    count, ended = 0, False
    for line, cells in lines if at is not None else ():
        if ended or cells[0].startswith("#"):
            _trailer(cells, count, line, errors, again=ended)
            ended = True
            continue
        count += 1
        if at is None or len(cells) != len(at):
            errors.add(line, "line", f"expected {len(header)} fields, got {len(cells)}", "FMT-003")
        else:
            _row(Cells(at, cells, line, errors), rows, line, errors, of_cards=of_cards)
    return Snapshot(of_cards, rows)


def _numbered(data: bytes, errors: Errors) -> Iterator[tuple[int, list[str]]]:
    """(number of its first line, cells without surrounding space) of every line that is not empty."""
    try:
        text = data.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        errors.add(line, "encoding", f"expected UTF-8, got byte 0x{data[error.start]:02X}", "FMT-001")
        return
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    start = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield start, [cell.strip() for cell in cells]
            start = reader.line_num + 1
    except csv.Error as error:
        errors.add(start, "line", f"expected quotes that open and close, got {error}", "FMT-003")


def _header(names: list[str], columns: tuple[str, ...], line: int, errors: Errors) -> dict[str, int] | None:
    if sorted(names) == sorted(columns):
        return {name: place for place, name in enumerate(names)}
    expected = ",".join(columns)
    for place, name in enumerate(names, 1):
        if name not in columns:
            got = f'expected one of {expected}, got "{name[:64]}"'
            errors.add(line, f"field {place} header", got, "FMT-002")
        elif names.index(name) != place - 1:
            got = f'expected each column once, got "{name}" again'
            errors.add(line, f"field {place} header", got, "FMT-002")
    for name in columns:
        if name not in names:
            errors.add(line, "header", f'expected a column "{name}", got none', "FMT-002")
    return None


def _trailer(cells: list[str], rows: int, line: int, errors: Errors, *, again: bool) -> None:
    if again or cells != ["#TOTAL", f"{rows}"]:
        expected = "no line after #TOTAL" if again else f"#TOTAL,{rows} for {rows} lines"
        errors.add(line, "trailer", f'expected {expected}, got "{",".join(cells)[:64]}"', "FMT-008")


def _row(cells: Cells, rows: dict[str, Seen], line: int, errors: Errors, *, of_cards: bool) -> None:
    seen = {name: cells.card(name) for name in (CARD_COLUMNS if of_cards else TERMINAL_COLUMNS)}
    seen["state"] = cells.one_of("state", CARD_STATES if of_cards else TERMINAL_STATES)
    if of_cards:
        seen["registrations"] = _stages(seen["registrations"], line, errors)
    for name, (pattern, expected) in _FORMS.items():
        if name in seen and not pattern.fullmatch(seen[name]):
            errors.add(line, f"field {name}", f"expected {expected}, got another value", "FMT-004")
    key = "token" if of_cards else "terminal"
    number = seen.pop(key)
    if number in rows:
        errors.add(line, f"field {key}", "expected each one once, got it again", "FMT-012")
    rows[number] = seen


def _stages(text: str, line: int, errors: Errors) -> str:
    """The stages in our order, with a space between."""
    told = text.split()
    wrong = [one for one in told if one not in STAGES]
    if wrong:
        got = f'expected some of {" ".join(STAGES)}, got "{wrong[0][:64]}"'
        errors.add(line, "field registrations", got, "FMT-005")
    return " ".join(stage for stage in STAGES if stage in told)
