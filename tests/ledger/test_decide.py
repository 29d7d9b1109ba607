"""A batch decided as a fold: what waits, what wakes, in which order, and for how long."""

# ruff: noqa: ANN401, E501 - fields of any event, one event a line
from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest

from clearing.ledger.decide import Incoming, needs
from clearing.ledger.facts import Facts, lock_name
from clearing.ledger.outcomes import Outcome
from clearing.ledger.rules import RULES
from clearing.ledger.rules.payout_batches import rows_digest
from messages import CATALOGUE, Event, decode
from messages.schemas import examples
from tests.ledger.stories import begun
from tests.ledger.world import NEW, OPEN_DAY, A, World, claim, event, story


def incoming(*events: Event) -> list[Incoming]:
    """Events as a batch."""
    return [Incoming(one) for one in events]


def test_a_refund_sees_the_payment_before_it_in_the_same_batch() -> None:
    """Facts change as the fold goes on, so that order inside a batch is order."""
    world = World()
    batch = incoming(world.make("payment.made"), world.make("payment.refunded", amount="60.00"), world.make("payment.refunded", amount="60.00"))  # fmt: skip
    found = world.batch(batch)
    assert [done.outcome for done in found.decisions] == ["posted", "posted", "rejected"]
    assert found.decisions[2].reason == "exceeds_original"


def test_a_duplicate_gets_the_first_outcome_and_a_reused_id_is_refused() -> None:
    """The same content again is a duplicate with the first outcome; other content is id_reused and changes nothing."""
    world = begun("paid")
    one = world.last("payment.made")
    again = world.take(one)
    assert (again.outcome, again.notice_no, again.clearing_date) == (Outcome.DUPLICATE, 1, OPEN_DAY)
    other = world.make("payment.made", id=one.id, amount="1.00")
    found = world.batch([Incoming(other)]).decisions[0]
    assert (found.outcome, found.reason) == (Outcome.REJECTED, "id_reused")
    assert other.sm3.hex()[:8] in found.detail
    assert world.take(one).outcome is Outcome.DUPLICATE
    assert world.balances["1010.B1"] == 10_000


def test_a_duplicate_of_a_rejected_event_has_its_reason() -> None:
    """A rejection is final: the same record again is announced with the same reason."""
    world = World()
    refused = world.make("payment.made", currency="USD")
    assert world.take(refused).reason == "currency_not_supported"
    again = world.take(refused)
    assert (again.outcome, again.reason) == (Outcome.DUPLICATE, "currency_not_supported")


def test_a_parked_event_is_announced_again_as_parked_and_once_decided_as_that() -> None:
    """A duplicate while it waits names what it waits for; afterwards it has the second notice's outcome."""
    world = World()
    void, made = (
        world.make("payment.voided", original={"source": "H1", "id": "p1"}),
        world.make("payment.made", id="p1"),
    )
    first = world.batch(incoming(void, void))
    assert [done.outcome for done in first.decisions] == ["parked", "duplicate"]
    assert {done.waits_for for done in first.decisions} == {"event/H1/p1"}
    folded = world.batch(incoming(made))
    assert [(done.event.id, done.outcome, done.woken, done.notice_no) for done in folded.woken] == [
        (void.id, "posted", True, 2)
    ]
    assert world.take(void).notice_no == 2
    assert not any(world.balances.values())


def test_of_several_that_wait_the_first_to_arrive_is_first() -> None:
    """Two refunds that together are too much wait for a payment: the earlier one gets the money."""
    world = World()
    said: dict[str, Any] = {"original": {"source": "H1", "id": "p1"}, "amount": "60.00"}
    early, late = world.make("payment.refunded", **said), world.make("payment.refunded", **said)
    world.batch(incoming(early))
    world.batch(incoming(late))
    folded = world.batch(incoming(world.make("payment.made", id="p1")))
    assert [(done.event.id, done.outcome) for done in folded.woken] == [
        (early.id, "posted"),
        (late.id, "rejected"),
    ]


