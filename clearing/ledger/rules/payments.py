"""Payments. 缴费"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clearing.ledger import checks as c
from clearing.ledger.facts import Facts, Key, OrderNo
from clearing.ledger.outcomes import Accepted, Rejected
from clearing.ledger.routing import (
    paid,
)
from clearing.ledger.rules import turns as t
from clearing.ledger.rules.rule import Rule, card_needs, reference_needs

if TYPE_CHECKING:
    from clearing.ledger.case import Case
    from clearing.ledger.facts import Fact
    from messages import Event

# -- payment.made --------------------------------------------------------------------------------------------


def payment_needs(event: Event, facts: Facts) -> list[Key]:
    """Card, terminal, its bank reference and order number, and a reversal that may have come first."""
    data: Any = event.data
    return [
        *t.order_needs(data, facts),
        ("tombstone", event.source, event.id),
        *card_needs(data, facts),
        *reference_needs(event, facts),
    ]


def from_institution_or_channel(case: Case) -> Rejected | None:
    """source_not_allowed: the institution or its agents; by route CHANNEL a payment channel."""
    if case.route == "CHANNEL":
        if case.members.kind(case.event.source) == "channel":
            return None
        return c.not_allowed(case, "a payment channel (route CHANNEL)")
    return c.from_institution(case)


def post_payment(case: Case) -> Accepted:
    """By route: Dr the bank, channel or network / Cr the institution; settlement legs; the fee."""
    data = case.data
    channel = case.event.source if case.route == "CHANNEL" else ""
    entry = case.entry(paid(case, data.amount, channel=channel))
    changes: dict[Key, Fact] = {}
    take_order(case, changes)
    return case.accepted(entry, changes)


def take_order(case: Case, changes: dict[Key, Fact]) -> None:
    """The order number is taken by this event."""
    data, event = case.data, case.event
    changes[("order", data.institution, data.order_no)] = OrderNo(
        institution=data.institution, order_no=data.order_no, source=event.source, id=event.id
    )


MADE: Final = Rule(
    payment_needs,
    (
        c.not_a_test,
        c.source_known,
        from_institution_or_channel,
        c.currency_is_cny,
        c.members_known,
        c.day_has_come,
        c.route_agreed,
        c.terminal_in_use,
        c.may_debit,
        c.not_reversed_before,
        c.card_of_bank,
        c.bank_ref_new,
        t.order_free_in_turn,
    ),
    post_payment,
)
