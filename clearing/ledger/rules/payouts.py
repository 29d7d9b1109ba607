"""The way of a payout after its submission: sent, paid, rejected, returned, paid again, given back. 代付与退票"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from clearing.ledger import accounts
from clearing.ledger import checks as c
from clearing.ledger.accounts import account
from clearing.ledger.case import made_sure
from clearing.ledger.facts import Facts, Key, Payout, Settlement
from clearing.ledger.money import yuan
from clearing.ledger.outcomes import Accepted, Parked, Reason, Rejected
from clearing.ledger.routing import two
from clearing.ledger.rules import reimbursements as r
from clearing.ledger.rules import turns as t
from clearing.ledger.rules.rule import Rule, card_needs, reference_needs

if TYPE_CHECKING:
    from clearing.ledger.case import Case
    from clearing.ledger.facts import Fact
    from messages import Event

WAITING: Final = ("HELD", "ACCEPTED", "SENT")


# -- shared --------------------------------------------------------------------------------------------------


def payout_needs(event: Event, facts: Facts) -> Iterable[Key]:
    """The payout with its settlement and areas; the card, when a new one is named; the bank reference."""
    data: Any = event.data
    source, id_ = data.original.source, data.original.id
    yield ("seen", source, id_)
    yield ("original", source, id_)
    yield ("payout", source, id_)
    payout: Payout | None = facts.get("payout", source, id_)
    if payout is not None:
        yield ("settlement", payout.payer, payout.settlement_id)
        yield ("payouts_of", payout.root)
        yield ("held", payout.card)
        if payout.treat_area and payout.insured_area:
            yield ("area", payout.treat_area, payout.insured_area)
    yield t.payout_line(event, facts)
    if data.__dict__.get("card") is not None:
        keys = card_needs(data, facts)
        yield from keys
        yield from r.limit_needs(keys, facts)
    yield from reference_needs(event, facts)


def payout_of(case: Case) -> Payout:
    """The payout, which the checks have made sure of."""
    payout: Payout | None = case.facts.get("payout", *case.original_key)
    return made_sure(case, payout)


def not_made(payout: Payout) -> Parked:
    """Parked for an attempt that the payer has yet to make: what makes it must not wait behind."""
    return Parked(("payout", payout.source, payout.id), "that attempt has not been made", in_line=False)


def wrong_state(case: Case, expected: str) -> Rejected:
    """payout_state, with the state that is."""
    payout = payout_of(case)
    where = f"{payout.source}/{payout.id}"
    return Rejected(
        Reason.PAYOUT_STATE,
        f"{case.name}: payout {where} is {payout.state} at attempt {payout.attempt}; expected {expected}",
    )


def from_its_payer(case: Case) -> Rejected | None:
    """source_not_allowed: the payout's payer or one of its agents."""
    payer = payout_of(case).payer
    return None if case.spoken_by(payer) else c.not_allowed(case, f"{payer} or one of its agents")


def from_its_bank(case: Case) -> Rejected | None:
    """source_not_allowed: the bank of the attempt; what is of another attempt any bank may send."""
    payout = payout_of(case)
    if case.data.attempt != payout.attempt:
        kinds = ("bank", "platform") if case.event.type == "payout.sent" else ("bank",)
        return None if case.members.kind(case.event.source) in kinds else c.not_allowed(case, "a bank")
    dispatched = case.event.type == "payout.sent" and case.event.source == case.platform
    if dispatched or case.event.source == payout.bank:
        return None
    return c.not_allowed(case, payout.bank)


def of_whole_amount(case: Case) -> Rejected | None:
    """amount_differs: the whole payout."""
    payout = payout_of(case)
    if case.data.amount == payout.amount_fen:
        return None
    return Rejected(
        Reason.AMOUNT_DIFFERS,
        f"{case.name}: expected the whole {yuan(payout.amount_fen)}, got {yuan(case.data.amount)}",
    )


def dated(case: Case, payout: Payout) -> None:
    """Dates do not go back inside one payout."""
    case.not_before(payout.last_date)


def payout_rule(sender: Any, state: Any, own: tuple[Any, ...], post: Any) -> Rule:  # noqa: ANN401 - checks
    """A rule of the family: shared checks, the state check at original_spent's place, `own` after it."""
    return Rule(
        payout_needs,
        (
            c.not_a_test,
            c.source_known,
            c.original_of("reimbursement.submitted"),
            c.when_known(sender),
            c.currency_is_cny,
            c.members_known,
            c.day_has_come,
            c.original_here,
            state,
            *own,
        ),
        post,
        line=t.payout_line,
    )


# -- payout.sent ---------------------------------------------------------------------------------------------


def can_be_sent(case: Case) -> Accepted | Rejected | Parked | None:
    """payout_state: ACCEPTED at this attempt; SENT already is noted; of an attempt not yet made parked."""
    payout = payout_of(case)
    if case.data.attempt > payout.attempt:
        return not_made(payout)
    if case.data.attempt == payout.attempt:
        if payout.state == "ACCEPTED":
            return None
        if payout.state == "SENT":
            return Accepted(None, detail="sent before")
    return wrong_state(case, f"ACCEPTED at attempt {case.data.attempt}")


