"""Top-ups of card accounts and scheme premiums. 充值与参合缴费"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from clearing.ledger import accounts
from clearing.ledger import checks as c
from clearing.ledger.accounts import account
from clearing.ledger.entry import Status
from clearing.ledger.facts import Facts, Key, Premium, Undo
from clearing.ledger.money import yuan
from clearing.ledger.outcomes import Accepted, Parked, Reason, Rejected
from clearing.ledger.permission import Cell, Use
from clearing.ledger.routing import two, whole_mirror
from clearing.ledger.rules import undoing as u
from clearing.ledger.rules.cards import from_bank
from clearing.ledger.rules.rule import Rule, card_needs, reference_needs

if TYPE_CHECKING:
    from clearing.ledger.case import Case
    from clearing.ledger.facts import Fact
    from messages import Event


# -- topup.made ----------------------------------------------------------------------------------------------


def topup_needs(event: Event, facts: Facts) -> Iterable[Key]:
    """The card and the bank reference."""
    yield from card_needs(event.data, facts)
    yield from reference_needs(event, facts)


def topup_sender(case: Case) -> Rejected | None:
    """source_not_allowed: the card's bank over the counter, the paying bank, or a channel."""
    data = case.data
    if data.method == "CHANNEL":
        if case.members.kind(case.event.source) == "channel":
            return None
        return c.not_allowed(case, "a payment channel")
    bank = data.bank if data.method == "COUNTER" else data.payer_bank
    return None if case.spoken_by(bank) else c.not_allowed(case, bank)


def may_top_up(case: Case) -> Rejected | Parked | None:
    """card_not_allowed or parked."""
    verdict = c.permission(case, Use.TOPUP)
    return None if isinstance(verdict, Cell) else verdict


def inside_one_bank(case: Case) -> bool:
    """Whether nothing moves between members: over the counter, or from an account at the card's own bank."""
    said = case.said
    return said["method"] == "COUNTER" or (
        said["method"] == "NETBANK" and bool(said["payer_bank"] == said["bank"])
    )


def topup_reference(case: Case) -> Rejected | None:
    """bank_ref_reused, of a top-up that is posted."""
    return None if inside_one_bank(case) else c.bank_ref_new(case)


def post_topup(case: Case) -> Accepted:
    """Dr the paying bank or channel / Cr the card's bank; inside one bank only noted."""
    data = case.data
    if inside_one_bank(case):
        return Accepted(None)
    payer = (
        account(accounts.CHANNEL, case.event.source)
        if data.method == "CHANNEL"
        else account(accounts.BANK, data.payer_bank)
    )
    card, token = case.card, case.token
    if card is not None and card.state_at(case.event.time) == "REPLACED":
        token = case.latest(card).token
    entry = case.entry(two(payer, account(accounts.BANK, data.bank), data.amount), card=token)
    return case.accepted(entry, {})


TOPUP: Final = Rule(
    topup_needs,
    (
        c.not_a_test,
        c.source_known,
        topup_sender,
        c.currency_is_cny,
        c.members_known,
        c.day_has_come,
        may_top_up,
        c.card_of_bank,
        topup_reference,
    ),
    post_topup,
)


def post_topup_reversed(case: Case) -> Accepted:
    """The original mirrored; of one that was noted only the mark that it is gone."""
    entry = case.undone_entry
    u.date_after_original(case)
    changes = u.undone(case, "reversed")
    if entry is None:
        return Accepted(None, changes)
    postings = whole_mirror(case, entry)
    return Accepted(case.entry(postings, status=Status.REVERSED, original=entry), changes)


TOPUP_REVERSED: Final = Rule(
    u.undo_needs,
    (
        c.not_a_test,
        c.source_known,
        c.original_of("topup.made"),
        c.when_known(u.undo_sender),
        c.currency_is_cny,
        c.members_known,
        c.day_has_come,
        c.original_here,
        u.original_untouched,
        u.whole_amount,
    ),
    post_topup_reversed,
)


# -- premium.paid, premium.refunded --------------------------------------------------------------------------


def premium_needs(event: Event, facts: Facts) -> Iterable[Key]:
    """The card, the bank reference, and each person's year."""
    data: Any = event.data
    yield from topup_needs(event, facts)
    for member in data.members:
        yield ("premium", data.payer, data.scheme_year, member.person)


def payer_is_fund(case: Case) -> Rejected | None:
    """unknown_member: premiums go to a fund."""
    return c.member_of(case, "payer", case.data.payer, frozenset({"fund"}))


def members_make_the_amount(case: Case) -> Rejected | None:
    """total_differs: Σ members = amount."""
    data = case.data
    total_fen = sum(member.amount for member in data.members)
    if total_fen == data.amount:
        return None
    return Rejected(
        Reason.TOTAL_DIFFERS,
        f"{case.name}: members make {yuan(total_fen)}, amount is {yuan(data.amount)} "
        f"({yuan(abs(total_fen - data.amount))} too {'much' if total_fen > data.amount else 'little'})",
    )


