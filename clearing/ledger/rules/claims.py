"""What payers settle with hospitals and with each other: claims, retention, cross-region. 垫付结算"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from clearing.ledger import accounts
from clearing.ledger import checks as c
from clearing.ledger.accounts import account
from clearing.ledger.case import made_sure
from clearing.ledger.facts import AreaPair, Facts, Key, Retention, Settlement
from clearing.ledger.members import Fund
from clearing.ledger.money import yuan
from clearing.ledger.outcomes import Accepted, Parked, Reason, Rejected
from clearing.ledger.routing import memo, payable, payer_position, two
from clearing.ledger.rules import turns as t
from clearing.ledger.rules.discharges import claim_memo
from clearing.ledger.rules.reimbursements import area_memo, owe_across
from clearing.ledger.rules.rule import Rule

if TYPE_CHECKING:
    from clearing.ledger.case import Case
    from clearing.ledger.entry import Posting
    from clearing.ledger.facts import Fact
    from messages import Event


# -- claim.settled -------------------------------------------------------------------------------------------


def claim_needs(event: Event, facts: Facts) -> Iterable[Key]:
    """Each claim with its pair of areas, the year's retention and its line."""
    data: Any = event.data
    for claim in data.claims:
        yield ("settlement", data.payer, claim.settlement_id)
        known: Settlement | None = facts.get("settlement", data.payer, claim.settlement_id)
        if known is not None and known.treat_area and known.insured_area:
            yield ("area", known.treat_area, known.insured_area)
    yield ("retention", data.payer, data.institution, data.month[:4])
    yield t.retention_line(event, facts)


def claims_open(case: Case) -> Rejected | Parked | None:
    """unknown_claim: each known (else parked), open, named once, claimed as advanced, not over-cut."""
    data, named = case.data, set()
    for number, claim in enumerate(data.claims):
        where = f"claims[{number}] {claim.settlement_id}"
        known: Settlement | None = case.facts.get("settlement", data.payer, claim.settlement_id)
        if known is None or not known.discharge:
            return Parked(("settlement", data.payer, claim.settlement_id), f"{where} has not been advanced")
        cut_fen = claim.deducted + claim.retained
        wrong = ""
        if claim.settlement_id in named:
            wrong = "is named twice"
        elif known.institution != data.institution:
            wrong = f"was advanced by {known.institution}"
        elif known.settled:
            wrong = "was settled before"
        elif claim.claimed != known.advanced_fen:
            wrong = f"claimed {yuan(claim.claimed)}, advanced were {yuan(known.advanced_fen)}"
        elif cut_fen > claim.claimed:
            wrong = f"deducted and retained make {yuan(cut_fen)}, claimed are {yuan(claim.claimed)}"
        if wrong:
            return Rejected(Reason.UNKNOWN_CLAIM, f"{case.name}: {where} {wrong}")
        named.add(claim.settlement_id)
        case.not_before(known.last_date)
    return None


def paid_is_the_rest(case: Case) -> Rejected | None:
    """total_differs: paid = Σ(claimed − deducted − retained)."""
    data = case.data
    rest_fen = sum(claim.claimed - claim.deducted - claim.retained for claim in data.claims)
    if rest_fen == data.paid:
        return None
    return Rejected(
        Reason.TOTAL_DIFFERS,
        f"{case.name}: the claims leave {yuan(rest_fen)}, paid is {yuan(data.paid)} "
        f"({yuan(abs(rest_fen - data.paid))} too {'little' if data.paid < rest_fen else 'much'})",
    )


def post_claims(case: Case) -> Accepted:
    """Dr the payer / Cr the hospital for what is paid; memo: claims off, retention on, cross-region."""
    data = case.data
    changes: dict[Key, Fact] = {}
    key = ("retention", data.payer, data.institution, data.month[:4])
    known: Retention | None = case.facts.get(*key)
    claimed_fen = sum(claim.claimed for claim in data.claims)
    retained_fen = sum(claim.retained for claim in data.claims)
    postings = two(payer_position(case, data.payer), payable(case.settling(data.institution)), data.paid)
    postings += claim_memo(data.payer, data.institution, -claimed_fen)
    postings += retention_memo(data.payer, data.institution, retained_fen)
    for claim in data.claims:
        postings += settle_one(case, claim, changes)
    if retained_fen:
        changes[key] = Retention(
            payer=data.payer,
            institution=data.institution,
            year=data.month[:4],
            retained_fen=(known.retained_fen if known else 0) + retained_fen,
            last_date=later(case, known),
        )
    if not postings:
        return Accepted(None, changes)
    return Accepted(case.entry(postings, amount_fen=data.paid, payer=data.payer), changes)


def later(case: Case, known: Retention | None) -> date:
    """The case's clearing date, or the date of the last entry when that is later."""
    return max(known.last_date, case.clearing_date) if known else case.clearing_date


def settle_one(case: Case, claim: Any, changes: dict[Key, Fact]) -> list[Posting]:  # noqa: ANN401 - a claim line
    """One claim is settled; where it crossed regions, the insured area owes what was accepted of it."""
    key = ("settlement", case.data.payer, claim.settlement_id)
    known: Settlement = made_sure(case, case.facts.get(*key))
    changes[key] = replace(known, settled=True, last_date=case.clearing_date)
    accepted_fen = claim.claimed - claim.deducted
    return owe_across(
        case, case.data.payer, known.treat_area, known.insured_area, accepted_fen, changes=changes
    )


