"""The story `breaks-to-the-end`: two days of a bank and a hospital, reconciled, and what people do then.

<day>/statements/STM_BX.csv HIS_H1.csv   the partners' files
<last day>/people.jsonl                  who does what with which break, in order
<last day>/expected/breaks.json          how each ends, and what that moves
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

from clearing.jobs.desk import Desk
from clearing.jobs.reconcile import reconcile_day
from clearing.jobs.resolve import approve
from tests.conftest import DatabaseServer
from tests.jobs.running import DAYS, Books, books, members_of, prepare, settings_of

STORY = tuple(sorted(DAYS.glob("*-breaks-to-the-end")))
FIRST, SECOND = (date.fromisoformat(path.name[:10]) for path in STORY)
OPEN_DAY = date(2026, 9, 23)


async def reconcile(the: Books, day: date, files: Mapping[str, Path] | None = None) -> dict[str, Any]:
    """Reconcile a day of the story with its files, or with others for some of them (`STM_BX`, `HIS_H1`)."""
    folder = next(path for path in STORY if path.name.startswith(day.isoformat()))
    given = {path.stem: path for path in (folder / "statements").iterdir()} | dict(files or {})
    banks = {name[4:]: path for name, path in given.items() if name.startswith("STM")}
    his = {name[4:]: path for name, path in given.items() if name.startswith("HIS")}
    return await reconcile_day(the.engine, the.settings, the.members, day, banks, his)


async def _two_days(url: str) -> None:
    await prepare(url)
    async with books(url, settings_of(), members_of(STORY[0] / "members.toml"), FIRST) as the:
        for folder, day in zip(STORY, (FIRST, SECOND), strict=True):
            await the.ingest((folder / "events.jsonl").read_bytes().splitlines())
            await the.close(day)
            await reconcile(the, day)


@asynccontextmanager
async def story_books(server: DatabaseServer) -> AsyncIterator[Books]:
    """Books in which both days are reconciled and nobody has done anything about their breaks."""
    url = server.create(server.template("breaks-to-the-end", _two_days))
    async with books(url, settings_of(), members_of(STORY[0] / "members.toml"), FIRST) as found:
        yield found
    server.drop(url)


def desk(the: Books, person: str) -> Desk:
    """Somebody at these books."""
    return Desk(engine=the.engine, settings=the.settings, members=the.members, person=person)


async def approving(url: str, break_id: str) -> None:
    """Approve as bob, for a process of its own that a test may kill."""
    async with books(url, settings_of(), members_of(STORY[0] / "members.toml"), FIRST) as the:
        await approve(desk(the, "bob"), break_id)


async def break_of(the: Books, code: str) -> str:
    """The id of the one break that was found with this code."""
    found: str = await the.one(
        "SELECT b.id FROM break_ b JOIN reconciliation_run r ON r.id = b.first_run, "
        "jsonb_array_elements(r.report -> 'detail') AS d WHERE d ->> 'id' = b.id AND d ->> 'code' = :code",
        code=code,
    )
    return found


def people() -> list[dict[str, Any]]:
    """What people do, in order."""
    return [json.loads(line) for line in (STORY[-1] / "people.jsonl").read_text().splitlines()]
