"""A worker runs for years: what it holds does not grow with what it has taken."""

from __future__ import annotations

import asyncio
import contextlib
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
from clearing.settings import Settings
from messages import Event, Malformed
from tests.jobs.mortal import mortals
from tests.jobs.running import (
    Books,
    Sent,
    a_day,
    books,
    cards_first,
    city_members,
    joined,
    send,
    taken,
    topics,
    until,
    working,
)
from tests.soaking import SEED, did, notes, seconds, size

MEMORY_MB_MAX = 300
GROWS_MB_MAX = 25
"""Between the second wave of records and the last."""
WAVE = size(1_000, 50_000)
WAVES_MIN = 3
WORKERS = 2
STAMP = "260309"
"""Of the generated day, in every id, reference and number of it."""
OURS = (Event, Malformed, Decision, Entry, Taken)


class Waves:
    """One day's records again and again, each time with ids, cards and references of their own."""

    def __init__(self, settings: Settings, day: list[Sent]) -> None:
        self._settings = settings
        self._cards, self._others = cards_first(day)

    async def send_cards(self, *numbers: int) -> None:
        """What registers the cards of some waves."""
        await send(self._settings, [again(one, number) for number in numbers for one in self._cards])

    async def send(self, number: int) -> None:
        """A wave; its cards went out two waves ago, as a card is used long after it was registered."""
        await self.send_cards(number + 2)
        await send(self._settings, [again(one, number) for one in self._others])


def again(one: Sent, number: int) -> Sent:
    """A record of the generated day as that of another wave."""
    old, new = STAMP, f"{number:06d}"
    return one._replace(
        key=one.key.replace(old, new), value=(one.value or b"").replace(old.encode(), new.encode())
    )


def resident_mb(pid: int, what: str = "VmRSS") -> float:
    """What a process holds of the machine's memory, or the most it has held."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    (found,) = (line for line in status.splitlines() if line.startswith(what))
    return int(found.split()[1]) / 1024


async def test_a_workers_memory_stays_flat(blank: Callable[[], str], broker: Broker) -> None:
    """Wave after wave of a realistic day through two workers: their memory stays where it was after the second."""
    settings = await topics(broker.bootstrap, partitions=6)
    waves = Waves(settings, a_day(WAVE, SEED))
    held: list[float] = []
    rates: list[float] = []
    async with books(blank(), settings, city_members()) as the:
        with contextlib.ExitStack() as stack:
            workers = [stack.enter_context(mortals(the, CITY)) for _ in range(WORKERS)]
            # All at once, before anybody takes it: the largest batches that there will be come first.
            await waves.send_cards(0, 1)
            await waves.send(0)
            for one in workers:
                one.start("worker")
            await joined(settings, WORKERS)
            await taken(the)
            ends = time.monotonic() + seconds(0)
            while len(held) < WAVES_MIN or time.monotonic() < ends:
                began = time.monotonic()
                await asyncio.gather(waves.send(len(held) + 1), taken(the))
                rates.append(WAVE / (time.monotonic() - began))
                held.append(max(resident_mb(one.pid) for one in workers))
            await taken(the)
            most = max(resident_mb(one.pid, "VmHWM") for one in workers)
            for one in workers:
                await one.stop()
        outcomes = await many_outcomes(the)
    did("events through the workers whose memory was watched", outcomes.total())
    some = slice(None, None, max(1, len(held) // 20))
    notes.append(
        f"memory over {outcomes.total():,} events: {', '.join(f'{one:.0f}' for one in held[some])} MB, at most "
        f"{most:.0f}; events/s by the way: {', '.join(f'{one:,.0f}' for one in rates[some])}"
    )
    assert outcomes["posted"] > len(held) * WAVE / 2, outcomes
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
    of_others = ours()
    async with books(blank(), settings, city_members()) as the, working(the) as (worker,):
        for part in cards_first(a_day(1_000, SEED)):
            await send(settings, part)
            await taken(the)
        assert sum(worker.totals.counts.values()) == 1_000

        async def gone() -> bool:
            return (ours() - of_others).total() == 0

        await until(gone, "all to be gone that was taken")


def ours() -> Counter[str]:
    """What there is of the engine's objects in this process, by kind."""
    gc.collect()
    return Counter(type(one).__name__ for one in gc.get_objects() if isinstance(one, OURS))
