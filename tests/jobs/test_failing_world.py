"""A worker waits out what fails around it: connections cut, a database restored, a broker that dies."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from clearing.errors import InvariantViolated, WorldFailed
from clearing.jobs.broker import Broker, JarBroker
from clearing.jobs.ingest import database_failed
from clearing.jobs.setup import init
from clearing.jobs.verify import verify
from clearing.settings import Settings
from clearing.store.database import open_database
from tests.conftest import OwnDatabase
from tests.jobs.mortal import mortals
from tests.jobs.proof import all_told, as_in_quiet, one_outcome_each, quiet_run
from tests.jobs.running import (
    DAYS,
    FIRST_DAY,
    ROOT,
    Books,
    a_day,
    books,
    cards_first,
    city_members,
    keyed,
    prepare,
    send,
    taken,
    told,
    topics,
    worked_lines,
    worked_members,
    working,
)

MEMBERS = DAYS / "2026-03-09-worked-day" / "members.toml"


async def cut_off(the: Books) -> int:
    """End every other connection to the books, wherever it is, as a failover does; gives how many."""
    connection = await asyncpg.connect(the.url)
    try:
        return int(
            await connection.fetchval(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    finally:
        await connection.close()


async def test_a_worker_outlives_its_connections(blank: Callable[[], str], broker: Broker) -> None:
    """Every connection is cut again and again while two workers work; they go on and nothing is lost or doubled."""
    cards, others = cards_first(a_day(2000, 21))
    # One topic beside the cards': what waits across topics may rightly end otherwise in another order.
    others = [one for one in others if one.family == "payments"]
    members = city_members()
    wanted = await quiet_run(blank(), cards + others)
    settings = await topics(broker.bootstrap, batch_events_max=10)
    async with books(blank(), settings, members) as the:
        async with working(the, 2):
            await send(settings, cards)
            cuts = await cut_off(the)
            await taken(the)
            for start in range(0, len(others), 400):
                await send(settings, others[start : start + 400])
                await asyncio.sleep(0.2)
                cuts += await cut_off(the)
            await taken(the)
        assert cuts > 5
        await as_in_quiet(the, cards + others, wanted)


async def test_a_restored_database_takes_again_what_it_does_not_have(
    blank: Callable[[], str], broker: Broker
) -> None:
    """Whatever the group remembers at the broker: each database is taken on from its own positions."""
    settings = await topics(broker.bootstrap, batch_events_max=10)
    sent = keyed(worked_lines(9))
    for turn in range(5):
        async with books(blank(), settings, worked_members()) as the:
            async with working(the):
                await send(settings, [] if turn else sent)
                await taken(the)
            await one_outcome_each(the, sent)


async def test_a_broker_that_dies_and_comes_back_costs_no_notice(
    blank: Callable[[], str], own_broker: JarBroker
) -> None:
    """Killed with records and notices under way and started again: all is taken, all is told."""
    settings = await topics(own_broker.bootstrap, batch_events_max=10)
    sent = keyed(worked_lines(9) + worked_lines(10))
    cards, others = cards_first(sent)
    async with books(blank(), settings, worked_members()) as the, working(the):
        await send(settings, cards)
        while not await the.one("SELECT count(*) FROM batch"):
            await asyncio.sleep(0.005)
        await asyncio.to_thread(own_broker.kill)
        await asyncio.to_thread(own_broker.start)
        await taken(the)
        await send(settings, others)
        await taken(the)
        ids = {(event["source"], event["id"]) for event in (json.loads(one.value or b"") for one in sent)}
        assert set(await the.rows("SELECT source, id FROM event")) == ids
        await all_told(the)


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (asyncpg.DeadlockDetectedError("deadlock detected"), WorldFailed, "40P01"),
        (ConnectionRefusedError(111, "Connect call failed"), WorldFailed, "no state"),
        (asyncpg.InterfaceError("connection is closed"), WorldFailed, "connection is closed"),
        (asyncpg.CheckViolationError("violates entry_balanced"), InvariantViolated, "23514"),
    ],
)
def test_what_would_fail_again_is_not_tried_for_ever(
    error: Exception, kind: type[Exception], said: str
) -> None:
    """A connection or a deadlock is worth another try; a constraint that refuses our rows stops us."""
    found = database_failed(error)
    assert type(found) is kind
    assert said in str(found)


async def test_a_worker_whose_broker_is_gone_can_still_be_stopped(
    blank: Callable[[], str], own_broker: JarBroker
) -> None:
    """SIGTERM ends it within half a minute though nobody answers; what it had taken is told by the next."""
    settings = await topics(own_broker.bootstrap, batch_events_max=10)
    sent = keyed(worked_lines(9))
    async with books(blank(), settings, worked_members()) as the:
        with mortals(the, MEMBERS) as running:
            running.start("worker")
            await send(settings, sent)
            await taken(the)
            await asyncio.to_thread(own_broker.kill)
            await the.ingest(worked_lines(10))  # gives it something to tell
            await asyncio.sleep(2)
            running.signal(signal.SIGTERM)
            await running.ended(30)
        await asyncio.to_thread(own_broker.start)
        async with working(the):
            await taken(the)
            async with asyncio.timeout(30):
                while await the.one("SELECT count(*) FROM stream WHERE name = 'file' AND announced = 0"):
                    await asyncio.sleep(0.2)
        await all_told(the)


@contextlib.contextmanager
def the_command(url: str, settings: Settings, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`clearing worker` as people start it, its log in a file."""
    told = {
        "CLEARING_DATABASE_URL": url,
        "CLEARING_KAFKA_BOOTSTRAP": settings.kafka_bootstrap or "",
        "CLEARING_KAFKA_PREFIX": settings.kafka_prefix,
        "CLEARING_KAFKA_GROUP": settings.kafka_group,
        "CLEARING_BATCH_EVENTS_MAX": "10",
    }
    main = "from clearing.console.cli import main; main()"
    with log.open("wb") as err:
        worker = subprocess.Popen(
            [sys.executable, "-c", main, "worker", "--json"],
            cwd=ROOT,
            env={**os.environ, **told},
            stdout=subprocess.DEVNULL,
            stderr=err,
        )
        try:
            yield worker
        finally:
            worker.kill()
            worker.wait()