def test_a_chain_wakes_from_one_end_to_the_other() -> None:
    """A refund waits for a payment, which waits for its card: the registration decides both in one go."""
    world = World()
    made = world.make("payment.made", card="tok_card_Z", id="p1")
    refund = world.make("payment.refunded", card="tok_card_Z")
    assert [world.take(refund).waits_for, world.take(made).waits_for] == ["event/H1/p1", "card/tok_card_Z"]
    said: dict[str, Any] = {"card": "tok_card_Z"}
    world.send("card.registered", at="09:00:00", **said)
    world.send("card.registered", "CP", stage="PLATFORM", card_class=None, account_class=None, **said)
    last = world.make("card.activated", at="09:30:00", **said)
    folded = world.batch(incoming(last))
    assert [done.event.id for done in folded.woken] == ["p1", refund.id]
    assert not world.parkings


def test_an_original_that_is_rejected_ends_what_waits_for_it() -> None:
    """Whatever the outcome, it wakes: an undo of a rejected event is unknown_original, a reversal is noted."""
    world = World()
    said: dict[str, Any] = {"original": {"source": "H1", "id": "p1"}}
    refund, backwards = world.make("payment.refunded", **said), world.make("payment.reversed", **said)
    waits = world.make("payment.made", id="p1", card="tok_card_Z", order_no="o-1")
    for one in (waits, refund, backwards):
        assert world.take(one).outcome is Outcome.PARKED
    ends = [done for _ in range(4) for done in world.cut().woken]
    assert [(done.event.id, done.reason or done.outcome) for done in ends] == [
        ("p1", "never_arrived"), (refund.id, "unknown_original"), (backwards.id, "noted"),
    ]  # fmt: skip


def test_what_never_arrives_is_refused_by_the_cut_of_the_third_day_after() -> None:
    """Parked on D, it still waits after the cuts of D, D+1 and D+2, and is refused by that of D+3."""
    world = World()
    refund = world.make("payment.refunded", original={"source": "H1", "id": "none"})
    world.take(refund)
    for _ in range(3):
        assert world.cut().woken == []
    folded = world.cut()
    assert [(done.event.id, done.reason, done.woken) for done in folded.woken] == [
        (refund.id, "never_arrived", True)
    ]


def test_a_wait_is_not_counted_anew_when_it_then_waits_for_something_else() -> None:
    """The days count from the first parking, though the payment that was waited for came and the stay did not."""
    world = World()
    deposit = world.make("deposit.paid", card="tok_card_Z")
    world.take(deposit)
    world.cut()
    world.cut()
    said: dict[str, Any] = {"card": "tok_card_Z", "bank": "B1"}
    early = {"at": "2026-03-01T08:00:00+08:00"}
    world.send("card.registered", **early, **said)
    world.send(
        "card.registered", "CP", **early, stage="PLATFORM", card_class=None, account_class=None, **said
    )
    world.send("card.activated", **early, **said)
    parking = world.parkings["H1", deposit.id]
    assert (parking.waits_for, parking.since) == ("stay/H1/A1", OPEN_DAY)
    assert world.take(deposit).waits_for == "stay/H1/A1"
    assert world.cut().woken == []
    assert [done.reason for done in world.cut().woken] == ["never_arrived"]


def test_what_waits_for_a_parked_original_waits_as_long_as_it() -> None:
    """A payout that depends on another may wait half a year, and its withdrawal with it."""
    world = World()
    world.send("reimbursement.submitted", depends_on=[{"payer": "F1", "settlement_id": "S-BASE"}])
    withdrawal = world.make("reimbursement.withdrawn")
    assert world.take(withdrawal).outcome is Outcome.PARKED
    for _ in range(10):
        assert world.cut().woken == []
    story(world, ("reimbursement.submitted", {"claim": claim("S-BASE")}))
    base = world.last("reimbursement.submitted")
    folded = world.batch(incoming(world.make("payout.result", original={"source": "F1", "id": base.id})))
    assert [done.outcome for done in folded.woken] == ["posted", "posted"]
    assert world.balances["2035.F1"] == 0


def test_a_dependency_that_never_comes_ends_after_its_own_limit() -> None:
    """A depends_on waits `depends_days_max` days, not three."""
    world = World(depends_days_max=5)
    world.send("reimbursement.submitted", depends_on=[{"payer": "F1", "settlement_id": "S-BASE"}])
    reasons = [[done.reason for done in world.cut().woken] for _ in range(6)]
    assert reasons == [[], [], [], [], [], ["never_arrived"]]


