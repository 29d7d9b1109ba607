"""Who has a partition may change at any moment; what was taken is taken once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

from clearing.jobs.broker import Broker
from clearing.jobs.generate import CITY
from tests.jobs.mortal import mortals
from tests.jobs.running import (
    FIRST_DAY,
    a_day,
    all_told,
    books,
    cards_first,
    city_members,
    one_outcome_each,
    picture,
    same,
    send,
    settings_of,
    taken,
    topics,
    values,
    working,
)


async def test_a_worker_frozen_past_its_session_is_fenced(blank: Callable[[], str], broker: Broker) -> None:
    """Another takes over what a frozen worker held; woken, it writes nothing twice and goes on working."""
    sent = a_day(1000, 5)
    cards, others = cards_first(sent)
    members = city_members()
    async with books(blank(), settings_of(), members) as quiet:
        await quiet.ingest([*values(cards), *values(others)])
        await quiet.close(FIRST_DAY)
        wanted = await picture(quiet)
    settings = await topics(broker.bootstrap, batch_events_max=10)
    async with books(blank(), settings, members) as the:
        with mortals(the, CITY) as frozen:
            frozen.start("worker")
            await send(settings, cards)
            while not await the.one("SELECT count(*) FROM batch"):
                await asyncio.sleep(0.005)
            frozen.signal(signal.SIGSTOP)
            assert 0 < await the.one("SELECT count(*) FROM event") < len(cards)
            async with working(the) as crew:
                try:
                    await taken(the)  # begins when the broker has given the frozen one up
                except BaseException:
                    await frozen.kill()  # or who waits for it would wait for ever
                    raise
                await send(settings, others[: len(others) // 2])
                frozen.signal(signal.SIGCONT)
                await send(settings, others[len(others) // 2 :])
                await taken(the)
                assert frozen.alive, "the woken worker ended"
                assert crew[0].totals.counts["posted"] > 0
            await taken(the)
            await frozen.stop()
        await one_outcome_each(the, sent)
        await all_told(the)
        await the.close(FIRST_DAY)
        same(await picture(the), wanted)


async def test_workers_that_come_and_go_share_the_work(blank: Callable[[], str], broker: Broker) -> None:
    """Workers join and leave while records arrive; every event has one outcome and one notice."""
    sent = a_day(1200, 6)
    cards, others = cards_first(sent)
    settings = await topics(broker.bootstrap, batch_events_max=20)
    async with books(blank(), settings, city_members()) as the, working(the):
        await send(settings, cards)
        await taken(the)
        async with working(the, 2) as crew:
            await send(settings, others[:400])
            await asyncio.sleep(1)
        async with working(the):
            await send(settings, others[400:])
            await taken(the)
        await one_outcome_each(the, sent)
        await all_told(the)
        assert len(crew) == 2
