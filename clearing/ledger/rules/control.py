"""What settles, adjusts and corrects the books. 结算与调账"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from clearing.ledger import accounts
from clearing.ledger import checks as c
from clearing.ledger.accounts import CHART, account, code_of, owner_of
from clearing.ledger.case import made_sure
from clearing.ledger.entry import Posting
from clearing.ledger.facts import Facts, Instruction, Key, Undo
from clearing.ledger.members import INSTITUTION, Institution
from clearing.ledger.money import yuan
from clearing.ledger.outcomes import Accepted, Reason, Rejected
from clearing.ledger.routing import fee_postings, fees_standing, payable, two
from clearing.ledger.rules import undoing as u
from clearing.ledger.rules.rule import Rule, reference_needs

if TYPE_CHECKING:
    from clearing.ledger.case import Case
    from clearing.ledger.facts import Fact
    from messages import Event


# -- settlement.confirmed, settlement.failed -----------------------------------------------------------------


def instruction_needs(event: Event, facts: Facts) -> Iterable[Key]:
    """The instruction and the bank reference."""
    data: Any = event.data
    yield ("instruction", data.instruction)
    yield from reference_needs(event, facts)


def instruction_of(case: Case) -> Instruction | None:
    """The instruction named."""
    found: Instruction | None = case.facts.get("instruction", case.data.instruction)
    return found


def instruction_known(case: Case) -> Rejected | None:
    """unknown_original: no day has instructed it."""
    if instruction_of(case) is not None:
        return None
    return Rejected(Reason.UNKNOWN_ORIGINAL, f"{case.name}: no instruction {case.data.instruction}")


def from_creditor(case: Case) -> Rejected | None:
    """source_not_allowed: the creditor bank; in-bank that bank."""
    one = instruction_of(case)
    if one is None:
        return None
    bank = one.creditor if one.kind == "INTER_BANK" else one.debtor
    return None if case.event.source == bank else c.not_allowed(case, bank)


def from_either_bank(case: Case) -> Rejected | None:
    """source_not_allowed: either bank."""
    one = instruction_of(case)
    if one is None:
        return None
    banks = {one.debtor, one.creditor} if one.kind == "INTER_BANK" else {one.debtor}
    return None if case.event.source in banks else c.not_allowed(case, " or ".join(sorted(banks)))


def not_done(case: Case) -> Rejected | None:
    """original_spent: confirmed before, or replaced by a later instruction."""
    one = instruction_of(case)
    if one is None or one.state in ("WAITING", "FAILED"):
        return None
    return Rejected(Reason.ORIGINAL_SPENT, f"{case.name}: instruction {one.id} is {one.state}")


def not_cleared(case: Case) -> Rejected | None:
    """original_spent: as `not_done`; but in-bank, where nothing is posted, what was confirmed may come back. 退回"""
    one = instruction_of(case)
    came_back = one is not None and one.kind != "INTER_BANK" and one.state == "CONFIRMED"
    return None if came_back else not_done(case)


def whole_instruction(case: Case) -> Rejected | None:
    """amount_differs: the whole instruction."""
    one = instruction_of(case)
    if one is None or one.amount_fen == case.data.amount:
        return None
    return Rejected(
        Reason.AMOUNT_DIFFERS, f"{case.name}: expected {yuan(one.amount_fen)}, got {yuan(case.data.amount)}"
    )


def post_confirmed(case: Case) -> Accepted:
    """Inter-bank: Dr in transit of the creditor / Cr of the debtor; in-bank noted."""
    one = made_sure(case, instruction_of(case))
    case.not_before(one.clearing_date)
    changes: dict[Key, Fact] = {("instruction", one.id): replace(one, state="CONFIRMED")}
    if one.kind != "INTER_BANK":
        return Accepted(None, changes)
    creditor, debtor = account(accounts.IN_TRANSIT, one.creditor), account(accounts.IN_TRANSIT, one.debtor)
    return case.accepted(case.entry(two(creditor, debtor, one.amount_fen), text=one.id), changes)


def post_failed(case: Case) -> Accepted:
    """Noted: it may go out again under a new id."""
    one = made_sure(case, instruction_of(case))
    return Accepted(None, {("instruction", one.id): replace(one, state="FAILED")})


CONFIRMED: Final = Rule(
    instruction_needs,
    (
        c.not_a_test,
        c.source_known,
        from_creditor,
        c.currency_is_cny,
        c.members_known,
        c.day_has_come,
        instruction_known,
        not_done,
        whole_instruction,
        c.bank_ref_new,
    ),
    post_confirmed,
)
FAILED: Final = Rule(
    instruction_needs,
    (c.not_a_test, c.source_known, from_either_bank, c.day_has_come, instruction_known, not_cleared),
    post_failed,
)


# -- fee.adjusted --------------------------------------------------------------------------------------------


def bearer_is_institution(case: Case) -> Rejected | None:
    """unknown_member: the bearer is the original's institution."""
    original = case.original
    institution = original.event.data.__dict__["institution"] if original else case.data.bearer
    if institution == case.data.bearer:
        return None
    return Rejected(
        Reason.UNKNOWN_MEMBER,
        f"{case.name}: the fee is borne by {institution}, data.bearer is {case.data.bearer}",
    )


