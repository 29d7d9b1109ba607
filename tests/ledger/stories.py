"""What must have happened before: the beginnings that the tables of the books' tests begin from."""

# ruff: noqa: ANN401, E501 - settings of any kind, and aligned tables
from __future__ import annotations

from datetime import date
from typing import Any, Final

from clearing.ledger.facts import Instruction
from tests.ledger.world import World, claim, story

Step = str | tuple[str, dict[str, Any]]

ADVANCED: Final[dict[str, Any]] = {"total": "180.00", "deposit_used": "100.00", "claim": claim("S-ADV", "80.00", total="180.00", advanced=True)}  # fmt: skip
ACROSS = {"treat_area": "990001", "insured_area": "990002"}

STORIES: dict[str, tuple[Step, ...]] = {
    "nothing": (),
    "card lost": ("card.lost",),
    "card frozen": ("card.frozen",),
    "terminal locked": ("terminal.locked",),
    "terminal lost": ("terminal.lost",),
    "paid": ("payment.made",),
    "paid at the pharmacy": (("payment.made", {"source": "R1", "institution": "R1"}),),
    "paid by UnionPay": (("payment.made", {"route": "UNIONPAY"}),),
    "refunded": ("payment.made", ("payment.refunded", {"amount": "40.00"})),
    "voided": ("payment.made", "payment.voided"),
    "reversed": ("payment.made", "payment.reversed"),
    "timed out": ("payment.timed_out",),
    "timed out at the pharmacy": (("payment.timed_out", {"source": "R1", "institution": "R1"}),),
    "timed out by UnionPay": (("payment.timed_out", {"route": "UNIONPAY"}),),
    "confirmed": ("payment.timed_out", "payment.confirmed"),
    "topped up": ("topup.made",),
    "topped up and reversed": ("topup.made", "topup.reversed"),
    "premium": ("premium.paid",),
    "premium refunded": ("premium.paid", "premium.refunded"),
    "stay": ("admission.registered",),
    "cancelled stay": ("admission.registered", "admission.cancelled"),
    "deposit": ("admission.registered", "deposit.paid"),
    "deposit used": (
        "admission.registered", "deposit.paid", ("discharge.settled", {"stage": "INTERIM", "total": "60.00", "deposit_used": "60.00"}),
    ),
    "two stays": ("admission.registered", "deposit.paid", ("admission.registered", {"admission_no": "A2"})),
    "discharged": ("admission.registered", "deposit.paid", "discharge.settled"),
    "discharged with top-up": (
        "admission.registered", "deposit.paid",
        ("discharge.settled", {"total": "150.00", "top_up": "50.00", "bank_ref": "RD", "bank_date": "2026-03-10"}),
    ),
    "discharged with refund": (
        "admission.registered", "deposit.paid",
        ("discharge.settled", {"total": "70.00", "refund": "30.00", "bank_ref": "RD", "bank_date": "2026-03-10"}),
    ),
    "discharged with arrears": (
        "admission.registered", "deposit.paid", ("discharge.settled", {"total": "130.00", "arrears": "30.00"}),
    ),
    "discharged, arrears paid": (
        "admission.registered", "deposit.paid", ("discharge.settled", {"total": "130.00", "arrears": "30.00"}),
        ("arrears.paid", {"amount": "10.00"}),
    ),
    "owed": ("admission.registered", "arrears.recorded"),
    "owed and paid": ("admission.registered", "arrears.recorded", ("arrears.paid", {"amount": "70.00"})),
    "advanced": ("admission.registered", "deposit.paid", ("discharge.settled", ADVANCED)),
    "retained": ("admission.registered", "deposit.paid", ("discharge.settled", ADVANCED), "claim.settled"),
    "submitted": ("reimbursement.submitted",),
    "submitted across": (("reimbursement.submitted", {"claim": claim("S-X", **ACROSS)}),),
    "sent": ("reimbursement.submitted", "payout.sent"),
    "paid out": ("reimbursement.submitted", "payout.result"),
    "failed": ("reimbursement.submitted", ("payout.result", {"result": "REJECTED", "reason_code": "R03"})),
    "returned": ("reimbursement.submitted", "payout.result", "payout.returned"),
    "withdrawn": ("reimbursement.submitted", "reimbursement.withdrawn"),
    "batch": (("reimbursement.batch_submitted", {"rows": 2, "total": "150.00"}),),
}  # fmt: skip


def begun(name: str, **settings: Any) -> World:
    """A world in which a story has happened."""
    world = World(**settings)
    for number, kind, state in (
        ("I1", "INTER_BANK", "WAITING"),
        ("I2", "IN_BANK", "WAITING"),
        ("I3", "INTER_BANK", "CONFIRMED"),
        ("I4", "IN_BANK", "CONFIRMED"),
    ):
        world.facts.put(
            ("instruction", number),
            Instruction(
                id=number, clearing_date=date(2026, 3, 9), value_date=date(2026, 3, 9), kind=kind, debtor="B1", creditor="B2", amount_fen=10_000, state=state
            ),
        )  # fmt: skip
    return story(world, *STORIES[name])
