"""Breaks as a report shows them: the three sides side by side, what differs named by cell. 差错明细

Cards are masked here; nothing behind this line has a whole one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from clearing.ledger.money import yuan
from clearing.reconciliation.breaks import Break
from clearing.reconciliation.codes import CODES
from clearing.reconciliation.handling import side_label
from clearing.reconciliation.rows import SIGN, AnyRow, HisRow, LedgerRow, StatementRow

COMPARED: Final = {
    "AMT": ("amount",),
    "GRP": ("amount",),
    "STA": ("status",),
    "DIR": ("direction",),
    "FEE": ("fee",),
    "CUT": ("date",),
    "IDN-001": ("card", "institution", "bank_ref"),
}
"""Code, or how codes begin → the cells that it is about."""
_FIELD: Final = {"amount": "amount_fen", "fee": "fee_fen", "date": "day"}
_SHOWN_DIGITS: Final = 4


@dataclass(frozen=True, slots=True)
class SideLine:
    """One row of one side, cells of all sides under the same names. Text that does not apply is empty."""

    side: str
    """L, B or H."""
    partner: str
    where: str
    """File and line; ours: the entry, or the event where there is none."""
    type: str
    direction: str
    amount_fen: int
    status: str
    bank_ref: str
    order_no: str
    day: date
    card: str
    """Its last four characters."""
    institution: str
    fee_fen: int | None
    differing: tuple[str, ...] = ()
    """Names of the cells in which it and another side are not the same."""


@dataclass(frozen=True, slots=True)
class DetailLine:
    """One break, its rows side by side."""

    id: str
    code: str
    chinese: str
    label: str
    codes: str
    vector: str
    state: str
    """In which this run left it."""
    opened: date
    institution: str
    bank: str
    amount_fen: int
    difference_fen: int
    differences: str
    rows: tuple[SideLine, ...]
    """Ledger, then bank, then HIS."""
    detail: str


def masked(card: str) -> str:
    """A card as it may be shown: its last four characters."""
    return f"****{card[-_SHOWN_DIGITS:]}" if card else ""


def label(one: Break, banks: Iterable[str]) -> str:
    """长款 or 短款 with the side named: more money there than in our books is 长款. 长短款"""
    return side_label(one.differences, frozenset(banks), one.code)


def detail_line(one: Break, banks: Collection[str]) -> DetailLine:
    """A break as it is shown.

    In:      `banks`: the partners whose statements were given, banks, networks and channels.
    Out:     rows in order of side, as the break has them.
    """
    rows: tuple[AnyRow, ...] = (*one.ledger_rows, *one.bank_rows, *one.his_rows)
    return DetailLine(
        id=one.id,
        code=one.code,
        chinese=CODES[one.code].chinese,
        label=label(one, banks),
        codes=" ".join(one.codes),
        vector=one.vector,
        state=one.state,
        opened=one.opened,
        institution=one.institution,
        bank=one.bank,
        amount_fen=one.amount_fen,
        difference_fen=one.difference_fen,
        differences="; ".join(f"{partner} {yuan(fen)}" for partner, fen in one.differences if fen),
        rows=tuple(_marked(rows, tuple(_names(one.codes)))),
        detail=one.detail,
    )


def _side(row: AnyRow) -> SideLine:
    if isinstance(row, LedgerRow):
        return SideLine(
            "L", row.partner, row.entry_id or f"{row.source}/{row.event_id}", row.type, row.direction,
            row.amount_fen, row.status, row.bank_ref, row.order_no or row.receipt_no or row.admission_no, row.day,
            masked(row.card), row.institution, row.fee_fen,
        )  # fmt: skip
    where = f"{row.file}:{row.line}"
    if isinstance(row, StatementRow):
        return SideLine(
            "B", row.partner, where, row.type, row.direction, row.amount_fen, row.status, row.bank_ref, "",
            row.bank_date, masked(row.card), row.institution, row.fee_fen,
        )  # fmt: skip
    return _his(row, where)


def _his(row: HisRow, where: str) -> SideLine:
    return SideLine(
        "H", row.partner, where, row.trade_type, row.direction, row.amount_fen, row.status, row.bank_ref,
        row.order_no, row.his_date, masked(row.card), row.partner, None,
    )  # fmt: skip


def _names(codes: Iterable[str]) -> Iterator[str]:
    """The cells that these codes are about."""
    for code in codes:
        yield from COMPARED.get(code) or COMPARED.get(code[:3], ())


def _marked(rows: Sequence[AnyRow], names: tuple[str, ...]) -> Iterator[SideLine]:
    """Each row with the cells in which a row of another side says something else; whole cards are compared."""
    for row in rows:
        others = [other for other in rows if type(other) is not type(row)]
        yield replace(_side(row), differing=tuple(name for name in names if _differs(row, others, name)))


def _differs(row: AnyRow, others: Iterable[AnyRow], name: str) -> bool:
    said = _said(row, name)
    return said not in {None, ""} and any(_said(other, name) not in {None, "", said} for other in others)


def _said(row: AnyRow, name: str) -> object:
    if name == "direction":
        return SIGN[row.direction]
    if isinstance(row, HisRow):
        return {"institution": row.partner, "fee": None}.get(name, getattr(row, _FIELD.get(name, name), None))
    return getattr(row, _FIELD.get(name, name))
