"""Payments whose result is unknown, and their confirmation. 超时"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from clearing.ledger import accounts
from clearing.ledger import checks as c
from clearing.ledger.accounts import account
from clearing.ledger.case import made_sure
from clearing.ledger.entry import Status
from clearing.ledger.facts import Facts, Key, Original, Timeout
from clearing.ledger.outcomes import Accepted, Parked, Reason, Rejected
from clearing.ledger.routing import by_route, credited, payable, two
from clearing.ledger.rules import payments as p
from clearing.ledger.rules import turns as t
from clearing.ledger.rules import undoing as u
from clearing.ledger.rules.rule import Rule, card_needs, reference_needs
from clearing.ledger.rules.stays import add_deposit

if TYPE_CHECKING:
    from clearing.ledger.case import Case
    from clearing.ledger.facts import Fact
    from clearing.ledger.outcomes import Verdict
    from messages import Event


# -- payment.timed_out ---------------------------------------------------------------------------------------


def timed_out_needs(event: Event, facts: Facts) -> Iterable[Key]:
    """As a payment's; it needs no permission, but its card's bank is compared."""
    data: Any = event.data
    yield from card_needs(data, facts)
    yield from t.order_needs(data, facts)
    yield ("tombstone", event.source, event.id)
    yield ("timeout", event.source, event.id)
    yield from reference_needs(event, facts)


def order_free_for_payment(case: Case) -> Verdict | None:
    """order_already_paid: of a payment that timed out; a deposit takes no order number."""
    return None if case.data.admission_no else t.order_free_in_turn(case)


def post_timed_out(case: Case) -> Accepted:
    """DIRECT and the bank had debited: Dr the bank / Cr unknown outcome; else only noted."""
    data, event = case.data, case.event
    debited = data.bank_ref is not None
    changes: dict[Key, Fact] = {}
    if not data.admission_no:
        p.take_order(case, changes)
    if debited:
        case.use_bank_ref(changes)
    entry = None
    if debited and case.route == "DIRECT":
        unknown = account(accounts.UNKNOWN_OUTCOME, data.institution)
        entry = case.entry(two(account(accounts.BANK, data.bank), unknown, data.amount), status=Status.HELD)
    changes[("timeout", event.source, event.id)] = Timeout(
        source=event.source,
        id=event.id,
        state="OPEN",
        institution=data.institution,
        amount_fen=data.amount,
        debited=debited,
        occurred_at=event.time,
        last_date=case.clearing_date,
    )
    return Accepted(entry, changes)


TIMED_OUT: Final = Rule(
    timed_out_needs,
    (
        c.not_a_test,
        c.source_known,
        c.from_institution,
        c.currency_is_cny,
        c.members_known,
        c.day_has_come,
        c.route_agreed,
        c.not_reversed_before,
        c.card_of_bank,
        c.bank_ref_new,
        order_free_for_payment,
    ),
    post_timed_out,
)


# -- payment.confirmed ---------------------------------------------------------------------------------------


def original_timed_out(case: Case) -> Rejected | None:
    """unknown_original: only a time-out can be confirmed."""
    seen = case.original_seen
    if seen is None or seen.outcome == "parked":
        return None
    if seen.outcome != "rejected" and seen.type == "payment.timed_out":
        return None
    source, id_ = case.original_key
    return Rejected(
        Reason.UNKNOWN_ORIGINAL,
        f"{case.name}: original {source}/{id_} is a {seen.outcome} {seen.type}; expected a payment.timed_out",
    )


def from_institution_or_bank(case: Case) -> Rejected | None:
    """source_not_allowed: the time-out's institution or its agents, or the card's bank."""
    said = timed_out_data(case)
    if case.spoken_by(said.institution) or case.event.source == said.bank:
        return None
    return c.not_allowed(case, f"{said.institution}, one of its agents, or {said.bank}")


def original_of(case: Case) -> Original:
    """The original, which the checks have made sure of."""
    return made_sure(case, case.original)


def timed_out_data(case: Case) -> Any:  # noqa: ANN401 - the body of a payment.timed_out
    """What the time-out said."""
    return original_of(case).event.data


def still_open(case: Case) -> Rejected | None:
    """original_spent: confirmed or reversed before."""
    timeout = case.timeout
    if timeout is not None and timeout.state == "OPEN":
        return None
    return u.spent(case, timeout.state.lower() if timeout else "never open")


def timed_out_network(case: Case) -> str:
    """The network of a UNIONPAY time-out: the one it names, or the only one of its day."""
    return case.original_network


def route_of_timeout(case: Case) -> Rejected | None:
    """route_differs: the time-out's route, and its network when one is named."""
    said, data = timed_out_data(case), case.data
    if data.route == said.route and data.network in (None, timed_out_network(case)):
        return None
    return Rejected(
        Reason.ROUTE_DIFFERS,
        f"{case.name}: the time-out went {said.route}, got {data.route} {data.network or ''}",
    )


