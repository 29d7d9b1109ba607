"""A bank or a payer that leaves while payouts wait: nobody else's farmers wait for that."""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from clearing.errors import UsageError
from clearing.jobs.dispatch import dispatch
from clearing.ledger.members import Members
from clearing.ledger.members_file import load_members
from tests.jobs.payout_round import DAY, MORNING, STORY, submitted, with_cards
from tests.jobs.running import Books

NEXT = MORNING + timedelta(days=1)
TEXT = (STORY / "members.toml").read_text(encoding="utf-8")
ALL = "SELECT source || '/' || id, state FROM payout ORDER BY 1"


def members(left: str) -> Members:
    """The members of the story and a second fund; one of them takes part up to the day, and no longer."""
    fund = TEXT[TEXT.index("[[fund]]") :]
    text = f"{TEXT}\n{fund.replace('F1', 'F2')}\n"
    return load_members(
        tomllib.loads(text.replace(f'code = "{left}"', f'code = "{left}"\nvalid_to = {DAY}', 1))
    )


@pytest.fixture
async def the(blank: Callable[[], str]) -> AsyncIterator[Books]:
    """Books with payouts of two funds at two banks, on the day after somebody's last."""
    async with with_cards(blank()) as found:
        all_ = replace(found, members=members("nobody"))
        second = submitted(3, "B1").replace(b'"F1"', b'"F2"')
        assert (await all_.ingest([submitted(1, "B1"), submitted(2, "B2"), second]))["posted"] == 3
        await all_.close(DAY)
        yield all_


async def test_a_bank_that_left_keeps_no_other_banks_payouts(the: Books) -> None:
    """What is for B1 stays and is told with what to do, in every window again; B2's went out, once."""
    for number in range(2):
        with pytest.raises(
            UsageError, match=r"payout F1/P1: expected F1 with an account and bank B1 in force on"
        ):
            await dispatch(the.engine, the.settings, members("B1"), now=NEXT, at_once=number > 0)
        assert await the.rows(ALL) == [("F1/P1", "ACCEPTED"), ("F1/P2", "SENT"), ("F2/P3", "ACCEPTED")]
    assert await the.rows("SELECT bank, rows FROM dispatch WHERE rows > 0") == [("B2", 1)]


async def test_a_payer_that_left_keeps_no_other_payers_payouts(the: Books) -> None:
    """F1's stay, since its account is in force no more; F2's at the same bank goes out. Extended, F1's follow."""
    with pytest.raises(UsageError, match=r"payout F1/P1: .* Next: extend or correct the record"):
        await dispatch(the.engine, the.settings, members("F1"), now=NEXT)
    assert await the.rows(ALL) == [("F1/P1", "ACCEPTED"), ("F1/P2", "ACCEPTED"), ("F2/P3", "SENT")]
    sent = await dispatch(the.engine, the.settings, members("nobody"), now=NEXT, at_once=True)
    assert [(one.bank, one.rows) for one in sent] == [("B1", 1), ("B2", 1)]
    assert {state for _, state in await the.rows(ALL)} == {"SENT"}
