"""Values to the bytes of a file, as a layout says. 文件生成

Lines are written by `columns_out`, many at once; here is what stands around them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any, Final

from clearing.files.columns import Record
from clearing.files.columns_out import BlockWriter, Lines, Written, joined
from clearing.files.layout import Layout
from clearing.files.values import padded, writer

BOM: Final = "\ufeff"


class Writer:
    """Writes lines of one file type in one layout; holds no file, so that one serves all receivers."""

    def __init__(self, layout: Layout, file_type: str, zone: tzinfo) -> None:
        self.layout = layout
        self.zone = zone
        self.file_type = file_type
        records = layout.records(file_type)
        names = union(records)
        self._kinds = {record.tag: BlockWriter(layout, file_type, record, names, zone) for record in records}

    def block(self, lines: Lines) -> Written:
        """Lines of one kind with their ends, of one file or of several.

        Raises:  UsageError for a number that is wider than its column.
        """
        return self._kinds[lines.tag].block(lines)

    def before(self, values: Mapping[str, Any]) -> bytes:
        """What stands before the details: the head line, or the row of names."""
        layout = self.layout
        start = BOM.encode(layout.encoding) if layout.bom else b""
        if layout.shape == "framed":
            return start + (self._frame(layout.head, values) if layout.head else b"")
        tag = (layout.tag_column,) if layout.tag_column else ()
        return start + self._join((*tag, *union(layout.records(self.file_type))))

    def after(self, values: Mapping[str, Any]) -> bytes:
        """What stands behind the details: the tail line, or names and values of the totals and the end mark."""
        layout = self.layout
        if layout.shape == "framed":
            return self._frame(layout.tail, values) if layout.tail else b""
        totals = totals_of(layout)
        found = b""
        if totals is not None:
            found += self._join((layout.total_mark, *(column.name for column in totals.columns)))
            found += self._frame(totals, values)
        return found + (f"{layout.end_mark}{layout.line_end}".encode() if layout.end_mark else b"")

    def whole(self, values: Mapping[str, Any], body: bytes | bytearray) -> bytes:
        """The file around its body.

        In:      the values of head and tail by field; the detail lines.
        Out:     all bytes of the file.
        """
        return b"".join((self.before(values), body, self.after(values)))

    def _frame(self, record: Record, values: Mapping[str, Any]) -> bytes:
        cells = [] if not record.shown else [record.shown]
        for column in record.columns:
            write = writer(column, self.layout, self.zone)
            text = write(values[column.key]) if column.const is None else column.const
            cells.append(text if self.layout.delimiter else padded(text, column, self.layout))
        return self._join(cells)

    def _join(self, cells: Sequence[str]) -> bytes:
        return f"{joined(cells, self.layout)}{self.layout.line_end}".encode(self.layout.encoding)


def union(records: Sequence[Record]) -> tuple[str, ...]:
    """The column names of all kinds of lines, each once, in the order they first stand."""
    return tuple(dict.fromkeys(column.name for record in records for column in record.columns))


def totals_of(layout: Layout) -> Record | None:
    """The line of a table's totals: the columns of head and tail, None where it has neither."""
    parts = [one for one in (layout.head, layout.tail) if one]
    if not parts:
        return None
    return parts[-1].model_copy(update={"columns": tuple(column for one in parts for column in one.columns)})
