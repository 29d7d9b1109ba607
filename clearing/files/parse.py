"""Bytes of a file to its lines, with every fault named by line, field and value. 文件解析

One reader for all layouts. It never fails on bytes: what cannot be read is a `Fault`. Bytes come in pieces and
lines go out as they are read, so that a file of any length takes the memory of a piece. A line is decoded before
it is split, since 118 characters of GBK contain the byte of a pipe.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from itertools import repeat
from typing import Any, Final, NamedTuple, Protocol

from clearing.files.cells import Kind, Splitter, frame_of, kinds_of
from clearing.files.columns import Record
from clearing.files.columns_in import NOT_USUAL
from clearing.files.faults import Detail, Fault, Faults
from clearing.files.layout import Layout
from clearing.files.render import BOM, totals_of, union
from clearing.files.values import BUSINESS_ZONE, Value

SPARE: Final = 5
"""Lines that are kept back for empty ones at the end, where a layout is lenient about them."""
PIECE: Final = 1 << 20
FEW: Final = 8
"""So few lines are read one by one, and so many parts are made of a block with a line that is unusual."""


class Digest(Protocol):
    """What a hash of the standard library does; a caller may give one that works beside the reader."""

    def update(self, data: bytes, /) -> None:
        """Take more bytes."""

    def hexdigest(self) -> str:
        """The digest of all of them."""


class Row(NamedTuple):
    """One detail line that could be read."""

    line: int
    """Its line in the file, from 1."""
    tag: str
    record: Any
    """A value of the record model of its type and tag; fields that the layout does not have are None."""
    item: str = ""
    """XPath of the item of a document that it was read from; empty in files of lines."""

    @property
    def detail(self) -> Detail:
        """Which detail of its file it is, as faults have it."""
        return self.item or self.line

    def column(self, name: str) -> str:
        """A column of it as faults have it: in a document behind the item's XPath."""
        return f"{self.item}/{name}" if self.item else name


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
    body_sm3: str
    """SM3 of the detail lines as they came."""
    faults: tuple[Fault, ...]


def parse(name: str, content: bytes, layout: Layout, *, zone: tzinfo = BUSINESS_ZONE) -> Parsed:
    """Read a file of a known layout. 解析

    In:      any bytes; the name tells the type, and the frame is checked against it by `check`.
    Out:     the lines that could be read, and up to 1000 faults; no fault means that every line has all its
             fields and each value is of its kind. Totals are not compared here.
    Source:  contract "Clearing files".
    """
    scan = Scan(name, layout, zone)
    rows = list(scan.feed(content))
    rows += scan.finish()
    faults = tuple(scan.faults.found)
    return Parsed(name, layout, scan.type, scan.head, scan.tail, tuple(rows), scan.body_sm3, faults)


