"""What the stories of fixtures/days say beside their figures: how each event, payout and batch ended.

expected/outcomes.json  after the day's close, each part only where the story names it:
outcomes   "source/id" -> outcome, with the reason of a rejection
payouts    "source/id" -> state
batches    "payer/batch_id" -> state
late       events of the day that were booked later than their own time says
kinds      of the instructions inside banks, in the order of the roll-up
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from clearing.store import instructions
from clearing.store.session import transaction
from tests.jobs.day_folders import DayFolder, held, stories
from tests.jobs.running import Books, books, members_of, settings_of

OUTCOMES = "expected/outcomes.json"
CASES = {name: case for name, case in stories().items() if (case[0].path / OUTCOMES).exists()}


async def ended_as(the: Books, folder: DayFolder, wanted: dict[str, Any]) -> dict[str, Any]:
    """How what the folder names ended, in its own shape."""
    outcomes = {}
    for name in wanted["outcomes"]:
        outcome, reason = await the.outcome(*name.split("/"))
        outcomes[name] = f"{outcome} {reason}" if outcome == "rejected" else outcome
    found: dict[str, Any] = {"outcomes": outcomes}
    payouts = dict(await the.rows("SELECT source || '/' || id, state FROM payout"))
    batches = dict(await the.rows("SELECT payer || '/' || batch_id, state FROM payout_batch"))
    late = await the.rows(
        "SELECT source || '/' || event_id FROM entry WHERE late AND clearing_date = :day ORDER BY 1",
        day=folder.day,
    )
    async with transaction(the.engine) as conn:
        every = await instructions.of_day(conn, folder.day)
    states = {
        "payouts": {name: payouts.get(name) for name in wanted.get("payouts", {})},
        "batches": {name: batches.get(name) for name in wanted.get("batches", {})},
        "kinds": [one.kind for one in every if one.kind != "INTER_BANK"],
    }
    found |= {part: states[part] for part in states if part in wanted}
    if late or "late" in wanted:
        found["late"] = [name for (name,) in late]
    return found


@pytest.mark.parametrize("name", CASES)
async def test_every_event_of_a_story_ends_as_its_folder_says(
    name: str, blank: Callable[[], str], *, golden: bool
) -> None:
    """Outcomes with their reasons, states of payouts and batches, and what is late are those of the folder."""
    case = CASES[name]
    members = members_of(case[0].path / "members.toml")
    async with books(blank(), settings_of(), members, case[0].day) as the:
        for folder in case:
            await the.ingest(folder.lines())
            await the.close(folder.day)
            path = folder.path / OUTCOMES
            found = await ended_as(the, folder, json.loads(path.read_text(encoding="utf-8")))
            held(path, found, golden=golden)


def test_every_event_of_a_story_is_named_in_its_outcomes() -> None:
    """No event of a story that says how its events end is left out of it."""
    for case in CASES.values():
        for folder in case:
            events = [json.loads(line) for line in folder.lines()]
            named = json.loads((folder.path / OUTCOMES).read_text(encoding="utf-8"))["outcomes"]
            assert {f"{one['source']}/{one['id']}" for one in events} <= set(named), folder.path
