"""Events of a stay, a payout, a retention are decided in the order in which they came, also while one waits."""

# ruff: noqa: E501 - one event a line
from __future__ import annotations

import random
import time
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.ledger.decide import Incoming
from clearing.ledger.outcomes import Decision, Outcome
from messages import Event
from tests.ledger.soak import machine_settings
from tests.ledger.stories import ADVANCED
from tests.ledger.straight import PLATFORM, Straight, by_topic
from tests.ledger.world import A, World
from tests.ledger.world import claim as claim_of

LATE: Final = {"card": "tok_late_1", "bank": "B1"}
USED: Final = {"total": "100.00", "deposit_used": "100.00", "top_up": "0.00", "refund": "0.00"}
TOP_UP: Final = {"bank_ref": "RT", "bank_date": "2026-03-10", "total": "50.00", "deposit_used": "0.00", "top_up": "50.00", "refund": "0.00"}  # fmt: skip
REFUND: Final = {"bank_ref": "RB", "bank_date": "2026-03-10", "total": "70.00", "deposit_used": "100.00", "top_up": "0.00", "refund": "30.00"}  # fmt: skip


def a_stay() -> World:
    """A stay of a card that is known."""
    world = World()
    world.send("admission.registered", at="08:30:00")
    return world


def registered(world: World, card: dict[str, str] = LATE) -> None:
    """The registry learns of a card that had been good all day."""
    world.send("card.registered", at="07:00:00", **card, person="per_late")
    world.send("card.registered", "CP", at="07:00:01", **card, person="per_late", **PLATFORM)
    world.send("card.activated", at="07:00:02", **card)


def outcome(world: World, event: Event) -> str:
    """How an event ended: its outcome, or the reason why it was refused."""
    done: Decision = world.final[event.source, event.id]
    return done.reason or done.outcome.value


# what waits, what comes behind it, whether that waits too, and what both come to once the card is registered
# fmt: off
HELD: list[tuple[str, dict[str, Any], str, dict[str, Any], bool, str, str]] = [
    ("deposit.paid",      LATE, "discharge.settled", USED,                                      True,  "posted", "posted"),
    ("deposit.paid",      LATE, "discharge.settled", USED | {"stage": "INTERIM"},               True,  "posted", "posted"),
    ("deposit.paid",      LATE, "discharge.settled", USED | {"total": "99.00"},                 True,  "posted", "discharge_unbalanced"),
    ("deposit.paid",      LATE, "discharge.settled", TOP_UP,                                    True,  "posted", "discharge_unbalanced"),
    ("deposit.paid",      LATE, "discharge.settled", TOP_UP | {"stage": "INTERIM"},             False, "posted", "posted"),
    ("deposit.paid",      LATE, "deposit.refunded",  {"amount": "60.00"},                       True,  "posted", "card_differs"),
    ("deposit.paid",      LATE, "deposit.refunded",  LATE | {"amount": "60.00"},                True,  "posted", "posted"),
    ("deposit.paid",      LATE, "deposit.paid",      {},                                        False, "posted", "posted"),
    ("deposit.paid",      LATE, "arrears.recorded",  {},                                        False, "posted", "posted"),
    ("deposit.paid",      LATE, "arrears.written_off", {},                                      True,  "posted", "exceeds_arrears"),
    ("deposit.paid",      LATE, "admission.cancelled", {},                                      True,  "posted", "deposit_remains"),
    ("discharge.settled", LATE | TOP_UP, "deposit.paid", {},                                    True,  "posted", "admission_closed"),
    ("discharge.settled", LATE | TOP_UP, "arrears.recorded", {},                                True,  "posted", "posted"),
    ("discharge.settled", LATE | TOP_UP, "discharge.settled", {"total": "0.00", "deposit_used": "0.00"}, True, "posted", "admission_closed"),
    ("discharge.settled", LATE | TOP_UP, "discharge.cancelled", LATE | {"bank_ref": "RC", "bank_date": "2026-03-10"}, True, "posted", "posted"),
]
# fmt: on


@pytest.mark.parametrize("row", HELD, ids=lambda row: f"{row[0]} {row[2]}")
def test_what_comes_behind_a_parked_event_of_its_stay(
    row: tuple[str, dict[str, Any], str, dict[str, Any], bool, str, str],
) -> None:
    """It waits behind it where its own fate hangs on it, and ends as if both had been decided in their order."""
    first, said, second, then, waits, ends, behind = row
    world = a_stay()
    early, late = world.make(first, **said), world.make(second, **then)
    assert world.take(early).waits_for == "card/tok_late_1"
    done = world.take(late)
    assert (done.waits_for == f"event/H1/{early.id}") is waits, done.detail
    registered(world)
    assert not world.parkings
    assert (outcome(world, early), outcome(world, late)) == (ends, behind)


