"""Record keys ahead of each other, batch by batch through the database: what it reads is what the rules must know."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.jobs.running import Books, books, settings_of
from tests.ledger.stories import ADVANCED
from tests.ledger.straight import REVERSED_EARLY, Straight, by_topic, ends
from tests.ledger.straight_cards import PLATFORM
from tests.ledger.world import OPEN_DAY, A, World, claim, members
from tests.soaking import SEED, size

LATE = {"card": "tok_late_1", "bank": "B1"}
ACROSS = {"treat_area": "990001", "insured_area": "990002"}
LAST = "SELECT e.source, e.id, coalesce(nullif(w.reason, ''), w.outcome, nullif(e.reason, ''), e.outcome) FROM event e LEFT JOIN woken w USING (source, id)"  # noqa: E501


def card(world: World, **said: Any) -> None:  # noqa: ANN401 - fields of any event
    """A card that is good all day."""
    known = {"at": "2026-03-01T08:00:00+08:00", "person": f"per_{said['card']}"} | said
    world.make("card.registered", **known)
    world.make("card.registered", "CP", **known | PLATFORM)
    world.make("card.activated", at="2026-03-01T08:00:01+08:00", **said)


def known() -> World:
    """The card that a world begins with."""
    world = World()
    world.prefix = "first"
    card(world, card=A, bank="B1")
    return world


async def last(the: Books) -> dict[tuple[str, str], str]:
    """How each event ended, but those of `known`."""
    return {(source, id_): end for source, id_, end in await the.rows(LAST) if not id_.startswith("first")}


def an_order_paid_anew(world: World) -> None:
    """Its void names a number that is known at last; whoever pays the order meanwhile waits."""
    world.make("payment.made", order_no="o-1")
    world.make("payment.voided", card="tok_alias_1")
    for _ in range(2):
        world.make("payment.made", order_no="o-1")
    world.make("card.aliased", card=A)


def a_transfer_on_its_way(world: World) -> None:
    """Deposit, transfer and the taking stay's discharge wait for a card, in two lines."""
    for stay in ("A1", "A2"):
        world.make("admission.registered", admission_no=stay)
    world.make("deposit.paid", **LATE)
    world.make("deposit.transferred")
    world.make("discharge.settled", admission_no="A2")
    world.make("arrears.recorded", admission_no="A2")
    card(world, **LATE)


def a_claim_between_areas(world: World) -> None:
    """Claim and settlement between the areas wait for a discharge; what was open before stays open."""
    world.make("reimbursement.submitted", claim=claim("S-ONE", **ACROSS))
    world.make("claim.settled")
    world.make("crossregion.settled", amount="175.00")
    world.make("admission.registered")
    world.make("deposit.paid")
    borne = claim("S-ADV", "80.00", total="180.00", advanced=True, **ACROSS)
    world.make("discharge.settled", **ADVANCED | {"claim": borne})


def a_confirmed_deposit(world: World) -> None:
    """The confirmation of a deposit names no stay, and nothing else in its batch does."""
    world.make("admission.registered")
    for kind in ("payment.timed_out", "payment.confirmed"):
        world.make(kind, **{"admission_no": "A1"} if kind == "payment.timed_out" else {})


STORIES = [an_order_paid_anew, a_transfer_on_its_way, a_claim_between_areas, a_confirmed_deposit]


@pytest.mark.parametrize("tell", STORIES, ids=lambda tell: tell.__name__)
@pytest.mark.parametrize("batch", [1, 2, 1000])
async def test_what_waits_in_line_is_read_for_those_behind_it(
    blank: Callable[[], str], tell: Callable[[World], None], batch: int
) -> None:
    """In batches of any size the same outcomes as in memory, nothing parked at the end."""
    world, wanted = World(), World()
    tell(world)
    for one in world.sent:
        wanted.take(one)
    async with books(blank(), settings_of(batch_events_max=batch), members(), OPEN_DAY) as the:
        await the.ingest(known().records)
        await the.ingest(world.records)
        assert await last(the) == ends(wanted)
        assert not wanted.parkings
        assert await the.balances() == {name: fen for name, fen in wanted.balances.items() if fen}


@pytest.mark.parametrize("number", range(size(3, 100)))
async def test_any_order_comes_to_the_same_in_batches_of_any_size(
    blank: Callable[[], str], number: int
) -> None:
    """A day with everything in it, its record keys mixed: outcomes, balances and what is parked are the day's own."""
    chance = random.Random(SEED * 1_000 + number)
    straight = Straight(chance, loose_ends=True, loosely=number % 2 == 1, cuts_max=0)
    for _ in range(120):
        straight.step()
    straight.finish()
    raw = {
        (one.source, one.id): line
        for one, line in zip(straight.world.sent, straight.world.records, strict=True)
    }
    sent = by_topic(straight.world.sent, chance, loosely=straight.loosely)
    batch = chance.choice([1, 7, 50, 1_000])
    async with books(blank(), settings_of(batch_events_max=batch), members(), OPEN_DAY) as the:
        await the.ingest(known().records)
        await the.ingest([raw[one.source, one.id] for one in sent])
        found = await last(the)
        excused = {key for key in straight.reversed if found[key] in REVERSED_EARLY}
        assert {key: end for key, end in found.items() if key not in excused} == {
            key: end for key, end in ends(straight.world).items() if key not in excused
        }, f"seed {SEED}"
        assert await the.balances() == {name: fen for name, fen in straight.world.balances.items() if fen}
