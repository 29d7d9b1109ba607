"""Stays and payouts while two workers race over topics: their events are decided in turn."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

from clearing.jobs.broker import Broker
from clearing.store import locks
from clearing.store.session import transaction
from messages import Event
from tests.jobs.made import CARDS, payment, sent_under, submitted
from tests.jobs.proof import all_told
from tests.jobs.running import (
    Sent,
    books,
    joined,
    keyed,
    send,
    taken,
    topics,
    until,
    worked_members,
    working,
)
from tests.ledger.straight import REVERSED_EARLY, Straight, by_topic, record_key
from tests.ledger.straight_cards import PLATFORM
from tests.ledger.world import OPEN_DAY, A, World, members
from tests.soaking import SEED, size


def sent(events: list[Event], of: World) -> list[Sent]:
    """Events under their record keys, as they were made."""
    raw = {(one.source, one.id): line for one, line in zip(of.sent, of.records, strict=True)}
    return [Sent(*record_key(one, of.sent), raw[one.source, one.id], one.time) for one in events]


async def test_any_order_between_topics_gives_the_books_of_the_right_one(
    blank: Callable[[], str], broker: Broker
) -> None:
    """Cards late, stays and payouts ahead of them, two workers, batches of a few: the same balances."""
    chance = random.Random(SEED)
    straight = Straight(chance, loose_ends=True, cuts_max=0)
    for _ in range(size(80, 2_000)):
        straight.step()
    straight.finish()
    first = World()
    first.prefix = "first"
    known: dict[str, Any] = {"at": "2026-03-01T08:00:00+08:00", "card": A, "bank": "B1", "person": f"per_{A}"}
    first.make("card.registered", **known)
    first.make("card.registered", "CP", **known | PLATFORM)
    first.make("card.activated", at="2026-03-01T08:00:01+08:00", card=A, bank="B1")
    settings = await topics(broker.bootstrap, batch_events_max=5)
    async with books(blank(), settings, members(), OPEN_DAY) as the:
        async with working(the, 2):
            await joined(settings, 2)
            await send(settings, sent(first.sent, first))
            await taken(the)
            records = sent(by_topic(straight.world.sent, chance), straight.world)
            for start in range(0, len(records), 10):
                await send(settings, records[start : start + 10])
                await asyncio.sleep(chance.random() * 0.05)
            await taken(the)
        waits = set(await the.rows("SELECT source, id FROM parked"))
        assert waits == set(straight.world.parkings), f"seed {SEED}"
        refused = await the.rows(
            "SELECT e.source, e.id, e.type, coalesce(w.reason, e.reason) FROM event e LEFT JOIN woken w "
            "USING (source, id) WHERE coalesce(w.outcome, e.outcome) = 'rejected'"
        )
        wrong = [one for one in refused if one[:2] not in straight.reversed or one[3] not in REVERSED_EARLY]
        assert wrong == [], f"seed {SEED}"
        assert await the.balances() == {name: fen for name, fen in straight.world.balances.items() if fen}
        await all_told(the)


async def test_a_payment_does_not_wait_with_a_claim(blank: Callable[[], str], broker: Broker) -> None:
    """While somebody else holds a claim's settlement, the payments of the same number are taken."""
    settings = await topics(broker.bootstrap, partitions=1)
    claim = sent_under(submitted("W"), "W", "reimbursements")
    async with books(blank(), settings, worked_members()) as the, working(the):
        await send(settings, keyed(CARDS))
        await taken(the)
        async with transaction(the.engine) as other:
            await locks.lock(other, ["settlement/F1/SW"])
            await send(settings, [claim, sent_under(payment("W"), "W")])
            await until(lambda: the.one("SELECT count(*) FROM event WHERE id = 'PAY-W'"), "the payment")
            assert await the.one("SELECT count(*) FROM event WHERE id = 'PO-W'") == 0
        await taken(the)
        assert await the.one("SELECT count(*) FROM event WHERE id = 'PO-W'") == 1
