"""How records are cut into batches, and how often they come, is nobody's business but the engine's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from itertools import pairwise

import pytest

from clearing.ledger.members import Members
from tests.jobs.proof import Picture, one_outcome_each, picture, same
from tests.jobs.running import (
    FIRST_DAY,
    Sent,
    a_day,
    books,
    city_members,
    keyed,
    settings_of,
    values,
    worked_lines,
    worked_members,
)

WORKED = [(date(2026, 3, day), worked_lines(day)) for day in (9, 10, 11)]


async def run(
    url: str, members: Members, days: Sequence[tuple[date, list[bytes]]], size: int, sent: Sequence[Sent]
) -> Picture:
    """Take each day twice and close it; what came is what one outcome an event makes."""
    async with books(url, settings_of(batch_events_max=size), members, days[0][0]) as the:
        for day, lines in days:
            first = await the.ingest(lines)
            assert first["taken"] == len(lines)
            before = await picture(the)
            again = await the.ingest(lines)
            assert again["duplicate"] == again["taken"] == len(lines)
            assert await picture(the) == before
            await the.close(day)
        await one_outcome_each(the, sent)
        return await picture(the)


async def test_the_worked_days_are_the_same_in_batches_of_one_seven_and_a_thousand(
    blank: Callable[[], str],
) -> None:
    """Three days taken twice: same outcomes, balances, entries and file bytes, whatever the batches."""
    members = worked_members()
    sent = keyed([line for _, lines in WORKED for line in lines])
    found = [await run(blank(), members, WORKED, size, sent) for size in (1, 7, 1000)]
    for one, other in pairwise(found):
        same(one, other)
    assert len(found[0].files) > 30
    assert set(found[0].states.values()) == {"filed", "open"}


@pytest.mark.parametrize("seed", [11])
async def test_a_generated_day_is_the_same_in_batches_of_seven_and_a_thousand(
    blank: Callable[[], str], seed: int
) -> None:
    """Two thousand events of a city taken twice: the batches show nowhere."""
    sent = a_day(2000, seed)
    days = [(FIRST_DAY, values(sent))]
    members = city_members()
    seven, thousand = [await run(blank(), members, days, size, sent) for size in (7, 1000)]
    same(seven, thousand)
    assert {one.outcome for one in seven.outcomes.values()} >= {"posted", "noted", "rejected"}