def retention_memo(payer: str, institution: str, amount_fen: int) -> list[Posting]:
    """Dr retention / Cr its contra; negative releases."""
    return memo(
        account(accounts.RETENTION, payer, institution),
        account(accounts.RETENTION_CONTRA, payer, institution),
        amount_fen,
    )


SETTLED: Final = Rule(
    claim_needs,
    (
        c.not_a_test,
        c.source_known,
        c.from_payer,
        c.members_known,
        c.at_a_hospital,
        c.day_has_come,
        t.retention_in_turn,
        claims_open,
        paid_is_the_rest,
    ),
    post_claims,
    line=t.retention_line,
    adds=True,
    feeds=t.claims_line,
)


# -- retention.released --------------------------------------------------------------------------------------


def retention_needs(event: Event, facts: Facts) -> Iterable[Key]:
    """The year's retention and its line."""
    data: Any = event.data
    yield ("retention", data.payer, data.institution, data.year)
    yield t.retention_line(event, facts)


def within_retention(case: Case) -> Rejected | None:
    """exceeds_retention: released and kept are at most what is retained."""
    data = case.data
    known: Retention | None = case.facts.get("retention", data.payer, data.institution, data.year)
    what = f"the retention of {data.payer} and {data.institution} of {data.year}"
    retained_fen = known.retained_fen if known else 0
    return c.exceeds(case, Reason.EXCEEDS_RETENTION, what, data.released + data.kept, retained_fen)


def post_released(case: Case) -> Accepted:
    """Dr the payer / Cr the hospital for what is released; memo: less is retained."""
    data = case.data
    key = ("retention", data.payer, data.institution, data.year)
    known: Retention | None = case.facts.get(*key)
    if known is None or not data.released + data.kept:
        return Accepted(None)
    over_fen = data.released + data.kept
    postings = two(payer_position(case, data.payer), payable(case.settling(data.institution)), data.released)
    postings += retention_memo(data.payer, data.institution, -over_fen)
    after = replace(known, retained_fen=known.retained_fen - over_fen, last_date=later(case, known))
    return Accepted(case.entry(postings, amount_fen=data.released, payer=data.payer), {key: after})


RELEASED: Final = Rule(
    retention_needs,
    (
        c.not_a_test,
        c.source_known,
        c.from_payer,
        c.members_known,
        c.at_a_hospital,
        c.day_has_come,
        t.retention_in_turn,
        t.once_ahead(within_retention, t.retention_line),
    ),
    post_released,
    line=t.retention_line,
)


# -- crossregion.settled -------------------------------------------------------------------------------------


def area_needs(event: Event, facts: Facts) -> Iterable[Key]:
    """The pair of areas, and who waits of what the payer settles."""
    data: Any = event.data
    yield ("area", data.treat_area, data.insured_area)
    yield t.claims_line(event, facts)


def fund_of(case: Case, area: str) -> str:
    """The code of the only fund of an area, empty when there are none or several."""
    found = [
        member.code
        for member in case.members.by_code.values()
        if isinstance(member, Fund) and member.area == area
    ]
    return found[0] if len(found) == 1 else ""


def one_fund_an_area(case: Case) -> Rejected | None:
    """unknown_member: money can go through only between areas with exactly one fund each."""
    data = case.data
    if not data.through:
        return None
    for area in (data.treat_area, data.insured_area):
        if not fund_of(case, area):
            return Rejected(Reason.UNKNOWN_MEMBER, f"{case.name}: area {area} has not exactly one fund")
    return None


def within_area_claims(case: Case) -> Rejected | None:
    """exceeds_claims: at most what is open between the areas."""
    data = case.data
    known: AreaPair | None = case.facts.get("area", data.treat_area, data.insured_area)
    what = f"the claims of {data.treat_area} on {data.insured_area}"
    return c.exceeds(case, Reason.EXCEEDS_CLAIMS, what, data.amount, known.open_fen if known else 0)


def post_cross_region(case: Case) -> Accepted:
    """Memo: less is owed; with `through` Dr the insured area's fund / Cr the treat area's."""
    data = case.data
    changes: dict[Key, Fact] = {}
    postings = area_memo(case, data.treat_area, data.insured_area, -data.amount, changes)
    if data.through:
        debtor = account(accounts.FUND_EXPENSE, fund_of(case, data.insured_area))
        postings += two(debtor, account(accounts.FUND_EXPENSE, fund_of(case, data.treat_area)), data.amount)
    return Accepted(case.entry(postings, payer=data.payer), changes)


CROSS_REGION: Final = Rule(
    area_needs,
    (
        c.not_a_test,
        c.source_known,
        c.from_payer,
        c.currency_is_cny,
        c.members_known,
        one_fund_an_area,
        c.day_has_come,
        t.claims_in_turn,
        t.once_ahead(within_area_claims, t.claims_line),
    ),
    post_cross_region,
    line=t.claims_line,
)
