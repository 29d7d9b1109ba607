"""Many lines of one kind read at once: cells that stand under each other become values together. 成批读行

This is the fast way, for lines as they usually are. Whatever is unusual in any line raises; the lines are then
read again in smaller blocks, at last each by itself by `cells.Kind.careful`, which says what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import repeat
from typing import Any, Final, NamedTuple, TypeAlias

from clearing.files.columns import Column
from clearing.files.columns_out import PRINTABLE, SECONDS, TWO, numbers
from clearing.files.layout import Layout
from clearing.files.memo import Memo
from clearing.files.values import Unreadable, Value
from clearing.files.values_in import unpadded

NOT_USUAL: Final = (Unreadable, ValueError, KeyError, IndexError, TypeError)
"""What the fast way raises; the careful way then says why."""
Cells: TypeAlias = Sequence[str]
"""The cells of one column, one a line."""
ColumnReader: TypeAlias = Callable[[Cells], Sequence[Value]]

YUAN: Final = r"(?:0|[1-9][0-9]{0,15}+)\.[0-9]{2}"
FEN: Final = r"(?:0|[1-9][0-9]{0,17}+)"
AFTER: Final = {text: timedelta(seconds=number) for number, text in enumerate(TWO)}
HEX_RUN: Final = re.compile("[0-9a-f]*+")


class Place(NamedTuple):
    """One column at its place among the cells after the tag."""

    at: int
    column: Column
    read: Callable[[str], Value]


class BlockReader:
    """Reads blocks of lines of one kind; made once a kind of line."""

    def __init__(
        self, layout: Layout, mark: str, model: type[Any], places: Sequence[Place], blanks: Sequence[int]
    ) -> None:
        """Take how the lines look.

        In:      what stands first in each line, empty for nothing; the record model; the columns at their places
                 among the cells after it, and the places that must be empty.
        """
        self._layout = layout
        self._mark = mark
        self._model = model
        self._fields: Sequence[str] = model._fields
        self._blanks = blanks
        self._step = bool(mark) + len(places) + len(blanks)
        self._places = places
        self._readers = [column_reader(column, layout, read) for _, column, read in places]
        self._keep = PRINTABLE + b"\t" if layout.delimiter == "\t" else PRINTABLE
        at, self._cuts = len(mark), []
        for one in places:
            self._cuts.append(slice(at, at + one.column.width))
            at += one.column.width
        self._bytes = at

    def records(self, block: bytes, count: int, first_no: int) -> list[Any]:
        """The records of a block of lines.

        In:      whole lines with their ends, so many; the running number of the first.
        Raises:  NOT_USUAL when any line is unusual in any way.
        """
        columns = self._columns(self._text(block, count), count)
        found: dict[str, Sequence[Value]] = {}
        for (at, column, _), read in zip(self._places, self._readers, strict=True):
            cells = columns[at]
            if column.kind == "line":
                _must(list(cells) == numbers(column, self._layout, range(first_no, first_no + count)))
            elif column.const is not None:
                read(cells)
            else:
                found[column.key] = read(cells)
        for at in self._blanks:
            _must(columns[at].count(self._layout.null) == count)
        nothing = [None] * count
        values = (found.get(field, nothing) for field in self._fields)
        return list(map(tuple.__new__, repeat(self._model), zip(*values, strict=True)))

    def _text(self, block: bytes, count: int) -> str:
        """The block's text, printable but for its line ends."""
        layout = self._layout
        if block.isascii():
            _must(block.translate(None, self._keep) == layout.line_end.encode() * count)
            text = block.decode("ascii")
        else:
            text = block.decode(layout.encoding)
            bare = text.replace(layout.line_end, "")
            _must(len(text) - len(bare) == len(layout.line_end) * count)
            _must((bare.replace("\t", "") if layout.delimiter == "\t" else bare).isprintable())
        if layout.quoting == "rfc4180":
            _must('"' not in text and "'" not in text)
        return text

    def _columns(self, text: str, count: int) -> Sequence[Cells]:
        """The cells by column, without the mark."""
        layout, end, step = self._layout, self._layout.line_end, self._step
        if not layout.delimiter:
            lines = text.split(end)[:-1]
            _must(text.isascii() and set(map(len, lines)) == {self._bytes})
            _must(all(map(str.startswith, lines, repeat(self._mark))))
            return [[line[cut] for line in lines] for cut in self._cuts]
        if not layout.trailing_delimiter:
            text = text.replace(end, layout.delimiter + end)
        cells = text.split(layout.delimiter)
        # Line ends stand in front of every step-th cell and nowhere else: each line has as many cells as it must.
        starts = cells[step::step]
        _must(len(cells) == step * count + 1 and starts[-1] == end)
        starts.pop()
        if self._mark:
            _must(cells[0] == self._mark and starts.count(end + self._mark) == count - 1)
            return [cells[at::step] for at in range(1, step)]
        _must(all(map(str.startswith, starts, repeat(end))))
        cells[step:-1:step] = [start[len(end) :] for start in starts]
        return [cells[at : step * count : step] for at in range(step)]


