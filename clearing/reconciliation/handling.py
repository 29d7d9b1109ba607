"""Who takes up a break, by when, and how it usually ends, code by code; and what it comes to for whom. 差错分派"""

# ruff: noqa: E501 - one code a line is read, not wrapped

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

from clearing.errors import UsageError
from clearing.ledger import accounts
from clearing.ledger.accounts import account
from clearing.ledger.money import yuan
from clearing.reconciliation.life import Leg

PLATFORM: Final = "platform"
BANK: Final = "bank"
INSTITUTION: Final = "institution"
PAYER: Final = "payer"


class Handling(NamedTuple):
    """One row of the table."""

    code: str
    desk: str
    """Who takes it up: platform, bank, institution or payer 责任方."""
    sla_days: int
    """Working days after the day it was found until it is to be ended 处理时限."""
    ends: tuple[str, ...]
    """How it usually ends, the most usual first."""
    action: str
    """What to do first."""


# fmt: off
HANDLING: Final[dict[str, Handling]] = {
    row.code: row
    for row in (
        Handling("FIL-001", PLATFORM,    1, ("FILE_CORRECTED",),                                       "ask the partner for the file, then run the day again"),
        Handling("FIL-002", PLATFORM,    1, ("FILE_CORRECTED",),                                       "answer with the ACK, ask for a sound file under a new name"),
        Handling("FIL-003", PLATFORM,    1, ("FILE_CORRECTED", "NOT_OURS"),                            "find the missing number or the file it repeats"),
        Handling("FIL-004", PLATFORM,    2, ("FILE_CORRECTED", "NOT_OURS"),                            "send the bad lines back with their numbers"),
        Handling("TOT-001", BANK,        1, ("FILE_CORRECTED",),                                       "ask for the total again; the lines stand"),
        Handling("TOT-002", BANK,        1, ("FILE_CORRECTED", "CLAIM"),                               "stop transfers of that account, compare its balances"),
        Handling("SID-101", BANK,        5, ("LATE_MATCH", "CLAIM", "ADJUST", "REVERSE"),              "wait for the second match, then claim or reverse"),
        Handling("SID-100", PLATFORM,    5, ("LATE_MATCH", "REVERSE"),                                 "wait for the second match, then reverse under dual control"),
        Handling("SID-110", INSTITUTION, 1, ("LATE_MATCH", "MANUAL_MATCH", "REFUND"),                  "resend to the HIS; the patient has paid and comes first"),
        Handling("SID-011", PLATFORM,    1, ("LATE_MATCH", "BOOK_MISSING"),                            "look in quarantine, replay the event, else book it"),
        Handling("SID-010", BANK,        5, ("LATE_MATCH", "ADJUST", "REFUND", "NOT_OURS"),            "wait for the second match, then 2091 and refund by the original route"),
        Handling("SID-001", INSTITUTION, 3, ("FILE_CORRECTED", "BOOK_MISSING"),                        "the hospital reverses it or shows who paid"),
        Handling("CUT-001", PLATFORM,    0, ("LATE_MATCH",),                                           "nothing: the other file has it"),
        Handling("CUT-002", PLATFORM,    0, ("LATE_MATCH",),                                           "nothing: it settles on its own day"),
        Handling("AMT-001", BANK,        3, ("ADJUST", "CLAIM", "FILE_CORRECTED"),                     "compare the slips; the difference to 1091"),
        Handling("AMT-002", BANK,        3, ("ADJUST", "REFUND", "FILE_CORRECTED"),                    "compare the slips; the difference to 2091"),
        Handling("AMT-003", INSTITUTION, 3, ("FILE_CORRECTED", "FORCE_MATCH"),                         "the hospital corrects its record"),
        Handling("GRP-001", PLATFORM,    3, ("MANUAL_MATCH", "ADJUST", "FILE_CORRECTED"),              "show the members of the group, find the one that is missing"),
        Handling("STA-001", PLATFORM,    1, ("BOOK_MISSING", "REFUND"),                                "complete it or give it back; the bank has the money"),
        Handling("STA-002", PLATFORM,    1, ("REVERSE", "CLAIM"),                                      "reverse it and tell the HIS"),
        Handling("STA-003", INSTITUTION, 2, ("REVERSE", "FILE_CORRECTED", "MANUAL_MATCH"),             "find which side has reversed and make the other follow"),
        Handling("STA-004", BANK,        5, ("LATE_MATCH", "REFUND", "CLAIM"),                         "follow the refund to D+3"),
        Handling("DIR-001", BANK,        2, ("FILE_CORRECTED", "REVERSE", "ADJUST"),                   "find which side has it the wrong way round"),
        Handling("IDN-001", PLATFORM,    3, ("FORCE_MATCH", "FILE_CORRECTED", "CLAIM"),                "force-match with a reason, or split"),
        Handling("IDN-002", PLATFORM,    0, ("LATE_MATCH",),                                           "nothing: listed, so that the reference gets mended"),
        Handling("AMB-001", PLATFORM,    2, ("MANUAL_MATCH",),                                         "a person picks"),
        Handling("DUP-001", PLATFORM,    1, ("DUP_VOID", "REVERSE"),                                   "keep the first, reverse the repeat"),
        Handling("DUP-002", BANK,        2, ("DUP_VOID", "REFUND", "FILE_CORRECTED"),                  "keep the first; a second debit goes back to the card"),
        Handling("DUP-003", INSTITUTION, 2, ("DUP_VOID", "FILE_CORRECTED"),                            "keep the first, the hospital voids the repeat"),
        Handling("FEE-001", PLATFORM,    3, ("ADJUST", "FORCE_MATCH"),                                 "compute it again by the rule's version; fee.adjusted for the difference"),
        Handling("FND-001", BANK,        1, ("LATE_MATCH", "CLAIM"),                                   "ask the bank for the result"),
        Handling("FND-002", PAYER,       1, ("MANUAL_MATCH", "REFUND"),                                "correct the account and instruct again"),
        Handling("FND-003", PAYER,       1, ("MANUAL_MATCH", "REFUND"),                                "correct the account and pay again, or give it back"),
        Handling("FND-004", BANK,        1, ("MANUAL_MATCH", "NOT_OURS"),                              "nothing: the bank's own negative entry"),
        Handling("DEP-001", INSTITUTION, 2, ("FILE_CORRECTED", "MANUAL_MATCH", "ADJUST"),              "compare the stay, receipt by receipt"),
        Handling("DEP-002", INSTITUTION, 3, ("REFUND", "MANUAL_MATCH"),                                "settle the stay and give the rest back"),
        Handling("NRC-001", PAYER,       5, ("MANUAL_MATCH", "CLAIM", "FILE_CORRECTED"),               "compare the claims, settlement by settlement"),
        Handling("NRC-002", INSTITUTION, 5, ("CLAIM", "WRITE_OFF"),                                    "tell the hospital what was cut and why"),
        Handling("LED-001", PLATFORM,    0, ("FILE_CORRECTED",),                                       "everything stops: clearing verify, call a person"),
    )
}
# fmt: on


