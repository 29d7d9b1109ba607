"""What every report is made of: tables of cells, summed here and nowhere else. 报表模型

A document is a cover and tables; a rendering shows all of it and adds nothing up again. Money is fen in a cell;
each rendering writes yuan. Text is made safe by the rendering, since what is harmful differs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from functools import cached_property
from typing import Any, Final, NamedTuple, TypeAlias

from clearing.ledger.money import yuan

Cell: TypeAlias = str | int | date | None
"""Text, a count or fen or hundredths of a percent (the column says which), a date; None for an empty cell."""

PERCENT_DIGITS: Final = 2


class Kind(Enum):
    """What the cells of a column are."""

    TEXT = "text"
    FEN = "fen"
    COUNT = "count"
    PERCENT = "percent"
    """Hundredths of a percent."""
    DATE = "date"


@dataclass(frozen=True, slots=True)
class Column:
    """One column; its code is its name for machines, its Chinese name is what people read."""

    code: str
    chinese: str
    kind: Kind = Kind.TEXT
    width: int = 12
    """In characters of a workbook; Chinese ones count two."""
    summed: bool = False
    """Whether the table's last line has its total."""
    side: str = ""
    """Columns of one side have one colour."""
    paper: bool = True
    """Whether it is printed; a page is narrower than a workbook."""
    short: int = 0
    """How many characters of it are printed; 0 for all."""


class Chart(NamedTuple):
    """Columns drawn over the first one's labels."""

    chinese: str
    labels: tuple[str, ...]
    """Codes of the columns that name the bars."""
    values: tuple[str, ...]
    """Codes of the columns that are drawn; one of another kind than the first is a line on its own axis."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table: what it is called, its columns and rows."""

    code: str
    chinese: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    marks: Mapping[int, frozenset[int]] = field(default_factory=dict)
    """Row number → numbers of its cells that are to be marked."""
    chart: Chart | None = None
    on_cover: bool = False
    """Whether it stands on the cover too, beside the signatures."""
    note: str = ""
    """One sentence on how to read it."""
    bold: frozenset[int] = frozenset()
    """Rows that are sums of others."""

    @cached_property
    def totals(self) -> dict[str, int]:
        """Column code → sum of its cells, for summed columns; lines that are sums themselves do not count."""
        return {
            column.code: sum(
                int(cell)
                for number, row in enumerate(self.rows)
                if number not in self.bold and isinstance(cell := row[place], int)
            )
            for place, column in enumerate(self.columns)
            if column.summed
        }

    def place(self, code: str) -> int:
        """Where a column stands."""
        return next(place for place, column in enumerate(self.columns) if column.code == code)


class Signer(NamedTuple):
    """One who signs; empty name and time until that is done."""

    role: str
    chinese: str
    name: str = ""
    at: str = ""


class Fact(NamedTuple):
    """One line of the cover."""

    code: str
    chinese: str
    value: Cell
    kind: Kind = Kind.TEXT


SIGNERS: Final = (
    Signer("preparer", "制表"),
    Signer("reviewer", "复核"),
    Signer("approver", "审批"),
)


@dataclass(frozen=True, kw_only=True)
class Document:
    """One report. 报表"""

    code: str
    chinese: str
    period: str
    """The day or month it is of, `2026-03-10` or `2026-03`."""
    created: date
    """What a rendering's own date says: the period's last day, never a clock."""
    platform: str
    """Name of who made it."""
    facts: Sequence[Fact]
    tables: Sequence[Table]
    verdict: str = ""
    """What stands large on the cover: 平 or 不平."""
    signers: Sequence[Signer] = SIGNERS
    flat: bool = False
    """Whether workbook and CSV are for another program to import: plain names above plain lines, no cover; the
    CSV has the first table alone."""
    encoding: str = "utf-8-sig"
    """Of the CSV."""
    sm3: str = ""
    """Digest of what is signed, where that is kept elsewhere; else of all that is said here, signers apart."""

    @property
    def title(self) -> str:
        """`差错报告 mismatch 2026-03-10`."""
        return f"{self.chinese} {self.code} {self.period}"

    @cached_property
    def digest(self) -> str:
        """SM3 in hex: what stands on every page, and what is signed."""
        if self.sm3:
            return self.sm3
        said = json.dumps(self.said(), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.new("sm3", said.encode()).hexdigest()

    def said(self) -> dict[str, Any]:
        """All it says but who signed, as JSON has it: yuan, percents and dates as text, by codes."""
        return {
            "report": self.code,
            "title": self.chinese,
            "period": self.period,
            "platform": self.platform,
            "verdict": self.verdict,
            "cover": {one.code: plain(one.value, one.kind) for one in self.facts},
            "tables": {
                one.code: {
                    "title": one.chinese,
                    "rows": [_named(one, row) for row in one.rows],
                    "totals": {
                        column.code: plain(one.totals[column.code], column.kind)
                        for column in one.columns
                        if column.summed
                    },
                }
                for one in self.tables
            },
        }


def plain(cell: Cell, kind: Kind) -> str | int | None:
    """A cell for machines: counts are numbers, money, percents and dates are text."""
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, date):
        return cell.isoformat()
    if kind is Kind.FEN:
        return yuan(cell)
    return percent(cell) if kind is Kind.PERCENT else cell


def percent(hundredths: int) -> str:
    """Percent with two decimals: 9950 is "99.50"."""
    sign = "-" if hundredths < 0 else ""
    whole, part = divmod(abs(hundredths), 10**PERCENT_DIGITS)
    return f"{sign}{whole}.{part:02d}"


def share(part: int, whole: int) -> int:
    """What share one number is of another in hundredths of a percent, rounded down; of nothing it is all."""
    return 10_000 * part // whole if whole else 10_000


def _named(table: Table, row: Sequence[Cell]) -> dict[str, Any]:
    return {column.code: plain(cell, column.kind) for column, cell in zip(table.columns, row, strict=True)}
