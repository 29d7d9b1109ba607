"""One rule an event type; a file a family. 记账规则

`RULES` is the catalogue: every type that `messages` reads has its rule here, and a test holds the two alike.
"""

from __future__ import annotations

from typing import Final

from clearing.ledger.rules import (
    arrears,
    cards,
    claims,
    control,
    deposits,
    discharges,
    payments,
    payouts,
    reimbursements,
    reversals,
    stays,
    terminals,
    timeouts,
    topups,
    undoing,
)
from clearing.ledger.rules.rule import Rule

RULES: Final[dict[str, Rule]] = {
    "card.registered": cards.REGISTERED,
    "card.aliased": cards.ALIASED,
    "card.changed": cards.CHANGED,
    "card.activated": cards.ACTIVATED,
    "card.frozen": cards.STEPPED,
    "card.unfrozen": cards.STEPPED,
    "card.lost": cards.STEPPED,
    "card.found": cards.STEPPED,
    "card.replaced": cards.REPLACED,
    "card.cancelled": cards.STEPPED,
    "card.terminated": cards.STEPPED,
    "card.holder_deceased": cards.STEPPED,
    "card.duplicate_found": cards.DUPLICATE_FOUND,
    "terminal.registered": terminals.TERMINAL,
    "terminal.locked": terminals.TERMINAL,
    "terminal.unlocked": terminals.TERMINAL,
    "terminal.lost": terminals.TERMINAL,
    "terminal.found": terminals.TERMINAL,
    "terminal.recalled": terminals.TERMINAL,
    "terminal.scrapped": terminals.TERMINAL,
    "terminal.sam_replaced": terminals.TERMINAL,
    "payment.made": payments.MADE,
    "payment.voided": undoing.VOIDED,
    "payment.refunded": undoing.REFUNDED,
    "payment.timed_out": timeouts.TIMED_OUT,
    "payment.confirmed": timeouts.CONFIRMED,
    "payment.reversed": reversals.REVERSED,
    "admission.registered": stays.ADMITTED,
    "admission.cancelled": stays.ADMISSION_CANCELLED,
    "deposit.paid": deposits.PAID,
    "deposit.voided": deposits.VOIDED,
    "deposit.refunded": deposits.REFUNDED,
    "deposit.transferred": deposits.TRANSFERRED,
    "discharge.settled": discharges.SETTLED,
    "discharge.cancelled": discharges.CANCELLED,
    "arrears.recorded": arrears.RECORDED,
    "arrears.written_off": arrears.WRITTEN_OFF,
    "arrears.paid": arrears.PAID,
    "topup.made": topups.TOPUP,
    "topup.reversed": topups.TOPUP_REVERSED,
    "premium.paid": topups.PREMIUM,
    "premium.refunded": topups.PREMIUM_REFUNDED,
    "reimbursement.submitted": reimbursements.SUBMITTED,
    "reimbursement.batch_submitted": reimbursements.BATCH,
    "reimbursement.withdrawn": payouts.WITHDRAWN,
    "payout.sent": payouts.SENT,
    "payout.result": payouts.RESULT,
    "payout.returned": payouts.RETURNED,
    "payout.repaid": payouts.REPAID,
    "payout.given_back": payouts.GIVEN_BACK,
    "payout.recalled": payouts.RECALLED,
    "claim.settled": claims.SETTLED,
    "retention.released": claims.RELEASED,
    "crossregion.settled": claims.CROSS_REGION,
    "settlement.confirmed": control.CONFIRMED,
    "settlement.failed": control.FAILED,
    "fee.adjusted": control.FEE_ADJUSTED,
    "correction.approved": control.CORRECTION,
}
"""Event type → rule."""

__all__ = ["RULES", "Rule"]
