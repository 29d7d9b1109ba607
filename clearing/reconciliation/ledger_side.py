"""Our side of a reconciliation, from entries and from what made none. 平台侧取数

Worth comes from the postings themselves: with the bank, network or channel it is the gross on 1010, 1040 and
1050; with the institution what is credited to 2010, 2011 or 2019. So a debited time-out is worth its amount
for the bank on its own day and nothing for the hospital, its confirmation the other way round.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final, Literal

from clearing.ledger.accounts import (
    BANK,
    CHANNEL,
    FEES,
    HOSPITAL,
    NETWORK_CLEARED,
    NETWORK_PAID,
    PHARMACY,
    code_of,
    owner_of,
)
from clearing.ledger.entry import Entry, Leg
from clearing.reconciliation.rows import SIGN, WITHOUT_HIS, LedgerRow

_PARTNER_SIDE: Final = frozenset({BANK, CHANNEL, NETWORK_CLEARED})
_INSTITUTION_SIDE: Final = frozenset({HOSPITAL, PHARMACY, NETWORK_PAID})
WITHOUT_ROWS: Final = ("correction.", "day.", "fee.", "settlement.", "card.")


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedUse:
    """A rejected event that carries a bank reference: the partner may have moved the money. 拒绝但有流水"""

    source: str
    event_id: str
    type: str
    partner: str
    bank_ref: str
    bank_date: date | None
    clearing_date: date
    direction: Literal["D", "C"]
    """By its type: what it would have done to the card."""
    amount_fen: int
    institution: str = ""
    bank: str = ""
    card: str = ""
    order_no: str = ""
    receipt_no: str = ""
    admission_no: str = ""
    occurred_at: datetime | None = None
    original_id: str = ""
    original_bank_ref: str = ""
    original_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTimeout:
    """A time-out that was open at the end of the day reconciled, of that day or an earlier one. 状态未明"""

    source: str
    event_id: str
    partner: str
    """The card's bank, or by route the network."""
    institution: str
    clearing_date: date
    amount_fen: int
    entry_id: str = ""
    """Set where it was posted: DIRECT and debited."""
    bank: str = ""
    bank_ref: str = ""
    bank_date: date | None = None
    card: str = ""
    order_no: str = ""
    admission_no: str = ""
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotedTopup:
    """A top-up that moves nothing between members, at the counter or within one bank. 本行充值"""

    source: str
    event_id: str
    bank: str
    bank_ref: str
    bank_date: date | None
    clearing_date: date
    amount_fen: int
    card: str = ""
    occurred_at: datetime | None = None


def ledger_rows(
    day: date,
    entries: Iterable[Entry],
    *,
    originals: Iterable[Entry] = (),
    rejected: Iterable[RejectedUse] = (),
    timeouts: Iterable[OpenTimeout] = (),
    noted_topups: Iterable[NotedTopup] = (),
) -> tuple[LedgerRow, ...]:
    """Our rows of one clearing date. 平台明细

    In:      entries of any dates, those of `day` count, others serve as originals; `originals`: earlier
             entries that the day's undos and confirmations name; rejected events with a `bank_ref`, time-outs
             open at the day's end, noted top-ups: of the day, and earlier ones that may still be listed.
    Out:     one row a partner of each entry, by (date, source, event id, partner); gross, signed, fen.
    Source:  contract "Reconciliation", pass 1.
    """
    known: dict[str, Entry] = {entry.id: entry for entry in originals}
    todays: list[Entry] = []
    for entry in entries:
        known[entry.id] = entry
        if entry.clearing_date == day and not entry.type.startswith(WITHOUT_ROWS):
            todays.append(entry)
    confirmed = {entry.original_id: entry for entry in todays if _only_confirms(entry)}
    rows: list[LedgerRow] = []
    for entry in todays:
        if _only_confirms(entry):
            timed_out = known.get(entry.original_id)
            if timed_out is not None and timed_out.clearing_date == day:
                continue  # one row with its time-out
            rows.append(_row(entry, entry.partner or entry.bank, 0, _institution_fen(entry), known))
        else:
            rows.extend(_rows_of(entry, confirmed.get(entry.id), known))
    posted = {row.entry_id for row in rows}
    rows.extend(_rejected(use) for use in rejected)
    rows.extend(_timeout(one) for one in timeouts if not one.entry_id or one.entry_id not in posted)
    rows.extend(_noted(one) for one in noted_topups)
    return tuple(sorted(rows, key=lambda r: (r.clearing_date, r.source, r.event_id, r.partner)))


def _only_confirms(entry: Entry) -> bool:
    """A confirmation of a debit that the time-out itself has posted."""
    return entry.type == "payment.confirmed" and not any(
        leg is Leg.GROSS and code_of(name) in _PARTNER_SIDE for name, _, leg in entry.postings
    )


