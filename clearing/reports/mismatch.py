"""The mismatch report as a document: cover, bridge, summary, ageing, detail, what was done since, files. 差错报告"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from clearing.reconciliation.codes import AUTO_CLEARED
from clearing.reconciliation.report import Report
from clearing.reports.mismatch_detail import Done, adjustments, cleared, detail
from clearing.reports.sign_offs import SignOff, sign_off_table, signers
from clearing.reports.table import Cell, Chart, Column, Document, Fact, Kind, Table, share

FEN, COUNT, PERCENT, DATE = Kind.FEN, Kind.COUNT, Kind.PERCENT, Kind.DATE


def mismatch(
    model: Report,
    *,
    sm3: str,
    platform: str,
    done: Sequence[Done] = (),
    root: str = "",
    sign_offs: Sequence[SignOff] = (),
    signs: str = "",
    member: str = "",
) -> Document:
    """The report of a run as tables. 差错报告

    In:      the stored model and its digest; the steps people have taken since, oldest first; the day's root in
             hex; who has to sign, and the member whose three stand on the cover; `member`: code and name of the one
             whose part alone this is. Its pages then carry a digest of their own, the cover that of the whole.
    Out:     all tables of the report, also those without lines.
    Source:  contract "The report".
    """
    opened = [one for one in model.detail if one.state != AUTO_CLEARED]
    before, new, gone, after = model.roll
    return Document(
        code="mismatch",
        chinese="三方对账差错报告",
        period=model.day.isoformat(),
        created=model.day,
        platform=platform,
        verdict="平" if model.balanced else "不平",
        facts=(
            *((Fact("member", "参与方", member), Fact("whole_sm3", "全本 SM3", sm3)) if member else ()),
            Fact("run", "对账批次", model.run),
            Fact("files", "对账文件", len(model.inputs), COUNT),
            Fact("breaks", "差错笔数", model.total_count, COUNT),
            Fact("amount", "差错金额", model.total_fen, FEN),
            Fact("open", "其中未清", len(opened), COUNT),
            Fact("open_after", "日终未清（含以前）", after, COUNT),
            Fact("root", "日根", root),
            Fact("residual", "未解释差额", _unexplained(model), FEN),
        ),
        tables=(
            _bridge(model),
            _balances(model),
            _summary(model),
            _banks(model),
            _ages(model),
            _rates(model),
            _roll(model, (before, new, gone, after)),
            detail(model.detail),
            cleared(model.detail),
            adjustments(model.detail, done),
            sign_off_table(sign_offs),
            _files(model),
        ),
        signers=signers(sign_offs, signs),
        sm3="" if member else sm3,
    )


def _bridge(model: Report) -> Table:
    return Table(
        code="bridge",
        chinese="余额调节表",
        columns=(
            Column("partner", "对方"),
            Column("ledger", "平台合计", FEN, 18, summed=True),
            Column("other_only", "加：对方有平台无", FEN, 18, summed=True),
            Column("ledger_only", "减：平台有对方无", FEN, 18, summed=True),
            Column("differences", "加减：金额不一致", FEN, 18, summed=True),
            Column("other", "对方合计", FEN, 18, summed=True),
            Column("residual", "未解释差额", FEN, 16, summed=True),
        ),
        rows=[
            (
                one.partner,
                one.ledger_fen,
                one.other_only_fen,
                -one.ledger_only_fen,
                one.differences_fen,
                one.other_fen,
                one.residual_fen,
            )
            for one in model.bridges
        ],
        marks={
            number: frozenset({6}) for number, one in enumerate(model.bridges) if one.residual_fen
        },
        note="平台合计 + 对方独有 − 平台独有 ± 金额不一致 = 对方合计；未解释差额须为 0.00。",
    )  # fmt: skip


def _unexplained(model: Report) -> int:
    """What no break explains, of all bridges and balances."""
    fens = [one.residual_fen for one in model.bridges] + [one.residual_fen for one in model.balances]
    return sum(map(abs, fens))


_FAMILIES: Final = {"FND": "代付、划拨在途", "DEP": "住院预交金"}


def _balances(model: Report) -> Table:
    return Table(
        code="balances",
        chinese="余额核对",
        columns=(
            Column("partner", "对方"),
            Column("kind", "项目", width=20),
            Column("ledger", "账面余额", FEN, 18, summed=True),
            Column("explained", "减：差错解释", FEN, 18, summed=True),
            Column("other", "应有余额", FEN, 18, summed=True),
            Column("residual", "未解释差额", FEN, 16, summed=True),
        ),
        rows=[
            (
                one.partner,
                f"{_FAMILIES.get(one.family, '')} {one.family}".strip(),
                one.ledger_fen,
                -one.explained_fen,
                one.other_fen,
                one.residual_fen,
            )
            for one in model.balances
        ],
        marks={
            number: frozenset({5}) for number, one in enumerate(model.balances) if one.residual_fen
        },
        note="FND：科目 2035 与 2030，减未答复、失败、退票，应为尚未发出的代付。DEP：科目 9010 与医院清单。",
    )  # fmt: skip


def _summary(model: Report) -> Table:
    places = {(one.institution, one.bank): one for one in model.rates}
    rows: list[tuple[Cell, ...]] = []
    for one in model.summary:
        place = places.get((one.institution, one.bank))
        rows.append(
            (
                one.code,
                one.chinese,
                one.break_class,
                one.institution,
                one.bank,
                one.count,
                one.amount_fen,
                one.difference_fen,
                share(place.matched, place.items) if place else None,
                share(place.matched_fen, place.items_fen) if place else None,
            )
        )
    return Table(
        code="summary",
        chinese="分类汇总",
        columns=(
            Column("code", "代码", width=11),
            Column("name", "名称", width=24),
            Column("class", "类别", width=9),
            Column("institution", "机构"),
            Column("bank", "银行"),
            Column("count", "笔数", COUNT, 10, summed=True),
            Column("amount", "金额", FEN, 18, summed=True),
            Column("difference", "差额", FEN, 16, summed=True),
            Column("rate_count", "本处笔数勾对率", PERCENT, 15),
            Column("rate_amount", "本处金额勾对率", PERCENT, 15),
        ),
        rows=rows,
        note="差额为平台减对方；勾对率为同一机构、同一银行的全部交易。类别：T 时间性 A 自动 M 人工 X 停止。",
    )


_RATES: Final = (
    Column("matched", "已勾对笔数", COUNT, 13, summed=True),
    Column("items", "应勾对笔数", COUNT, 13, summed=True),
    Column("matched_amount", "已勾对金额", FEN, 18, summed=True),
    Column("items_amount", "应勾对金额", FEN, 18, summed=True),
    Column("by_count", "笔数勾对率", PERCENT, 13),
    Column("by_amount", "金额勾对率", PERCENT, 13),
)


def _banks(model: Report) -> Table:
    sums: dict[str, list[int]] = {}
    for one in model.rates:
        found = sums.setdefault(one.bank, [0, 0, 0, 0])
        for place, more in enumerate((one.matched, one.items, one.matched_fen, one.items_fen)):
            found[place] += more
    return Table(
        code="match_by_bank",
        chinese="勾对率按银行",
        columns=(Column("bank", "银行、渠道"), *_RATES),
        rows=[(bank or "无 none", *_rated(*figures)) for bank, figures in sorted(sums.items())],
        chart=Chart("勾对率 match rate", ("bank",), ("by_count", "by_amount")),
    )


def _rates(model: Report) -> Table:
    return Table(
        code="match_rate",
        chinese="勾对率",
        columns=(Column("institution", "机构"), Column("bank", "银行、渠道"), *_RATES),
        rows=[
            (one.institution, one.bank, *_rated(one.matched, one.items, one.matched_fen, one.items_fen))
            for one in model.rates
        ],
        note="机构为空的是不经医院的交易（充值、参合缴费、代付）；银行为空的只在医院有。",
    )


def _rated(matched: int, items: int, matched_fen: int, items_fen: int) -> tuple[int, ...]:
    return matched, items, matched_fen, items_fen, share(matched, items), share(matched_fen, items_fen)


def _ages(model: Report) -> Table:
    return Table(
        code="ageing",
        chinese="未清账龄",
        columns=(
            Column("age", "账龄（天）"),
            Column("count", "笔数", COUNT, summed=True),
            Column("amount", "金额", FEN, 18, summed=True),
        ),
        rows=[(one.age, one.count, one.amount_fen) for one in model.ages],
        chart=Chart("未清差错账龄 ageing", ("age",), ("count", "amount")),
    )


def _roll(model: Report, counts: tuple[int, int, int, int]) -> Table:
    before, new, cleared, after = counts
    return Table(
        code="roll_forward",
        chinese="未清滚动",
        columns=(
            Column("partner", "对方"),
            Column("open_before", "期初未清", FEN, 18),
            Column("change", "本日新增减转销", FEN, 18),
            Column("ended", "减：人工了结", FEN, 18),
            Column("open_after", "期末未清", FEN, 18),
            Column("count_before", "期初笔数", COUNT),
            Column("count_new", "新增笔数", COUNT),
            Column("count_cleared", "清除笔数", COUNT),
            Column("count_after", "期末笔数", COUNT),
        ),
        rows=[
            ("全部 all", None, None, None, None, before, new, cleared, after),
            *(
                (
                    one.partner,
                    one.open_before_fen,
                    one.open_after_fen - one.open_before_fen + one.ended_fen,
                    -one.ended_fen,
                    one.open_after_fen,
                    *(None,) * 4,
                )
                for one in model.bridges
            ),
        ],
        note="金额为平台减对方的差额；笔数按差错计，一笔差错可涉及两方。",
    )


def _files(model: Report) -> Table:
    return Table(
        code="files",
        chinese="对账文件",
        columns=(
            Column("partner", "来源"),
            Column("file", "文件", width=44),
            Column("rows", "行数", COUNT, 10, summed=True),
            Column("sm3", "SM3", width=60),
            Column("sha256", "SHA-256", width=60, paper=False),
        ),
        rows=[(one.partner, one.file, one.rows, one.sm3, one.sha256) for one in model.inputs],
        on_cover=True,
    )
