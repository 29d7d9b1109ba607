"""Voids and refunds, and what every undo event is checked for. 撤销与退费"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from clearing.errors import InvariantViolated
from clearing.ledger import accounts
from clearing.ledger import checks as c
from clearing.ledger.accounts import account
from clearing.ledger.entry import Entry, Posting, Status, mirrored
from clearing.ledger.facts import Facts, Key, Stay, Undo
from clearing.ledger.money import yuan
from clearing.ledger.outcomes import Accepted, Parked, Reason, Rejected
from clearing.ledger.routing import (
    by_route,
    fee_postings,
    fee_rule,
    memo,
    payable,
    refund_fees,
    whole_mirror,
)
from clearing.ledger.rules import turns as t
from clearing.ledger.rules.rule import Rule, card_needs, reference_needs

if TYPE_CHECKING:
    from clearing.ledger.case import Case
    from clearing.ledger.facts import Fact
    from messages import Event


PAYMENTS: Final = ("payment.made", "arrears.paid")
"""What `a payment` means where a row asks for one; a confirmed time-out counts as what it would have been."""


def free_order(case: Case, institution: str, order_no: str, changes: dict[Key, Fact]) -> None:
    """The order number may be paid again, when it is still the original's."""
    taken = case.facts.get("order", institution, order_no) if order_no else None
    if taken is not None and (taken.source, taken.id) == case.original_key:
        changes[("order", institution, order_no)] = replace(taken, source="", id="")


def undo_needs(event: Event, facts: Facts) -> Iterable[Key]:
    """The original with what is behind it; the card, also the original's; order number; bank reference."""
    data: Any = event.data
    source, id_ = data.original.source, data.original.id
    yield from c.original_needs(facts, source, id_)
    original = facts.event(source, id_)  # of this batch, too: its needs may not name its stay
    if original is not None:
        said: Any = original.data
        if said.__dict__.get("card") is not None:
            yield from card_needs(said, facts)
        if said.__dict__.get("order_no"):
            yield ("order", said.institution, said.order_no)
        if said.__dict__.get("admission_no"):
            yield ("stay", said.institution, said.admission_no)
    if data.__dict__.get("card") is not None:
        yield from card_needs(data, facts)
    yield from reference_needs(event, facts)


def undo_sender(case: Case) -> Rejected | None:
    """source_not_allowed: the original's sender, its institution or that one's agents, naming its institution."""
    original = case.original
    if original is None:
        return None
    institution = original.event.data.__dict__.get("institution")
    source = case.event.source
    if source != original.event.source and not (institution and case.spoken_by(institution)):
        return c.not_allowed(case, f"{original.event.source}, {institution or 'its member'} or an agent")
    named = case.said.get("institution")
    if named is not None and named != institution:
        return c.not_allowed(case, f"data.institution {institution} as in the original")
    return None


def timeout_answered(case: Case) -> Rejected | Parked | None:
    """A time-out must be confirmed before it can be undone: parked for it; original_spent when reversed."""
    timeout = case.timeout
    if timeout is None or timeout.state == "CONFIRMED":
        return None
    if timeout.state == "REVERSED":
        return spent(case, "reversed")
    return Parked(("timeout", *case.original_key), "the time-out is open; its confirmation has not come")


def spent(case: Case, how: str) -> Rejected:
    """original_spent, with what became of the original."""
    source, id_ = case.original_key
    return Rejected(Reason.ORIGINAL_SPENT, f"{case.name}: original {source}/{id_} was {how}")


def original_untouched(case: Case) -> Rejected | None:
    """original_spent: not voided, reversed or refunded before."""
    undo = case.undo
    if undo is None or undo.untouched:
        return None
    return spent(case, undo.spent or f"refunded by {yuan(undo.refunded_fen)}")


def original_stands(case: Case) -> Rejected | None:
    """original_spent: a payment refunded in part may be refunded on, one voided or reversed may not."""
    undo = case.undo
    if undo is None or not undo.spent:
        return None
    return spent(case, undo.spent)


def before_cutover(case: Case) -> Rejected | None:
    """void_after_cutover: the void's own date is not after the original's clearing date."""
    entry = case.undone_entry
    if entry is None or case.day <= entry.clearing_date:
        return None
    return Rejected(
        Reason.VOID_AFTER_CUTOVER,
        f"{case.name}: of {case.day}, the original's clearing date is {entry.clearing_date}; send a refund",
    )


