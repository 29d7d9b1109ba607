"""Amounts that no books can add up stop nobody: the records that are too much are told, all others are taken."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from clearing.jobs.broker import Broker
from clearing.jobs.verify import verify
from tests.jobs.made import CARDS, MORNING, line, payment
from tests.jobs.proof import one_outcome_each
from tests.jobs.running import (
    FIRST_DAY,
    Books,
    Sent,
    books,
    settings_of,
    through_kafka,
    told,
    topics,
    worked_members,
)

LARGEST = "9999999999000.00"
"""Yuan: hardly less than an event may name."""
ROOM = 100
"""So many of them fit one day's share of an account, with usual ones beside them."""


def large(count: int, begin: int = 0) -> list[bytes]:
    """So many payments of the largest amount."""
    return [line(payment(f"L{number:05d}", amount=LARGEST)) for number in range(begin, begin + count)]


def small(count: int) -> list[bytes]:
    """So many usual ones, at the same bank and hospital."""
    return [line(payment(f"S{number:05d}")) for number in range(count)]


def mixed() -> list[bytes]:
    """More than there is room for, among usual ones."""
    few, many = small(30), large(ROOM + 7)
    return [*few[:10], *many[:50], *few[10:20], *many[50:], *few[20:]]


@pytest.fixture
async def the(blank: Callable[[], str]) -> AsyncIterator[Books]:
    """Books with cards."""
    async with books(blank(), settings_of(), worked_members()) as found:
        await found.ingest(CARDS)
        yield found


async def test_a_file_with_too_much_is_taken_but_for_that(the: Books) -> None:
    """A hundred fit; the seven behind them are malformed, with their bytes; the day is netted, filed and verified."""
    counts = await the.ingest(mixed())
    assert (counts["posted"], counts["malformed"]) == (ROOM + 30, 7)
    rows = await the.rows("SELECT where_, what, id, raw IS NOT NULL FROM quarantine ORDER BY batch, no")
    assert [(where, id_, kept) for where, _, id_, kept in rows] == [
        ("data", f"PAY-L{number:05d}", True) for number in range(ROOM, ROOM + 7)
    ]
    assert "more than an account may come to on a day" in rows[0][1]
    assert await the.one("SELECT max(abs(fen)) FROM balance") <= 10**17
    assert (await the.ingest(mixed()))["duplicate"] == ROOM + 30
    await the.close(FIRST_DAY)
    assert (await verify(the.engine, the.members))["ok"]
    assert (await the.ingest(large(7, ROOM)))["posted"] == 7, "the next day has room again"


async def test_a_worker_goes_on_behind_too_much(blank: Callable[[], str], broker: Broker) -> None:
    """Its partition is not stopped: every record has one outcome and its notice, also of those behind."""
    settings = await topics(broker.bootstrap, partitions=1)
    async with books(blank(), settings, worked_members()) as the:
        await the.ingest(CARDS)
        sent = [Sent("payments", "one", value, MORNING) for value in mixed()]
        counts = await through_kafka(the, sent)
        assert (counts["posted"], counts["malformed"]) == (ROOM + 30, 7)
        cards = [Sent("cards", "one", value, MORNING) for value in CARDS]
        await one_outcome_each(the, [*cards, *sent[:-17], *sent[-10:]])
        notices = await told(settings, "results", "quarantine")
        assert len({one.id for one in notices if one.family == "results"}) == ROOM + 30 + len(CARDS)
        assert len([one for one in notices if one.family == "quarantine"]) == 7
        assert (await verify(the.engine, the.members))["ok"]
