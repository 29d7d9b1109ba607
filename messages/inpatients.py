"""Stays, deposits, discharges and what is still owed. 住院"""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal

from messages.envelope import Body, Rule, broken
from messages.fields import (
    CardToken,
    FenOrZero,
    Instant,
    LastFour,
    Maybe,
    MemberCode,
    ReadMethod,
    Text32,
    amount_text,
)
from messages.groups import (
    DATE_WITH_REFERENCE,
    ITEMS_MAKE_THE_AMOUNT,
    NETWORK_NEEDS_UNIONPAY,
    Approved,
    BankRef,
    Card,
    Claim,
    HisRef,
    MayBeApproved,
    Money,
    OptionalBankRef,
    Original,
    Place,
    off_by,
)

_NO_FEN: Final = r"^0+\.00$"
_BANK_FIELDS: Final = ("bank_ref", "bank_date", "route", "network")


class _Stay(Body):
    institution: MemberCode
    """The hospital."""
    admission_no: Text32
    """Number of the stay there."""


class AdmissionRegistered(_Stay, Card):
    """A stay begins. 入院登记"""

    admitted_at: Instant
    """When the patient came in."""


class AdmissionCancelled(_Stay):
    """The stay never took place; its number is used up. 撤销入院"""


class DepositPaid(HisRef, BankRef, Place, Money, Card, Body):
    """Money in advance for a stay. 预交金"""

    admission_no: Text32
    """Number of the stay."""
    receipt_no: Text32
    """Number of the deposit's receipt."""

    rules: ClassVar[tuple[Rule, ...]] = (NETWORK_NEEDS_UNIONPAY, ITEMS_MAKE_THE_AMOUNT)


class DepositVoided(HisRef, BankRef, Place, Money, Card, Original, Body):
    """A deposit of the same day is undone as a whole. 预交金撤销"""

    admission_no: Text32
    """Number of the stay, the original's."""

    rules: ClassVar[tuple[Rule, ...]] = (NETWORK_NEEDS_UNIONPAY, ITEMS_MAKE_THE_AMOUNT)


class DepositRefunded(Approved, HisRef, BankRef, Place, Money, Card, Body):
    """Part of the deposits of a stay is given back. 退预交金"""

    admission_no: Text32
    """Number of the stay."""

    rules: ClassVar[tuple[Rule, ...]] = (NETWORK_NEEDS_UNIONPAY, ITEMS_MAKE_THE_AMOUNT)


def _two_stays(said: DepositTransferred) -> None:
    if said.from_admission == said.to_admission:
        broken("to_admission", "expected another stay than from_admission, got the same")


class DepositTransferred(HisRef, Money, Body):
    """Deposits move from one stay to another of the same hospital; no bank moves money. 预交金转移"""

    institution: MemberCode
    """The hospital."""
    from_admission: Text32
    """Number of the stay that gives."""
    to_admission: Text32
    """Number of the stay that gets."""

    rules: ClassVar[tuple[Rule, ...]] = (Rule(_two_stays), ITEMS_MAKE_THE_AMOUNT)


def _bank_where_money_moved(said: DischargeSettled) -> None:
    if said.top_up or said.refund:
        for field in ("bank_ref", "bank_date"):
            if getattr(said, field) is None:
                broken(field, "is missing; expected it because top_up or refund is above 0.00")
        return
    for field in _BANK_FIELDS:
        if field in said.model_fields_set:
            broken(field, "expected none because no money moved (top_up and refund are 0.00), got one")


def _items_make_the_total(said: DischargeSettled) -> None:
    if said.items is not None:
        items_fen = sum(item.amount for item in said.items)
        if items_fen != said.total:
            broken(
                "items",
                f"they make {amount_text(items_fen)}, total is {amount_text(said.total)} "
                f"({off_by(items_fen, said.total)})",
            )


def _claim_is_advanced(said: DischargeSettled) -> None:
    if said.claim is not None and not said.claim.advanced:
        broken("claim.advanced", "expected true: a claim settled at discharge was advanced by the hospital")


