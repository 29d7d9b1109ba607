"""Premiums that families pay, and those that are given back. 参合缴费"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from clearing.jobs.generate.cards import card_for
from clearing.jobs.generate.clerk import LONGEST, HeldCard, Planted
from clearing.jobs.generate.partners import booked
from clearing.jobs.generate.plants import seldom_due
from clearing.jobs.generate.stays import APPROVED
from clearing.ledger.money import yuan

if TYPE_CHECKING:
    from clearing.jobs.generate.clerk import Clerk

PREMIUM_FEN: Final = 40_000


class Premium(NamedTuple):
    """A premium as those who give it back know it."""

    card: HeldCard
    id: str
    ref: str
    persons: list[str]


def premium(clerk: Clerk, second: int) -> None:
    """A family pays its yearly premiums at the bank. 参合缴费"""
    card = card_for(clerk, second)
    number, size = clerk.number(), clerk.rng.randrange(1, 5)
    at, ref = max(second, card.ready), clerk.ref(card.bank)
    members = [
        {"person": f"per_{clerk.stamp}_{number:07d}_{n}", "amount": yuan(PREMIUM_FEN)} for n in range(size)
    ]
    data = {
        "card": card.token,
        "bank": card.bank,
        "amount": yuan(size * PREMIUM_FEN),
        "payer": clerk.town.fund,
        "scheme_year": clerk.year,
        "members": members,
        "bank_ref": ref,
        "bank_date": clerk.day_text,
    }
    line = booked(clerk, card.bank, at, ("PREMIUM", "D", size * PREMIUM_FEN), ref, card=card.token)
    event_id = clerk.send("premium.paid", card.bank, at, data, card.token, lines=[line])
    paid = Premium(card, event_id, ref, [str(one["person"]) for one in members])
    if size > 1 and clerk.room > LONGEST and seldom_due(clerk, "DUP-001"):
        _refund_twice(clerk, at, paid)
    elif clerk.due("premium refunded", clerk.plan.premium_refunded):
        _refund_premium(clerk, at, paid, paid.persons[0])


def _refund_premium(clerk: Clerk, paid_at: int, paid: Premium, person: str, *, twice: bool = False) -> None:
    """One person's premium is given back; `twice`: the bank has done it already, for another of the family."""
    bank, token = paid.card.bank, paid.card.token
    data = {
        "original": {"source": bank, "id": paid.id},
        "amount": yuan(PREMIUM_FEN),
        "persons": [person],
    } | APPROVED
    at, ref = clerk.later(paid_at, 600, 3600), clerk.ref(bank)
    line = booked(clerk, bank, at, ("REFUND", "C", PREMIUM_FEN), ref, card=token, original=paid.ref)
    fund, event_id = clerk.town.fund, clerk.new_id()
    answer = Planted(
        kind="DUP-001",
        code="DUP-001",
        partner=bank,
        institution="",
        bank_ref="",
        order_no="",
        amount_fen=PREMIUM_FEN,
        source=fund,
        id=event_id,
    )
    if twice:
        clerk.send("premium.refunded", fund, at, data, token, planted=answer, event_id=event_id)
    else:
        clerk.send("premium.refunded", fund, at, data, token, lines=[line], event_id=event_id)


def _refund_twice(clerk: Clerk, paid_at: int, paid: Premium) -> None:
    """The fund gives back for two of a family what the bank gives back for one: twice in the ledger alike."""
    clerk.planted["DUP-001"] += 1
    _refund_premium(clerk, paid_at, paid, paid.persons[0])
    _refund_premium(clerk, paid_at, paid, paid.persons[1], twice=True)
