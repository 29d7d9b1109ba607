"""How each kind of value is written in a file and read back: writer and reader side by side. 字段格式

What is written is always read back as the same value, and a text that could not have been written is refused,
so that no second spelling of a file exists; what a layout is lenient about is the exception, by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any, Final, TypeAlias

from clearing.files.characters import GETA, carries, exchangeable, fits, shortened
from clearing.files.layout import NUMBERS, Column, Layout
from clearing.ledger.money import yuan

BUSINESS_ZONE: Final = timezone(timedelta(hours=8), "Asia/Shanghai")
"""For readers that have no members file: China has one zone and no summer time."""

AMOUNT: Final = re.compile(r"(?:0|[1-9][0-9]{0,15})\.[0-9]{2}", re.ASCII)
SIGNED: Final = re.compile(r"(?:-(?!0\.00$))?(?:0|[1-9][0-9]{0,15})\.[0-9]{2}", re.ASCII)
LOOSE_AMOUNT: Final = re.compile(r"[0-9]+(?:\.[0-9]*)?", re.ASCII)
LENIENT_AMOUNT: Final = re.compile(r"([0-9]{1,16})(?:\.([0-9]{0,2}))?", re.ASCII)
WHOLE: Final = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)
THOUSANDS: Final = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?", re.ASCII)
HEX: Final = {"id": re.compile(r"[0-9a-f]{32}"), "digest": re.compile(r"[0-9a-f]{64}")}
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


# ---------------------------------------------------------------- writing


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


@lru_cache
def _time_pattern(form: str) -> re.Pattern[str]:
    pattern = re.escape(form)
    for token, _ in TOKENS:
        pattern = pattern.replace(token, f"(?P<{token}>[0-9]{{{len(token)}}})")
    return re.compile(pattern, re.ASCII)


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


# ---------------------------------------------------------------- reading


def reader(column: Column, layout: Layout, zone: tzinfo) -> Callable[[str], Value]:
    """How a column's cells are read.

    Out:     from the cell's text as it was written, quotes taken off, to str, int (fen or a count), bool, date,
             aware datetime; None for an empty date. It raises Unreadable with what was expected.
    """
    of_kind = _reads(column, layout, zone)
    blank = None if column.kind in ("date", "instant") else ""
    csv_text = column.is_text and layout.quoting == "rfc4180"
    strips = "spaces" in layout.lenient
    allowed = _allowed(column)

    def read(text: str) -> Value:
        if strips:
            text = text.strip(" ")
        if layout.null and text == layout.null:
            text = ""
        if not text and column.const is None:
            if not column.empty:
                raise Unreadable("a value", "FMT-004")
            return blank
        if csv_text:
            text = uncell(text, layout)
        if not carries(text):
            raise Unreadable("text without control or private-use characters", "FMT-001")
        text = allowed(text)
        return of_kind(text) if of_kind else text

    return read


def _allowed(column: Column) -> Callable[[str], str]:
    """What a column's rules beyond its kind make of a text: our own word for a partner's code."""
    ours = {theirs: own for own, theirs in column.codes.items()}
    taken = frozenset(column.codes) - frozenset(ours)
    words = frozenset(column.one_of)
    shown = " ".join(column.codes.get(one, one) for one in column.one_of)

    def check(text: str) -> str:
        if column.const is not None and text != column.const:
            raise Unreadable(f'"{column.const}"', "FMT-004")
        own = ours.get(text, text)
        if text in taken or (words and own not in words):
            raise Unreadable(f"one of {shown or ' '.join(ours)}", "FMT-004")
        if not fits(own, column.max):
            raise Unreadable(f"{column.max} bytes of GB18030 at most", "FMT-004")
        return own

    return check


def _reads(column: Column, layout: Layout, zone: tzinfo) -> Callable[[str], Value] | None:
    kind = column.kind
    if kind == "amount":
        return lambda text: _amount(text, layout)
    if kind == "signed":
        return lambda text: _signed(text, layout)
    if kind == "date":
        return lambda text: _date(text, column.form or layout.date_format)
    if kind == "instant":
        return lambda text: _instant(text, column.form or layout.instant_format, zone)
    return _SIMPLE.get(kind)


def unpadded(text: str, column: Column) -> str:
    """What `padded` was given."""
    if column.kind not in NUMBERS:
        return text.rstrip(" ")
    if column.pad == " ":
        return text.lstrip(" ")
    sign = text[:1] if text[:1] in "+-" else ""
    digits = text[len(sign) :].lstrip("0")
    return f"{sign}{'' if digits[:1].isdigit() else '0'}{digits}"


def uncell(text: str, layout: Layout) -> str:
    """What `cell` was given: the apostrophe of a neutralised cell and the tab before digits are taken off."""
    if text.startswith("'") and layout.neutralise and FORMULA.match(text):
        return text[1:]
    if text.startswith("\t") and DIGITS.fullmatch(text, 1):
        return text[1:]
    return text


def _amount(text: str, layout: Layout) -> int:
    if layout.sign == "always" and text.startswith("+"):
        text = text[1:]
    elif layout.sign == "always" and "decimals" not in layout.lenient:
        raise Unreadable("a sign in front", "FMT-006")
    return _unsigned(text, layout)


def _unsigned(text: str, layout: Layout) -> int:
    if "thousands" in layout.lenient and THOUSANDS.fullmatch(text):
        text = text.replace(",", "")
    if layout.amount_unit == "fen":
        return _count(text)
    if AMOUNT.fullmatch(text):
        return int(text.replace(".", ""))
    loose = LENIENT_AMOUNT.fullmatch(text.removeprefix("+"))
    if "decimals" in layout.lenient and loose:
        return int(loose[1]) * 100 + int((loose[2] or "").ljust(2, "0"))
    if LOOSE_AMOUNT.fullmatch(text):
        wanted = "no leading zeros, 18 digits at most" if "." in text[-3:-2] else "two decimals"
        raise Unreadable(wanted, "FMT-006")
    raise Unreadable("an amount with two decimals, not negative", "FMT-006")


def _signed(text: str, layout: Layout) -> int:
    minus = text.endswith("-") if layout.sign == "trailing" else text.startswith("-")
    if not minus:
        return _amount(text, layout)
    fen = -_unsigned(text[:-1] if layout.sign == "trailing" else text[1:], layout)
    if not fen:
        raise Unreadable("zero without a sign", "FMT-006")
    return fen


def _count(text: str) -> int:
    if not WHOLE.fullmatch(text):
        raise Unreadable("a whole number", "FMT-007")
    return int(text)


def _flag(text: str) -> bool:
    if text not in ("0", "1"):
        raise Unreadable("0 or 1", "FMT-004")
    return text == "1"


def _id(text: str) -> str:
    if not HEX["id"].fullmatch(text):
        raise Unreadable("32 hex digits", "FMT-008")
    return text


def _digest(text: str) -> str:
    if not HEX["digest"].fullmatch(text):
        raise Unreadable("64 hex digits", "FMT-008")
    return text


def _date(text: str, form: str) -> date:
    match = _time_pattern(form).fullmatch(text)
    try:
        if match:
            return date(int(match["YYYY"]), int(match["MM"]), int(match["DD"]))
    except ValueError:
        pass  # such as 31 February: refused below with the text that says so
    raise Unreadable(f"a date {form}", "FMT-005")


def _instant(text: str, form: str, zone: tzinfo) -> datetime:
    match = _time_pattern(form).fullmatch(text)
    try:
        if match:
            year, month, day = int(match["YYYY"]), int(match["MM"]), int(match["DD"])
            return datetime(
                year, month, day, int(match["hh"]), int(match["mm"]), int(match["ss"]), tzinfo=zone
            )
    except ValueError:
        pass  # such as 24:00: refused below with the text that says so
    raise Unreadable(f"a time {form}", "FMT-005")


_SIMPLE: Final[Mapping[str, Callable[[str], Value]]] = {
    "count": _count,
    "line": _count,
    "flag": _flag,
    "id": _id,
    "digest": _digest,
}
