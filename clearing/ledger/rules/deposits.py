"""Deposits in advance for a stay: paid, voided, refunded, moved. 预交金"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from clearing.ledger import accounts
from clearing.ledger import checks as c
from clearing.ledger.accounts import account
from clearing.ledger.entry import Status, mirrored
from clearing.ledger.facts import Facts, Key
from clearing.ledger.outcomes import Accepted, Parked, Reason, Rejected
from clearing.ledger.routing import by_route, memo, paid
from clearing.ledger.rules import turns as t
from clearing.ledger.rules import undoing as u
from clearing.ledger.rules.rule import Rule, card_needs, number_needs, reference_needs
from clearing.ledger.rules.stays import add_deposit, deposit_memo, known_stay, take_deposit_back, with_one

if TYPE_CHECKING:
    from clearing.ledger.case import Case
    from clearing.ledger.entry import Posting
    from clearing.ledger.facts import Fact
    from messages import Event

DEPOSITS: Final = ("deposit.paid",)


# -- deposit.paid --------------------------------------------------------------------------------------------


def deposit_needs(event: Event, facts: Facts) -> Iterable[Key]:
    """The stay with the cards that paid it and its line, the card, the bank reference, an early reversal."""
    data: Any = event.data
    yield ("stay", data.institution, data.admission_no)
    yield t.stay_line(event, facts)
    yield from card_needs(data, facts)
    yield ("tombstone", event.source, event.id)
    stay = facts.get("stay", data.institution, data.admission_no)
    for card in stay.cards if stay else ():
        yield from number_needs(card, facts)
    yield from reference_needs(event, facts)


def post_deposit(case: Case) -> Accepted:
    """By route: Dr the bank / Cr the hospital; memo: the stay holds the amount."""
    data = case.data
    changes: dict[Key, Fact] = {}
    held = add_deposit(
        case,
        data.institution,
        data.admission_no,
        data.amount,
        card=case.token,
        route=case.route,
        network=case.network,
        changes=changes,
    )
    return case.accepted(case.entry(paid(case, data.amount) + held), changes)


PAID: Final = Rule(
    deposit_needs,
    (
        c.not_a_test,
        c.source_known,
        c.from_institution,
        c.currency_is_cny,
        c.members_known,
        c.at_a_hospital,
        c.day_has_come,
        c.route_agreed,
        c.terminal_in_use,
        c.may_debit,
        c.not_reversed_before,
        c.card_of_bank,
        c.bank_ref_new,
        t.stay_is_open,
    ),
    post_deposit,
    line=t.stay_line,
    adds=True,
)


# -- deposit.voided ------------------------------------------------------------------------------------------


def same_stay(case: Case) -> Rejected | None:
    """unknown_original: the void names another stay than its original."""
    original = case.original
    said: Any = original.event.data if original else None
    if said is None or said.__dict__.get("admission_no") == case.data.admission_no:
        return None
    return Rejected(
        Reason.UNKNOWN_ORIGINAL,
        f"{case.name}: the original is of admission {said.admission_no}, data says {case.data.admission_no}",
    )


def deposit_covers_void(case: Case) -> Rejected | None:
    """exceeds_deposit: what was paid has not been used or refunded since."""
    return within_deposit(case, case.data.admission_no, case.data.amount)


def within_deposit(case: Case, admission_no: str, amount_fen: int) -> Rejected | None:
    """exceeds_deposit: the stay's balance covers the amount."""
    institution = case.data.institution
    stay = known_stay(case, institution, admission_no)
    what = f"the deposit of {institution}/{admission_no}"
    return c.exceeds(case, Reason.EXCEEDS_DEPOSIT, what, amount_fen, stay.deposit_fen)


def post_deposit_void(case: Case) -> Accepted:
    """The original's entry mirrored, memo too."""
    verdict = u.undo_whole(case, "voided", Status.VOIDED)
    changes = dict(verdict.changes)
    take_deposit_back(case, case.data.institution, case.data.admission_no, case.data.amount, changes)
    return Accepted(verdict.entry, changes)


def void_needs(event: Event, facts: Facts) -> Iterable[Key]:
    """As an undo's, and the line of its stay."""
    yield from u.undo_needs(event, facts)
    data: Any = event.data
    yield ("stay", data.institution, data.admission_no)
    yield t.stay_line(event, facts)


VOIDED: Final = Rule(
    void_needs,
    (
        c.not_a_test,
        c.source_known,
        c.original_of(*DEPOSITS),
        c.when_known(u.undo_sender),
        c.currency_is_cny,
        c.members_known,
        c.at_a_hospital,
        c.day_has_come,
        c.original_here,
        same_stay,
        u.timeout_answered,
        u.original_untouched,
        u.before_cutover,
        u.same_card,
        u.same_route,
        u.whole_amount,
        c.bank_ref_new,
        t.stay_is_open,
        t.once_ahead(deposit_covers_void),
    ),
    post_deposit_void,
    line=t.stay_line,
)


# -- deposit.refunded ----------------------------------------------------------------------------------------


def refund_within_deposit(case: Case) -> Rejected | None:
    """exceeds_deposit: the balance covers the refund."""
    return within_deposit(case, case.data.admission_no, case.data.amount)


