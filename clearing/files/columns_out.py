"""Many lines of one kind written at once: values that stand under each other become text together. 成批写行

This is the fast way, for lines as they usually are. Where anything in a block is unusual (a delimiter, a control, a
formula, a value too long) it is written again in smaller blocks, at last line by line and cell by cell, with a note
of what was done to a value. Nothing is written that the reader would refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime, tzinfo
from itertools import chain, repeat
from operator import add
from typing import Any, Final, NamedTuple, TypeAlias

from clearing.errors import UsageError
from clearing.files.columns import Column, Record
from clearing.files.layout import Layout
from clearing.files.memo import Memo
from clearing.files.records import MODELS
from clearing.files.values import carryable, cell, padded, quoted, writer

STARTS: Final = " '=+-@＝＋－＠"
"""With what a cell begins that `values.cell` may have to neutralise."""
PRINTABLE: Final = bytes(range(0x20, 0x7F))
CENTS: Final = tuple(f".{cents:02d}" for cents in range(100))
TWO: Final = tuple(f"{number:02d}" for number in range(60))
SECONDS: Final = "ss"
"""As a form writes them; a form is as long as the text it stands for."""
FEW: Final = 8
"""So few lines are taken one by one, and so many parts are made of a block with a line that is unusual."""
SAMPLE: Final = 64
Values: TypeAlias = Sequence[Any]
"""The values of one field, one a line."""


class Lines(NamedTuple):
    """Lines of one kind that are to be written, of one file or of several."""

    tag: str
    model: type[Any]
    columns: Sequence[Values]
    """By field of the record model."""
    numbers: Sequence[int]
    """Each line's number in its file."""

    def records(self) -> Iterator[Any]:
        """The records one by one."""
        return map(tuple.__new__, repeat(self.model), zip(*self.columns, strict=True))

    def cut(self, start: int, end: int) -> Lines:
        """Some of them."""
        columns = [values[start:end] for values in self.columns]
        return self._replace(columns=columns, numbers=self.numbers[start:end])


class Written(NamedTuple):
    """Lines as they stand in the file, with their ends."""

    texts: list[str]
    notes: list[tuple[int, str]]
    """Which of them, from 0, says something else than it was given, and what was done: the column, not the value."""


