"""A sample of fixed width: where its columns seem to begin. 定长识别

Columns that touch cannot be told apart by bytes alone: where digits follow text, or text follows a gap, one begins;
in a run of digits a date is found. The rest a person says, by the bank's own description.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from clearing.files.describe import columns
from clearing.files.describe.found import Described, Seen

DIGIT, SIGN, GAP, TEXT, INSIDE = "9", "+", " ", "x", "."
"""What stands at a byte of all details: a digit, a sign, a space, anything, the inside of a character."""
DATE: Final = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])", re.ASCII)
DATE_BYTES: Final = 8
LINES_MIN: Final = 2


def fill(lines: Sequence[bytes], found: Described) -> bool:
    """Take a sample apart as lines of equal length; says whether it can be such a one.

    In:      its lines without their ends; those of another length, or another first byte, before and behind the
             details are its head and tail.
    """
    length, count = Counter(map(len, lines)).most_common(1)[0]
    if count < LINES_MIN or count * 2 < len(lines):
        return False
    usual = [line for line in lines if len(line) == length]
    mark, marked = Counter(line[:1] for line in usual).most_common(1)[0]
    is_mark = marked > 1 and mark.isalpha() and marked >= len(usual) - 2
    details = [line for line in usual if not is_mark or line[:1] == mark]
    start, end = lines.index(details[0]), len(lines) - lines[::-1].index(details[-1])
    found.tagged = is_mark and bool(start or end < len(lines))
    if start > 1 or end < len(lines) - 1 or end - start != len(details) or length <= found.tagged:
        found.tagged = False
        return False
    found.findings.append(f"fixed width: {length} bytes a line, no delimiter")
    texts = [line.decode(found.encoding, "replace") for line in lines]
    if start:
        found.head = _framed(texts[0], found, "head", len(lines[0]))
    if end < len(lines):
        found.tail = _framed(texts[-1], found, "tail", len(lines[-1]))
    if found.tagged:
        found.mark = mark.decode("ascii", "replace")
        shown = " ".join(sorted({one[:1] for one in texts}))
        found.findings.append(f"first column: the kind of line, {shown}")
    places = _cut([_shape(text, found.encoding) for text in texts[start:end]], details, found)
    found.columns = [Seen(f"c{place + 1}", "text", width=width) for place, width in places]
    _columns(
        [
            [line[place : place + width].decode(found.encoding, "replace") for place, width in places]
            for line in details
        ],
        found,
    )
    found.findings.append(f"details: {len(details)} lines of {len(found.columns)} columns")
    _totals(texts, len(details), found)
    return True


def _framed(text: str, found: Described, part: str, length: int) -> list[str]:
    found.findings.append(f"{part}: a line of {length} bytes, whose columns you say")
    return [text[:1], text[1:]] if found.tagged else [text]


def _shape(text: str, encoding: str) -> str:
    """What stands at each byte of a line."""
    shape = ""
    for char in text:
        kind = DIGIT if char in "0123456789" else SIGN if char in "+-" else GAP if char == " " else TEXT
        shape += kind + INSIDE * (len(char.encode(encoding, "replace")) - 1)
    return shape


def _cut(shapes: Sequence[str], details: Sequence[bytes], found: Described) -> list[tuple[int, int]]:
    """(start, width) of each column, the kind of line left out."""
    joined = "".join(_joined(kinds) for kinds in zip(*shapes, strict=True))
    first = 1 if found.tagged else 0
    starts = [first]
    for at in range(first + 1, len(joined)):
        before, here = joined[at - 1], joined[at]
        gone_on = before in (TEXT, INSIDE) and here == DIGIT
        if (
            (before == GAP and here not in (GAP, INSIDE))
            or here == SIGN
            or gone_on
            or (before, here) == (DIGIT, TEXT)
        ):
            starts.append(at)
    found_: list[tuple[int, int]] = []
    for start, end in zip(starts, [*starts[1:], len(joined)], strict=True):
        found_ += _dates(start, end, details) if set(joined[start:end]) == {DIGIT} else [(start, end - start)]
    return found_


def _joined(kinds: Sequence[str]) -> str:
    """What all lines have at a byte: the same, or text; a character's inside wins, since nothing begins there."""
    met = set(kinds)
    if INSIDE in met:
        return INSIDE
    return met.pop() if len(met) == 1 else TEXT


def _dates(start: int, end: int, details: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """A run of digits, with a date in it that all lines have at one place as a column of its own."""
    for at in range(start, end - DATE_BYTES + 1):
        if all(DATE.fullmatch(line[at : at + DATE_BYTES].decode("ascii")) for line in details):
            pieces = ((start, at - start), (at, DATE_BYTES), (at + DATE_BYTES, end - at - DATE_BYTES))
            yield from (piece for piece in pieces if piece[1])
            return
    yield (start, end - start)


def _columns(cells: Sequence[Sequence[str]], found: Described) -> None:
    """What the columns hold, zeros in front taken off."""
    rows = [[_unfilled(text.strip()) for text in row] for row in cells]
    columns.fill(rows, found)
    for at, column in enumerate(found.columns):
        if any(row[at].strip() and row[at].startswith(" ") for row in cells):
            column.words = ()  # it has another column in it
        if all(re.fullmatch(r"[+-]\d+", row[at], re.ASCII) for row in rows):
            column.kind, column.words = "signed", ()
        elif column.kind in ("line", "count", "flag", "secret") and any(
            row[at] != row[at].strip() for row in cells
        ):
            column.kind = "text"  # a number that stands to the left is none to us


def _unfilled(value: str) -> str:
    return (value.lstrip("0") or "0") if _padded(value) else value


def _padded(value: str) -> bool:
    """Whether a number is filled up with zeros in front; a date is none."""
    return value.isdecimal() and value.isascii() and not DATE.fullmatch(value)


def _totals(texts: Sequence[str], count: int, found: Described) -> None:
    """Which columns head or tail add up: the sum stands there behind zeros, at the end of its digits."""
    around = [text for text, there in ((texts[0], found.head), (texts[-1], found.tail)) if there]
    if any(f"0{count}" in text for text in around):
        found.findings.append("head or tail: the number of details, as it seems")
    for column in found.columns:
        if column.kind not in ("count", "signed", "text") or not all(
            re.fullmatch(r"[+-]?\d+", value, re.ASCII) for value in column.values
        ):
            continue
        total = sum(int(value) for value in column.values)
        if total > count and any(re.search(rf"0{abs(total)}(?!\d)", text) for text in around):
            column.kind = "signed" if column.kind == "signed" else "amount"
            column.words = ()
            found.findings.append(f"head or tail: the sum of {column.name}")
    unsigned = any(column.kind == "amount" for column in found.columns)
    for column in found.columns if unsigned else ():
        if column.kind == "signed" and any(value.startswith("+") for value in column.values):
            column.kind = "text"  # a layout writes all of its amounts with a sign or none
            found.findings.append(f"column {column.name}: has a sign where other amounts have none")