def confirmation_partner(case: Case) -> str:
    """Whose reference it is: the time-out's."""
    said = timed_out_data(case)
    return timed_out_network(case) if said.route == "UNIONPAY" else str(said.bank)


def repeats_reference(case: Case) -> bool:
    """Whether the confirmation carries the reference that its time-out has used up already."""
    said, data = timed_out_data(case), case.data
    return (data.bank_ref, data.bank_date) == (said.bank_ref, said.bank_date)


def reference_new_or_same(case: Case) -> Rejected | None:
    """bank_ref_reused, but for the reference of the time-out itself, which may be repeated."""
    if repeats_reference(case):
        return None
    return c.bank_ref_free(case, confirmation_partner(case))


def stay_takes_deposit(case: Case) -> Rejected | Parked | None:
    """Of a deposit: the stay is known and open; otherwise the time-out stays open."""
    said = timed_out_data(case)
    return c.open_stay(case, said.institution, said.admission_no) if said.admission_no else None


def post_confirmed(case: Case) -> Accepted:
    """Dr unknown outcome, or by route (the bank had not debited) / Cr the institution; fee; deposit memo."""
    said, event, timeout = timed_out_data(case), case.event, made_sure(case, case.timeout)
    case.not_before(timeout.last_date)
    changes: dict[Key, Fact] = {}
    where, bank, amount_fen = said.institution, said.bank, said.amount
    partner = confirmation_partner(case)
    if timeout.debited and said.route == "DIRECT":
        postings = two(account(accounts.UNKNOWN_OUTCOME, where), payable(case.settling(where)), amount_fen)
    else:
        postings = by_route(case, where, said.route, amount_fen, bank=bank, network=partner)
    postings += credited(
        case, where, said.route, amount_fen, bank=bank, terminal=said.terminal or "", access=said.access or ""
    )
    card = case.resolve(said.card, original_of(case).event.time)
    if said.admission_no:
        postings += add_deposit(
            case,
            where,
            said.admission_no,
            amount_fen,
            card=card,
            route=said.route,
            network=partner,
            changes=changes,
        )
    entry = case.entry(
        postings,
        amount_fen=amount_fen,
        institution=where,
        bank=bank,
        order_no=said.order_no,
        admission_no=said.admission_no or "",
        terminal=said.terminal or "",
        access=said.access or "",
        card=card,
        card_last4=said.card_last4 or "",
        app_area=said.app_area,
        route=said.route,
        partner=partner,
        **original_dimensions(case),
    )
    if not repeats_reference(case):
        case.use_bank_ref(changes, partner)
    changes[("timeout", *case.original_key)] = replace(
        timeout,
        state="CONFIRMED",
        confirmed_source=event.source,
        confirmed_id=event.id,
        last_date=case.clearing_date,
    )
    return Accepted(entry, changes)


def original_dimensions(case: Case) -> dict[str, Any]:
    """Link to the time-out's own entry, when it made one."""
    entry = case.original.entry if case.original else None
    return {"original_id": entry.id, "original_date": entry.clearing_date} if entry else {}


def confirmed_needs(event: Event, facts: Facts) -> Iterable[Key]:
    """The time-out, its card and stay; the bank reference; who may open the stay again."""
    yield from u.undo_needs(event, facts)
    yield from t.reopening_needs(event, facts)


CONFIRMED: Final = Rule(
    confirmed_needs,
    (
        c.not_a_test,
        c.source_known,
        original_timed_out,
        c.when_known(from_institution_or_bank),
        c.members_known,
        c.day_has_come,
        c.original_here,
        still_open,
        route_of_timeout,
        reference_new_or_same,
        t.once_ahead(stay_takes_deposit, t.undone_stay_line),
    ),
    post_confirmed,
    feeds=t.undone_stay_line,
)
