"""A layout proposed for a sample: what its bytes say of encoding, delimiter, columns, amounts and totals. 样本识别

Nothing is certain: the proposal is a TOML file to be read, corrected and checked against more samples. No value of
the sample is repeated in it but words that come again and again, such as codes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from clearing.files.cells import split_quoted
from clearing.files.describe import columns, fixed
from clearing.files.describe.found import Described, Seen
from clearing.files.describe.toml import toml

__all__ = ["Described", "describe"]

FIRST_BYTES: Final = 4096
DELIMITERS: Final = ("|!", "||", "|", "\t", ",", ";", "^", "~", "\x01")
MARK_MAX: Final = 2
"""The longest text that may be the kind of a line."""
DETAILS_MIN: Final = 3
"""So many lines must begin alike before another one is taken for a head or tail of as many fields."""


def describe(content: bytes, name: str = "") -> Described:
    """Propose a layout for the bytes of a sample. 样本识别

    In:      a file as a partner sends it, with some ten detail lines or more; its name, for the extension.
    Out:     what it is taken for, as findings and as the text of a layout; no text when nothing could be made out.
    """
    found = Described()
    extension = name.rpartition(".")[2] if "." in name else ""
    if extension.isalnum() and extension.isascii():
        found.extension = extension
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content[:FIRST_BYTES]:
        found.findings.append("encoding: UTF-16, or no text at all. Ask for GB18030 or UTF-8")
        return found
    text = _decoded(content, found)
    lines = _lines(text, found)
    if not lines:
        found.findings.append("no lines: nothing can be said")
        return found
    rows = _rows(lines, found)
    if rows is None:
        if not fixed.fill([line.encode(found.encoding, "replace") for line in lines], found):
            found.findings.append(
                "delimiter: none stands equally often in most lines, and the lines are not equally long"
            )
            return found
    else:
        details = _frame(rows, found)
        columns.fill(details, found)
        columns.totals(details, found)
    columns.tell(found)
    found.toml = toml(found)
    return found


def _decoded(content: bytes, found: Described) -> str:
    found.bom = content.startswith(b"\xef\xbb\xbf")
    content = content.removeprefix(b"\xef\xbb\xbf")
    for encoding in ("utf-8", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        found.encoding = "gb18030" if content.isascii() and not found.bom else encoding
        known = "ASCII only, which gb18030 contains" if found.encoding != encoding else encoding
        found.findings.append(f"encoding: {known}{', with a byte order mark' if found.bom else ''}")
        return text
    found.encoding = "gb18030"
    found.findings.append("encoding: neither utf-8 nor gb18030 throughout; gb18030 is supposed")
    return content.decode("gb18030", "replace")


def _lines(text: str, found: Described) -> list[str]:
    crlf, lf = text.count("\r\n"), text.count("\n")
    found.line_end = "\r\n" if crlf * 2 > lf else "\n"
    mixed = " (mixed)" if 0 < crlf < lf else ""
    found.lenient += ["line_ends"] if mixed else []
    found.findings.append(f"line ends: {'CRLF' if crlf * 2 > lf else 'LF'}{mixed}")
    return [line for line in text.replace("\r\n", "\n").split("\n") if line.strip()]


def _rows(lines: Sequence[str], found: Described) -> list[list[str]] | None:
    """The cells of each line by the delimiter that stands equally often in most lines."""
    best: tuple[float, int, str] | None = None
    for delimiter in DELIMITERS:
        counts = Counter(line.count(delimiter) for line in lines)
        counts.pop(0, None)
        if counts:
            usual, lines_of = counts.most_common(1)[0]
            share = lines_of / len(lines)
            if share >= 1 / 2 and (best is None or (share, usual * len(delimiter)) > best[:2]):
                best = (share, usual * len(delimiter), delimiter)
    if best is None:
        return None
    found.delimiter = best[2]
    found.quoted = any(f'"{found.delimiter}' in line or f'{found.delimiter}"' in line for line in lines)
    found.trailing = all(line.endswith(found.delimiter) for line in lines)
    found.findings.append(
        f"delimiter: {found.delimiter!r}{', one behind the last value too' if found.trailing else ''}"
        f"{', values in quotes' if found.quoted else ''}"
    )
    rows = [
        (split_quoted(line, found.delimiter) if found.quoted else None) or line.split(found.delimiter)
        for line in lines
    ]
    return [row[:-1] if found.trailing and not row[-1] else row for row in rows]


def _mark(rows: Sequence[Sequence[str]]) -> str:
    """What all rows but the first and the last begin with, if only these differ: the kind of a line. 行标识"""
    mark, count = Counter(row[0] for row in rows).most_common(1)[0]
    others = [row[0] for row in rows if row[0] != mark]
    ends = [row[0] for row in (rows[0], rows[-1]) if row[0] != mark]
    short = all(one.isalnum() and len(one) <= MARK_MAX for one in (mark, *others))
    return mark if short and count >= DETAILS_MIN and others and others == ends else ""


def _frame(rows: list[list[str]], found: Described) -> list[list[str]]:
    """The details alone: a first line of names, and first and last lines of another form, are taken off."""
    usual = Counter(map(len, rows)).most_common(1)[0][0]
    first = rows[0]
    named = len(first) == usual == len(set(first)) and not any(columns.is_number(cell) for cell in first)
    if named and len(rows) > 1 and any(columns.is_number(cell) for cell in rows[1]):
        found.header = True
        found.findings.append(f"header row: {', '.join(first)}")
    start = 1 if found.header else 0
    details = rows[start:]
    mark = _mark(details)
    if not found.header and (len(details[0]) != usual or (mark and details[0][0] != mark)):
        found.head, details = details[0], details[1:]
        found.findings.append(f"head: line 1 with {len(found.head)} fields")
    while details and (len(details[-1]) != usual or (mark and details[-1][0] != mark)):
        found.tail, details = details[-1], details[:-1]
    if found.tail:
        found.findings.append(f"tail: a last line with {len(found.tail)} fields")
    marks = {row[0] for row in details}
    frame = {row[0] for row in (found.head, found.tail) if row}
    short = all(mark.isalnum() and len(mark) <= MARK_MAX for mark in marks | frame)
    found.tagged = len(marks) == 1 and short and bool(frame) and not frame & marks
    if found.tagged:
        (found.mark,) = marks
        found.findings.append(f"first column: the kind of line, {' '.join(sorted(marks | frame))}")
    names = first if found.header else [f"c{number}" for number in range(1, usual + 1)]
    found.columns = [Seen(name.strip() or f"c{at}", "text") for at, name in enumerate(names, 1)]
    if found.tagged:
        details, found.columns = [row[1:] for row in details], found.columns[1:]
    found.findings.append(f"details: {len(details)} lines of {len(found.columns)} columns")
    return details
