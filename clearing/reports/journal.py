"""A hospital's day as vouchers in its own chart of accounts. 医院凭证

Each entry of ours gives lines by role; a voucher has all entries of one kind, summed, and balances. What the
vouchers say of money in transit and of claims received is the hospital's position, to the fen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from clearing.day.netting import CARRY, RollUpLine
from clearing.errors import InvariantViolated
from clearing.ledger.accounts import code_of, owner_of
from clearing.ledger.entry import Entry
from clearing.ledger.money import yuan
from clearing.reports.booking import CORRECTION, ORDER, PAYABLE, SUMMARY, Booked, booked
from clearing.reports.hospital_chart import HospitalChart
from clearing.reports.table import Cell, Column, Document, Fact, Kind, Table

FEN, COUNT, DATE = Kind.FEN, Kind.COUNT, Kind.DATE
WORD: Final = "记"
"""The kind of voucher, as its number begins."""


@dataclass(frozen=True, kw_only=True)
class JournalFigures:
    """All that one institution's journal of a day is made of."""

    institution: str
    name: str
    day: date
    value_date: date
    settles_as: str
    """Code of the institution that settles for it: its own where it settles for itself."""
    entries: Sequence[Entry]
    """Those of every institution that the same one settles for."""
    position_fen: int
    """Of the one that settles, from netting, debit positive."""
    roll_up: Sequence[RollUpLine]


@dataclass
class _Voucher:
    """Lines of one kind, summed."""

    kind: str
    undone: bool
    sums: dict[tuple[str, str], int] = field(default_factory=dict)
    entries: int = 0


def journal(figures: JournalFigures, chart: HospitalChart, *, platform: str) -> Document:
    """An institution's day as vouchers, their entries, and the tie to its position. 凭证导出

    Raises:  UsageError when the chart lacks an account that the day needs.
    """
    of_own = [
        one for entry in figures.entries if (one := booked(entry, figures.institution, figures.settles_as))
    ]
    vouchers = [*_summed(of_own)]
    settled = _settlement(figures, of_own)
    if settled.sums:
        vouchers.append(settled)
    numbers = {(one.kind, one.undone): number for number, one in enumerate(vouchers, 1)}
    where = f"{figures.institution} {figures.day}"
    return Document(
        code="journal",
        chinese="医院凭证",
        period=figures.day.isoformat(),
        created=figures.day,
        platform=platform,
        flat=True,
        encoding=chart.encoding,
        facts=(
            Fact("institution", "机构", f"{figures.institution} {figures.name}".strip()),
            Fact("vouchers", "凭证张数", len(vouchers), COUNT),
            Fact("entries", "业务笔数", len(of_own), COUNT),
            Fact("chart", "科目表", chart.section),
        ),
        tables=(
            _vouchers(figures, vouchers, chart, where),
            _detail(of_own, numbers, chart, where),
            _tie(figures, of_own),
        ),
    )


def _summed(every: Iterable[Booked]) -> Iterator[_Voucher]:
    found: dict[tuple[str, bool], _Voucher] = {}
    for one in every:
        voucher = found.setdefault((one.kind, one.undone), _Voucher(one.kind, one.undone))
        voucher.entries += 1
        for role, partner, fen in one.lines:
            voucher.sums[role, partner] = voucher.sums.get((role, partner), 0) + fen
    for key in sorted(found, key=ORDER.__getitem__):
        if any(found[key].sums.values()):
            yield found[key]


def _settlement(figures: JournalFigures, of_own: Iterable[Booked]) -> _Voucher:
    """What the bank moves for the day: in transit no more. Nothing where another institution settles."""
    voucher = _Voucher("settlement", undone=False)
    if figures.settles_as != figures.institution:
        return voucher
    moved = 0
    for line in figures.roll_up:
        sign = 1 if line.side == "C" else -1
        if line.kind != CARRY or not line.postings:
            moved += sign * line.amount_fen
            voucher.entries += 1
    every = list(of_own)
    claims = sum(line.fen for one in every for line in one.lines if line.role == "claims_received")
    agency = -figures.position_fen + sum(one.position_fen for one in every)
    sums = {("bank", ""): moved - claims, ("agency", ""): -agency}
    sums["transit", ""] = -sum(sums.values())
    voucher.sums.update({key: fen for key, fen in sums.items() if fen})
    return voucher