class DischargeSettled(MayBeApproved, HisRef, OptionalBankRef, Place, Card, Body):
    """The bill of a stay is settled, at its end or in between. 出院结算"""

    admission_no: Text32
    """Number of the stay."""
    stage: Literal["FINAL", "INTERIM"] = "FINAL"
    """At the end of the stay, or in between."""
    total: FenOrZero
    """The bill."""
    deposit_used: FenOrZero
    """What the deposits bear."""
    top_up: FenOrZero
    """What the patient pays now."""
    refund: FenOrZero
    """What the patient gets back now."""
    arrears: FenOrZero = 0
    """What stays owed."""
    claim: Maybe[Claim] = None
    """What the fund bears and the hospital has advanced."""

    rules: ClassVar[tuple[Rule, ...]] = (
        NETWORK_NEEDS_UNIONPAY,
        Rule(
            _bank_where_money_moved,
            {
                "if": {
                    "properties": {field: {"pattern": _NO_FEN} for field in ("top_up", "refund")},
                },
                "then": {"properties": dict.fromkeys(_BANK_FIELDS, False)},
                "else": {"required": ["bank_ref", "bank_date"]},
            },
        ),
        Rule(_items_make_the_total),
        Rule(
            _claim_is_advanced,
            {
                "properties": {
                    "claim": {"required": ["advanced"], "properties": {"advanced": {"const": True}}},
                },
            },
        ),
    )


def _card_whole_or_absent(said: DischargeCancelled) -> None:
    if (said.card is None) != (said.bank is None):
        have, lack = ("bank", "card") if said.card is None else ("card", "bank")
        broken(lack, f"is missing; expected it beside {have}")
    for field in ("card_last4", "read_method"):
        if said.card is None and field in said.model_fields_set:
            broken(field, "expected none without card, got one")


def _route_needs_reference(said: DischargeCancelled) -> None:
    if said.bank_ref is None:
        for field in ("route", "network"):
            if field in said.model_fields_set:
                broken(field, "expected none without bank_ref, got one")


_NEEDS_CARD: Final[dict[str, Any]] = {
    "dependentRequired": {
        "card": ["bank"],
        "bank": ["card"],
        "card_last4": ["card"],
        "read_method": ["card"],
    }
}


class DischargeCancelled(OptionalBankRef, Original, Body):
    """A settlement is taken back and the stay is open again. 召回

    The card and the bank's booking are there when the settlement had a top-up or a refund; whether it had
    is only known beside the original, so the ledger judges it. `institution` may be repeated.
    """

    card: Maybe[CardToken] = None
    """Token of the card, or any of its aliases."""
    bank: Maybe[MemberCode] = None
    """The bank that issued it."""
    card_last4: Maybe[LastFour] = None
    """Last four digits of the card number, for screens and slips."""
    read_method: Maybe[ReadMethod] = None
    """How the card was read."""
    institution: Maybe[MemberCode] = None
    """The original's institution."""

    rules: ClassVar[tuple[Rule, ...]] = (
        NETWORK_NEEDS_UNIONPAY,
        DATE_WITH_REFERENCE,
        Rule(_card_whole_or_absent, _NEEDS_CARD),
        Rule(_route_needs_reference, {"dependentRequired": {"route": ["bank_ref"], "network": ["bank_ref"]}}),
    )


class ArrearsRecorded(Money, _Stay):
    """The patient owes the hospital for a stay. 欠费登记"""


class ArrearsWrittenOff(Approved, Money, _Stay):
    """The hospital gives up what is owed. 欠费核销"""


class ArrearsPaid(BankRef, Place, Money, Card, Body):
    """The patient pays what was owed. 欠费补缴"""

    admission_no: Text32
    """Number of the stay."""
    order_no: Text32
    """Order number, used once per institution."""

    rules: ClassVar[tuple[Rule, ...]] = (NETWORK_NEEDS_UNIONPAY,)
