"""Cards registered, at a bank, on the platform and in hospitals, and known by further numbers. 卡登记"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from clearing.ledger import checks as c
from clearing.ledger.facts import Alias, Card, Key, Pointing, Registration
from clearing.ledger.outcomes import Accepted, Reason, Rejected
from clearing.ledger.rules.cards import (
    card_known,
    card_rule,
    from_anyone_with_cards,
    from_registrar,
    not_a_test_card,
)

if TYPE_CHECKING:
    from clearing.ledger.case import Case
    from clearing.ledger.facts import Fact

# -- card.registered -----------------------------------------------------------------------------------------


def registered_once(case: Case) -> Rejected | None:
    """card_state: the bank registers a card once."""
    card = case.card
    if case.data.stage == "BANK" and card is not None and card.bank:
        return Rejected(
            Reason.CARD_STATE, f"{case.name}: the bank has registered the card; it is {card.state}"
        )
    return None


def aliases_free(case: Case) -> Rejected | None:
    """card_differs: an alias that is a card, an unfinished one too, or another card's alias."""
    for alias in case.data.aliases or ():
        if refused := alias_free(case, alias.token):
            return refused
    return None


def alias_free(case: Case, token: str) -> Rejected | None:
    """card_differs, for one token."""
    known = case.facts.get("alias", token)
    if token == case.token or case.facts.get("card", token) is not None:
        return Rejected(Reason.CARD_DIFFERS, f"{case.name}: the alias is itself a card")
    if known is not None and known.card != case.token:
        return Rejected(Reason.CARD_DIFFERS, f"{case.name}: the alias is another card's")
    return None


def issuer_valid(case: Case) -> Rejected | None:
    """issuer_not_valid: a card issuer on the list on that date."""
    issuer = case.data.issuer
    if issuer is None or case.members.kind(issuer) == "issuer":
        return None
    return Rejected(
        Reason.ISSUER_NOT_VALID, f"{case.name}: {issuer} is no card issuer in force on {case.day}"
    )


def post_registered(case: Case) -> Accepted:
    """Noted: one more registration; the bank's makes the card ISSUED."""
    data, time = case.data, case.event.time
    card = case.card or Card(token=case.token, root=case.token)
    one = Registration(data.stage, data.bank, data.institution or "", time)
    kept = card.registrations
    if data.stage == "BANK":
        kept = tuple(other for other in kept if other.bank == data.bank)
        card = replace(
            card,
            bank=data.bank,
            person=data.person,
            guardian=data.guardian or "",
            card_class=data.card_class,
            account_class=data.account_class,
            area=data.area or "",
            issuer=data.issuer or "",
            issue_mode=data.issue_mode or "",
        )
    elif not card.person:
        card = replace(card, person=data.person)
    changes: dict[Key, Fact] = {}
    card = replace(card, registrations=with_registration(kept, one))
    changes[("card", card.token)] = card
    if data.stage != "BANK":
        pass_on(case, card, one, changes)
    for alias in data.aliases or ():
        add_alias(case, card.token, alias.token, kind=alias.kind, institution="", changes=changes)
    return Accepted(None, changes)


def with_registration(known: tuple[Registration, ...], one: Registration) -> tuple[Registration, ...]:
    """The registrations with one more; a place registers a card once at a bank."""
    place = (one.stage, one.institution, one.bank)
    if any((other.stage, other.institution, other.bank) == place for other in known):
        return known
    return (*known, one)


def pass_on(case: Case, card: Card, one: Registration, changes: dict[Key, Fact]) -> None:
    """A registration that comes after the card was replaced is its replacement's too."""
    at = card
    while at.state == "REPLACED" and (successor := case.facts.get("card", at.replaced_by)) is not None:
        at = replace(successor, registrations=with_registration(successor.registrations, one))
        changes[("card", at.token)] = at


def add_alias(
    case: Case, card: str, token: str, *, kind: str, institution: str, changes: dict[Key, Fact]
) -> None:
    """Another number of the card, from ever on; of one replaced since, the new card's from that instant."""
    if case.facts.get("alias", token) is not None:
        return
    cards = [Pointing(None, card)]
    at: Card | None = changes.get(("card", card)) or case.facts.get("card", card)
    while at is not None and at.state == "REPLACED":
        cards.append(Pointing(at.steps[-1].at, at.replaced_by))
        at = case.facts.get("card", at.replaced_by)
    card = cards[-1].card
    changes[("alias", token)] = Alias(
        token=token, kind=kind, institution=institution, card=card, cards=tuple(cards)
    )
    known = changes.get(("aliases_of", card), case.facts.get("aliases_of", card)) or ()
    changes[("aliases_of", card)] = (*known, token)


REGISTERED: Final = card_rule(
    from_registrar,
    (c.card_of_bank, aliases_free, registered_once, issuer_valid),
    post_registered,
    first=(not_a_test_card,),
)


# -- card.aliased --------------------------------------------------------------------------------------------


def own_alias_free(case: Case) -> Rejected | None:
    """card_differs, of the event's own token."""
    return alias_free(case, case.data.token)


def post_aliased(case: Case) -> Accepted:
    """Noted: another number of the card."""
    changes: dict[Key, Fact] = {}
    data = case.data
    add_alias(
        case,
        case.token,
        data.token,
        kind=data.kind,
        institution=data.institution or "",
        changes=changes,
    )
    return Accepted(None, changes)


ALIASED: Final = card_rule(from_anyone_with_cards, (card_known, c.card_of_bank, own_alias_free), post_aliased)
