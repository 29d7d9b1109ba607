"""Payments whose result is unknown, their confirmation, and reversals. 超时与冲正"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from clearing.ledger import accounts
from clearing.ledger import checks as c
from clearing.ledger.accounts import account
from clearing.ledger.case import made_sure
from clearing.ledger.entry import Entry, Status
from clearing.ledger.facts import Facts, Key, Original, Timeout, Tombstone
from clearing.ledger.outcomes import Accepted, Parked, Reason, Rejected
from clearing.ledger.routing import by_route, credited, payable, two
from clearing.ledger.rules import payments as p
from clearing.ledger.rules.deposits import add_deposit, known_stay, take_deposit_back
from clearing.ledger.rules.rule import Rule, card_needs, reference_needs

if TYPE_CHECKING:
    from clearing.ledger.case import Case
    from clearing.ledger.entry import Posting
    from clearing.ledger.facts import Fact
    from messages import Event


# -- payment.timed_out ---------------------------------------------------------------------------------------


def timed_out_needs(event: Event, facts: Facts) -> Iterable[Key]:
    """As a payment's; it needs no permission, but its card's bank is compared."""
    data: Any = event.data
    yield from card_needs(data, facts)
    yield ("order", data.institution, data.order_no)
    yield ("tombstone", event.source, event.id)
    yield ("timeout", event.source, event.id)
    yield from reference_needs(event, facts)


def order_free_for_payment(case: Case) -> Rejected | None:
    """order_already_paid: of a payment that timed out; a deposit takes no order number."""
    return None if case.data.admission_no else c.order_free(case)


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
    return p.spent(case, timeout.state.lower() if timeout else "never open")


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
    """The time-out, its card and stay; the bank reference."""
    yield from p.undo_needs(event, facts)


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
        stay_takes_deposit,
    ),
    post_confirmed,
)


# -- payment.reversed ----------------------------------------------------------------------------------------


def reversed_needs(event: Event, facts: Facts) -> Iterable[Key]:
    """The original with what is behind it, and earlier reversals of what has not come."""
    data: Any = event.data
    yield ("tombstone", data.original.source, data.original.id)
    yield from p.undo_needs(event, facts)


def original_can_be_reversed(case: Case) -> Rejected | None:
    """unknown_original: of a wrong kind; one that was rejected moved nothing, which is noted in its place."""
    seen = case.original_seen
    if seen is not None and seen.outcome == "rejected":
        return None
    verdict = REVERSIBLE(case)
    return verdict if isinstance(verdict, Rejected) else None


REVERSIBLE: Final = c.original_of(*p.PAYMENTS, "deposit.paid")


def rejected_original(case: Case) -> Accepted | None:
    """Noted: the original moved nothing, so there is nothing to take back."""
    seen = case.original_seen
    if seen is not None and seen.outcome == "rejected":
        return Accepted(None, detail="its original was rejected")
    return None


def reversal_sender(case: Case) -> Rejected | None:
    """source_not_allowed: the institution, the original's sender, the bank or the platform."""
    original = case.original
    if original is None:
        return None
    said: Any = original.event.data
    named = case.data.institution
    if named is not None and named != said.institution:
        return c.not_allowed(case, f"data.institution {said.institution} as in the original")
    if case.event.source in (original.event.source, said.bank, case.platform) or case.spoken_by(
        said.institution
    ):
        return None
    return c.not_allowed(case, f"{said.institution}, {original.event.source}, {said.bank} or {case.platform}")


def tombstone(case: Case) -> Accepted | Parked | None:
    """Noted as a tombstone while the original is unknown; parked with it while it is parked."""
    if case.original_seen is not None:
        return c.original_here(case)
    source, id_ = case.original_key
    known = case.facts.get("tombstone", source, id_)
    reversals = known.reversals if known else ()
    after = Tombstone(
        source=source,
        id=id_,
        reversals=(*reversals, case.key),
        senders=(*(known.senders if known else ()), case.event.source),
        institutions=(*(known.institutions if known else ()), case.data.institution or ""),
        amounts_fen=(*(known.amounts_fen if known else ()), case.data.amount),
    )
    return Accepted(None, {("tombstone", source, id_): after}, "its original has not come")


def already_reversed(case: Case) -> Accepted | None:
    """Noted: reversed before."""
    undo, timeout = case.undo, case.timeout
    if (undo is not None and undo.spent == "reversed") or (
        timeout is not None and timeout.state == "REVERSED"
    ):
        return Accepted(None, detail="its original was reversed before")
    return None


def deposit_to_reverse(case: Case) -> Entry | None:
    """The entry of a deposit that is to be reversed; an open time-out holds none."""
    timeout = case.timeout
    if c.kind_of(case) != "deposit.paid" or (timeout is not None and timeout.state == "OPEN"):
        return None
    return p.undone_entry(case)


def deposit_stay_open(case: Case) -> Rejected | Parked | None:
    """admission_closed, of a deposit: its stay is open."""
    entry = deposit_to_reverse(case)
    return c.open_stay(case, entry.institution, entry.admission_no) if entry else None


def deposit_covers(case: Case) -> Rejected | None:
    """exceeds_deposit, of a deposit: its stay's balance covers the reversal."""
    entry = deposit_to_reverse(case)
    if entry is None:
        return None
    stay = known_stay(case, entry.institution, entry.admission_no)
    what = f"the deposit of {entry.institution}/{entry.admission_no}"
    return c.exceeds(case, Reason.EXCEEDS_DEPOSIT, what, entry.amount_fen, stay.deposit_fen)


def post_reversed(case: Case) -> Accepted:
    """An open time-out: Dr unknown outcome / Cr the bank, when it had debited. Else the original mirrored."""
    timeout = case.timeout
    if timeout is not None and timeout.state == "OPEN":
        return reverse_open_timeout(case, timeout)
    verdict = p.undo_whole(case, "reversed", Status.REVERSED)
    if c.kind_of(case) == "deposit.paid":
        entry = p.undone_entry(case)
        changes = dict(verdict.changes)
        take_deposit_back(case, entry.institution, entry.admission_no, entry.amount_fen, changes)
        return Accepted(verdict.entry, changes)
    return verdict


def reverse_open_timeout(case: Case, timeout: Timeout) -> Accepted:
    """The time-out is over; its order number is free again."""
    said = timed_out_data(case)
    case.not_before(timeout.last_date)
    changes: dict[Key, Fact] = {
        ("timeout", *case.original_key): replace(timeout, state="REVERSED", last_date=case.clearing_date)
    }
    p.free_order(case, said.institution, said.order_no, changes)
    original = case.original.entry if case.original else None
    if original is None:
        return Accepted(None, changes)
    postings: list[Posting] = two(
        account(accounts.UNKNOWN_OUTCOME, said.institution), account(accounts.BANK, said.bank), said.amount
    )
    return Accepted(case.entry(postings, status=Status.REVERSED, original=original), changes)


REVERSED: Final = Rule(
    reversed_needs,
    (
        c.not_a_test,
        c.source_known,
        original_can_be_reversed,
        c.when_known(reversal_sender),
        c.currency_is_cny,
        c.members_known,
        c.day_has_come,
        rejected_original,
        tombstone,
        already_reversed,
        p.original_untouched,
        p.whole_amount,
        deposit_stay_open,
        deposit_covers,
    ),
    post_reversed,
)
