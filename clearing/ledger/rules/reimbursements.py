"""What a payer sends to card accounts: submissions and their batches. 报销代付"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from clearing.ledger import accounts
from clearing.ledger import checks as c
from clearing.ledger.accounts import account
from clearing.ledger.entry import Status
from clearing.ledger.facts import AreaPair, Attempt, Card, Facts, Key, LivePayout, Payout, Settlement
from clearing.ledger.members import PAYER, Fund
from clearing.ledger.outcomes import Accepted, Parked, Reason, Rejected
from clearing.ledger.permission import Cell, Use
from clearing.ledger.routing import memo, payer_position, two
from clearing.ledger.rules.payout_batches import PAYERS_OF, batch_takes, count_row
from clearing.ledger.rules.rule import Rule, card_needs

if TYPE_CHECKING:
    from clearing.ledger.case import Case
    from clearing.ledger.entry import Posting
    from clearing.ledger.facts import Fact
    from messages import Event

NOT_COUNTED: Final = frozenset(
    {
        Reason.BATCH_DIFFERS,
        Reason.UNKNOWN_SOURCE,
        Reason.SOURCE_NOT_ALLOWED,
        Reason.TEST_EVENT,
        Reason.ID_REUSED,
    }
)
"""Refusals of a row that its batch does not count: the payer did not send that row."""


# -- reimbursement.submitted ---------------------------------------------------------------------------------


def submitted_needs(event: Event, facts: Facts) -> Iterable[Key]:
    """The card with its payouts, the settlement, the batch, and what it depends on."""
    data: Any = event.data
    claim = data.claim
    keys = card_needs(data, facts)
    yield from keys
    yield from limit_needs(keys, facts)
    yield ("settlement", claim.payer, claim.settlement_id)
    yield ("payout", event.source, event.id)
    if data.batch_id is not None:
        yield ("batch", claim.payer, data.batch_id)
    for other in data.depends_on or ():
        yield ("settlement", other.payer, other.settlement_id)
    if claim.treat_area and claim.insured_area:
        yield ("area", claim.treat_area, claim.insured_area)


def limit_needs(keys: Iterable[Key], facts: Facts) -> Iterable[Key]:
    """What counts towards the limits of these cards, and what is held for them."""
    for kind, token in [key for key in keys if key[0] == "card"]:
        yield ("held", token)
        card = facts.get(kind, token)
        if card is not None and card.account_class != "I":
            yield ("payouts_of", card.root or card.token)


def from_claim_payer(case: Case) -> Rejected | None:
    """source_not_allowed: the claim's payer or one of its agents."""
    payer = case.data.claim.payer
    return None if case.spoken_by(payer) else c.not_allowed(case, f"{payer} or one of its agents")


def payers_known(case: Case) -> Rejected | None:
    """unknown_member: a fund, or an insurer for CRITICAL; payers of what it depends on."""
    claim = case.data.claim
    if refused := c.member_of(case, "claim.payer", claim.payer, PAYERS_OF[claim.kind == "CRITICAL"]):
        return refused
    for number, other in enumerate(case.data.depends_on or ()):
        if refused := c.member_of(case, f"depends_on[{number}].payer", other.payer, PAYER):
            return refused
    return None


def may_be_paid(case: Case) -> Rejected | Parked | None:
    """card_not_allowed or parked; a held payout goes on."""
    verdict = c.permission(case, Use.SUBMITTED)
    return None if isinstance(verdict, Cell) else verdict


def enrolled(case: Case) -> Rejected | None:
    """not_enrolled: the fund asks for proof of enrolment and none is given."""
    claim = case.data.claim
    fund = case.member(claim.payer)
    if isinstance(fund, Fund) and fund.enrolment == "required" and claim.enrolment is None:
        return Rejected(
            Reason.NOT_ENROLLED, f"{case.name}: {claim.payer} requires claim.enrolment, none given"
        )
    return None


