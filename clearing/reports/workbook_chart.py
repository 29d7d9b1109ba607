"""The charts of a workbook: native ones, drawn over a table's own cells. 图表"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from xlsxwriter.utility import xl_range_abs

from clearing.reports.table import Chart, Kind, Table

Workbook: TypeAlias = Any
"""The library ships without types; so do its sheets, formats and charts."""
Sheet: TypeAlias = Any

NUMBERS: Final = {
    Kind.FEN: "#,##0.00",
    Kind.COUNT: "#,##0",
    Kind.PERCENT: "0.00%",
    Kind.DATE: "yyyy-mm-dd",
    Kind.TEXT: "@",
}
"""How a workbook shows the cells of a kind."""
ROWS: Final = 16
"""Height of a chart, in rows."""


def chart_of(book: Workbook, sheet: Sheet, table: Table, said: Chart, rows: tuple[int, int]) -> Any:  # noqa: ANN401
    """The chart of a table's rows: columns, and what is of another kind as a line on an axis of its own."""
    first = table.columns[table.place(said.values[0])].kind
    chart = book.add_chart({"type": "column"})
    line = None
    for code in said.values:
        column = table.columns[table.place(code)]
        series: dict[str, Any] = {
            "name": f"{column.chinese} {column.code}",
            "categories": _area(sheet, table, said.labels, rows),
            "values": _area(sheet, table, [code], rows),
            "data_labels": {"value": True, "num_format": NUMBERS[column.kind], "font": {"size": 8}},
        }
        if column.kind is first:
            chart.add_series(series)
        else:
            line = line or book.add_chart({"type": "line"})
            marker = {"type": "diamond", "size": 7}
            labels = series["data_labels"] | {"position": "above"}
            line.add_series(series | {"y2_axis": True, "marker": marker, "data_labels": labels})
    if line is not None:
        chart.combine(line)
        line.set_y2_axis({"min": 0, "num_format": "#,##0"})
    chart.set_title({"name": said.chinese, "name_font": {"size": 12}, "overlay": False})
    chart.set_legend({"position": "bottom"})
    axis: dict[str, Any] = {
        "major_gridlines": {"visible": True, "line": {"color": "#D9D9D9"}},
        "num_format": NUMBERS[first],
    }
    if first is Kind.PERCENT:
        axis |= {"min": _lowest(table, said), "max": 1, "num_format": "0%"}
    chart.set_y_axis(axis)
    chart.set_size({"width": 820, "height": 20 * ROWS})
    return chart


def _area(sheet: Sheet, table: Table, codes: Sequence[str], rows: tuple[int, int]) -> str:
    area = xl_range_abs(rows[0], table.place(codes[0]), rows[1], table.place(codes[-1]))
    return f"='{sheet.get_name()}'!{area}"


def _lowest(table: Table, said: Chart) -> float:
    """Where an axis of percents begins: a full tenth below the lowest that is not nothing."""
    places = [table.place(code) for code in said.values]
    cells = [row[place] for row in table.rows for place in places]
    lowest = min((cell for cell in cells if isinstance(cell, int) and cell), default=0)
    return max(0, (lowest - 1) // 1000) / 10
