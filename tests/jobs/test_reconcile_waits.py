"""A reconciliation that has to wait for another one."""

from __future__ import annotations

import asyncio
from pathlib import Path

from clearing.jobs.reconcile import reconcile_day
from clearing.store import reconciling
from clearing.store.database import open_database
from clearing.store.session import transaction
from tests.jobs.running import DAYS, Books, until
from tests.jobs.test_receive import DAY, STM, put, taken

SOURCE = DAYS / "2026-03-09-worked-day" / "statements"


async def test_what_was_received_while_it_waited_is_taken(ninth: Books, tmp_path: Path) -> None:
    """Its run stands as the last, so it is made of all that was there when its turn came."""
    first, second = tmp_path / "B1", tmp_path / "B2"
    for folder in (first, second):
        folder.mkdir()
    put(first, STM)
    put(second, STM.replace("B1", "B2"), (SOURCE / "STM_B2.csv").read_bytes())
    assert [one.verdict for one in await taken(ninth, first, "B1")] == ["ACPT"]
    async with open_database(ninth.url) as other:
        async with transaction(other.engine) as conn:
            await reconciling.one_at_a_time(conn)
            running = asyncio.create_task(
                reconcile_day(ninth.engine, ninth.settings, ninth.members, DAY, {}, {})
            )
            await waits(ninth)
            assert [one.verdict for one in await taken(ninth, second, "B2")] == ["ACPT"]
        await running
    inputs = await ninth.rows(
        "SELECT one->>'partner' FROM reconciliation_run r, jsonb_array_elements(r.inputs) AS one ORDER BY 1"
    )
    assert inputs == [("B1",), ("B2",)]


async def waits(the: Books) -> None:
    """Until somebody waits for the lock of reconciliations."""
    query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 7205 AND NOT granted"
    await until(lambda: the.one(query), "the lock to be waited for")
