"""What a line says of the files between us and a partner: orders, answers, verdicts, snapshots. 往来记录

As in `records`, where the table of all models stands: text that does not apply is empty, a date is None.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple


class PayLine(NamedTuple):
    """PAY, D: one payout or settlement that the bank is to make. 代付指令"""

    pay_id: str
    """Payout id and attempt (`F1/F1-0049/1`), or the instruction's id."""
    payer_account: str
    payee_bank: str
    """CNAPS code, 12 digits."""
    payee_account: str
    """Card token, or what the payer sealed for the bank."""
    payee_name: str
    """Sealed; may be empty."""
    corporate: bool
    """Whether the payee is a body, not a person. 对公"""
    amount_fen: int
    purpose: str
    value_date: date
    urgent: bool


class ResultLine(NamedTuple):
    """PYR, D: what became of one line of a PAY file, which it repeats. 回盘"""

    pay_id: str
    payer_account: str
    payee_bank: str
    payee_account: str
    payee_name: str
    corporate: bool
    amount_fen: int
    purpose: str
    value_date: date
    urgent: bool
    result: str
    """S: paid. F: not paid, for good. U: the bank does not know yet; it is asked again, never sent again."""
    bank_ref: str
    bank_date: date | None
    reason_code: str
    reason: str


class ReturnLine(NamedTuple):
    """RTN, D: one payout that had been paid and came back. 退票"""

    pay_id: str
    bank_ref: str
    """Of the payment that came back."""
    return_ref: str
    return_date: date
    amount_fen: int
    reason_code: str
    reason: str
    fee_returned: bool


class VerdictLine(NamedTuple):
    """ACK, A: what is said of one file that was received. 回执"""

    file: str
    """Its name as it came."""
    bytes: int
    sha256: str
    verdict: str
    """ACPT: all taken. PART: its good lines. RJCT: nothing."""
    records: int
    """Detail lines that it has."""
    taken: int


class BadLine(NamedTuple):
    """ACK, E: one fault of that file."""

    at_line: int
    """From 1; 0: the file as a whole."""
    at_field: int
    """From 1; 0: the line as a whole."""
    column: str
    code: str
    expected: str
    got: str


class CardLine(NamedTuple):
    """REG, C: one card as the sender has it. 卡册"""

    token: str
    """The card's own token, or any other number of it."""
    bank: str
    state: str
    area: str
    """6 digits; empty: not compared."""
    registrations: str
    """Some of BANK PLATFORM HOSPITAL with spaces between; empty: not compared."""


class TerminalLine(NamedTuple):
    """REG, M: one terminal as the sender has it. 终端册"""

    terminal: str
    sam: str
    institution: str
    state: str
