"""Stays: opened, cancelled, and the deposits they hold. 住院"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from clearing.ledger import accounts
from clearing.ledger import checks as c
from clearing.ledger.accounts import account
from clearing.ledger.case import made_sure
from clearing.ledger.facts import Facts, Key, Stay
from clearing.ledger.outcomes import Accepted, Reason, Rejected
from clearing.ledger.routing import memo
from clearing.ledger.rules import turns as t
from clearing.ledger.rules.rule import Rule, card_needs

if TYPE_CHECKING:
    from clearing.ledger.case import Case
    from clearing.ledger.entry import Posting
    from clearing.ledger.facts import Fact
    from messages import Event


# -- what a deposit does to its stay -------------------------------------------------------------------------


def deposit_memo(institution: str, admission_no: str, amount_fen: int) -> list[Posting]:
    """Dr deposits, contra / Cr the deposit of the admission; negative takes it back."""
    held = account(accounts.DEPOSITS, institution, admission_no)
    return memo(account(accounts.DEPOSITS_CONTRA, institution), held, amount_fen)


def add_deposit(
    case: Case,
    institution: str,
    admission_no: str,
    amount_fen: int,
    *,
    card: str,
    route: str,
    network: str,
    changes: dict[Key, Fact],
) -> list[Posting]:
    """The stay holds more; who paid and by which route is kept for refunds. Gives the memo postings."""
    stay = known_stay(case, institution, admission_no)
    path = f"UNIONPAY/{network}" if route == "UNIONPAY" else route
    changes[("stay", institution, admission_no)] = replace(
        stay,
        deposit_fen=stay.deposit_fen + amount_fen,
        cards=with_one(stay.cards, card),
        routes=with_one(stay.routes, path),
        last_date=case.clearing_date,
    )
    return deposit_memo(institution, admission_no, amount_fen)


def take_deposit_back(
    case: Case, institution: str, admission_no: str, amount_fen: int, changes: dict[Key, Fact]
) -> None:
    """The stay holds less; its cards and routes stay known, undone ones too."""
    stay = known_stay(case, institution, admission_no)
    changes[("stay", institution, admission_no)] = replace(
        stay, deposit_fen=stay.deposit_fen - amount_fen, last_date=case.clearing_date
    )


def known_stay(case: Case, institution: str, admission_no: str) -> Stay:
    """The stay, which the checks have made sure of."""
    stay: Stay = made_sure(case, case.facts.get("stay", institution, admission_no))
    case.not_before(stay.last_date)
    return stay


def with_one(known: tuple[str, ...], one: str) -> tuple[str, ...]:
    """The tuple with one more item, once."""
    return known if one in known else (*known, one)


# -- admission.registered, admission.cancelled ---------------------------------------------------------------


def admission_needs(event: Event, facts: Facts) -> Iterable[Key]:
    """The stay, and the card where the event has one."""
    data: Any = event.data
    yield ("stay", data.institution, data.admission_no)
    if data.__dict__.get("card") is not None:
        yield from card_needs(data, facts)


def admission_new(case: Case) -> Rejected | None:
    """admission_exists: a number is used once, cancelled ones too."""
    data = case.data
    if case.facts.get("stay", data.institution, data.admission_no) is None:
        return None
    where = f"{data.institution}/{data.admission_no}"
    return Rejected(Reason.ADMISSION_EXISTS, f"{case.name}: admission {where} is registered already")


def post_admission(case: Case) -> Accepted:
    """Noted: the stay is open."""
    data = case.data
    stay = Stay(
        institution=data.institution,
        admission_no=data.admission_no,
        card=case.token,
        admitted_at=data.admitted_at,
        last_date=case.clearing_date,
    )
    return Accepted(None, {("stay", data.institution, data.admission_no): stay})


ADMITTED: Final = Rule(
    admission_needs,
    (
        c.not_a_test,
        c.source_known,
        c.from_institution,
        c.members_known,
        c.at_a_hospital,
        c.day_has_come,
        c.card_of_bank,
        admission_new,
    ),
    post_admission,
)


def stay_needs(event: Event, facts: Facts) -> Iterable[Key]:
    """As an admission's, and who of the stay's events waits."""
    yield from admission_needs(event, facts)
    yield t.stay_line(event, facts)


def nothing_remains(case: Case) -> Rejected | None:
    """deposit_remains: no balance, arrears or settlement that stands."""
    data = case.data
    stay = known_stay(case, data.institution, data.admission_no)
    if not (stay.deposit_fen or stay.arrears_fen or stay.settlements):
        return None
    return Rejected(
        Reason.DEPOSIT_REMAINS,
        f"{case.name}: admission {data.institution}/{data.admission_no} still has a balance, arrears or settlement",
    )


def post_admission_cancelled(case: Case) -> Accepted:
    """Noted: the stay never was, its number is used up."""
    data = case.data
    stay = known_stay(case, data.institution, data.admission_no)
    after = replace(stay, state="CANCELLED", last_date=case.clearing_date)
    return Accepted(None, {("stay", data.institution, data.admission_no): after})


ADMISSION_CANCELLED: Final = Rule(
    stay_needs,
    (
        c.not_a_test,
        c.source_known,
        c.from_institution,
        c.members_known,
        c.at_a_hospital,
        c.day_has_come,
        t.stay_is_open,
        nothing_remains,
    ),
    post_admission_cancelled,
    line=t.stay_line,
)
