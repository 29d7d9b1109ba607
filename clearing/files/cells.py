"""One line of a file to its values: the fast way for the usual line, the careful way for all others. 行解析

The fast way is one Python function a kind of line, made from the layout: a tuple taken apart, a look-up a column.
Whatever it cannot take raises, and the line is read again column by column, so that each fault is named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from typing import Any, Final, NamedTuple, TypeAlias

from clearing.files.characters import modern
from clearing.files.faults import Faults
from clearing.files.layout import Column, Layout, Record
from clearing.files.memo import Memo
from clearing.files.records import MODELS
from clearing.files.render import union
from clearing.files.values import AMOUNT, HEX, SIGNED, Unreadable, Value, reader, unpadded

NOT_USUAL: Final = (Unreadable, ValueError, KeyError, IndexError, TypeError)
"""What the fast way raises; the careful way then says why."""
FastReader: TypeAlias = Callable[[Sequence[str], str], Any]
"""(cells, line number as text) → the record."""


class Place(NamedTuple):
    """One column at its place among the cells after the tag."""

    at: int
    column: Column
    read: Callable[[str], Value]


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
        self.fast: FastReader = self._compiled()

    def _compiled(self) -> FastReader:
        names: dict[str, Any] = {"model": self.model, "refuse": _refuse, "is_id": HEX["id"].fullmatch}
        source = self.source(names)
        exec(compile(source, f"<{self.layout.id} {self.tag}>", "exec"), names)  # noqa: S102
        made: FastReader = names["read"]
        return made

    def source(self, names: dict[str, Any]) -> str:
        """The source of `read(cells, n)`; what it refers to is put into `names`."""
        layout = self.layout
        cells = [f"c{at}" for at in range(self.width)]
        tag = ["_tag"] if self.mark else []
        last = ["_end"] if layout.trailing_delimiter else []
        checks = ["_end"] if last else []
        found: dict[str, str] = {}
        for at, column, read in self.places:
            if column.kind == "line":
                # Its text is compared: the running number has one spelling only.
                number = f"c{at}" if layout.delimiter else f"u{at}(c{at})"
                names[f"u{at}"] = lambda text, column=column: unpadded(text, column)
                checks.append(f"{number} != n")
            elif column.const is not None:
                names[f"k{at}"] = read
                checks.append(f"k{at}(c{at}) is None")
            else:
                found[column.key] = self._value(at, column, read, names)
        checks += [f"c{at} != {layout.null!r}" for at in self.blanks]
        values = ", ".join(found.get(field, "None") for field in self.model._fields)
        refused = f"    if {' or '.join(checks)}:\n        refuse()\n" if checks else ""
        return (
            f"def read(cells, n):\n"
            f"    {', '.join([*tag, *cells, *last])}, = cells\n"
            f"{refused}"
            f"    return model({values})\n"
        )

    def _value(self, at: int, column: Column, read: Callable[[str], Value], names: dict[str, Any]) -> str:
        """The expression that gives a column's value from its cell."""
        layout, cell = self.layout, f"c{at}"
        plain = not (column.codes or column.one_of or column.max or layout.null or "spaces" in layout.lenient)
        if plain and layout.delimiter:
            if column.is_text:
                return cell if column.empty else f"({cell} or refuse())"
            if column.kind == "id":
                checked = f"({cell} if is_id({cell}) else refuse())"
                return f"({cell} and {checked})" if column.empty else checked
        names[f"m{at}"] = Memo(read if layout.delimiter else _widths(read, column))
        kept = f"m{at}[{cell}]"
        usual = plain and layout.delimiter and layout.amount_unit == "yuan" and layout.sign != "always"
        if usual and column.kind in ("amount", "signed"):
            # Read in place: a day has too many amounts to keep them.
            names["is_amount"], names["is_signed"] = AMOUNT.fullmatch, SIGNED.fullmatch
            test = "is_signed" if column.kind == "signed" and layout.sign == "minus" else "is_amount"
            return f"(int({cell}.replace('.', '')) if {test}({cell}) else {kept})"
        return kept

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


def _refuse() -> str:
    raise ValueError


def _widths(read: Callable[[str], Value], column: Column) -> Callable[[str], Value]:
    return lambda text: read(unpadded(text, column))


def kinds_of(layout: Layout, file_type: str, zone: tzinfo) -> Mapping[str, Kind]:
    """The kinds of detail lines of a type by what stands in their first column."""
    return {one.shown: Kind(layout, file_type, one, zone) for one in layout.records(file_type)}
