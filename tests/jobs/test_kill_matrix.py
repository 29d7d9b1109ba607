"""Killed at any step of a batch or of the end of a day, the books are those of a quiet run.

A process is forked for each step, dies there by SIGKILL, and the next one goes on. `make soak` goes through each
matrix for a time, each round at other moments.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import signal
from collections.abc import Callable
from pathlib import Path

from clearing.jobs.broker import Broker
from clearing.jobs.generate import CITY
from clearing.jobs.verify import verify
from tests.conftest import OwnDatabase
from tests.jobs.made import line, payment, undo
from tests.jobs.mortal import KILLED, finished, mortals
from tests.jobs.proof import Picture, as_in_quiet, one_outcome_each, picture, quiet_run, same
from tests.jobs.running import (
    DAYS,
    FIRST_DAY,
    Books,
    a_day,
    books,
    cards_first,
    city_members,
    prepare,
    send,
    settings_of,
    slices,
    topics,
    values,
    worked_lines,
    worked_members,
)
from tests.jobs.steps import CUT, DELIVER, FILE, INGEST, NET, WORKER
from tests.soaking import SEED, did, rounds, size

SECOND_DAY = FIRST_DAY.replace(day=10)
EVENTS_A_KILL = 45
WORKED = DAYS / "2026-03-09-worked-day" / "members.toml"
CLOSE = [("cut", at) for at in CUT] + [("net", at) for at in NET] + [("file", at) for at in FILE]


async def test_a_worker_killed_at_any_step_leaves_the_books_of_a_quiet_run(
    blank: Callable[[], str], broker: Broker
) -> None:
    """Nine steps of a batch, from decoded records to the group's commit: one outcome, one entry, one notice each."""
    for seed in rounds():
        await workers_killed(blank, broker, seed)


async def workers_killed(blank: Callable[[], str], broker: Broker, seed: int) -> None:
    """One worker after the other dies at a step, in an order by chance, and the last one finishes."""
    rng = random.Random(seed)
    kills = rng.sample(list(WORKER), len(WORKER))
    cards, others = cards_first(a_day(EVENTS_A_KILL * (len(kills) + 1), seed))
    wanted = await quiet_run(blank(), cards + others)
    settings = await topics(broker.bootstrap, partitions=2, batch_events_max=10)
    async with books(blank(), settings, city_members()) as the:
        await the.ingest(values(cards))
        parts = slices(others, len(kills) + 1)
        with mortals(the, CITY) as mortal:
            for number, (at, part) in enumerate(zip(kills, parts[:-1], strict=True)):
                await send(settings, part)
                # the group's offsets are committed by the clock: with so few events once
                nth = 1 if "group's commit" in at else rng.randint(1, 2)
                group = {"kafka_group": f"{settings.kafka_group}-{number}"}
                ended = await mortal.run("worker", at=at, nth=nth, settings=group)
                assert ended == KILLED, f"{at} ({nth}), seed {seed}"
                await sound(the, f"{at}, seed {seed}")
                did("kills of a worker at a step")
        await send(settings, parts[-1])
        await finished(the, CITY, "last")
        await as_in_quiet(the, cards + others, wanted)
        await sound(the, f"the end, seed {seed}")


async def sound(the: Books, after: str) -> None:
    """The books pass every check."""
    found = await verify(the.engine, the.members)
    assert found["ok"], f"after {after!r}: {found['checks']}"


async def test_a_file_killed_at_any_step_is_finished_by_running_it_again(
    blank: Callable[[], str], tmp_path: Path
) -> None:
    """Each step of a batch of a file: run again what was durable is a duplicate, the rest is taken, once."""
    file = tmp_path / "events.jsonl"
    for seed in rounds():
        rng = random.Random(seed)
        sent = a_day(EVENTS_A_KILL * (len(INGEST) + 1), seed)
        wanted = await quiet_run(blank(), sent)
        file.write_bytes(b"\n".join(values(sent)))
        async with books(blank(), settings_of(batch_events_max=20), city_members()) as the:
            with mortals(the, CITY) as mortal:
                for at in rng.sample(list(INGEST), len(INGEST)):
                    assert await mortal.run("ingest", at=at, nth=rng.randint(1, 12), file=file) == KILLED, at
                    await sound(the, f"{at}, seed {seed}")
                    did("kills of a file's intake")
                assert await mortal.run("ingest", file=file) == 0
            await one_outcome_each(the, sent)
            await the.close(FIRST_DAY)
            same(await picture(the), wanted)


