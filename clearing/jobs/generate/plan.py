"""What a generated day looks like: one table of shares. 生成方案"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

BREAK_KINDS: Final = (
    "SID-101", "SID-110", "SID-011", "SID-010", "AMT-001", "AMT-003",
    "STA-001", "STA-002", "DUP-003", "CUT-001", "SID-001", "AMT-002",
    "DIR-001", "DUP-002", "IDN-001", "SID-100", "NEXT-DAY", "STA-003", "IDN-002", "AMB-001",
    "CUT-002", "GRP-001", "STA-004", "NEXT-DAY-UNDO", "FEE-001", "DUP-001",
)  # fmt: skip
"""What can be planted among a day's lines, in the order in which it is: the first twelve make a good demo.

NEXT-DAY is a payment of the late evening that the bank has under tomorrow's date: SID-101 today, cleared as
CUT-001 by tomorrow's run; NEXT-DAY-UNDO is a refund so dated, cleared as CUT-002. All others are named by the
code they must be found under.
"""
FILE_KINDS: Final = ("TOT-001", "TOT-002", "FIL-001", "FIL-002", "FIL-003")
"""What can be wrong with a partner's whole file: the totals or balance of a statement; an export that is missing,
not sound, or numbered so that one before it is missing. The day cannot be reconciled until they are mended."""
NEXT_DAY: Final = {"NEXT-DAY": "CUT-001", "NEXT-DAY-UNDO": "CUT-002"}
"""What the next day's run makes of a kind that is SID-101 at first."""
NOT_PLANTED: Final = {
    "LED-001": "no event can unbalance the books: only damage to the database can, as `verify`'s tests do it",
}
"""Codes of the table that no generated day has, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The shares of a day, each a number from 0 to 1 unless it says otherwise. 生成方案

    Source:  Published national figures of 2023 and 2024 where there are any: 6.8 visits a head and year, 361
             yuan an outpatient visit and 9 870 yuan a stay, 214 admissions per 1 000 people and year, 2.4
             scheme payments a head and year. From them a city of 11 million: 209 000 visits, 459 000 card
             payments, 6 570 admissions, 46 400 reimbursements a day. What nobody publishes is assumed: 2.2
             payments a visit, 2.5 deposits a stay, refunds 3 %, voids 0.5 %, time-outs 0.05 %, returned
             payouts 0.3 %, one bank with 60 % of the cards, counters that peak at 09:00.
    Differs: The books begin empty, so every card that is used is registered on the day itself (a fifth of all
             events, where a running city has a hundredth), and stays are short enough to end that day.
    """

    # -- what begins, by weight: thousands a day in the city above
    visit: float = 170
    """Visits to hospitals and clinics, with 2.2 payments."""
    pharmacy: float = 85
    """Purchases at a pharmacy."""
    stay: float = 6.57
    """Admissions, with 2.5 deposits and most of them with their discharge."""
    reimbursement: float = 37
    """Reimbursements one by one."""
    batch: float = 0.47
    """Batches of twenty reimbursements under one header."""
    top_up: float = 9
    """Top-ups, half of them by channel."""
    premium: float = 4
    """Yearly premiums of a family."""

    year_end_rows: int = 0
    """Rows of the fund's second compensation, sent under one header in the morning of the last day of its year."""

    spare_terminal: float = 0.3
    """Terminals that are locked, lost, recalled, scrapped or get another security module."""

    later: bool = False
    """Not the first day of these books: the institutions' terminals are registered already."""

    # -- cards and ways
    registered: int = 0
    """Cards registered before the day: people come with one of these, and only a few are new."""
    cards: float = 0.20
    """Card events among all events."""
    cards_before_seven: float = 0.6
    """Of these, how many come before the counters open."""
    late_card_news: float = 0.005
    """Cards whose platform registration arrives late, so that what they pay waits."""
    lead_bank: float = 0.6
    """Cards of the first issuing bank."""
    by_channel: float = 0.08
    """Payments by a payment channel."""
    by_network: float = 0.03
    """Payments through a card network."""

    # -- what becomes of payments
    refunded: float = 0.03
    voided: float = 0.005
    reversed: float = 0.001
    timed_out: float = 0.0005
    """Half of them confirmed, half reversed; half of each had been debited."""
    undo_first: float = 0.05
    """Voids that arrive before the payment they undo, which they wait for."""
    reversed_first: float = 0.0003
    """Payments that arrive after their own reversal and are refused."""
    duplicate: float = 0.001
    """Records sent twice, of all events."""
    refused: float = 0.001
    """Events refused by a rule, of all payments."""

    # -- schemes
    returned: float = 0.003
    """Paid reimbursements that come back."""
    payout_rejected: float = 0.003
    unanswered: float = 0.03
    """Reimbursements without the bank's answer on the day."""
    corrections: float = 0.0002
    """Pairs of corrections, of all events."""

    payout_sent: float = 0.3
    """Payouts that the bank first says it has received."""
    withdrawn: float = 0.002
    """Payouts that the payer takes back before the bank has answered."""
    recalled: float = 0.001
    """Paid reimbursements that the payer asks the bank to return, which it then does."""
    held: float = 0.004
    """Reimbursements to a card that is not yet activated, which wait for that."""
    cross_region: float = 0.05
    """Reimbursements of people insured in another area."""
    premium_refunded: float = 0.02
    fee_adjusted: float = 0.001
    """Fees of pharmacies' payments that two people correct by a few fen."""

    # -- the partners' side
    breaks: float | int = 0.005
    """Planted breaks: a whole number is a count, a fraction the share of payments."""
    break_kinds: tuple[str, ...] = BREAK_KINDS
    """Planted in turn."""
    file_kinds: tuple[str, ...] = ()
    """Of FILE_KINDS: each spoils one partner's file."""
    lists: bool = False
    """Whether payers' lists and lists of deposits are written, and some transfers do not arrive."""
    taken_back: float = 0.0
    """Paid reimbursements that the bank takes back by itself, without a word."""
    left_open: float = 0.0
    """Payouts that came back and with which nothing is done on the day."""

    level_weights: Mapping[str, float] = field(
        default_factory=lambda: MappingProxyType(
            {
                "NATIONAL": 8.5,
                "PROVINCE": 8.5,
                "CITY": 7.5,
                "COUNTY": 7.0,
                "COMMUNITY": 6.5,
                "TOWNSHIP": 6.5,
                "VILLAGE": 5.5,
            }
        )
    )
    """How many visits a hospital has beside the others, by its level."""


