"""What each side says of one movement of money: one row a side. 三方明细

Ledger rows count 1010, 1040 and 1050 gross, as the card's bank or the network sees them, and the payable of
the institution, as the hospital sees it. A row's worth is signed: money taken from a card is positive.
Every row is a frozen value that pydantic can write as JSON and read back, so that open ones can be kept.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date, datetime, time
from typing import Final, Literal, TypeAlias

UNDO_TYPES: Final = ("voided", "refunded", "reversed", "cancelled")
WITHOUT_HIS: Final = ("topup.", "premium.", "payout.")
BANK_UNDO: Final = frozenset({"VOID", "REVERSAL", "REFUND"})
SIGN: Final = {"D": 1, "R": 1, "C": -1, "P": -1}

LedgerStatus: TypeAlias = Literal["SUCC", "FAIL", "REVD", "UNKNOWN"]
PartnerStatus: TypeAlias = Literal["SUCC", "FAIL", "REVD"]

TRADE: Final = {
    "payment.made": "OPD",
    "payment.timed_out": "OPD",
    "payment.confirmed": "OPD",
    "arrears.paid": "ARREARS",
    "deposit.paid": "DEP",
    "discharge.settled": "DISCHARGE",
}
"""What a hospital's export calls an event; every undo is a REFUND."""

