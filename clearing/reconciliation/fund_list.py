"""A payer's list of what it paid, beside our books: the third side of funds and insurers. 基金清单

A payer pays cards (payouts), hospitals (claims that they had advanced, retention) and other areas' funds. Its
position in our books, 1020 or 1030, moves by the same sums, so each movement has a row on either side and the
passes match them as a hospital's rows: entry id, then trade type and settlement id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from clearing.ledger.money import yuan
from clearing.reconciliation.rows import AnyRow, HisRow, LedgerRow

_CALLED: Final = {"SID-100": "NRC-001", "SID-110": "NRC-001", "SID-001": "NRC-001", "AMT-003": "NRC-001"}
"""What a difference with a hospital is called with a payer: paid or advanced is not what the list has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FundMove:
    """One movement of a payer's position, as the books have it. 基金支出"""

    payer: str
    type: str
    """The event's type, one of `rows.ON_A_LIST`."""
    source: str
    event_id: str
    entry_id: str
    clearing_date: date
    occurred_at: datetime
    settlement_id: str
    """What its list knows it by: the settlement, the hospital and year of a retention, or the pair of areas."""
    paid_to: str
    """The card's bank, or the hospital."""
    fen: int
    """Negative where the payer pays."""
    card: str = ""
    claimed_fen: int | None = None
    deducted_fen: int | None = None


def fund_rows(moves: Iterable[FundMove]) -> tuple[LedgerRow, ...]:
    """Our rows for the lists of payers. 平台基金明细

    In:      of one clearing date.
    Out:     one row a movement; they have no bank side: what reaches a card has a row of its own with the bank.
    """
    return tuple(
        LedgerRow(
            partner="",
            institution=one.payer,
            source=one.source,
            event_id=one.event_id,
            type=one.type,
            entry_id=one.entry_id,
            bank=one.paid_to,
            clearing_date=one.clearing_date,
            occurred_at=one.occurred_at,
            direction="D" if one.fen > 0 else "C",
            amount_fen=abs(one.fen),
            institution_fen=one.fen,
            order_no=one.settlement_id,
            card=one.card,
            claimed_fen=one.claimed_fen,
            deducted_fen=one.deducted_fen,
        )
        for one in moves
    )


def codes_of_list(codes: Iterable[str], rows: Iterable[AnyRow]) -> set[str]:
    """The codes of an item that only a payer's list is about. 垫付核减

    In:      what differs, as it would be called with a hospital; the item's rows of both sides.
    Source:  contract, NRC-001 and NRC-002.
    """
    found = {_CALLED.get(code, code) for code in codes}
    lines = [row for row in rows if isinstance(row, LedgerRow | HisRow)]
    for cells in ([row.claimed_fen for row in lines], [row.deducted_fen for row in lines]):
        if len({fen for fen in cells if fen is not None}) > 1:
            found.add("NRC-001")
    if cut_fen(lines):
        found.add("NRC-002")
    return found


def cut_fen(rows: Iterable[AnyRow]) -> int:
    """What the office has cut of a claim: as our books say, else the list."""
    lines = [row for row in rows if isinstance(row, LedgerRow | HisRow)]
    ours = [row.deducted_fen for row in lines if isinstance(row, LedgerRow)]
    theirs = [row.deducted_fen for row in lines if isinstance(row, HisRow)]
    return next((fen for fen in (*ours, *theirs) if fen), 0)


def detail_of_list(ledger: Sequence[LedgerRow], his: Sequence[HisRow]) -> str:
    """What either side says of a claim; empty where it is none."""
    rows: list[LedgerRow | HisRow] = [*ledger, *his]
    return "; ".join(
        f"{'books' if isinstance(row, LedgerRow) else 'list'}: {row.bank} {row.order_no} advanced "
        f"{yuan(row.claimed_fen)}, cut {yuan(row.deducted_fen or 0)}, paid {yuan(row.amount_fen)}"
        for row in rows
        if row.claimed_fen is not None
    )


def place_of_list(rows: Sequence[LedgerRow | HisRow]) -> tuple[str, str]:
    """(bank, institution) of a break on a payer's list: a claim is its hospital's, else it is the payer's. 归属"""
    row = rows[0]
    payer = row.institution if isinstance(row, LedgerRow) else row.partner
    paid_to = next((one.bank for one in rows if one.bank), "")
    return ("", paid_to or payer) if row.trade_type in {"CLAIM", "RETENTION"} else (paid_to, payer)
