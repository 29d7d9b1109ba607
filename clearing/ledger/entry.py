"""Entries and postings: one balanced set and one line of it. 记账凭证与分录

An entry balances to the fen inside money and inside memo, or it cannot be made. It is a value: made once,
never changed, and what it carries besides postings are the dimensions that files, reports and reconciliation
read, so that none of them has to open the event again.
"""

from __future__ import annotations

import functools
import hashlib
from datetime import date, datetime
from enum import StrEnum
from typing import Final, NamedTuple

from clearing.errors import InvariantViolated
from clearing.ledger.money import yuan
from clearing.ledger.value import value

_SM3: Final = hashlib.new("sm3")
"""Never updated, only copied: looking the algorithm up costs more than hashing a name."""


class Leg(StrEnum):
    """Why a posting stands in its entry; one letter, stored beside it."""

    GROSS = "G"
    """The event's own money between two parties."""
    SETTLED = "S"
    """Immediate mode: the bank has credited the institution in the same transaction."""
    FEE = "F"
    """The transaction fee, or giving it back."""
    MEMO = "M"
    """Tracked, never settled."""


class Posting(NamedTuple):
    """One line of an entry."""

    account: str
    fen: int
    """Debit positive, credit negative, never zero."""
    leg: Leg = Leg.GROSS


class Status(StrEnum):
    """What a file line says of its own event; it never changes later."""

    SUCCESS = "SUCC"
    VOIDED = "VOID"
    REFUNDED = "REFD"
    REVERSED = "REVD"
    HELD = "HELD"


@value
class Entry:
    """One balanced set of postings and where it came from. Text that does not apply is empty."""

    id: str
    """32 hex digits: the clearing date (8 digits), then 24 of SM3 over `platform/source/id`."""
    clearing_date: date
    type: str
    """The event's type, or `day.roll_up`, `day.net`."""
    source: str
    event_id: str
    postings: tuple[Posting, ...]
    occurred_at: datetime
    """The event's time, UTC."""
    late: bool = False
    """Whether its clearing date is later than `date_of(occurred_at)`."""
    amount_fen: int = 0
    """The event's own amount, positive; 0 for memo-only events without one."""
    status: Status = Status.SUCCESS
    institution: str = ""
    """The event's institution, also when another one settles for it."""
    bank: str = ""
    """The card's issuing bank."""
    payer: str = ""
    """Fund or insurer of a reimbursement, premium or claim."""
    route: str = ""
    """DIRECT, UNIONPAY, CHANNEL; empty where no route applies."""
    partner: str = ""
    """Whose `bank_ref` it is: bank, network or channel."""
    bank_ref: str = ""
    bank_date: date | None = None
    order_no: str = ""
    receipt_no: str = ""
    admission_no: str = ""
    terminal: str = ""
    access: str = ""
    card: str = ""
    """The card's own token, aliases resolved."""
    card_last4: str = ""
    app_area: str = ""
    original_id: str = ""
    """Entry id of what an undo undoes."""
    original_date: date | None = None
    text: str = ""
    """Free text of a correction; a reason code of a return."""

    def __post_init__(self) -> None:
        money = memo = 0
        for account, fen, _ in self.postings:
            if account[0] == "9":  # `accounts.is_memo`, said here: this runs for every entry there is
                memo += fen
            else:
                money += fen
        if money or memo or not self.postings:
            group, rest = ("money", money) if money else ("memo", memo)
            raise InvariantViolated(
                f"entry {self.source}/{self.event_id}: {group} is out of balance by {yuan(abs(rest))} "
                f"({'debits' if rest > 0 else 'credits'} more, {len(self.postings)} postings). Nothing was posted."
            )


def entry_id(clearing_date: date, name: str) -> str:
    """The public id of an entry: its date as 8 digits, then 24 hex digits of SM3 over its name.

    In:      `platform/source/id` of the event, or the name of an end-of-day entry.
    Out:     32 hex digits, the same wherever and however often the books are made.
    """
    sm3 = _SM3.copy()
    sm3.update(name.encode())
    return _digits(clearing_date) + sm3.hexdigest()[:24]


@functools.lru_cache(maxsize=64)
def _digits(day: date) -> str:
    return f"{day.year:04d}{day.month:02d}{day.day:02d}"


def mirrored(postings: tuple[Posting, ...]) -> tuple[Posting, ...]:
    """The same postings with the other sign."""
    return tuple(Posting(account, -fen, leg) for account, fen, leg in postings)
