"""A layout proposed for a sample: what its bytes say of encoding, delimiter, columns, amounts and totals. 样本识别

Nothing is certain: the proposal is a TOML file to be read, corrected and checked against more samples. No value of
the sample is repeated in it but words that come again and again, such as codes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from clearing.files.cells import split_quoted
from clearing.files.records import TxnLine

DELIMITERS: Final = ("|!", "||", "|", "\t", ",", ";", "^", "~", "\x01")
NULLS: Final = ("null", "NULL", "\\N", "NIL")
FORMS: Final = (
    ("instant", "YYYYMMDDhhmmss", r"(?:19|20)\d{6}(?:[01]\d|2[0-3])[0-5]\d[0-5]\d"),
    ("instant", "YYYY-MM-DD hh:mm:ss", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"),
    ("instant", "YYYY/MM/DD hh:mm:ss", r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d"),
    ("date", "YYYYMMDD", r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"),
    ("date", "YYYY-MM-DD", r"\d{4}-\d\d-\d\d"),
    ("date", "YYYY/MM/DD", r"\d{4}/\d\d/\d\d"),
)
YUAN: Final = re.compile(r"[+-]?\d+\.\d\d-?", re.ASCII)
WHOLE: Final = re.compile(r"0|[1-9]\d{0,17}", re.ASCII)
CODES_MAX: Final = 6
"""A column with no more different words than this, in a sample that repeats them, is one of codes."""
COUNT_MAX: Final = 9
REPEATS_MIN: Final = 3
MARK_MAX: Final = 2
"""The longest text that may be the kind of a line."""
KNOWN: Final = {
    "amount_fen": ("amount", "je", "jyje", "金额", "交易金额", "发生额"),
    "fee_fen": ("fee", "sxf", "手续费"),
    "settle_fen": ("settle_amount", "qsje", "清算金额"),
    "direction": ("dir", "direction", "jdbz", "借贷标志", "收付标志"),
    "bank_ref": ("bank_ref", "yhls", "银行流水号", "流水号"),
    "order_no": ("order_no", "ddh", "订单号"),
    "entry_id": ("entry_id", "ptls", "平台流水号"),
    "event_time": ("event_time", "jysj", "交易时间"),
    "partner_date": ("partner_date", "bank_date", "yhrq", "交易日期", "银行日期"),
    "institution": ("institution", "jgbh", "机构编号", "医院编号"),
    "card": ("card", "kh", "卡号"),
    "status": ("status", "zt", "状态"),
    "remark": ("remark", "fy", "bz", "附言", "备注"),
}
"""Field of the TXN line → what partners call the column."""


@dataclass(slots=True)
class Described:
    """What a sample is taken for."""

    encoding: str = ""
    bom: bool = False
    line_end: str = ""
    delimiter: str = ""
    trailing: bool = False
    quoted: bool = False
    header: bool = False
    null: str = ""
    columns: list[Seen] = field(default_factory=list)
    tagged: bool = False
    head: list[str] = field(default_factory=list)
    tail: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    """For people, one a line."""
    toml: str = ""


@dataclass(slots=True)
class Seen:
    """What the values of one column look like."""

    name: str
    kind: str
    form: str = ""
    empty: bool = False
    words: tuple[str, ...] = ()
    values: tuple[str, ...] = ()


def describe(content: bytes) -> Described:
    """Propose a layout for the bytes of a sample. 样本识别

    In:      a file as a partner sends it, with some ten detail lines or more.
    Out:     what it is taken for, as findings and as the text of a layout; () columns when nothing could be made out.
    """
    found = Described()
    text = _decoded(content, found)
    lines = _lines(text, found)
    if not lines:
        found.findings.append("no lines: nothing can be said")
        return found
    rows = _rows(lines, found)
    if rows is None:
        found.findings.append(
            "delimiter: none stands equally often in most lines; if all lines are equally long it may be of "
            "fixed width, whose columns a sample does not tell"
        )
        return found
    details = _frame(rows, found)
    _columns(details, found)
    _totals(details, found)
    _tell(found)
    found.toml = _toml(found)
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


def _frame(rows: list[list[str]], found: Described) -> list[list[str]]:
    """The details alone: a first line of names, and first and last lines of another form, are taken off."""
    usual = Counter(map(len, rows)).most_common(1)[0][0]
    first = rows[0]
    named = len(first) == usual == len(set(first)) and not any(_number(cell) for cell in first)
    if named and len(rows) > 1 and any(_number(cell) for cell in rows[1]):
        found.header = True
        found.findings.append(f"header row: {', '.join(first)}")
    start = 1 if found.header else 0
    details = rows[start:]
    if not found.header and len(details[0]) != usual:
        found.head, details = details[0], details[1:]
        found.findings.append(f"head: line 1 with {len(found.head)} fields")
    while details and len(details[-1]) != usual:
        found.tail, details = details[-1], details[:-1]
    if found.tail:
        found.findings.append(f"tail: a last line with {len(found.tail)} fields")
    marks = {row[0] for row in details}
    frame = {row[0] for row in (found.head, found.tail) if row}
    short = all(mark.isalnum() and len(mark) <= MARK_MAX for mark in marks | frame)
    found.tagged = len(marks) == 1 and short and bool(frame) and not frame & marks
    if found.tagged:
        found.findings.append(f"first column: the kind of line, {' '.join(sorted(marks | frame))}")
    names = first if found.header else [f"c{number}" for number in range(1, usual + 1)]
    found.columns = [Seen(name.strip() or f"c{at}", "text") for at, name in enumerate(names, 1)]
    if found.tagged:
        details, found.columns = [row[1:] for row in details], found.columns[1:]
    found.findings.append(f"details: {len(details)} lines of {len(found.columns)} columns")
    return details


def _number(cell: str) -> bool:
    return bool(re.fullmatch(r"[+-]?[\d.,:/ -]*\d[\d.,:/ -]*", cell.strip(), re.ASCII))


def _columns(details: Sequence[Sequence[str]], found: Described) -> None:
    cells = [cell for row in details for cell in row]
    found.null = next((one for one in NULLS if one in cells), "")
    if found.null:
        found.findings.append(f"empty values: written {found.null}")
    for at, column in enumerate(found.columns):
        every = [row[at].strip().lstrip("'\t") for row in details]
        values = tuple(value for value in every if value and value != found.null)
        column.empty = len(values) < len(every)
        column.values = tuple(every)
        column.kind, column.form = _kind(column.name, values, every)
        words = Counter(values)
        if column.kind == "text" and len(words) <= CODES_MAX and len(values) >= REPEATS_MIN * len(words) > 0:
            column.words = tuple(sorted(words))


def _tell(found: Described) -> None:
    """Say what each column is taken for."""
    for column in found.columns:
        more = (
            f" {column.form}" if column.form else f" one of {' '.join(column.words)}" if column.words else ""
        )
        found.findings.append(
            f"column {column.name}: {column.kind}{more}{', may be empty' if column.empty else ''}"
        )


SHAPES: Final = (
    ("id", "", "[0-9a-f]{32}"),
    ("digest", "", "[0-9a-f]{64}"),
    *FORMS,
    ("amount", "", r"[+]?\d+\.\d\d"),
    ("signed", "", YUAN.pattern),
    ("secret", "", r"\d{13,19}"),
)
"""(kind, form, what all values must look like), the narrowest first."""


def _kind(name: str, values: Sequence[str], every: Sequence[str]) -> tuple[str, str]:
    """The kind of a column and the form of its dates, by what all of its values look like."""
    if list(every) == [str(number) for number in range(1, len(every) + 1)] and len(every) > 1:
        return ("line", "")
    if not values:
        return ("text", "")
    for kind, form, pattern in SHAPES:
        if all(map(re.compile(pattern, re.ASCII).fullmatch, values)):
            return (kind, form)
    if set(values) == {"0", "1"}:
        return ("flag", "")
    return (_whole_kind(name, values), "")


def _whole_kind(name: str, values: Sequence[str]) -> str:
    """amount, signed or count for whole numbers, text for anything else."""
    if not all(map(re.compile(r"-?\d{1,18}", re.ASCII).fullmatch, values)):
        return "text"
    if any(value[0] == "-" for value in values):
        return "signed"
    if _field(name).endswith("_fen"):
        return "amount"
    return "count" if all(WHOLE.fullmatch(value) and len(value) <= COUNT_MAX for value in values) else "text"


def _fen(text: str) -> int:
    sign = -1 if text[:1] == "-" or text[-1:] == "-" else 1
    return sign * int(re.sub(r"\D", "", text) or 0)


def _totals(details: Sequence[Sequence[str]], found: Described) -> None:
    """Which figures of head and tail are the number of details or the sum of a column."""
    sums = {str(len(details)): "the number of details"}
    for column in found.columns:
        if column.kind in ("amount", "signed"):
            total = sum(_fen(value) for value in column.values if value and value != found.null)
            sums.setdefault(str(total), f"the sum of {column.name}")
    figures = {cell for row in (found.head, found.tail) for cell in row}
    for one in found.columns:
        whole = [int(value) for value in one.values if value] if one.kind == "count" else []
        if len(whole) > 1 and str(sum(whole)) in figures - set(sums):
            one.kind = "amount"  # a column that the file adds up is one of amounts, in fen
            sums[str(sum(whole))] = f"the sum of {one.name}"
    for where, row in (("head", found.head), ("tail", found.tail)):
        for at, cell in enumerate(row, 1):
            plain = str(_fen(cell)) if _number(cell) else ""
            if plain in sums and cell:
                found.findings.append(f"{where} field {at}: {sums[plain]}")


def _field(name: str) -> str:
    """The field of our line that a column of that name shows, empty when it is not known."""
    low = name.strip().lower()
    if low in TxnLine._fields:
        return low
    return next((ours for ours, theirs in KNOWN.items() if low in theirs), "")


def _toml(found: Described) -> str:
    framed = not found.header
    fen = not any(
        "." in value for one in found.columns if one.kind in ("amount", "signed") for value in one.values
    )
    dates = Counter(one.form for one in found.columns if one.kind == "date")
    instants = Counter(one.form for one in found.columns if one.kind == "instant")
    trailing = any(
        value.endswith("-") for one in found.columns if one.kind == "signed" for value in one.values
    )
    always = any(
        value.startswith("+") for one in found.columns for value in one.values if one.kind == "signed"
    )
    lines = [
        "# Proposed from a sample: read it, name each column's field, check it with `clearing layout check`.",
        'id = "NEWB0100"',
        'profile = "NEW"',
        f'shape = "{"framed" if framed else "table"}"',
        'name = "{type}_{from}_{to}_{date}_{seq}_V{version}"',
        'extension = "txt"',
        f'encoding = "{found.encoding}"',
        f"bom = {str(found.bom).lower()}",
        f"line_end = {_quoted(found.line_end)}",
        f"delimiter = {_quoted(found.delimiter)}",
        f"trailing_delimiter = {str(found.trailing).lower()}",
        'quoting = "rfc4180"'
        if found.quoted
        else f"substitute = {_quoted('、' if found.delimiter == ',' else ' ')}",
        *([f"null = {_quoted(found.null)}"] if found.null else []),
        f'amount_unit = "{"fen" if fen else "yuan"}"',
        *([f'sign = "{"trailing" if trailing else "always"}"'] if trailing or always else []),
        f'date_format = "{dates.most_common(1)[0][0] if dates else "YYYYMMDD"}"',
        f'instant_format = "{instants.most_common(1)[0][0] if instants else "YYYYMMDDhhmmss"}"',
    ]
    if not found.tagged:
        lines.append('tag_column = ""')
    if not framed:
        lines += ['total_mark = ""', 'end_mark = ""']
    for part, row in (("head", found.head), ("tail", found.tail)):
        if row:
            lines += _frame_toml(part, row, found)
    lines += ["", "[[types.TXN]]", 'tag = "D"', *_mark(found), "columns = ["]
    lines += [_column(one) for one in found.columns]
    return "\n".join([*lines, "]", ""])


def _mark(found: Described) -> list[str]:
    return [] if found.tagged else ['mark = ""']


def _frame_toml(part: str, row: Sequence[str], found: Described) -> list[str]:
    cells = row[1:] if found.tagged else row
    mark = _quoted(row[0]) if found.tagged else '""'
    return [
        "",
        f"[{part}]",
        f'tag = "{part[0].upper()}"',
        f"mark = {mark}",
        "columns = [",
        *(f'  {{ name = "{part}_{at}", empty = true }},' for at in range(1, len(cells) + 1)),
        "]",
    ]


def _column(one: Seen) -> str:
    ours = _field(one.name)
    parts = [f"name = {_quoted(one.name)}"]
    if ours and ours != one.name:
        parts.append(f"field = {_quoted(ours)}")
    if one.kind != "text":
        parts.append(f"kind = {_quoted(one.kind)}")
    if one.words:
        parts.append(f"one_of = [{', '.join(map(_quoted, one.words))}]")
    if one.empty:
        parts.append("empty = true")
    known = ours or one.kind == "line"
    return f"  {{ {', '.join(parts)} }},{'' if known else '  # field = which of ours?'}"


def _quoted(text: str) -> str:
    """Text as TOML writes it."""
    safe = text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t").replace("\r", "\\r")
    return '"' + safe.replace("\n", "\\n").replace("\x01", "\\u0001") + '"'