def not_paid_yet(case: Case) -> Rejected | None:
    """claim_already_paid: no live payout or advanced claim with (payer, settlement_id, kind)."""
    claim = case.data.claim
    known: Settlement | None = case.facts.get("settlement", claim.payer, claim.settlement_id)
    if known is None:
        return None
    live = any(kind == claim.kind for kind, _, _ in known.live)
    if live or (known.discharge and known.kind == claim.kind):
        return Rejected(
            Reason.CLAIM_ALREADY_PAID,
            f"{case.name}: {claim.payer}/{claim.settlement_id} {claim.kind} has a live payout or claim already",
        )
    return None


def within_limits(case: Case) -> Rejected | None:
    """account_limit of the event's own amount."""
    return limit(case, case.data.amount)


def limit(case: Case, amount_fen: int) -> Rejected | None:
    """account_limit: the class's sums of a day and a calendar year, old and new numbers together."""
    card = target_of(case)
    if card is None or (limits := case.context.account_limits.get(card.account_class)) is None:
        return None
    root = card.root or card.token
    payouts: tuple[LivePayout, ...] = case.facts.get("payouts_of", root) or ()
    date_of = case.context.members.clock.date_of
    dated = [(date_of(one.at), one.amount_fen) for one in payouts]
    day_fen = amount_fen + sum(fen for day, fen in dated if day == case.day)
    year_fen = amount_fen + sum(fen for day, fen in dated if day.year == case.day.year)
    what = f"the limit of a class {card.account_class} account"
    return c.exceeds(case, Reason.ACCOUNT_LIMIT, f"{what} a day", day_fen, limits.day_fen) or c.exceeds(
        case, Reason.ACCOUNT_LIMIT, f"{what} a year", year_fen, limits.year_fen
    )


def dependencies_met(case: Case) -> Parked | None:
    """Parked until each has a payout that was PAID or a live advanced claim."""
    for other in case.data.depends_on or ():
        known: Settlement | None = case.facts.get("settlement", other.payer, other.settlement_id)
        if known is None or not (known.paid or known.discharge):
            return Parked(("settlement", other.payer, other.settlement_id), "what it depends on is not paid")
    return None


def target_of(case: Case) -> Card | None:
    """The card that is paid: the one named, or the one that took its place; None while its bank has none."""
    card = case.card
    return case.latest(card) if card is not None and card.bank else None


def post_submitted(case: Case) -> Accepted:
    """Dr the payer / Cr payouts in process; to an ended card Cr returned funds; cross-region memo."""
    data, event, claim = case.data, case.event, case.data.claim
    cell = c.permission(case, Use.SUBMITTED)
    card = target_of(case)
    held, ended = cell is Cell.HELD, cell is Cell.RETURNED
    token, bank, root = (
        (card.token, card.bank, card.root or card.token) if card else (case.token, data.bank, case.token)
    )
    changes: dict[Key, Fact] = {}
    known: Settlement | None = case.facts.get("settlement", claim.payer, claim.settlement_id)
    if known is not None:
        case.not_before(known.last_date)
    payout = Payout(
        source=event.source,
        id=event.id,
        state="REJECTED" if ended else "HELD" if held else "ACCEPTED",
        payer=claim.payer,
        settlement_id=claim.settlement_id,
        kind=claim.kind,
        amount_fen=data.amount,
        card=token,
        bank=bank,
        root=root,
        attempts=(Attempt(1, token, bank, event.time),),
        batch_id=data.batch_id or "",
        row_no=data.row_no,
        treat_area=claim.treat_area or "",
        insured_area=claim.insured_area or "",
        last_date=case.clearing_date,
    )
    changes[("payout", event.source, event.id)] = payout
    live = (*(known.live if known else ()), (claim.kind, event.source, event.id))
    blank = Settlement(payer=claim.payer, settlement_id=claim.settlement_id, last_date=case.clearing_date)
    changes[("settlement", claim.payer, claim.settlement_id)] = replace(
        known or blank, live=live, last_date=case.clearing_date
    )
    if held:
        changes[("held", token)] = (*(case.facts.get("held", token) or ()), case.key)
    if not ended:
        count_live(case, payout, changes)
    if data.batch_id is not None:
        count_row(case, accepted=True, changes=changes)
    pool = accounts.RETURNED_FUNDS if ended else accounts.PAYOUTS_IN_PROCESS
    postings = two(payer_position(case, claim.payer), account(pool, claim.payer), data.amount)
    postings += cross_region(case, payout, data.amount, changes)
    status = Status.HELD if held else Status.SUCCESS
    entry = case.entry(postings, status=status, payer=claim.payer, card=token, bank=bank)
    return case.accepted(entry, changes)


