"""Workers killed and frozen, broker and database killed while records arrive: the books are those of a quiet run.

One storm over a day in `make test`; day after day in `make soak`, for a time given, each in books of its own.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Iterator

from clearing.jobs.broker import JarBroker
from clearing.jobs.generate import CITY
from clearing.jobs.verify import verify
from tests.conftest import DatabaseServer, OwnDatabase
from tests.jobs.mortal import KILLED, Mortal, finished, mortals
from tests.jobs.proof import as_in_quiet, quiet_run
from tests.jobs.running import (
    Books,
    Sent,
    a_day,
    books,
    cards_first,
    city_members,
    prepare,
    send,
    slices,
    topics,
    values,
)
from tests.soaking import did, rounds, size

EVENTS = size(600, 6_000)
BLOWS = size(8, 40)
"""How often something is killed or frozen while one day arrives."""
FREEZE_SECONDS_MAX = size(3, 20)
"""A group gives a silent worker up after ten seconds, the database a silent transaction after fifteen."""

Blow = Callable[[], Awaitable[None]]


async def test_random_kills_of_workers_broker_and_database_show_nowhere(
    own_database: OwnDatabase, own_broker: JarBroker, database_server: DatabaseServer
) -> None:
    """Two workers of one group, a broker and a database, struck at any moment: nothing is lost or doubled."""
    for seed in rounds():
        await a_stormy_day(own_database, own_broker, database_server, seed)


async def a_stormy_day(
    own_database: OwnDatabase, own_broker: JarBroker, database_server: DatabaseServer, seed: int
) -> None:
    """A generated day through the storm, and once more in quiet."""
    cards, others = cards_first(a_day(EVENTS, seed))
    calm = database_server.create(database_server.template("jobs", prepare))
    wanted = await quiet_run(calm, cards + others)
    database_server.drop(calm)

    stormy = await own_database.create(f"storm_{seed}")
    await prepare(stormy)
    settings = await topics(own_broker.bootstrap, batch_events_max=20)
    async with books(stormy, settings, city_members()) as the:
        await the.ingest(values(cards))
        await storm(the, others, random.Random(seed), own_broker, own_database)
        await finished(the, CITY, "calm")
        await as_in_quiet(the, cards + others, wanted)
        found = await verify(the.engine, the.members)
        assert found["ok"], f"seed {seed}: {found['checks']}"
    did("stormy days")


async def storm(
    the: Books, others: list[Sent], rng: random.Random, broker: JarBroker, database: OwnDatabase
) -> None:
    """Send the records bit by bit, and strike something after each."""
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
            worker.signal(signal.SIGCONT)
            if worker.alive:
                worker.signal(signal.SIGKILL)
            assert await worker.ended() == KILLED


def blows_of(
    rng: random.Random, workers: tuple[Mortal, Mortal], broker: JarBroker, database: OwnDatabase
) -> Iterator[Blow]:
    """What is struck, one after the other: of eight five times a worker, twice the database, once the broker."""

    async def kill_worker() -> None:
        worker = rng.choice(workers)
        await worker.kill()
        worker.start("worker")
        did("kills of a worker in a storm")

    async def freeze_worker() -> None:
        worker = rng.choice(workers)
        worker.signal(signal.SIGSTOP)
        await asyncio.sleep(rng.random() * FREEZE_SECONDS_MAX)
        worker.signal(signal.SIGCONT)
        did("freezes of a worker in a storm")

    async def kill_database() -> None:
        await asyncio.to_thread(database.kill)
        await asyncio.sleep(rng.random())
        await asyncio.to_thread(database.start)
        did("kills of the database in a storm")

    async def kill_broker() -> None:
        await asyncio.to_thread(broker.kill)
        await asyncio.sleep(rng.random())
        await asyncio.to_thread(broker.start)
        did("kills of the broker in a storm")

    while True:
        yield from rng.sample([kill_worker] * 4 + [freeze_worker] + [kill_database] * 2 + [kill_broker], 8)
