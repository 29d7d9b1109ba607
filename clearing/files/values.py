"""How each kind of value is written in a file and read back: writer and reader side by side. 字段格式

What is written is always read back as the same value, and a text that could not have been written is refused,
so that no second spelling of a file exists.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any, Final, TypeAlias

from clearing.files.layout import Column, Layout
from clearing.ledger.money import yuan

BUSINESS_ZONE: Final = timezone(timedelta(hours=8), "Asia/Shanghai")
"""For readers that have no members file: China has one zone and no summer time."""
GETA: Final = "〓"
"""Stands where a character cannot be exchanged, as print shops do it."""

EDITION_2022: Final = {
    0xE78D: "\ufe10", 0xE78E: "\ufe12", 0xE78F: "\ufe11", 0xE790: "\ufe13", 0xE791: "\ufe14",
    0xE792: "\ufe15", 0xE793: "\ufe16", 0xE794: "\ufe17", 0xE795: "\ufe18", 0xE796: "\ufe19",
    0xE7C7: "\u1e3f", 0xE816: "\U00020087", 0xE817: "\U00020089", 0xE818: "\U000200cc", 0xE81E: "\u9fb4",
    0xE826: "\u9fb5", 0xE82B: "\u9fb6", 0xE82C: "\u9fb7", 0xE831: "\U000215d7", 0xE832: "\u9fb8",
    0xE83B: "\U0002298f", 0xE843: "\u9fb9", 0xE854: "\u9fba", 0xE855: "\U000241fe", 0xE864: "\u9fbb",
}  # fmt: skip
"""What the private-use code points of the codec, which follows the 2000 edition, stand for since 2022."""

FORBIDDEN: Final = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ue000-\uf8ff\U000f0000-\U0010ffff]")
"""Controls, halves of surrogate pairs and private-use characters: never inside a value."""

AMOUNT: Final = re.compile(r"(?:0|[1-9][0-9]{0,15})\.[0-9]{2}", re.ASCII)
LOOSE_AMOUNT: Final = re.compile(r"[0-9]+(?:\.[0-9]*)?", re.ASCII)
WHOLE: Final = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)
HEX: Final = {"id": re.compile(r"[0-9a-f]{32}"), "digest": re.compile(r"[0-9a-f]{64}")}
FORMULA: Final = re.compile(r"[ ']*[=+\-@＝＋－＠]")
DIGITS: Final = re.compile(r"[0-9]+", re.ASCII)


Value: TypeAlias = str | int | bool | date | datetime | None


_yuan: Final = lru_cache(1 << 14)(yuan)
"""Fees and small amounts come again and again."""


class Unreadable(Exception):
    """A value that is not of its kind; what was expected and under which code it is listed."""

    def __init__(self, expected: str, code: str) -> None:
        super().__init__(expected)
        self.expected = expected
        self.code = code


def modern(text: str) -> str:
    """Text with the code points of the 2000 edition replaced by those of today."""
    return text.translate(EDITION_2022)


def exchangeable(text: str) -> str:
    """Text that a file can carry: controls become spaces, what cannot be exchanged a geta mark."""
    return FORBIDDEN.sub(lambda found: " " if found[0] < "\x80" else GETA, modern(text))


def fits(text: str, bytes_max: int) -> bool:
    """Whether a text has no more than so many bytes of GB18030; 0: any text does."""
    # A character has four bytes at most, so that short texts need not be encoded.
    return not bytes_max or 4 * len(text) <= bytes_max or len(text.encode("gb18030")) <= bytes_max


def shortened(text: str, bytes_max: int, encoding: str = "gb18030") -> str:
    """The longest beginning of a text that has no more than so many bytes; no character is cut in two."""
    return text.encode(encoding)[:bytes_max].decode(encoding, "ignore")


def writer(column: Column, layout: Layout, zone: tzinfo) -> Callable[[Any], str] | None:
    """How a column's values are written; None: text that stands as it is."""
    if column.kind in ("text", "secret"):
        return (lambda text: cell(text, layout)) if layout.quoting == "rfc4180" else None
    if column.kind in ("amount", "signed"):
        return _yuan if layout.amount_unit == "yuan" else str
    if column.kind == "date":
        return _date_writer(layout.date_format)
    if column.kind == "instant":
        pattern = _strftime(layout.instant_format)
        # The lines of one entry come one after the other: each instant is written once.
        return lru_cache(64)(lambda instant: instant.astimezone(zone).strftime(pattern))
    if column.kind == "flag":
        return lambda flag: "1" if flag else "0"
    return None if column.kind in ("id", "digest") else str


@lru_cache
def _date_writer(form: str) -> Callable[[date | None], str]:
    pattern = _strftime(form)
    return lru_cache(4096)(lambda day: day.strftime(pattern) if day else "")


@lru_cache
def _strftime(form: str) -> str:
    for token, directive in (
        ("YYYY", "%Y"),
        ("MM", "%m"),
        ("DD", "%d"),
        ("hh", "%H"),
        ("mm", "%M"),
        ("ss", "%S"),
    ):
        form = form.replace(token, directive)
    return form


