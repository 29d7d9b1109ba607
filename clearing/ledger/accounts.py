"""The chart of accounts. 科目表

An account is a code and sub-keys, written `1010.B1` or `9011.H2.A31`. Debit is positive, credit negative.
Codes that begin with 9 are memo (备查): they track and never settle. All others are money.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BANK: Final = "1010"
FUND_EXPENSE: Final = "1020"
INSURER: Final = "1030"
CHANNEL: Final = "1040"
NETWORK_CLEARED: Final = "1050"
SHORTAGE: Final = "1091"
HOSPITAL: Final = "2010"
PHARMACY: Final = "2011"
NETWORK_PAID: Final = "2019"
RETURNED_FUNDS: Final = "2030"
PAYOUTS_IN_PROCESS: Final = "2035"
FUND_INCOME: Final = "2040"
UNKNOWN_OUTCOME: Final = "2050"
FEES: Final = "2060"
OVERAGE: Final = "2091"
IN_TRANSIT: Final = "3010"
HELD: Final = "3020"
DEPOSITS_CONTRA: Final = "9010"
DEPOSITS: Final = "9011"
CLAIMS: Final = "9020"
CLAIMS_CONTRA: Final = "9021"
RETENTION: Final = "9030"
RETENTION_CONTRA: Final = "9031"
ARREARS: Final = "9040"
ARREARS_CONTRA: Final = "9041"
CROSS_REGION: Final = "9050"
CROSS_REGION_CONTRA: Final = "9051"


@dataclass(frozen=True, slots=True)
class ChartRow:
    """One account code: what it is called, whose sub-keys it takes and what the end of a day does with it."""

    code: str
    name: str
    chinese: str
    normal: str
    """`D`, `C` or `-` (either): the side on which a balance is expected."""
    owner_kind: str
    """Kind of the member in the first sub-key: bank, fund, insurer, channel, network, institution, payer..."""
    day_end: str
    """position: nets to 3010 or rolls up; item: its change is held at 3020; stays: untouched; memo."""


CHART: Final[dict[str, ChartRow]] = {
    row.code: row
    for row in (
        ChartRow(BANK, "bank clearing position", "银行清算头寸", "-", "bank", "position"),
        ChartRow(FUND_EXPENSE, "fund expense position", "基金支出头寸", "D", "fund", "position"),
        ChartRow(INSURER, "insurer position", "承保机构头寸", "D", "insurer", "position"),
        ChartRow(CHANNEL, "payment channel position", "第三方渠道头寸", "D", "channel", "position"),
        ChartRow(NETWORK_CLEARED, "cleared by card network", "卡组织已清算", "D", "network", "stays"),
        ChartRow(SHORTAGE, "reconciliation shortage", "短款挂账", "D", "institution", "item"),
        ChartRow(HOSPITAL, "hospital payable", "应付医疗机构款", "C", "hospital", "position"),
        ChartRow(PHARMACY, "pharmacy payable", "应付药店款", "C", "pharmacy", "position"),
        ChartRow(NETWORK_PAID, "paid by card network", "卡组织代付", "C", "institution", "stays"),
        ChartRow(RETURNED_FUNDS, "returned funds", "退票待处理", "C", "payer", "item"),
        ChartRow(PAYOUTS_IN_PROCESS, "payouts in process", "代付在途", "C", "payer", "item"),
        ChartRow(FUND_INCOME, "fund income payable", "参合缴费待解缴", "C", "fund", "position"),
        ChartRow(UNKNOWN_OUTCOME, "unknown outcome", "状态未明挂账", "C", "institution", "item"),
        ChartRow(FEES, "fee payable", "应付手续费", "C", "payee", "position"),
        ChartRow(OVERAGE, "reconciliation overage", "长款挂账", "C", "institution", "item"),
        ChartRow(IN_TRANSIT, "settlement in transit", "清算在途", "-", "bank", "stays"),
        ChartRow(HELD, "held at settlement bank", "结算行代管", "D", "member", "stays"),
        ChartRow(DEPOSITS_CONTRA, "deposits, contra", "住院预交金备查", "D", "hospital", "memo"),
        ChartRow(DEPOSITS, "deposits by admission", "住院预交金备查", "C", "hospital", "memo"),
        ChartRow(CLAIMS, "hospital-advanced claims", "垫付待结", "D", "payer", "memo"),
        ChartRow(CLAIMS_CONTRA, "hospital-advanced claims, contra", "垫付待结", "C", "payer", "memo"),
        ChartRow(RETENTION, "retention", "保证金备查", "D", "payer", "memo"),
        ChartRow(RETENTION_CONTRA, "retention, contra", "保证金备查", "C", "payer", "memo"),
        ChartRow(ARREARS, "arrears", "欠费备查", "D", "hospital", "memo"),
        ChartRow(ARREARS_CONTRA, "arrears by admission, contra", "欠费备查", "C", "hospital", "memo"),
        ChartRow(CROSS_REGION, "cross-region office claims", "异地往来备查", "D", "area", "memo"),
        ChartRow(CROSS_REGION_CONTRA, "cross-region claims, contra", "异地往来备查", "C", "area", "memo"),
    )
}

POSITION_CODES: Final = frozenset(code for code, row in CHART.items() if row.day_end == "position")
ITEM_CODES: Final = frozenset(code for code, row in CHART.items() if row.day_end == "item")


def account(code: str, *keys: str) -> str:
    """The account of a code and its sub-keys, `1010.B1`."""
    return ".".join((code, *keys))


def code_of(name: str) -> str:
    """The code of an account: "9011.H2.A31" gives "9011"."""
    return name[:4]


def owner_of(name: str) -> str:
    """The first sub-key of an account: "9011.H2.A31" gives "H2"."""
    return name[5:].split(".", 1)[0]


def is_memo(name: str) -> bool:
    """Whether an account only tracks (codes 9...)."""
    return name.startswith("9")
