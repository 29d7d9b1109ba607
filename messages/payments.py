"""What patients pay and how it is undone; top-ups; premiums. 缴费"""

from __future__ import annotations

from typing import ClassVar, Literal

from messages.envelope import Body, Part, Rule, broken
from messages.fields import Count, Fen, Maybe, MemberCode, PersonToken, Text32, Text200, Year
from messages.groups import (
    DATE_WITH_REFERENCE,
    ITEMS_MAKE_THE_AMOUNT,
    NETWORK_NEEDS_UNIONPAY,
    Approved,
    BankEntry,
    BankRef,
    Card,
    FinanceUse,
    HisRef,
    MayBeApproved,
    Money,
    OptionalBankRef,
    Original,
    PaymentBankRef,
    Place,
    SchemeUse,
)


class PaymentMade(HisRef, PaymentBankRef, Place, Money, Card, Body):
    """A patient has paid with the card. 缴费"""

    order_no: Text32
    """Order number, used once per institution."""
    purpose: Literal["OUTPATIENT", "PHARMACY", "APPOINTMENT", "EMERGENCY", "OTHER"]
    """What for."""

    rules: ClassVar[tuple[Rule, ...]] = (NETWORK_NEEDS_UNIONPAY, ITEMS_MAKE_THE_AMOUNT)


class PaymentVoided(HisRef, PaymentBankRef, Place, Money, Card, Original, Body):
    """A payment of the same day is undone as a whole. 撤销"""

    reason: Maybe[Text200] = None
    """Why."""

    rules: ClassVar[tuple[Rule, ...]] = (NETWORK_NEEDS_UNIONPAY, ITEMS_MAKE_THE_AMOUNT)


class PaymentRefunded(MayBeApproved, HisRef, PaymentBankRef, Place, Money, Card, Original, Body):
    """All or part of a payment is given back. 退费"""

    reason_kind: Maybe[Literal["PATIENT", "CANCELLED", "CLINIC_STOPPED", "CHANGED", "OTHER"]] = None
    """Why."""

    rules: ClassVar[tuple[Rule, ...]] = (NETWORK_NEEDS_UNIONPAY, ITEMS_MAKE_THE_AMOUNT)


class PaymentTimedOut(OptionalBankRef, Place, Money, Card, Body):
    """No answer came: nobody knows yet whether the bank has debited. 超时"""

    order_no: Text32
    """Order number, used once per institution."""
    admission_no: Maybe[Text32] = None
    """Number of the stay, when it is a deposit."""

    rules: ClassVar[tuple[Rule, ...]] = (NETWORK_NEEDS_UNIONPAY, DATE_WITH_REFERENCE)


class PaymentConfirmed(BankRef, Original, Body):
    """What timed out did happen. 超时确认"""

    rules: ClassVar[tuple[Rule, ...]] = (NETWORK_NEEDS_UNIONPAY,)


class PaymentReversed(Money, Original, Body):
    """What may have gone wrong is taken back as a whole. 冲正"""

    institution: Maybe[MemberCode] = None
    """The original's institution."""
    attempt: Count = 1
    """How often this was tried, from 1."""


def _payer_bank_of_netbank(said: TopupMade) -> None:
    if (said.payer_bank is not None) != (said.method == "NETBANK"):
        broken(
            "payer_bank",
            "is missing; expected it with method NETBANK"
            if said.payer_bank is None
            else f"expected none with method {said.method}, got one",
        )


class TopupMade(FinanceUse, BankEntry, Money, Card, Body):
    """Money was put on the card's account. 圈存充值"""

    method: Literal["COUNTER", "NETBANK", "CHANNEL"]
    """By which way."""
    payer_bank: Maybe[MemberCode] = None
    """Of method NETBANK: the bank it came from."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            _payer_bank_of_netbank,
            {
                "if": {"properties": {"method": {"const": "NETBANK"}}},
                "then": {"required": ["payer_bank"]},
                "else": {"properties": {"payer_bank": False}},
            },
        ),
    )


class TopupReversed(FinanceUse, Money, Original, Body):
    """A top-up is taken back as a whole. 充值冲正"""


class InsuredPerson(Part):
    """One member of the family and the premium for that member."""

    person: PersonToken
    """Token of the insured person."""
    amount: Fen
    """Yuan with two decimals."""


def _nobody_twice_among_members(said: PremiumPaid) -> None:
    _nobody_twice("members", [member.person for member in said.members])


def _nobody_twice_among_persons(said: PremiumRefunded) -> None:
    _nobody_twice("persons", said.persons)


def _nobody_twice(field: str, persons: list[str] | tuple[str, ...]) -> None:
    if not persons:
        broken(field, "expected one person or more, got none")
    if len(set(persons)) != len(persons):
        broken(field, f"expected each person once, got {len(persons) - len(set(persons))} repeated")


class PremiumPaid(SchemeUse, BankEntry, Money, Card, Body):
    """A family has paid its yearly premiums. 参合缴费"""

    payer: MemberCode
    """The fund it goes to."""
    scheme_year: Year
    """The year it insures."""
    members: tuple[InsuredPerson, ...]
    """For whom, each once."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(_nobody_twice_among_members, {"properties": {"members": {"minItems": 1}}}),
    )


class PremiumRefunded(SchemeUse, Approved, Money, Original, Body):
    """Premiums of some persons are given back and their year is free again. 参合退费"""

    persons: tuple[PersonToken, ...]
    """For whom, each once."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(_nobody_twice_among_persons, {"properties": {"persons": {"minItems": 1, "uniqueItems": True}}}),
    )
