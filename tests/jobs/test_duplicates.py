"""One id, however often and wherever it comes, has one outcome; what is no event stops nobody."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

from clearing.jobs.broker import Broker
from clearing.jobs.verify import verify
from tests.jobs.made import CARDS, MORNING, line, payment
from tests.jobs.mortal import mortals
from tests.jobs.proof import all_told, one_outcome_each
from tests.jobs.running import DAYS, Books, Sent, books, joined, send, taken, topics, worked_members
from tests.soaking import SEED, did, size

MEMBERS = DAYS / "2026-03-09-worked-day" / "members.toml"
FAMILIES = ("cards", "payments", "deposits", "reimbursements", "control")
POISON = (None, b"", b"{", b"\xff\xfe", b'{"specversion": "1.0"}', b"[" * 1000, b"0" * 100_000)


class Told(NamedTuple):
    """One payment as its sender tells it, again and again."""

    name: str
    records: list[Sent]


def a_payment(rng: random.Random, number: int) -> Told:
    """Twice in a row, later again, on other topics, and some with other content under the same id."""
    name = f"{number:05d}"
    said, other = line(payment(name)), line(payment(name, amount="11.00"))
    records = [Sent("payments", name, said, MORNING)] * 2
    records += [
        Sent(rng.choice(FAMILIES), f"{rng.random()}", said, MORNING) for _ in range(rng.randint(1, 4))
    ]
    if number % 3 == 0:
        records += [Sent(rng.choice(FAMILIES), name, other, MORNING) for _ in range(rng.randint(1, 2))]
    if number % 6 == 0:
        rng.shuffle(records)
    return Told(name, records)


async def test_an_id_has_one_outcome_however_often_and_wherever_it_comes(
    blank: Callable[[], str], broker: Broker
) -> None:
    """In one batch, across batches, across topics, with other content, two workers at once, poison in between."""
    rng = random.Random(SEED)
    every = [a_payment(rng, number) for number in range(size(120, 5_000))]
    settings = await topics(broker.bootstrap, partitions=2, batch_events_max=7)
    poison = [Sent(family, f"{rng.random()}", one, MORNING) for family in FAMILIES for one in POISON]
    mixed = [record for told in every for record in told.records]
    for bad in poison:
        mixed.insert(rng.randrange(len(mixed)), bad)
    again = [record for told in every[::4] for record in told.records[:1]]
    async with books(blank(), settings, worked_members()) as the:
        await the.ingest(CARDS)
        with mortals(the, MEMBERS) as one, mortals(the, MEMBERS) as other:
            one.start("worker")
            other.start("worker")
            await joined(settings, 2)
            await send(settings, mixed)
            await taken(the)
            await send(settings, [*again, *poison[:5]])
            await taken(the)
            await one.stop()
            await other.stop()
        did("records of ids that came before", len(mixed) - len(every))
        assert await the.one("SELECT count(*) FROM quarantine") == len(poison) + 5
        await once_each(the, every, again)
        first = [told.records[0] for told in every]
        await one_outcome_each(the, [*(Sent("cards", "", card, MORNING) for card in CARDS), *first])
        await all_told(the)
        assert (await verify(the.engine, the.members))["ok"], f"seed {SEED}"


async def once_each(the: Books, every: list[Told], again: list[Sent]) -> None:
    """Whatever came first was posted; all others are its duplicates, or reuse its id for something else."""
    posted = dict(await the.rows("SELECT event_id, amount_fen FROM entry"))
    bytes_of = dict(await the.rows("SELECT id, raw FROM event WHERE type = 'payment.made'"))
    found: dict[tuple[str, str, str], int] = {
        (name, outcome, reason): count
        for name, outcome, reason, count in await the.rows(
            "SELECT id, outcome, reason, count(*) FROM repeat GROUP BY id, outcome, reason"
        )
    }
    wanted: dict[tuple[str, str, str], int] = {}
    for told in every:
        name = f"PAY-{told.name}"
        values = [
            one.value for one in (*told.records, *again) if one.value and f'"{name}"'.encode() in one.value
        ]
        values.remove(bytes_of[name])
        same = values.count(bytes_of[name])
        if same:
            wanted[name, "duplicate", ""] = same
        if len(values) > same:
            wanted[name, "rejected", "id_reused"] = len(values) - same
        assert posted[name] == (1000 if b'"10.00"' in bytes_of[name] else 1100)
    assert found == wanted, f"seed {SEED}"
    assert (await the.balances())["2010.H1"] == -sum(posted.values())