def _institution_fen(entry: Entry) -> int:
    return -sum(
        fen for name, fen, leg in entry.postings if leg is Leg.GROSS and code_of(name) in _INSTITUTION_SIDE
    )


def _rows_of(entry: Entry, confirmation: Entry | None, known: Mapping[str, Entry]) -> Iterable[LedgerRow]:
    by_partner: dict[str, int] = {}
    for name, fen, leg in entry.postings:
        if leg is Leg.GROSS and code_of(name) in _PARTNER_SIDE:
            by_partner[owner_of(name)] = by_partner.get(owner_of(name), 0) + fen
    for partner, fen in by_partner.items():
        if fen:
            row = _row(entry, partner, fen, _institution_fen(entry), known)
            yield row if confirmation is None else _confirmed(row, confirmation)


def _confirmed(row: LedgerRow, confirmation: Entry) -> LedgerRow:
    return replace(
        row,
        status="SUCC",
        institution_fen=_institution_fen(confirmation),
        also=(confirmation.id,),
        fee_fen=_fee_fen(confirmation),
    )


def _row(
    entry: Entry, partner: str, bank_fen: int, institution_fen: int, known: Mapping[str, Entry]
) -> LedgerRow:
    original = known.get(entry.original_id)
    moved = bank_fen or institution_fen
    return LedgerRow(
        partner=partner,
        institution="" if entry.type.startswith(WITHOUT_HIS) else entry.institution,
        source=entry.source,
        event_id=entry.event_id,
        type=entry.type,
        entry_id=entry.id,
        bank=entry.bank,
        bank_ref=entry.bank_ref,
        bank_date=entry.bank_date,
        clearing_date=entry.clearing_date,
        occurred_at=entry.occurred_at,
        direction="D" if moved > 0 else "C",
        amount_fen=abs(moved),
        status="UNKNOWN" if entry.type == "payment.timed_out" else "SUCC",
        bank_fen=bank_fen,
        institution_fen=institution_fen,
        order_no=entry.order_no,
        receipt_no=entry.receipt_no,
        admission_no=entry.admission_no,
        card=entry.card,
        fee_fen=_fee_fen(entry),
        original_id=entry.original_id,
        original_bank_ref=original.bank_ref if original else "",
        original_keys=_order_keys(original) if original else (),
    )


def _order_keys(entry: Entry) -> tuple[str, ...]:
    return tuple(key for key in (entry.order_no, entry.receipt_no, entry.admission_no) if key)


def _fee_fen(entry: Entry) -> int | None:
    fees = [fen for name, fen, leg in entry.postings if leg is Leg.FEE and code_of(name) == FEES]
    return abs(sum(fees)) if fees else None


def _rejected(use: RejectedUse) -> LedgerRow:
    return _without_entry(
        use,
        use.partner,
        type=use.type,
        direction=use.direction,
        status="FAIL",
        institution="" if use.type.startswith(WITHOUT_HIS) else use.institution,
        order_no=use.order_no,
        receipt_no=use.receipt_no,
        admission_no=use.admission_no,
        original_id=use.original_id,
        original_bank_ref=use.original_bank_ref,
        original_keys=use.original_keys,
    )


def _timeout(one: OpenTimeout) -> LedgerRow:
    """Worth nothing: without a debit it never was, and a posted one has counted on its own day."""
    return _without_entry(
        one,
        one.partner,
        type="payment.timed_out",
        direction="D",
        status="UNKNOWN",
        institution=one.institution,
        entry_id=one.entry_id,
        order_no=one.order_no,
        admission_no=one.admission_no,
    )


def _noted(one: NotedTopup) -> LedgerRow:
    return _without_entry(one, one.bank, type="topup.made", direction="C", noted=True)


def _without_entry(
    one: RejectedUse | OpenTimeout | NotedTopup,
    partner: str,
    **more: Any,  # noqa: ANN401 - any other field of a row
) -> LedgerRow:
    """The row of a record that made no entry of the day, from what all such records say."""
    return LedgerRow(
        partner=partner,
        source=one.source,
        event_id=one.event_id,
        bank=one.bank,
        bank_ref=one.bank_ref,
        bank_date=one.bank_date,
        clearing_date=one.clearing_date,
        occurred_at=one.occurred_at,
        amount_fen=one.amount_fen,
        card=one.card,
        **more,
    )


def worths(row: LedgerRow) -> tuple[tuple[str, int], ...]:
    """(partner, signed fen) of a row with each side that has a part in it."""
    return (
        (row.partner, row.bank_fen),
        *(((row.institution, row.institution_fen),) if row.institution else ()),
    )


__all__ = ["SIGN", "LedgerRow", "NotedTopup", "OpenTimeout", "RejectedUse", "ledger_rows", "worths"]
