"""What the contract refuses at once although it only came before an event of another record key."""

# ruff: noqa: E501 - aligned tables
from __future__ import annotations

from typing import Any, Final

import pytest

from clearing.ledger.outcomes import Outcome
from tests.ledger.stories import ADVANCED, STORIES, Step
from tests.ledger.world import KEPT, NEW, TEMP, A, B, World, claim, story

Sent = tuple[str, dict[str, Any]]
REF: Final = {"bank_ref": "RX", "bank_date": "2026-03-10"}
FIRST: Final = {"original": {"source": "H1", "id": "first"}}
FAMILY: Final = [{"person": "per_fam_1", "amount": "100.00"}]
LATER: Final = {"reported_at": "2026-03-10T09:30:00+08:00"}
TWO_STAYS: Final[tuple[Step, ...]] = (*STORIES["deposit"], ("admission.registered", {"admission_no": "A2"}))
OWED_BACK: Final[tuple[Step, ...]] = (
    "admission.registered",
    ("arrears.recorded", {}),
    ("arrears.paid", {"id": "first"}),
)

# what has happened, what lets the other go, what comes before that, and why it is refused
# fmt: off
ROWS: list[tuple[tuple[Step, ...], Sent, Sent, str]] = [
    # a card's later state is judged as known: debits that its freeze or loss, known meanwhile, forbids
    (("card.lost",), ("card.found", LATER),                                  ("payment.made", {}),                                     "card_not_allowed"),
    (("card.frozen",), ("card.unfrozen", {"at": "10:00:30"}),                ("payment.made", {"at": "10:01:00"}),                     "card_not_allowed"),
    ((), ("card.changed", {"card": TEMP, "card_class": "NORMAL"}),           ("reimbursement.submitted", {"card": TEMP}),              "card_not_allowed"),
    # a card that is found to be another's second one, its holder's money going to the card that is kept
    ((("payment.made", {"card": B, "bank": "B2"}),), ("card.duplicate_found", {"card": B, "bank": "B2"}), ("payment.refunded", {"card": KEPT, "bank": "B1"}), "card_differs"),
    # a number that was registered as a card of its own is no alias any more
    ((), ("card.aliased", {"card": A}),                                      ("card.registered", {"card": "tok_alias_1"}),             ""),
    # what an undo under another key frees: an order number, a person's year, a claim, room under a limit
    ((("payment.made", {"order_no": "o", "id": "first"}),), ("payment.reversed", FIRST), ("payment.made", {"card": B, "bank": "B2", "order_no": "o"}), "order_already_paid"),
    ((("premium.paid", {"members": FAMILY, "amount": "100.00"}),), ("premium.refunded", {"amount": "100.00"}), ("premium.paid", {"card": B, "bank": "B2", "source": "B2", "members": FAMILY, "amount": "100.00"}), "premium_already_paid"),
    ((("reimbursement.submitted", {"claim": claim("S-1")}),), ("reimbursement.withdrawn", {}), ("reimbursement.submitted", {"claim": claim("S-1")}), "claim_already_paid"),
    ((*STORIES["deposit"], ("reimbursement.submitted", {"claim": claim("S-ADV")})), ("reimbursement.withdrawn", {}), ("discharge.settled", ADVANCED), "claim_already_paid"),
    (("card.changed", ("reimbursement.submitted", {"amount": "9000.00", "claim": claim("S-1", "9000.00")})), ("reimbursement.withdrawn", {}), ("reimbursement.submitted", {"amount": "9000.00", "claim": claim("S-2", "9000.00")}), "account_limit"),
    # what the payments' topic or another stay brings to a stay
    (("admission.registered", ("payment.timed_out", {"admission_no": "A1"})), ("payment.confirmed", {}), ("discharge.settled", {}), "discharge_unbalanced"),
    (("admission.registered", ("payment.timed_out", {"admission_no": "A1"})), ("payment.confirmed", {}), ("deposit.refunded", {}), "exceeds_deposit"),
    (STORIES["deposit"], ("payment.reversed", {}),                           ("admission.cancelled", {}),                              "deposit_remains"),
    (STORIES["discharged"], ("discharge.cancelled", {}),                     ("payment.reversed", {"original": {"source": "H1", "id": "e2"}}), "admission_closed"),
    (OWED_BACK, ("payment.reversed", FIRST),                                 ("arrears.written_off", {}),                              "exceeds_arrears"),
    (STORIES["discharged, arrears paid"], ("payment.reversed", {}),          ("discharge.cancelled", {}),                              "arrears_paid"),
    (TWO_STAYS, ("deposit.transferred", {}),                                 ("discharge.settled", {"admission_no": "A2"}),            "discharge_unbalanced"),
    (TWO_STAYS, ("deposit.transferred", {}),                                 ("deposit.refunded", {"admission_no": "A2"}),             "exceeds_deposit"),
    # a fee is adjusted, a claim settled, before what takes its ground away; a claim between areas before its parts
    ((("payment.made", {"source": "R1", "institution": "R1"}),), ("fee.adjusted", {}), ("payment.voided", {"source": "R1"}),   ""),
    (STORIES["advanced"], ("discharge.cancelled", {}),                       ("claim.settled", {}),                                    ""),
    ((), ("reimbursement.submitted", {"claim": claim("S-X", treat_area="990001", insured_area="990002")}), ("crossregion.settled", {}), "exceeds_claims"),
    # dispatch of a payout whose card the bank has not handed out yet
    ((("card.registered", {"card": NEW, "person": "per_new_1"}), ("reimbursement.submitted", {"card": NEW})), ("card.activated", {"card": NEW}), ("payout.sent", {}), "payout_state"),
]
# fmt: on
BUT: Final = {
    "card.registered": ("card.aliased", "card_differs"),
    "payment.voided": ("fee.adjusted", "original_spent"),
    "claim.settled": ("discharge.cancelled", "claim_settled"),
}
"""Where the one that came too early is taken: what becomes of the other."""


def of(world: World, one: Sent) -> tuple[Outcome, str]:
    """How an event ends when it is sent."""
    done = world.send(one[0], **one[1])
    return done.outcome, done.reason


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[2][0]} before {row[1][0]}")
def test_what_is_refused_at_once_when_it_comes_before_another_key(
    row: tuple[tuple[Step, ...], Sent, Sent, str],
) -> None:
    """In their order both are taken; the other way round the contract names a refusal, and nothing parked knows better."""
    steps, first, second, reason = row
    right, wrong = story(World(), *steps), story(World(), *steps)
    ends = [of(right, first), of(right, second)]
    if second[0] not in BUT:
        assert {outcome for outcome, _ in ends} <= {Outcome.POSTED, Outcome.NOTED}, ends
    assert of(wrong, second)[1] == reason
    if second[0] in BUT:
        kind, then = BUT[second[0]]
        assert (kind, of(wrong, first)[1]) == (first[0], then)


def test_what_a_card_did_before_its_end_was_known_stands() -> None:
    """A debit after the loss that came before it is posted; a payout goes where it would not go afterwards."""
    world = story(World(), ("payment.made", {"at": "10:30:00"}), "reimbursement.submitted")
    assert world.send("card.lost").outcome is Outcome.NOTED
    assert world.payout().state == "ACCEPTED"
    assert world.send("payment.made", at="10:31:00").reason == "card_not_allowed"
