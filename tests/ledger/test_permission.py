"""The permission matrix, cell by cell, as the contract's table has it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from clearing.ledger.facts import Card, Registration, Step
from clearing.ledger.outcomes import Outcome
from clearing.ledger.permission import PERMISSION, Cell, Use, judge
from tests.ledger.world import KEPT, NEW, UNKNOWN, A, B, World, postings_of, story

THEN = datetime(2026, 3, 1, tzinfo=UTC)
NOON = datetime(2026, 3, 10, 4, tzinfo=UTC)
STATES = [
    "UNKNOWN",
    "ISSUED",
    "ACTIVE",
    "FROZEN_DEBIT",
    "FROZEN_ALL",
    "LOST",
    "REPLACED",
    "CANCELLED",
    "TERMINATED",
    "DECEASED",
]

# fmt: off
MATRIX = """
            UNKNOWN ISSUED ACTIVE   FROZEN_DEBIT FROZEN_ALL LOST REPLACED CANCELLED TERMINATED DECEASED
DEBIT       PARK    WAIT   PLATFORM NO           NO         NO   NO       NO        NO         NO
TOPUP       PARK    YES    YES      YES          NO         YES  NEW_CARD NO        NO         NO
REPAID      PARK    HELD   YES      YES          NO         YES  NEW_CARD NO        NO         NO
SUBMITTED   PARK    HELD   YES      YES          HELD       YES  NEW_CARD RETURNED  RETURNED   HELD
"""
# fmt: on


def card(state: str, *, platform: bool = True, kind: str = "NORMAL", then: str = "") -> Card:
    """A card in a state since March 1, and in another one since a minute after noon where `then` is given."""
    places = ("BANK", "PLATFORM") if platform else ("BANK",)
    steps = [] if state == "ISSUED" else [Step(THEN, state, "ACTIVE")]
    if then:
        steps.append(Step(NOON.replace(minute=1), then, state))
    return Card(
        token="tok_x",  # noqa: S106 - a card's token
        bank="B1",
        card_class=kind,
        registrations=tuple(Registration(place, "B1", "", THEN) for place in places),
        steps=tuple(steps),
    )


def test_the_table_in_the_code_is_the_contracts() -> None:
    """Every cell of the table is the contract's."""
    head, *rows = (line.split() for line in MATRIX.strip().splitlines())
    assert head == STATES
    found = {name.lower(): [Cell[cell] for cell in cells] for name, *cells in rows}
    assert {use.value: [PERMISSION[use][state] for state in STATES] for use in Use} == found


@pytest.mark.parametrize(
    ("use", "before", "now", "cell"),
    [
        (Use.DEBIT, "ISSUED", "ISSUED", Cell.PARK),
        (Use.DEBIT, "ISSUED", "ACTIVE", Cell.NO),
        (Use.DEBIT, "ACTIVE", "LOST", Cell.YES),
        (Use.SUBMITTED, "ISSUED", "ISSUED", Cell.HELD),
        (Use.SUBMITTED, "ISSUED", "ACTIVE", Cell.YES),
        (Use.SUBMITTED, "ISSUED", "CANCELLED", Cell.RETURNED),
        (Use.SUBMITTED, "FROZEN_ALL", "LOST", Cell.YES),
        (Use.SUBMITTED, "FROZEN_ALL", "DECEASED", Cell.HELD),
        (Use.SUBMITTED, "CANCELLED", "CANCELLED", Cell.RETURNED),
        (Use.SUBMITTED, "ACTIVE", "DECEASED", Cell.YES),
        (Use.REPAID, "ISSUED", "FROZEN_ALL", Cell.NO),
        (Use.REPAID, "ISSUED", "ISSUED", Cell.HELD),
    ],
)
def test_held_and_waiting_are_judged_again_by_the_state_now(
    use: Use, before: str, now: str, cell: Cell
) -> None:
    """HELD takes the cell of the state now, a debit waits only while ISSUED now, any other cell stands."""
    known = card(before, then=now if now != before else "")
    assert judge(use, known, NOON, known) is cell


@pytest.mark.parametrize("use", [Use.SUBMITTED, Use.REPAID])
def test_a_temporary_card_is_never_paid_out_to(use: Use) -> None:
    """TEMP: no, whatever its state; debits and top-ups are as any card's."""
    known = card("ACTIVE", kind="TEMP")
    assert judge(use, known, NOON, known) is Cell.NO
    assert judge(Use.TOPUP, known, NOON, known) is Cell.YES


def test_a_debit_waits_for_the_card_platform() -> None:
    """A card without PLATFORM parks a debit, which posts when the registration comes."""
    world = World()
    said: dict[str, Any] = {"card": UNKNOWN}
    world.send("card.registered", **said)
    world.send("card.activated", at="09:00:00", **said)
    paid = world.make("payment.made", **said)
    assert world.take(paid).waits_for == f"card/{UNKNOWN}"
    world.send("card.registered", "CP", **said, stage="PLATFORM", card_class=None, account_class=None)
    assert world.final["H1", paid.id].outcome is Outcome.POSTED


def test_a_held_payout_is_accepted_when_its_card_is_active() -> None:
    """A payout to an issued card is HELD, ACCEPTED on activation; its result waited for that."""
    world = World()
    world.send("card.registered", card=UNKNOWN)
    done = world.send("reimbursement.submitted", card=UNKNOWN)
    assert (postings_of(done), world.payout().state) == ("1020.F1 100.00 2035.F1 -100.00", "HELD")
    result = world.make("payout.result")
    assert world.take(result).outcome is Outcome.PARKED
    world.send("card.activated", card=UNKNOWN)
    assert (world.payout().state, world.final["B1", result.id].outcome) == ("PAID", Outcome.POSTED)


