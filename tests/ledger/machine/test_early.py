"""What comes before what it names waits, and then gives the same books as in the right order."""

# ruff: noqa: E501 - a table of stories
from __future__ import annotations

import hashlib
import random
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.ledger.decide import Incoming
from tests.ledger.soak import machine_settings
from tests.ledger.world import World, claim

NEW_CARD: Final = {"card": "tok_early", "bank": "B1"}
OTHER_CARD: Final = {"card": "tok_early_2", "bank": "B1"}
DIGEST: Final = hashlib.new("sm3", b"row1|60.00\nrow2|40.00").hexdigest()
PLATFORM: Final = {"stage": "PLATFORM", "card_class": None, "account_class": None}

STORIES: Final[dict[str, list[tuple[str, dict[str, Any]]]]] = {
    "void": [("payment.made", {}), ("payment.voided", {})],
    "refund": [("payment.made", {}), ("payment.refunded", {"amount": "40.00"})],
    "confirmed and refunded": [("payment.timed_out", {}), ("payment.confirmed", {}), ("payment.refunded", {"amount": "30.00"})],
    "fee adjusted": [("payment.made", {}), ("fee.adjusted", {})],
    "top-up reversed": [("topup.made", {}), ("topup.reversed", {})],
    "premium refunded": [("premium.paid", {}), ("premium.refunded", {})],
    "deposit": [("admission.registered", {}), ("deposit.paid", {})],
    "deposit voided": [("admission.registered", {}), ("deposit.paid", {}), ("deposit.voided", {})],
    "arrears": [("admission.registered", {}), ("arrears.recorded", {})],
    "paid and returned": [("reimbursement.submitted", {}), ("payout.result", {}), ("payout.returned", {})],
    "critical after its base": [
        ("reimbursement.submitted", {"claim": claim("BASE")}), ("payout.result", {}),
        ("reimbursement.submitted", {"source": "I1", "claim": claim("CRIT", payer="I1", kind="CRITICAL"), "depends_on": [{"payer": "F1", "settlement_id": "BASE"}]}),
    ],
    "batch": [
        ("reimbursement.batch_submitted", {"rows": 2, "digest": DIGEST}),
        ("reimbursement.submitted", {"id": "row1", "batch_id": "BATCH", "row_no": 1, "amount": "60.00", "claim": claim("S-R1", "60.00")}),
        ("reimbursement.submitted", {"id": "row2", "batch_id": "BATCH", "row_no": 2, "amount": "40.00", "claim": claim("S-R2", "40.00")}),
    ],
    "claim settled": [
        ("admission.registered", {}),
        ("discharge.settled", {"total": "80.00", "deposit_used": "0.00", "claim": claim("S-ADV", "80.00", advanced=True)}),
        ("claim.settled", {}),
    ],
    "card used before it is known": [
        ("card.registered", NEW_CARD | {"person": "per_early"}), ("card.registered", NEW_CARD | PLATFORM | {"source": "CP", "person": "per_early"}),
        ("card.activated", NEW_CARD), ("payment.made", NEW_CARD | {"at": "11:00:00"}), ("topup.made", NEW_CARD | {"at": "11:00:01"}),
    ],
    "alias used before it is known": [("card.aliased", {}), ("payment.made", {"card": "tok_alias_1"})],
    "payout to a card that is not known": [
        ("card.registered", OTHER_CARD | {"person": "per_other"}), ("card.activated", OTHER_CARD), ("reimbursement.submitted", OTHER_CARD | {"at": "11:00:02"}),
    ],
}  # fmt: skip
IN_ORDER: Final = frozenset(
    {
        "card.registered",
        "card.activated",
        "card.aliased",
        "admission.registered",
        "deposit.paid",
        "deposit.voided",
    }
)
"""Types that keep their order among themselves: steps of a card and a stay are judged as they come."""


def late(events: list[Any], chance: random.Random) -> list[Any]:
    """Any order at all, but that of card steps and of what happens to one stay."""
    free = [one for one in events if one.type not in IN_ORDER]
    kept = [one for one in events if one.type in IN_ORDER]
    turns = [True] * len(kept) + [False] * len(free)
    chance.shuffle(free)
    chance.shuffle(turns)
    return [kept.pop(0) if turn else free.pop(0) for turn in turns]


@settings(machine_settings, max_examples=4 * machine_settings.max_examples)
@given(
    st.randoms(use_true_random=False),
    st.lists(st.sampled_from(sorted(STORIES)), min_size=1, max_size=4, unique=True),
)
def test_what_comes_before_its_original_gives_the_same_balances(
    chance: random.Random, names: list[str]
) -> None:
    """Across keys any order is right: what comes first waits, wakes, and posts."""
    straight = World()
    for name in names:
        for kind, said in STORIES[name]:
            admission = {"admission_no": f"A-{name}"} if "admission_no" in straight_fields(kind) else {}
            done = straight.send(kind, **admission | said)
            assert done.reason == "", (name, kind, done.reason, done.detail)
    assert not straight.parkings
    events = late(straight.sent, chance)
    other = World()
    size = chance.randint(1, len(events))
    for first in range(0, len(events), size):
        other.batch([Incoming(one) for one in events[first : first + size]])
    assert not other.parkings
    assert other.balances == straight.balances


def straight_fields(kind: str) -> set[str]:
    """Which of the fields that tell stories apart a type has."""
    of_a_stay = ("admission.", "deposit.", "discharge.settled", "arrears.")
    return {"admission_no"} if kind.startswith(of_a_stay) else set()
