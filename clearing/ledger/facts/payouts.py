"""What is known of payouts and their batches. 代付"""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple

from clearing.ledger.value import value


class Attempt(NamedTuple):
    """One try to pay a payout, with what the bank said of it."""

    number: int
    card: str
    bank: str
    at: datetime
    result: str = ""
    """PAID or REJECTED, empty while unanswered."""
    result_ref: str = ""
    result_date: date | None = None
    reason_code: str = ""
    return_ref: str = ""
    return_date: date | None = None


@value
class Payout:
    """A reimbursement on its way to a card account. 代付"""

    source: str
    id: str
    state: str
    """HELD, ACCEPTED, SENT, PAID, REJECTED, RETURNED, GIVEN_BACK or WITHDRAWN."""
    payer: str
    settlement_id: str
    kind: str
    amount_fen: int
    card: str
    """Where the present attempt goes."""
    bank: str
    root: str
    """Root of that card, for account-class limits."""
    attempt: int = 1
    attempts: tuple[Attempt, ...] = ()
    batch_id: str = ""
    row_no: int | None = None
    treat_area: str = ""
    insured_area: str = ""
    last_date: date


class LivePayout(NamedTuple):
    """One payout that counts towards its card's account-class limits."""

    source: str
    id: str
    at: datetime
    """Time of its last attempt."""
    amount_fen: int


@value
class PayoutBatch:
    """A payer's batch of payouts under one control total."""

    payer: str
    batch_id: str
    kind: str
    rows: int
    total_fen: int
    digest: str
    state: str = "OPEN"
    """OPEN, then RELEASED when count, total and digest fit."""
    counted: tuple[tuple[int, str, int, bool], ...] = ()
    """(row_no, event id, fen, accepted) of rows that count, in order of arrival."""
    counted_fen: int = 0
    """Σ of these: with the sums at hand a row costs the same in a batch of twenty thousand."""
    accepted_fen: int = 0
    """Σ of those accepted."""
    accepted_nos: tuple[int, ...] = ()
    """Row numbers of those accepted."""
    last_date: date
