"""Workers, the broker and the database are killed at random while records arrive; the books are those of a quiet run.

One storm over a day in `make test`; day after day in `make soak`, for a time given, each in books of its own.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable, Iterator

from clearing.jobs.broker import JarBroker
from clearing.jobs.generate import CITY
from clearing.jobs.verify import verify
from clearing.store.database import connect
from tests.conftest import DatabaseServer, OwnDatabase
from tests.jobs.mortal import KILLED, Mortal, finished, mortals
from tests.jobs.running import (
    FIRST_DAY,
    Books,
    Sent,
    a_day,
    all_told,
    books,
    cards_first,
    city_members,
    one_outcome_each,
    picture,
    prepare,
    same,
    send,
    settings_of,
    slices,
    topics,
    values,
)
from tests.soaking import SEED, seconds, size

EVENTS = size(600, 6_000)
BLOWS = size(8, 40)
"""How often something is killed while one day arrives."""

Blow = Callable[[], Awaitable[None]]


async def test_random_kills_of_workers_broker_and_database_show_nowhere(
    own_database: OwnDatabase, own_broker: JarBroker, database_server: DatabaseServer
) -> None:
    """Two workers of one group, a broker and a database, killed at any moment: nothing is lost or doubled."""
    until, seed = time.monotonic() + seconds(0), SEED
    while True:
        await a_stormy_day(own_database, own_broker, database_server, seed)
        if time.monotonic() >= until:
            return
        seed += 1


async def a_stormy_day(
    own_database: OwnDatabase, own_broker: JarBroker, database_server: DatabaseServer, seed: int
) -> None:
    """A generated day through the storm, and once more in quiet."""
    cards, others = cards_first(a_day(EVENTS, seed))
    calm = database_server.create(database_server.template("jobs", prepare))
    async with books(calm, settings_of(), city_members()) as quiet:
        await quiet.ingest(values(cards + others))
        await quiet.close(FIRST_DAY)
        wanted = await picture(quiet)
    database_server.drop(calm)

    stormy = await new_database(own_database, f"storm_{seed}")
    settings = await topics(own_broker.bootstrap, batch_events_max=20)
    async with books(stormy, settings, city_members()) as the:
        await the.ingest(values(cards))
        await storm(the, others, random.Random(seed), own_broker, own_database)
        await finished(the, CITY, "calm")
        await one_outcome_each(the, cards + others)
        await all_told(the)
        await the.close(FIRST_DAY)
        same(await picture(the), wanted)
        found = await verify(the.engine, the.members)
        assert found["ok"], f"seed {seed}: {found['checks']}"


async def new_database(server: OwnDatabase, name: str) -> str:
    """Books in a database of their own on that server."""
    connection = await connect(server.url)
    try:
        await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()
    url = server.server.dsn(name)
    await prepare(url)
    return url


async def storm(
    the: Books, others: list[Sent], rng: random.Random, broker: JarBroker, database: OwnDatabase
) -> None:
    """Send the records bit by bit, and kill something after each."""
    with mortals(the, CITY) as one, mortals(the, CITY) as other:
        for worker in (one, other):
            worker.start("worker")
        blows = blows_of(rng, (one, other), broker, database)
        for part in slices(others, BLOWS):
            sending = asyncio.create_task(send(the.settings, part))
            await asyncio.sleep(rng.random() * 1.5)
            await next(blows)()
            await sending
        for worker in (one, other):
            if worker.alive:
                worker.signal(signal.SIGKILL)
            assert await worker.ended() == KILLED


def blows_of(
    rng: random.Random, workers: tuple[Mortal, Mortal], broker: JarBroker, database: OwnDatabase
) -> Iterator[Blow]:
    """What is killed, one after the other: of eight five times a worker, twice the database, once the broker."""

    async def kill_worker() -> None:
        worker = rng.choice(workers)
        await worker.kill()
        worker.start("worker")

    async def kill_database() -> None:
        await asyncio.to_thread(database.kill)
        await asyncio.sleep(rng.random())
        await asyncio.to_thread(database.start)

    async def kill_broker() -> None:
        await asyncio.to_thread(broker.kill)
        await asyncio.sleep(rng.random())
        await asyncio.to_thread(broker.start)

    while True:
        yield from rng.sample([kill_worker] * 5 + [kill_database] * 2 + [kill_broker], 8)
