"""The table of codes: what a break is called, how it is classed, who takes it up, by when, how it ends. 差错代码

`CODES` is the only place that knows any of it.
"""

# ruff: noqa: E501 - one code a line is read, not wrapped

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

SUSPECT: Final = "SUSPECT"
AUTO_CLEARED: Final = "AUTO_CLEARED"
CONFIRMED: Final = "CONFIRMED"
OPEN: Final = "OPEN"

PLATFORM: Final = "platform"
BANK: Final = "bank"
INSTITUTION: Final = "institution"
PAYER: Final = "payer"


class Code(NamedTuple):
    """One row of the table of codes."""

    code: str
    chinese: str
    break_class: str
    """T timing, A automatic, M manual, X stops the day; T→M: timing at first, then manual."""
    desk: str
    """Who takes it up: platform, bank, institution or payer 责任方."""
    sla_days: int
    """Working days after the day it was found until it is to be ended 处理时限."""
    ends: tuple[str, ...]
    """How it usually ends, the most usual first."""
    meaning: str
    action: str
    """What to do first."""


# fmt: off
CODES: Final[dict[str, Code]] = {
    row.code: row
    for row in (
        Code("FIL-001", "文件未到",           "X",   PLATFORM,    1, ("FILE_CORRECTED",),                            "expected file missing at its deadline",                       "ask the partner for the file, then run the day again"),
        Code("FIL-002", "文件校验失败",       "X",   PLATFORM,    1, ("FILE_CORRECTED",),                            "file not sound",                                              "answer with the ACK, ask for a sound file under a new name"),
        Code("FIL-003", "文件重复/跳号",      "X",   PLATFORM,    1, ("FILE_CORRECTED", "NOT_OURS"),                 "file sent again or a gap in its sequence",                    "find the missing number or the file it repeats"),
        Code("FIL-004", "行级错误",           "M",   PLATFORM,    2, ("FILE_CORRECTED", "NOT_OURS"),                 "bad lines in a file that may be partly taken",                "send the bad lines back with their numbers"),
        Code("TOT-001", "总账不平",           "X",   BANK,        1, ("FILE_CORRECTED",),                            "the partner's totals are not those of its rows",              "ask for the total again; the lines stand"),
        Code("TOT-002", "余额不符",           "X",   BANK,        1, ("FILE_CORRECTED", "CLAIM"),                    "opening and movement do not give closing",                    "stop transfers of that account, compare its balances"),
        Code("SID-101", "银行缺",             "T→M", BANK,        5, ("LATE_MATCH", "CLAIM", "ADJUST", "REVERSE"),   "ledger and HIS have it, the bank lacks it",                   "wait for the second match, then claim or reverse"),
        Code("SID-100", "仅平台有",           "T→M", PLATFORM,    5, ("LATE_MATCH", "REVERSE"),                      "only the ledger has it",                                      "wait for the second match, then reverse under dual control"),
        Code("SID-110", "HIS缺 已扣款未入账", "A→M", INSTITUTION, 1, ("LATE_MATCH", "MANUAL_MATCH", "REFUND"),       "paid, but not in the HIS",                                    "resend to the HIS; the patient has paid and comes first"),
        Code("SID-011", "平台缺",             "A",   PLATFORM,    1, ("LATE_MATCH", "BOOK_MISSING"),                 "bank and HIS have it, the ledger lacks it",                   "look in quarantine, replay the event, else book it"),
        Code("SID-010", "仅银行有 长款",      "T→M", BANK,        5, ("LATE_MATCH", "ADJUST", "REFUND", "NOT_OURS"), "only the bank has it",                                        "wait for the second match, then 2091 and refund by the original route"),
        Code("SID-001", "仅HIS有",            "M",   INSTITUTION, 3, ("FILE_CORRECTED", "BOOK_MISSING"),             "only the HIS has it",                                         "the hospital reverses it or shows who paid"),
        Code("CUT-001", "跨日切",             "T",   PLATFORM,    0, ("LATE_MATCH",),                                "the sides date it on neighbouring days",                      "nothing: the other file has it"),
        Code("CUT-002", "隔日冲正/退款",      "T",   PLATFORM,    0, ("LATE_MATCH",),                                "the sides date an undo differently",                          "nothing: it settles on its own day"),
        Code("AMT-001", "金额不符",           "M",   BANK,        3, ("ADJUST", "CLAIM", "FILE_CORRECTED"),          "the ledger has more than the bank",                           "compare the slips; the difference to 1091"),
        Code("AMT-002", "金额不符",           "M",   BANK,        3, ("ADJUST", "REFUND", "FILE_CORRECTED"),         "the bank has more than the ledger",                           "compare the slips; the difference to 2091"),
        Code("AMT-003", "HIS金额不符",        "M",   INSTITUTION, 3, ("FILE_CORRECTED", "FORCE_MATCH"),              "the HIS has another amount",                                  "the hospital corrects its record"),
        Code("GRP-001", "汇总/拆分不符",      "M",   PLATFORM,    3, ("MANUAL_MATCH", "ADJUST", "FILE_CORRECTED"),   "a group's sum differs",                                       "show the members of the group, find the one that is missing"),
        Code("STA-001", "平台失败银行成功",   "A",   PLATFORM,    1, ("BOOK_MISSING", "REFUND"),                     "failed or unknown here, done at the bank",                    "complete it or give it back; the bank has the money"),
        Code("STA-002", "平台成功银行失败",   "M",   PLATFORM,    1, ("REVERSE", "CLAIM"),                           "done here, failed at the bank",                               "reverse it and tell the HIS"),
        Code("STA-003", "冲正不一致",         "M",   INSTITUTION, 2, ("REVERSE", "FILE_CORRECTED", "MANUAL_MATCH"),  "reversed or failed on one side only",                         "find which side has reversed and make the other follow"),
        Code("STA-004", "退款状态不符",       "T→M", BANK,        5, ("LATE_MATCH", "REFUND", "CLAIM"),              "a refund accepted here is not done there",                    "follow the refund to D+3"),
        Code("DIR-001", "方向不符",           "M",   BANK,        2, ("FILE_CORRECTED", "REVERSE", "ADJUST"),        "debit and credit swapped",                                    "find which side has it the wrong way round"),
        Code("IDN-001", "要素不符",           "M",   PLATFORM,    3, ("FORCE_MATCH", "FILE_CORRECTED", "CLAIM"),     "card, hospital or reference differs",                         "force-match with a reason, or split"),
        Code("IDN-002", "弱键匹配",           "A",   PLATFORM,    0, ("LATE_MATCH",),                                "matched on a weak key",                                       "nothing: listed, so that the reference gets mended"),
        Code("AMB-001", "多候选",             "M",   PLATFORM,    2, ("MANUAL_MATCH",),                              "more than one candidate",                                     "a person picks"),
        Code("DUP-001", "平台重复",           "A",   PLATFORM,    1, ("DUP_VOID", "REVERSE"),                        "twice in the ledger",                                         "keep the first, reverse the repeat"),
        Code("DUP-002", "银行重复",           "M",   BANK,        2, ("DUP_VOID", "REFUND", "FILE_CORRECTED"),       "twice at the bank",                                           "keep the first; a second debit goes back to the card"),
        Code("DUP-003", "HIS重复",            "M",   INSTITUTION, 2, ("DUP_VOID", "FILE_CORRECTED"),                 "twice in the HIS",                                            "keep the first, the hospital voids the repeat"),
        Code("FEE-001", "手续费不符",         "M",   PLATFORM,    3, ("ADJUST", "FORCE_MATCH"),                      "the fee differs",                                             "compute it again by the rule's version; fee.adjusted for the difference"),
        Code("FND-001", "划拨未达",           "T",   BANK,        1, ("LATE_MATCH", "CLAIM"),                        "transfer sent out and unanswered",                            "ask the bank for the result"),
        Code("FND-002", "划拨失败",           "M",   PAYER,       1, ("MANUAL_MATCH", "REFUND"),                     "transfer failed",                                             "correct the account and instruct again"),
        Code("FND-003", "退票",               "M",   PAYER,       1, ("MANUAL_MATCH", "REFUND"),                     "transfer returned",                                           "correct the account and pay again, or give it back"),
        Code("FND-004", "银行冲账",           "A",   BANK,        1, ("MANUAL_MATCH", "NOT_OURS"),                   "the bank's own negative entry",                               "ask why it took the payout back; it comes as a return, or is paid again"),
        Code("DEP-001", "预交金不符",         "M",   INSTITUTION, 2, ("FILE_CORRECTED", "MANUAL_MATCH", "ADJUST"),   "deposit balance differs from the HIS",                        "compare the stay, receipt by receipt"),
        Code("DEP-002", "预交金异常",         "M",   INSTITUTION, 3, ("REFUND", "MANUAL_MATCH"),                     "deposit below zero, or held long after discharge",            "settle the stay and give the rest back"),
        Code("NRC-001", "垫付不符",           "M",   PAYER,       5, ("MANUAL_MATCH", "CLAIM", "FILE_CORRECTED"),    "a payer's list has it otherwise: advanced is not reimbursed", "compare the claims, settlement by settlement"),
        Code("NRC-002", "核减",               "M",   INSTITUTION, 5, ("CLAIM", "WRITE_OFF"),                         "cut by the office",                                           "tell the hospital what was cut and why"),
        Code("LED-001", "借贷不平",           "X",   PLATFORM,    0, ("FILE_CORRECTED",),                            "the books do not balance",                                    "everything stops: clearing verify, call a person"),
    )
}
# fmt: on

