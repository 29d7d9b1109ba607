"""Lines of one kind as a layout has them, many at once or cell by cell. 成批写行

Many lines are written together, column by column, by `together`. Lines in which anything is unusual (a delimiter, a
control, a formula, a value too long), and few lines, are written cell by cell, with a note of what was done to a
value: that way alone judges. Nothing is written that the reader would refuse.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import tzinfo
from functools import cached_property
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from clearing.errors import UsageError
from clearing.files.columns import Column, Record
from clearing.files.layout import Layout
from clearing.files.records import MODELS
from clearing.files.values import carryable, cell, padded, quoted, writer

if TYPE_CHECKING:
    import polars as pl

    from clearing.files.together import Together

STARTS: Final = " '=+-@＝＋－＠"
"""With what a cell begins that `values.cell` may have to neutralise."""
PRINTABLE: Final = bytes(range(0x20, 0x7F))
TWO: Final = tuple(f"{number:02d}" for number in range(60))
SECONDS: Final = "ss"
"""As a form writes them; a form is as long as the text it stands for."""
FEW: Final = 50
"""So few lines are written one by one: many cost less together, but a block costs as much as some 50 lines."""
Values: TypeAlias = "Sequence[Any] | pl.Series"
"""The values of one field, one a line."""


class Lines(NamedTuple):
    """Lines of one kind that are to be written, of one file or of several."""

    tag: str
    model: type[Any]
    columns: Sequence[Values]
    """By field of the record model."""
    numbers: Values
    """Each line's number in its file."""

    def records(self) -> Iterator[Any]:
        """The records one by one."""
        return map(tuple.__new__, repeat(self.model), zip(*self.columns, strict=True))

    def taken(self, at: Sequence[int]) -> Lines:
        """Those at some places."""
        columns = [[values[place] for place in at] for values in self.columns]
        return self._replace(columns=columns, numbers=[self.numbers[place] for place in at])


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
        self._model = model
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

    @cached_property
    def _together(self) -> Together:
        from clearing.files.together import Together  # noqa: PLC0415 - a large library, for many lines only

        columns = [(column, self._model._fields[at] if at >= 0 else "") for column, at in self._columns]
        return Together(self._layout, self._record.shown, columns, self._writers, self._zone)

    def block(self, lines: Lines) -> Written:
        """Lines as text.

        Raises:  UsageError for a number that is wider than its column.
        """
        made = self._together.block(lines) if len(lines.numbers) > FEW else None
        if made is None:
            return self._one_by_one(lines, range(len(lines.numbers)))
        texts, odd = made
        if not odd:
            return Written(texts, [])
        own, notes = self._one_by_one(lines.taken(odd), odd)
        for at, text in zip(odd, own, strict=True):
            texts[at] = text
        return Written(texts, notes)

    def _one_by_one(self, lines: Lines, places: Sequence[int]) -> Written:
        notes: list[tuple[int, str]] = []
        rows = zip(lines.records(), lines.numbers, places, strict=True)
        return Written([self._careful(*row, notes) for row in rows], notes)

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


def numbers(column: Column, layout: Layout, lines: Sequence[int]) -> list[str]:
    """Running numbers as they stand in their column."""
    if layout.delimiter:
        return list(map(str, lines))
    return [f"{number:{column.pad or '0'}>{column.width}}" for number in lines]


def joined(cells: Sequence[str], layout: Layout) -> str:
    """The cells of a line as it stands in the file, without its end."""
    return f"{layout.delimiter.join(cells)}{layout.delimiter if layout.trailing_delimiter else ''}"
