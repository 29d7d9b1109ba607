"""Discharge settlements and their recall. 出院结算"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from clearing.ledger import accounts
from clearing.ledger import checks as c
from clearing.ledger.accounts import account
from clearing.ledger.case import made_sure
from clearing.ledger.entry import Status
from clearing.ledger.facts import Facts, Key, Settlement
from clearing.ledger.money import yuan
from clearing.ledger.outcomes import Accepted, Parked, Reason, Rejected
from clearing.ledger.permission import Cell, Use
from clearing.ledger.routing import memo, paid, whole_mirror
from clearing.ledger.rules import deposits as d
from clearing.ledger.rules import stays as s
from clearing.ledger.rules import turns as t
from clearing.ledger.rules import undoing as u
from clearing.ledger.rules.arrears import arrears_memo
from clearing.ledger.rules.rule import Rule

if TYPE_CHECKING:
    from clearing.ledger.case import Case
    from clearing.ledger.entry import Posting
    from clearing.ledger.facts import Fact
    from messages import Event


# -- discharge.settled ---------------------------------------------------------------------------------------


def discharge_needs(event: Event, facts: Facts) -> Iterable[Key]:
    """As a deposit's, and the settlement that the claim opens, with its areas: a claim.settled may wait for it."""
    data: Any = event.data
    yield from d.deposit_needs(event, facts)
    claim = data.claim
    if claim is not None:
        yield ("settlement", claim.payer, claim.settlement_id)
        if claim.treat_area and claim.insured_area and claim.treat_area != claim.insured_area:
            yield ("area", claim.treat_area, claim.insured_area)


def top_up_terminal(case: Case) -> Rejected | None:
    """terminal_blocked, when the patient pays."""
    return c.terminal_in_use(case) if case.data.top_up else None


def top_up_card(case: Case) -> Rejected | Parked | None:
    """card_not_allowed or parked, when the patient pays."""
    return c.may_debit(case) if case.data.top_up else None


def sums_fit(case: Case) -> Rejected | None:
    """discharge_unbalanced: the bill is borne by fund, deposit, top-up and arrears, to the fen."""
    data, claim = case.data, case.data.claim
    stay = s.known_stay(case, data.institution, data.admission_no)
    fund_fen = claim.fund_amount if claim else 0
    borne_fen = data.deposit_used + data.top_up + data.arrears - data.refund
    wrong = ""
    if data.total - fund_fen != borne_fen:
        wrong = f"total − fund_amount is {yuan(data.total - fund_fen)}, the parts make {yuan(borne_fen)}"
    elif data.stage == "FINAL" and data.deposit_used != stay.deposit_fen:
        wrong = f"deposit_used {yuan(data.deposit_used)}, a final discharge uses the whole {yuan(stay.deposit_fen)}"
    elif data.deposit_used > stay.deposit_fen:
        wrong = f"deposit_used {yuan(data.deposit_used)}, the stay holds {yuan(stay.deposit_fen)}"
    elif data.top_up and data.refund:
        wrong = "both top_up and refund"
    elif data.refund > data.deposit_used:
        wrong = f"refund {yuan(data.refund)} is more than deposit_used {yuan(data.deposit_used)}"
    elif claim is not None and claim.total != data.total:
        wrong = f"claim.total is {yuan(claim.total)}, total is {yuan(data.total)}"
    return Rejected(Reason.DISCHARGE_UNBALANCED, f"{case.name}: {wrong}") if wrong else None


def refund_card(case: Case) -> Rejected | Parked | None:
    """card_differs of a refund, as deposit.refunded."""
    return d.card_has_paid(case) if case.data.refund else None


def refund_route(case: Case) -> Rejected | None:
    """route_differs of a refund, as deposit.refunded."""
    return d.route_has_paid(case) if case.data.refund else None


def claim_is_new(case: Case) -> Rejected | None:
    """claim_already_paid: no live advanced claim of it, no live payout of its kind."""
    claim = case.data.claim
    if claim is None:
        return None
    known = case.facts.get("settlement", claim.payer, claim.settlement_id)
    if known is None:
        return None
    if known.discharge or any(kind == claim.kind for kind, _, _ in known.live):
        return Rejected(
            Reason.CLAIM_ALREADY_PAID,
            f"{case.name}: {claim.payer}/{claim.settlement_id} has a live claim or payout already",
        )
    case.not_before(known.last_date)
    return None