def test_an_event_of_a_later_day_waits_for_it() -> None:
    """Days after the next are waited for without a limit, and the wait for its day does not count."""
    world = World()
    tomorrow = world.send("payment.made", at="2026-03-11T10:00:00+08:00")
    assert (tomorrow.outcome, tomorrow.clearing_date) == (Outcome.POSTED, date(2026, 3, 11))
    made = world.make("payment.made", at="2026-03-16T10:00:00+08:00")
    refund = world.make(
        "payment.refunded", at="2026-03-15T10:00:00+08:00", original={"source": "H1", "id": "none"}
    )
    assert [world.take(made).waits_for, world.take(refund).waits_for] == ["day/2026-03-16", "day/2026-03-15"]
    ends: dict[str, tuple[date, str]] = {}
    for _ in range(10):
        for done in world.cut().woken:
            ends[done.event.id] = (world.context.open_day, done.reason)
    assert ends == {made.id: (date(2026, 3, 15), ""), refund.id: (date(2026, 3, 18), "never_arrived")}


def test_a_late_event_posts_on_the_open_day_and_says_so() -> None:
    """An event of a day already cut takes the open day, under its own time."""
    world = World()
    done = world.send("payment.made", at="2026-03-09T10:00:00+08:00")
    assert (done.clearing_date, done.late) == (OPEN_DAY, True)
    assert done.entry is not None
    assert done.entry.late


def test_dates_do_not_go_back_inside_one_original_or_stay() -> None:
    """After an undo of tomorrow one of today is dated tomorrow, with its stay and its arrears."""
    tomorrow, after = "2026-03-11T10:00:00+08:00", OPEN_DAY + timedelta(days=1)
    world = story(begun("paid"), ("payment.refunded", {"at": tomorrow, "amount": "1.00"}))
    late = world.send("payment.refunded", amount="1.00")
    assert (late.clearing_date, late.late) == (after, True)
    world = story(begun("owed and paid"), ("arrears.recorded", {"at": tomorrow}))
    void = world.send("payment.voided")
    assert void.clearing_date == after
    last = world.last("arrears.paid")
    assert world.fact("undo", "H1", last.id).last_date == after
    world = story(begun("stay"), ("deposit.paid", {"at": tomorrow}))
    assert world.send("deposit.refunded", amount="1.00").clearing_date == after


def test_a_void_of_an_open_time_out_waits_for_its_confirmation() -> None:
    """Confirmed, it posts and leaves nothing; reversed, it is original_spent."""
    for kind, reason in (("payment.confirmed", ""), ("payment.reversed", "original_spent")):
        world = begun("timed out")
        void = world.make("payment.voided")
        assert world.take(void).outcome is Outcome.PARKED
        story(world, kind)
        assert world.final["H1", void.id].reason == reason
        assert not any(world.balances.values())


def test_a_confirmation_may_repeat_its_time_outs_reference_and_uses_it_up_once() -> None:
    """The reference stays the time-out's: nothing is written a second time, and no third event may have it."""
    world = begun("timed out")
    one = world.last("payment.timed_out")
    body: Any = one.data
    folded = world.batch(incoming(world.make("payment.confirmed", bank_ref=body.bank_ref)))
    assert folded.decisions[0].outcome is Outcome.POSTED
    assert not [key for key in folded.changes if key[0] == "bank_ref"]
    assert world.send("payment.made", bank_ref=body.bank_ref).reason == "bank_ref_reused"


def test_a_deposit_that_timed_out_waits_for_its_stay_and_stays_open_when_that_is_closed() -> None:
    """The confirmation waits for the admission; a closed stay refuses it and the time-out stays open."""
    world = World()
    world.send("payment.timed_out", admission_no="A1")
    confirmed = world.make("payment.confirmed")
    assert world.take(confirmed).waits_for == "stay/H1/A1"
    world.send("admission.registered")
    assert world.final["H1", confirmed.id].outcome is Outcome.POSTED
    assert world.balances["9011.H1.A1"] == -10_000
    world = begun("cancelled stay")
    world.send("payment.timed_out", admission_no="A1")
    assert world.send("payment.confirmed").reason == "admission_closed"
    assert world.balances["2050.H1"] == -10_000


def test_an_order_number_is_free_again_after_a_void_or_reversal_but_not_after_a_refund() -> None:
    """Only what never was frees the number."""
    for kind, reason in (
        ("payment.voided", ""),
        ("payment.reversed", ""),
        ("payment.refunded", "order_already_paid"),
    ):
        world = story(begun("paid"), kind)
        assert world.send("payment.made", order_no="o1").reason == reason