@lru_cache
def _time_pattern(form: str) -> re.Pattern[str]:
    pattern = re.escape(form)
    for token in ("YYYY", "MM", "DD", "hh", "mm", "ss"):
        pattern = pattern.replace(token, f"(?P<{token}>[0-9]{{{len(token)}}})")
    return re.compile(pattern, re.ASCII)


def cell(text: str, layout: Layout) -> str:
    """A text cell of a CSV file: neutralised, kept from rounding, quoted where it must be."""
    if layout.neutralise and FORMULA.match(text):
        text = f"'{text}"
    elif layout.tab_digits and len(text) >= layout.tab_digits and DIGITS.fullmatch(text):
        text = f"\t{text}"
    if '"' in text or layout.delimiter in text:
        return '"' + text.replace('"', '""') + '"'
    return text


def uncell(text: str, layout: Layout) -> str:
    """What `cell` was given: the apostrophe of a neutralised cell and the tab before digits are taken off."""
    if text.startswith("'") and layout.neutralise and FORMULA.match(text):
        return text[1:]
    if text.startswith("\t") and DIGITS.fullmatch(text, 1):
        return text[1:]
    return text


def reader(column: Column, layout: Layout, zone: tzinfo) -> Callable[[str], Value]:
    """How a column's cells are read.

    Out:     from the cell's text as `writer` wrote it, quotes taken off, to str, int (fen or a count), bool,
             date, aware datetime; None for an empty date. It raises Unreadable with what was expected.
    """
    kind = _READERS[column.kind]
    blank = None if column.kind in ("date", "instant") else ""
    csv_text = column.kind in ("text", "secret") and layout.quoting == "rfc4180"

    def read(text: str) -> Value:
        if not text and column.const is None:
            if not column.empty:
                raise Unreadable("a value", "FMT-004")
            return blank
        if csv_text:
            text = uncell(text, layout)
        if not carries(text):
            raise Unreadable("text without control or private-use characters", "FMT-001")
        if column.const is not None and text != column.const:
            raise Unreadable(f'"{column.const}"', "FMT-004")
        if column.one_of and text not in column.one_of:
            raise Unreadable(f"one of {' '.join(column.one_of)}", "FMT-004")
        if not fits(text, column.max):
            raise Unreadable(f"{column.max} bytes of GB18030 at most", "FMT-004")
        return kind(text, layout, zone) if kind else text

    return read


def carries(text: str) -> bool:
    """Whether a file can carry the text as it is; the first look is the fast one."""
    return text.isprintable() or not FORBIDDEN.search(text)


def _amount(text: str, layout: Layout, zone: tzinfo) -> int:
    if layout.amount_unit == "fen":
        return _count(text, layout, zone)
    if not AMOUNT.fullmatch(text):
        if LOOSE_AMOUNT.fullmatch(text):
            wanted = "no leading zeros, 18 digits at most" if "." in text[-3:-2] else "two decimals"
            raise Unreadable(wanted, "FMT-006")
        raise Unreadable("an amount with two decimals, not negative", "FMT-006")
    return int(text.replace(".", ""))


def _signed(text: str, layout: Layout, zone: tzinfo) -> int:
    if text.startswith("-"):
        fen = -_amount(text[1:], layout, zone)
        if not fen:
            raise Unreadable("zero without a sign", "FMT-006")
        return fen
    return _amount(text, layout, zone)


def _count(text: str, _layout: Layout, _zone: tzinfo) -> int:
    if not WHOLE.fullmatch(text):
        raise Unreadable("a whole number", "FMT-007")
    return int(text)


def _flag(text: str, _layout: Layout, _zone: tzinfo) -> bool:
    if text not in ("0", "1"):
        raise Unreadable("0 or 1", "FMT-004")
    return text == "1"


def _hex(kind: str, digits: int) -> Callable[[str, Layout, tzinfo], str]:
    def check(text: str, _layout: Layout, _zone: tzinfo) -> str:
        if not HEX[kind].fullmatch(text):
            raise Unreadable(f"{digits} hex digits", "FMT-008")
        return text

    return check


def _date(text: str, layout: Layout, _zone: tzinfo) -> date:
    match = _time_pattern(layout.date_format).fullmatch(text)
    try:
        if match:
            return date(int(match["YYYY"]), int(match["MM"]), int(match["DD"]))
    except ValueError:
        pass  # such as 31 February: refused below with the text that says so
    raise Unreadable(f"a date {layout.date_format}", "FMT-005")


def _instant(text: str, layout: Layout, zone: tzinfo) -> datetime:
    match = _time_pattern(layout.instant_format).fullmatch(text)
    try:
        if match:
            year, month, day = int(match["YYYY"]), int(match["MM"]), int(match["DD"])
            return datetime(
                year, month, day, int(match["hh"]), int(match["mm"]), int(match["ss"]), tzinfo=zone
            )
    except ValueError:
        pass  # such as 24:00: refused below with the text that says so
    raise Unreadable(f"a time {layout.instant_format}", "FMT-005")


_READERS: Final[dict[str, Callable[[str, Layout, tzinfo], Value] | None]] = {
    "text": None,
    "secret": None,
    "line": _count,
    "id": _hex("id", 32),
    "amount": _amount,
    "signed": _signed,
    "date": _date,
    "instant": _instant,
    "count": _count,
    "flag": _flag,
    "digest": _hex("digest", 64),
}
