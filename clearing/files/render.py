"""Values to the bytes of a file, as a layout says. 文件生成

The columns of a layout become one Python function a kind of line, made when the writer is: an f-string with a
place for each column. A line of which anything is unusual (a delimiter, a control, a formula, a value too long)
is written again column by column, with a note of what was done. Nothing is written that the reader would refuse.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from typing import Any, Final, TypeAlias

from clearing.errors import UsageError
from clearing.files.layout import Column, Layout, Record
from clearing.files.memo import Memo
from clearing.files.records import MODELS
from clearing.files.values import carryable, cell, padded, quoted, writer

BOM: Final = "\ufeff"
STARTS: Final = " '=+-@＝＋－＠"
"""With what a cell begins that `values.cell` may have to neutralise."""
Notes: TypeAlias = list[str]
LineWriter: TypeAlias = Callable[[tuple[Any, ...], int, Notes], str]
"""(record, line number, notes) → the line with its end."""


class Writer:
    """Writes lines of one file type in one layout; holds no file, so that one serves all receivers."""

    def __init__(self, layout: Layout, file_type: str, zone: tzinfo) -> None:
        self.layout = layout
        self.zone = zone
        self.file_type = file_type
        records = layout.records(file_type)
        names = union(records)
        self.lines: Mapping[str, LineWriter] = {
            record.tag: _Line(layout, file_type, record, names, zone).compiled() for record in records
        }
        """The function for each tag."""

    def line(self, tag: str, record: tuple[Any, ...], line_no: int, notes: Notes) -> bytes:
        """One line with its line end.

        In:      the tag, a value of its record model, its number in the file; a list that takes a note for
                 each value that could not be written as it is (the column, never the value).
        """
        return encoded(self.lines[tag](record, line_no, notes), self.layout.encoding)

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


def encoded(text: str, encoding: str) -> bytes:
    """Text as bytes: both encodings contain ASCII, whose own codec is far faster than that of GB18030."""
    return text.encode("ascii" if text.isascii() else encoding)


def joined(cells: Sequence[str], layout: Layout) -> str:
    """The cells of a line as it stands in the file, without its end."""
    return f"{layout.delimiter.join(cells)}{layout.delimiter if layout.trailing_delimiter else ''}"


def union(records: Sequence[Record]) -> tuple[str, ...]:
    """The column names of all kinds of lines, each once, in the order they first stand."""
    return tuple(dict.fromkeys(column.name for record in records for column in record.columns))


def totals_of(layout: Layout) -> Record | None:
    """The line of a table's totals: the columns of head and tail, None where it has neither."""
    parts = [one for one in (layout.head, layout.tail) if one]
    if not parts:
        return None
    return parts[-1].model_copy(update={"columns": tuple(column for one in parts for column in one.columns)})