def post_discharge(case: Case) -> Accepted:
    """Top-up or refund by route; memo: deposit used, claim advanced, arrears owed."""
    data = case.data
    stay = s.known_stay(case, data.institution, data.admission_no)
    postings: list[Posting] = paid(case, data.top_up) if data.top_up else []
    if data.refund:
        postings += d.paid_back(case, data.refund)
    postings += s.deposit_memo(data.institution, data.admission_no, -data.deposit_used)
    postings += arrears_memo(data.institution, data.admission_no, data.arrears)
    changes: dict[Key, Fact] = {}
    if data.claim is not None:
        postings += advance(case, changes)
    final = data.stage == "FINAL"
    changes[("stay", data.institution, data.admission_no)] = replace(
        stay,
        state="DISCHARGED" if final else "OPEN",
        discharged_at=case.event.time if final else stay.discharged_at,
        deposit_fen=stay.deposit_fen - data.deposit_used,
        arrears_fen=stay.arrears_fen + data.arrears,
        settlements=(*stay.settlements, case.key),
        last_date=case.clearing_date,
    )
    if not postings:
        return Accepted(None, changes)
    entry = case.entry(
        postings,
        amount_fen=data.top_up or data.refund or data.total,
        payer=data.claim.payer if data.claim else "",
        route=case.route if data.bank_ref else "",
    )
    return case.accepted(entry, changes)


def advance(case: Case, changes: dict[Key, Fact]) -> list[Posting]:
    """The hospital has given the patient the payer's part: Dr claims / Cr contra, per payer and hospital."""
    claim, institution = case.data.claim, case.data.institution
    key = ("settlement", claim.payer, claim.settlement_id)
    known = case.facts.get(*key)
    before = known or Settlement(
        payer=claim.payer, settlement_id=claim.settlement_id, last_date=case.clearing_date
    )
    changes[key] = replace(
        before,
        institution=institution,
        kind=claim.kind,
        advanced_fen=claim.fund_amount,
        treat_area=claim.treat_area or "",
        insured_area=claim.insured_area or "",
        settled=False,
        discharge=case.key,
        last_date=case.clearing_date,
    )
    return claim_memo(claim.payer, institution, claim.fund_amount)


def claim_memo(payer: str, institution: str, amount_fen: int) -> list[Posting]:
    """Dr hospital-advanced claims / Cr their contra; negative takes them off."""
    return memo(
        account(accounts.CLAIMS, payer, institution),
        account(accounts.CLAIMS_CONTRA, payer, institution),
        amount_fen,
    )


SETTLED: Final = Rule(
    discharge_needs,
    (
        c.not_a_test,
        c.source_known,
        c.from_institution,
        c.members_known,
        c.at_a_hospital,
        c.day_has_come,
        c.route_agreed,
        top_up_terminal,
        top_up_card,
        c.card_of_bank,
        c.bank_ref_new,
        t.stay_is_open,
        t.once_ahead(sums_fit),
        t.once_ahead(refund_card),
        t.once_ahead(refund_route),
        claim_is_new,
    ),
    post_discharge,
    line=t.stay_line,
)


# -- discharge.cancelled -------------------------------------------------------------------------------------


def recall_needs(event: Event, facts: Facts) -> Iterable[Key]:
    """The settlement's event, stay, claim and card."""
    data: Any = event.data
    yield from u.undo_needs(event, facts)
    original = facts.event(data.original.source, data.original.id)
    if original is not None and original.type == "discharge.settled":
        said: Any = original.data
        if said.claim is not None:
            yield ("settlement", said.claim.payer, said.claim.settlement_id)
        line = t.stay_line(original, facts)
        yield line[1:]
        yield line


def recall_in_turn(case: Case) -> Parked | None:
    """Parked behind earlier events of the stay that wait."""
    said = settled_data(case)
    return t.in_turn(case, "stay", said.institution, said.admission_no)


def settled_data(case: Case) -> Any:  # noqa: ANN401 - the body of a discharge.settled
    """What the settlement said."""
    return made_sure(case, case.original).event.data


def recall_may_debit(case: Case) -> Rejected | Parked | None:
    """A recalled refund debits the card again."""
    if not settled_data(case).refund or case.data.card is None:
        return None
    verdict = c.permission(case, Use.DEBIT)
    return None if isinstance(verdict, Cell) else verdict


