"""Many lines of one kind as text, column by column, by a library that works outside the interpreter's lock. 按列成文

What a layout says of a column becomes an expression over all its values; what is left to Python is asked once for
each different value. Which lines are not as usual is told with the texts: those are not to be used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any, Final, TypeAlias

import polars as pl

from clearing.files.columns import Column
from clearing.files.columns_out import SECONDS, STARTS, TWO, Lines, Values
from clearing.files.layout import Layout
from clearing.files.memo import Memo
from clearing.files.values import padded

KINDS: Final[Mapping[str, pl.DataType]] = {
    **dict.fromkeys(("text", "secret", "id", "digest"), pl.String()),
    **dict.fromkeys(("amount", "signed", "count"), pl.Int64()),
    "date": pl.Date(),
    "flag": pl.Boolean(),
    "instant": pl.Int64(),
}
"""How the values of a kind stand in a frame: an instant as its second."""
NUMBER: Final = "line number"
CENTS: Final = pl.Series([f".{cents:02d}" for cents in range(100)])
SIXTY: Final = pl.Series(TWO)
NOT_ASCII: Final = "[^ -~]"
Cells: TypeAlias = Callable[[pl.DataFrame], pl.Expr]


class Together:
    """Writes blocks of lines of one kind; made once a kind of line, when there are many."""

    def __init__(
        self,
        layout: Layout,
        shown: str,
        columns: Sequence[tuple[Column | None, str]],
        writers: Mapping[str, Callable[[Any], str]],
        zone: tzinfo,
    ) -> None:
        """Take how the lines look.

        In:      what stands first; the columns in the order they stand, each with its field (None, "": a column of
                 another kind); how one value of each is written.
        """
        self._layout = layout
        self._zone = zone
        self._writers = writers
        self._fields = {field: column for column, field in columns if column and field}
        self._texts = [(column, field) for column, field in columns if column and column.is_text]
        self._between = "^" if "~" in layout.delimiter else "~"
        self._odd = self._odd_pieces()
        self._cells: list[Cells] = [_always(shown)] if shown else []
        self._cells += [self._cell(column, field) for column, field in columns]
        self._bytes = len(shown) + sum(column.width for column, _ in columns if column) + len(layout.line_end)

    def block(self, lines: Lines) -> tuple[list[str], list[int]] | None:
        """The texts of lines with their ends, and the places of those that are not to be used.

        Out:     None when not all values can stand in a frame, or a number is wider than its column.
        """
        given = dict(zip(lines.model._fields, lines.columns, strict=True))
        numbers = _series(NUMBER, lines.numbers, pl.Int64())
        try:
            values = [self._values(field, column, given[field]) for field, column in self._fields.items()]
            frame = pl.DataFrame([numbers, *values])
            texts = self._joined(frame)
        except (TypeError, ValueError, OverflowError):
            return None
        return texts.to_list(), self._unusual(frame, texts)

    def _values(self, field: str, column: Column, values: Values) -> pl.Series:
        if column.kind == "instant":
            if isinstance(values, pl.Series):
                return (values.dt.epoch("us") // 1_000_000).alias(field)
            values = [instant.timestamp() // 1 for instant in values]
            return pl.Series(field, values, pl.Float64()).cast(pl.Int64())
        return _series(field, values, KINDS[column.kind])

    def _joined(self, frame: pl.DataFrame) -> pl.Series:
        layout = self._layout
        cells = [cell(frame) for cell in self._cells]
        if layout.trailing_delimiter:
            cells.append(pl.lit(layout.line_end))
        else:
            cells[-1] += pl.lit(layout.line_end)
        return frame.select(pl.concat_str(cells, separator=layout.delimiter)).to_series()

    # ------------------------------------------------------------ what is unusual

    def _odd_pieces(self) -> list[str]:
        """What no value may hold as it is; each value begins behind `between`."""
        layout = self._layout
        found = [layout.parting] if layout.delimiter else []
        found += ['"'] if layout.quoting == "rfc4180" else []
        odd = STARTS if layout.neutralise else "" if layout.delimiter else " "
        return found + [f"{self._between}{start}" for start in odd]

    def _unusual(self, frame: pl.DataFrame, texts: pl.Series) -> list[int]:
        """Which lines have a text that needs a closer look; numbers, ids and times are as they must be."""
        layout = self._layout
        odd = texts.is_null()
        if not layout.delimiter:
            odd |= texts.str.len_bytes() != self._bytes
        if not self._texts:
            return odd.arg_true().to_list()
        for column, field in self._texts:
            if column.max:
                odd |= 4 * frame[field].str.len_chars().cast(pl.Int64) > column.max
            if layout.null and not column.empty:
                odd |= frame[field] == layout.null  # what must have a value may have one that reads as none
            if layout.tab_digits:
                odd |= frame[field].str.contains(f"^[0-9]{{{layout.tab_digits},}}$")
        all_texts = [pl.lit(""), *(pl.col(field) for _, field in self._texts)]
        told = frame.select(pl.concat_str(all_texts, separator=self._between)).to_series()
        closer = told.str.contains(NOT_ASCII)
        if self._odd:
            closer |= told.str.contains_any(self._odd)
        places = (closer & ~odd).arg_true()
        found = odd.arg_true().to_list()
        found += [
            at
            for at, text in zip(places, told.gather(places), strict=True)
            if not (layout.delimiter and text.isprintable()) or any(piece in text for piece in self._odd)
        ]
        return sorted(found)

    # ------------------------------------------------------------ cells

    def _cell(self, column: Column | None, field: str) -> Cells:
        """How a column's cells are made from the values of all lines."""
        layout = self._layout
        if column is None:
            return _always(layout.null)
        if column.const is not None:
            return _always(column.const if layout.delimiter else padded(column.const, column, layout))
        if column.kind == "line":
            number = pl.col(NUMBER).cast(pl.String)
            fixed = number if layout.delimiter else number.str.pad_start(column.width, column.pad or "0")
            return lambda _: fixed
        found = self._text(column, field) or self._number(column, field) or self._instant(column, field)
        return found or self._kept(column, field)

    def _text(self, column: Column, field: str) -> Cells | None:
        layout, text = self._layout, pl.col(field)
        if column.codes or KINDS[column.kind] != pl.String or (layout.null and not layout.delimiter):
            return None
        if not layout.delimiter:
            text = text.str.pad_end(column.width)
        elif layout.null:
            text = pl.when(text == "").then(pl.lit(layout.null)).otherwise(text)
        return lambda _: text

    def _number(self, column: Column, field: str) -> Cells | None:
        """Numbers of the usual forms: there are too many to keep them."""
        layout, value = self._layout, pl.col(field)
        if KINDS[column.kind] != pl.Int64 or column.kind == "instant" or column.codes:
            return None
        size = value.abs()
        if not layout.delimiter:
            if column.kind == "count" or layout.sign != "always" or layout.amount_unit != "fen" or column.pad:
                return None
            signed = pl.when(value < 0).then(pl.lit("-")).otherwise(pl.lit("+"))
            return lambda _: signed + size.cast(pl.String).str.zfill(column.width - 1)
        if column.kind == "count":
            return lambda _: value.cast(pl.String)
        if layout.sign != "minus" and (layout.sign, column.kind) != ("trailing", "amount"):
            return None
        if layout.amount_unit == "fen":
            return lambda _: value.cast(pl.String)
        return self._yuan(column, field)

    def _yuan(self, column: Column, field: str) -> Cells:
        one, value, size = self._writers[column.name], pl.col(field), pl.col(field).abs()
        parts = [(size // 100).cast(pl.String), pl.lit(CENTS).gather(size % 100)]
        sign = pl.when(value < 0).then(pl.lit("-")).otherwise(pl.lit(""))

        def cells(frame: pl.DataFrame) -> pl.Expr:
            ((least, most),) = frame.select(least=value.min(), most=value.max()).rows()
            if least == most:
                return pl.lit(one(least))
            return pl.concat_str(parts if least >= 0 else [sign, *parts])

        return cells

    def _instant(self, column: Column, field: str) -> Cells | None:
        """Instants: but for its seconds the text of one is that of its minute, of which a day has few."""
        layout = self._layout
        form = column.form or layout.instant_format
        if column.kind != "instant" or column.codes or form.count(SECONDS) != 1:
            return None
        one, at = self._writers[column.name], form.index(SECONDS)

        def of_minute(minute: int) -> tuple[str, str]:
            text = one(datetime.fromtimestamp(minute * 60, self._zone))
            text = text if layout.delimiter else padded(text, column, layout)
            return text[:at], text[at + len(SECONDS) :]

        def cells(frame: pl.DataFrame) -> pl.Expr:
            minute = (frame[field] // 60).unique()
            before, after = zip(*map(minutes.__getitem__, minute), strict=True)
            around = pl.col(field) // 60
            parts = [
                around.replace_strict(minute, pl.Series(before)),
                pl.lit(SIXTY).gather(pl.col(field) - around * 60),
            ]
            parts += [around.replace_strict(minute, pl.Series(after))] if any(after) else []
            return pl.concat_str(parts)

        minutes = Memo(of_minute)
        return cells

    def _kept(self, column: Column, field: str) -> Cells:
        """Of few different values: each is written once, as a line alone would have it."""
        layout, one = self._layout, self._writers[column.name]
        of_value = one if column.kind != "instant" else _of_second(one, self._zone)
        kept = Memo(of_value if layout.delimiter else lambda value: padded(of_value(value), column, layout))

        def cells(frame: pl.DataFrame) -> pl.Expr:
            values = frame[field].unique()
            return pl.col(field).replace_strict(
                values, pl.Series(map(kept.__getitem__, values), dtype=pl.String)
            )

        return cells


def _series(name: str, values: Values, kind: pl.DataType) -> pl.Series:
    if isinstance(values, pl.Series):
        return values.alias(name)
    return pl.Series(name, values, kind)


def _always(text: str) -> Cells:
    always = pl.lit(text)
    return lambda _: always


def _of_second(one: Callable[[Any], str], zone: tzinfo) -> Callable[[int], str]:
    return lambda second: one(datetime.fromtimestamp(second, zone))