def _must(holds: bool) -> None:  # noqa: FBT001 - it is what is asked
    if not holds:
        raise ValueError


def column_reader(column: Column, layout: Layout, read: Callable[[str], Value]) -> ColumnReader:
    """How the cells of a column are read together; `read` reads one of them.

    Out:     a function that raises one of NOT_USUAL where any cell may be unsound.
    """
    one = read if layout.delimiter else lambda text: read(unpadded(text, column))
    kept = Memo(one)

    def by_value(cells: Cells) -> Sequence[Value]:
        return list(map(kept.__getitem__, cells))

    if column.const is not None or column.codes or column.one_of:
        return by_value
    if column.is_text:
        return _text_reader(column, layout, by_value)
    if column.kind in ("id", "digest") and layout.delimiter and not layout.null and not column.max:
        return _hex_reader(column)
    if column.kind in ("amount", "signed") and not column.empty and not column.max:
        form = _amount_form(column, layout)
        return _amount_reader(form) if form else by_value
    if column.kind == "instant":
        return _instant_reader(column.form or layout.instant_format, one) or by_value
    return by_value


def _instant_reader(form: str, read: Callable[[str], Value]) -> ColumnReader | None:
    """Instants as `columns_out` writes them: but for its seconds the text of one is that of its minute."""
    if form.count(SECONDS) != 1:
        return None
    at = form.index(SECONDS)
    end = at + len(SECONDS)
    minutes = Memo(lambda around: read(around[:at] + TWO[0] + around[at:]))

    def instants(cells: Cells) -> Sequence[Value]:
        _must(min(map(len, cells)) >= end)  # an empty one has no seconds
        return [minutes[cell[:at] + cell[end:]] + AFTER[cell[at:end]] for cell in cells]

    return instants


def _text_reader(column: Column, layout: Layout, by_value: ColumnReader) -> ColumnReader:
    if "spaces" in layout.lenient:
        return by_value

    def texts(cells: Cells) -> Sequence[Value]:
        if layout.null:
            if "" in cells:
                return by_value(cells)
            cells = ["" if cell == layout.null else cell for cell in cells]
        if not layout.delimiter:
            cells = list(map(str.rstrip, cells, repeat(" ")))
        if column.max and 4 * max(map(len, cells)) > column.max:
            return by_value(cells)
        _must(column.empty or "" not in cells)
        return cells

    return texts


def _hex_reader(column: Column) -> ColumnReader:
    lengths = {32 if column.kind == "id" else 64} | ({0} if column.empty else set())

    def ids(cells: Cells) -> Sequence[Value]:
        _must(set(map(len, cells)) <= lengths and HEX_RUN.fullmatch("".join(cells)) is not None)
        return cells

    return ids


def _amount_form(column: Column, layout: Layout) -> str:
    """The pattern of the usual amount that `int` reads once its point is taken out; empty: there is none."""
    signed = column.kind == "signed"
    if layout.delimiter and layout.sign == "minus":
        if layout.amount_unit == "yuan":
            return (r"(?:-(?!0\.00\n))?" if signed else "") + YUAN
        return (r"(?:-(?!0\n))?" if signed else "") + FEN
    if layout.delimiter and layout.sign == "trailing" and not signed:
        return YUAN if layout.amount_unit == "yuan" else FEN
    fixed = not layout.delimiter and layout.sign == "always" and layout.amount_unit == "fen"
    if fixed and column.pad != " " and column.width <= len("+") + 18:
        sign = r"(?:[+]|-(?!0+\n))" if signed else "[+]"
        return f"{sign}[0-9]{{{column.width - 1}}}"
    return ""


def _amount_reader(form: str) -> ColumnReader:
    run = re.compile(rf"(?:{form}\n)*+", re.ASCII)

    def amounts(cells: Cells) -> Sequence[Value]:
        text = "\n".join(cells)
        _must(run.fullmatch(f"{text}\n") is not None)
        return list(map(int, text.replace(".", "").split("\n")))

    return amounts
