"""The day's reports beside the mismatch report: one document, a table a question. 日报表

positions · bank nets · instructions · application areas · deposits · claims · retention · returned funds ·
cards · days from discharge to settlement. What stands on an account is tied to it: a difference is marked.
"""

from __future__ import annotations

from collections.abc import Iterable

from clearing.day.netting import INTER_BANK, Netted
from clearing.ledger.accounts import CHART, code_of, owner_of
from clearing.ledger.facts import Instruction
from clearing.reports.ageing import Name
from clearing.reports.daily_items import (
    DayFigures,
    card_counts,
    claims,
    deposits,
    discharges,
    retention,
    returned,
)
from clearing.reports.figures import Flow
from clearing.reports.flows import AREAS, MEASURES, measured
from clearing.reports.table import Chart, Column, Document, Fact, Kind, Table

FEN, COUNT, PERCENT, DATE = Kind.FEN, Kind.COUNT, Kind.PERCENT, Kind.DATE


def daily(figures: DayFigures, *, platform: str, name: Name, member: str = "") -> Document:
    """A day's reports as one document. 日报

    In:      `name` gives a member's name by its code, empty where it has none; `member`: code and name of the one
             whose figures alone these are.
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
            *((Fact("member", "参与方", member),) if member else ()),
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
            deposits(figures, name),
            claims(figures, name),
            retention(figures, name),
            returned(figures, name),
            card_counts(figures.cards),
            discharges(figures, name),
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


def _member(code: str, name: Name) -> str:
    return f"{code} {name(code)}".strip()
