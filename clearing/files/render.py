"""Values to the bytes of a file, as a layout says. 文件生成

The columns of a layout are turned once into a plan, then every line is one join and one encode. Nothing is
written here that the reader would refuse.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import tzinfo
from operator import itemgetter
from typing import Any, NamedTuple

from clearing.errors import UsageError
from clearing.files.layout import Column, Layout, Record
from clearing.files.records import MODELS
from clearing.files.values import carries, exchangeable, fits, shortened, writer

TAG_COLUMN = "record"
TOTAL_MARK = "#TOTAL"
END_MARK = "<END>"
BOM = "\ufeff"


class Plan(NamedTuple):
    """How one kind of line is put together."""

    pick: Callable[[tuple[Any, ...]], tuple[Any, ...]]
    """From (the record's fields, line number, constants…) to the cells in the layout's order."""
    width: int
    """Cells, the tag among them."""
    writers: tuple[tuple[int, Callable[[Any], str]], ...]
    """(place among the cells, how to write it) of those that are not text as they are."""
    tail: tuple[str, ...]
    """The constants that `pick` finds after the record."""
    texts: tuple[tuple[int, str, int], ...]
    """(index in the record, column name, longest in bytes) of what came from outside as text."""
    limited: bool
    """Whether any of those has a limit."""


class Writer:
    """Writes lines of one file type in one layout; holds no file, so that one serves all receivers."""

    def __init__(self, layout: Layout, file_type: str, zone: tzinfo) -> None:
        self.layout = layout
        self.zone = zone
        self.file_type = file_type
        records = layout.records(file_type)
        names = union(records)
        self._plans = {record.tag: self._plan(record, names) for record in records}

    def _plan(self, record: Record, names: tuple[str, ...]) -> Plan:
        model = MODELS.get((self.file_type, record.tag))
        if model is None:
            raise UsageError(f"layout {self.layout.id}: no record model for {self.file_type} {record.tag}")
        fields: tuple[str, ...] = model._fields
        by_name = {column.name: column for column in record.columns}
        wanted = names if self.layout.shape == "table" else tuple(by_name)
        places: list[int] = []
        writers: list[Callable[[Any], str] | None] = []
        constants = [record.tag, ""]
        for name in wanted:
            column = by_name.get(name)
            if column is None:
                places.append(len(fields) + 2)
                writers.append(None)
            elif column.kind == "line":
                places.append(len(fields))
                writers.append(str)
            elif column.const is not None:
                places.append(len(fields) + 1 + len(constants))
                constants.append(column.const)
                writers.append(None)
            elif column.key not in fields:
                raise UsageError(
                    f"layout {self.layout.id}: column {name} of {record.tag}: expected a field of "
                    f"{', '.join(fields)}, got {column.key!r}"
                )
            else:
                places.append(fields.index(column.key))
                writers.append(writer(column, self.layout, self.zone))
        texts = tuple(
            (fields.index(one.key), one.name, one.max)
            for one in record.columns
            if one.kind in ("text", "secret") and one.key in fields
        )
        return Plan(
            itemgetter(len(fields) + 1, *places),
            len(places) + 1,
            tuple((place, write) for place, write in enumerate(writers, 1) if write is not None),
            tuple(constants),
            texts,
            any(one.max for one in record.columns),
        )

    def line(self, tag: str, record: tuple[Any, ...], line_no: int, notes: list[str]) -> bytes:
        """One line with its line end.

        In:      the tag, a value of its record model, its number in the file; a list that takes a note for
                 each value that could not be written as it is (the column, never the value).
        """
        plan = self._plans[tag]
        row = self._row(plan, record, line_no)
        if not self._sound(plan, row, record):
            cleaned = list(record)
            for index, name, bytes_max in plan.texts:
                cleaned[index] = self._clean(record[index])
                if cleaned[index] != record[index]:
                    notes.append(f"line {line_no} {name}: characters replaced that the file cannot carry")
                if not fits(cleaned[index], bytes_max):
                    cleaned[index] = shortened(cleaned[index], bytes_max)
                    notes.append(f"line {line_no} {name}: cut to {bytes_max} bytes")
            row = self._row(plan, tuple(cleaned), line_no)
        # Both encodings contain ASCII, whose own codec is far faster than that of GB18030.
        return f"{row}{self.layout.line_end}".encode("ascii" if row.isascii() else self.layout.encoding)

    def _sound(self, plan: Plan, row: str, record: tuple[Any, ...]) -> bool:
        """Whether the row reads back as it is: only characters that a file carries, no stray delimiter."""
        if plan.limited and not all(fits(record[index], most) for index, _, most in plan.texts):
            return False
        if self.layout.tab_digits:
            return all(carries(record[index]) for index, _, _ in plan.texts)  # the row has tabs of its own
        if not carries(row):
            return False
        return self.layout.quoting != "none" or row.count(self.layout.delimiter) == self._delimiters(plan)

    def _row(self, plan: Plan, record: tuple[Any, ...], line_no: int) -> str:
        cells = list(plan.pick((*record, line_no, *plan.tail)))
        for place, write in plan.writers:
            cells[place] = write(cells[place])
        layout = self.layout
        return f"{layout.delimiter.join(cells)}{layout.delimiter if layout.trailing_delimiter else ''}"

    def _delimiters(self, plan: Plan) -> int:
        return plan.width - (0 if self.layout.trailing_delimiter else 1)

    def _clean(self, text: str) -> str:
        text = exchangeable(text)
        if self.layout.quoting == "none":
            return text.replace(self.layout.delimiter, self.layout.substitute)
        return text

    def whole(self, values: Mapping[str, Any], body: bytes | bytearray) -> bytes:
        """The file around its body.

        In:      the values of head and tail by field; the detail lines.
        Out:     all bytes of the file.
        """
        layout = self.layout
        head, tail = self._frame(layout.head, values), self._frame(layout.tail, values)
        if layout.shape == "framed":
            return b"".join((self._join(layout.head.tag, head), body, self._join(layout.tail.tag, tail)))
        names = [column.name for column in (*layout.head.columns, *layout.tail.columns)]
        return b"".join(
            (
                BOM.encode(layout.encoding) if layout.bom else b"",
                self._join(TAG_COLUMN, union(layout.records(self.file_type))),
                body,
                self._join(TOTAL_MARK, names),
                self._join(layout.tail.tag, (*head, *tail)),
                f"{END_MARK}{layout.line_end}".encode(layout.encoding),
            )
        )

    def _frame(self, record: Record, values: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(self._framed(column, values) for column in record.columns)

    def _framed(self, column: Column, values: Mapping[str, Any]) -> str:
        if column.const is not None:
            return column.const
        write = writer(column, self.layout, self.zone)
        value = values[column.key]
        return str(value) if write is None else write(value)

    def _join(self, tag: str, cells: tuple[str, ...] | list[str]) -> bytes:
        layout = self.layout
        text = layout.delimiter.join((tag, *cells))
        return f"{text}{layout.delimiter if layout.trailing_delimiter else ''}{layout.line_end}".encode(
            layout.encoding
        )


def union(records: tuple[Record, ...]) -> tuple[str, ...]:
    """The column names of all kinds of lines, each once, in the order they first stand."""
    return tuple(dict.fromkeys(column.name for record in records for column in record.columns))


def body_sm3(body: bytes | bytearray | memoryview) -> str:
    """SM3 over all detail lines with their line ends; of nothing for an empty file."""
    return hashlib.new("sm3", body).hexdigest()
