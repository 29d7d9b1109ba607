"""How each kind of value is written in a file; `values_in` reads it back as the same value. 字段格式"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any, Final, TypeAlias

from clearing.files.characters import GETA, exchangeable, fits, shortened
from clearing.files.columns import NUMBERS, Column
from clearing.files.layout import Layout
from clearing.ledger.money import yuan

BUSINESS_ZONE: Final = timezone(timedelta(hours=8), "Asia/Shanghai")
"""For readers that have no members file: China has one zone and no summer time."""

FORMULA: Final = re.compile(r"[ ']*[=+\-@＝＋－＠]")
DIGITS: Final = re.compile(r"[0-9]+", re.ASCII)
TOKENS: Final = (
    ("YYYY", "%Y"), ("MM", "%m"), ("DD", "%d"), ("hh", "%H"), ("mm", "%M"), ("ss", "%S"),
)  # fmt: skip

Value: TypeAlias = str | int | bool | date | datetime | None


class Unreadable(Exception):
    """A value that is not of its kind; what was expected and under which code it is listed."""

    def __init__(self, expected: str, code: str) -> None:
        super().__init__(expected)
        self.expected = expected
        self.code = code


def writer(column: Column, layout: Layout, zone: tzinfo) -> Callable[[Any], str]:
    """How a column's values are written, but for what their place in the line asks for (quotes, width).

    Out:     a function from a value to its text; text from outside must have been made `carryable`.
    """
    write = _of_kind(column, layout, zone)
    if column.codes:
        return lambda value: column.codes.get(plain := write(value), plain) or layout.null
    if layout.null:
        return lambda value: write(value) or layout.null
    return write


def _of_kind(column: Column, layout: Layout, zone: tzinfo) -> Callable[[Any], str]:
    kind = column.kind
    if kind in ("amount", "signed"):
        return _amount_writer(layout)
    if kind == "date":
        pattern = _strftime(column.form or layout.date_format)
        return lambda day: day.strftime(pattern) if day else ""
    if kind == "instant":
        pattern = _strftime(column.form or layout.instant_format)
        return lambda instant: instant.astimezone(zone).strftime(pattern)
    if kind == "flag":
        return lambda flag: "1" if flag else "0"
    return str


def _amount_writer(layout: Layout) -> Callable[[int], str]:
    write = yuan if layout.amount_unit == "yuan" else str
    if layout.sign == "always":
        return lambda fen: write(fen) if fen < 0 else f"+{write(fen)}"
    if layout.sign == "trailing":
        return lambda fen: f"{write(-fen)}-" if fen < 0 else write(fen)
    return write


@lru_cache
def _strftime(form: str) -> str:
    for token, directive in TOKENS:
        form = form.replace(token, directive)
    return form


def carryable(text: str, column: Column, layout: Layout) -> tuple[str, str]:
    """Text as a column can carry it, and what had to be done to it, empty where nothing was.

    In:      any text. What is done is for the log of whoever writes the file; it never repeats the value.
    """
    found = exchangeable(text)
    if layout.quoting == "none" and layout.delimiter:
        found = found.replace(layout.parting, layout.substitute)
    if layout.null and found == layout.null:
        found = ""
    if not layout.delimiter:
        found = found.rstrip(" ")
    if text and not found and not column.empty:
        found = GETA  # a value must stand here, and none of it can
    done = "" if found == text else "characters replaced that the file cannot carry"
    for most, encoding in ((column.max, "gb18030"), (column.width, layout.encoding)):
        if not fits(found, most, encoding):
            found, done = shortened(found, most, encoding), f"cut to {most} bytes"
    return (found if layout.delimiter else found.rstrip(" ")), done


def padded(text: str, column: Column, layout: Layout) -> str:
    """A value at its width in bytes: numbers to the right behind zeros, all else to the left.

    Raises:  ValueError when it is too long: a number is never cut.
    """
    free = column.width - (len(text) if text.isascii() else len(text.encode(layout.encoding)))
    if free < 0:
        raise ValueError(f"column {column.name}: expected {column.width} bytes at most, got {-free} more")
    if column.kind not in NUMBERS:
        return text + " " * free
    if column.pad == " ":
        return " " * free + text
    sign = text[:1] if text[:1] in "+-" else ""
    return sign + "0" * free + text[len(sign) :]


def cell(text: str, layout: Layout) -> str:
    """A text cell of a CSV file: neutralised, kept from rounding, quoted where it must be."""
    if layout.neutralise and FORMULA.match(text):
        text = f"'{text}"
    elif layout.tab_digits and len(text) >= layout.tab_digits and DIGITS.fullmatch(text):
        text = f"\t{text}"
    return quoted(text, layout)


def quoted(text: str, layout: Layout) -> str:
    """A cell in quotes where it has a delimiter or quotes of its own."""
    if '"' in text or layout.delimiter in text:
        return '"' + text.replace('"', '""') + '"'
    return text
