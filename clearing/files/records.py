"""What a line of each file type says: the record models that columns show. 记录

A layout's columns name fields of these models; which columns a partner gets, in which order and how they are
written, is the layout's. Text that does not apply is empty, a date that does not apply is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final, Literal, NamedTuple

from clearing.files.records_between import (
    BadLine,
    CardLine,
    PayLine,
    ResultLine,
    ReturnLine,
    TerminalLine,
    VerdictLine,
)

__all__ = [
    "CARRIED",
    "MODELS",
    "BadLine",
    "CardLine",
    "Carried",
    "ClaimLine",
    "ClaimSum",
    "DepLine",
    "ErrLine",
    "InstructionLine",
    "PayLine",
    "ResultLine",
    "ReturnLine",
    "SumLine",
    "TerminalLine",
    "TxnLine",
    "UseLine",
    "VerdictLine",
]


class TxnLine(NamedTuple):
    """TXN, D: one entry on one position account, as its member sees it. 清算明细"""

    entry_id: str
    event_type: str
    direction: str
    """R: the receiver gets it, P: it pays."""
    amount_fen: int
    """Never negative."""
    status: str
    bank_ref: str
    order_no: str
    original_entry_id: str
    original_clearing_date: date | None
    event_time: datetime
    partner_date: date | None
    bank: str
    institution: str
    terminal: str
    route: str
    settle_mode: str
    """N: in the day's net, I: settled by the bank at once."""
    card: str
    card_last4: str
    fee_fen: int
    """Positive borne, negative given back."""
    settle_fen: int
    """What the line adds to what the receiver gets by the day's settlement, positive gets."""
    app_area: str
    late: bool
    account: str
    remark: str


class SumLine(NamedTuple):
    """SUM, S: all lines of one event type, institution, bank and route. 清算汇总"""

    event_type: str
    institution: str
    bank: str
    route: str
    lines: int
    in_fen: int
    out_fen: int
    fee_fen: int
    net_fen: int


class InstructionLine(NamedTuple):
    """SUM, N: one instruction of the day that concerns the receiver. 清算指令"""

    instruction_id: str
    kind: str
    payer: str
    payer_account: str
    payee: str
    payee_account: str
    amount_fen: int
    value_date: date


class ErrLine(NamedTuple):
    """ERR, D: what needs a look: a late item, a correction, an item that is held. 差错与挂账"""

    entry_id: str
    kind: str
    """CORR: a correction or a fee difference. ITEM: the account is an item account. LATE: of an earlier day."""
    event_type: str
    direction: str
    """R: the account's owner gets it, or it is held for it. P: the other way."""
    amount_fen: int
    settle_fen: int
    """What it adds to the day's settlement; 0 for an item, which is held."""
    account: str
    status: str
    original_entry_id: str
    original_clearing_date: date | None
    event_time: datetime
    partner_date: date | None
    bank: str
    institution: str
    bank_ref: str
    order_no: str
    card: str
    card_last4: str
    late: bool
    remark: str


class DepLine(NamedTuple):
    """DEP, D: one stay's deposit: opening + paid - refunded - used + transferred = closing. 预交金"""

    institution: str
    admission_no: str
    opening_fen: int
    paid_fen: int
    """Undone deposits taken off."""
    refunded_fen: int
    used_fen: int
    """Taken by settlements, cancelled ones taken off."""
    transferred_fen: int
    """Positive came from another stay."""
    closing_fen: int


class ClaimSum(NamedTuple):
    """NRC, S: all lines of one event type, account code and institution. 报销与垫付汇总"""

    event_type: str
    account_code: str
    institution: str
    lines: int
    in_fen: int
    out_fen: int
    net_fen: int


class ClaimLine(NamedTuple):
    """NRC, D: one entry on one account of the payer's payouts, claims and retention. 报销与垫付明细"""

    entry_id: str
    event_type: str
    account: str
    direction: str
    """R: credit, P: debit of the account."""
    amount_fen: int
    status: str
    original_entry_id: str
    original_clearing_date: date | None
    event_time: datetime
    partner_date: date | None
    bank: str
    institution: str
    bank_ref: str
    admission_no: str
    card: str
    card_last4: str
    late: bool
    remark: str


class UseLine(NamedTuple):
    """SWP, D: one use of a card at an institution. 用卡明细"""

    use_no: int
    """Its number among the date's uses, from 1 without gaps: by it uses are asked for again."""
    source: str
    event_id: str
    event_type: str
    outcome: str
    """posted, noted or rejected; of a rejected one the bank has a reference, so the card was used."""
    reason: str
    entry_id: str
    card: str
    card_last4: str
    institution: str
    terminal: str
    access: str
    app_area: str
    direction: str
    """DEBIT or CREDIT of the card."""
    amount_fen: int
    event_time: datetime


MODELS: Final[Mapping[tuple[str, str], type[Any]]] = {
    ("TXN", "D"): TxnLine,
    ("SUM", "S"): SumLine,
    ("SUM", "N"): InstructionLine,
    ("ERR", "D"): ErrLine,
    ("DEP", "D"): DepLine,
    ("NRC", "S"): ClaimSum,
    ("NRC", "D"): ClaimLine,
    ("SWP", "D"): UseLine,
    ("PAY", "D"): PayLine,
    ("PYR", "D"): ResultLine,
    ("RTN", "D"): ReturnLine,
    ("ACK", "A"): VerdictLine,
    ("ACK", "E"): BadLine,
    ("REG", "C"): CardLine,
    ("REG", "M"): TerminalLine,
}
"""(file type, tag) → the record model that its columns show."""


class Carried(NamedTuple):
    """What the lines of a kind add to their file's totals."""

    key: str = ""
    """The field whose ids make the hash total; empty: none."""
    amount: str = ""
    """The field of the amounts; empty: none."""
    way: Literal["in", "out", "direction", ""] = ""
    """Whether those amounts are what the receiver gets or what it pays; direction: as the line says."""


CARRIED: Final[Mapping[type[Any], Carried]] = {
    InstructionLine: Carried("instruction_id", "amount_fen"),
    ErrLine: Carried("entry_id", "amount_fen", "direction"),
    DepLine: Carried("admission_no", "closing_fen"),
    ClaimSum: Carried(),
    ClaimLine: Carried("entry_id", "amount_fen", "direction"),
    UseLine: Carried("entry_id", "amount_fen", "direction"),
    PayLine: Carried("pay_id", "amount_fen", "out"),
    ResultLine: Carried("pay_id", "amount_fen", "out"),
    ReturnLine: Carried("pay_id", "amount_fen", "in"),
    VerdictLine: Carried("sha256"),
    BadLine: Carried(),
    CardLine: Carried("token"),
    TerminalLine: Carried("terminal"),
}
"""For the models whose lines only carry an id and an amount; those of TXN and SUM have sums of their own."""