async def says(log: Path, *words: str, after: int = 0) -> int:
    """Wait until a line of the log, after so many, has all of the words; gives how many lines there are then."""
    async with asyncio.timeout(60):
        while True:
            lines = log.read_text().splitlines()
            if any(all(word in one for word in words) for one in lines[after:]):
                return len(lines)
            await asyncio.sleep(0.1)


async def test_a_worker_waits_for_what_it_needs_and_goes_on_by_itself(
    own_database: OwnDatabase, own_broker: JarBroker, tmp_path: Path
) -> None:
    """Database and broker down at the start and in the middle: each is named in the log, nobody has to act."""
    settings = await topics(own_broker.bootstrap, batch_events_max=10)
    cards, others = cards_first(keyed(worked_lines(9) + worked_lines(10)))
    half = len(others) // 2
    log = tmp_path / "worker.log"
    async with open_database(own_database.url) as empty:
        await init(empty.engine, MEMBERS.read_bytes(), FIRST_DAY)
    async with books(own_database.url, settings, worked_members()) as the:
        await asyncio.to_thread(own_broker.stop)
        await asyncio.to_thread(own_database.kill)
        with the_command(own_database.url, settings, log) as worker:
            at = await says(log, "trying again", "database")
            await asyncio.to_thread(own_database.start)
            at = await says(log, "trying again", "Kafka", after=at)
            await asyncio.to_thread(own_broker.start)
            at = await says(log, "worker started", after=at)
            await send(settings, cards)
            await taken(the)

            await asyncio.to_thread(own_database.kill)
            await send(settings, others[:half])
            at = await says(log, "trying again", "database", after=at)
            await asyncio.to_thread(own_database.start)
            await taken(the)

            await asyncio.to_thread(own_broker.kill)
            at = await says(log, "no broker answers", own_broker.bootstrap, after=at)
            await asyncio.to_thread(own_broker.start)
            await says(log, "Kafka answers again", after=at)
            await send(settings, others[half:])
            await taken(the)
            worker.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(worker.wait, 30) == 0
        ids = {
            (event["source"], event["id"])
            for event in (json.loads(one.value or b"") for one in cards + others)
        }
        assert set(await the.rows("SELECT source, id FROM event")) == ids
        await all_told(the)
        assert (await verify(the.engine, the.members))["ok"]
    assert "Traceback" not in log.read_text()


async def test_a_database_that_is_down_longer_than_the_group_waits_costs_nothing(
    own_database: OwnDatabase, broker: Broker
) -> None:
    """A worker that could take nothing for so long that its group gave it up joins again by itself."""
    settings = await topics(broker.bootstrap, batch_events_max=10)
    cards, others = cards_first(keyed(worked_lines(9) + worked_lines(10)))
    await prepare(own_database.url)
    async with books(own_database.url, settings, worked_members()) as the, working(the) as (worker,):
        await send(settings, cards)
        await taken(the)
        worker._consumer._coordinator._max_poll_interval = 1.0  # five minutes are too long for a test
        await asyncio.to_thread(own_database.kill)
        await send(settings, others)
        async with asyncio.timeout(60):
            while worker._consumer._coordinator.generation > 0:  # until it has left
                await asyncio.sleep(0.1)
        await asyncio.to_thread(own_database.start)
        await taken(the)
        await all_told(the)
        assert (await verify(the.engine, the.members))["ok"]


async def test_a_broker_that_has_lost_notices_takes_new_ones(
    blank: Callable[[], str], own_broker: JarBroker, tmp_path: Path
) -> None:
    """After a power cut it misses what it had acknowledged, and refuses our numbers: the worker begins new ones."""
    settings = await topics(own_broker.bootstrap, partitions=1, batch_events_max=5)
    cards, others = cards_first(keyed(worked_lines(9) + worked_lines(10)))
    async with books(blank(), settings, worked_members()) as the, working(the):
        await send(settings, cards)
        await taken(the)
        await asyncio.to_thread(own_broker.kill)
        results = tmp_path / "kafka" / "data" / f"{settings.kafka_prefix}.results-0"
        (log,) = results.glob("*.log")
        os.truncate(log, log.stat().st_size // 2)
        for state in results.glob("*.snapshot"):
            state.unlink()
        await asyncio.to_thread(own_broker.start)
        await send(settings, others)
        await taken(the)
        said = {one.body["data"]["id"] for one in await told(settings, "results")}
        assert said >= {json.loads(one.value or b"")["id"] for one in others}
