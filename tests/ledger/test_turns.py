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
from messages import Event, amount_text
from tests.ledger.soak import machine_settings
from tests.ledger.stories import ADVANCED
from tests.ledger.straight import REVERSED_EARLY, Straight, by_topic, ends, figures, taken
from tests.ledger.straight_cards import PLATFORM
from tests.ledger.world import TEMP, A, B, World
from tests.ledger.world import claim as claim_of
from tests.soaking import size

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


def test_a_deposit_and_its_confirmation_in_one_batch_need_no_other_event_of_the_stay() -> None:
    """The confirmation names only its time-out: the stay is read for it though nothing else in the batch names it."""
    world = a_stay()
    timed_out = world.make("payment.timed_out", admission_no="A1")
    confirmed = world.make("payment.confirmed")
    world.batch([Incoming(confirmed), Incoming(timed_out)])
    assert (outcome(world, timed_out), outcome(world, confirmed)) == ("posted", "posted")
    assert world.balances["9011.H1.A1"] == -100_00


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


def test_a_number_that_became_known_after_its_time_out_is_the_same_card() -> None:
    """A time-out needs no card; once its number is known as an alias, void and refund by any number are its own."""
    world = a_stay()
    world.send("payment.timed_out", card="tok_alias_1")
    world.send("payment.confirmed")
    world.send("payment.timed_out", card="tok_alias_1", admission_no="A1")
    world.send("payment.confirmed")
    world.send("card.aliased", card=A)
    refund = {"card": "tok_alias_1", "bank": "B1"}
    assert world.send("deposit.refunded", **refund, amount="1.00").outcome is Outcome.POSTED
    assert world.send("deposit.refunded", card=A, bank="B1", amount="1.00").outcome is Outcome.POSTED
    first: dict[str, Any] = {"original": {"source": "H1", "id": world.sent[1].id}}
    assert world.send("payment.refunded", **first, card=A, amount="1.00").outcome is Outcome.POSTED
    assert world.send("payment.refunded", **first, **refund, amount="1.00").outcome is Outcome.POSTED
    assert world.send("payment.refunded", **first, card=B, bank="B2", amount="1.00").reason == "card_differs"


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


ACROSS: Final = {"treat_area": "990001", "insured_area": "990002"}


@pytest.mark.parametrize("batches", [("discharge claim",), ("claim", "discharge")])
def test_a_claim_between_areas_and_its_discharge_are_decided_together(batches: tuple[str, ...]) -> None:
    """The pair of areas is read for the claim though it does not know them yet, and what was open stays open."""
    world = a_stay()
    world.send("deposit.paid")
    world.send("reimbursement.submitted", claim=claim_of("S-ONE", **ACROSS))
    borne = claim_of("S-ADV", "80.00", total="180.00", advanced=True, **ACROSS)
    sent = {
        "claim": Incoming(world.make("claim.settled")),
        "discharge": Incoming(world.make("discharge.settled", **ADVANCED | {"claim": borne})),
    }
    for batch in batches:
        world.batch([sent[name] for name in batch.split()])
    assert world.balances["9050.990001.990002"] == 175_00
    assert world.fact("area", "990001", "990002").open_fen == 175_00


# -- what is parked on one key and would help another --------------------------------------------------------


def test_a_stay_waits_for_what_a_transfer_brings() -> None:
    """The giving stay's deposit waits for its card and the transfer behind it; who needs its money waits for it."""
    world = a_stay()
    world.send("admission.registered", admission_no="A2")
    deposit, transfer = world.make("deposit.paid", **LATE), world.make("deposit.transferred")
    refund = world.make("deposit.refunded", **LATE | {"admission_no": "A2", "amount": "30.00"})
    final = world.make("discharge.settled", admission_no="A2", total="70.00", deposit_used="70.00")
    assert [world.take(one).waits_for for one in (deposit, transfer, refund, final)] == [
        "card/tok_late_1",
        f"event/H1/{deposit.id}",
        f"event/H1/{transfer.id}",
        f"event/H1/{transfer.id}",
    ]
    registered(world)
    ends = [outcome(world, one) for one in (deposit, transfer, refund, final)]
    assert ends == ["posted", "posted", "posted", "posted"]


def test_a_transfer_waits_for_the_recall_that_opens_its_taking_stay() -> None:
    """The taking stay is discharged and its recall waits for a card: it will be open again."""
    world = a_stay()
    world.send("deposit.paid")
    world.send("admission.registered", admission_no="A2")
    world.send("discharge.settled", **TOP_UP | {"admission_no": "A2"})
    recall = world.make("discharge.cancelled", **LATE | {"bank_ref": "RC", "bank_date": "2026-03-10"})
    transfer = world.make("deposit.transferred")
    assert world.take(recall).waits_for == "card/tok_late_1"
    assert world.take(transfer).waits_for == f"event/H1/{recall.id}"
    world.send("card.replaced", card=A, new_card="tok_late_1")
    assert (outcome(world, recall), outcome(world, transfer)) == ("posted", "posted")


