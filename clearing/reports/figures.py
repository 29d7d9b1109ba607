"""What the books say of a day or month, summed by the store: the raw figures of day and month reports. 统计数据

Fen are positive where the name says what happened (received, paid back), signed for balances.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple


class Flow(NamedTuple):
    """Entries of one kind at one place over some days. 发生额"""

    institution: str
    bank: str
    """The card's bank."""
    app_area: str
    type: str
    """The event's."""
    entries: int
    late: int
    amount_fen: int
    """Sum of the events' own amounts."""
    received_fen: int
    """What institutions got, gross."""
    paid_fen: int
    """What institutions gave back, gross."""
    fee_fen: int
    """Fees charged, less those given back."""
    deposit_fen: int
    """Growth of deposits."""
    cards_fen: int
    """Credits of banks' positions less debits: of a payout, what went to the card."""


class Active(NamedTuple):
    """How many cards were used."""

    by: str
    """area, level, bank, app_area or all."""
    key: str
    cards: int


class Held(NamedTuple):
    """Deposits that a hospital holds for cards of one bank. 预交金余额"""

    institution: str
    bank: str
    """Of the card with which the stay began."""
    stays: int
    fen: int


class Layer(NamedTuple):
    """What an account moved on one day, fen, signed as booked."""

    account: str
    day: date
    fen: int


class Claim(NamedTuple):
    """A claim that a hospital advanced. 垫付"""

    payer: str
    institution: str
    kind: str
    fen: int
    discharged: date
    """Clearing date of its discharge."""
    settled: date | None
    """Clearing date of its settlement; None while it is open."""


class Returned(NamedTuple):
    """A payout that came back and waits at its payer. 退票"""

    payer: str
    state: str
    reason: str
    fen: int
    since: date


class Cards(NamedTuple):
    """How many cards one area and bank have in one state."""

    area: str
    bank: str
    state: str
    cards: int