def post_sent(case: Case) -> Accepted:
    """Noted: the bank has it."""
    payout = payout_of(case)
    dated(case, payout)
    after = replace(payout, state="SENT", last_date=case.clearing_date)
    return Accepted(None, {("payout", payout.source, payout.id): after})


SENT: Final = payout_rule(from_its_bank, can_be_sent, (), post_sent)


# -- payout.result -------------------------------------------------------------------------------------------


def can_have_result(case: Case) -> Accepted | Rejected | Parked | None:
    """payout_state: ACCEPTED or SENT at this attempt; a repeat of what is stored is noted."""
    payout, data = payout_of(case), case.data
    if data.attempt > payout.attempt:
        return not_made(payout)
    if data.attempt == payout.attempt:
        if payout.state == "HELD":
            return Parked(("payout", payout.source, payout.id), "the payout is held for its card")
        if payout.state in ("ACCEPTED", "SENT"):
            return None
    stored = payout.attempts[data.attempt - 1]
    said = (payout.amount_fen, stored.result, stored.result_date, stored.result_ref)
    if stored.result and said == (data.amount, data.result, data.bank_date, data.bank_ref):
        return Accepted(None, detail="the same result was sent before")
    return wrong_state(case, f"ACCEPTED or SENT at attempt {data.attempt}, or the stored result repeated")


def post_result(case: Case) -> Accepted:
    """PAID: Dr payouts in process / Cr the bank; REJECTED: Cr returned funds."""
    payout, data = payout_of(case), case.data
    dated(case, payout)
    attempt = payout.attempts[-1]._replace(
        result=data.result,
        result_ref=data.bank_ref,
        result_date=data.bank_date,
        reason_code=data.reason_code or "",
    )
    after = replace(
        payout, state=data.result, attempts=(*payout.attempts[:-1], attempt), last_date=case.clearing_date
    )
    changes: dict[Key, Fact] = {("payout", payout.source, payout.id): after}
    if data.result == "PAID":
        mark_paid(case, payout, changes)
        credit = account(accounts.BANK, payout.bank)
    else:
        r.count_no_more(case, payout, changes)
        credit = account(accounts.RETURNED_FUNDS, payout.payer)
    postings = two(account(accounts.PAYOUTS_IN_PROCESS, payout.payer), credit, payout.amount_fen)
    entry = case.entry(postings, **payout_dimensions(case, payout), text=data.reason_code or "")
    return case.accepted(entry, changes)


def mark_paid(case: Case, payout: Payout, changes: dict[Key, Fact]) -> None:
    """What depends on this settlement may go on."""
    key = ("settlement", payout.payer, payout.settlement_id)
    known: Settlement = made_sure(case, case.facts.get(*key))
    changes[key] = replace(known, paid=True, last_date=max(known.last_date, case.clearing_date))


def payout_dimensions(case: Case, payout: Payout) -> dict[str, Any]:
    """Card, bank and payer of an entry about a payout, linked to its submission."""
    entry = case.original.entry if case.original else None
    return {
        "card": payout.card,
        "bank": payout.bank,
        "payer": payout.payer,
        "app_area": "SCHEME",
        "original_id": entry.id if entry else "",
        "original_date": entry.clearing_date if entry else None,
    }


RESULT: Final = payout_rule(from_its_bank, can_have_result, (of_whole_amount, c.bank_ref_new), post_result)


# -- payout.returned -----------------------------------------------------------------------------------------


def can_be_returned(case: Case) -> Accepted | Rejected | Parked | None:
    """payout_state: PAID at this attempt; parked while it is not paid yet; a repeat is noted."""
    payout, data = payout_of(case), case.data
    if data.attempt > payout.attempt:
        return not_made(payout)
    if data.attempt == payout.attempt:
        if payout.state in WAITING:
            return Parked(("payout", payout.source, payout.id), "the payout is not PAID yet")
        if payout.state == "PAID":
            return None
    stored = payout.attempts[data.attempt - 1]
    if stored.return_ref and (payout.amount_fen, stored.return_date, stored.return_ref) == (
        data.amount,
        data.bank_date,
        data.bank_ref,
    ):
        return Accepted(None, detail="the same return was sent before")
    return wrong_state(case, f"PAID at attempt {data.attempt}, or the stored return repeated")


def post_returned(case: Case) -> Accepted:
    """Dr the bank / Cr returned funds."""
    payout, data = payout_of(case), case.data
    dated(case, payout)
    attempt = payout.attempts[-1]._replace(
        return_ref=data.bank_ref, return_date=data.bank_date, reason_code=data.reason_code
    )
    after = replace(
        payout, state="RETURNED", attempts=(*payout.attempts[:-1], attempt), last_date=case.clearing_date
    )
    changes: dict[Key, Fact] = {("payout", payout.source, payout.id): after}
    r.count_no_more(case, payout, changes)
    returned = account(accounts.RETURNED_FUNDS, payout.payer)
    postings = two(account(accounts.BANK, payout.bank), returned, payout.amount_fen)
    entry = case.entry(postings, **payout_dimensions(case, payout), text=data.reason_code)
    return case.accepted(entry, changes)


RETURNED: Final = payout_rule(
    from_its_bank, can_be_returned, (of_whole_amount, c.bank_ref_new), post_returned
)
