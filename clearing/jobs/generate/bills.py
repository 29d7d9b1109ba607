"""A bill and a payment, and how event and partners write them down. 单据"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from clearing.jobs.generate.partners import booked, exported
from clearing.jobs.generate.town import Place
from clearing.ledger.money import yuan

if TYPE_CHECKING:
    from clearing.jobs.generate.clerk import Clerk, HeldCard, Line


class Bill(NamedTuple):
    """What someone is about to pay."""

    second: int
    card: HeldCard
    place: Place
    purpose: str
    fen: int


class Payment(NamedTuple):
    """A payment as those who undo it know it."""

    source: str
    id: str
    bill: Bill
    partner: str
    """Whose reference it is: the card's bank, the channel or the network."""
    ref: str
    order: str
    route: dict[str, str]
    """Its route as fields of a body; empty for DIRECT."""


def body(clerk: Clerk, bill: Bill, ref: str, fen: int = 0) -> dict[str, Any]:
    """Card, place, money and reference of an event about a bill; another amount where one is given, fen."""
    return {
        "card": bill.card.token,
        "bank": bill.card.bank,
        "card_last4": bill.card.last4,
        "institution": bill.place.code,
        "amount": yuan(fen or bill.fen),
        "bank_ref": ref,
        "bank_date": clerk.day_text,
    }


def both(clerk: Clerk, bill: Bill, partner: str, ref: str, order: str) -> list[Line]:
    """A payment as the partner and the institution have it."""
    _, card, place, _, fen = bill
    return [
        booked(clerk, partner, bill.second, ("PAY", "D", fen), ref, card=card.token),
        exported(clerk, place.code, bill.second, ("OPD", "R", fen), order, ref=ref),
    ]