def young_enough(case: Case) -> Rejected | None:
    """too_old: refunds are taken for `refund_days_max` days."""
    entry = case.undone_entry
    days_max = case.context.refund_days_max
    if entry is None or case.day <= entry.clearing_date + timedelta(days=days_max):
        return None
    days = (case.day - entry.clearing_date).days
    return Rejected(Reason.TOO_OLD, f"{case.name}: {days} days after the original, at most {days_max}")


def same_card(case: Case) -> Rejected | Parked | None:
    """card_differs: the original's card or the one that took its place, at its own bank.

    A card that nobody has registered may turn out to be its replacement or alias: parked for it.
    """
    entry = case.undone_entry
    if entry is not None and not case.follows(case.token, entry.card):
        if waits := c.card_to_come(case, entry.card):
            return waits
        return Rejected(Reason.CARD_DIFFERS, f"{case.name}: not the original's card nor its replacement")
    if refused := c.card_of_bank(case):
        return refused
    if entry is not None and (case.card is None or not case.card.bank) and case.data.bank != entry.bank:
        return Rejected(
            Reason.CARD_DIFFERS,
            f"{case.name}: the original's bank is {entry.bank}, data.bank says {case.data.bank}",
        )
    return None


def same_route(case: Case) -> Rejected | None:
    """route_differs: the original's route, and its network when one is named."""
    entry = case.undone_entry
    if entry is None:
        return None
    named = case.said.get("network")
    if case.route == entry.route and named in (None, entry.partner):
        return None
    return Rejected(
        Reason.ROUTE_DIFFERS,
        f"{case.name}: the original went {entry.route} {entry.partner}, got {case.route} {named or ''}".rstrip(),
    )


def whole_amount(case: Case) -> Rejected | None:
    """amount_differs: the whole amount, not a part."""
    entry = case.undone_entry
    said: Any = case.original.event.data if case.original else None
    original_fen = entry.amount_fen if entry else said.amount if said else 0
    if case.data.amount == original_fen:
        return None
    return Rejected(
        Reason.AMOUNT_DIFFERS,
        f"{case.name}: expected the whole {yuan(original_fen)}, got {yuan(case.data.amount)}",
    )


def within_original(case: Case) -> Rejected | None:
    """exceeds_original: all refunds together stay within the payment."""
    entry = case.undone_entry
    if entry is None:
        return None
    left_fen = entry.amount_fen - (case.undo.refunded_fen if case.undo else 0)
    source, id_ = case.original_key
    return c.exceeds(case, Reason.EXCEEDS_ORIGINAL, f"payment {source}/{id_}", case.data.amount, left_fen)


def undone(case: Case, spent_how: str) -> dict[Key, Fact]:
    """The mark that the original is gone as a whole."""
    source, id_ = case.original_key
    before = case.undo or Undo(source=source, id=id_, last_date=case.clearing_date)
    return {("undo", source, id_): replace(before, spent=spent_how, last_date=case.clearing_date)}


def date_after_original(case: Case) -> None:
    """Dates do not go back inside one original."""
    if case.undone_entry is not None:
        case.not_before(case.undone_entry.clearing_date)
    if case.undo is not None:
        case.not_before(case.undo.last_date)
    if case.timeout is not None:
        case.not_before(case.timeout.last_date)
    entry = case.undone_entry
    if entry is not None and entry.type == "arrears.paid":
        case.not_before(stay_of(case, entry).last_date)


def post_void(case: Case) -> Accepted:
    """The original's entry mirrored, fee too; its order number is free again, arrears are owed again."""
    return undo_whole(case, "voided", Status.VOIDED)


def undo_whole(case: Case, how: str, status: Status) -> Accepted:
    """The mirror of the original's entry, and all that it had taken is free again."""
    entry = undone_entry(case)
    date_after_original(case)
    changes = undone(case, how)
    free_order(case, entry.institution, entry.order_no, changes)
    if entry.type == "arrears.paid":
        owe_again(case, entry, entry.amount_fen, changes)
    postings = whole_mirror(case, entry)
    return case.accepted(
        case.entry(postings, status=status, original=entry, admission_no=entry.admission_no), changes
    )