def years_unpaid(case: Case) -> Rejected | None:
    """premium_already_paid: once a person, year and fund."""
    data = case.data
    for number, member in enumerate(data.members, 1):
        known = case.facts.get("premium", data.payer, data.scheme_year, member.person)
        if known is not None and known.source:
            return Rejected(
                Reason.PREMIUM_ALREADY_PAID,
                f"{case.name}: member {number} has paid {data.scheme_year} by {known.source}/{known.id}",
            )
    return None


def post_premium(case: Case) -> Accepted:
    """Dr the bank / Cr the fund's income, which is never netted with its expense."""
    data, event = case.data, case.event
    changes: dict[Key, Fact] = {
        ("premium", data.payer, data.scheme_year, member.person): Premium(
            payer=data.payer,
            scheme_year=data.scheme_year,
            person=member.person,
            source=event.source,
            id=event.id,
            amount_fen=member.amount,
        )
        for member in data.members
    }
    postings = two(account(accounts.BANK, data.bank), account(accounts.FUND_INCOME, data.payer), data.amount)
    return case.accepted(case.entry(postings, payer=data.payer), changes)


PREMIUM: Final = Rule(
    premium_needs,
    (
        c.not_a_test,
        c.source_known,
        from_bank,
        c.currency_is_cny,
        c.members_known,
        payer_is_fund,
        c.day_has_come,
        c.card_of_bank,
        c.bank_ref_new,
        members_make_the_amount,
        years_unpaid,
    ),
    post_premium,
)


def premium_refund_needs(event: Event, facts: Facts) -> Iterable[Key]:
    """The premium's event and each person's year."""
    data: Any = event.data
    source, id_ = data.original.source, data.original.id
    yield from c.original_needs(facts, source, id_)
    original = facts.get("original", source, id_)
    if original is not None and original.event.type == "premium.paid":
        said: Any = original.event.data
        for person in data.persons:
            yield ("premium", said.payer, said.scheme_year, person)


def premium_data(case: Case) -> Any:  # noqa: ANN401 - the body of a premium.paid
    """What the premium said."""
    assert case.original is not None  # noqa: S101 - only asked once the original is known
    return case.original.event.data


def from_fund(case: Case) -> Rejected | None:
    """source_not_allowed: the fund that was paid."""
    fund = premium_data(case).payer
    return None if case.spoken_by(fund) else c.not_allowed(case, f"{fund} or one of its agents")


def persons_make_the_amount(case: Case) -> Rejected | None:
    """total_differs: the amount is what those persons paid here and did not get back."""
    said, total_fen = premium_data(case), 0
    for person in case.data.persons:
        known = case.facts.get("premium", said.payer, said.scheme_year, person)
        if known is not None and (known.source, known.id) == case.original_key:
            total_fen += known.amount_fen
        else:
            total_fen = -1
            break
    if total_fen == case.data.amount:
        return None
    paid = (
        "a person did not pay by this event, or got it back"
        if total_fen < 0
        else f"they paid {yuan(total_fen)}"
    )
    return Rejected(Reason.TOTAL_DIFFERS, f"{case.name}: {paid}; amount is {yuan(case.data.amount)}")


def post_premium_refunded(case: Case) -> Accepted:
    """Dr the fund's income / Cr the bank; the persons' year is free again."""
    said, entry = premium_data(case), u.undone_entry(case)
    u.date_after_original(case)
    changes: dict[Key, Fact] = {}
    for person in case.data.persons:
        key = ("premium", said.payer, said.scheme_year, person)
        changes[key] = replace(case.facts.get(*key), source="", id="")  # type: ignore[type-var]
    source, id_ = case.original_key
    before = case.undo or Undo(source=source, id=id_, last_date=case.clearing_date)
    changes[("undo", source, id_)] = replace(
        before,
        refunded_fen=before.refunded_fen + case.data.amount,
        persons_refunded=(*before.persons_refunded, *case.data.persons),
        last_date=case.clearing_date,
    )
    postings = two(
        account(accounts.FUND_INCOME, said.payer), account(accounts.BANK, said.bank), case.data.amount
    )
    refund = case.entry(postings, status=Status.REFUNDED, original=entry, payer=said.payer)
    return Accepted(refund, changes)


PREMIUM_REFUNDED: Final = Rule(
    premium_refund_needs,
    (
        c.not_a_test,
        c.source_known,
        c.original_of("premium.paid"),
        c.when_known(from_fund),
        c.currency_is_cny,
        c.members_known,
        c.day_has_come,
        c.original_here,
        persons_make_the_amount,
    ),
    post_premium_refunded,
)
