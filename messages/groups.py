"""Groups of fields that many events share, and the rules that come with them. 公共字段组"""

from __future__ import annotations

from typing import Any, ClassVar

from messages.envelope import Part, Rule, Ruled, broken
from messages.fields import (
    Access,
    AppArea,
    AreaCode,
    BankRoute,
    CardToken,
    ClaimKind,
    CurrencyCode,
    Day,
    EventId,
    Fen,
    FenOrZero,
    Flag,
    Instant,
    LastFour,
    Maybe,
    MemberCode,
    PersonToken,
    ReadMethod,
    Route,
    Terminal,
    Text16,
    Text30,
    Text32,
    Text200,
    Year,
    amount_text,
)


def off_by(got: int, expected: int) -> str:
    """Say how far a sum is off and in which direction."""
    return f"{amount_text(abs(got - expected))} too {'much' if got > expected else 'little'}"


class Money(Part):
    """How much, always above zero: the type of the event gives the direction."""

    amount: Fen
    """Yuan with two decimals."""
    currency: CurrencyCode = "CNY"
    """Only CNY is booked; another currency is refused by the ledger."""


class Card(Part):
    """Whose card."""

    card: CardToken
    """Token of the card, or any of its aliases."""
    bank: MemberCode
    """The bank that issued it."""
    card_last4: Maybe[LastFour] = None
    """Last four digits of the card number, for screens and slips."""
    read_method: Maybe[ReadMethod] = None
    """How the card was read."""


class Origin(Part):
    """The visit elsewhere that a prescription or a community payment belongs to."""

    institution: MemberCode
    """Where that visit was."""
    visit_id: Text32
    """Its number there."""


class Place(Part):
    """Where it happened and who worked there."""

    institution: MemberCode
    """Hospital or pharmacy."""
    terminal: Maybe[Terminal] = None
    """Number of the terminal, 12 hex digits."""
    operator: Maybe[Text32] = None
    """Who served, as the institution numbers its staff."""
    access: Maybe[Access] = None
    """By which way the patient came."""
    app_area: AppArea = "MEDICAL"
    """Field of use of the card."""
    origin: Maybe[Origin] = None
    """The visit it belongs to, when that is another institution's."""


class SchemeUse:
    """Reimbursements, premiums and claims: their field of use is fixed and does not travel."""

    app_area: ClassVar[AppArea] = "SCHEME"


class FinanceUse:
    """Top-ups: their field of use is fixed and does not travel."""

    app_area: ClassVar[AppArea] = "FINANCE"


class BankEntry(Part):
    """The bank's own booking."""

    bank_ref: Text32
    """The bank's reference for it."""
    bank_date: Day
    """The bank's booking date."""


class BankRef(BankEntry):
    """The bank's booking and the way it went; a channel's route is only for payments and their undos."""

    route: BankRoute = "DIRECT"
    """By which way the money went."""
    network: Maybe[MemberCode] = None
    """The network of route UNIONPAY, needed where several are members."""


class PaymentBankRef(BankEntry):
    """The bank's booking and the way it went, which here may be a payment channel's."""

    route: Route = "DIRECT"
    """By which way the money went; of CHANNEL the channel is the payment's source."""
    network: Maybe[MemberCode] = None
    """The network of route UNIONPAY, needed where several are members."""


class OptionalBankRef(Part):
    """The bank's booking, there only when the bank moved money."""

    bank_ref: Maybe[Text32] = None
    """The bank's reference for it."""
    bank_date: Maybe[Day] = None
    """The bank's booking date."""
    route: BankRoute = "DIRECT"
    """By which way the money went."""
    network: Maybe[MemberCode] = None
    """The network of route UNIONPAY, needed where several are members."""


class Item(Part):
    """One line of the bill."""

    category: Text16
    """Kind of charge, as the hospital's system has it."""
    amount: Fen
    """Yuan with two decimals."""


class HisRef(Part):
    """What the hospital's own system (HIS) calls it."""

    order_no: Maybe[Text32] = None
    """Order number, used once per institution."""
    visit_id: Maybe[Text32] = None
    """Number of the visit."""
    receipt_no: Maybe[Text32] = None
    """Number of the receipt or invoice."""
    items: Maybe[tuple[Item, ...]] = None
    """The bill; its lines add up to the amount."""


