"""A document as a workbook to work in: filters, frozen headers, totals that follow a filter, charts. XLSX 报表

Rows go out as they come (constant memory), so a table of a million lines costs no more than its text.
Ids and whatever a partner wrote are text cells; the one kind of formula is our own SUBTOTAL below a table.
"""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, time
from typing import Any, Final, TypeAlias

import xlsxwriter
from xlsxwriter.utility import xl_range

from clearing.reports.table import Cell, Document, Fact, Kind, Table
from clearing.reports.text import FORMULA
from clearing.reports.workbook_chart import NUMBERS, Sheet, Workbook, chart_of
from clearing.reports.workbook_chart import ROWS as CHART_ROWS

Format: TypeAlias = Any

ROWS_MAX: Final = 1_000_000
"""Lines of one sheet; a format's own limit is 1 048 576. What is more goes to a sheet of its own."""
FONT: Final = "Microsoft YaHei"
"""A spreadsheet without it takes its own; no font is put into a workbook."""

_SIDES: Final = {"": "#1F3864", "L": "#375623", "B": "#7F6000", "H": "#833C0B"}
"""Colour of a header by side."""
_RIGHT: Final = frozenset({Kind.FEN, Kind.COUNT, Kind.PERCENT})
_CHART_LINES_MAX: Final = 60
"""Lines of a table that one chart can show."""
_WIDE: Final = 14
"""Tables with more columns keep their first one in sight."""
_PAGE_WIDTH: Final = 220
"""Characters of a line that can still be read on one page."""
_A3: Final = 8
_A4: Final = 9


def as_workbook(document: Document) -> bytes:
    """A document as XLSX.

    Out:     a sheet for the cover and one for each table, of a flat document the tables alone, without totals;
             the same document gives the same bytes.
    """
    target = io.BytesIO()
    book = xlsxwriter.Workbook(target, {"constant_memory": True, "default_date_format": "yyyy-mm-dd"})
    book.set_properties(
        {
            "title": document.title,
            "author": document.platform,
            "comments": f"SM3 {document.digest}",
            "created": datetime.combine(document.created, time(), UTC).replace(tzinfo=None),
        }
    )
    styles = _Styles(book)
    if not document.flat:
        _cover(book, styles, document)
    for table in document.tables:
        _sheet(book, styles, document, table)
    book.close()
    return target.getvalue()


class _Styles:
    """Formats of the workbook, each made once."""

    def __init__(self, book: Workbook) -> None:
        self.book = book
        self.made: dict[tuple[Any, ...], Format] = {}
        self.cells: dict[tuple[Any, ...], Format] = {}

    def of(self, **said: Any) -> Format:  # noqa: ANN401 - what the library takes
        """The format with these properties."""
        key = tuple(sorted(said.items()))
        if key not in self.made:
            self.made[key] = self.book.add_format({"font_name": FONT, "font_size": 10, **said})
        return self.made[key]

    def cell(self, kind: Kind, *, marked: bool = False, bold: bool = False, quoted: bool = False) -> Format:
        """The format of a cell; a quoted one stays text when somebody edits it."""
        key = (kind, marked, bold, quoted)
        if key not in self.cells:
            self.cells[key] = self._cell(kind, marked=marked, bold=bold, quoted=quoted)
        return self.cells[key]

    def _cell(self, kind: Kind, *, marked: bool, bold: bool, quoted: bool) -> Format:
        said: dict[str, Any] = {"num_format": NUMBERS[kind], "valign": "top"}
        said |= {"align": "right"} if kind in _RIGHT else {"align": "left", "indent": 1}
        if marked:
            said |= {"bg_color": "#FFC7CE", "font_color": "#9C0006", "bold": True}
        if bold:
            said |= {"bold": True, "top": 1, "bg_color": "#F2F2F2"}
        if quoted:
            said["quote_prefix"] = True
        return self.of(**said)

    def header(self, side: str = "", *, right: bool = False) -> Format:
        """The format of a header cell; it stands over its numbers."""
        colour = _SIDES.get(side, _SIDES[""])
        return self.of(
            bold=True,
            font_color="#FFFFFF",
            bg_color=colour,
            border=1,
            text_wrap=True,
            valign="vcenter",
            **({"align": "right"} if right else {"align": "left", "indent": 1}),
        )


