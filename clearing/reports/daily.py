"""The day's reports beside the mismatch report: one document, a table a question. 日报表

positions · bank nets · instructions · application areas · deposits · claims · retention · returned funds ·
cards · days from discharge to settlement. What stands on an account is tied to it: a difference is marked.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from clearing.day.netting import INTER_BANK, Netted
from clearing.ledger.accounts import CHART, code_of, owner_of
from clearing.ledger.facts import Instruction
from clearing.reports.ageing import LONG, SHORT, About, Items, Name, aged, oldest_first
from clearing.reports.figures import Cards, Claim, Flow, Layer, Returned
from clearing.reports.flows import AREAS, MEASURES, measured
from clearing.reports.table import Cell, Chart, Column, Document, Fact, Kind, Table, share

FEN, COUNT, PERCENT, DATE = Kind.FEN, Kind.COUNT, Kind.PERCENT, Kind.DATE

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


def daily(figures: DayFigures, *, platform: str, name: Name) -> Document:
    """A day's reports as one document. 日报

    In:      `name` gives a member's name by its code, empty where it has none.
    Out:     all tables, also those without lines.
    """
    paid_in = sum(fen for fen in figures.netted.positions.values() if fen > 0)
    return Document(
        code="day",
        chinese="清算日报",
        period=figures.day.isoformat(),
        created=figures.day,
        platform=platform,
        facts=(
            Fact("state", "清算日状态", figures.state),
            Fact("entries", "记账凭证", sum(one.entries for one in figures.flows), COUNT),
            Fact("late", "其中迟到", sum(one.late for one in figures.flows), COUNT),
            Fact("positions", "头寸借方合计", paid_in, FEN),
            Fact(
                "between_banks", "跨行清算合计", sum(one.amount_fen for one in figures.netted.inter_bank), FEN
            ),
        ),
        tables=(
            _positions(figures.netted, name),
            _bank_nets(figures.netted, name),
            _instructions(figures.instructions, name),
            _areas(figures.flows),
            _deposits(figures, name),
            _claims(figures, name),
            _retention(figures, name),
            _returned(figures, name),
            _cards(figures.cards),
            _discharges(figures, name),
        ),
    )


# ---------------------------------------------------------------- positions


def _positions(netted: Netted, name: Name) -> Table:
    banks = {one.account: one.bank for one in netted.roll_up}
    return Table(
        code="positions",
        chinese="头寸",
        columns=(
            Column("account", "科目", width=16),
            Column("name", "科目名称", width=18),
            Column("member", "参与方", width=38),
            Column("debit", "借方（付出）", FEN, 18, summed=True),
            Column("credit", "贷方（收入）", FEN, 18, summed=True),
            Column("bank", "结算行", width=10),
        ),
        rows=[
            (
                account,
                CHART[code_of(account)].chinese,
                _member(owner_of(account), name),
                fen if fen > 0 else None,
                -fen if fen < 0 else None,
                banks.get(account, ""),
            )
            for account, fen in netted.positions.items()
        ],
        note="归集前各参与方当日头寸；借贷之差是当日挂账科目（2030 2035 2050 2091 1091）与卡组织科目的变动。",
    )


def _bank_nets(netted: Netted, name: Name) -> Table:
    return Table(
        code="bank_nets",
        chinese="轧差净额",
        columns=(
            Column("bank", "银行", width=10),
            Column("member", "名称", width=30),
            Column("pays", "应付", FEN, 18, summed=True),
            Column("receives", "应收", FEN, 18, summed=True),
        ),
        rows=[
            (bank, name(bank), fen if fen > 0 else None, -fen if fen < 0 else None)
            for bank, fen in netted.bank_nets.items()
        ],
        chart=Chart("轧差净额 bank nets", ("bank",), ("pays", "receives")),
        note="应付合计须等于应收合计。",
    )


def _instructions(instructions: Iterable[Instruction], name: Name) -> Table:
    kinds = {"INTER_BANK": "跨行", "IN_BANK": "行内", "CARRY": "垫付"}
    return Table(
        code="instructions",
        chinese="清算指令",
        columns=(
            Column("id", "指令号", width=34),
            Column("kind", "种类", width=18),
            Column("bank", "银行（付款）", width=24),
            Column("other", "对方", width=24),
            Column("amount", "金额", FEN, 18, summed=True),
            Column("value_date", "起息日", DATE),
            Column("state", "状态"),
        ),
        rows=[
            (
                one.id,
                f"{kinds.get(one.kind, '')} {one.kind}".strip(),
                _member(one.debtor, name),
                _member(one.creditor, name) if one.kind == INTER_BANK else one.creditor,
                one.amount_fen,
                one.value_date,
                one.state,
            )
            for one in instructions
        ],
    )


def _areas(flows: Iterable[Flow]) -> Table:
    sums = measured(flows, lambda one: one.app_area)
    return Table(
        code="app_areas",
        chinese="应用领域",
        columns=(Column("app_area", "应用领域", width=26), *MEASURES),
        rows=[
            (f"{AREAS.get(area, '其他')} {area}".strip(), *figures) for area, figures in sorted(sums.items())
        ],
        chart=Chart("各应用领域 application areas", ("app_area",), ("received", "topups", "reimbursed")),
        note="收款为医疗机构向卡收取的缴费、预交金与出院补交，含后来退回的；退款为撤销、退费、冲正与退回。",
    )


# ---------------------------------------------------------------- deposits and claims

_DEPOSIT: Final = {
    "deposit.paid": 0, "payment.confirmed": 0, "deposit.voided": 1, "deposit.refunded": 1, "payment.reversed": 1,
    "payment.voided": 1, "discharge.settled": 2, "discharge.cancelled": 2,
}  # fmt: skip
"""Event type → column of the roll-forward: paid, given back, used; any other moves it otherwise."""
_OTHER: Final = 3


def _deposits(figures: DayFigures, name: Name) -> Table:
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


def _claims(figures: DayFigures, name: Name) -> Table:
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
        "医院已垫付、付款方未结算的报销款，按出院清算日计龄；差异为与科目 9020 之差，以后各日已变动时不为 0.00。",
    )
    return aged(about, items, balances, name)


def _retention(figures: DayFigures, name: Name) -> Table:
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


def _returned(figures: DayFigures, name: Name) -> Table:
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
        "代付被退回或被拒、等待付款方处理的款项；差异为与科目 2030 之差，以后各日已变动时不为 0.00。",
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


def _cards(cards: Iterable[Cards]) -> Table:
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


def _discharges(figures: DayFigures, name: Name) -> Table:
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


def _member(code: str, name: Name) -> str:
    return f"{code} {name(code)}".strip()
