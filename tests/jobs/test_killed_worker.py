"""A worker that is killed, again and again, leaves books as if nothing had happened.

Each worker after a kill joins a group of its own: positions live in the database, so who read what before is
nothing to the broker, and the test need not wait for the dead member's session to end. `make soak` takes more
of everything.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable

import pytest

from clearing.jobs.broker import Broker
from clearing.jobs.generate import CITY
from tests.jobs.mortal import Mortal, finished, mortals
from tests.jobs.proof import all_told, as_in_quiet, one_outcome_each, quiet_run
from tests.jobs.running import (
    Books,
    a_day,
    books,
    cards_first,
    city_members,
    send,
    slices,
    taken,
    topics,
    until,
)
from tests.soaking import SEED, did, size

EVENTS = size(3_000, 30_000)
KILLS = size(10, 60)


async def killed_on_the_way(the: Books, running: Mortal, rng: random.Random, before: int) -> int:
    """Let a worker take some batches, then kill it wherever it is; gives how many batches there are."""
    some = before + rng.randint(1, 6)
    batches = before

    async def some_taken() -> bool:
        nonlocal batches
        assert running.alive, "the worker ended by itself"
        batches = int(await the.one("SELECT count(*) FROM batch"))
        return batches >= some

    await until(some_taken, f"{some} batches")
    await asyncio.sleep(rng.random() * 0.03)
    await running.kill()
    did("kills of a worker anywhere")
    return batches


@pytest.mark.parametrize("seed", [SEED])
async def test_ten_kills_on_the_way_show_nowhere(blank: Callable[[], str], broker: Broker, seed: int) -> None:
    """Three thousand events, ten SIGKILLs: outcomes, balances, entries, file bytes are those of a quiet run."""
    sent = a_day(EVENTS, seed)
    cards, others = cards_first(sent)
    members, rng = city_members(), random.Random(seed)
    wanted = await quiet_run(blank(), cards + others)
    settings = await topics(broker.bootstrap, batch_events_max=20)
    async with books(blank(), settings, members) as the:
        batches = 0
        with mortals(the, CITY) as running:
            for number, part in enumerate([*slices(cards, 3), *slices(others, KILLS - 3)]):
                running.start("worker", settings={"kafka_group": f"{settings.kafka_group}-{number}"})
                await send(settings, part)
                batches = await killed_on_the_way(the, running, rng, batches)
                if number == 2:  # the rest comes when the cards are known
                    await finished(the, CITY, "cards")
        await finished(the, CITY, "rest")
        await as_in_quiet(the, sent, wanted)


async def test_a_worker_told_to_stop_finishes_its_batch(blank: Callable[[], str], broker: Broker) -> None:
    """SIGTERM in a batch ends a busy worker within seconds with exit code 0: what it took is told, the rest stays."""
    cards, _ = cards_first(a_day(2000, SEED))
    settings = await topics(broker.bootstrap, batch_events_max=10)
    async with books(blank(), settings, city_members()) as the:
        with mortals(the, CITY) as running:
            running.start("worker", at="all written, not committed", nth=3, by=signal.SIGTERM)
            await send(settings, cards)
            assert await running.ended() == 0
            # each is waited for some seconds; so it says when one of them was more
            given_up = ("stopped with notices or a batch under way", "no answer while stopping")
            assert [line for line in running.said if any(one in line for one in given_up)] == []
        behind = (
            "SELECT count(*) FROM stream s JOIN batch b ON b.stream = s.name AND b.partition = s.partition"
        )
        assert await the.one(f"{behind} AND b.id > s.announced AND b.records > 0") == 0
        some = await the.one("SELECT count(*) FROM event")
        assert 0 < some < len(cards)
        with mortals(the, CITY) as running:
            running.start("worker")  # of the same group: it was left in good order
            await taken(the)
        await one_outcome_each(the, cards)
        await all_told(the)
