"""Clocks that are wrong: what belongs to which day follows from the books' order, never from the time of day."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from clearing.jobs.broker import Broker
from clearing.jobs.close import cut
from clearing.jobs.verify import verify
from clearing.store import days, locks, uses
from clearing.store.session import transaction
from tests.conftest import OwnDatabase
from tests.jobs.made import CARDS, line, payment, undo
from tests.jobs.mortal import mortals
from tests.jobs.proof import all_told, picture, same
from tests.jobs.running import (
    DAYS,
    FIRST_DAY,
    Books,
    books,
    cards_first,
    keyed,
    prepare,
    send,
    settings_of,
    taken,
    topics,
    until,
    values,
    worked_lines,
    worked_members,
)

MEMBERS = DAYS / "2026-03-09-worked-day" / "members.toml"
SECOND_DAY, THIRD_DAY = FIRST_DAY + timedelta(days=1), FIRST_DAY + timedelta(days=2)
WRONG = datetime(2031, 1, 1, tzinfo=UTC)


def too_much(number: int) -> bytes:
    """A refund that is refused though the bank has paid it: more than the payment."""
    return line(undo("payment.refunded", f"000{number}", "11.00"))


async def refused(the: Books, day: date) -> list[str]:
    """The refused uses of cards that count in a day."""
    async with transaction(the.engine) as conn:
        return [one.id for one in await uses.not_posted(conn, day, {"payment.refunded"})]


async def somebody_waits(the: Books) -> None:
    """Until a batch stands still before the cutover's lock."""
    query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 7204 AND NOT granted"
    await until(lambda: the.one(query), "a batch before the cutover's lock")


async def test_a_refusal_counts_in_one_day_whatever_the_clocks_say(blank: Callable[[], str]) -> None:
    """Cut by a clock years ahead, then by the right one: each refusal counts in the day that was open."""
    async with books(blank(), settings_of(), worked_members()) as the:
        payments = [line(payment(f"000{number}")) for number in range(1, 4)]
        await the.ingest([*CARDS, *payments, too_much(1)])
        async with transaction(the.engine) as conn:
            await locks.day_exclusive(conn)
            await days.cut(conn, FIRST_DAY, WRONG, b"root", {})
        await the.ingest([too_much(2)])
        await cut(the.engine, the.settings, the.members, SECOND_DAY)
        await the.ingest([too_much(3)])
        await cut(the.engine, the.settings, the.members, THIRD_DAY)
        found = [await refused(the, day) for day in (FIRST_DAY, SECOND_DAY, THIRD_DAY)]
        assert found == [["refunded-0001"], ["refunded-0002"], ["refunded-0003"]]


async def test_a_batch_that_waits_for_the_cut_belongs_to_the_next_day(blank: Callable[[], str]) -> None:
    """Begun before the cut and written after it: what it refuses never counts in the day that was cut."""
    async with books(blank(), settings_of(), worked_members()) as the:
        await the.ingest([*CARDS, line(payment("0001"))])
        async with transaction(the.engine) as conn:
            await locks.day_exclusive(conn)
            waiting = asyncio.create_task(the.ingest([too_much(1)]))
            await somebody_waits(the)
            at = await conn.scalar(text("SELECT clock_timestamp()"))
            await days.cut(conn, FIRST_DAY, at, b"root", {})
        assert (await waiting)["rejected"] == 1
        assert await the.one("SELECT max(at) FROM batch") < at
        assert await refused(the, FIRST_DAY) == []
        await cut(the.engine, the.settings, the.members, SECOND_DAY)
        assert await refused(the, SECOND_DAY) == ["refunded-0001"]


async def test_a_clock_that_jumps_back_changes_nothing(
    blank: Callable[[], str],
    broker: Broker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """Worker, jobs and database have their clocks set back by hours, twice: the books are those of a quiet run."""
    sent = keyed(worked_lines(9) + worked_lines(10))
    (cards, others), days = cards_first(sent), (FIRST_DAY, FIRST_DAY.replace(day=10))
    async with books(blank(), settings_of(), worked_members()) as quiet:
        await quiet.ingest(values(cards + others))
        for day in days:
            await quiet.close(day)
        wanted = await picture(quiet)
    clock = a_clock(monkeypatch, tmp_path)
    own_database: OwnDatabase = request.getfixturevalue("own_database")  # its server has that clock too
    settings = await topics(broker.bootstrap, batch_events_max=5)
    await prepare(own_database.url)
    async with books(own_database.url, settings, worked_members()) as the:
        with mortals(the, MEMBERS) as running:
            running.start("worker")
            await send(settings, cards)
            await taken(the)
            await set_back(the, clock, hours=3)
            await send(settings, others)
            await taken(the)
            await running.stop()
            for number, day in enumerate(days):
                await set_back(the, clock, hours=5 + 2 * number)
                for what in ("cut", "net", "file"):
                    assert await running.run(what, day=day) == 0
        found = await picture(the)
        differ = {
            name.split("_")[1] for name, digest in wanted.files.items() if found.files.get(name) != digest
        }
        assert differ <= {"ERR", "SWP"}, "lists of what came, in its order, which topics do not promise"
        same(replace(found, files={}), replace(wanted, files={}))
        cuts = [
            at
            for (at,) in await the.rows(
                "SELECT cut_at FROM day WHERE cut_at IS NOT NULL ORDER BY clearing_date"
            )
        ]
        assert cuts[1] < cuts[0], "the clock was set back between the cuts"
        await all_told(the)
        assert (await verify(the.engine, the.members))["ok"]


def a_clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give every process begun from now on a clock that follows a file."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if library is None:
        pytest.fail("no libfaketime found. Install it (Debian: apt-get install faketime)", pytrace=False)
    tmp_path.chmod(0o755)
    clock = tmp_path / "clock"
    clock.write_text("+0")
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("FAKETIME_TIMESTAMP_FILE", str(clock))
    monkeypatch.setenv("FAKETIME_NO_CACHE", "1")
    monkeypatch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    return clock


async def set_back(the: Books, clock: Path, *, hours: int) -> None:
    """Set the clock back, and see that the database's has gone back."""
    before = await the.one("SELECT clock_timestamp()")
    new = clock.with_suffix(".new")
    new.write_text(f"-{hours}h")
    new.rename(clock)  # nobody ever reads half of it
    assert await the.one("SELECT clock_timestamp()") < before