def _vouchers(
    figures: JournalFigures, vouchers: Sequence[_Voucher], chart: HospitalChart, where: str
) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for number, one in enumerate(vouchers, 1):
        if sum(one.sums.values()):
            raise InvariantViolated(
                f"{where}: voucher {number} is out of balance by {yuan(sum(one.sums.values()))}"
            )
        summary = SUMMARY[one.kind, one.undone]
        dated = figures.value_date if one.kind == "settlement" else figures.day
        lines = sorted(((role, who, fen) for (role, who), fen in one.sums.items() if fen), key=_debits_first)
        for at, (role, who, fen) in enumerate(lines, 1):
            account = chart.of(role, where=f"{where} {summary}")
            debit, credit = (fen, None) if fen > 0 else (None, -fen)
            rows.append(
                (
                    dated,
                    WORD,
                    number,
                    at,
                    summary,
                    account.code,
                    account.name,
                    debit,
                    credit,
                    who,
                    one.entries,
                )
            )
    return Table(
        code="vouchers",
        chinese="凭证",
        columns=(
            Column("date", "凭证日期", DATE, 12),
            Column("word", "凭证字", width=9),
            Column("no", "凭证号", COUNT, 9),
            Column("line", "分录号", COUNT, 9),
            Column("summary", "摘要", width=18),
            Column("account", "科目编码", width=14),
            Column("account_name", "科目名称", width=44),
            Column("debit", "借方金额", FEN, 16, summed=True),
            Column("credit", "贷方金额", FEN, 16, summed=True),
            Column("partner", "往来单位", width=12),
            Column("attached", "附单据数", COUNT, 10),
        ),
        rows=rows,
        note="每张凭证借贷相等；清算款到账按起息日。",
    )


def _debits_first(line: tuple[str, str, int]) -> tuple[bool, str, str]:
    return line[2] < 0, line[0], line[1]


def _detail(
    every: Iterable[Booked], numbers: Mapping[tuple[str, bool], int], chart: HospitalChart, where: str
) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for one in every:
        number = numbers.get((one.kind, one.undone))
        for role, who, fen in one.lines:
            account = chart.of(role, where=where)
            entry = one.entry
            rows.append(
                (
                    number,
                    entry.id,
                    entry.type,
                    entry.order_no or entry.receipt_no or entry.admission_no,
                    entry.bank_ref,
                    account.code,
                    account.name,
                    fen if fen > 0 else None,
                    -fen if fen < 0 else None,
                    who,
                )
            )
    return Table(
        code="detail",
        chinese="明细",
        columns=(
            Column("no", "凭证号", COUNT, 9),
            Column("entry_id", "平台凭证号", width=34, short=18),
            Column("type", "业务类型", width=20),
            Column("order_no", "订单、收据、住院号", width=22),
            Column("bank_ref", "银行流水", width=20),
            Column("account", "科目编码", width=14),
            Column("account_name", "科目名称", width=40, paper=False),
            Column("debit", "借方金额", FEN, 16, summed=True),
            Column("credit", "贷方金额", FEN, 16, summed=True),
            Column("partner", "往来单位", width=12),
        ),
        rows=rows,
        note="清算款到账一张除外；同一住院号之间转预交金不改变科目余额，不列。",
    )


def _tie(figures: JournalFigures, of_own: Iterable[Booked]) -> Table:
    """The position of whoever settles, by institution: the journal's own share and the others'."""
    shares: dict[str, int] = {figures.institution: sum(one.position_fen for one in of_own)}
    others = {one.institution for one in figures.entries} | {
        owner_of(account)
        for one in figures.entries
        for account, _, _ in one.postings
        if one.type == CORRECTION and code_of(account) in PAYABLE and owner_of(account) == figures.settles_as
    }
    for other in sorted(others - {figures.institution, ""}):
        found = (booked(entry, other, figures.settles_as) for entry in figures.entries)
        shares[other] = sum(one.position_fen for one in found if one)
    rest = figures.position_fen - sum(shares.values())
    rows: list[tuple[Cell, ...]] = [
        (code, "本机构" if code == figures.institution else "合并清算", -fen) for code, fen in shares.items()
    ]
    rows.append((figures.settles_as, "头寸（平台账）", -figures.position_fen))
    rows.append((figures.settles_as, "差异", -rest))
    return Table(
        code="tie",
        chinese="核对",
        columns=(
            Column("institution", "机构", width=12),
            Column("what", "项目", width=20),
            Column("amount", "应收清算款", FEN, 18),
        ),
        rows=rows,
        marks={len(rows) - 1: frozenset({2})} if rest else {},
        note="凭证中在途清算款与医保结算到款之和，等于平台头寸；差异须为 0.00。",
    )
