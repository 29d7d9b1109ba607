from __future__ import annotations

import json
import tomllib
from collections import Counter
from datetime import date
from typing import Any

import pytest

from clearing.ledger.accounts import POSITION_CODES, code_of
from clearing.ledger.case import Context
from clearing.ledger.decide import Incoming
from clearing.ledger.facts import Facts
from clearing.ledger.members_file import load_members
from clearing.ledger.outcomes import Outcome
from messages import Event, amount_text, decode
from tests.ledger.world import DAYS, MEMBERS, World

WORKED = [date(2026, 3, 9), date(2026, 3, 10), date(2026, 3, 11)]


def events_of(day: date) -> list[Event]:
    """The events of a worked day, in their order."""
    lines = (DAYS / f"{day}-worked-day" / "events.jsonl").read_bytes().splitlines()
    found = [decode(line) for line in lines if line.strip()]
    return [one for one in found if isinstance(one, Event)]


def figures_of(day: date) -> dict[str, Any]:
    """What a worked day must come to."""
    text = (DAYS / f"{day}-worked-day" / "expected" / "figures.json").read_text(encoding="utf-8")
    figures: dict[str, Any] = json.loads(text)
    return figures


def run(size: int) -> list[tuple[Counter[str], Counter[str]]]:
    """Balances and outcomes of each day, taken in batches of one size."""
    found = load_members(tomllib.loads(MEMBERS.read_text(encoding="utf-8")))
    world, days = World(start=Facts()), []
    for day in WORKED:
        world.context = Context(members=found, open_day=day)
        world.balances = Counter()
        outcomes: Counter[str] = Counter()
        records = [Incoming(one) for one in events_of(day)]
        for first in range(0, len(records), size):
            folded = world.batch(records[first : first + size])
            for done in [*folded.decisions, *folded.woken]:
                outcomes[done.outcome] += 1
                outcomes["woken"] += done.woken
                if done.outcome is Outcome.REJECTED:
                    outcomes[done.reason] += 1
        days.append((world.balances, outcomes))
    return days


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_worked_days_come_out_exact_in_batches_of_any_size(size: int) -> None:
    """Balances, positions, outcomes and reasons of all three days equal the expected figures."""
    for day, (balances, outcomes) in zip(WORKED, run(size), strict=True):
        expected = figures_of(day)
        left = {account: amount_text(fen) for account, fen in balances.items() if fen}
        assert left == expected["balances_before_roll_up"], day
        positions = {name: yuan for name, yuan in left.items() if code_of(name) in POSITION_CODES}
        assert positions == expected["positions"]
        for outcome in ("posted", "noted", "duplicate", "rejected"):
            assert outcomes[outcome] == expected["ingest"][outcome], (day, outcome)
        assert outcomes["parked"] == outcomes["woken"]
        for reason, count in expected["ingest"]["reasons"].items():
            assert outcomes[reason] == count


def test_taking_the_worked_days_twice_changes_nothing() -> None:
    """Every record of the second run is a duplicate, and no balance moves."""
    world = World(start=Facts())
    found = load_members(tomllib.loads(MEMBERS.read_text(encoding="utf-8")))
    for day in WORKED:
        world.context = Context(members=found, open_day=day)
        world.batch([Incoming(one) for one in events_of(day)])
    before = Counter(world.balances)
    again = world.batch([Incoming(one) for day in WORKED for one in events_of(day)])
    assert {done.outcome for done in again.decisions} == {Outcome.DUPLICATE}
    assert world.balances == before
