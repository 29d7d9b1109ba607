"""Days are cut while three workers take payments at full rate: no cut day gets another entry."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta

from clearing.jobs.broker import Broker
from clearing.jobs.close import cut, net
from clearing.jobs.verify import verify
from tests.jobs.made import CARDS, MORNING, line, payment
from tests.jobs.proof import all_told, one_outcome_each
from tests.jobs.running import (
    FIRST_DAY,
    Books,
    Sent,
    books,
    joined,
    send,
    taken,
    topics,
    until,
    worked_members,
    working,
)
from tests.soaking import SEED, did, size

CUTS = size(6, 200)
AHEAD = 3
"""An event may be of so many days after the open one: it waits, and a cut wakes it."""


class Till:
    """Payments of 1.00 of the days around the one that is open, sent without a pause."""

    def __init__(self, the: Books) -> None:
        self.the = the
        self.open = FIRST_DAY
        self.sent: list[Sent] = []
        self.numbers = itertools.count()
        self.stopping = asyncio.Event()
        self.rng = random.Random(SEED)

    def a_payment(self) -> Sent:
        """Half of them of the open day, others late or too early."""
        day = max(FIRST_DAY, self.open + timedelta(days=self.rng.choice((-2, -1, 0, 0, 0, 0, 1, 2, AHEAD))))
        number = f"{next(self.numbers)}"
        noon = datetime.combine(day, time(4), UTC)
        one = payment(number, amount="1.00", bank_date=str(day)) | {"time": noon.isoformat()}
        return Sent("payments", number, line(one), noon)

    async def run(self) -> None:
        """Send until told to stop."""
        while not self.stopping.is_set():
            some = [self.a_payment() for _ in range(25)]
            self.sent += some
            await send(self.the.settings, some)

    async def busy(self) -> None:
        """Wait until the workers are in the middle of it."""
        begun = await self.the.one("SELECT count(*) FROM batch")

        async def some_more() -> bool:
            return bool(await self.the.one("SELECT count(*) >= :some FROM batch", some=begun + 4))

        await until(some_more, "more batches")
        await asyncio.sleep(self.rng.random() * 0.05)


async def test_cuts_hold_while_three_workers_take_payments(blank: Callable[[], str], broker: Broker) -> None:
    """Cut after cut under load: no entry of a day after its cut, none without a day, none lost, sums right."""
    settings = await topics(broker.bootstrap, batch_events_max=5)
    async with books(blank(), settings, worked_members()) as the:
        await the.ingest(CARDS)
        till = Till(the)
        sums: dict[date, int] = {}
        async with working(the, 3) as crew:
            await joined(settings, 3)
            sending = asyncio.create_task(till.run())
            for _ in range(CUTS):
                await till.busy()
                sums[till.open] = await cut_and_sum(the, till.open)
                till.open += timedelta(days=1)
                did("cuts under load")
            till.stopping.set()
            await sending
            await taken(the)
        for _ in range(AHEAD + 1):  # what came too early
            sums[till.open] = await cut_and_sum(the, till.open)
            till.open += timedelta(days=1)
        assert all(worker.totals.counts["posted"] for worker in crew), "all have worked"
        await as_cut(the, till, sums)
        async with working(the):  # tells what the cuts have decided
            await taken(the)
        cards = [Sent("cards", "", one, MORNING) for one in CARDS]
        await one_outcome_each(the, [*cards, *till.sent])
        await all_told(the)


async def cut_and_sum(the: Books, day: date) -> int:
    """Cut a day, and say what H1 is owed for it by then."""
    assert (await cut(the.engine, the.settings, the.members, day)).done
    return await of_day(the, day)


async def of_day(the: Books, day: date) -> int:
    """What H1 is owed for one day, before its end."""
    return int(
        await the.one(
            "SELECT coalesce(sum(f), 0)::bigint FROM entry, unnest(accounts, fens) AS p(a, f) "
            "WHERE clearing_date = :day AND a = '2010.H1' AND type = 'payment.made'",
            day=day,
        )
    )


async def as_cut(the: Books, till: Till, sums: dict[date, int]) -> None:
    """Every day has what it had when it was cut, and all days together have every payment once."""
    assert {day: await of_day(the, day) for day in sums} == sums, f"seed {SEED}"
    late = await the.rows(
        "SELECT n.clearing_date, n.event_id FROM entry n JOIN batch b ON b.id = n.batch "
        "JOIN day d ON d.clearing_date = n.clearing_date WHERE d.cut_at < b.at"
    )
    assert late == [], f"seed {SEED}"
    assert sum(sums.values()) == -100 * len(till.sent)
    assert await the.one("SELECT count(*) FROM parked") == 0
    wrong = await the.rows(  # never before its own day, and late exactly when after it
        "SELECT n.event_id FROM entry n JOIN event e ON e.source = n.source AND e.id = n.event_id "
        "WHERE n.clearing_date < (e.occurred_at AT TIME ZONE 'Asia/Shanghai')::date "
        "OR n.late <> (n.clearing_date > (e.occurred_at AT TIME ZONE 'Asia/Shanghai')::date)"
    )
    assert wrong == [], f"seed {SEED}"
    for day in sums:
        assert await net(the.engine, the.members, day)
    last = max(sums)
    for day in sums:
        if day < last:
            await the.close(day)
    found = await verify(the.engine, the.members)
    assert found["ok"], f"seed {SEED}: {found['checks']}"