# ---------------------------------------------------------------- cover


def _cover(book: Workbook, styles: _Styles, document: Document) -> None:
    sheet = book.add_worksheet("封面 cover")
    _page(sheet, document)
    sheet.hide_gridlines(2)
    sheet.set_column(0, 0, 30)
    sheet.set_column(1, 1, 66)
    sheet.set_column(2, 2, 24)
    sheet.set_column(3, 3, 66 if any(one.on_cover for one in document.tables) else 24)
    sheet.write_string(0, 0, f"{document.chinese} {document.code}", styles.of(bold=True, font_size=18))
    row = 2
    name = styles.of(font_color="#595959", valign="top")
    for fact in _facts(document):
        sheet.write_string(row, 0, f"{fact.chinese} {fact.code}", name)
        _write(sheet, styles, row, 1, fact.value, fact.kind, left=True)
        row += 1
    if document.verdict:
        sheet.set_row(row, 24)
        colour = "#9C0006" if document.verdict.startswith("不") else "#006100"
        sheet.write_string(row, 0, "结论 verdict", name)
        sheet.write_string(
            row, 1, document.verdict, styles.of(bold=True, font_size=16, font_color=colour, align="left")
        )
        row += 1
    sheet.write_string(row, 0, "摘要 SM3", name)
    sheet.write_string(row, 1, document.digest, styles.of(num_format="@", font_name="Consolas"))
    row += 2
    for place, text in enumerate(("签署 signatures", "姓名 name", "签名 signature", "日期 date")):
        sheet.write_string(row, place, text, styles.header())
    for one in document.signers:
        row += 1
        sheet.set_row(row, 28)
        box = styles.of(border=1, valign="vcenter", num_format="@")
        for place, text in enumerate((f"{one.chinese} {one.role}", one.name, "", one.at)):
            sheet.write_string(row, place, text, box)
    row += 2
    for table in document.tables:
        sheet.write_string(row, 0, f"{table.chinese} {table.code}", name)
        lines = len(table.rows) - len(table.bold)
        said = f"{lines:,} 行 rows" + (f"  {table.note}" if table.note else "")
        sheet.write_string(row, 1, said, name)
        row += 1
    for table in document.tables:
        if table.on_cover:
            printed = [place for place, column in enumerate(table.columns) if column.paper]
            shown = replace(
                table,
                columns=[table.columns[place] for place in printed],
                rows=[[line[place] for place in printed] for line in table.rows],
            )
            row = _table(book, sheet, styles, shown, row + 1, (0, len(table.rows)), last=True)


def _facts(document: Document) -> list[Fact]:
    return [
        Fact("period", "期间", document.period),
        Fact("platform", "平台", document.platform),
        *document.facts,
    ]


# ---------------------------------------------------------------- tables


