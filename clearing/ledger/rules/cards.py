"""The life of a card: its states, what changes on it, and what all rules of cards share. 卡生命周期"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from clearing.ledger import checks as c
from clearing.ledger.case import made_sure
from clearing.ledger.facts import Card, Change, Facts, Key, Payout, Step
from clearing.ledger.outcomes import Accepted, Parked, Reason, Rejected
from clearing.ledger.permission import Cell, Use, held_now
from clearing.ledger.rules.rule import Rule, number_needs

if TYPE_CHECKING:
    from clearing.ledger.case import Case
    from clearing.ledger.checks import Check
    from clearing.ledger.facts import Fact
    from messages import Event

ALIVE: Final = ("ACTIVE", "FROZEN_DEBIT", "FROZEN_ALL")
BEFORE_END: Final = ("ISSUED", *ALIVE, "LOST")

STEPS: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    # type: (states it may come from, state it leads to; "" goes back to the state before)
    "card.activated": (("ISSUED",), "ACTIVE"),
    "card.frozen": (("ACTIVE",), "FROZEN"),
    "card.unfrozen": (("FROZEN_DEBIT", "FROZEN_ALL"), ""),
    "card.lost": (ALIVE, "LOST"),
    "card.found": (("LOST",), ""),
    "card.replaced": ((*ALIVE, "LOST"), "REPLACED"),
    "card.cancelled": (BEFORE_END, "CANCELLED"),
    "card.terminated": (BEFORE_END, "TERMINATED"),
    "card.holder_deceased": (BEFORE_END, "DECEASED"),
    "card.duplicate_found": (BEFORE_END, "CANCELLED"),
}

LIMITS_MOVE: Final = frozenset({"card.registered", "card.aliased", "card.changed", "card.replaced"})
"""Events after which what was paid to a card counts towards another limit, or by another of its numbers."""


# -- who may say so ------------------------------------------------------------------------------------------


def from_bank(case: Case) -> Rejected | None:
    """source_not_allowed: the card's bank."""
    bank = case.data.bank
    return None if case.event.source == bank else c.not_allowed(case, bank)


def from_card_platform(case: Case) -> Rejected | None:
    """source_not_allowed: the card platform."""
    if case.members.kind(case.event.source) == "card_platform":
        return None
    return c.not_allowed(case, "the card platform")


def from_bank_or_platform(case: Case) -> Rejected | None:
    """source_not_allowed: the card's bank or the card platform."""
    if from_card_platform(case) is None or from_bank(case) is None:
        return None
    return c.not_allowed(case, f"{case.data.bank} or the card platform")


def from_registrar(case: Case) -> Rejected | None:
    """source_not_allowed: the bank, the card platform or the hospital, as the stage says."""
    if case.data.stage == "BANK":
        return from_bank(case)
    if case.data.stage == "PLATFORM":
        return from_card_platform(case)
    hospital = case.data.institution
    return (
        None
        if from_hospital(case, hospital)
        else c.not_allowed(case, f"hospital {hospital} or one of its agents")
    )


def from_hospital(case: Case, hospital: str) -> bool:
    """Whether the sender is that hospital or one of its agents; a pharmacy registers no cards."""
    return case.members.kind(hospital) == "hospital" and case.spoken_by(hospital)


def from_anyone_with_cards(case: Case) -> Rejected | None:
    """source_not_allowed: the card's bank, the card platform, or a hospital."""
    if from_bank_or_platform(case) is None:
        return None
    if from_hospital(case, case.data.institution or case.event.source):
        return None
    return c.not_allowed(case, f"{case.data.bank}, the card platform or a hospital")


# -- shared --------------------------------------------------------------------------------------------------


def card_event_needs(event: Event, facts: Facts) -> Iterable[Key]:
    """The card by any number, those that follow it, its aliases, and payouts held for it."""
    data: Any = event.data
    keys = number_needs(data.card, facts)
    for name in ("new_card", "kept_card", "token"):
        if data.__dict__.get(name):
            keys += number_needs(data.__dict__[name], facts)
    for alias in data.__dict__.get("aliases") or ():
        keys += number_needs(alias.token, facts)
    limits_move = event.type in LIMITS_MOVE
    for kind, token in list(keys):
        if kind == "card":
            if limits_move:  # what is submitted or wakes in this batch may count by the class or number
                card = facts.get(kind, token)
                root = (card.root if card else "") or token
                keys.append(("payouts_of", root))
                if event.type == "card.replaced":
                    keys += (("payout", one.source, one.id) for one in facts.get("payouts_of", root) or ())
            keys += (("aliases_of", token), ("held", token))
            keys += (("alias", other) for other in facts.get("aliases_of", token) or ())
            keys += (("payout", *payout) for payout in facts.get("held", token) or ())
    yield from keys


def card_known(case: Case) -> Parked | None:
    """Parked until the bank has registered the card."""
    card = case.card
    return (
        None
        if card is not None and card.bank
        else Parked(("card", case.token), "the bank has not registered it")
    )


