"""A card that takes the place of another: replaced, or found to be a second one of its holder. 补换卡"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from clearing.ledger import accounts
from clearing.ledger import checks as c
from clearing.ledger.accounts import account
from clearing.ledger.case import made_sure
from clearing.ledger.entry import Leg
from clearing.ledger.facts import Alias, Key, Pointing, Step
from clearing.ledger.outcomes import Accepted, Parked, Reason, Rejected
from clearing.ledger.routing import two
from clearing.ledger.rules.card_registrations import with_registration
from clearing.ledger.rules.cards import (
    card_known,
    card_rule,
    from_bank,
    from_card_platform,
    redirect_accepted,
    release_held,
    step_fits,
    take_step,
)

if TYPE_CHECKING:
    from clearing.ledger.case import Case
    from clearing.ledger.facts import Fact


def new_card_free(case: Case) -> Rejected | None:
    """card_state: the new number is a card of a bank already, or an alias."""
    token = case.data.new_card
    new = case.facts.get("card", token)
    if (new is not None and new.bank) or case.facts.get("alias", token) is not None or token == case.token:
        return Rejected(Reason.CARD_STATE, f"{case.name}: new_card is registered already, or is an alias")
    return None


def post_replaced(case: Case) -> Accepted:
    """The new card takes over at the same bank; a fee: Dr the bank / Cr fee payable to the bank."""
    data, old, time = case.data, take_step(case), case.event.time
    old = replace(old, replaced_by=data.new_card)
    waiting = case.facts.get("card", data.new_card)
    registrations = old.registrations
    for one in waiting.registrations if waiting else ():
        if one.bank == old.bank:
            registrations = with_registration(registrations, one)
    new = replace(
        old,
        token=data.new_card,
        registrations=registrations,
        steps=(Step(time, "ACTIVE", "ISSUED"),),
        changes=(),
        replaced_by="",
    )
    changes: dict[Key, Fact] = {("card", old.token): old, ("card", new.token): new}
    tokens = case.facts.get("aliases_of", old.token) or ()
    for token in tokens:
        alias: Alias = made_sure(case, case.facts.get("alias", token))
        changes[("alias", token)] = replace(
            alias, card=new.token, cards=(*alias.cards, Pointing(time, new.token))
        )
    changes[("aliases_of", new.token)] = tokens
    changes[("aliases_of", old.token)] = ()
    redirect_accepted(case, old, new, changes)
    release_held(case, old.token, new, changes)
    if not data.fee:
        return Accepted(None, changes)
    postings = two(account(accounts.BANK, new.bank), account(accounts.FEES, new.bank), data.fee, Leg.GROSS)
    return Accepted(case.entry(postings, amount_fen=data.fee, bank=new.bank), changes)


def kept_card_known(case: Case) -> Parked | None:
    """Parked until the bank has registered the card that is kept."""
    token = case.resolve(case.data.kept_card)
    kept = case.facts.get("card", token)
    return (
        None if kept is not None and kept.bank else Parked(("card", token), "the kept card is not registered")
    )


def two_cards(case: Case) -> Rejected | None:
    """card_state: the kept card is another one, not this one by another number."""
    if case.resolve(case.data.kept_card) != case.token:
        return None
    return Rejected(Reason.CARD_STATE, f"{case.name}: kept_card is another number of the same card")


def post_duplicate(case: Case) -> Accepted:
    """Noted: this card ends, and the kept one stands for it in undos and stays."""
    after = replace(take_step(case), replaced_by=case.resolve(case.data.kept_card))
    return Accepted(None, {("card", after.token): after})


REPLACED: Final = card_rule(from_bank, (card_known, c.card_of_bank, step_fits, new_card_free), post_replaced)
DUPLICATE_FOUND: Final = card_rule(
    from_card_platform, (card_known, kept_card_known, c.card_of_bank, two_cards, step_fits), post_duplicate
)
