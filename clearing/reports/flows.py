"""What happened, measured alike in every report: columns, and the sums of flows by a key. 发生额口径"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from clearing.reports.figures import Flow
from clearing.reports.table import Column, Kind

AREAS: Final = {
    "MEDICAL": "医疗机构", "MATERNAL": "妇幼", "COMMUNITY": "社区", "IMMUNIZATION": "计划免疫",
    "OCCUPATIONAL": "职业病体检", "SCHEME": "农合结算", "FINANCE": "金融应用",
}  # fmt: skip
LEVELS: Final = {
    "VILLAGE": "村", "TOWNSHIP": "乡镇", "COMMUNITY": "社区", "COUNTY": "县", "CITY": "市", "PROVINCE": "省",
    "NATIONAL": "国家", "PHARMACY": "药店",
}  # fmt: skip

MEASURES: Final = (
    Column("entries", "笔数", Kind.COUNT, 11, summed=True),
    Column("received", "收款", Kind.FEN, 17, summed=True),
    Column("paid_back", "退款", Kind.FEN, 15, summed=True),
    Column("net", "净额", Kind.FEN, 17, summed=True),
    Column("fees", "手续费", Kind.FEN, 12, summed=True),
    Column("deposits", "预交金净增", Kind.FEN, 16, summed=True),
    Column("topups", "充值", Kind.FEN, 15, summed=True),
    Column("premiums", "参合缴费", Kind.FEN, 15, summed=True),
    Column("reimbursed", "报销到卡", Kind.FEN, 16, summed=True),
    Column("claims", "垫付结算", Kind.FEN, 16, summed=True),
)
"""The same columns in every report; what each holds, `of_flow` says."""

_USES: Final = ("payment.", "deposit.", "discharge.", "arrears.")
_TO_CARDS: Final = ("payout.result", "payout.returned")
_CLAIMS: Final = ("claim.settled", "retention.released")


def of_flow(one: Flow) -> tuple[int, ...]:
    """A flow's figures in the order of MEASURES, fen.

    Out:     received and paid back of card uses only; premiums and top-ups less what was taken back of them;
             reimbursed: what reached card accounts, less returns; claims: what payers settled with hospitals.
    """
    received = paid = topups = premiums = reimbursed = claims = 0
    if one.type.startswith(_USES):
        received, paid = one.received_fen, one.paid_fen
    elif one.type.startswith("topup."):
        topups = one.amount_fen if one.type == "topup.made" else -one.amount_fen
    elif one.type.startswith("premium."):
        premiums = one.amount_fen if one.type == "premium.paid" else -one.amount_fen
    elif one.type in _TO_CARDS:
        reimbursed = one.cards_fen
    elif one.type in _CLAIMS:
        claims = one.received_fen
    net = received - paid
    return (
        one.entries, received, paid, net, one.fee_fen, one.deposit_fen, topups, premiums, reimbursed, claims
    )  # fmt: skip


def measured(flows: Iterable[Flow], key: Callable[[Flow], str]) -> Mapping[str, list[int]]:
    """Flows summed by a key, in the order of MEASURES."""
    sums: dict[str, list[int]] = {}
    for one in flows:
        found = sums.setdefault(key(one), [0] * len(MEASURES))
        for place, more in enumerate(of_flow(one)):
            found[place] += more
    return sums