_LEADING: Final = (
    "LED", "DUP", "CUT", "GRP", "AMB", "FND", "STA", "DIR", "NRC", "SID", "AMT", "IDN", "FEE", "DEP-002", "DEP",
    "TOT", "FIL",
)  # fmt: skip
STANDING: Final = ("FND-001", "FND-002", "FND-003", "DEP")
"""How codes begin that say what stands at a day's end, not what moved on it: they prove balances, not movements."""
UNPROVEN: Final = ("TOT", "FIL", "LED")
"""Those that say something of a whole file or of the books: they explain no difference."""


def in_order(codes: Iterable[str]) -> tuple[str, ...]:
    """Codes with the leading one first. CUT leads only where nothing but IDN-002 differs besides."""
    found = set(codes)
    cut_leads = all(code.startswith("CUT") or code == "IDN-002" for code in found)

    def rank(code: str) -> tuple[int, str]:
        late = code.startswith("CUT") and not cut_leads
        place = next(place for place, begun in enumerate(_LEADING) if code.startswith(begun))
        return (len(_LEADING) if late else place, code)

    return tuple(sorted(found, key=rank))


def first_state(code: str) -> str:
    """The state in which a break with this leading code begins."""
    if code.startswith("CUT") or code == "IDN-002":
        return AUTO_CLEARED
    return SUSPECT if CODES[code].break_class in ("T", "T→M") else OPEN
