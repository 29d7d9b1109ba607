"""How each kind of value is read back from a file: what `values` has written, and nothing else. 字段读入

A text that could not have been written is refused, so that no second spelling of a file exists; what a layout is
lenient about is the exception, by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, tzinfo
from functools import lru_cache
from typing import Final

from clearing.files.characters import carries, fits
from clearing.files.columns import NUMBERS, Column
from clearing.files.layout import Layout
from clearing.files.values import DIGITS, FORMULA, TOKENS, Unreadable, Value

AMOUNT: Final = re.compile(r"(?:0|[1-9][0-9]{0,15})\.[0-9]{2}", re.ASCII)
LOOSE_AMOUNT: Final = re.compile(r"[0-9]+(?:\.[0-9]*)?", re.ASCII)
LENIENT_AMOUNT: Final = re.compile(r"([0-9]{1,16})(?:\.([0-9]{0,2}))?", re.ASCII)
WHOLE: Final = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)
THOUSANDS: Final = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?", re.ASCII)
HEX: Final = {"id": re.compile(r"[0-9a-f]{32}"), "digest": re.compile(r"[0-9a-f]{64}")}


@lru_cache
def _time_pattern(form: str) -> re.Pattern[str]:
    pattern = re.escape(form)
    for token, _ in TOKENS:
        pattern = pattern.replace(token, f"(?P<{token}>[0-9]{{{len(token)}}})")
    return re.compile(pattern, re.ASCII)


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
