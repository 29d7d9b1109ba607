"""A worker runs for years: what it holds does not grow with what it has taken."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from clearing.jobs.broker import Broker
from clearing.jobs.generate import CITY
from clearing.jobs.ingest import Taken
from clearing.ledger.entry import Entry
from clearing.ledger.outcomes import Decision
from messages import Event, Malformed
from tests.jobs.mortal import mortals
from tests.jobs.running import (
    Books,
    Sent,
    a_day,
    books,
    cards_first,
    city_members,
    send,
    taken,
    topics,
    working,
)
from tests.soaking import SEED, did, notes, seconds, size

MEMORY_MB_MAX = 300
GROWS_MB_MAX = 25
"""Between the second wave of records and the last."""
WAVE = size(1_000, 20_000)
WAVES_MIN = 3
STAMP = "260309"
"""Of the generated day, in every id, reference and number of it."""
OURS = (Event, Malformed, Decision, Entry, Taken)


def wave_of(day: list[Sent], number: int) -> list[Sent]:
    """The day's records once more with ids, cards and references of their own."""
    old, new = STAMP, f"{number:06d}"
    return [
        one._replace(
            key=one.key.replace(old, new), value=(one.value or b"").replace(old.encode(), new.encode())
        )
        for one in day
    ]


def resident_mb(pid: int, what: str = "VmRSS") -> float:
    """What a process holds of the machine's memory, or the most it has held."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    (found,) = (line for line in status.splitlines() if line.startswith(what))
    return int(found.split()[1]) / 1024


async def test_a_workers_memory_stays_flat(blank: Callable[[], str], broker: Broker) -> None:
    """Wave after wave of a realistic day through one worker: its memory stays where it was after the second."""
    day = a_day(WAVE, SEED)
    settings = await topics(broker.bootstrap, partitions=6)
    held: list[float] = []
    async with books(blank(), settings, city_members()) as the:
        with mortals(the, CITY) as worker:
            worker.start("worker")
            began, until = time.monotonic(), time.monotonic() + seconds(0)
            while len(held) < WAVES_MIN or time.monotonic() < until:
                for part in cards_first(wave_of(day, len(held) + 1)):
                    await send(settings, part)
                    await taken(the)
                held.append(resident_mb(worker.pid))
            most, took = resident_mb(worker.pid, "VmHWM"), time.monotonic() - began
            await worker.stop()
        outcomes = await many_outcomes(the)
    events = len(held) * WAVE
    did("events through the worker whose memory was watched", events)
    shown = ", ".join(f"{one:.0f}" for one in held[:: max(1, len(held) // 20)])
    notes.append(f"worker memory over {events:,} events in {took:.0f} s: {shown} MB; at most {most:.0f} MB")
    assert outcomes["posted"] > events / 2, outcomes
    assert most < MEMORY_MB_MAX, notes[-1]
    assert held[-1] < held[1] + GROWS_MB_MAX, notes[-1]


async def many_outcomes(the: Books) -> Counter[str]:
    """How many events ended how."""
    found = await the.rows(
        "SELECT coalesce(w.outcome, e.outcome), count(*) FROM event e LEFT JOIN woken w USING (source, id) GROUP BY 1"
    )
    return Counter(dict(found))


async def test_a_worker_keeps_nothing_of_what_it_has_taken(blank: Callable[[], str], broker: Broker) -> None:
    """Events, decisions and entries of batches that are durable and told are gone, whoever referred to them."""
    settings = await topics(broker.bootstrap, batch_events_max=50)
    async with books(blank(), settings, city_members()) as the, working(the) as (worker,):
        for part in cards_first(a_day(1_000, SEED)):
            await send(settings, part)
            await taken(the)
        assert sum(worker.totals.counts.values()) == 1_000
        gc.collect()
        left = Counter(type(one).__name__ for one in gc.get_objects() if isinstance(one, OURS))
        # the notices under way of the last group of each hand
        assert left.total() < 4 * settings.batch_events_max, left