def _two_people(said: TwoPeople) -> None:
    if said.maker == said.checker:
        broken("checker", "expected another person than the maker, got the same")


class TwoPeople(Ruled):
    """One enters, another checks. 双人复核"""

    maker: Text32
    """Who entered it."""
    checker: Text32
    """Who checked it: another person."""

    rules: ClassVar[tuple[Rule, ...]] = (Rule(_two_people),)


class Approval(TwoPeople):
    """Two people's approval and, where it needs one, the reason."""

    reason: Maybe[Text200] = None
    """Why."""


class Approved(Part):
    """Needs two people."""

    approval: Approval
    """Who entered and who checked it."""


class MayBeApproved(Part):
    """May carry two people's approval."""

    approval: Maybe[Approval] = None
    """Who entered and who checked it."""


class OriginalRef(Part):
    """Names an earlier event."""

    source: MemberCode
    """Its source."""
    id: EventId
    """Its id."""


class Original(Part):
    """Is about an earlier event."""

    original: OriginalRef
    """The earlier event."""


class Enrolment(Part):
    """Proof that the person is enrolled in the scheme. 新农合身份验证"""

    verified_by: Text32
    """Who looked it up."""
    verified_at: Instant
    """When."""


def _parts_make_the_total(said: Claim) -> None:
    parts = said.fund_amount + said.patient_amount
    if parts != said.total:
        broken(
            "total",
            f"fund_amount and patient_amount make {amount_text(parts)}, total is {amount_text(said.total)} "
            f"({off_by(parts, said.total)})",
        )


class Claim(Ruled):
    """The settlement of one bill between patient and fund."""

    settlement_id: Text30
    """Number of the settlement at the payer."""
    payer: MemberCode
    """The fund, or the insurer of a CRITICAL claim."""
    kind: ClaimKind
    """Which benefit."""
    total: FenOrZero
    """The bill."""
    eligible: FenOrZero
    """The part of the bill that the scheme covers at all."""
    fund_amount: FenOrZero
    """What the payer bears."""
    patient_amount: FenOrZero
    """What the patient bears; together with the payer's part it is the bill."""
    scheme_year: Maybe[Year] = None
    """Year of the scheme it counts for."""
    insured_area: Maybe[AreaCode] = None
    """Where the person is insured."""
    treat_area: Maybe[AreaCode] = None
    """Where the person was treated."""
    advanced: Flag = False
    """The hospital has already given the patient the payer's part."""
    person: Maybe[PersonToken] = None
    """Token of the insured person."""
    enrolment: Maybe[Enrolment] = None
    """Proof of enrolment."""

    rules: ClassVar[tuple[Rule, ...]] = (Rule(_parts_make_the_total),)


def _network_needs_unionpay(said: BankRef | PaymentBankRef | OptionalBankRef) -> None:
    if said.network is not None and said.route != "UNIONPAY":
        broken("network", f"expected none on route {said.route}, got one; only UNIONPAY has a network")


def _items_make_the_amount(said: Any) -> None:  # noqa: ANN401 - any body with items and amount
    if said.items is not None:
        items_fen = sum(item.amount for item in said.items)
        if items_fen != said.amount:
            broken(
                "items",
                f"they make {amount_text(items_fen)}, amount is {amount_text(said.amount)} "
                f"({off_by(items_fen, said.amount)})",
            )


def _date_with_reference(said: OptionalBankRef) -> None:
    if (said.bank_ref is None) != (said.bank_date is None):
        have, lack = ("bank_date", "bank_ref") if said.bank_ref is None else ("bank_ref", "bank_date")
        broken(lack, f"is missing; expected it beside {have}")


NETWORK_NEEDS_UNIONPAY = Rule(
    _network_needs_unionpay,
    {
        "if": {"required": ["network"]},
        "then": {"required": ["route"], "properties": {"route": {"const": "UNIONPAY"}}},
    },
)
ITEMS_MAKE_THE_AMOUNT = Rule(_items_make_the_amount)
DATE_WITH_REFERENCE = Rule(
    _date_with_reference, {"dependentRequired": {"bank_ref": ["bank_date"], "bank_date": ["bank_ref"]}}
)