def test_a_line_goes_on_behind_the_next_that_waits() -> None:
    """A deposit, a discharge and its recall wait in one line; when the deposit is decided, so are all."""
    world = a_stay()
    said: dict[str, Any] = LATE | {"amount": "100.00"}
    events = [
        world.make("deposit.paid", **said),
        world.make("discharge.settled", **USED),
        world.make("discharge.cancelled"),
        world.make("deposit.paid", amount="20.00"),
        world.make("discharge.settled", **USED | {"total": "120.00", "deposit_used": "120.00"}),
    ]
    assert {world.take(one).outcome for one in events} == {Outcome.PARKED}
    registered(world)
    assert {outcome(world, one) for one in events} == {"posted"}
    assert world.balances["9011.H1.A1"] == 0
    assert world.fact("stay", "H1", "A1").state == "DISCHARGED"


def test_a_line_moves_on_when_the_event_at_its_head_is_refused() -> None:
    """The card turns out to be another bank's: the deposit is refused, and the discharge is judged without it."""
    world = a_stay()
    deposit = world.make("deposit.paid", **LATE | {"bank": "B2"})
    done = world.make("discharge.settled", **USED | {"total": "0.00", "deposit_used": "0.00"})
    assert [world.take(one).outcome for one in (deposit, done)] == [Outcome.PARKED, Outcome.PARKED]
    registered(world)
    assert [outcome(world, one) for one in (deposit, done)] == ["card_differs", "noted"]


def test_a_line_waits_as_long_as_its_head_and_then_moves_on() -> None:
    """The card never comes: the cut that ends the deposit decides the discharge behind it, in the same go."""
    world = a_stay()
    deposit = world.make("deposit.paid", **LATE)
    for _ in range(2):
        world.take(deposit)
        world.cut()
    done = world.make("discharge.settled", at="2026-03-12T10:00:00+08:00", **USED | {"total": "0.00", "deposit_used": "0.00"})  # fmt: skip
    assert world.take(done).outcome is Outcome.PARKED
    ended = [decision for _ in range(2) for decision in world.cut().woken]
    assert [(one.event.id, one.reason or one.outcome) for one in ended] == [
        (deposit.id, "never_arrived"),
        (done.id, "noted"),
    ]


def test_an_original_does_not_wait_behind_its_own_undo() -> None:
    """A void that came before its deposit waits for it; nothing stands still for ever."""
    world = a_stay()
    void = world.make("deposit.voided", original={"source": "H1", "id": "d1"})
    done = world.make("discharge.settled", **USED | {"total": "0.00", "deposit_used": "0.00"})
    deposit = world.make("deposit.paid", id="d1")
    assert [world.take(one).waits_for for one in (void, done)] == ["event/H1/d1", f"event/H1/{void.id}"]
    world.take(deposit)
    assert [outcome(world, one) for one in (deposit, void, done)] == ["posted", "posted", "noted"]
    assert world.balances["9011.H1.A1"] == 0


def test_what_waits_for_its_day_holds_nothing_up() -> None:
    """A deposit dated three days ahead waits for its day; the stay's discharge of today does not wait for it."""
    world = a_stay()
    ahead = world.make("deposit.paid", at="2026-03-13T10:00:00+08:00")
    assert world.take(ahead).waits_for == "day/2026-03-13"
    zero = {"total": "0.00", "deposit_used": "0.00"}
    assert world.send("discharge.settled", **USED | zero).outcome is Outcome.NOTED
    assert set(world.parkings) == {(ahead.source, ahead.id)}


# -- payouts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "kind", "said", "ends"),
    [
        ({"result": "PAID"}, "reimbursement.withdrawn", {}, "payout_state"),
        ({"result": "PAID"}, "payout.given_back", {}, "payout_state"),
        ({"result": "PAID"}, "payout.recalled", {}, "noted"),
        ({"result": "REJECTED", "reason_code": "R03"}, "payout.repaid", {"card": A}, "posted"),
        ({"result": "REJECTED", "reason_code": "R03"}, "payout.given_back", {}, "posted"),
    ],
)
def test_a_payer_waits_behind_a_result_that_waits(
    result: dict[str, Any], kind: str, said: dict[str, Any], ends: str
) -> None:
    """A payout is held for its card, its result came already: what the payer says then is judged after it."""
    world = World()
    world.send("card.registered", at="07:00:00", **LATE, person="per_late")
    assert world.send("reimbursement.submitted", at="09:00:00", **LATE).outcome is Outcome.POSTED
    assert world.payout().state == "HELD"
    answered = world.make("payout.result", **result)
    asked = world.make(kind, **said)
    assert world.take(answered).outcome is Outcome.PARKED
    assert world.take(asked).waits_for == f"event/B1/{answered.id}"
    world.send("card.activated", at="07:00:02", **LATE)
    assert (outcome(world, answered), outcome(world, asked)) == ("posted", ends)


def test_a_payment_anew_does_not_wait_behind_its_own_result() -> None:
    """A bank's result of the second attempt came before the payer's second payment: that one makes it."""
    world = World()
    world.send("reimbursement.submitted")
    world.send("payout.result", result="REJECTED", reason_code="R03")
    answered = world.make("payout.result", attempt=2, result="PAID")
    assert world.take(answered).outcome is Outcome.PARKED
    assert world.send("payout.repaid", card=A).outcome is Outcome.POSTED
    assert world.payout().state == "PAID"


# -- retention -----------------------------------------------------------------------------------------------


