"""What stands open at a day's end: deposits, claims, retention, returned funds, cards; settlement days. 日终余额"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from clearing.day.netting import Netted
from clearing.ledger.accounts import owner_of
from clearing.ledger.facts import Instruction
from clearing.reports.ageing import LONG, SHORT, About, Items, Name, aged, oldest_first
from clearing.reports.figures import Cards, Claim, Flow, Layer, Returned
from clearing.reports.table import Cell, Column, Kind, Table, share

FEN, COUNT, PERCENT = Kind.FEN, Kind.COUNT, Kind.PERCENT
SETTLED_DAYS_MAX: Final = 30
"""Claims are filed until the tenth of the next month and paid within twenty working days: more is late."""


@dataclass(frozen=True, kw_only=True)
class DayFigures:
    """All that a day's reports are made of; fen as the store sums them."""

    day: date
    state: str
    netted: Netted
    instructions: Sequence[Instruction]
    flows: Sequence[Flow]
    deposits: Sequence[Layer]
    """Account 9011 up to the day."""
    claims: Sequence[Claim]
    """Open ones, and those settled on the day."""
    claims_fen: Mapping[str, int]
    """Account 9020 at the end of the day."""
    retention: Sequence[Layer]
    """Account 9030 up to the day."""
    returned: Sequence[Returned]
    returned_fen: Mapping[str, int]
    """Account 2030 at the end of the day."""
    cards: Sequence[Cards]


_DEPOSIT: Final = {
    "deposit.paid": 0, "payment.confirmed": 0, "deposit.voided": 1, "deposit.refunded": 1, "payment.reversed": 1,
    "payment.voided": 1, "discharge.settled": 2, "discharge.cancelled": 2,
}  # fmt: skip
"""Event type → column of the roll-forward: paid, given back, used; any other moves it otherwise."""
_OTHER: Final = 3


def deposits(figures: DayFigures, name: Name) -> Table:
    """Deposits from the day before to the day's end by hospital. 预交金滚动"""
    before: Counter[str] = Counter()
    after: Counter[str] = Counter()
    for one in figures.deposits:
        hospital = owner_of(one.account)
        after[hospital] -= one.fen
        before[hospital] -= one.fen if one.day < figures.day else 0
    moved: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for flow in figures.flows:
        if flow.deposit_fen:
            moved[flow.institution][_DEPOSIT.get(flow.type, _OTHER)] += flow.deposit_fen
    rows: list[tuple[Cell, ...]] = []
    marks: dict[int, frozenset[int]] = {}
    for hospital in sorted({*before, *after, *moved}):
        changes = moved[hospital]
        rest = after[hospital] - before[hospital] - sum(changes)
        if rest:
            marks[len(rows)] = frozenset({8})
        if before[hospital] or after[hospital] or any(changes):
            rows.append((hospital, name(hospital), before[hospital], *changes, after[hospital], rest))
    return Table(
        code="deposits",
        chinese="预交金滚动",
        columns=(
            Column("institution", "医院", width=10),
            Column("name", "名称", width=30),
            Column("opening", "期初", FEN, 16, summed=True),
            Column("paid", "缴纳", FEN, 16, summed=True),
            Column("given_back", "退还、撤销", FEN, 16, summed=True),
            Column("used", "出院使用", FEN, 16, summed=True),
            Column("transferred", "其他", FEN, 14, summed=True),
            Column("closing", "期末", FEN, 16, summed=True),
            Column("difference", "差异", FEN, 12, summed=True),
        ),
        rows=rows,
        marks=marks,
        note="期初 + 缴纳 − 退还 − 使用 ± 其他 = 期末（科目 9011），差异须为 0.00；同院转床位不改变合计。",
    )  # fmt: skip


def claims(figures: DayFigures, name: Name) -> Table:
    """Open claims by payer, hospital and age, beside account 9020. 垫付账龄"""
    items: Items = {}
    for one in figures.claims:
        if one.settled is None:
            key = (one.payer, one.institution)
            items.setdefault(key, []).append(((figures.day - one.discharged).days, one.fen))
    balances = {_payer_and_hospital(account): fen for account, fen in figures.claims_fen.items()}
    about = About(
        "claims",
        "垫付账龄",
        ("付款方", "医院"),
        LONG,
        "医院已垫付、付款方未结算的报销款，按出院清算日计龄；差异为与科目 9020 之差，须为 0.00。",
    )
    return aged(about, items, balances, name)


