"""A day that is sealed away by two at once, or after the machine lost what it had not written down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from clearing.errors import UsageError
from clearing.jobs.archive import archive, check_archive
from clearing.store.database import open_database
from tests.conftest import DatabaseServer
from tests.jobs.reconciled_story import FIRST, story_books
from tests.jobs.running import Books
from tests.jobs.test_sign import all_sign, owned

TIMES = 5


@pytest.fixture
async def the(database_server: DatabaseServer) -> AsyncIterator[Books]:
    """Books whose first day is signed and not sealed."""
    async with story_books(database_server) as found:
        await owned(found)
        await all_sign(found, FIRST)
        yield found


async def test_two_at_once_make_one_sound_archive(the: Books, tmp_path: Path) -> None:
    """Each run says the same seal, whoever was first, and the folder is what was sealed."""
    async with open_database(the.url) as other:
        for number in range(TIMES):
            folder = tmp_path / f"{number}"
            first = asyncio.create_task(archive(the.engine, the.members, FIRST, folder))
            await asyncio.sleep(0.04 * number)
            second = asyncio.create_task(archive(other.engine, the.members, FIRST, folder))
            told = await asyncio.gather(first, second)
            assert told[0] == told[1]
            assert [one.name for one in folder.iterdir()] == [FIRST.isoformat()]
            assert await check_archive(the.engine, folder) == []


async def test_a_folder_that_lost_bytes_is_not_taken_for_the_archive(the: Books, tmp_path: Path) -> None:
    """The manifest stands and a file of it is short, as after a power cut: run again, that is refused."""
    await archive(the.engine, the.members, FIRST, tmp_path)
    short = tmp_path / FIRST.isoformat() / "entries.parquet"
    short.write_bytes(short.read_bytes()[:-100])
    with pytest.raises(UsageError, match="stands there and is not what was sealed"):
        await archive(the.engine, the.members, FIRST, tmp_path)
