"""Days as folders through the engine: from the file and from Kafka, to the figures a bookkeeper worked out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from clearing.jobs.broker import Broker
from tests.jobs import day_folders
from tests.jobs.day_folders import (
    DayFolder,
    after_close,
    before_close,
    held,
    open_after,
    reports_tie,
    stories,
)
from tests.jobs.proof import picture
from tests.jobs.running import (
    Books,
    Sent,
    books,
    cards_first,
    keyed,
    members_of,
    settings_of,
    through_kafka,
    topics,
)
from tests.soaking import SOAK

CASES = stories()
WAITING = (
    "worked-day",
    "refund-to-a-replaced-card",
    "tombstone",
    "critical-illness-waits-for-its-base",
    "held-payout-released-on-activation",
)
"""Stories in which something comes before what it needs: those that topics in any order put to the test. Every story
goes through the file; in `make soak` every one goes through Kafka too."""
THROUGH_KAFKA = [name for name in CASES if SOAK or name[len("2026-01-01-") :] in WAITING]


async def closed(the: Books, folder: DayFolder, counts: dict[str, object], *, golden: bool) -> None:
    """Close a day and hold its figures against the folder's."""
    found = await before_close(the, folder.day, counts)
    await the.close(folder.day)
    found |= await after_close(the, folder.day)
    held(folder.path / "expected" / "figures.json", found, golden=golden)
    await reports_tie(the, folder.day)


async def ended(the: Books, last: DayFolder, *, golden: bool) -> None:
    """Hold what is open after the last day of a story against its folder, where it says so."""
    path = last.path / "expected" / "open_after.json"
    if path.exists():
        held(path, await open_after(the), golden=golden)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A folder without figures is a case of `make golden` alone, which writes them."""
    if "written" in metafunc.fixturenames:
        metafunc.parametrize("written", stories(golden=bool(metafunc.config.getoption("--golden"))))


async def test_a_day_from_the_file_has_the_expected_figures(
    written: str, blank: Callable[[], str], *, golden: bool
) -> None:
    """Counts, positions, roll-up, bank nets and instructions of each day are exactly those of its folder."""
    case = stories(golden=golden)[written]
    members = members_of(case[0].path / "members.toml")
    async with books(blank(), settings_of(), members, case[0].day) as the:
        for folder in case:
            await closed(the, folder, await the.ingest(folder.lines()), golden=golden)
        await ended(the, case[-1], golden=golden)


def keyed_days(case: list[DayFolder]) -> list[list[Sent]]:
    """The records of each day, under keys that an undo shares with its original of an earlier day."""
    sent = iter(keyed([line for folder in case for line in folder.lines()]))
    return [[next(sent) for _ in folder.lines()] for folder in case]


@pytest.mark.parametrize("name", THROUGH_KAFKA)
async def test_a_day_from_kafka_has_the_expected_figures(
    name: str, blank: Callable[[], str], broker: Broker
) -> None:
    """The same figures come of several topics and partitions, once the day's cards are known."""
    case = CASES[name]
    members = members_of(case[0].path / "members.toml")
    settings = await topics(broker.bootstrap)
    async with books(blank(), settings, members, case[0].day) as the:
        for folder, sent in zip(case, keyed_days(case), strict=True):
            counts = await through_kafka(the, *cards_first(sent))
            await closed(the, folder, counts, golden=False)
        await ended(the, case[-1], golden=False)


@pytest.mark.parametrize("name", THROUGH_KAFKA)
async def test_a_day_in_any_order_of_topics_leaves_nothing_waiting_that_has_come(
    name: str, blank: Callable[[], str], broker: Broker
) -> None:
    """Sent all at once to all topics, every event ends as it does from the file, the late ones by waking."""
    case = CASES[name]
    members = members_of(case[0].path / "members.toml")
    settings = await topics(broker.bootstrap)
    async with books(blank(), settings_of(), members, case[0].day) as the:
        for folder in case:
            await the.ingest(folder.lines())
            await the.close(folder.day)
        wanted = await picture(the)
    async with books(blank(), settings, members, case[0].day) as the:
        for folder, sent in zip(case, keyed_days(case), strict=True):
            await through_kafka(the, sent, workers=2)
            await the.close(folder.day)
        found = await picture(the)
    assert found.parked == wanted.parked
    assert {name for name, one in found.outcomes.items() if one.outcome == "parked"} == set()
    assert found.states == wanted.states


def test_folders_of_one_story_follow_each_other() -> None:
    """The worked days are one case of three days; a folder without figures is one for `make golden` alone."""
    days = [folder.day.day for folder in CASES["2026-03-09-worked-day"]]
    assert days == [9, 10, 11]
    assert set(CASES) <= set(day_folders.stories(golden=True))
