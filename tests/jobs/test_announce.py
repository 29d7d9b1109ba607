"""Notices as the worker writes them."""

from __future__ import annotations

import datetime as dt
import tomllib
from importlib.resources import files
from typing import Final

import clearing.jobs.generate
from clearing.jobs.announce import batch_notices
from clearing.jobs.generate import Plan, generate_day
from clearing.ledger.case import Context
from clearing.ledger.decide import Incoming, decide
from clearing.ledger.facts import Facts
from clearing.ledger.members_file import load_members
from messages import Event, decode
from messages.notices import NOTICES, Notice

DAY: Final = dt.date(2026, 3, 10)
MODELS: Final[dict[str, type[Notice]]] = {f"clearing.{model.topic}": model for model in NOTICES}


def test_what_is_written_is_what_the_models_would_write() -> None:
    """Every notice of a made-up day reads as its model, and the model writes the same bytes again."""
    city = tomllib.loads(files(clearing.jobs.generate).joinpath("city.toml").read_text("utf-8"))
    members = load_members(city)
    events = [decode(one.value) for one in generate_day(Plan(), members, DAY, 3000, 11).events()]
    read = [one for one in events if isinstance(one, Event)]
    folded = decide(
        [Incoming(one) for one in read], [], Facts(networks=("CUP",)), Context(members=members, open_day=DAY)
    )
    decisions = list(enumerate(folded.decisions))
    told = batch_notices(
        decisions,
        folded.woken,
        stream="clearing.payments",
        partition=0,
        platform="PLAT",
        prefix="clearing",
        malformed_at=None,
    )
    assert {one.topic for one in told} == {"clearing.results", "clearing.swipes"}
    assert {one.outcome.value for one in folded.decisions} >= {"posted", "noted", "rejected", "parked"}
    for one in told:
        notice = MODELS[one.topic].model_validate_json(one.value)
        assert notice.to_bytes() == one.value
