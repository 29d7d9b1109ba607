"""A month by area, level, bank and application area: the same figures four times, with equal totals. 月度统计"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple

from clearing.reports.figures import Active, Flow, Held
from clearing.reports.flows import AREAS, LEVELS, MEASURES, measured
from clearing.reports.table import Cell, Chart, Column, Document, Fact, Kind, Table

FEN, COUNT = Kind.FEN, Kind.COUNT

NOWHERE: Final = "无 none"


class Place(NamedTuple):
    """Where an institution is: what its member's record said on the month's last day."""

    area: str
    level: str


@dataclass(frozen=True, kw_only=True)
class MonthFigures:
    """All that a month's statistics are made of."""

    first: date
    """The first clearing date of it that was opened."""
    last: date
    """The last clearing date that counts: of a month that is not over, the last one so far."""
    days: int
    """How many clearing dates were opened in it."""
    flows: Sequence[Flow]
    active: Sequence[Active]
    held: Sequence[Held]
    """Deposits at the end of the last date."""
    places: Mapping[str, Place]
    """By institution."""


class _By(NamedTuple):
    """One way to sort the month."""

    code: str
    chinese: str
    of_flow: Callable[[Flow], str]
    of_held: Callable[[Held], str] | None
    names: Mapping[str, str]


def monthly(figures: MonthFigures, *, platform: str, names: Mapping[str, str]) -> Document:
    """A month's statistics as one document. 月报

    In:      `names`: members' names by code.
    Out:     a table each by area, level, bank and application area, and one by all four at once.
    """

    def place(institution: str) -> Place:
        return figures.places.get(institution, Place("", ""))

    ways = (
        _By(
            "area",
            "地区",
            lambda one: place(one.institution).area,
            lambda one: place(one.institution).area,
            {},
        ),
        _By(
            "level",
            "机构级别",
            lambda one: place(one.institution).level,
            lambda one: place(one.institution).level,
            LEVELS,
        ),
        _By("bank", "银行", lambda one: one.bank, lambda one: one.bank, names),
        _By("app_area", "应用领域", lambda one: one.app_area, None, AREAS),
    )
    active = next((one.cards for one in figures.active if one.by == "all"), 0)
    return Document(
        code="month",
        chinese="清算月报",
        period=f"{figures.first:%Y-%m}",
        created=figures.last,
        platform=platform,
        facts=(
            Fact("first", "首个清算日", figures.first),
            Fact("last", "最后清算日", figures.last),
            Fact("days", "清算日数", figures.days, COUNT),
            Fact("active_cards", "活跃卡", active, COUNT),
            Fact("entries", "记账凭证", sum(one.entries for one in figures.flows), COUNT),
            Fact("deposits_held", "期末预交金余额", sum(one.fen for one in figures.held), FEN),
        ),
        tables=(*(_by(figures, way) for way in ways), _all(figures, place)),
    )


def _by(figures: MonthFigures, way: _By) -> Table:
    sums = measured(figures.flows, way.of_flow)
    cards = {one.key: one.cards for one in figures.active if one.by == way.code}
    held: dict[str, int] = {}
    for one in figures.held if way.of_held else ():
        key = way.of_held(one) if way.of_held else ""
        held[key] = held.get(key, 0) + one.fen
    rows: list[tuple[Cell, ...]] = [
        (
            key or NOWHERE,
            way.names.get(key, ""),
            cards.get(key, 0),
            *sums.get(key, [0] * len(MEASURES)),
            held.get(key, 0) if way.of_held else None,
        )
        for key in sorted({*sums, *cards, *held})
    ]
    return Table(
        code=f"by_{way.code}",
        chinese=f"按{way.chinese}",
        columns=(
            Column(way.code, way.chinese, width=14),
            Column("name", "名称", width=20),
            Column("active_cards", "活跃卡", COUNT, 11),
            *MEASURES,
            Column("deposits_held", "期末预交金", FEN, 17, summed=way.of_held is not None),
        ),
        rows=rows,
        chart=Chart(f"按{way.chinese} by {way.code}", (way.code,), ("received", "topups", "reimbursed")),
        note=_note(way),
    )


def _note(way: _By) -> str:
    said = "活跃卡为当月持卡人用过的卡，同一卡可计入多行，故无合计。"
    if way.code == "bank":
        return said + "预交金按住院登记时所用卡的银行。"
    if way.code == "app_area":
        return said + "预交金余额不分应用领域，见净增。"
    return said + "无机构的交易（充值、参合、代付）列入无。"


def _all(figures: MonthFigures, place: Callable[[str], Place]) -> Table:
    def key(one: Flow) -> str:
        return "\t".join((*place(one.institution), one.bank, one.app_area))

    return Table(
        code="all",
        chinese="四维明细",
        columns=(
            Column("area", "地区"),
            Column("level", "机构级别"),
            Column("bank", "银行"),
            Column("app_area", "应用领域", width=16),
            *MEASURES,
        ),
        rows=[(*keys.split("\t"), *sums) for keys, sums in sorted(measured(figures.flows, key).items())],
        note="供透视之用；合计与前四表相同。",
    )