def count_live(case: Case, payout: Payout, changes: dict[Key, Fact]) -> None:
    """The payout counts towards its card's limits from now on, by the date of this attempt."""
    key = ("payouts_of", payout.root)
    known: tuple[LivePayout, ...] = case.facts.get(*key) or ()
    others = tuple(one for one in known if (one.source, one.id) != (payout.source, payout.id))
    changes[key] = (*others, LivePayout(payout.source, payout.id, case.event.time, payout.amount_fen))


def count_no_more(case: Case, payout: Payout, changes: dict[Key, Fact]) -> None:
    """The payout does not count towards its card's limits any more."""
    key = ("payouts_of", payout.root)
    known: tuple[LivePayout, ...] = case.facts.get(*key) or ()
    changes[key] = tuple(one for one in known if (one.source, one.id) != (payout.source, payout.id))


def cross_region(case: Case, payout: Payout, amount_fen: int, changes: dict[Key, Fact]) -> list[Posting]:
    """Memo: the treat area's fund has paid for the insured area; nothing within one area."""
    return owe_across(case, payout.payer, payout.treat_area, payout.insured_area, amount_fen, changes=changes)


def owe_across(
    case: Case, payer: str, treat: str, insured: str, amount_fen: int, *, changes: dict[Key, Fact]
) -> list[Posting]:
    """Memo: Dr cross-region claims / Cr contra, when the payer is of the treat area and the person is not."""
    fund = case.member(payer)
    if not treat or not insured or treat == insured or getattr(fund, "area", None) != treat:
        return []
    return area_memo(case, treat, insured, amount_fen, changes)


def area_memo(
    case: Case, treat: str, insured: str, amount_fen: int, changes: dict[Key, Fact]
) -> list[Posting]:
    """The pair of areas owes more, or less when negative."""
    key = ("area", treat, insured)
    known: AreaPair | None = changes.get(key) or case.facts.get(*key)
    day = case.clearing_date
    changes[key] = AreaPair(
        treat_area=treat,
        insured_area=insured,
        open_fen=(known.open_fen if known else 0) + amount_fen,
        last_date=max(known.last_date, day) if known else day,
    )
    owed = account(accounts.CROSS_REGION, treat, insured)
    return memo(owed, account(accounts.CROSS_REGION_CONTRA, treat, insured), amount_fen)


def row_refused(case: Case, refused: Rejected) -> dict[Key, Fact]:
    """A row refused for a reason of its own still counts in its batch."""
    changes: dict[Key, Fact] = {}
    if case.data.batch_id is not None and refused.reason not in NOT_COUNTED:
        count_row(case, accepted=False, changes=changes)
    return changes


SUBMITTED: Final = Rule(
    submitted_needs,
    (
        c.not_a_test,
        c.source_known,
        from_claim_payer,
        c.currency_is_cny,
        c.members_known,
        payers_known,
        c.day_has_come,
        may_be_paid,
        c.card_of_bank,
        batch_takes,
        enrolled,
        not_paid_yet,
        within_limits,
        dependencies_met,
    ),
    post_submitted,
    refused=row_refused,
)