def to_be_closed() -> list[bytes]:
    """Three days' events, one more that waits for its day, and one that waits in vain."""
    after = payment("0002") | {"time": "2026-03-12T10:00:00+08:00"}
    waiting = [line(after), line(undo("payment.voided", "0009"))]
    return [*worked_lines(9), *waiting, *worked_lines(10), *worked_lines(11)]


async def closed_in_quiet(url: str, lines: list[bytes]) -> Picture:
    """What two days come to when nothing happens."""
    async with books(url, settings_of(park_days_max=1), worked_members()) as quiet:
        await quiet.ingest(lines)
        await quiet.close(FIRST_DAY)
        await quiet.close(SECOND_DAY)
        return await picture(quiet)


async def test_a_close_killed_at_any_step_goes_on_where_it_stood(
    blank: Callable[[], str], tmp_path: Path
) -> None:
    """Each step of cut, net, file and deliver: run again, the day, its files and what lies outside are the same."""
    lines, settings, today = to_be_closed(), settings_of(park_days_max=1), SECOND_DAY
    wanted = await closed_in_quiet(blank(), lines)
    assert wanted.outcomes["H1", "voided-0009"].reason == "never_arrived"
    assert wanted.outcomes["H1", "PAY-0002"].outcome != "parked"
    for turn in rounds():
        async with books(blank(), settings, worked_members()) as the:
            await the.ingest(lines)
            await the.close(FIRST_DAY)
            with mortals(the, WORKED) as mortal:
                for what, at in CLOSE:
                    assert await mortal.run(what, at=at, day=today) == KILLED, f"{what}: {at}"
                    await sound(the, f"{what}: {at}")
                    did("kills of a close at a step")
                assert [await mortal.run(what, day=today) for what in ("cut", "net", "file")] == [0, 0, 0]
                same(await picture(the), wanted)
                out = tmp_path / f"{turn}"
                for at in DELIVER:
                    assert await mortal.run("deliver", at=at, day=today, out=out) == KILLED, at
                    did("kills of a delivery at a step")
                assert await mortal.run("deliver", day=today, out=out) == 0
            await delivered(the, out)


async def test_a_close_whose_database_dies_goes_on_when_it_is_run_again(
    blank: Callable[[], str], own_database: OwnDatabase
) -> None:
    """Stopped in the middle of a step while its database is killed and started: nothing is half done."""
    rng, lines = random.Random(SEED), to_be_closed()
    await prepare(own_database.url)
    async with books(own_database.url, settings_of(park_days_max=1), worked_members()) as the:
        await the.ingest(lines)
        await the.close(FIRST_DAY)
        with mortals(the, WORKED) as mortal:
            for step, steps in {"cut": CUT, "net": NET, "file": FILE}.items():
                chosen = rng.sample(list(steps), size(1, len(steps)))
                for at in sorted(chosen, key=list(steps).index):  # what is committed comes last
                    mortal.start(step, at=at, by=signal.SIGSTOP, day=SECOND_DAY)
                    await mortal.stands_still()
                    await asyncio.to_thread(own_database.kill)
                    await asyncio.to_thread(own_database.start)
                    mortal.signal(signal.SIGCONT)
                    await mortal.ended()
                    await sound(the, f"{step}: {at}")
                    did("kills of the database under a close")
                assert await mortal.run(step, day=SECOND_DAY) == 0
        same(await picture(the), await closed_in_quiet(blank(), lines))


async def delivered(the: Books, out: Path) -> None:
    """Every file of the day lies there whole, with a manifest, noted as delivered once; nothing else lies there."""
    stored = dict(
        await the.rows("SELECT receiver || '/' || name, sha256 FROM file WHERE clearing_date = '2026-03-10'")
    )
    there = {str(one.relative_to(out)): one.read_bytes() for one in out.rglob("*") if one.is_file()}
    manifests = {name for name in there if name.endswith(".ok")}
    assert {name: hashlib.sha256(there[name]).digest() for name in there.keys() - manifests} == stored
    assert manifests == {f"{name}.ok" for name in stored}
    done = await the.rows(
        "SELECT file, count(*) FILTER (WHERE result IN ('DELIVERED', 'ALREADY')), "
        "count(*) FILTER (WHERE result = 'STARTED') FROM delivery_attempt GROUP BY file"
    )
    assert len(done) == len(stored)
    assert {(count, unended) for _, count, unended in done} == {(1, 0)}
