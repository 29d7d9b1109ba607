"""What the columns of a sample hold: kinds, codes, and which of them head and tail add up. 列识别"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from clearing.files.describe.found import Described
from clearing.files.records import TxnLine

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
GROUPED: Final = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+\.\d\d", re.ASCII)
WHOLE: Final = re.compile(r"0|[1-9]\d{0,17}", re.ASCII)
CODES_MAX: Final = 6
"""A column with no more different words than this, in a sample that repeats them, is one of codes."""
COUNT_MAX: Final = 9
REPEATS_MIN: Final = 3
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


def is_number(cell: str) -> bool:
    """Whether a cell is made of digits and what stands between them."""
    return bool(re.fullmatch(r"[+-]?[\d.,:/ -]*\d[\d.,:/ -]*", cell.strip(), re.ASCII))


def fill(details: Sequence[Sequence[str]], found: Described) -> None:
    """Say of each column what its values look like."""
    cells = [cell for row in details for cell in row]
    found.null = next((one for one in NULLS if one in cells), "")
    if found.null:
        found.findings.append(f"empty values: written {found.null}")
    for at, column in enumerate(found.columns):
        every = [row[at].strip().lstrip("'\t") if at < len(row) else "" for row in details]
        values = tuple(value for value in every if value and value != found.null)
        column.empty = len(values) < len(every)
        column.values = tuple(every)
        grouped = [value.replace(",", "") if GROUPED.fullmatch(value) else value for value in values]
        column.kind, column.form = _kind(column.name, grouped, every)
        if column.kind in ("amount", "signed") and tuple(grouped) != values:
            found.lenient += [] if "thousands" in found.lenient else ["thousands"]
        words = Counter(values)
        if column.kind == "text" and len(words) <= CODES_MAX and len(values) >= REPEATS_MIN * len(words) > 0:
            column.words = tuple(sorted(words))


def tell(found: Described) -> None:
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
    if field_of(name).endswith("_fen"):
        return "amount"
    return "count" if all(WHOLE.fullmatch(value) and len(value) <= COUNT_MAX for value in values) else "text"


def _fen(text: str) -> int:
    sign = -1 if text[:1] == "-" or text[-1:] == "-" else 1
    return sign * int(re.sub(r"\D", "", text) or 0)


def totals(details: Sequence[Sequence[str]], found: Described) -> None:
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
            plain = str(_fen(cell)) if is_number(cell) else ""
            if plain in sums and cell:
                found.findings.append(f"{where} field {at}: {sums[plain]}")
                if cell == f"{len(details)}":
                    found.counted.setdefault(where, at - 1)


def field_of(name: str) -> str:
    """The field of our line that a column of that name shows, empty when it is not known."""
    low = name.strip().lower()
    if low in TxnLine._fields:
        return low
    return next((ours for ours, theirs in KNOWN.items() if low in theirs), "")