def retention(figures: DayFigures, name: Name) -> Table:
    """Retention by payer, hospital and age: account 9030, the oldest released first. 保证金账龄"""
    items: Items = {}
    balances: Counter[tuple[str, str]] = Counter()
    by_account: defaultdict[str, list[Layer]] = defaultdict(list)
    for one in figures.retention:
        by_account[one.account].append(one)
        balances[_payer_and_hospital(one.account)] += one.fen
    for account, moved in by_account.items():
        left = [((figures.day - since).days, fen) for since, fen in oldest_first(moved)]
        items.setdefault(_payer_and_hospital(account), []).extend(left)
    about = About(
        "retention",
        "保证金账龄",
        ("付款方", "医院"),
        LONG,
        "付款方扣留的保证金，先扣先放；与科目 9030 一致。",
    )
    return aged(about, items, balances, name)


def _payer_and_hospital(account: str) -> tuple[str, str]:
    """The sub-keys of 9020 and 9030."""
    payer, _, hospital = account[5:].partition(".")
    return payer, hospital


def returned(figures: DayFigures, name: Name) -> Table:
    """Payouts that came back by payer, reason and age, beside account 2030. 退票账龄"""
    items: Items = {}
    rest = {owner_of(account): -fen for account, fen in figures.returned_fen.items()}
    for one in figures.returned:
        key = (one.payer, f"{one.state} {one.reason}".strip())
        items.setdefault(key, []).append(((figures.day - one.since).days, one.fen))
        rest[one.payer] = rest.get(one.payer, 0) - one.fen
    balances = {key: sum(fen for _, fen in found) for key, found in items.items()}
    about = About(
        "returned_funds",
        "退票账龄",
        ("付款方", "状态与原因"),
        SHORT,
        "代付被退回或被拒、等待付款方处理的款项；差异为与科目 2030 之差，须为 0.00。",
    )
    unlisted = {(payer, "未列明 unlisted"): fen for payer, fen in rest.items() if fen}
    return aged(about, items, balances | unlisted, name)


# ---------------------------------------------------------------- cards and days

_STATES: Final = (
    ("issued", "在用", ("ISSUED", "ACTIVE")),
    ("frozen", "冻结", ("FROZEN_DEBIT", "FROZEN_ALL")),
    ("lost", "挂失", ("LOST",)),
    ("replaced", "补换", ("REPLACED",)),
    ("ended", "注销", ("CANCELLED", "TERMINATED", "DECEASED")),
    ("unknown", "未登记全", ("UNKNOWN",)),
)


def card_counts(cards: Iterable[Cards]) -> Table:
    """Cards by area, bank and state. 卡统计"""
    places: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for one in cards:
        places[one.area, one.bank][one.state] += one.cards
    return Table(
        code="cards",
        chinese="卡统计",
        columns=(
            Column("area", "地区"),
            Column("bank", "银行"),
            *(Column(code, chinese, COUNT, summed=True) for code, chinese, _ in _STATES),
            Column("cards", "合计", COUNT, summed=True),
        ),
        rows=[
            (
                area,
                bank,
                *(sum(found[state] for state in states) for _, _, states in _STATES),
                found.total(),
            )
            for (area, bank), found in sorted(places.items())
        ],
        note="日终状态；地区与银行为现在所登记的。",
    )


def discharges(figures: DayFigures, name: Name) -> Table:
    """Days from discharge to the payer's settlement, of claims settled on the day and of open ones. 出院结算时效"""
    settled: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    waiting: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for one in figures.claims:
        end, found = (one.settled, settled) if one.settled else (figures.day, waiting)
        found[one.payer, one.institution].append((end - one.discharged).days)
    rows: list[tuple[Cell, ...]] = []
    for key in sorted({*settled, *waiting}):
        days, open_days = settled[key], waiting[key]
        in_time = sum(one <= SETTLED_DAYS_MAX for one in days)
        late = sum(one > SETTLED_DAYS_MAX for one in open_days)
        rows.append(
            (
                key[0],
                name(key[0]),
                key[1],
                len(days),
                -(-sum(days) // len(days)) if days else None,
                max(days, default=None),
                share(in_time, len(days)) if days else None,
                len(open_days),
                late,
                max(open_days, default=None),
            )
        )
    return Table(
        code="discharge_days",
        chinese="出院结算时效",
        columns=(
            Column("payer", "付款方", width=9),
            Column("payer_name", "名称", width=26),
            Column("institution", "医院", width=9),
            Column("settled", "本日结算笔数", COUNT, 13, summed=True),
            Column("days_mean", "平均天数", COUNT, 10),
            Column("days_max", "最长天数", COUNT, 10),
            Column("in_time", f"{SETTLED_DAYS_MAX} 天内", PERCENT, 10),
            Column("open", "未结算笔数", COUNT, 12, summed=True),
            Column("overdue", f"其中超 {SETTLED_DAYS_MAX} 天", COUNT, 13, summed=True),
            Column("open_days_max", "未结最长天数", COUNT, 13),
        ),
        rows=rows,
        note="医院垫付的报销款，从出院结算到付款方结算的天数；平均天数进位取整。",
    )