class Scan:
    """Reads one file piece by piece. 流式解析"""

    def __init__(
        self,
        name: str,
        layout: Layout,
        zone: tzinfo = BUSINESS_ZONE,
        body: Digest | None = None,
        file_type: str = "",
    ) -> None:
        self.layout = layout
        self.faults = Faults(name)
        self.head: Mapping[str, Value] = {}
        self.tail: Mapping[str, Value] = {}
        self._zone = zone
        self._body = body or hashlib.new("sm3")
        said = layout.parse_name(name)
        self.type = said.type if said is not None and said.type in layout.types else ""
        """As the name says, or as `file_type` where the name says nothing; empty: nothing is read."""
        if not self.type:
            self.faults.add("FMT-010", f"a name like {layout.example()}", name)
            self.type = file_type
        if not self.type:
            return
        self._split = Splitter(layout, self.faults)
        self._kinds = kinds_of(layout, self.type, zone)
        self._end = b"\n" if "line_ends" in layout.lenient else layout.line_end.encode("ascii")
        self._totals = totals_of(layout) if layout.shape == "table" else None
        self._lead, self._trail = self._frame_lines()
        self._held = self._trail + (SPARE if "empty_lines" in layout.lenient else 0)
        self._rest = b""
        self._started = False
        self._line = 0
        """Lines read."""
        self.details = 0
        """Detail lines seen, whether they could be read or not."""

    @property
    def body_sm3(self) -> str:
        """SM3 of the detail lines so far."""
        return self._body.hexdigest()

    def _frame_lines(self) -> tuple[int, int]:
        """How many lines stand before the details, and how many behind them."""
        layout = self.layout
        if layout.shape == "framed":
            return int(layout.head is not None), int(layout.tail is not None)
        return 1, (2 if self._totals else 0) + bool(layout.end_mark)

    # ------------------------------------------------------------ pieces

    def feed(self, piece: bytes) -> Iterator[Row]:
        """Take the next bytes and give the detail lines that are whole by now."""
        if not self.type:
            return
        for start in range(0, len(piece), PIECE):
            self._rest += piece[start : start + PIECE]
            if self._started or self._start(last=False):
                yield from self._rows(self._whole_lines())

    def _start(self, *, last: bool) -> bool:
        """Read what stands before the details, once it is there; False: it is not yet."""
        end, bom = self._end, BOM.encode()
        if not last and (self._rest.count(end) <= self._lead + self._trail or len(self._rest) < len(bom)):
            return False
        self._started = True
        if self.layout.bom and not self._rest.startswith(bom) and "bom" not in self.layout.lenient:
            self.faults.add("FMT-001", "a byte order mark EF BB BF", self._rest[:3].hex(" "))
        if self.layout.bom or "bom" in self.layout.lenient:
            self._rest = self._rest.removeprefix(bom)
        lines = self._rest.split(end)
        if len(lines) - (not lines[-1]) < self._lead + self._trail:
            self.faults.add("FMT-002", self._shortest(), f"{len(lines) - (not lines[-1])} lines")
            self.type = ""
            return False
        for _ in range(self._lead):
            raw, _, self._rest = self._rest.partition(end)
            self._line += 1
            self._first(self._line, self._bare(raw))
        return True

    def _shortest(self) -> str:
        layout = self.layout
        if layout.shape == "framed":
            frame = [one for one in (layout.head, layout.tail) if one]
            return " and ".join(f"a line {one.shown or one.tag}" for one in frame)
        return f"a header row, {layout.total_mark}, totals and {layout.end_mark}"

    def _whole_lines(self) -> bytes:
        """The detail lines that are whole, without those that may still turn out to be the end."""
        end, at = self._end, len(self._rest)
        for _ in range(self._held + 1):
            at = self._rest.rfind(end, 0, at)
            if at < 0:
                return b""
        at += len(end)
        found, self._rest = self._rest[:at], self._rest[at:]
        return found

    def finish(self) -> list[Row]:
        """Take what is left: the last detail lines, then the end of the file."""
        if not self.type or (not self._started and not self._start(last=True)):
            return []
        end = self._end
        lines = self._rest.split(end)
        if not lines[-1]:
            lines.pop()
        elif "line_ends" not in self.layout.lenient:
            wanted = "CRLF" if self.layout.line_end == "\r\n" else "LF"
            self.faults.add("FMT-002", f"the last line to end with {wanted}", lines[-1][-4:].hex(" "))
        if "empty_lines" in self.layout.lenient:
            while lines and not lines[-1].strip():
                lines.pop()
        at = len(lines) - self._trail
        rows = list(self._rows(b"".join(raw + end for raw in lines[: max(at, 0)])))
        if at < 0:
            self.faults.add("FMT-002", self._shortest(), f"{self._line + len(lines)} lines")
            return rows
        self._last([self._bare(raw) for raw in lines[at:]])
        return rows

    def _bare(self, raw: bytes) -> bytes:
        """A line without the CR of a partner who ends lines with CRLF, where either will do."""
        return raw.removesuffix(b"\r") if self._end == b"\n" and self.layout.line_end == "\r\n" else raw

    # ------------------------------------------------------------ details

    def _rows(self, block: bytes) -> Iterator[Row]:
        if not block:
            return
        self._body.update(block)
        first = self._line + 1
        raw = block.split(self._end)
        raw.pop()
        self._line += len(raw)
        yield from self._run(first, raw)

    def _run(self, first: int, raw: Sequence[bytes]) -> Iterator[Row]:
        """The rows of some lines: together where all are as lines usually are, else in smaller runs."""
        found = self._together(first, raw)
        if found is not None:
            yield from found
        elif len(raw) > FEW:
            size = max(FEW, -(-len(raw) // FEW))
            for at in range(0, len(raw), size):
                yield from self._run(first + at, raw[at : at + size])
        else:
            for number, line in enumerate(raw, first):
                row = None if self.faults.full else self._careful(number, self._bare(line))
                if row is not None:
                    yield row

    def _together(self, first: int, raw: Sequence[bytes]) -> Iterator[Row] | None:
        """The rows of lines of one kind, read column by column; None when any of them is unusual."""
        layout = self.layout
        if layout.delimiter:
            mark, _, _ = raw[0].partition(layout.delimiter.encode(layout.encoding))
            kind = self._kinds.get(mark.decode(layout.encoding, "replace") if layout.tag_column else "")
        else:
            kind = self._kind_of(raw[0][:8].decode("latin-1"))
        if kind is None or self._end.decode("ascii") != layout.line_end or self.faults.full:
            return None
        block = self._end.join((*raw, b""))
        try:
            records = kind.block.records(block, len(raw), self.details + 1)
        except NOT_USUAL:
            return None
        self.details += len(raw)
        return map(Row, range(first, first + len(raw)), repeat(kind.tag), records)

    def _kind_of(self, text: str) -> Kind | None:
        return next((kind for mark, kind in self._kinds.items() if text.startswith(mark)), None)

    def _careful(self, number: int, raw: bytes) -> Row | None:
        """The row of any line, None when it cannot be read: why is noted."""
        layout = self.layout
        if not raw and "empty_lines" in layout.lenient:
            return None
        self.details += 1
        if layout.delimiter:
            cells = self._split.cells(number, raw)
            mark = None if cells is None else cells.pop(0) if cells and layout.tag_column else ""
            kind = self._kinds.get(mark) if mark is not None else None
        else:
            kind = self._kind_of(raw[:8].decode("latin-1"))
            mark = kind.mark if kind else raw[:1].decode("latin-1")
            columns = [place.column for place in kind.places] if kind else []
            cells = self._split.fixed(number, raw, "", columns) if kind and not mark else None
            if kind and mark:
                cells = self._split.fixed(number, raw, mark, columns)
                cells = cells[1:] if cells else None
        if kind is None:
            if mark is not None:
                self.faults.add("FMT-002", f"one of {' '.join(self._kinds)}", mark, line=number, at=1)
            return None
        if cells is None:
            return None
        record = kind.careful(number, self.details, cells, self.faults)
        return None if record is None else Row(number, kind.tag, record)

    # ------------------------------------------------------------ frame

    def _first(self, number: int, raw: bytes) -> None:
        layout = self.layout
        if layout.shape == "framed" and layout.head:
            self.head = self._frame(number, raw, layout.head)
        elif layout.shape == "table":
            tag = (layout.tag_column,) if layout.tag_column else ()
            self._exact(number, raw, (*tag, *union(layout.records(self.type))))

    def _last(self, lines: Sequence[bytes]) -> None:
        layout, number = self.layout, self._line + 1
        if layout.shape == "framed":
            if layout.tail:
                self.tail = self._frame(number, lines[0], layout.tail)
            return
        if self._totals:
            self._exact(number, lines[0], (layout.total_mark, *(one.name for one in self._totals.columns)))
            self.head = self.tail = self._frame(number + 1, lines[1], self._totals)
        if layout.end_mark:
            self._exact(number + len(lines) - 1, lines[-1], (layout.end_mark,), whole=True)

    def _frame(self, number: int, raw: bytes, record: Record) -> dict[str, Value]:
        """The values of a head, tail or totals line; those that could be read."""
        layout, mark = self.layout, record.shown
        if layout.delimiter:
            cells = self._split.cells(number, raw)
        elif not raw.startswith(mark.encode()):
            self.faults.add("FMT-002", mark, raw[: len(mark)].decode("latin-1"), line=number, at=1)
            return {}
        else:
            cells = self._split.fixed(number, raw, mark, record.columns)
        if cells is None:
            return {}
        if mark and (not cells or cells.pop(0) != mark):
            text = self._split.text(number, raw) or ""
            self.faults.add("FMT-002", mark, text.split(layout.delimiter)[0], line=number, at=1)
            return {}
        return frame_of(layout, record, self._zone).values(number, cells, self.faults) or {}

    def _exact(self, number: int, raw: bytes, expected: Sequence[str], *, whole: bool = False) -> None:
        """A line that always reads the same: the header rows and the end mark of a table."""
        text = self._split.text(number, raw) if whole else None
        cells = ([text] if text is not None else None) if whole else self._split.cells(number, raw)
        if cells is None or cells == list(expected):
            return
        at = next(
            (i for i, pair in enumerate(zip(cells, expected, strict=False)) if pair[0] != pair[1]), None
        )
        if at is None:
            self.faults.add("FMT-003", f"{len(expected)} fields", len(cells), line=number)
        else:
            self.faults.add("FMT-002", expected[at], cells[at], line=number, at=at + 1)