ON_A_LIST: Final = {
    "reimbursement.submitted": "PAYOUT",
    "payout.given_back": "BACK",
    "reimbursement.withdrawn": "BACK",
    "claim.settled": "CLAIM",
    "retention.released": "RETENTION",
    "crossregion.settled": "AREA",
}
"""What a fund's or insurer's list of payments calls an event. 基金清单"""
LIST_TYPES: Final = tuple(dict.fromkeys(ON_A_LIST.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """Our side of one movement with one partner. Text that does not apply is empty. 平台行"""

    partner: str
    """Whose statement lists it: bank, card network or channel; empty where only a payer's list has it."""
    institution: str = ""
    """Whose export lists it; empty for top-ups, premiums and payouts. The payer for a row of its own list."""
    source: str
    event_id: str
    type: str
    """The event's type."""
    entry_id: str = ""
    """Empty for what made no entry: rejected, noted, open without a debit."""
    also: tuple[str, ...] = ()
    """Other entry ids under which a partner may know it: the confirmation's of a time-out of the same day."""
    bank: str = ""
    """The card's issuing bank."""
    bank_ref: str = ""
    bank_date: date | None = None
    clearing_date: date
    occurred_at: datetime | None = None
    direction: Literal["D", "C"]
    """D: the card was debited, C: credited."""
    amount_fen: int
    status: LedgerStatus = "SUCC"
    bank_fen: int = 0
    """Signed worth with `partner` on `clearing_date`."""
    institution_fen: int = 0
    """Signed worth with `institution` on `clearing_date`."""
    noted: bool = False
    """A top-up that moves nothing between members: the partner's rows it matches are nil."""
    order_no: str = ""
    receipt_no: str = ""
    admission_no: str = ""
    card: str = ""
    fee_fen: int | None = None
    """The entry's transaction fee, unsigned; None where it has none."""
    original_id: str = ""
    """Entry id of what an undo undoes, or of the time-out that a confirmation confirms."""
    original_bank_ref: str = ""
    original_keys: tuple[str, ...] = ()
    """Order, receipt and admission numbers of the original."""
    claimed_fen: int | None = None
    """Of a claim that a payer settles: what the hospital had advanced."""
    deducted_fen: int | None = None
    """Of that, what the office has cut."""

    @property
    def undo(self) -> bool:
        """Whether it takes something back."""
        return self.type.endswith(UNDO_TYPES)

    @property
    def trade_type(self) -> str:
        """What an export calls it."""
        if self.undo:
            return "REFUND"
        trade = TRADE.get(self.type) or ON_A_LIST.get(self.type, "")
        return "DEP" if trade == "OPD" and self.admission_no else trade

    @property
    def group(self) -> str:
        """Ledger rows are never grouped."""
        return ""

    @property
    def day(self) -> date:
        """The date that a partner's date is held against."""
        return self.bank_date or self.clearing_date


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementRow:
    """One line of a bank's, network's or channel's statement. 银行行"""

    partner: str
    bank_ref: str = ""
    platform_ref: str = ""
    """Our entry id, where the bank kept it."""
    bank_date: date
    bank_time: time | None = None
    type: str = "PAY"
    direction: Literal["D", "C"]
    amount_fen: int
    status: PartnerStatus = "SUCC"
    card: str = ""
    original_bank_ref: str = ""
    institution: str = ""
    fee_fen: int | None = None
    group: str = ""
    """Rows of one group stand for one movement together."""
    clearing_date: date
    """The day it belongs to by its own date and time."""
    file: str = ""
    line: int = 0

    @property
    def undo(self) -> bool:
        """Whether it takes something back."""
        return self.type in BANK_UNDO

    @property
    def day(self) -> date:
        """Its own date."""
        return self.bank_date


@dataclass(frozen=True, slots=True, kw_only=True)
class HisRow:
    """One line of a hospital's or pharmacy's export, or of a payer's list. 医院行"""

    partner: str
    """The institution, or the fund or insurer."""
    order_no: str = ""
    """Order, receipt or admission number by trade type."""
    platform_ref: str = ""
    trade_type: str = "OPD"
    direction: Literal["R", "P"]
    """R: the hospital received, P: paid back."""
    amount_fen: int
    status: PartnerStatus = "SUCC"
    his_date: date
    his_time: time | None = None
    bank_ref: str = ""
    original_order_no: str = ""
    bank: str = ""
    """The card's bank; on a payer's list whom it paid, the card's bank or the hospital."""
    card: str = ""
    group: str = ""
    claimed_fen: int | None = None
    """On a payer's list: what the hospital had advanced."""
    deducted_fen: int | None = None
    """Of that, what the office has cut."""
    clearing_date: date
    file: str = ""
    line: int = 0

    @property
    def undo(self) -> bool:
        """Whether it takes something back."""
        return self.trade_type == "REFUND"

    @property
    def day(self) -> date:
        """Its own date."""
        return self.his_date


PartnerRow: TypeAlias = StatementRow | HisRow
AnyRow: TypeAlias = LedgerRow | StatementRow | HisRow

_OF_A_LIST: Final = ("claimed_fen", "deducted_fen")
_NOT_COMPARED: Final = frozenset({"file", "line", "bank_time", "his_time", "clearing_date", *_OF_A_LIST})
_NOT_OURS: Final = frozenset({"source", "event_id", "entry_id", "also", "occurred_at", *_OF_A_LIST})
_STATEMENT_COLUMNS: Final = tuple(f.name for f in fields(StatementRow) if f.name not in _NOT_COMPARED)
_HIS_COLUMNS: Final = tuple(f.name for f in fields(HisRow) if f.name not in _NOT_COMPARED)
_LEDGER_COLUMNS: Final = tuple(f.name for f in fields(LedgerRow) if f.name not in _NOT_OURS)


def fingerprint(row: AnyRow) -> tuple[object, ...]:
    """All columns of a row but line and time (ours: but ids and time); equal means an exact repeat."""
    if isinstance(row, StatementRow):
        return ("B", *(getattr(row, name) for name in _STATEMENT_COLUMNS))
    if isinstance(row, HisRow):
        cells = ("H", *(getattr(row, name) for name in _HIS_COLUMNS))
        return (
            cells
            if row.claimed_fen is row.deducted_fen is None
            else (*cells, row.claimed_fen, row.deducted_fen)
        )
    return ("L", *(getattr(row, name) for name in _LEDGER_COLUMNS))


def fingerprint_text(row: AnyRow) -> str:
    """The fingerprint as one line of text, to be stored and compared on later days."""
    return "|".join("" if value is None else str(value) for value in fingerprint(row))


def on_a_list(row: AnyRow) -> bool:
    """Whether a payer's list is what has it, or should have it."""
    return not isinstance(row, StatementRow) and row.trade_type in LIST_TYPES


def worth(row: PartnerRow) -> int:
    """The signed fen a partner's row moved: 0 unless it succeeded."""
    return SIGN[row.direction] * row.amount_fen if row.status == "SUCC" else 0