def with_breaks(plan: Plan, breaks: float | None, *, wrong_files: bool) -> Plan:
    """The plan of a day with another measure of planted breaks, and with wrong files or without. 预埋差错

    In:      `breaks`: from 1 on a count, below it a share of payments; None leaves the plan's.
    """
    measure = plan.breaks if breaks is None else int(breaks) if breaks >= 1 else breaks
    return replace(plan, breaks=measure, file_kinds=FILE_KINDS if wrong_files else plan.file_kinds)


def with_lists(plan: Plan) -> Plan:
    """The plan of a day with lists, and with transfers that do not arrive. 清单日"""
    return replace(
        plan,
        lists=True,
        stay=plan.stay * 4,
        payout_sent=0.75,
        unanswered=0.1,
        payout_rejected=0.05,
        returned=0.05,
        taken_back=0.03,
        left_open=0.5,
    )


HOURS: Final = (2.0, 12.0, 16.0, 13.0, 7.5, 3.5, 6.0, 10.0, 10.5, 7.5, 4.5, 2.5, 2.0, 1.5, 1.0, 0.5)
"""What begins in each hour from 07:00, per cent: the peak hour is 16 % of the day."""
EARLIEST: Final = 5 * 3600
"""Second of the day at which terminals are switched on and the first cards registered."""
OPENING: Final = 7 * 3600
"""When the counters open."""
CLAIMS_AT: Final = 20 * 3600
"""When the offices pay hospitals for claims."""
LATEST: Final = 22 * 3600 + 57 * 60
"""The last second at which anything happens."""


def begun_by(second: int) -> float:
    """The part of a day's beginnings that lie before a second of the day, 0 to 1."""
    hour, rest = divmod(max(second - OPENING, 0), 3600)
    done = sum(HOURS[:hour]) + (HOURS[hour] * rest / 3600 if hour < len(HOURS) else 0.0)
    return done / sum(HOURS)
