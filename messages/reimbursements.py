"""What the schemes pay out, to patients and to hospitals. 报销"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from messages.envelope import Body, Part, Rule, broken
from messages.fields import (
    AreaCode,
    ClaimKind,
    Count,
    Digest,
    Fen,
    FenOrZero,
    Flag,
    Maybe,
    MemberCode,
    Month,
    ReasonCode,
    Sealed,
    Text30,
    Text64,
    Text200,
    Year,
    amount_text,
)
from messages.groups import (
    Approved,
    BankEntry,
    Card,
    Claim,
    Money,
    Original,
    SchemeUse,
    TwoPeople,
    off_by,
)


class Dependency(Part):
    """A settlement that must have been paid first."""

    payer: MemberCode
    """Its payer."""
    settlement_id: Text30
    """Its number there."""


class Payee(Part):
    """Who gets the money when it is not the holder, both fields sealed for the bank. 收款人"""

    name: Sealed
    """Name, sealed."""
    account: Sealed
    """Account, sealed."""


def _fund_pays_the_amount(said: ReimbursementSubmitted) -> None:
    if said.claim.fund_amount != said.amount:
        broken(
            "claim.fund_amount",
            f"is {amount_text(said.claim.fund_amount)}, amount is {amount_text(said.amount)} "
            f"({off_by(said.claim.fund_amount, said.amount)})",
        )


def _row_of_a_batch(said: ReimbursementSubmitted) -> None:
    if (said.batch_id is None) != (said.row_no is None):
        have, lack = ("row_no", "batch_id") if said.batch_id is None else ("batch_id", "row_no")
        broken(lack, f"is missing; expected it beside {have}")


class ReimbursementSubmitted(SchemeUse, Approved, Money, Card, Body):
    """A payer asks to pay one patient: a payout begins, named by this event's source and id. 报销"""

    claim: Claim
    """What is reimbursed; its fund_amount is the amount."""
    batch_id: Maybe[Text64] = None
    """The batch it is a row of."""
    row_no: Maybe[Count] = None
    """Its row there, from 1."""
    depends_on: Maybe[tuple[Dependency, ...]] = None
    """What must have been paid first."""
    payee: Maybe[Payee] = None
    """Who gets the money when it is not the holder."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(_fund_pays_the_amount),
        Rule(_row_of_a_batch, {"dependentRequired": {"batch_id": ["row_no"], "row_no": ["batch_id"]}}),
    )


class ReimbursementBatchSubmitted(SchemeUse, Approved, Body):
    """The header of a batch of payouts: how many, how much, and a digest over its rows. 批量代付"""

    batch_id: Text64
    """Number of the batch."""
    kind: ClaimKind
    """The benefit of every row."""
    payer: MemberCode
    """Who pays."""
    rows: Count
    """How many rows."""
    total: Fen
    """What the rows make together."""
    digest: Digest
    """SM3 in lower-case hex of `id|amount` lines in row order, joined by line feeds."""


class ReimbursementWithdrawn(SchemeUse, Approved, Original, Body):
    """A payout that was not sent yet is called off. 撤回"""


class PayoutSent(SchemeUse, Original, Body):
    """The bank has the payout. 代付发送"""

    attempt: Count = 1
    """Which attempt, from 1."""


def _reason_of_a_rejection(said: PayoutResult) -> None:
    if (said.reason_code is not None) != (said.result == "REJECTED"):
        broken(
            "reason_code",
            "is missing; expected it with result REJECTED"
            if said.reason_code is None
            else "expected none with result PAID, got one",
        )


class PayoutResult(SchemeUse, BankEntry, Money, Original, Body):
    """The bank has paid the payout or has rejected it. 回盘"""

    result: Literal["PAID", "REJECTED"]
    """Which of the two."""
    reason_code: Maybe[ReasonCode] = None
    """Of result REJECTED: why."""
    attempt: Count = 1
    """Which attempt, from 1."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            _reason_of_a_rejection,
            {
                "if": {"properties": {"result": {"const": "REJECTED"}}},
                "then": {"required": ["reason_code"]},
                "else": {"properties": {"reason_code": False}},
            },
        ),
    )


def _other_reasons_need_text(said: PayoutReturned) -> None:
    if said.reason_code == "R99" and said.text is None:
        broken("text", "is missing; expected it with reason_code R99")


class PayoutReturned(SchemeUse, BankEntry, Money, Original, Body):
    """Paid money came back, often days later. 退票"""

    reason_code: ReasonCode
    """Why."""
    text: Maybe[Text200] = None
    """Why, in words; needed with R99."""
    attempt: Count = 1
    """Which attempt, from 1."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            _other_reasons_need_text,
            {"if": {"properties": {"reason_code": {"const": "R99"}}}, "then": {"required": ["text"]}},
        ),
    )


def _two_offices(said: PayoutRepaid) -> None:
    if {said.business.maker, said.business.checker} & {said.finance.maker, said.finance.checker}:
        broken("finance", "expected other people than in business, got the same person in both")


class PayoutRepaid(SchemeUse, Card, Original, Body):
    """A payout that failed is paid again, when the business office and the finance office agree. 重新代付"""

    business: TwoPeople
    """The business office's two people."""
    finance: TwoPeople
    """The finance office's two people, others than the business office's."""

    rules: ClassVar[tuple[Rule, ...]] = (Rule(_two_offices),)


class PayoutGivenBack(SchemeUse, Approved, Original, Body):
    """A payout that failed is given up and the money goes back to the payer. 退回基金"""


class PayoutRecalled(SchemeUse, Approved, Original, Body):
    """The payer asks the bank to bring a payout back; money moves when the bank returns it. 追回"""


class SettledClaim(Part):
    """One advanced claim in the payer's month."""

    settlement_id: Text30
    """Its number at the payer."""
    claimed: FenOrZero
    """What the hospital had advanced."""
    deducted: FenOrZero
    """What the payer does not accept."""
    retained: FenOrZero
    """What the payer keeps until the end of the year."""


class ClaimSettled(SchemeUse, Approved, Body):
    """A payer pays a hospital for a month of advanced claims. 结算拨付"""

    payer: MemberCode
    """Who pays."""
    institution: MemberCode
    """Who is paid."""
    month: Month
    """Which month."""
    claims: Annotated[tuple[SettledClaim, ...], Field(min_length=1)]
    """The claims, each once."""
    paid: FenOrZero
    """What is left after deductions and retention."""


class RetentionReleased(SchemeUse, Approved, Body):
    """The payer's yearly decision over what it had retained. 质保金清算"""

    payer: MemberCode
    """Who had retained."""
    institution: MemberCode
    """From whom."""
    year: Year
    """Which year."""
    released: FenOrZero
    """What the institution gets."""
    kept: FenOrZero
    """What the payer keeps for good."""


class CrossRegionSettled(SchemeUse, Approved, Money, Body):
    """Two areas settle what one paid for the other's patients. 异地结算"""

    payer: MemberCode
    """Who pays."""
    treat_area: AreaCode
    """Where the patients were treated."""
    insured_area: AreaCode
    """Where they are insured."""
    month: Month
    """Which month."""
    through: Flag = False
    """True when the money goes through this clearing too, else it is a memo only."""
