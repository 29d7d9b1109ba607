"""What a payer decides of its payout: paid again, given back, withdrawn, recalled. 代付处置"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from clearing.ledger import accounts
from clearing.ledger import checks as c
from clearing.ledger.accounts import account, code_of
from clearing.ledger.case import made_sure
from clearing.ledger.entry import Status
from clearing.ledger.facts import Attempt, Key, Settlement
from clearing.ledger.outcomes import Accepted, Parked, Rejected
from clearing.ledger.permission import Cell, Use
from clearing.ledger.routing import payer_position, two
from clearing.ledger.rules import reimbursements as r
from clearing.ledger.rules import turns as t
from clearing.ledger.rules.payouts import (
    dated,
    from_its_payer,
    payout_dimensions,
    payout_needs,
    payout_of,
    payout_rule,
    wrong_state,
)
from clearing.ledger.rules.rule import Rule

if TYPE_CHECKING:
    from clearing.ledger.case import Case
    from clearing.ledger.facts import Fact

FAILED: Final = ("REJECTED", "RETURNED")


def payer_rule(state: Any, post: Any) -> Rule:  # noqa: ANN401 - a check
    """A rule of what a payer says of its payout: in its turn, since a bank's word before it may wait."""
    return payout_rule(from_its_payer, t.payout_in_turn, (state,), post)


# -- payout.repaid -------------------------------------------------------------------------------------------


def may_be_repaid(case: Case) -> Rejected | Parked | None:
    """card_not_allowed or parked; a held payout goes on."""
    verdict = c.permission(case, Use.REPAID)
    return None if isinstance(verdict, Cell) else verdict


def has_failed(case: Case) -> Rejected | None:
    """payout_state: REJECTED or RETURNED."""
    return None if payout_of(case).state in FAILED else wrong_state(case, "REJECTED or RETURNED")


def repaid_within_limits(case: Case) -> Rejected | None:
    """account_limit of the payout's amount."""
    return r.limit(case, payout_of(case).amount_fen)


def post_repaid(case: Case) -> Accepted:
    """Dr returned funds / Cr payouts in process, as the next attempt."""
    payout, card = payout_of(case), r.target_of(case)
    dated(case, payout)
    held = c.permission(case, Use.REPAID) is Cell.HELD
    token, bank, root = (
        (card.token, card.bank, card.root or card.token) if card else (case.token, case.data.bank, case.token)
    )
    number = payout.attempt + 1
    after = replace(
        payout,
        state="HELD" if held else "ACCEPTED",
        card=token,
        bank=bank,
        root=root,
        attempt=number,
        attempts=(*payout.attempts, Attempt(number, token, bank, case.event.time)),
        last_date=case.clearing_date,
    )
    changes: dict[Key, Fact] = {("payout", payout.source, payout.id): after}
    if held:
        changes[("held", token)] = (*(case.facts.get("held", token) or ()), case.original_key)
    r.count_live(case, after, changes)
    postings = two(
        account(accounts.RETURNED_FUNDS, payout.payer),
        account(accounts.PAYOUTS_IN_PROCESS, payout.payer),
        payout.amount_fen,
    )
    entry = case.entry(
        postings,
        amount_fen=payout.amount_fen,
        status=Status.HELD if held else Status.SUCCESS,
        **payout_dimensions(case, after),
    )
    return Accepted(entry, changes)


REPAID: Final = Rule(
    payout_needs,
    (
        c.not_a_test,
        c.source_known,
        c.original_of("reimbursement.submitted"),
        c.when_known(from_its_payer),
        c.members_known,
        c.day_has_come,
        may_be_repaid,
        c.original_here,
        t.payout_in_turn,
        has_failed,
        c.card_of_bank,
        repaid_within_limits,
    ),
    post_repaid,
    line=t.payout_line,
)


# -- given back, withdrawn, recalled -------------------------------------------------------------------------


def back_to_payer(case: Case, pool: str, state: str) -> Accepted:
    """Dr the pool / Cr the payer; cross-region memo mirrored; the settlement may be paid anew."""
    payout = payout_of(case)
    dated(case, payout)
    after = replace(payout, state=state, last_date=case.clearing_date)
    changes: dict[Key, Fact] = {("payout", payout.source, payout.id): after}
    key = ("settlement", payout.payer, payout.settlement_id)
    known: Settlement = made_sure(case, case.facts.get(*key))
    live = tuple(one for one in known.live if one[1:] != (payout.source, payout.id))
    changes[key] = replace(known, live=live, last_date=max(known.last_date, case.clearing_date))
    held = case.facts.get("held", payout.card) or ()
    if case.original_key in held:
        changes[("held", payout.card)] = tuple(one for one in held if one != case.original_key)
    r.count_no_more(case, payout, changes)
    postings = two(account(pool, payout.payer), payer_position(case, payout.payer), payout.amount_fen)
    if crossed_regions(case):
        postings += r.area_memo(case, payout.treat_area, payout.insured_area, -payout.amount_fen, changes)
    entry = case.entry(postings, amount_fen=payout.amount_fen, **payout_dimensions(case, payout))
    return Accepted(entry, changes)


def crossed_regions(case: Case) -> bool:
    """Whether the submission was booked between two areas, whatever area its payer is of by now."""
    entry = made_sure(case, case.original).entry
    return entry is not None and any(code_of(name) == accounts.CROSS_REGION for name, _, _ in entry.postings)


def post_given_back(case: Case) -> Accepted:
    """Dr returned funds / Cr the payer."""
    return back_to_payer(case, accounts.RETURNED_FUNDS, "GIVEN_BACK")


def can_be_withdrawn(case: Case) -> Rejected | None:
    """payout_state: HELD or ACCEPTED."""
    return None if payout_of(case).state in ("HELD", "ACCEPTED") else wrong_state(case, "HELD or ACCEPTED")


def post_withdrawn(case: Case) -> Accepted:
    """Dr payouts in process / Cr the payer."""
    return back_to_payer(case, accounts.PAYOUTS_IN_PROCESS, "WITHDRAWN")


def is_paid(case: Case) -> Rejected | None:
    """payout_state: PAID."""
    return None if payout_of(case).state == "PAID" else wrong_state(case, "PAID")


def post_recalled(case: Case) -> Accepted:
    """Noted: money moves when the bank sends the return."""
    dated(case, payout_of(case))
    return Accepted(None)


GIVEN_BACK: Final = payer_rule(has_failed, post_given_back)
WITHDRAWN: Final = payer_rule(can_be_withdrawn, post_withdrawn)
RECALLED: Final = payer_rule(is_paid, post_recalled)