def _sheet(book: Workbook, styles: _Styles, document: Document, table: Table) -> None:
    parts = max(1, -(-len(table.rows) // ROWS_MAX))
    width = sum(column.width for column in table.columns)
    for part in range(parts):
        sheet = book.add_worksheet(_sheet_name(table, part))
        _page(sheet, document, pages_wide=max(1, round(width / _PAGE_WIDTH)))
        sheet.repeat_rows(0)
        wide = len(table.columns) > _WIDE
        sheet.freeze_panes(1, 1 if wide else 0)
        if wide:
            sheet.repeat_columns(0)
        for place, column in enumerate(table.columns):
            sheet.set_column(place, place, column.width)
        span = (part * ROWS_MAX, min((part + 1) * ROWS_MAX, len(table.rows)))
        sheet.autofilter(0, 0, max(span[1] - span[0], 1), len(table.columns) - 1)
        _table(book, sheet, styles, table, 0, span, last=part == parts - 1, flat=document.flat)


def _sheet_name(table: Table, part: int) -> str:
    return f"{table.chinese} {table.code}"[:28] + (f" {part + 1}" if part else "")


def _page(sheet: Sheet, document: Document, *, pages_wide: int = 1) -> None:
    """How it prints: across, A4 or for wide tables A3, its number and the digest on every page."""
    sheet.set_landscape()
    sheet.set_paper(_A4 if pages_wide == 1 else _A3)
    sheet.fit_to_pages(pages_wide, 0)
    sheet.set_margins(0.4, 0.4, 0.6, 0.6)
    sheet.set_header(f"&L{document.chinese}&C&A&R{document.period}")
    sheet.set_footer(f"&L&8SM3 {document.digest}&R&8第 &P 页 共 &N 页")


def _table(  # noqa: PLR0917 - a place on a sheet
    book: Workbook,
    sheet: Sheet,
    styles: _Styles,
    table: Table,
    top: int,
    span: tuple[int, int],
    *,
    last: bool,
    flat: bool = False,
) -> int:
    """Write a table, or a part of its rows, from a row on; give the first free row below it and its chart."""
    sheet.set_row(top, 30)
    for place, column in enumerate(table.columns):
        style = styles.header(column.side, right=column.kind in _RIGHT)
        name = column.chinese if flat else f"{column.chinese}\n{column.code}"
        sheet.write_string(top, place, name, style)
    row, nothing = top, frozenset[int]()
    for number in range(*span):
        row += 1
        marked, bold = table.marks.get(number, nothing), number in table.bold
        for place, (column, cell) in enumerate(zip(table.columns, table.rows[number], strict=True)):
            _write(sheet, styles, row, place, cell, column.kind, marked=place in marked, bold=bold)
    end = row
    if table.totals and end > top and last and not flat:
        row += 1
        _totals(sheet, styles, table, (top + 1, end, row), whole=span[0] == 0)
    if not table.rows and not flat:
        row += 1
        sheet.write_string(row, 0, "无 none", styles.of(font_color="#7F7F7F"))
    if table.chart is not None and end > top and not span[0]:
        charted = min(end, top + _CHART_LINES_MAX)
        sheet.insert_chart(row + 2, 0, chart_of(book, sheet, table, table.chart, (top + 1, charted)))
        row += CHART_ROWS + 3
    return row + 1


def _totals(sheet: Sheet, styles: _Styles, table: Table, rows: tuple[int, int, int], *, whole: bool) -> None:
    """The last line: SUBTOTAL over what a filter leaves, our own sum as its value; of a part, our sum alone."""
    first, end, row = rows
    for place, column in enumerate(table.columns):
        style = styles.cell(column.kind, bold=True)
        if column.summed:
            total = table.totals[column.code]
            value = total / 100 if column.kind is Kind.FEN else total
            if whole and not table.bold:
                area = xl_range(first, place, end, place)
                sheet.write_formula(row, place, f"=SUBTOTAL(109,{area})", style, value)
            else:
                sheet.write_number(row, place, value, style)
        else:
            sheet.write_string(row, place, "合计 total" if place == 0 else "", style)


def _write(  # noqa: PLR0917 - a cell and its place
    sheet: Sheet,
    styles: _Styles,
    row: int,
    place: int,
    cell: Cell,
    kind: Kind,
    *,
    marked: bool = False,
    bold: bool = False,
    left: bool = False,
) -> None:
    if cell is None or cell == "":
        if marked or bold:
            sheet.write_blank(row, place, None, styles.cell(kind, marked=marked, bold=bold))
        return
    if isinstance(cell, str):
        quoted = cell.startswith(FORMULA)
        sheet.write_string(row, place, cell, styles.cell(Kind.TEXT, marked=marked, bold=bold, quoted=quoted))
        return
    style = (
        styles.of(num_format=NUMBERS[kind], align="left", indent=1)
        if left
        else styles.cell(kind, marked=marked, bold=bold)
    )
    if isinstance(cell, int):
        divisor = {Kind.FEN: 100, Kind.PERCENT: 10_000}.get(kind, 1)
        sheet.write_number(row, place, cell / divisor if divisor > 1 else cell, style)
    else:
        sheet.write_datetime(row, place, datetime.combine(cell, time()), style)