class _Line:
    """One kind of line, on its way to a function."""

    def __init__(
        self, layout: Layout, file_type: str, record: Record, names: tuple[str, ...], zone: tzinfo
    ) -> None:
        model = MODELS.get((file_type, record.tag))
        if model is None:
            raise UsageError(f"layout {layout.id}: no record model for {file_type} {record.tag}")
        self.layout = layout
        self.record = record
        self.fields: tuple[str, ...] = model._fields
        by_name = {column.name: column for column in record.columns}
        wanted = names if layout.shape == "table" else tuple(by_name)
        self.columns: tuple[Column | None, ...] = tuple(by_name.get(name) for name in wanted)
        """In the order they stand; None where another kind's column stands."""
        for column in record.columns:
            if column.kind != "line" and column.const is None and column.key not in self.fields:
                raise UsageError(
                    f"layout {layout.id}: column {column.name} of {record.tag}: expected a field of "
                    f"{', '.join(self.fields)}, got {column.key!r}"
                )
        self.writers = {column.name: writer(column, layout, zone) for column in record.columns}

    def compiled(self) -> LineWriter:
        """The function for the kind of line, made from its source."""
        names: dict[str, Any] = {"slow": self.slow}
        exec(compile(self.source(names), f"<{self.layout.id} {self.record.tag}>", "exec"), names)  # noqa: S102
        made: LineWriter = names["line"]
        return made

    def source(self, names: dict[str, Any]) -> str:
        """The source of `line(record, n, notes)`; what it refers to is put into `names`.

        A reader sees it with `print`: `text = f"D|{n}|{r0}|{w3[r3]}|"`, then the test of what is unusual.
        """
        layout, parts = self.layout, []
        if self.record.shown:
            parts.append(_literal(self.record.shown))
        for at, column in enumerate(self.columns):
            parts.append(self._place(at, column, names))
        text = _literal(layout.delimiter).join(parts) + (
            _literal(layout.delimiter) if layout.trailing_delimiter else ""
        )
        fields = ", ".join(f"r{number}" for number in range(len(self.fields)))
        usual = " and ".join(self._usual(len(parts)))
        return (
            f"def line(record, n, notes):\n"
            f"    ({fields},) = record\n"
            f"    text = f{text!r}\n"
            f"    if {usual}:\n"
            f"        return text + {layout.line_end!r}\n"
            f"    return slow(record, n, notes)\n"
        )

    def _place(self, at: int, column: Column | None, names: dict[str, Any]) -> str:
        """What stands in the f-string for a column."""
        layout = self.layout
        if column is None:
            return _literal(layout.null)
        if column.const is not None:
            return _literal(column.const if layout.delimiter else padded(column.const, column, layout))
        if column.kind == "line":
            return "{n}" if layout.delimiter else f"{{n:{column.pad or '0'}>{column.width}}}"
        field = f"r{self.fields.index(column.key)}"
        if not column.codes and column.kind in ("text", "secret", "id", "digest"):
            if not layout.delimiter and not layout.null:
                return f"{{{field}:<{column.width}}}"
            names["null"] = layout.null
            if layout.delimiter:
                return f"{{{field} or null}}" if layout.null else f"{{{field}}}"
        if layout.delimiter and not column.codes and column.kind in ("amount", "signed"):
            return self._amount(field, names) or self._kept(at, column, field, names)
        return self._kept(at, column, field, names)

    def _amount(self, field: str, names: dict[str, Any]) -> str:
        """An amount of the usual form, written in place: there are too many to keep them; else empty."""
        layout = self.layout
        if layout.sign != "minus":
            return ""
        if layout.amount_unit == "fen":
            return f"{{{field}}}"
        names["sign"] = ("", "-")
        return f"{{sign[{field} < 0]}}{{abs({field}) // 100}}.{{abs({field}) % 100:02d}}"

    def _kept(self, at: int, column: Column, field: str, names: dict[str, Any]) -> str:
        """A value that comes again and again, looked up once it has been written."""
        layout, write = self.layout, self.writers[column.name]
        names[f"w{at}"] = Memo(write if layout.delimiter else lambda v: padded(write(v), column, layout))
        return f"{{w{at}[{field}]}}"

    def _usual(self, cells: int) -> list[str]:
        """The conditions under which the line is as it must be, the likeliest to fail first."""
        layout = self.layout
        texts = [column for column in self.columns if column is not None and column.is_text]
        fields = [f"r{self.fields.index(column.key)}" for column in texts]
        if layout.tab_digits:
            return ["False"]
        tabs = "text.replace('\\t', '').isprintable()"
        found = [tabs if layout.delimiter == "\t" else "text.isprintable()"]
        # What must have a value may have one that reads as none.
        required = [field for field, column in zip(fields, texts, strict=True) if not column.empty]
        found += [f"{field} != {layout.null!r}" for field in required if layout.null]
        found += [f"{field}[:1] != ' '" for field in required if not layout.delimiter]
        if not layout.delimiter:
            width = len(self.record.shown) + sum(one.width for one in self.columns if one)
            return [*found, "text.isascii()", f"len(text) == {width}"]
        delimiters = cells - (0 if layout.trailing_delimiter else 1)
        found.append(f"text.count({layout.delimiter!r}) == {delimiters}")
        found += [
            f"len({field}) <= {column.max // 4}"
            for field, column in zip(fields, texts, strict=True)
            if column.max
        ]
        if layout.quoting == "rfc4180":
            found.append("'\"' not in text")
        if layout.neutralise:
            cells_of = " + '\\n' + ".join(fields)
            found[1:1] = [f"(cells := '\\n' + {cells_of})"] if fields else []
            found += [f"{f'{chr(10)}{start}'!r} not in cells" for start in STARTS] if fields else []
        return found

    def slow(self, record: tuple[Any, ...], line_no: int, notes: Notes) -> str:
        """The line column by column: each text made such that the file can carry it."""
        layout = self.layout
        cells = [self.record.shown] if self.record.shown else []
        for column in self.columns:
            if column is None:
                cells.append(layout.null)
            elif column.const is not None:
                cells.append(self._fitted(column.const, column))
            elif column.kind == "line":
                cells.append(self._fitted(str(line_no), column))
            else:
                cells.append(self._cell(column, record[self.fields.index(column.key)], line_no, notes))
        return f"{joined(cells, layout)}{layout.line_end}"

    def _cell(self, column: Column, value: Any, line_no: int, notes: Notes) -> str:  # noqa: ANN401
        layout = self.layout
        if column.is_text:
            value, done = carryable(value, column, layout)
            if done:
                notes.append(f"line {line_no} {column.name}: {done}")
        text = self._fitted(self.writers[column.name](value), column)
        if layout.quoting == "none":
            return text
        return cell(text, layout) if column.is_text else quoted(text, layout)

    def _fitted(self, text: str, column: Column) -> str:
        if self.layout.delimiter:
            return text
        try:
            return padded(text, column, self.layout)
        except ValueError as error:
            raise UsageError(
                f"layout {self.layout.id}: {error}. No file was written. Next: widen the column"
            ) from error


def _literal(text: str) -> str:
    """Text as it stands inside an f-string."""
    return text.replace("{", "{{").replace("}", "}}")


def body_sm3(body: bytes | bytearray | memoryview) -> str:
    """SM3 over all detail lines with their line ends; of nothing for an empty file."""
    return hashlib.new("sm3", body).hexdigest()
