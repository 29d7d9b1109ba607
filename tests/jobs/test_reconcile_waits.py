"""A reconciliation that has to wait for another one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from clearing.jobs.reconcile import reconcile_day
from clearing.store import reconciling
from clearing.store.database import open_database
from clearing.store.session import transaction
from tests.jobs.running import DAYS, Books, books, settings_of, until, worked_lines, worked_members
from tests.jobs.test_receive import DAY, STM, put, taken

SOURCE = DAYS / "2026-03-09-worked-day" / "statements"


@pytest.fixture
async def the(blank: Callable[[], str]) -> AsyncIterator[Books]:
    """Books with the first worked day closed."""
    async with books(blank(), settings_of(), worked_members(), DAY) as opened:
        await opened.ingest(worked_lines(9))
        await opened.close(DAY)
        yield opened


async def test_what_was_received_while_it_waited_is_taken(the: Books, tmp_path: Path) -> None:
    """Its run stands as the last, so it is made of all that was there when its turn came."""
    first, second = tmp_path / "B1", tmp_path / "B2"
    for folder in (first, second):
        folder.mkdir()
    put(first, STM)
    put(second, STM.replace("B1", "B2"), (SOURCE / "STM_B2.csv").read_bytes())
    assert [one.verdict for one in await taken(the, first, "B1")] == ["ACPT"]
    async with open_database(the.url) as other:
        async with transaction(other.engine) as conn:
            await reconciling.one_at_a_time(conn)
            running = asyncio.create_task(reconcile_day(the.engine, the.settings, the.members, DAY, {}, {}))
            await waits(the)
            assert [one.verdict for one in await taken(the, second, "B2")] == ["ACPT"]
        await running
    inputs = await the.rows(
        "SELECT one->>'partner' FROM reconciliation_run r, jsonb_array_elements(r.inputs) AS one ORDER BY 1"
    )
    assert inputs == [("B1",), ("B2",)]


async def waits(the: Books) -> None:
    """Until somebody waits for the lock of reconciliations."""
    query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 7205 AND NOT granted"
    await until(lambda: the.one(query), "the lock to be waited for")