def test_an_undo_of_something_without_a_card_is_refused_and_does_no_harm() -> None:
    """An ORIGINAL may be any event: whatever it is, an undo that does not fit it is unknown_original."""
    world = begun("owed")
    for number, one in enumerate([*world.sent, *world.sent]):
        kind = "payment.voided" if number % 2 else "fee.adjusted"
        done = world.send(kind, original={"source": one.source, "id": one.id})
        assert done.reason == "unknown_original", (kind, one.type)
    story(world, "terminal.locked")
    locked = world.last("terminal.locked")
    assert (
        world.send("payment.voided", original={"source": "CP", "id": locked.id}).reason == "unknown_original"
    )


def test_an_older_attempt_is_noted_when_it_repeats_and_refused_when_it_differs() -> None:
    """Whatever bank sends it, never parked; an attempt not yet made is parked for it."""
    world = begun("returned")
    said = {"bank_ref": "RZ", "bank_date": "2026-03-10"}
    first = world.last("payout.result")
    body: Any = first.data
    early = world.make("payout.result", attempt=2, **said)
    assert world.take(early).outcome is Outcome.PARKED
    story(world, "payout.repaid")
    assert (world.final["B1", early.id].outcome, world.payout().state) == (Outcome.POSTED, "PAID")
    same = {"attempt": 1, "bank_ref": body.bank_ref, "bank_date": "2026-03-10"}
    assert world.send("payout.result", "B2", **same).outcome is Outcome.NOTED
    assert world.send("payout.result", "B2", **(same | {"bank_ref": "other"})).reason == "payout_state"
    assert world.send("payout.result", attempt=2, **said).outcome is Outcome.NOTED
    assert world.send("payout.result", attempt=2, **(said | {"bank_ref": "second"})).reason == "payout_state"


def row(world: World, number: int, amount: str, **said: Any) -> Event:
    """A row of the batch BATCH."""
    whole: dict[str, Any] = {
        "batch_id": "BATCH",
        "row_no": number,
        "amount": amount,
        "claim": claim(f"S-R{number}", amount),
    }
    return world.make("reimbursement.submitted", **(whole | said))


def test_a_batch_is_released_when_its_rows_fit_rejected_ones_counted() -> None:
    """Rows before the header wait; a refused row counts; count, total and digest release it, and no row comes after."""
    world = World()
    rows = [row(world, 1, "100.00"), row(world, 2, "40.00", card="tok_card_T"), row(world, 3, "10.00")]
    digest = rows_digest(
        (number, one.id, fen, True)
        for number, one, fen in zip((1, 2, 3), rows, (10_000, 4_000, 1_000), strict=True)
    )
    assert [world.take(one).outcome for one in rows] == ["parked", "rejected", "parked"]
    folded = world.batch(
        incoming(world.make("reimbursement.batch_submitted", rows=3, total="150.00", digest=digest))
    )
    assert [done.outcome for done in folded.woken] == ["posted", "posted"]
    batch = world.fact("batch", "F1", "BATCH")
    assert batch.state == "RELEASED"
    assert sum(fen for _, _, fen, _ in batch.counted) == batch.total_fen
    assert world.take(row(world, 4, "10.00")).reason == "batch_differs"
    assert world.fact("batch", "F1", "BATCH") == batch


def test_a_payout_to_a_class_two_account_counts_over_the_old_and_new_number() -> None:
    """The limit is over the chain of cards, by the date of the last attempt, and freed by a rejection."""
    big = {"amount": "6000.00"}
    world = story(World(), "card.changed", ("reimbursement.submitted", big | {"claim": claim("S1", "6000.00")}), ("card.replaced", {"at": "11:00:00"}))  # fmt: skip
    again = big | {"card": NEW, "at": "12:00:00"}
    assert (
        world.send("reimbursement.submitted", **again, claim=claim("S2", "6000.00")).reason == "account_limit"
    )
    first = world.sent[1]
    story(
        world,
        (
            "payout.result",
            {
                "original": {"source": "F1", "id": first.id},
                "amount": "6000.00",
                "result": "REJECTED",
                "reason_code": "R08",
            },
        ),
    )
    assert (
        world.send("reimbursement.submitted", **again, claim=claim("S3", "6000.00")).outcome is Outcome.POSTED
    )
    tomorrow: dict[str, Any] = big | {
        "card": NEW,
        "at": "2026-03-11T10:00:00+08:00",
        "claim": claim("S4", "6000.00"),
    }
    assert world.send("reimbursement.submitted", **tomorrow).outcome is Outcome.POSTED


