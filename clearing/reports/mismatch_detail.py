"""Breaks in the mismatch report: side by side, those cleared, and what people did with them. 差错明细"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import Final, NamedTuple

from clearing.reconciliation.codes import AUTO_CLEARED, BANK, CODES, INSTITUTION, PAYER, PLATFORM
from clearing.reconciliation.report_detail import DetailLine, SideLine
from clearing.reports.table import Cell, Column, Kind, Table

FEN, COUNT, DATE = Kind.FEN, Kind.COUNT, Kind.DATE
PAPER_ID: Final = 14
"""How much of a break's id is printed: the day and six digits, which `breaks show` takes too."""


class Done(NamedTuple):
    """One step that people have taken with a break of the report."""

    break_id: str
    state: str
    ending: str
    maker: str
    checker: str
    why: str
    at: str
    """The platform's own time, to the second."""


_OF_BREAK: Final = (
    Column("id", "差错号", width=34, short=PAPER_ID),
    Column("code", "代码", width=10),
    Column("name", "名称", width=20),
    Column("codes", "全部代码", width=18, paper=False),
    Column("vector", "有无 LBH", width=10),
    Column("state", "状态", width=16),
    Column("opened", "发现日", DATE, 12, paper=False),
    Column("institution", "机构", width=11),
    Column("bank", "银行", width=9),
    Column("amount", "金额", FEN, 15, summed=True),
    Column("difference", "差额", FEN, 14, summed=True),
    Column("label", "长短款", width=24),
)
_AFTER: Final = (
    Column("differing", "不一致项", width=14),
    Column("desk", "责任方", width=16, paper=False),
    Column("sla_days", "时限（工作日）", COUNT, 13, paper=False),
    Column("action", "建议处理", width=46, paper=False),
    Column("detail", "说明", width=30, paper=False),
)
_DESKS: Final = {PLATFORM: "平台", BANK: "银行", INSTITUTION: "医院", PAYER: "付款方"}
_SIDES: Final = {"L": "平台", "B": "银行", "H": "医院"}
_CELLS: Final = (
    # cell of a side, 中文, kind, width, printed
    ("partner", "", Kind.TEXT, 8, False),
    ("where", "出处", Kind.TEXT, 34, True),
    ("type", "类型", Kind.TEXT, 20, False),
    ("direction", "方向", Kind.TEXT, 11, False),
    ("amount", "金额", FEN, 14, True),
    ("status", "状态", Kind.TEXT, 10, False),
    ("bank_ref", "银行流水", Kind.TEXT, 18, False),
    ("order_no", "订单号", Kind.TEXT, 18, False),
    ("date", "日期", DATE, 12, False),
    ("card", "卡", Kind.TEXT, 10, False),
    ("fee", "手续费", FEN, 10, False),
    ("institution", "机构", Kind.TEXT, 12, False),
)
_FIELD: Final = {"amount": "amount_fen", "fee": "fee_fen", "date": "day"}


def _side_columns() -> Iterator[Column]:
    for side, house in _SIDES.items():
        for name, chinese, kind, width, paper in _CELLS:
            yield Column(f"{side}_{name}", f"{house}{chinese or '方'}", kind, width, side=side, paper=paper)


def detail(lines: Iterable[DetailLine]) -> Table:
    """Every break, its rows of the three sides side by side, what differs marked. 差错明细"""
    columns = (*_OF_BREAK, *_side_columns(), *_AFTER)
    names = [column.code for column in columns]
    at = {name: place for place, name in enumerate(names)}
    rows: list[tuple[Cell, ...]] = []
    marks: dict[int, frozenset[int]] = {}
    for line in lines:
        by_side = [[one for one in line.rows if one.side == side] for side in _SIDES]
        for number, sides in enumerate(zip_longest(*by_side) if line.rows else [(None, None, None)]):
            marked = {
                at[f"{one.side}_{name}"]
                for one in sides
                if one is not None
                for name in one.differing
                if f"{one.side}_{name}" in at
            }
            if line.code.startswith(("SID", "DUP")):
                marked.add(at["vector"])
            if marked:
                marks[len(rows)] = frozenset(marked)
            rows.append((*_of_break(line, first=number == 0), *_sides(sides), *_after(line, sides)))
    return Table(
        code="detail",
        chinese="差错明细",
        columns=columns,
        rows=rows,
        marks=marks,
        note="三方并列，不一致的单元格标红；一笔差错有多行时，金额只列在首行。",
    )


def _of_break(line: DetailLine, *, first: bool) -> tuple[Cell, ...]:
    return (
        line.id,
        line.code,
        line.chinese,
        line.codes,
        line.vector,
        line.state,
        line.opened,
        line.institution,
        line.bank,
        line.amount_fen if first else None,
        line.difference_fen if first else None,
        line.label,
    )


def _sides(sides: Iterable[SideLine | None]) -> Iterator[Cell]:
    for one in sides:
        for name, *_ in _CELLS:
            yield None if one is None else getattr(one, _FIELD.get(name, name))


def _after(line: DetailLine, sides: Iterable[SideLine | None]) -> tuple[Cell, ...]:
    names = dict.fromkeys(name for one in sides if one is not None for name in one.differing)
    usual = CODES[line.code]
    desk = f"{_DESKS[usual.desk]} {usual.desk}"
    return (" ".join(names), desk, usual.sla_days, usual.action, line.detail)


def cleared(lines: Iterable[DetailLine]) -> Table:
    """The breaks that the run cleared by itself. 本日清除"""
    return Table(
        code="cleared",
        chinese="本日清除",
        columns=(
            Column("id", "差错号", width=34, short=PAPER_ID),
            Column("code", "代码", width=11),
            Column("name", "名称", width=18),
            Column("opened", "发现日", DATE),
            Column("institution", "机构"),
            Column("bank", "银行"),
            Column("amount", "金额", FEN, 18, summed=True),
        ),
        rows=[
            (one.id, one.code, one.chinese, one.opened, one.institution, one.bank, one.amount_fen)
            for one in lines
            if one.state == AUTO_CLEARED
        ],
        note="由本次对账自行清除（跨日切、弱键等）。",
    )


def adjustments(lines: Iterable[DetailLine], done: Iterable[Done]) -> Table:
    """What people have done since, oldest first. 差错处理"""
    by_id = {one.id: one for one in lines}
    return Table(
        code="adjustments",
        chinese="差错处理",
        columns=(
            Column("id", "差错号", width=34, short=PAPER_ID),
            Column("code", "代码", width=11),
            Column("amount", "金额", FEN, 16),
            Column("state", "处理后状态", width=18),
            Column("ending", "了结方式", width=16),
            Column("maker", "经办", width=14),
            Column("checker", "复核", width=14),
            Column("at", "时间", width=20),
            Column("why", "理由", width=40),
        ),
        rows=[
            (
                one.break_id,
                by_id[one.break_id].code if one.break_id in by_id else "",
                by_id[one.break_id].amount_fen if one.break_id in by_id else None,
                one.state,
                one.ending,
                one.maker,
                one.checker,
                one.at,
                one.why,
            )
            for one in done
        ],
        note="对账之后人工所作的处理，按时间先后；不在摘要之内。",
    )
