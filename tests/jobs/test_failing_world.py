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
from clearing.jobs.consume import STOP_SECONDS_MAX
from clearing.jobs.setup import init
from clearing.jobs.verify import verify
from clearing.settings import Settings
from clearing.store.database import open_database
from clearing.store.refusals import database_failed
from tests.conftest import OwnDatabase
from tests.jobs.mortal import mortals
from tests.jobs.proof import all_told, as_in_quiet, one_outcome_each, quiet_run
from tests.jobs.running import (
    DAYS,
    FIRST_DAY,
    PATIENCE_SECONDS,
    ROOT,
    Books,
    a_day,
    books,
    cards_first,
    city_members,
    joined,
    keyed,
    prepare,
    send,
    slices,
    taken,
    told,
    topics,
    until,
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
            await joined(settings, 2)
            parts = [cards, *slices(others, 4)]
            for part in parts:
                batches = await the.one("SELECT count(*) FROM batch")
                await send(settings, part)
                await until(lambda: some_since(the, batches), "a worker to be back at work")  # noqa: B023
                await the.engine.dispose()  # ours are not among those that are cut
                assert await cut_off(the) > 0
            await taken(the)
        await as_in_quiet(the, cards + others, wanted)


async def some_since(the: Books, batches: int) -> bool:
    """Whether there are more batches than so many."""
    return bool(await the.one("SELECT count(*) > :batches FROM batch", batches=batches))


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
        await until(lambda: some_since(the, 0), "a batch")
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
    """SIGTERM ends it within the waits it allows itself though nobody answers; the next tells what it had taken."""
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
            await running.ended(3 * STOP_SECONDS_MAX + 30)  # a busy machine needs some more
        await asyncio.to_thread(own_broker.start)
        async with working(the):
            await taken(the)
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
    lines: list[str] = []

    async def said() -> bool:
        lines[:] = log.read_text().splitlines()
        return any(all(word in one for word in words) for one in lines[after:])

    try:
        await until(said, f"{' '.join(words)} in the log")
    except BaseException:
        sys.stderr.write("".join(f"{line}\n" for line in lines))  # shown when the test has failed
        raise
    return len(lines)


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
            assert await asyncio.to_thread(worker.wait, PATIENCE_SECONDS) == 0
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
        coordinator = worker._consumer._coordinator
        usual = coordinator._max_poll_interval
        coordinator._max_poll_interval = 1.0  # five minutes are too long for a test
        await asyncio.to_thread(own_database.kill)
        await send(settings, others)

        async def left() -> bool:
            return bool(coordinator.generation <= 0)

        await until(left, "the worker to be given up by its group")
        coordinator._max_poll_interval = usual  # a slow machine would have it leave again and again
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