def latest_settlement(case: Case) -> Rejected | None:
    """original_spent: only the stay's latest settlement that stands can be recalled."""
    said = settled_data(case)
    stay = s.known_stay(case, said.institution, said.admission_no)
    if stay.settlements and stay.settlements[-1] == case.original_key:
        return None
    return u.spent(case, "cancelled before, or is not the stay's latest settlement")


def card_and_reference(case: Case) -> Rejected | Parked | None:
    """card_differs: card and bank reference as the original had them, missing ones too.

    A card that nobody has registered may turn out to be its replacement or alias: parked for it.
    """
    said, data = settled_data(case), case.data
    if not (said.top_up or said.refund):
        if data.bank_ref is None and data.card is None:
            return None
        return Rejected(
            Reason.CARD_DIFFERS,
            f"{case.name}: the settlement moved no money; expected no card and no bank_ref",
        )
    if data.card is None or data.bank_ref is None:
        lack = "card" if data.card is None else "bank_ref"
        return Rejected(Reason.CARD_DIFFERS, f"{case.name}: the settlement moved money; expected data.{lack}")
    card = u.undone_entry(case).card
    if not case.follows(case.token, card):
        if waits := c.card_to_come(case, card):
            return waits
        return Rejected(Reason.CARD_DIFFERS, f"{case.name}: not the settlement's card nor its replacement")
    return c.card_of_bank(case)


def recall_route(case: Case) -> Rejected | None:
    """route_differs, where money moves."""
    return u.same_route(case) if case.data.bank_ref is not None else None


def claim_not_settled(case: Case) -> Rejected | None:
    """claim_settled: the payer has paid the hospital for it."""
    claim = settled_data(case).claim
    known = case.facts.get("settlement", claim.payer, claim.settlement_id) if claim else None
    if known is None or not known.settled:
        return None
    where = f"{claim.payer}/{claim.settlement_id}"
    return Rejected(Reason.CLAIM_SETTLED, f"{case.name}: claim {where} has been settled with the hospital")


def arrears_still_open(case: Case) -> Rejected | None:
    """arrears_paid: the stay's open arrears cover what the settlement had left owed."""
    said = settled_data(case)
    stay = s.known_stay(case, said.institution, said.admission_no)
    if said.arrears <= stay.arrears_fen:
        return None
    return Rejected(
        Reason.ARREARS_PAID,
        f"{case.name}: the settlement left {yuan(said.arrears)} owed, {yuan(stay.arrears_fen)} still are",
    )


def post_recall(case: Case) -> Accepted:
    """The settlement's entry mirrored, fee and settlement legs too; the stay is open, its claim not known."""
    said, entry = settled_data(case), case.undone_entry
    stay = s.known_stay(case, said.institution, said.admission_no)
    u.date_after_original(case)
    claim = said.claim
    known = case.facts.get("settlement", claim.payer, claim.settlement_id) if claim else None
    if known is not None:
        case.not_before(known.last_date)
    changes: dict[Key, Fact] = {
        **u.undone(case, "cancelled"),
        ("stay", said.institution, said.admission_no): replace(
            stay,
            state="OPEN",
            discharged_at=None,
            deposit_fen=stay.deposit_fen + said.deposit_used,
            arrears_fen=stay.arrears_fen - said.arrears,
            settlements=stay.settlements[:-1],
            last_date=case.clearing_date,
        ),
    }
    if known is not None and known.discharge == case.original_key:
        changes[("settlement", claim.payer, claim.settlement_id)] = replace(
            known, advanced_fen=0, settled=False, discharge=(), last_date=case.clearing_date
        )
    if entry is None:
        return Accepted(None, changes)
    postings = whole_mirror(case, entry)
    recalled = case.entry(
        postings, amount_fen=entry.amount_fen, status=Status.REVERSED, original=entry, payer=entry.payer
    )
    return case.accepted(recalled, changes)


CANCELLED: Final = Rule(
    recall_needs,
    (
        c.not_a_test,
        c.source_known,
        c.original_of("discharge.settled"),
        c.when_known(u.undo_sender),
        c.members_known,
        c.at_a_hospital,
        c.day_has_come,
        c.when_known(recall_may_debit),
        c.original_here,
        recall_in_turn,
        latest_settlement,
        card_and_reference,
        recall_route,
        c.bank_ref_new,
        claim_not_settled,
        arrears_still_open,
    ),
    post_recall,
    line=t.recall_line,
)