def known_card(case: Case) -> Card:
    """The card, which the checks have made sure of."""
    return made_sure(case, case.card)


def step_fits(case: Case) -> Rejected | None:
    """card_state: the step leads on from the state now."""
    expected, _ = STEPS[case.event.type]
    state = known_card(case).state
    if state in expected:
        return None
    return Rejected(Reason.CARD_STATE, f"{case.name}: the card is {state}; expected {' or '.join(expected)}")


def instant_of(case: Case) -> datetime:
    """From when the step holds: a loss from its report, else the event's time."""
    reported: datetime | None = case.said.get("reported_at")
    return reported or case.event.time


def stepped(card: Card, instant: datetime, state: str) -> Card:
    """The card in a new state from an instant on, replacing all that its history had from then."""
    before = card.state
    history = tuple(step for step in card.steps if step.at < instant)
    return replace(card, steps=(*history, Step(instant, state, before)))


def take_step(case: Case) -> Card:
    """The card after the event's own step."""
    card, (_, state) = known_card(case), STEPS[case.event.type]
    if state == "FROZEN":
        state = f"FROZEN_{case.data.scope}"
    elif not state:
        state = card.steps[-1].before
        after = stepped(card, instant_of(case), state)
        # A card that is frozen again is unfrozen into ACTIVE: it was never frozen out of another state.
        return replace(after, steps=(*after.steps[:-1], after.steps[-1]._replace(before="ACTIVE")))
    return stepped(card, instant_of(case), state)


def release_held(case: Case, before: str, after: Card, changes: dict[Key, Fact]) -> None:
    """Payouts held for a card become ACCEPTED when its state, or its replacement's, allows them."""
    still: list[tuple[str, str]] = []
    for source, id_ in case.facts.get("held", before) or ():
        payout: Payout = made_sure(case, case.facts.get("payout", source, id_))
        use = Use.SUBMITTED if payout.attempt == 1 else Use.REPAID
        if held_now(use, after) is not Cell.YES:
            still.append((source, id_))
            continue
        changes[("payout", source, id_)] = replace(to_card(payout, after), state="ACCEPTED")
    if case.facts.get("held", before):
        changes[("held", before)] = tuple(still)


def redirect_accepted(case: Case, old: Card, new: Card, changes: dict[Key, Fact]) -> None:
    """Payouts that no bank has been sent yet go to the new number."""
    for one in case.facts.get("payouts_of", old.root or old.token) or ():
        payout: Payout = made_sure(case, case.facts.get("payout", one.source, one.id))
        if payout.state == "ACCEPTED" and payout.card == old.token:
            changes[("payout", one.source, one.id)] = to_card(payout, new)


def to_card(payout: Payout, card: Card) -> Payout:
    """The payout with its present attempt to another number."""
    last = payout.attempts[-1]._replace(card=card.token, bank=card.bank)
    return replace(payout, card=card.token, bank=card.bank, attempts=(*payout.attempts[:-1], last))


def not_a_test_card(case: Case) -> Rejected | None:
    """test_event: a test card only where the engine itself is a test."""
    if case.data.card_class == "TEST" and case.context.env != "TEST":
        return Rejected(Reason.TEST_EVENT, f"{case.name}: card_class is TEST, this engine runs with PROD")
    return None


def card_rule(sender: Check, own: tuple[Check, ...], post: Any, *, first: tuple[Check, ...] = ()) -> Rule:  # noqa: ANN401
    """A rule of the family: the shared checks in order, `first` beside test_event, `own` at the end."""
    shared = (c.not_a_test, *first, c.source_known, sender, c.members_known, c.day_has_come)
    return Rule(card_event_needs, (*shared, *own), post, registry=True)


# -- card.changed, and every step of a state -----------------------------------------------------------------


def post_step(case: Case) -> Accepted:
    """Noted: the card's new state, from the event's instant on."""
    after = take_step(case)
    changes: dict[Key, Fact] = {("card", after.token): after}
    release_held(case, after.token, after, changes)
    return Accepted(None, changes)


def post_changed(case: Case) -> Accepted:
    """Noted: what changed, with its date."""
    card, data, time = known_card(case), case.data, case.event.time
    new = {
        name: data.__dict__[name]
        for name in ("person", "guardian", "account_class", "card_class", "area")
        if data.__dict__[name] is not None
    }
    history = tuple(Change(time, name, value) for name, value in new.items())
    after = replace(card, **new, changes=card.changes + history)
    changes: dict[Key, Fact] = {("card", card.token): after}
    release_held(case, card.token, case.latest(after), changes)
    return Accepted(None, changes)


CHANGED: Final = card_rule(
    from_bank_or_platform, (card_known, c.card_of_bank), post_changed, first=(not_a_test_card,)
)

ACTIVATED: Final = card_rule(from_bank, (card_known, c.card_of_bank, step_fits), post_step)
STEPPED: Final = card_rule(from_bank_or_platform, (card_known, c.card_of_bank, step_fits), post_step)
"""Frozen, unfrozen, lost, found, cancelled, terminated, deceased: one rule, the table says the rest."""
