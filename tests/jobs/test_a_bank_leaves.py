"""A bank or a payer that leaves while payouts wait: nobody else's farmers wait for that."""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest

from clearing.errors import InvariantViolated
from clearing.jobs.dispatch import dispatch
from clearing.ledger.members import Members
from clearing.ledger.members_file import load_members
from tests.jobs.payout_round import DAY, MORNING, STORY, submitted, with_cards
from tests.jobs.running import Books

NEXT = MORNING + timedelta(days=1)


@pytest.fixture
async def the(blank: Callable[[], str]) -> AsyncIterator[Books]:
    """Books with a payout at each of two banks, on the day after B1's last."""
    async with with_cards(blank()) as found:
        await found.ingest([submitted(1, "B1"), submitted(2, "B2")])
        await found.close(DAY)
        yield found


def without(code: str) -> Members:
    """The members of the story; one of them takes part up to the day, and no longer."""
    text = (STORY / "members.toml").read_text(encoding="utf-8")
    return load_members(
        tomllib.loads(text.replace(f'code = "{code}"', f'code = "{code}"\nvalid_to = {DAY}', 1))
    )


async def test_the_other_banks_get_their_payouts(the: Books) -> None:
    """B1's payout cannot go out and says why; B2's went out in the same window, once, and B1's waits for a person."""
    for _ in range(2):
        with pytest.raises(InvariantViolated, match=r"payout F1/P1: expected F1 with an account and bank B1"):
            await dispatch(the.engine, the.settings, without("B1"), now=NEXT)
        assert await the.rows("SELECT id, state FROM payout ORDER BY id") == [
            ("P1", "ACCEPTED"),
            ("P2", "SENT"),
        ]
    assert await the.rows("SELECT bank, rows FROM dispatch WHERE rows > 0") == [("B2", 1)]


async def test_what_a_payer_accepted_before_it_left_is_paid(the: Books) -> None:
    """F1's last day was the one on which it accepted both: they go out of the account that it had."""
    sent = await dispatch(the.engine, the.settings, without("F1"), now=NEXT)
    assert [(one.bank, one.rows) for one in sent] == [("B1", 1), ("B2", 1)]
    assert await the.rows("SELECT id, state FROM payout ORDER BY id") == [("P1", "SENT"), ("P2", "SENT")]