def test_a_settlement_of_a_claim_of_nothing_is_noted() -> None:
    """A claim of 0.00 is live like any other: once a claim, settled for nothing, without an entry."""
    world = begun("deposit")
    nothing = claim("S-0", "0.00", total="100.00", advanced=True)
    story(world, ("discharge.settled", {"claim": nothing}))
    assert world.send("reimbursement.submitted", claim=claim("S-0")).reason == "claim_already_paid"
    line = {"settlement_id": "S-0", "claimed": "0.00", "deducted": "0.00", "retained": "0.00"}
    assert world.send("claim.settled", claims=[line], paid="0.00").outcome is Outcome.NOTED
    assert world.send("claim.settled", claims=[line], paid="0.00").reason == "unknown_claim"


def test_a_recalled_claim_counts_as_not_known() -> None:
    """Its settlement by the payer waits for it to be advanced again."""
    world = story(begun("advanced"), "discharge.cancelled")
    settled = world.make("claim.settled")
    assert world.take(settled).waits_for == "settlement/F1/S-ADV"
    assert not any(world.balances[name] for name in ("9020.F1.H1", "9021.F1.H1"))


def test_what_a_member_that_has_left_took_is_still_confirmed() -> None:
    """A bank confirms a time-out of an institution that is no member any more: it posts on its payable."""
    leaving = '[[pharmacy]]\ncode = "R9"\nvalid_to = "2026-03-10"\nsettlement_bank = "B1"\nsettlement_account = "9"\n'
    world = story(World(more=leaving), ("payment.timed_out", {"source": "R9", "institution": "R9"}))
    done = world.send("payment.confirmed", "B1", "2026-03-11T10:00:00+08:00")
    assert done.outcome is Outcome.POSTED
    assert world.balances["2011.R9"] == -10_000


@pytest.mark.parametrize("kind", CATALOGUE)
def test_no_first_event_of_any_type_breaks_an_empty_world(kind: str) -> None:
    """Each type's example is decided over no facts at all without failing, and names its keys as text."""
    found = decode(json.dumps(examples()[kind]).encode())
    assert isinstance(found, Event)
    world = World(start=Facts())
    keys = needs(found, world.facts)
    assert all(isinstance(part, str) for key in keys for part in key)
    assert keys[0] == ("seen", found.source, found.id)
    assert world.take(found).outcome in {Outcome.POSTED, Outcome.NOTED, Outcome.PARKED, Outcome.REJECTED}
    assert kind in RULES


@pytest.mark.parametrize("first", sorted(CATALOGUE))
def test_any_event_may_name_any_other_as_its_original(first: str) -> None:
    """After any accepted or refused event, every undo that names it ends in an outcome and not in a failure."""
    world = begun("deposit")
    done = world.send(first)
    undos = [kind for kind in CATALOGUE if "original" in CATALOGUE[kind].model.model_fields]
    for kind in undos:
        found = world.fork().send(kind, original={"source": done.event.source, "id": done.event.id})
        assert found.outcome in {Outcome.POSTED, Outcome.NOTED, Outcome.PARKED, Outcome.REJECTED}
    assert len(undos) > 15


def test_all_that_is_kept_of_an_event_or_card_has_one_name() -> None:
    """Locks and waits use one name for an event, whatever is kept of it, and one for a card's number."""
    assert {
        lock_name((kind, "H1", "p1"))
        for kind in ("seen", "original", "undo", "timeout", "payout", "tombstone")
    } == {"event/H1/p1"}
    assert {lock_name((kind, A)) for kind in ("card", "alias", "held")} == {f"card/{A}"}
    assert lock_name(("stay", "H1", "A1")) == "stay/H1/A1"
    assert (
        event(
            "payout.sent", "B1", "x", "2026-03-10T10:00:00+08:00", {"original": {"source": "F1", "id": "y"}}
        ).type
        in RULES
    )
