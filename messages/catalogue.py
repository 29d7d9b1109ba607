"""Every type of event: its model, its topic, its record key. 事件目录

Order is promised only among records of one key, so the key names what must stay in order. Where the
event itself carries no such name, the key is the best the event offers:

    a void or refund            its own `card`; a producer that knows the original's card uses that one
    an undo without a card      `source/id` of the original
    a claim, a retention        the payer
    a correction                its break, else its own `source/id`
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

from messages import cards, control, inpatients, payments, reimbursements
from messages.envelope import Body, Event

Family = Literal["cards", "payments", "deposits", "reimbursements", "control"]


class Entry(NamedTuple):
    """One row of the catalogue."""

    model: type[Body]
    """The model of `data`."""
    family: Family
    """Which topic: clearing.<family> by default."""
    key: Callable[[Event], str]
    """The Kafka record key of an event of this type."""


def _card(event: Event) -> str:
    """Token of the card; of an undo, the original's card."""
    return str(_data(event).card)


def _terminal(event: Event) -> str:
    """Number of the terminal."""
    return str(_data(event).terminal)


def _payer(event: Event) -> str:
    """Member code of the payer."""
    return str(_data(event).payer)


def _batch(event: Event) -> str:
    """Number of the batch."""
    return str(_data(event).batch_id)


def _instruction(event: Event) -> str:
    """Id of the settlement instruction."""
    return str(_data(event).instruction)


def _own_id(event: Event) -> str:
    """`source/id` of the event itself."""
    return f"{event.source}/{event.id}"


def _original_id(event: Event) -> str:
    """`source/id` of the original; a payment's undo is better sent under the card of the original."""
    original = _data(event).original
    return f"{original.source}/{original.id}"


def _stay(event: Event) -> str:
    """`institution/admission_no` of the stay."""
    said = _data(event)
    return f"{said.institution}/{said.admission_no}"


def _giving_stay(event: Event) -> str:
    """`institution/from_admission`: the stay that gives."""
    said = _data(event)
    return f"{said.institution}/{said.from_admission}"


def _break_or_own_id(event: Event) -> str:
    """Id of the break, or `source/id` of the event when it names none."""
    return _data(event).break_id or _own_id(event)


def _data(event: Event) -> Any:  # noqa: ANN401 - the row of the catalogue knows which model it is
    return event.data


CATALOGUE: Final[dict[str, Entry]] = {
    "card.registered": Entry(cards.CardRegistered, "cards", _card),
    "card.aliased": Entry(cards.CardAliased, "cards", _card),
    "card.changed": Entry(cards.CardChanged, "cards", _card),
    "card.activated": Entry(cards.CardActivated, "cards", _card),
    "card.frozen": Entry(cards.CardFrozen, "cards", _card),
    "card.unfrozen": Entry(cards.CardUnfrozen, "cards", _card),
    "card.lost": Entry(cards.CardLost, "cards", _card),
    "card.found": Entry(cards.CardFound, "cards", _card),
    "card.replaced": Entry(cards.CardReplaced, "cards", _card),
    "card.cancelled": Entry(cards.CardCancelled, "cards", _card),
    "card.terminated": Entry(cards.CardTerminated, "cards", _card),
    "card.holder_deceased": Entry(cards.CardHolderDeceased, "cards", _card),
    "card.duplicate_found": Entry(cards.CardDuplicateFound, "cards", _card),
    "terminal.registered": Entry(cards.TerminalRegistered, "cards", _terminal),
    "terminal.locked": Entry(cards.TerminalLocked, "cards", _terminal),
    "terminal.unlocked": Entry(cards.TerminalUnlocked, "cards", _terminal),
    "terminal.lost": Entry(cards.TerminalLost, "cards", _terminal),
    "terminal.found": Entry(cards.TerminalFound, "cards", _terminal),
    "terminal.recalled": Entry(cards.TerminalRecalled, "cards", _terminal),
    "terminal.scrapped": Entry(cards.TerminalScrapped, "cards", _terminal),
    "terminal.sam_replaced": Entry(cards.TerminalSamReplaced, "cards", _terminal),
    "payment.made": Entry(payments.PaymentMade, "payments", _card),
    "payment.voided": Entry(payments.PaymentVoided, "payments", _card),
    "payment.refunded": Entry(payments.PaymentRefunded, "payments", _card),
    "payment.timed_out": Entry(payments.PaymentTimedOut, "payments", _card),
    "payment.confirmed": Entry(payments.PaymentConfirmed, "payments", _original_id),
    "payment.reversed": Entry(payments.PaymentReversed, "payments", _original_id),
    "topup.made": Entry(payments.TopupMade, "payments", _card),
    "topup.reversed": Entry(payments.TopupReversed, "payments", _original_id),
    "premium.paid": Entry(payments.PremiumPaid, "payments", _card),
    "premium.refunded": Entry(payments.PremiumRefunded, "payments", _original_id),
    "admission.registered": Entry(inpatients.AdmissionRegistered, "deposits", _stay),
    "admission.cancelled": Entry(inpatients.AdmissionCancelled, "deposits", _stay),
    "deposit.paid": Entry(inpatients.DepositPaid, "deposits", _stay),
    "deposit.voided": Entry(inpatients.DepositVoided, "deposits", _stay),
    "deposit.refunded": Entry(inpatients.DepositRefunded, "deposits", _stay),
    "deposit.transferred": Entry(inpatients.DepositTransferred, "deposits", _giving_stay),
    "discharge.settled": Entry(inpatients.DischargeSettled, "deposits", _stay),
    "discharge.cancelled": Entry(inpatients.DischargeCancelled, "deposits", _original_id),
    "arrears.recorded": Entry(inpatients.ArrearsRecorded, "deposits", _stay),
    "arrears.written_off": Entry(inpatients.ArrearsWrittenOff, "deposits", _stay),
    "arrears.paid": Entry(inpatients.ArrearsPaid, "deposits", _stay),
    "reimbursement.submitted": Entry(reimbursements.ReimbursementSubmitted, "reimbursements", _own_id),
    "reimbursement.batch_submitted": Entry(
        reimbursements.ReimbursementBatchSubmitted, "reimbursements", _batch
    ),
    "reimbursement.withdrawn": Entry(reimbursements.ReimbursementWithdrawn, "reimbursements", _original_id),
    "payout.sent": Entry(reimbursements.PayoutSent, "reimbursements", _original_id),
    "payout.result": Entry(reimbursements.PayoutResult, "reimbursements", _original_id),
    "payout.returned": Entry(reimbursements.PayoutReturned, "reimbursements", _original_id),
    "payout.repaid": Entry(reimbursements.PayoutRepaid, "reimbursements", _original_id),
    "payout.given_back": Entry(reimbursements.PayoutGivenBack, "reimbursements", _original_id),
    "payout.recalled": Entry(reimbursements.PayoutRecalled, "reimbursements", _original_id),
    "claim.settled": Entry(reimbursements.ClaimSettled, "reimbursements", _payer),
    "retention.released": Entry(reimbursements.RetentionReleased, "reimbursements", _payer),
    "crossregion.settled": Entry(reimbursements.CrossRegionSettled, "reimbursements", _payer),
    "settlement.confirmed": Entry(control.SettlementConfirmed, "control", _instruction),
    "settlement.failed": Entry(control.SettlementFailed, "control", _instruction),
    "fee.adjusted": Entry(control.FeeAdjusted, "control", _original_id),
    "correction.approved": Entry(control.CorrectionApproved, "control", _break_or_own_id),
}