@pytest.mark.parametrize(
    ("before", "kind", "ends"),
    [
        (("payment.timed_out",), "payment.confirmed", "posted"),
        (("deposit.paid",), "payment.reversed", "posted"),
    ],
)
def test_what_the_payments_topic_says_of_a_deposit_waits_for_a_recall(
    before: tuple[str, ...], kind: str, ends: str
) -> None:
    """The stay is closed for now: a recall that would open it again is parked before it."""
    world = a_stay()
    for one in before:
        world.send(one, admission_no="A1", amount="30.00")
    held = world.fact("stay", "H1", "A1").deposit_fen
    parts = {"total": amount_text(held + 5_000), "deposit_used": amount_text(held), "top_up": "50.00"}
    world.send("discharge.settled", **TOP_UP | parts)
    recall = world.make("discharge.cancelled", **LATE | {"bank_ref": "RC", "bank_date": "2026-03-10"})
    said = world.make(kind)
    assert world.take(recall).waits_for == "card/tok_late_1"
    assert world.take(said).waits_for == f"event/H1/{recall.id}"
    world.send("card.replaced", card=A, new_card="tok_late_1")
    assert (outcome(world, recall), outcome(world, said)) == ("posted", ends)


def test_a_confirmation_does_not_wait_for_who_waits_for_it() -> None:
    """The void of a timed-out deposit waits for the confirmation, which is refused since the stay is closed."""
    world = a_stay()
    world.send("payment.timed_out", admission_no="A1")
    world.send("discharge.settled", **USED | {"total": "0.00", "deposit_used": "0.00"})
    void = world.make("deposit.voided")
    assert world.take(void).waits_for == f"event/H1/{world.last('payment.timed_out').id}"
    assert world.send("payment.confirmed").reason == "admission_closed"


def test_a_reversal_waits_for_the_deposit_that_covers_it() -> None:
    """The deposit was spent; one that waits for its card was paid in before the reversal."""
    world = a_stay()
    world.send("deposit.paid", amount="30.00")
    world.send("deposit.refunded", amount="30.00")
    first = world.last("deposit.paid")
    more = world.make("deposit.paid", **LATE | {"amount": "30.00"})
    reversal = world.make("payment.reversed", original={"source": "H1", "id": first.id}, amount="30.00")
    assert [world.take(one).waits_for for one in (more, reversal)] == [
        "card/tok_late_1",
        f"event/H1/{more.id}",
    ]
    registered(world)
    assert (outcome(world, more), outcome(world, reversal)) == ("posted", "posted")


@pytest.mark.parametrize("kind", ["payment.voided", "payment.refunded"])
def test_arrears_wait_for_what_gives_them_back(kind: str) -> None:
    """Paid arrears are to be taken back by a number nobody knows yet: only then they are owed again."""
    world = a_stay()
    world.send("arrears.recorded")
    world.send("arrears.paid")
    back = world.make(kind, card="tok_alias_1")
    off = world.make("arrears.written_off")
    assert [world.take(one).waits_for for one in (back, off)] == ["card/tok_alias_1", f"event/H1/{back.id}"]
    world.send("card.aliased", card=A)
    assert (outcome(world, back), outcome(world, off)) == ("posted", "posted")
    assert world.fact("stay", "H1", "A1").arrears_fen == 0


def test_a_void_holds_up_nobody_before_its_original_is_there() -> None:
    """It came before what it undoes, in one batch: a refund waits for its deposit, not for a void of arrears."""
    world = a_stay()
    void = world.make("payment.voided", original={"source": "H1", "id": "x"})
    deposit, refund = world.make("deposit.paid", **LATE), world.make("deposit.refunded", **LATE)
    owed, settled = world.make("arrears.recorded"), world.make("arrears.paid", id="x")
    world.batch([Incoming(one) for one in (void, deposit, refund, owed, settled)])
    assert world.parkings[refund.source, refund.id].waits_for == f"event/H1/{deposit.id}"
    registered(world)
    ends = [outcome(world, one) for one in (deposit, refund, owed, settled, void)]
    assert ends == ["posted"] * 5


def test_a_recall_holds_up_nobody_before_its_settlement_is_there() -> None:
    """It came ahead of its stay's other events: the discharge is judged after the refund before it."""
    world = a_stay()
    recall = world.make("discharge.cancelled", original={"source": "H1", "id": "d"})
    deposit, refund = (
        world.make("deposit.paid", **LATE),
        world.make("deposit.refunded", **LATE | {"amount": "30.00"}),
    )
    done = world.make("discharge.settled", id="d", **USED | {"total": "70.00", "deposit_used": "70.00"})
    world.batch([Incoming(one) for one in (recall, deposit, refund, done)])
    registered(world)
    assert [outcome(world, one) for one in (deposit, refund, done, recall)] == ["posted"] * 4


