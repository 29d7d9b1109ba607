"""A disk that takes no more byte: what is said, that nothing is half done, and that room is all it needs."""

from __future__ import annotations

import asyncio
import shutil

from clearing.jobs.broker import Broker
from clearing.jobs.generate import CITY
from clearing.jobs.verify import verify
from clearing.store.database import connect
from clearing.store.embedded import DATABASE, give_to_server_account
from tests.conftest import OwnDatabase
from tests.jobs.mortal import Mortal, mortals
from tests.jobs.proof import all_told, one_outcome_each
from tests.jobs.running import (
    Books,
    Sent,
    a_day,
    books,
    cards_first,
    city_members,
    prepare,
    send,
    taken,
    topics,
    until,
    values,
)
from tests.services.small_disk import SmallDisk, small_disk
from tests.soaking import did

FULL = "No space left on device"
SEGMENT_BYTES = 16 * 1024 * 1024
"""Of PostgreSQL's log."""


async def test_a_full_disk_is_waited_out(own_database: OwnDatabase, broker: Broker) -> None:
    """The database's tables have no room: the log says so, nothing is half written; with room again all is taken."""
    settings = await topics(broker.bootstrap, batch_events_max=50)
    cards, others = cards_first(a_day(700, 31))
    with small_disk(64) as disk:
        url = await on_disk(own_database, disk)
        async with books(url, settings, city_members()) as the:
            await the.ingest(values(cards))
            with mortals(the, CITY) as worker:
                await begun(the, worker, others[:100])
                await full_in_the_middle(the, disk, worker, others[100:])
            await all_there(the, cards + others)
        await asyncio.to_thread(own_database.kill)


async def test_a_full_disk_of_the_log_is_waited_out(own_database: OwnDatabase, broker: Broker) -> None:
    """PostgreSQL stops when its log (WAL) has no room; the worker starts it again once there is, and all is taken."""
    settings = await topics(broker.bootstrap, batch_events_max=50)
    cards, others = cards_first(a_day(700, 32))
    with small_disk(160) as disk:
        await asyncio.to_thread(log_on, own_database, disk)
        embedded = f"embedded:{own_database.server.directory}"
        await prepare(embedded)
        # The test itself never starts the server: it has its plain URL.
        async with books(own_database.server.dsn(DATABASE), settings, city_members()) as the:
            await the.ingest(values(cards))
            with mortals(the, CITY, database_url=embedded) as worker:
                await begun(the, worker, others[:100])
                await near_its_end(the)
                await full_in_the_middle(the, disk, worker, others[100:])
            await all_there(the, cards + others)
        await asyncio.to_thread(own_database.kill)


async def begun(the: Books, worker: Mortal, some: list[Sent]) -> None:
    """A worker has begun and taken some records."""
    worker.start("worker")
    await send(the.settings, some)
    await taken(the)


async def full_in_the_middle(the: Books, disk: SmallDisk, worker: Mortal, more: list[Sent]) -> None:
    """A worker meets the full disk, says so, waits, and goes on by itself once there is room."""
    disk.fill()
    await send(the.settings, more)

    async def said() -> bool:
        assert worker.alive, "the worker ended by itself"
        return any(FULL in one for one in worker.said)

    await until(said, FULL)
    assert worker.alive
    disk.empty()
    await answering(the)
    await taken(the)
    await worker.stop()
    did("full disks")


async def answering(the: Books) -> None:
    """Until the database answers."""

    async def answers() -> bool:
        try:
            await the.one("SELECT 1")
        except Exception:  # noqa: BLE001 - down, starting, or cut off: whatever it is, it is not there yet
            return False
        return True

    await until(answers, "the database to answer")


async def all_there(the: Books, sent: list[Sent]) -> None:
    """Every event has its outcome and its notices, and the books are sound."""
    await one_outcome_each(the, sent)
    await all_told(the)
    found = await verify(the.engine, the.members)
    assert found["ok"], found["checks"]


async def on_disk(server: OwnDatabase, disk: SmallDisk) -> str:
    """A database whose tables lie on that disk."""
    space = disk.path / "space"
    space.mkdir()
    give_to_server_account(space)
    connection = await connect(server.url)
    try:
        await connection.execute(f"CREATE TABLESPACE small LOCATION '{space}'")
        await connection.execute("CREATE DATABASE small TABLESPACE small")
    finally:
        await connection.close()
    url = server.server.dsn("small")
    await prepare(url)
    return url


def log_on(server: OwnDatabase, disk: SmallDisk) -> None:
    """Move PostgreSQL's log to that disk."""
    server.kill()
    server.start()  # replays, so that nothing is left to do
    server.kill()
    log, place = server.server.cluster / "pg_wal", disk.path / "pg_wal"
    shutil.copytree(log, place)
    for one in (place, *place.rglob("*")):
        one.chmod(0o700)
        give_to_server_account(one)
    shutil.rmtree(log)
    log.symlink_to(place)
    server.start()


async def near_its_end(the: Books) -> None:
    """Fill the log until the next few batches need a segment that is not there yet."""
    left, ahead = (await the.rows(_LEFT, size=SEGMENT_BYTES))[0]
    length = int(left) + ahead * SEGMENT_BYTES - 100_000
    await the.one(
        "SELECT count(pg_logical_emit_message(true, 'filler', repeat('x', CAST(:length AS integer))))",
        length=max(0, length),
    )


_LEFT = """
    SELECT CAST(:size AS numeric) - mod(pg_current_wal_insert_lsn() - '0/0', CAST(:size AS numeric)), (
        SELECT count(*) FROM pg_ls_waldir()
        WHERE length(name) = 24 AND name > pg_walfile_name(pg_current_wal_insert_lsn()))
"""