def side_label(differences: Iterable[tuple[str, int]], banks: Collection[str]) -> str:
    """长款 or 短款 with the side named: more money there than in our books is 长款. 长短款

    In:      (partner, ledger minus partner) in fen; which of the partners are banks, networks or channels.
    Out:     of the bank where it differs, else of the institution; empty where nothing differs.
    """
    for partner, fen in sorted(differences, key=lambda pair: (pair[0] not in banks, pair[0])):
        if fen:
            side = f"银行 {partner}" if partner in banks else f"HIS {partner}"
            return f"{side} {'短款' if fen > 0 else '长款'} {yuan(abs(fen))}"
    return ""


_POSITION: Final = {"bank": accounts.BANK, "channel": accounts.CHANNEL}


def shelving(
    break_id: str, *, bank: str, kind: str | None, institution: str, bank_fen: int
) -> tuple[Leg, ...]:
    """The legs that move what a bank has too much or too little of to 2091 or 1091. 挂账

    In:      the bank, network or channel and its kind; the institution for whose account it is; ledger minus
             bank in fen.
    Out:     two legs; through a card network 1050 against 2019, which stand only against each other.
    Raises:  UsageError when nothing differs with a bank, or nobody is named for whom it could be held.
    Source:  contract "What each event posts", correction.approved.
    """
    if not bank_fen or not bank or not institution:
        what = (
            "a difference with a bank" if not bank_fen or not bank else "an institution for whom it is held"
        )
        raise UsageError(
            f"break {break_id}: expected {what}, got none, so its legs cannot be derived. "
            "Next: --leg ACCOUNT:SIDE:AMOUNT for each line"
        )
    amount_fen = abs(bank_fen)
    if kind == "network":
        position, item = account(accounts.NETWORK_CLEARED, bank), account(accounts.NETWORK_PAID, institution)
    else:
        position = account(_POSITION.get(kind or "", accounts.BANK), bank)
        item = account(accounts.SHORTAGE if bank_fen > 0 else accounts.OVERAGE, institution)
    debit, credit = (item, position) if bank_fen > 0 else (position, item)
    return (Leg(debit, "D", amount_fen), Leg(credit, "C", amount_fen))
