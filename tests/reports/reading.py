"""Reading a document's renderings back: each gives the tables' totals and lines as it shows them."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from typing import Any, NamedTuple

import pypdfium2
from python_calamine import CalamineWorkbook

from clearing.reports.paper import as_paper
from clearing.reports.table import Document, Kind
from clearing.reports.text import as_csv, as_json
from clearing.reports.workbook import as_workbook


class Read(NamedTuple):
    """What a rendering says of one table."""

    rows: int
    totals: dict[str, Decimal]


def from_csv(document: Document) -> dict[str, Read]:
    """Each table as the CSV has it."""
    lines = list(csv.reader(io.StringIO(as_csv(document).decode("utf-8-sig"))))
    found = {}
    for table in document.tables:
        total = next((line[1:] for line in lines if line[0] == f"{table.code}.total"), [])
        found[table.code] = Read(
            sum(line[0] == table.code for line in lines),
            {one.code: Decimal(total[place]) for place, one in enumerate(table.columns) if one.summed},
        )
    return found


def from_json(document: Document) -> dict[str, Read]:
    """Each table as the JSON has it."""
    said = json.loads(as_json(document))["tables"]
    return {
        code: Read(len(one["rows"]), {name: Decimal(total) for name, total in one["totals"].items()})
        for code, one in said.items()
    }


def sheets(document: Document) -> dict[str, list[list[Any]]]:
    """The workbook's sheets by name, each with all of its rows."""
    book = CalamineWorkbook.from_filelike(io.BytesIO(as_workbook(document)))
    return {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}


def from_workbook(document: Document) -> dict[str, Read]:
    """Each table as the workbook has it: its line of totals where there are lines, else nothing."""
    found = {}
    for table, rows in zip(document.tables, list(sheets(document).values())[1:], strict=True):
        lines = len(table.rows)
        body, after = rows[1 : 1 + lines], rows[1 + lines :]
        total = after[0] if lines and table.totals else None
        assert total is None or total[0] == "合计 total"
        sums = {
            one.code: Decimal(str(total[place] if total else 0)).quantize(
                Decimal("0.01") if one.kind is Kind.FEN else Decimal(1)
            )
            for place, one in enumerate(table.columns)
            if one.summed
        }
        found[table.code] = Read(len(body), sums)
    return found


def pages(document: Document) -> list[str]:
    """The text of each page of the PDF, as a reader finds it."""
    paper = pypdfium2.PdfDocument(as_paper(document))
    return [page.get_textpage().get_text_bounded().replace("\u200b", "") for page in paper]