def undone_entry(case: Case) -> Entry:
    """The entry to undo, which the checks have made sure of."""
    entry = case.undone_entry
    if entry is None:
        raise InvariantViolated(
            f"{case.name}: its original was accepted but has no entry. See: clearing verify"
        )
    return entry


def owe_again(case: Case, entry: Entry, amount_fen: int, changes: dict[Key, Fact]) -> list[Posting]:
    """What arrears.paid had taken off is owed again: the stay, and the memo postings of that part."""
    stay = stay_of(case, entry)
    changes[("stay", entry.institution, entry.admission_no)] = replace(
        stay, arrears_fen=stay.arrears_fen + amount_fen, last_date=case.clearing_date
    )
    owed = account(accounts.ARREARS, entry.institution)
    return memo(owed, account(accounts.ARREARS_CONTRA, entry.institution, entry.admission_no), amount_fen)


def stay_of(case: Case, entry: Entry) -> Stay:
    """The stay of an entry that is undone."""
    stay: Stay | None = case.facts.get("stay", entry.institution, entry.admission_no)
    if stay is None:
        raise InvariantViolated(f"{case.name}: the stay of {entry.id} is gone. See: clearing verify")
    return stay


VOIDED: Final = Rule(
    undo_needs,
    (
        c.not_a_test,
        c.source_known,
        c.original_of(*PAYMENTS),
        c.when_known(undo_sender),
        c.currency_is_cny,
        c.members_known,
        c.day_has_come,
        c.original_here,
        timeout_answered,
        original_untouched,
        before_cutover,
        same_card,
        same_route,
        whole_amount,
        c.bank_ref_new,
    ),
    post_void,
    line=t.undone_order_line,
    adds=True,
    feeds=t.undone_stay_line,
)


def post_refund(case: Case) -> Accepted:
    """By the original's route for the part: Dr the institution / Cr the bank; the fee only where its rule says."""
    entry, data = undone_entry(case), case.data
    date_after_original(case)
    source, id_ = case.original_key
    before = case.undo or Undo(source=source, id=id_, last_date=case.clearing_date)
    refunded_fen = before.refunded_fen + data.amount
    changes: dict[Key, Fact] = {}
    postings = by_route(
        case,
        entry.institution,
        entry.route,
        data.amount,
        bank=data.bank,
        network=entry.partner,
        channel=entry.partner,
    )
    postings = list(mirrored(tuple(postings)))
    returned = dict(before.fee_returned)
    if refund_returns_fee(case):
        parts = refund_fees(entry, case.undo, refunded_fen)
        bearer = payable(case.settling(entry.institution))
        postings += fee_postings(bearer, [(payee, -fen) for payee, fen in parts.items()])
        for payee, fen in parts.items():
            returned[payee] = returned.get(payee, 0) + fen
    if entry.type == "arrears.paid":
        postings += owe_again(case, entry, data.amount, changes)
    changes[("undo", source, id_)] = replace(
        before, refunded_fen=refunded_fen, fee_returned=tuple(returned.items()), last_date=case.clearing_date
    )
    refund = case.entry(
        postings,
        status=Status.REFUNDED,
        original=entry,
        order_no=data.order_no or "",
        admission_no=entry.admission_no,
    )
    return case.accepted(refund, changes)


def refund_returns_fee(case: Case) -> bool:
    """Whether the rule that charged the original says that refunds return its fee."""
    entry = case.undone_entry
    if entry is None or entry.route == "UNIONPAY":
        return False
    rule = fee_rule(
        case,
        entry.institution,
        route=entry.route,
        bank=entry.bank,
        terminal=entry.terminal,
        access=entry.access,
        day=entry.clearing_date,
    )
    return rule is not None and rule.refund_returns


REFUNDED: Final = Rule(
    undo_needs,
    (
        c.not_a_test,
        c.source_known,
        c.original_of(*PAYMENTS),
        c.when_known(undo_sender),
        c.currency_is_cny,
        c.members_known,
        c.day_has_come,
        c.original_here,
        timeout_answered,
        original_stands,
        young_enough,
        same_card,
        same_route,
        within_original,
        c.bank_ref_new,
    ),
    post_refund,
    feeds=t.undone_stay_line,
)