class BlockWriter:
    """Writes blocks of lines of one kind; made once a kind of line."""

    def __init__(
        self, layout: Layout, file_type: str, record: Record, names: Sequence[str], zone: tzinfo
    ) -> None:
        """Take how the lines look.

        In:      `names`: the columns of all kinds of lines of the type, which a table shows in each line.
        Raises:  UsageError when the type has no such line, or the line no such field.
        """
        model = MODELS.get((file_type, record.tag))
        if model is None:
            raise UsageError(f"layout {layout.id}: no record model for {file_type} {record.tag}")
        self._layout = layout
        self._zone = zone
        self._record = record
        fields: Sequence[str] = model._fields
        by_name = {column.name: column for column in record.columns}
        wanted = names if layout.shape == "table" else tuple(by_name)
        self._columns: list[tuple[Column | None, int]] = []
        """In the order they stand, with the place of the field; None where another kind's column stands."""
        for column in map(by_name.get, wanted):
            plain = column is None or column.kind == "line" or column.const is not None
            if column is not None and not plain and column.key not in fields:
                raise UsageError(
                    f"layout {layout.id}: column {column.name} of {record.tag}: expected a field of "
                    f"{', '.join(fields)}, got {column.key!r}"
                )
            self._columns.append((column, -1 if plain or column is None else fields.index(column.key)))
        self._writers = {one.name: writer(one, layout, zone) for one in record.columns}
        self._together = [self._column_writer(column, field) for column, field in self._columns]
        self._texts = [(column, field) for column, field in self._columns if column and column.is_text]
        self._between = "^" if "~" in layout.delimiter else "~"
        self._bytes = len(record.shown) + sum(column.width for column, _ in self._columns if column)

    def block(self, lines: Lines) -> Written:
        """Lines as text.

        Raises:  UsageError for a number that is wider than its column.
        """
        notes: list[tuple[int, str]] = []
        return Written(self._run(lines, 0, notes), notes)

    def _run(self, lines: Lines, first: int, notes: list[tuple[int, str]]) -> list[str]:
        count = len(lines.numbers)
        if self._usual(lines.columns):
            texts = self._written(lines)
            if self._layout.delimiter or set(map(len, texts)) <= {self._bytes + len(self._layout.line_end)}:
                return texts
        if count <= FEW:
            pairs = zip(lines.records(), lines.numbers, strict=True)
            return [self._careful(*pair, at, notes) for at, pair in enumerate(pairs, first)]
        size = max(FEW, -(-count // FEW))
        parts = (self._run(lines.cut(at, at + size), first + at, notes) for at in range(0, count, size))
        return list(chain.from_iterable(parts))

    # ------------------------------------------------------------ together

    def _written(self, lines: Lines) -> list[str]:
        """The lines, of values that the file can carry as they are."""
        layout, count = self._layout, len(lines.numbers)
        texts: list[Sequence[str]] = [[self._record.shown] * count] if self._record.shown else []
        texts += [write(lines) for write in self._together]
        if layout.trailing_delimiter:
            return list(map(layout.delimiter.join, zip(*texts, [layout.line_end] * count, strict=True)))
        whole = map(layout.delimiter.join, zip(*texts, strict=True))
        return list(map(add, whole, repeat(layout.line_end)))

    def _usual(self, columns: Sequence[Values]) -> bool:
        """Whether no text needs a closer look; numbers, ids and times are as they must be."""
        layout, between = self._layout, self._between
        if layout.tab_digits or not self._texts:
            return not layout.tab_digits
        told = [_told(columns[field]) for _, field in self._texts]
        texts = between + between.join(chain.from_iterable(told))
        plain = texts.isascii() and not texts.encode("ascii").translate(None, PRINTABLE)
        if not plain and not (layout.delimiter and texts.isprintable()):
            return False
        if layout.delimiter and layout.parting in texts:
            return False
        if layout.quoting == "rfc4180" and '"' in texts:
            return False
        odd = STARTS if layout.neutralise else "" if layout.delimiter else " "
        if any(between + start in texts for start in odd):
            return False
        for (column, _), values in zip(self._texts, told, strict=True):
            if column.max and 4 * max(map(len, values)) > column.max:
                return False
            if layout.null and not column.empty and layout.null in values:
                return False  # what must have a value may have one that reads as none
        return True

    def _column_writer(self, column: Column | None, field: int) -> Callable[[Lines], Sequence[str]]:
        """How a column's cells are made from the values of all lines."""
        layout = self._layout
        if column is None or column.const is not None:
            text = layout.null if column is None or column.const is None else column.const
            text = text if layout.delimiter or column is None else padded(text, column, layout)
            return lambda lines: [text] * len(lines.numbers)
        if column.kind == "line":
            return lambda lines: numbers(column, layout, lines.numbers)
        write = self._text_writer(column) or self._amount_writer(column) or self._instant_writer(column)
        if write is None:
            one = self._writers[column.name]
            kept = Memo(one if layout.delimiter else lambda value: padded(one(value), column, layout))
            return lambda lines: list(map(kept.__getitem__, lines.columns[field]))
        return lambda lines: write(lines.columns[field])

    def _text_writer(self, column: Column) -> Callable[[Values], Sequence[str]] | None:
        layout, null, width = self._layout, self._layout.null, column.width
        if column.codes or column.kind not in ("text", "secret", "id", "digest"):
            return None
        if not layout.delimiter:
            return None if null else lambda values: list(map(str.ljust, values, repeat(width)))
        return (lambda values: [value or null for value in values]) if null else lambda values: values

    def _amount_writer(self, column: Column) -> Callable[[Values], Sequence[str]] | None:
        """Amounts of the usual forms: there are too many to keep them."""
        layout, width = self._layout, column.width
        if column.kind not in ("amount", "signed") or column.codes:
            return None
        if layout.delimiter and (
            layout.sign == "minus" or (layout.sign, column.kind) == ("trailing", "amount")
        ):
            return _yuan if layout.amount_unit == "yuan" else lambda values: list(map(str, values))
        fixed = not layout.delimiter and layout.sign == "always" and layout.amount_unit == "fen"
        return (lambda values: [f"{fen:+0{width}d}" for fen in values]) if fixed and not column.pad else None

    def _instant_writer(self, column: Column) -> Callable[[Values], Sequence[str]] | None:
        """Instants: but for its seconds the text of one is that of its minute, of which a day has few."""
        layout, zone = self._layout, self._zone
        form = column.form or layout.instant_format
        if column.kind != "instant" or column.codes or form.count(SECONDS) != 1:
            return None
        one, at = self._writers[column.name], form.index(SECONDS)

        def of_minute(minute: float) -> tuple[str, str]:
            text = one(datetime.fromtimestamp(minute * 60, zone))
            text = text if layout.delimiter else padded(text, column, layout)
            return text[:at], text[at + len(SECONDS) :]

        def write(instants: Values) -> Sequence[str]:
            told = [divmod(instant.timestamp(), 60) for instant in instants]
            return [f"{(around := minutes[minute])[0]}{TWO[int(s)]}{around[1]}" for minute, s in told]

        minutes = Memo(of_minute)
        return write

    # ------------------------------------------------------------ one by one

    def _careful(self, record: tuple[Any, ...], line_no: int, at: int, notes: list[tuple[int, str]]) -> str:
        """A line cell by cell: each text made such that the file can carry it."""
        layout = self._layout
        cells = [self._record.shown] if self._record.shown else []
        for column, field in self._columns:
            if column is None:
                cells.append(layout.null)
            elif column.const is not None:
                cells.append(self._fitted(column.const, column))
            elif column.kind == "line":
                cells.append(self._fitted(str(line_no), column))
            else:
                text, done = self._cell(column, record[field])
                cells.append(text)
                if done:
                    notes.append((at, f"line {line_no} {column.name}: {done}"))
        return f"{joined(cells, layout)}{layout.line_end}"

    def _cell(self, column: Column, value: Any) -> tuple[str, str]:  # noqa: ANN401  (of any kind)
        layout, done = self._layout, ""
        if column.is_text:
            value, done = carryable(value, column, layout)
        text = self._fitted(self._writers[column.name](value), column)
        if layout.quoting == "none":
            return text, done
        return (cell(text, layout) if column.is_text else quoted(text, layout)), done

    def _fitted(self, text: str, column: Column) -> str:
        if self._layout.delimiter:
            return text
        try:
            return padded(text, column, self._layout)
        except ValueError as error:
            raise UsageError(
                f"layout {self._layout.id}: {error}. No file was written. Next: widen the column"
            ) from error


def _told(values: Values) -> Collection[str]:
    """The texts of a field, each once where there are few: codes and members' names are looked at once."""
    return set(values) if len(set(values[:SAMPLE])) <= SAMPLE // 2 else values


def _yuan(values: Values) -> list[str]:
    """`money.yuan` of many."""
    if min(values) >= 0:
        return [f"{fen // 100}{CENTS[fen % 100]}" for fen in values]
    return [f"{'-' if fen < 0 else ''}{abs(fen) // 100}{CENTS[abs(fen) % 100]}" for fen in values]


def numbers(column: Column, layout: Layout, lines: Sequence[int]) -> list[str]:
    """Running numbers as they stand in their column."""
    if layout.delimiter:
        return list(map(str, lines))
    return [f"{number:{column.pad or '0'}>{column.width}}" for number in lines]


def joined(cells: Sequence[str], layout: Layout) -> str:
    """The cells of a line as it stands in the file, without its end."""
    return f"{layout.delimiter.join(cells)}{layout.delimiter if layout.trailing_delimiter else ''}"