@pytest.mark.parametrize("kind", ["payment.made", "payment.timed_out", "arrears.paid"])
def test_an_order_number_waits_for_the_void_that_frees_it(kind: str) -> None:
    """The void names a number that nobody knows yet; who pays the order anew comes behind it."""
    world = a_stay()
    world.send("arrears.recorded")
    world.send("payment.made", order_no="o-1")
    void, again = world.make("payment.voided", card="tok_alias_1"), world.make(kind, order_no="o-1")
    third = world.make("payment.made", order_no="o-1")
    waits = [world.take(one).waits_for for one in (void, again, third)]
    assert waits == ["card/tok_alias_1", f"event/H1/{void.id}", f"event/H1/{void.id}"]
    world.send("card.aliased", card=A)
    assert [outcome(world, one) for one in (void, again, third)] == ["posted", "posted", "order_already_paid"]


def test_a_void_waits_until_the_number_that_paid_is_known() -> None:
    """A time-out needs no card: whose its number is may come after the void by the card's own."""
    world = World()
    world.send("payment.timed_out", card="tok_alias_1")
    world.send("payment.confirmed")
    void = world.make("payment.voided", card=A)
    assert world.take(void).waits_for == "card/tok_alias_1"
    world.send("card.aliased", card=A)
    assert outcome(world, void) == "posted"


def test_a_settlement_between_areas_waits_for_the_payers_claims_before_it() -> None:
    """Claims, releases and settlements between areas are one payer's, in order: what a claim opens is still to come."""
    world, _ = advanced()
    borne = claim_of("S-ADV", "80.00", total="180.00", advanced=True, **ACROSS)
    discharged = world.make("discharge.settled", **ADVANCED | {"claim": borne})
    claim = world.make("claim.settled")
    settled, rest = (world.make("crossregion.settled", amount=fen) for fen in ("75.00", "0.01"))
    assert [world.take(one).waits_for for one in (claim, settled, rest)] == [
        "settlement/F1/S-ADV",
        f"event/F1/{claim.id}",
        f"event/F1/{settled.id}",
    ]
    world.take(discharged)
    assert [outcome(world, one) for one in (claim, settled, rest)] == ["posted", "posted", "exceeds_claims"]


def test_events_of_two_stays_never_wait_for_each_other_in_a_ring() -> None:
    """A void that names the wrong stay holds a transfer, that a discharge, and that would hold the void's original."""
    world = a_stay()
    world.send("admission.registered", admission_no="A2")
    world.send("deposit.paid", admission_no="A2")
    void = world.make("deposit.voided", admission_no="A2", original={"source": "H1", "id": "d1"})
    transfer = world.make("deposit.transferred", from_admission="A2", to_admission="A1")
    final = world.make("discharge.settled", **USED | {"total": "0.00", "deposit_used": "0.00"})
    assert [world.take(one).outcome for one in (void, transfer, final)] == [Outcome.PARKED] * 3
    deposit = world.make("deposit.paid", id="d1")
    world.take(deposit)
    ends = [outcome(world, one) for one in (deposit, void, transfer, final)]
    assert ends == ["posted", "unknown_original", "posted", "discharge_unbalanced"]


# -- any order between topics --------------------------------------------------------------------------------


@settings(machine_settings, max_examples=size(300, 6_000))
@given(st.integers(0, 2**32), st.integers(5, 120))
def test_any_order_between_topics_gives_the_same_books(seed: int, steps: int) -> None:
    """Whatever record key is ahead, twice taken or cut through: balances, outcomes, what waits are those of the day."""
    chance = random.Random(seed)
    straight = Straight(chance, loose_ends=chance.random() < 0.3, loosely=chance.random() < 0.4)
    for _ in range(steps):
        straight.step()
    straight.finish()
    events = by_topic(straight.world.sent, chance, loosely=straight.loosely)
    other = taken(events, chance, straight.cuts)
    wanted, found = ends(straight.world), ends(other)
    excused = {key for key in straight.reversed if found[key] in REVERSED_EARLY}
    told = {key: other.final[key].detail for key in other.final if found[key] != wanted[key]}
    assert {key: end for key, end in found.items() if key not in excused} == {
        key: end for key, end in wanted.items() if key not in excused
    }, told
    assert {name: fen for name, fen in other.balances.items() if fen} == {
        name: fen for name, fen in straight.world.balances.items() if fen
    }
    assert figures(other.facts) == figures(straight.world.facts)


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


def test_refused_rows_wake_none_of_those_that_wait_for_the_header() -> None:
    """A batch of payouts whose header is late counts each refused row; the others are not decided again for it."""
    world = World()
    rows = [
        world.make("reimbursement.submitted", batch_id="B", row_no=no, claim=claim_of(f"S{no}"))
        for no in range(1, 1_201)
    ]
    refused = [
        world.make("reimbursement.submitted", card=TEMP, batch_id="B", row_no=no, claim=claim_of(f"S{no}"))
        for no in range(1_201, 1_501)
    ]
    batch = [Incoming(one) for one in (*rows, *refused)]
    began = time.process_time()
    world.batch(batch)
    assert time.process_time() - began < 1.5
    assert len(world.parkings) == 1_200
    assert len(world.fact("batch", "F1", "B").counted) == 300
