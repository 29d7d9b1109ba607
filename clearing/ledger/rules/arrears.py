"""What stays owed for a stay: recorded, written off, paid. 欠费"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from clearing.ledger import accounts
from clearing.ledger import checks as c
from clearing.ledger.accounts import account
from clearing.ledger.facts import Facts, Key
from clearing.ledger.outcomes import Accepted, Parked, Reason, Rejected
from clearing.ledger.routing import memo, paid
from clearing.ledger.rules import payments as p
from clearing.ledger.rules import stays as s
from clearing.ledger.rules import turns as t
from clearing.ledger.rules.rule import Rule

if TYPE_CHECKING:
    from clearing.ledger.case import Case
    from clearing.ledger.entry import Posting
    from clearing.ledger.facts import Fact
    from messages import Event


def arrears_memo(institution: str, admission_no: str, amount_fen: int) -> list[Posting]:
    """Dr arrears of the hospital / Cr those of the admission; negative takes them off."""
    owed = account(accounts.ARREARS_CONTRA, institution, admission_no)
    return memo(account(accounts.ARREARS, institution), owed, amount_fen)


def arrears_needs(event: Event, facts: Facts) -> Iterable[Key]:
    """The stay and its line."""
    data: Any = event.data
    yield ("stay", data.institution, data.admission_no)
    yield t.stay_line(event, facts)


def stay_known(case: Case) -> Parked | None:
    """Parked while the stay is unknown or earlier events of it wait; arrears outlive the discharge."""
    data = case.data
    stay = case.facts.get("stay", data.institution, data.admission_no)
    if stay is None:
        return Parked(("stay", data.institution, data.admission_no), "the admission is not registered")
    case.not_before(stay.last_date)
    return t.in_turn(case, "stay", data.institution, data.admission_no)


def within_arrears(case: Case) -> Rejected | None:
    """exceeds_arrears: not more than is owed."""
    data = case.data
    stay = s.known_stay(case, data.institution, data.admission_no)
    what = f"the arrears of {data.institution}/{data.admission_no}"
    return c.exceeds(case, Reason.EXCEEDS_ARREARS, what, data.amount, stay.arrears_fen)


def owe(case: Case, amount_fen: int, changes: dict[Key, Fact]) -> list[Posting]:
    """The stay owes more, or less when negative."""
    data = case.data
    stay = s.known_stay(case, data.institution, data.admission_no)
    changes[("stay", data.institution, data.admission_no)] = replace(
        stay, arrears_fen=stay.arrears_fen + amount_fen, last_date=case.clearing_date
    )
    return arrears_memo(data.institution, data.admission_no, amount_fen)


def post_recorded(case: Case) -> Accepted:
    """Memo: Dr arrears / Cr those of the admission."""
    changes: dict[Key, Fact] = {}
    return Accepted(case.entry(owe(case, case.data.amount, changes)), changes)


def post_written_off(case: Case) -> Accepted:
    """Memo, the other way."""
    changes: dict[Key, Fact] = {}
    return Accepted(case.entry(owe(case, -case.data.amount, changes)), changes)


def paid_needs(event: Event, facts: Facts) -> Iterable[Key]:
    """As a payment's, and the stay."""
    yield from p.payment_needs(event, facts)
    yield from arrears_needs(event, facts)


def post_paid(case: Case) -> Accepted:
    """As a payment; memo: less is owed."""
    changes: dict[Key, Fact] = {}
    owed = owe(case, -case.data.amount, changes)
    p.take_order(case, changes)
    return case.accepted(case.entry(paid(case, case.data.amount) + owed), changes)


MEMO_CHECKS: Final = (
    c.not_a_test,
    c.source_known,
    c.from_institution,
    c.currency_is_cny,
    c.members_known,
    c.at_a_hospital,
    c.day_has_come,
    stay_known,
)

RECORDED: Final = Rule(arrears_needs, MEMO_CHECKS, post_recorded, line=t.stay_line, adds=True)
WRITTEN_OFF: Final = Rule(
    arrears_needs, (*MEMO_CHECKS, t.once_ahead(within_arrears)), post_written_off, line=t.stay_line
)
PAID: Final = Rule(
    paid_needs,
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
        t.order_free_in_turn,
        stay_known,
        t.once_ahead(within_arrears),
    ),
    post_paid,
    line=t.stay_line,
)
