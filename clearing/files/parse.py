"""Bytes of a file to its lines, with every fault named by line, field and value. 文件解析

One reader for all layouts. It never fails on bytes: what cannot be read is a `Fault`. A line is decoded
before it is split, since 118 characters of GBK contain the byte of a pipe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, Final, NamedTuple

from clearing.files.layout import Column, Layout, Record
from clearing.files.records import MODELS
from clearing.files.render import BOM, END_MARK, TAG_COLUMN, TOTAL_MARK, union
from clearing.files.values import BUSINESS_ZONE, Unreadable, Value, modern, reader

FAULTS_MAX: Final = 1000
SHOWN_MAX: Final = 40
SHORTEST: Final = 2
"""Lines of a framed file without details: head and tail."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a file."""

    file: str
    line: int
    """From 1; 0 when it is the file as a whole."""
    field: int
    """From 1, the record tag being field 1; 0 when it is the line as a whole."""
    column: str
    expected: str
    got: str
    code: str
    """FMT-001 characters · 002 frame · 003 number of fields · 004 value not allowed · 005 date · 006 amount ·
    007 count · 008 id or digest · 009 totals · 010 name · 011 manifest · 012 digest · 013 signature ·
    014 envelope."""

    def __str__(self) -> str:
        """The message as people and ACK files see it."""
        where = self.file + (f":{self.line}" if self.line else "")
        what = f"field {self.field} {self.column}".rstrip() if self.field else self.column
        return (
            f'{where}{f" {what}" if what else ""}: expected {self.expected}, got "{self.got}" [{self.code}]'
        )


@dataclass(slots=True)
class Faults:
    """The faults of one file, in the order they were found; no more than a thousand are kept."""

    file: str
    found: list[Fault] = field(default_factory=list)

    @property
    def full(self) -> bool:
        """Whether there is no room for more: reading on would tell nobody anything."""
        return len(self.found) >= FAULTS_MAX

    def add(
        self, code: str, expected: str, got: object, *, line: int = 0, at: int = 0, column: str = ""
    ) -> None:
        """Note one fault; what was got is shortened, and made safe to print."""
        text = str(got)
        shown = text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}…"
        safe = "".join(char if char.isprintable() else "�" for char in shown)
        if not self.full:
            self.found.append(Fault(self.file, line, at, column, expected, safe, code))


class Row(NamedTuple):
    """One detail line that could be read."""

    line: int
    """Its line in the file, from 1."""
    tag: str
    record: Any
    """A value of the record model of its type and tag; fields that the layout does not have are None."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What could be read of a file, and all that is wrong with it."""

    name: str
    layout: Layout
    type: str
    head: Mapping[str, Value]
    """Head and tail values by field; those that could not be read are missing."""
    tail: Mapping[str, Value]
    rows: tuple[Row, ...]
    body: bytes
    """The detail lines as they came, over which `body_sm3` goes."""
    faults: tuple[Fault, ...]


def parse(name: str, content: bytes, layout: Layout, *, zone: tzinfo = BUSINESS_ZONE) -> Parsed:
    """Read a file of a known layout. 解析

    In:      any bytes; the name tells the type, and the frame is checked against it by `check`.
    Out:     the lines that could be read, and up to 1000 faults; no fault means that every line has all its
             fields and each value is of its kind. Totals are not compared here.
    Source:  contract "Clearing files".
    """
    faults = Faults(name)
    said = layout.parse_name(name)
    if said is None or said.type not in layout.types:
        faults.add("FMT-010", f"a name like {layout.example()}", name)
        return Parsed(name, layout, "", {}, {}, (), b"", tuple(faults.found))
    reader = _Reader(layout, faults, zone)
    raw = reader.lines(content)
    read_all = reader.framed if layout.shape == "framed" else reader.table
    found = read_all(said.type, raw)
    end = layout.line_end.encode("ascii")
    body = b"".join(part + end for part in found.raw)
    return Parsed(name, layout, said.type, found.head, found.tail, found.rows, body, tuple(faults.found))


class _Slots(NamedTuple):
    """Where the columns of one kind of line stand, counted after the tag."""

    columns: tuple[tuple[int, Column, str, Callable[[str], Value]], ...]
    """(place, column, field, how it is read)."""
    blanks: tuple[int, ...]
    """Places of other kinds' columns, which must be empty."""
    width: int


