"""Taking back what may have gone wrong, also before it came. 冲正"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from clearing.ledger import accounts
from clearing.ledger import checks as c
from clearing.ledger.accounts import account
from clearing.ledger.entry import Entry, Status
from clearing.ledger.facts import Facts, Key, Timeout, Tombstone
from clearing.ledger.outcomes import Accepted, Parked, Reason, Rejected
from clearing.ledger.routing import two
from clearing.ledger.rules import turns as t
from clearing.ledger.rules import undoing as u
from clearing.ledger.rules.rule import Rule
from clearing.ledger.rules.stays import known_stay, take_deposit_back

if TYPE_CHECKING:
    from clearing.ledger.case import Case
    from clearing.ledger.entry import Posting
    from clearing.ledger.facts import Fact
    from messages import Event


from clearing.ledger.rules.timeouts import timed_out_data


def reversed_needs(event: Event, facts: Facts) -> Iterable[Key]:
    """The original with what is behind it, and earlier reversals of what has not come."""
    data: Any = event.data
    yield ("tombstone", data.original.source, data.original.id)
    yield from u.undo_needs(event, facts)
    yield from t.reopening_needs(event, facts)


def original_can_be_reversed(case: Case) -> Rejected | None:
    """unknown_original: of a wrong kind; one that was rejected moved nothing, which is noted in its place."""
    seen = case.original_seen
    if seen is not None and seen.outcome == "rejected":
        return None
    verdict = REVERSIBLE(case)
    return verdict if isinstance(verdict, Rejected) else None


REVERSIBLE: Final = c.original_of(*u.PAYMENTS, "deposit.paid")


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
    return u.undone_entry(case)


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
    verdict = u.undo_whole(case, "reversed", Status.REVERSED)
    if c.kind_of(case) == "deposit.paid":
        entry = u.undone_entry(case)
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
    u.free_order(case, said.institution, said.order_no, changes)
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
        u.original_untouched,
        u.whole_amount,
        t.once_ahead(deposit_stay_open, t.undone_stay_line),
        t.once_ahead(deposit_covers, t.undone_stay_line),
    ),
    post_reversed,
)
