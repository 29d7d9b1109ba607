"""A document as CSV and as JSON. 文本报表"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Final

from clearing.reports.table import Cell, Document, Kind, Table, plain

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula, or skips before one."""


def as_csv(document: Document) -> bytes:
    """A document as one CSV file: a line's first cell names its table. UTF-8 with BOM, CRLF, no live formulas.

    Out:     for each table a line of names, `detail 明细`, then its lines `detail` and, where it has totals,
             `detail.total`; counts and amounts are bare numbers. A flat document: the names and lines of its
             first table, in its own encoding.
    """
    text = io.StringIO()
    lines = _flat(document.tables[0]) if document.flat else _lines(document)
    csv.writer(text, lineterminator="\r\n").writerows(lines)
    return text.getvalue().encode(document.encoding)


def _flat(table: Table) -> Iterator[list[str]]:
    yield [one.chinese for one in table.columns]
    kinds = [one.kind for one in table.columns]
    for row in table.rows:
        yield [*map(_cell, row, kinds)]


def _lines(document: Document) -> Iterator[list[str]]:
    yield ["cover 封面", "name", "名称", "value"]
    yield ["cover", "report", "报表", _cell(f"{document.code} {document.chinese}", Kind.TEXT)]
    yield ["cover", "period", "期间", document.period]
    yield ["cover", "platform", "平台", _cell(document.platform, Kind.TEXT)]
    if document.verdict:
        yield ["cover", "verdict", "结论", document.verdict]
    for fact in document.facts:
        yield ["cover", fact.code, fact.chinese, _cell(fact.value, fact.kind)]
    yield ["cover", "sm3", "摘要", document.digest]
    for one in document.signers:
        yield ["signature", one.role, one.chinese, _cell(one.name, Kind.TEXT), one.at]
    for table in document.tables:
        yield [f"{table.code} {table.chinese}", *(f"{one.code} {one.chinese}" for one in table.columns)]
        kinds = [one.kind for one in table.columns]
        for row in table.rows:
            yield [table.code, *map(_cell, row, kinds)]
        if table.totals:
            totals = [table.totals.get(one.code) for one in table.columns]
            yield [f"{table.code}.total", *map(_cell, totals, kinds)]


def _cell(cell: Cell, kind: Kind) -> str:
    """A cell that no spreadsheet takes for a formula; numbers stay numbers."""
    found = plain(cell, kind)
    if found is None:
        return ""
    if isinstance(cell, str) and cell.startswith(FORMULA):
        return f"'{cell}"
    return str(found)


def as_json(document: Document) -> bytes:
    """A document as one JSON object: yuan, percents and dates as text, everything by its code."""
    said = document.said() | {
        "signatures": [one._asdict() for one in document.signers],
        "sm3": document.digest,
    }
    return json.dumps(said, ensure_ascii=False, indent=1).encode() + b"\n"
