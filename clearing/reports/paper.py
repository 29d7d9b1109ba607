"""A document as PDF to sign: page numbers and the digest on every page, set by typst. PDF 报表"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, Final

import typst

from clearing.errors import WorldFailed
from clearing.reports.table import Cell, Document, Fact, Kind, Table, plain

FONTS: Final = (
    "Noto Sans CJK SC", "Source Han Sans SC", "Noto Sans SC", "Microsoft YaHei", "PingFang SC", "Noto Serif CJK SC",
    "Source Han Serif SC", "SimSun", "STSong", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback",
)  # fmt: skip
"""Families that have simplified Chinese, best first."""
ROWS_MAX: Final = 2_000
"""Lines of one table on paper: sixty sheets, and 0.4 GB while they are set. The workbook has all."""
_BIG: Final = 7
_WIDE: Final = 12
_SMALL: Final = 6
_LONG: Final = re.compile(r"[0-9A-Za-z]{16}(?=[0-9A-Za-z])|[_/:.](?=[0-9A-Za-z])")
"""Where an id or file name may be broken: typst breaks no word by itself."""
_NEW_PAGE: Final = 12
"""A table with more lines begins a page."""


@cache
def fonts() -> tuple[str, ...]:
    """The families with Chinese that this machine has, best first.

    Raises:  WorldFailed when there is none: boxes instead of figures are not to be signed.
    """
    there = set(typst.Fonts(include_system_fonts=True, include_embedded_fonts=True).families())
    found = tuple(one for one in FONTS if one in there)
    if not found:
        raise WorldFailed(
            "PDF: expected a font with Chinese such as Noto Sans CJK SC, got none on this machine. "
            "Next: install one (Debian: apt-get install fonts-noto-cjk), or leave pdf out of --format"
        )
    return found


def as_paper(document: Document) -> bytes:
    """A document as PDF: A4 across, a cover with signatures, then the tables.

    Out:     the same document and fonts give the same bytes.
    Raises:  WorldFailed when no font with Chinese is installed.
    """
    said = {
        "title": document.title,
        "chinese": document.chinese,
        "code": document.code,
        "platform": document.platform,
        "sm3": document.digest,
        "fonts": fonts(),
        "verdict": document.verdict,
        "good": not document.verdict.startswith("不"),
        "facts": [
            [f"{one.chinese} {one.code}", _shown(one.value, one.kind)]
            for one in (Fact("period", "期间", document.period), *document.facts)
        ],
        "signers": [[f"{one.chinese} {one.role}", one.name, one.at] for one in document.signers],
        "cover": [_table(one) for one in document.tables if one.on_cover],
        "tables": [_table(one) for one in document.tables if not one.on_cover],
    }
    template = files("clearing.reports").joinpath("paper.typ").read_bytes()
    given = {"document": json.dumps(said, ensure_ascii=False)}
    return typst.compile(template, format="pdf", sys_inputs=given, pdf_tags=False)


def _table(table: Table) -> dict[str, Any]:
    printed = [(place, one) for place, one in enumerate(table.columns) if one.paper]
    nothing = frozenset[int]()
    rows: list[list[Any]] = []
    for number, row in enumerate(table.rows[:ROWS_MAX]):
        marked = table.marks.get(number, nothing)
        cells = ((place, _shown(_cut(row[place], one.short), one.kind)) for place, one in printed)
        rows.append([{"marked": text} if place in marked else text for place, text in cells])
    total = [
        _shown(table.totals[one.code], one.kind) if one.summed else "合计" if not at else ""
        for at, (_, one) in enumerate(printed)
    ]
    return {
        "title": f"{table.chinese} {table.code}",
        "note": table.note,
        "header": [[one.chinese, _breakable(one.code)] for _, one in printed],
        "widths": [min(one.width, one.short * 3 // 2) if one.short else one.width for _, one in printed],
        "right": [one.kind in {Kind.FEN, Kind.COUNT, Kind.PERCENT} for _, one in printed],
        "rows": rows,
        "total": total if table.totals and rows else [],
        "size": _SMALL if len(printed) > _WIDE else _BIG + 0.5,
        "left_out": max(0, len(table.rows) - ROWS_MAX),
        "break_before": len(rows) > _NEW_PAGE and not table.on_cover,
    }


def _shown(cell: Cell, kind: Kind) -> str:
    """A cell as people read it: thousands apart."""
    if isinstance(cell, int):
        if kind is Kind.FEN:
            return f"{Decimal(cell).scaleb(-2):,.2f}"
        return f"{plain(cell, kind)}%" if kind is Kind.PERCENT else f"{cell:,}"
    return _breakable(str(plain(cell, kind) or ""))


def _cut(cell: Cell, characters: int) -> Cell:
    return cell[:characters] if characters and isinstance(cell, str) else cell


def _breakable(text: str) -> str:
    return _LONG.sub("\\g<0>\u200b", text)