def card_has_paid(case: Case) -> Rejected | Parked | None:
    """card_differs: a card that has paid deposits of this stay, or its replacement, or a reason is given.

    A card that nobody has registered may turn out to be its replacement or alias: parked for it.
    """
    data = case.data
    if data.approval is not None and data.approval.reason:
        return None
    stay = known_stay(case, data.institution, data.admission_no)
    if any(case.follows(case.token, card) for card in stay.cards):
        return None
    if waits := c.card_to_come(case, *stay.cards):
        return waits
    where = f"{data.institution}/{data.admission_no}"
    return Rejected(
        Reason.CARD_DIFFERS,
        f"{case.name}: the card has paid no deposit of {where}; expected approval.reason for another card",
    )


def route_has_paid(case: Case) -> Rejected | None:
    """route_differs: a route by which the stay was paid."""
    data = case.data
    stay = known_stay(case, data.institution, data.admission_no)
    path = f"UNIONPAY/{case.network}" if case.route == "UNIONPAY" else case.route
    if path in stay.routes:
        return None
    return Rejected(
        Reason.ROUTE_DIFFERS,
        f"{case.name}: the stay was paid by {', '.join(stay.routes) or 'no route'}, got {path}",
    )


def paid_back(case: Case, amount_fen: int) -> list[Posting]:
    """By route, the other way: Dr the hospital / Cr the bank."""
    data = case.data
    gross = by_route(case, data.institution, case.route, amount_fen, bank=data.bank, network=case.network)
    return list(mirrored(tuple(gross)))


def post_deposit_refund(case: Case) -> Accepted:
    """Dr the hospital / Cr the bank; memo: the stay holds less."""
    data = case.data
    changes: dict[Key, Fact] = {}
    take_deposit_back(case, data.institution, data.admission_no, data.amount, changes)
    held = deposit_memo(data.institution, data.admission_no, -data.amount)
    entry = case.entry(paid_back(case, data.amount) + held, status=Status.REFUNDED)
    return case.accepted(entry, changes)


REFUNDED: Final = Rule(
    deposit_needs,
    (
        c.not_a_test,
        c.source_known,
        c.from_institution,
        c.currency_is_cny,
        c.members_known,
        c.at_a_hospital,
        c.day_has_come,
        c.card_of_bank,
        c.bank_ref_new,
        t.stay_is_open,
        t.once_ahead(refund_within_deposit),
        t.once_ahead(card_has_paid),
        t.once_ahead(route_has_paid),
    ),
    post_deposit_refund,
    line=t.stay_line,
)


# -- deposit.transferred -------------------------------------------------------------------------------------


def transfer_needs(event: Event, facts: Facts) -> Iterable[Key]:
    """Both stays, and the line of the giving one; of the taking one, too, when it does not take."""
    data: Any = event.data
    yield ("stay", data.institution, data.from_admission)
    yield t.stay_line(event, facts)
    yield ("stay", data.institution, data.to_admission)
    taker = facts.get("stay", data.institution, data.to_admission)
    if taker is not None and taker.state != "OPEN":
        yield t.taking_line(event, facts)


def giver_open(case: Case) -> Rejected | Parked | None:
    """admission_closed, or parked, of the giving stay, whose events are taken in their turn."""
    return t.open_in_turn(case, case.data.institution, case.data.from_admission)


def taker_open(case: Case) -> Rejected | Parked | None:
    """admission_closed, or parked, of the taking stay."""
    return c.open_stay(case, case.data.institution, case.data.to_admission)


def transfer_within_deposit(case: Case) -> Rejected | None:
    """exceeds_deposit: the giving stay's balance covers it."""
    return within_deposit(case, case.data.from_admission, case.data.amount)


def post_transfer(case: Case) -> Accepted:
    """Memo only: from one stay to the other; cards and routes that paid come along."""
    data = case.data
    giver = known_stay(case, data.institution, data.from_admission)
    taker = known_stay(case, data.institution, data.to_admission)
    cards, routes = taker.cards, taker.routes
    for card in giver.cards:
        cards = with_one(cards, card)
    for route in giver.routes:
        routes = with_one(routes, route)
    day = case.clearing_date
    changes: dict[Key, Fact] = {
        ("stay", data.institution, data.from_admission): replace(
            giver, deposit_fen=giver.deposit_fen - data.amount, last_date=day
        ),
        ("stay", data.institution, data.to_admission): replace(
            taker, deposit_fen=taker.deposit_fen + data.amount, cards=cards, routes=routes, last_date=day
        ),
    }
    postings = memo(
        account(accounts.DEPOSITS, data.institution, data.from_admission),
        account(accounts.DEPOSITS, data.institution, data.to_admission),
        data.amount,
    )
    return Accepted(case.entry(postings, admission_no=data.from_admission), changes)


TRANSFERRED: Final = Rule(
    transfer_needs,
    (
        c.not_a_test,
        c.source_known,
        c.from_institution,
        c.currency_is_cny,
        c.members_known,
        c.at_a_hospital,
        c.day_has_come,
        giver_open,
        t.once_ahead(taker_open, t.taking_line),
        t.once_ahead(transfer_within_deposit),
    ),
    post_transfer,
    line=t.stay_line,
    feeds=t.taking_line,
)
