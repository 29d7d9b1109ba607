"""Who has a partition may change at any moment; what was taken is taken once."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable

from clearing.jobs.broker import Broker
from clearing.jobs.close import cut
from clearing.jobs.generate import CITY
from clearing.jobs.verify import verify
from tests.jobs.mortal import mortals
from tests.jobs.proof import all_told, as_in_quiet, one_outcome_each, quiet_run
from tests.jobs.running import (
    FIRST_DAY,
    Books,
    a_day,
    books,
    cards_first,
    city_members,
    send,
    slices,
    taken,
    topics,
    values,
    working,
)
from tests.jobs.steps import WORKER
from tests.soaking import SEED, did, rounds, size

EVENTS = size(900, 20_000)
TURNS = size(3, 60)
STEPS = ["records decoded", *(at for at in WORKER if at != "records decoded" and "group" not in at)]
"""Where a worker is frozen, one a round: before its transaction first, then in it and after it."""


async def test_a_worker_frozen_past_its_session_is_fenced(blank: Callable[[], str], broker: Broker) -> None:
    """Another takes over what a frozen worker held; woken, it writes nothing twice and goes on working."""
    for seed in rounds():
        await one_frozen(blank, broker, seed)
        did("workers frozen past their session")


async def one_frozen(blank: Callable[[], str], broker: Broker, seed: int) -> None:
    """One worker is stopped in the middle of a batch, and woken when another has taken over."""
    sent = a_day(1000, seed)
    cards, others = cards_first(sent)
    members = city_members()
    wanted = await quiet_run(blank(), cards + others)
    settings = await topics(broker.bootstrap, batch_events_max=10)
    at = STEPS[(seed - SEED) % len(STEPS)]
    async with books(blank(), settings, members) as the:
        with mortals(the, CITY) as frozen:
            frozen.start("worker", at=at, by=signal.SIGSTOP)
            await send(settings, cards)
            await frozen.stands_still()
            assert await the.one("SELECT count(*) FROM event") < len(cards)
            async with working(the) as crew:
                try:
                    await taken(the)  # begins when the broker has given the frozen one up
                    await send(settings, others[: len(others) // 2])
                    await taken(the)
                except BaseException:
                    await frozen.kill()  # or who waits for it would wait for ever
                    raise
                frozen.signal(signal.SIGCONT)
                await send(settings, others[len(others) // 2 :])
                await taken(the)
                assert crew[0].totals.counts["posted"] > 0
            await taken(the)
            assert frozen.alive, "the woken worker ended"
            await frozen.stop()
            # decoded before it stood still, and taken by another since
            assert at != STEPS[0] or any("fenced" in one for one in frozen.said), at
        await as_in_quiet(the, sent, wanted)


async def test_workers_that_come_and_go_share_the_work(blank: Callable[[], str], broker: Broker) -> None:
    """Workers join and leave every second or two under load: every event has one outcome and one notice."""
    rng = random.Random(SEED)
    cards, others = cards_first(a_day(EVENTS, SEED))
    members = city_members()
    wanted = await quiet_run(blank(), cards + others)
    settings = await topics(broker.bootstrap, batch_events_max=20)
    async with books(blank(), settings, members) as the:
        await the.ingest(values(cards))
        async with working(the):
            for part in slices(others, TURNS):
                async with working(the, rng.choice((1, 2))):
                    await send(settings, part)
                    await asyncio.sleep(rng.random() * 2)
                did("times workers came and went")
            await taken(the)
        await as_in_quiet(the, cards + others, wanted)


async def test_a_worker_that_stands_still_in_a_transaction_does_not_keep_the_day(
    blank: Callable[[], str], broker: Broker
) -> None:
    """Stopped in the middle of a COPY it is cut off, the day is cut, another goes on; woken, it does too."""
    cards, others = cards_first(a_day(300, SEED))
    settings = await topics(broker.bootstrap, batch_events_max=10)
    async with books(blank(), settings, city_members()) as the:
        await the.ingest(values(cards))
        with mortals(the, CITY) as frozen:
            frozen.start("worker", at="in the middle of a COPY", nth=5, by=signal.SIGSTOP)
            await send(settings, others)
            await frozen.stands_still()
            assert (await cut(the.engine, the.settings, the.members, FIRST_DAY)).done
            before = await of_day(the)
            async with working(the):
                await taken(the)
                frozen.signal(signal.SIGCONT)
                await send(settings, others[:20])
                await taken(the)
            await frozen.stop()
        assert await of_day(the) == before
        await one_outcome_each(the, cards + others)
        await all_told(the)
        assert (await verify(the.engine, the.members))["ok"]


async def of_day(the: Books) -> list[tuple[object, ...]]:
    """The entries of the first day."""
    return await the.rows("SELECT id FROM entry WHERE clearing_date = :day ORDER BY id", day=FIRST_DAY)
