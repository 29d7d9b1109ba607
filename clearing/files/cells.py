"""One line of a file to its values, cell by cell, so that each fault is named: the careful way. 行解析"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any, NamedTuple

from clearing.files.characters import modern
from clearing.files.columns import Column, Record
from clearing.files.columns_in import BlockReader, Place
from clearing.files.faults import Faults
from clearing.files.layout import Layout
from clearing.files.records import MODELS
from clearing.files.render import union
from clearing.files.values import Unreadable, Value
from clearing.files.values_in import reader, unpadded


class Kind:
    """One kind of line of a file type: how its cells become a record."""

    def __init__(self, layout: Layout, file_type: str, record: Record, zone: tzinfo) -> None:
        self.layout = layout
        self.tag = record.tag
        self.mark = record.shown
        self.model: Any = MODELS[file_type, record.tag]
        records = layout.records(file_type)
        names = union(records) if layout.shape == "table" else tuple(one.name for one in record.columns)
        self.width = len(names)
        self.places = tuple(
            Place(names.index(one.name), one, reader(one, layout, zone)) for one in record.columns
        )
        self.blanks = tuple(sorted(set(range(self.width)) - {place.at for place in self.places}))
        """Places of other kinds' columns, which must be empty."""
        self.cut = Cut(layout, self.places, self.blanks, self.width, bool(self.mark))
        self.block = BlockReader(layout, self.mark, self.model, self.places, self.blanks)

    def careful(self, number: int, line_no: int, cells: Sequence[str], faults: Faults) -> Any:  # noqa: ANN401
        """The record of a line's cells (the tag is off), None when any value is wrong: each is noted."""
        values = self.values(number, cells, faults)
        if values is None:
            return None
        for at, column, _ in self.places:
            if column.kind == "line" and values[column.key] != line_no:
                # From 1 without gaps: a line lost or doubled shows here.
                field = at + 1 + bool(self.mark)
                faults.add(
                    "FMT-007", str(line_no), values[column.key], line=number, at=field, column=column.name
                )
        return self.model._make(map(values.get, self.model._fields))

    def values(self, number: int, cells: Sequence[str], faults: Faults) -> dict[str, Value] | None:
        """The values of a line by field; None when any is wrong."""
        return self.cut.values(number, cells, faults)


class Cut(NamedTuple):
    """How the cells of one kind of line are read, head and tail too."""

    layout: Layout
    places: tuple[Place, ...]
    blanks: tuple[int, ...]
    """Places of other kinds' columns, which must be empty."""
    width: int
    """Cells after the tag."""
    marked: bool
    """Whether there is a tag: it is field 1 in messages."""

    def values(self, number: int, cells: Sequence[str], faults: Faults) -> dict[str, Value] | None:
        """The values of the cells after the tag, by field; None when any is wrong, which is noted."""
        layout, first = self.layout, 1 + self.marked
        more = "more_columns" in layout.lenient and len(cells) > self.width
        if len(cells) != self.width and not more:
            faults.add("FMT-003", f"{self.width + self.marked} fields", len(cells) + self.marked, line=number)
            return None
        found: dict[str, Value] = {}
        sound = True
        for place, column, read in self.places:
            text = cells[place]
            try:
                found[column.key] = read(text if layout.delimiter else unpadded(text, column))
            except Unreadable as why:
                sound = False
                shown = f"{len(text)} characters, not shown" if column.kind == "secret" else text
                faults.add(why.code, why.expected, shown, line=number, at=place + first, column=column.name)
        for place in self.blanks:
            if cells[place] != layout.null:
                sound = False
                faults.add("FMT-004", "an empty field", cells[place], line=number, at=place + first)
        return found if sound else None


def frame_of(layout: Layout, record: Record, zone: tzinfo) -> Cut:
    """How a head, tail or totals line is read."""
    places = tuple(Place(at, one, reader(one, layout, zone)) for at, one in enumerate(record.columns))
    return Cut(layout, places, (), len(places), bool(record.shown))


class Splitter:
    """Takes lines apart: bytes or text to cells, the tag first where there is one."""

    def __init__(self, layout: Layout, faults: Faults) -> None:
        self.layout = layout
        self.faults = faults

    def text(self, number: int, raw: bytes) -> str | None:
        """A line's text, None when it cannot be decoded."""
        layout = self.layout
        try:
            text = raw.decode("ascii" if raw.isascii() else layout.encoding)
        except UnicodeDecodeError as error:
            got = raw[error.start : error.end].hex(" ")
            self.faults.add("FMT-001", f"{layout.encoding} at byte {error.start + 1}", got, line=number)
            return None
        return modern(text) if layout.encoding == "gb18030" and not raw.isascii() else text

    def cells(self, number: int, raw: bytes) -> list[str] | None:
        """The cells of a delimited line, None when it cannot be decoded or split."""
        layout = self.layout
        text = self.text(number, raw)
        if text is None:
            return None
        if layout.quoting == "rfc4180":
            cells = split_quoted(text, layout.delimiter)
            if cells is None:
                self.faults.add("FMT-002", "quotes around whole cells, closed in their line", "", line=number)
            return cells
        cells = text.split(layout.delimiter)
        if layout.trailing_delimiter and cells.pop():
            if "trailing_delimiter" not in layout.lenient:
                self.faults.add("FMT-002", f"the line to end with {layout.delimiter}", text[-4:], line=number)
                return None
            return text.split(layout.delimiter)
        return cells

    def fixed(self, number: int, raw: bytes, mark: str, columns: Sequence[Column]) -> list[str] | None:
        """The cells of a line of fixed width, cut by bytes, the mark first where there is one."""
        whole = len(mark) + sum(column.width for column in columns)
        if len(raw) != whole:
            self.faults.add("FMT-003", f"{whole} bytes", len(raw), line=number)
            return None
        cells, start = [mark] if mark else [], len(mark)
        for column in columns:
            part = self.text(number, raw[start : start + column.width])
            if part is None:
                return None
            cells.append(part)
            start += column.width
        return cells


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


def kinds_of(layout: Layout, file_type: str, zone: tzinfo) -> Mapping[str, Kind]:
    """The kinds of detail lines of a type by what stands in their first column."""
    return {one.shown: Kind(layout, file_type, one, zone) for one in layout.records(file_type)}