def payee_has_an_account(case: Case) -> Rejected | None:
    """unknown_member: a payee is a member with a settlement bank of its own."""
    payee = case.member(case.data.payee)
    if isinstance(payee, Institution) and payee.settles_with:
        return Rejected(
            Reason.UNKNOWN_MEMBER,
            f"{case.name}: data.payee {payee.code} settles with {payee.settles_with} and has no account",
        )
    return None


def original_booked(case: Case) -> Rejected | None:
    """unknown_original: a discharge that moved nothing has no entry whose fee could change."""
    timeout = case.timeout
    if case.undone_entry is not None or (timeout is not None and timeout.state != "CONFIRMED"):
        return None
    source, id_ = case.original_key
    return Rejected(Reason.UNKNOWN_ORIGINAL, f"{case.name}: original {source}/{id_} has moved no money")


def within_standing_fee(case: Case) -> Rejected | None:
    """amount_differs: not less than nothing may stand with the payee."""
    entry, data = case.undone_entry, case.data
    if data.direction == "MORE" or entry is None:
        return None
    standing_fen = fees_standing(entry, case.undo).get(data.payee, 0)
    return c.exceeds(case, Reason.AMOUNT_DIFFERS, f"the fee of {data.payee}", data.amount, standing_fen)


def post_adjusted(case: Case) -> Accepted:
    """MORE: Dr the institution / Cr fee payable; LESS the other way. Only the difference."""
    data, entry = case.data, u.undone_entry(case)
    u.date_after_original(case)
    fen = data.amount if data.direction == "MORE" else -data.amount
    source, id_ = case.original_key
    before = case.undo or Undo(source=source, id=id_, last_date=case.clearing_date)
    adjusted = dict(before.fee_adjusted)
    adjusted[data.payee] = adjusted.get(data.payee, 0) + fen
    after = replace(before, fee_adjusted=tuple(adjusted.items()), last_date=case.clearing_date)
    bearer = payable(case.settling(data.bearer))
    adjustment = case.entry(
        fee_postings(bearer, [(data.payee, fen)]), original=entry, institution=entry.institution
    )
    return Accepted(adjustment, {("undo", source, id_): after})


FEE_ADJUSTED: Final = Rule(
    u.undo_needs,
    (
        c.not_a_test,
        c.source_known,
        c.original_of(*u.PAYMENTS, "deposit.paid", "discharge.settled"),
        c.from_platform,
        c.currency_is_cny,
        c.members_known,
        payee_has_an_account,
        c.when_known(bearer_is_institution),
        c.day_has_come,
        c.original_here,
        original_booked,
        u.timeout_answered,
        u.original_stands,
        within_standing_fee,
    ),
    post_adjusted,
)