def test_a_held_payout_follows_a_replaced_card_and_stays_held_for_an_ended_one() -> None:
    """A replacement takes the payout with it; a card that ends leaves it HELD until it is withdrawn."""
    ends: tuple[tuple[str, dict[str, Any], str, str], ...] = (
        ("card.replaced", {}, "ACCEPTED", NEW),
        ("card.cancelled", {}, "HELD", A),
        ("card.duplicate_found", {}, "HELD", A),
    )
    for kind, said, state, paid_to in ends:
        world = story(World(), "card.frozen", ("reimbursement.submitted", {"at": "11:00:00"}), (kind, said))
        assert (world.payout().state, world.payout().card) == (state, paid_to)
        assert world.send("reimbursement.withdrawn").outcome is Outcome.POSTED


def test_an_accepted_payout_follows_a_replaced_card_until_a_bank_has_it() -> None:
    """What no bank was sent goes to the new number, in every step of a chain; what was sent stays as it was sent."""
    again = {"card": NEW, "new_card": "tok_card_N2"}
    world = story(World(), "reimbursement.submitted", "card.replaced", ("card.replaced", again))
    assert (world.payout().state, world.payout().card) == ("ACCEPTED", "tok_card_N2")
    assert world.payout().attempts[-1].card == "tok_card_N2"
    world = story(World(), "reimbursement.submitted", "payout.sent", "card.replaced", "payout.result")
    assert (world.payout().state, world.payout().card) == ("PAID", A)


def test_a_duplicate_is_judged_as_ended_though_another_card_is_kept() -> None:
    """A submission to a frozen card that was found a duplicate since goes to returned funds, not to the kept card."""
    world = story(World(), "card.frozen", ("card.duplicate_found", {"at": "12:00:00"}))
    done = world.send("reimbursement.submitted", at="11:00:00")
    assert postings_of(done) == "1020.F1 100.00 2030.F1 -100.00"


def test_what_a_replaced_card_is_paid_goes_to_the_new_one_by_its_own_state() -> None:
    """After the replacement a submission to the old number is one to the new card: HELD when that one is frozen."""
    world = story(World(), ("card.replaced", {"at": "09:00:00"}))
    world.send("reimbursement.submitted")
    assert (world.payout().card, world.payout().state) == (NEW, "ACCEPTED")
    world.send("card.frozen", at="10:30:00", card=NEW)
    world.send("reimbursement.submitted", at="11:00:00")
    assert (world.payout().card, world.payout().state) == (NEW, "HELD")
    assert world.send("payment.made", at="11:00:00").reason == "card_not_allowed"


def test_a_loss_holds_from_its_report_and_a_posted_debit_stands() -> None:
    """A debit after the reported instant is refused, one timed before it posts even when it comes later."""
    world = story(
        World(),
        ("payment.made", {"at": "10:00:00"}),
        ("card.lost", {"at": "12:00:00", "reported_at": "2026-03-10T09:00:00+08:00"}),
    )
    assert world.send("payment.made", at="09:30:00").reason == "card_not_allowed"
    assert world.send("payment.made", at="08:59:59").outcome is Outcome.POSTED


def test_found_and_unfrozen_go_back_one_step_each() -> None:
    """ACTIVE, frozen, lost, found is frozen again; unfrozen from there is ACTIVE, not lost."""
    world = World()
    states = []
    for kind in ("card.frozen", "card.lost", "card.found", "card.unfrozen"):
        assert world.send(kind).outcome is Outcome.NOTED
        states.append(world.fact("card", A).state)
    assert states == ["FROZEN_ALL", "LOST", "FROZEN_ALL", "ACTIVE"]


def test_two_cards_found_duplicates_of_each_other_do_no_harm() -> None:
    """A circle of kept cards ends: an undo on a card outside it is card_differs, not an endless walk."""
    world = story(
        World(),
        "payment.made",
        "card.duplicate_found",
        ("card.duplicate_found", {"card": KEPT, "kept_card": A}),
    )
    assert world.send("payment.refunded", card=B, bank="B2").reason == "card_differs"
    assert world.send("payment.refunded", card=KEPT, amount="1.00").outcome is Outcome.POSTED


def test_aliases_pass_to_the_new_card_from_the_replacement_on() -> None:
    """An alias means the old card before the replacement and the new one after, known early or late."""
    for late in (False, True):
        steps = [("card.aliased", {}), ("card.replaced", {"at": "11:00:00"})]
        world = story(World(), *(reversed(steps) if late else steps))
        for at, token in (("10:59:59", A), ("11:00:00", NEW)):
            done = world.send("reimbursement.submitted", at=at, card="tok_alias_1")
            assert done.outcome is Outcome.POSTED
            assert world.fact("alias", "tok_alias_1").card_at(done.event.time) == token


def test_a_debit_by_an_alias_waits_for_the_alias() -> None:
    """An alias not yet known is an unknown card, and wakes the debit when it is known."""
    world = World()
    paid = world.make("payment.made", card="tok_alias_1")
    assert world.take(paid).waits_for == "card/tok_alias_1"
    world.send("card.aliased")
    assert world.final["H1", paid.id].outcome is Outcome.POSTED


def test_without_required_cards_an_unknown_one_is_active() -> None:
    """With cards.required = false an unknown card debits and is paid at the bank that is named."""
    world = World(cards_required=False)
    assert world.send("payment.made", card=UNKNOWN).outcome is Outcome.POSTED
    world.send("card.registered", "CP", card=UNKNOWN, stage="PLATFORM", card_class=None, account_class=None)
    world.send("reimbursement.submitted", card=UNKNOWN)
    assert world.payout().bank == "B1"
    assert world.send("payout.result").outcome is Outcome.POSTED