def advanced() -> tuple[World, Event]:
    """A stay that can be discharged, and the discharge by which its hospital advances 80.00."""
    world = a_stay()
    world.send("deposit.paid")
    return world, world.make("discharge.settled", **ADVANCED)


def test_a_release_waits_behind_the_claim_that_retains_its_money() -> None:
    """The discharge is still to come on its topic: the claim waits for it, the release for the claim."""
    world, discharged = advanced()
    claim, release, rest = (
        world.make("claim.settled"),
        world.make("retention.released", released="10.00", kept="5.00"),
        world.make("retention.released", released="0.01", kept="0.00"),
    )
    assert world.take(claim).waits_for == "settlement/F1/S-ADV"
    assert world.take(release).waits_for == f"event/F1/{claim.id}"
    assert world.take(rest).waits_for == f"event/F1/{release.id}"
    world.take(discharged)
    ends = [outcome(world, one) for one in (claim, release, rest)]
    assert ends == ["posted", "posted", "exceeds_retention"]
    assert world.balances["9030.F1.H1"] == 0


def test_a_release_that_is_covered_does_not_wait() -> None:
    """A claim that still waits can only add to what is retained."""
    world, discharged = advanced()
    world.take(discharged)
    world.send("claim.settled")
    waits = [{"settlement_id": "S-LATER", "claimed": "80.00", "deducted": "0.00", "retained": "20.00"}]
    assert world.send("claim.settled", claims=waits).outcome is Outcome.PARKED
    assert world.send("retention.released", released="10.00", kept="5.00").outcome is Outcome.POSTED


def test_a_claim_waits_behind_a_release_that_waits() -> None:
    """What came after a release does not help it: it is refused as it would have been in its turn."""
    world, discharged = advanced()
    later = [{"settlement_id": "S-TWO", "claimed": "50.00", "deducted": "0.00", "retained": "50.00"}]
    held = world.make("claim.settled")
    release = world.make("retention.released", released="15.01", kept="0.00")
    second = world.make("claim.settled", claims=later, paid="0.00")
    world.take(held)
    world.take(release)
    world.send("admission.registered", admission_no="A2")
    borne = claim_of("S-TWO", "50.00", advanced=True)
    world.send("discharge.settled", admission_no="A2", total="50.00", deposit_used="0.00", claim=borne)
    assert world.take(second).waits_for == f"event/F1/{release.id}"
    world.take(discharged)
    ends = [outcome(world, one) for one in (held, release, second)]
    assert ends == ["posted", "exceeds_retention", "posted"]
    assert world.balances["9030.F1.H1"] == 15_00 + 50_00


def test_a_release_is_refused_once_the_claim_ahead_has_waited_too_long() -> None:
    """The discharge never comes: the cut that ends the claim decides the release behind it."""
    world = World()
    claim, release = world.make("claim.settled"), world.make("retention.released")
    assert [world.take(one).outcome for one in (claim, release)] == [Outcome.PARKED, Outcome.PARKED]
    ended = [decision for _ in range(4) for decision in world.cut().woken]
    assert [(one.event.id, one.reason) for one in ended] == [
        (claim.id, "never_arrived"),
        (release.id, "exceeds_retention"),
    ]


def test_another_hospitals_release_is_judged_at_once() -> None:
    """Each payer's retention of each institution is a line of its own."""
    world = World()
    assert world.send("claim.settled").outcome is Outcome.PARKED
    assert world.send("retention.released", institution="H2").reason == "exceeds_retention"


# -- any order between topics --------------------------------------------------------------------------------


@settings(machine_settings, max_examples=3 * machine_settings.max_examples)
@given(st.integers(0, 2**32), st.integers(5, 40))
def test_any_order_between_topics_gives_the_same_books(seed: int, steps: int) -> None:
    """Cards, stays and payouts come on topics of their own: whichever is ahead, the balances are the same."""
    chance = random.Random(seed)
    straight = Straight(chance)
    for _ in range(steps):
        straight.step()
    other = World()
    events = by_topic(straight.world.sent, chance)
    size = chance.randint(1, max(len(events), 1))
    for first in range(0, len(events), size):
        other.batch([Incoming(one) for one in events[first : first + size]])
    refused = [(one.event.type, one.reason, one.detail) for one in other.final.values() if one.reason]
    assert refused == []
    assert not other.parkings
    assert {name: fen for name, fen in other.balances.items() if fen} == {
        name: fen for name, fen in straight.world.balances.items() if fen
    }


def test_a_thousand_deposits_that_came_before_their_stay_are_decided_in_seconds() -> None:
    """A hospital that sends every deposit under one number, registered last: the batch ends before the server cuts it off."""
    world = World()
    paid = [world.make("deposit.paid", amount="1.00", admission_no="0") for _ in range(1_200)]
    batch = [Incoming(one) for one in (*paid, world.make("admission.registered", admission_no="0"))]
    began = time.process_time()
    found = world.batch(batch)
    assert time.process_time() - began < 8
    assert {done.outcome for done in found.woken} == {Outcome.POSTED}
    assert world.balances["9011.H1.0"] == -120_000