# -- correction.approved -------------------------------------------------------------------------------------

CORRECTABLE: Final = frozenset(
    {
        accounts.BANK,
        accounts.FUND_EXPENSE,
        accounts.INSURER,
        accounts.CHANNEL,
        accounts.HOSPITAL,
        accounts.PHARMACY,
        accounts.FUND_INCOME,
        accounts.FEES,
        accounts.SHORTAGE,
        accounts.OVERAGE,
    }
)
NETWORK_PAIR: Final = frozenset({accounts.NETWORK_CLEARED, accounts.NETWORK_PAID})
OWNER_KINDS: Final = {
    "institution": INSTITUTION,
    "payee": frozenset({"bank", "hospital", "pharmacy", "fund", "insurer", "channel"}),
}


def no_needs(_: Event, __: Facts) -> Iterable[Key]:
    """Nothing: a correction speaks for itself."""
    return ()


def legs_balance(case: Case) -> Rejected | None:
    """unbalanced: debits and credits are equal."""
    rest_fen = sum(leg.amount if leg.side == "D" else -leg.amount for leg in case.data.legs)
    if not rest_fen:
        return None
    more = "debits" if rest_fen > 0 else "credits"
    return Rejected(Reason.UNBALANCED, f"{case.name}: {more} are {yuan(abs(rest_fen))} more")


def accounts_allowed(case: Case) -> Rejected | None:
    """account_not_allowed: only accounts that may be corrected, of members that settle by themselves."""
    codes = {code_of(leg.account) for leg in case.data.legs}
    if codes & NETWORK_PAIR and codes != NETWORK_PAIR:
        return not_correctable(case, "1050 and 2019", "only against each other")
    for number, leg in enumerate(case.data.legs):
        code, owner = code_of(leg.account), owner_of(leg.account)
        if code not in CORRECTABLE | NETWORK_PAIR or leg.account != account(code, owner):
            return not_correctable(case, f"legs[{number}] {leg.account}", "is not open to corrections")
        wanted = CHART[code].owner_kind
        kind = case.members.kind(owner)
        if kind not in OWNER_KINDS.get(wanted, frozenset({wanted})):
            return not_correctable(case, f"legs[{number}] {leg.account}", f"expected a {wanted}, got {kind}")
        member = case.member(owner)
        settles_elsewhere = isinstance(member, Institution) and member.settles_with
        if code in (accounts.HOSPITAL, accounts.PHARMACY, accounts.FEES) and settles_elsewhere:
            return not_correctable(case, f"legs[{number}] {leg.account}", f"{owner} settles with another")
    return None


def not_correctable(case: Case, where: str, why: str) -> Rejected:
    """account_not_allowed, with the leg."""
    return Rejected(Reason.ACCOUNT_NOT_ALLOWED, f"{case.name}: {where}: {why}")


def post_correction(case: Case) -> Accepted:
    """Its legs."""
    legs = case.data.legs
    postings = [Posting(leg.account, leg.amount if leg.side == "D" else -leg.amount) for leg in legs]
    by_code = {code_of(leg.account): owner_of(leg.account) for leg in legs}
    institution = next(
        (by_code[code] for code in ("2010", "2011", "2091", "1091", "2019") if code in by_code), ""
    )
    entry = case.entry(
        postings,
        amount_fen=sum(leg.amount for leg in legs if leg.side == "D"),
        institution=institution,
        bank=by_code.get("1010", ""),
        text=case.data.text,
    )
    return Accepted(entry)


CORRECTION: Final = Rule(
    no_needs,
    (c.not_a_test, c.source_known, c.from_platform, c.day_has_come, legs_balance, accounts_allowed),
    post_correction,
)