class _Reader:
    """Reads the lines of one file and notes what is wrong with them."""

    def __init__(self, layout: Layout, faults: Faults, zone: tzinfo) -> None:
        self.layout = layout
        self.faults = faults
        self.zone = zone

    def lines(self, content: bytes) -> list[bytes]:
        """The lines without their ends, still bytes: no character of either encoding contains a line end."""
        bom, end = BOM.encode("utf-8"), self.layout.line_end.encode("ascii")
        if self.layout.bom:
            if not content.startswith(bom):
                self.faults.add("FMT-001", "a byte order mark EF BB BF", content[:3].hex(" "))
            content = content.removeprefix(bom)
        parts = content.split(end)
        if parts[-1]:
            wanted = "CRLF" if self.layout.line_end == "\r\n" else "LF"
            self.faults.add("FMT-002", f"the last line to end with {wanted}", parts[-1][-4:].hex(" "))
            return parts
        return parts[:-1]

    def cells(self, number: int, raw: bytes) -> list[str] | None:
        """The cells of a line, None when it cannot be decoded or split."""
        try:
            text = raw.decode("ascii" if raw.isascii() else self.layout.encoding)
        except UnicodeDecodeError as error:
            got = raw[error.start : error.end].hex(" ")
            self.faults.add("FMT-001", f"{self.layout.encoding} at byte {error.start + 1}", got, line=number)
            return None
        if self.layout.encoding == "gb18030" and not raw.isascii():
            text = modern(text)
        if self.layout.quoting == "rfc4180":
            cells = split_quoted(text, self.layout.delimiter)
            if cells is None:
                self.faults.add("FMT-002", "quotes around whole cells, closed in their line", "", line=number)
            return cells
        cells = text.split(self.layout.delimiter)
        if self.layout.trailing_delimiter and cells.pop():
            self.faults.add(
                "FMT-002", f"the line to end with {self.layout.delimiter}", text[-4:], line=number
            )
            return None
        return cells

    def values(self, number: int, cells: Sequence[str], slots: _Slots) -> dict[str, Value] | None:
        """The values of a line by field; None when any is wrong."""
        if len(cells) != slots.width + 1:
            self.faults.add("FMT-003", f"{slots.width + 1} fields", len(cells), line=number)
            return None
        found: dict[str, Value] = {}
        sound = True
        for place, column, key, read in slots.columns:
            text = cells[place + 1]
            try:
                found[key] = read(text)
            except Unreadable as why:
                sound = False
                shown = f"{len(text)} characters, not shown" if column.kind == "secret" else text
                self.faults.add(why.code, why.expected, shown, line=number, at=place + 2, column=column.name)
        for place in slots.blanks:
            if cells[place + 1]:
                sound = False
                self.faults.add("FMT-004", "an empty field", cells[place + 1], line=number, at=place + 2)
        return found if sound else None

    def rows(self, file_type: str, raw: Sequence[bytes]) -> Iterator[Row]:
        """The detail lines that can be read, from line 2 of the file."""
        records = {record.tag: record for record in self.layout.records(file_type)}
        slots = {tag: self._slots(record, tuple(records.values())) for tag, record in records.items()}
        numbers = {
            tag: [(at, column) for at, column in enumerate(record.columns, 2) if column.kind == "line"]
            for tag, record in records.items()
        }
        for number, line in enumerate(raw, 2):
            if self.faults.full:
                return
            cells = self.cells(number, line)
            if cells is None:
                continue
            if cells[0] not in records:
                self.faults.add("FMT-002", f"one of {' '.join(records)}", cells[0], line=number, at=1)
                continue
            values = self.values(number, cells, slots[cells[0]])
            if values is None:
                continue
            for at, column in numbers[cells[0]]:
                if values[column.key] != number - 1:  # from 1 without gaps: a line lost or doubled shows here
                    got = values[column.key]
                    self.faults.add("FMT-007", str(number - 1), got, line=number, at=at, column=column.name)
            model = MODELS[file_type, cells[0]]
            yield Row(number, cells[0], model._make(map(values.get, model._fields)))

    def _slots(self, record: Record, records: tuple[Record, ...]) -> _Slots:
        names = union(records) if self.layout.shape == "table" else tuple(one.name for one in record.columns)
        return self._placed([(names.index(column.name), column) for column in record.columns], len(names))

    def _placed(self, columns: Iterable[tuple[int, Column]], width: int) -> _Slots:
        placed = tuple(
            (place, column, column.key, reader(column, self.layout, self.zone)) for place, column in columns
        )
        return _Slots(placed, tuple(sorted(set(range(width)) - {place for place, *_ in placed})), width)

    def frame(self, number: int, raw: bytes, tag: str, columns: Sequence[Column]) -> dict[str, Value]:
        """The values of a head, tail or totals line; those that could be read."""
        cells = self.cells(number, raw)
        if cells is None:
            return {}
        if cells[0] != tag:
            self.faults.add("FMT-002", tag, cells[0], line=number, at=1)
            return {}
        return self.values(number, cells, self._placed(enumerate(columns), len(columns))) or {}

    def exact(self, number: int, raw: bytes, expected: Sequence[str]) -> None:
        """A line that always reads the same: the header rows and the end mark of a table."""
        cells = self.cells(number, raw)
        if cells is not None and cells != list(expected):
            at = next(
                (i for i, pair in enumerate(zip(cells, expected, strict=False)) if pair[0] != pair[1]), None
            )
            if at is None:
                self.faults.add("FMT-003", f"{len(expected)} fields", len(cells), line=number)
            else:
                self.faults.add("FMT-002", expected[at], cells[at], line=number, at=at + 1)

    def framed(self, file_type: str, raw: list[bytes]) -> _Body:
        """A head line, details, a tail line."""
        layout = self.layout
        if len(raw) < SHORTEST:
            self.faults.add(
                "FMT-002", f"a line {layout.head.tag} and a line {layout.tail.tag}", f"{len(raw)} lines"
            )
            return _Body({}, {}, (), [])
        head = self.frame(1, raw[0], layout.head.tag, layout.head.columns)
        rows = tuple(self.rows(file_type, raw[1:-1]))
        tail = self.frame(len(raw), raw[-1], layout.tail.tag, layout.tail.columns)
        return _Body(head, tail, rows, raw[1:-1])

    def table(self, file_type: str, raw: list[bytes]) -> _Body:
        """A header row, details, `#TOTAL` with its names, the totals, the end mark."""
        layout = self.layout
        if len(raw) < 2 * SHORTEST:
            self.faults.add(
                "FMT-002", f"a header row, {TOTAL_MARK}, totals and {END_MARK}", f"{len(raw)} lines"
            )
            return _Body({}, {}, (), [])
        columns = (*layout.head.columns, *layout.tail.columns)
        self.exact(1, raw[0], (TAG_COLUMN, *union(layout.records(file_type))))
        rows = tuple(self.rows(file_type, raw[1:-3]))
        self.exact(len(raw) - 2, raw[-3], (TOTAL_MARK, *(column.name for column in columns)))
        totals = self.frame(len(raw) - 1, raw[-2], layout.tail.tag, columns)
        self.exact(len(raw), raw[-1], (END_MARK,))
        return _Body(totals, totals, rows, raw[1:-3])


class _Body(NamedTuple):
    head: Mapping[str, Value]
    tail: Mapping[str, Value]
    rows: tuple[Row, ...]
    raw: list[bytes]


def split_quoted(text: str, delimiter: str) -> list[str] | None:
    """The cells of a CSV line by RFC 4180; None when a quote is open or stands inside a bare cell."""
    if '"' not in text:
        return text.split(delimiter)
    cells: list[str] = []
    at = 0
    while True:
        if text.startswith('"', at):
            end = at + 1
            while (end := text.find('"', end)) >= 0 and text.startswith('""', end):
                end += 2
            if end < 0:
                return None
            cells.append(text[at + 1 : end].replace('""', '"'))
            at = end + 1
        else:
            end = text.find(delimiter, at)
            end = len(text) if end < 0 else end
            if '"' in text[at:end]:
                return None
            cells.append(text[at:end])
            at = end
        if at == len(text):
            return cells
        if not text.startswith(delimiter, at):
            return None
        at += len(delimiter)
