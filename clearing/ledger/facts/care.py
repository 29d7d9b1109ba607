"""What is known of stays, claims, premiums, and of numbers that are used up. 住院与结算"""

from __future__ import annotations

from datetime import date, datetime

from clearing.ledger.value import value


@value
class Stay:
    """One admission of one hospital, with the deposit it holds. 住院"""

    institution: str
    admission_no: str
    card: str
    state: str = "OPEN"
    """OPEN, DISCHARGED or CANCELLED."""
    admitted_at: datetime
    discharged_at: datetime | None = None
    deposit_fen: int = 0
    arrears_fen: int = 0
    cards: tuple[str, ...] = ()
    """Cards that have paid deposits of it, undone ones too."""
    routes: tuple[str, ...] = ()
    """Routes by which it was paid, `DIRECT` or `UNIONPAY/<network>`."""
    settlements: tuple[tuple[str, str], ...] = ()
    """(source, id) of the discharges that stand, oldest first."""
    last_date: date


@value
class Settlement:
    """All that is known of (payer, settlement_id): the claim a hospital advanced, and live payouts."""

    payer: str
    settlement_id: str
    institution: str = ""
    kind: str = ""
    advanced_fen: int = 0
    """What the hospital advanced; 0 where there is no live advanced claim."""
    treat_area: str = ""
    insured_area: str = ""
    settled: bool = False
    discharge: tuple[str, ...] = ()
    """(source, id) of the discharge that brought the claim."""
    live: tuple[tuple[str, str, str], ...] = ()
    """(kind, source, id) of payouts that are live."""
    paid: bool = False
    """Whether a payout for it was ever PAID."""
    last_date: date


@value
class Retention:
    """What a payer keeps of a hospital's claims until the year-end check. 保证金"""

    payer: str
    institution: str
    year: str
    retained_fen: int
    last_date: date


@value
class AreaPair:
    """What the insured area's fund owes the treat area's. 异地往来"""

    treat_area: str
    insured_area: str
    open_fen: int
    last_date: date


@value
class Premium:
    """One person's premium of one year and fund. 参合缴费"""

    payer: str
    scheme_year: str
    person: str
    source: str
    """Of the premium.paid that holds it; empty once refunded."""
    id: str
    amount_fen: int


@value
class OrderNo:
    """An order number of an institution and who has taken it; `source` is empty when it is free again."""

    institution: str
    order_no: str
    source: str
    id: str


@value
class BankRef:
    """A reference of a partner, used up by one event."""

    partner: str
    bank_date: date
    bank_ref: str
    source: str
    id: str


@value
class Instruction:
    """An inter-bank or in-bank instruction of a closed day. 清算指令"""

    id: str
    clearing_date: date
    kind: str
    """INTER_BANK, IN_BANK or CARRY."""
    debtor: str
    """Inter-bank: the paying bank; in-bank: the bank itself."""
    creditor: str
    """Inter-bank: the receiving bank; in-bank: the account of the books it settles."""
    amount_fen: int
    state: str
    """WAITING, CONFIRMED, FAILED or REPLACED."""
    value_date: date
    """The working day on which it is to be settled."""
    replaces: str = ""
