"""Breaks: what they are called, how they are classed and what they carry. 差错

The table `CODES` is the only place that knows a code's class, Chinese name and default handling. A break's id
comes from the day and the keys of its leading row, so that the same inputs give the same ids.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple

from clearing.ledger.entry import entry_id
from clearing.reconciliation.rows import AnyRow, HisRow, LedgerRow, StatementRow

SUSPECT: Final = "SUSPECT"
AUTO_CLEARED: Final = "AUTO_CLEARED"
CONFIRMED: Final = "CONFIRMED"
OPEN: Final = "OPEN"


class Code(NamedTuple):
    """One row of the table of codes."""

    code: str
    chinese: str
    meaning: str
    break_class: str
    """T timing, A automatic, M manual, X stops the day; T→M: timing at first, then manual."""
    handling: str


CODES: Final[dict[str, Code]] = {
    row.code: row
    for row in (
        Code(
            "FIL-001",
            "文件未到",
            "expected file missing at its deadline",
            "X",
            "go on; not marked reconciled",
        ),
        Code("FIL-002", "文件校验失败", "file not sound", "X", "refuse whole and answer with ACK"),
        Code("FIL-003", "文件重复/跳号", "file sent again or a gap in its sequence", "X", "ignore or hold"),
        Code(
            "FIL-004", "行级错误", "bad lines in a file that may be partly taken", "M", "take the good lines"
        ),
        Code(
            "TOT-001", "总账不平", "the partner's totals are not those of its rows", "X", "explain every fen"
        ),
        Code(
            "TOT-002",
            "余额不符",
            "opening and movement do not give closing",
            "X",
            "hold that account's transfer",
        ),
        Code(
            "SID-101",
            "银行缺",
            "ledger and HIS have it, the bank lacks it",
            "T→M",
            "look again, claim or reverse",
        ),
        Code(
            "SID-100", "仅平台有", "only the ledger has it", "T→M", "look again, reverse under dual control"
        ),
        Code(
            "SID-110",
            "HIS缺 已扣款未入账",
            "paid, but not in the HIS",
            "A→M",
            "resend to the HIS; patient first",
        ),
        Code(
            "SID-011",
            "平台缺",
            "bank and HIS have it, the ledger lacks it",
            "A",
            "find the event, else book it",
        ),
        Code(
            "SID-010",
            "仅银行有 长款",
            "only the bank has it",
            "T→M",
            "look again, 2091, refund by the same route",
        ),
        Code("SID-001", "仅HIS有", "only the HIS has it", "M", "the hospital reverses or proves"),
        Code(
            "CUT-001", "跨日切", "the sides date it on neighbouring days", "T", "clears with the other file"
        ),
        Code(
            "CUT-002",
            "隔日冲正/退款",
            "the sides date an undo differently",
            "T",
            "linked; settles in its own day",
        ),
        Code("AMT-001", "金额不符", "the ledger has more than the bank", "M", "difference to 1091"),
        Code("AMT-002", "金额不符", "the bank has more than the ledger", "M", "difference to 2091"),
        Code("AMT-003", "HIS金额不符", "the HIS has another amount", "M", "the hospital corrects"),
        Code("GRP-001", "汇总/拆分不符", "a group's sum differs", "M", "show the members"),
        Code(
            "STA-001",
            "平台失败银行成功",
            "failed or unknown here, done at the bank",
            "A",
            "complete or refund",
        ),
        Code("STA-002", "平台成功银行失败", "done here, failed at the bank", "M", "reverse, tell the HIS"),
        Code("STA-003", "冲正不一致", "reversed or failed on one side only", "M", "find which side is right"),
        Code(
            "STA-004", "退款状态不符", "a refund accepted here is not done there", "T→M", "follow it to D+3"
        ),
        Code("DIR-001", "方向不符", "debit and credit swapped", "M", "find which side is right"),
        Code("IDN-001", "要素不符", "card, hospital or reference differs", "M", "force-match with a reason"),
        Code("IDN-002", "弱键匹配", "matched on a weak key", "A", "listed"),
        Code("AMB-001", "多候选", "more than one candidate", "M", "a person picks"),
        Code("DUP-001", "平台重复", "twice in the ledger", "A", "keep the first"),
        Code("DUP-002", "银行重复", "twice at the bank", "M", "keep the first"),
        Code("DUP-003", "HIS重复", "twice in the HIS", "M", "keep the first"),
        Code("FEE-001", "手续费不符", "the fee differs", "M", "compute again by the rule's version"),
        Code("FND-001", "划拨未达", "transfer unanswered", "T", "ask again"),
        Code("FND-002", "划拨失败", "transfer failed", "M", "instruct again"),
        Code("FND-003", "退票", "transfer returned", "M", "correct and instruct again"),
        Code("FND-004", "银行冲账", "the bank's own negative entry", "A", "listed"),
        Code("DEP-001", "预交金不符", "deposit balance differs from the HIS", "M", "compare the stay"),
        Code(
            "DEP-002", "预交金异常", "deposit negative, or open long after discharge", "M", "compare the stay"
        ),
        Code("NRC-001", "垫付不符", "advanced is not what was reimbursed", "M", "compare the claims"),
        Code("NRC-002", "核减", "cut by the office", "M", "tell the hospital"),
        Code("LED-001", "借贷不平", "the books do not balance", "X", "everything stops"),
    )
}

_LEADING: Final = ("DUP", "CUT", "GRP", "AMB", "STA", "DIR", "SID", "AMT", "IDN", "FEE", "TOT", "FIL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """One item that does not match, as it stands after one run. 差错单"""

    id: str
    """The day it was first found (8 digits), then 24 hex digits of SM3."""
    opened: date
    code: str
    """The leading code."""
    codes: tuple[str, ...]
    """All differences, the leading one first."""
    vector: str
    """Presence of ledger, bank and HIS: `L1B0H1`; `-` where a side does not apply."""
    amount_fen: int
    """Unsigned: the ledger's, else the bank's, else the HIS's."""
    difference_fen: int
    """The bank's difference, else the HIS's."""
    differences: tuple[tuple[str, int], ...]
    """(partner, ledger minus partner) of this day, fen, by partner; () where money is no question."""
    bank_ref: str = ""
    order_no: str = ""
    entry_id: str = ""
    bank: str = ""
    """The bank, network or channel concerned."""
    institution: str = ""
    state: str = OPEN
    new: bool = True
    """False where an earlier day has found it."""
    joined: tuple[str, ...] = ()
    """Ids of younger breaks that this one has taken up; they end with this run."""
    detail: str = ""
    """What a wrong total or a refused file says."""
    ledger_rows: tuple[LedgerRow, ...] = ()
    bank_rows: tuple[StatementRow, ...] = ()
    his_rows: tuple[HisRow, ...] = ()

    def rows(self) -> tuple[AnyRow, ...]:
        """Its rows of all sides."""
        return (*self.ledger_rows, *self.bank_rows, *self.his_rows)

    @property
    def proven(self) -> bool:
        """Whether it is part of the proof: a wrong total or a refused file is not."""
        return not self.code.startswith(("TOT", "FIL"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenItem:
    """A break that is open after a day, with its rows of all days, for the days that follow. 未达账项"""

    found: Break
    """As last listed; its rows are those of all days."""
    sums: tuple[tuple[str, int], ...]
    """(partner, differences of all days so far), fen."""
    ended: bool = False
    """People had ended it before an earlier run: it is open no more, only watched for rows that come late."""

    @property
    def id(self) -> str:
        """The break's id."""
        return self.found.id


def in_order(codes: Iterable[str]) -> tuple[str, ...]:
    """Codes with the leading one first. CUT leads only where nothing but IDN-002 differs besides."""
    found = set(codes)
    cut_leads = all(code.startswith("CUT") or code == "IDN-002" for code in found)

    def rank(code: str) -> tuple[int, str]:
        late = code.startswith("CUT") and not cut_leads
        return (len(_LEADING) if late else _LEADING.index(code[:3]), code)

    return tuple(sorted(found, key=rank))


def first_state(code: str) -> str:
    """The state in which a break with this leading code begins."""
    if code.startswith("CUT") or code == "IDN-002":
        return AUTO_CLEARED
    return SUSPECT if CODES[code].break_class in ("T", "T→M") else OPEN


def break_id(day: date, name: str) -> str:
    """The id of a break: its day, then SM3 over the name of its leading row."""
    return entry_id(day, f"break/{day}/{name}")
