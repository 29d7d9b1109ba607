"""Killed at any step of a batch or of the end of a day, the books are those of a quiet run.

A process is forked for each step, dies there by SIGKILL, and the next one goes on. `make soak` goes through the
matrix many times, each time at other moments.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from pathlib import Path

from clearing.jobs.broker import Broker
from clearing.jobs.generate import CITY
from clearing.jobs.verify import verify
from tests.jobs.made import line, payment, undo
from tests.jobs.mortal import CUT, DELIVER, FILE, KILLED, NET, WORKER, finished, mortals
from tests.jobs.running import (
    DAYS,
    FIRST_DAY,
    Books,
    Picture,
    Sent,
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
    slices,
    topics,
    values,
    worked_lines,
    worked_members,
)
from tests.soaking import SEED, size

ROUNDS = size(1, 40)
EVENTS_A_KILL = 45
WORKED = DAYS / "2026-03-09-worked-day" / "members.toml"
CLOSE = [("cut", at) for at in CUT] + [("net", at) for at in NET] + [("file", at) for at in FILE]


async def quiet_run(url: str, sent: list[Sent]) -> Picture:
    """What the same events come to when nothing happens."""
    async with books(url, settings_of(), city_members()) as quiet:
        await quiet.ingest(values(sent))
        await quiet.close(FIRST_DAY)
        return await picture(quiet)


async def test_a_worker_killed_at_any_step_leaves_the_books_of_a_quiet_run(
    blank: Callable[[], str], broker: Broker
) -> None:
    """Nine steps of a batch, from decoded records to the group's commit: one outcome, one entry, one notice each."""
    rng = random.Random(SEED)
    kills = [at for _ in range(ROUNDS) for at in rng.sample(list(WORKER), len(WORKER))]
    cards, others = cards_first(a_day(EVENTS_A_KILL * (len(kills) + 1), SEED))
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
                assert ended == KILLED, f"{at} ({nth}), seed {SEED}"
                await sound(the, at)
        await send(settings, parts[-1])
        await finished(the, CITY, "last")
        await one_outcome_each(the, cards + others)
        await all_told(the)
        await the.close(FIRST_DAY)
        same(await picture(the), wanted)
        await sound(the, "the end")


async def sound(the: Books, after: str) -> None:
    """The books pass every check."""
    found = await verify(the.engine, the.members)
    assert found["ok"], f"after {after!r}, seed {SEED}: {found['checks']}"


async def test_a_close_killed_at_any_step_goes_on_where_it_stood(
    blank: Callable[[], str], tmp_path: Path
) -> None:
    """Each step of cut, net, file and deliver: run again, the day, its files and what lies outside are the same."""
    today = FIRST_DAY.replace(day=10)
    after = payment("0002") | {"time": "2026-03-12T10:00:00+08:00"}
    waiting = [line(after), line(undo("payment.voided", "0009"))]  # one for its day, one in vain
    lines = [*worked_lines(9), *waiting, *worked_lines(10), *worked_lines(11)]
    settings = settings_of(park_days_max=1)
    async with books(blank(), settings, worked_members()) as quiet:
        await quiet.ingest(lines)
        await quiet.close(FIRST_DAY)
        await quiet.close(today)
        wanted = await picture(quiet)
    assert wanted.outcomes["H1", "voided-0009"].reason == "never_arrived"
    assert wanted.outcomes["H1", "PAY-0002"].outcome != "parked"
    for turn in range(ROUNDS):
        async with books(blank(), settings, worked_members()) as the:
            await the.ingest(lines)
            await the.close(FIRST_DAY)
            with mortals(the, WORKED) as mortal:
                for what, at in CLOSE:
                    assert await mortal.run(what, at=at, day=today) == KILLED, f"{what}: {at}"
                    await sound(the, f"{what}: {at}")
                assert [await mortal.run(what, day=today) for what in ("cut", "net", "file")] == [0, 0, 0]
                same(await picture(the), wanted)
                out = tmp_path / f"{turn}"
                for at in DELIVER:
                    assert await mortal.run("deliver", at=at, day=today, out=out) == KILLED, at
                assert await mortal.run("deliver", day=today, out=out) == 0
            await delivered(the, out)


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
