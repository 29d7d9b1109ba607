"""Files out to many partners at once: none keeps another from its files, however many there are or how one hangs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clearing.errors import InvariantViolated
from clearing.files.layout import load_layout
from clearing.jobs.deliver import deliver
from clearing.jobs.delivery.partners import Partners
from clearing.jobs.receive import receive
from clearing.store import files
from clearing.store.session import transaction
from tests.jobs.running import PATIENCE_SECONDS, Books, books, settings_of, worked_members
from tests.jobs.test_deliver import NOON, SMALL, made
from tests.jobs.test_receive import STM, put
from tests.services.sftp_server import SftpServer

TARGETS = 40
"""More than a process has connections to the database."""


@pytest.fixture
async def the(blank: Callable[[], str]) -> AsyncIterator[Books]:
    """Books with a file for each of many receivers."""
    async with books(blank(), settings_of(sftp_timeout_seconds=3), worked_members()) as opened:
        async with transaction(opened.engine) as conn:
            some = [
                replace(made(SMALL.replace("B1", code), b"H|1|\r\n"), receiver=code) for code in receivers()
            ]
            await files.keep(conn, some, load_layout("P"), 1)
        yield opened


def receivers() -> list[str]:
    """Their codes."""
    return [f"R{number}" for number in range(1, TARGETS + 1)]


def partners(tmp_path: Path, **other: dict[str, Any]) -> Partners:
    """A target for each receiver, in a directory but for those given."""
    place = {"kind": "directory", "folder": tmp_path / "{receiver}"}
    said = [{"receiver": code, "place": other.get(code, place)} for code in receivers()]
    return Partners.model_validate({"target": said})


async def test_there_may_be_more_targets_than_connections(the: Books, tmp_path: Path) -> None:
    """Forty targets get their files in one run: none uses up what another needs."""
    done = await deliver(the.engine, the.settings, partners(tmp_path), now=lambda: NOON)
    assert [one.result for one in done] == ["DELIVERED"] * TARGETS
    assert len(list(tmp_path.glob("*/*.ok"))) == TARGETS


async def test_a_file_that_is_damaged_in_the_books_keeps_only_its_own_target(
    the: Books, tmp_path: Path
) -> None:
    """What was stored of R1 is gone: that stops the run in the end, when all others have their files."""
    await the.as_superuser("DELETE FROM file_part WHERE name LIKE '%\\_R1\\_%'")
    with pytest.raises(InvariantViolated, match="R1"):
        await deliver(the.engine, the.settings, partners(tmp_path), now=lambda: NOON)
    assert len(list(tmp_path.glob("*/*.ok"))) == TARGETS - 1
    assert await the.one("SELECT count(*) FROM delivery_attempt WHERE result <> 'DELIVERED'") == 0


# ---------------------------------------------------------------- a server that says nothing any more


@contextlib.contextmanager
def standing_still(pipe: Path) -> Iterator[None]:
    """A pipe that nobody reads or writes: who opens it for a partner stands still, as on a disk that has gone."""
    os.mkfifo(pipe)
    try:
        yield
    finally:
        handle = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)  # lets who waits go on
        time.sleep(0.2)
        os.close(handle)


async def test_a_server_that_stands_still_stops_nobody(
    the: Books, server: SftpServer, tmp_path: Path
) -> None:
    """R1's server answers by SSH and not for its files: that is told after the time-out, all others have theirs."""
    folder = server.root / tmp_path.name
    folder.mkdir()
    place = server.place(folder=str(folder)).model_dump()
    with standing_still(folder / f"{SMALL.replace('B1', 'R1')}.tmp"):
        async with asyncio.timeout(PATIENCE_SECONDS):
            done = await deliver(the.engine, the.settings, partners(tmp_path, R1=place), now=lambda: NOON)
    assert Counter(one.result for one in done) == {"DELIVERED": TARGETS - 1, "FAILED": 1}
    assert [one.message.partition(": ")[2] for one in done if one.result == "FAILED"] == [
        "no answer for 3 s. Next: run again later"
    ]


async def test_an_inbox_that_stands_still_stops_no_other(
    the: Books, server: SftpServer, tmp_path: Path
) -> None:
    """B2's server never answers for one file: that is told, and what lies in B1's inbox is taken."""
    there, here = server.root / tmp_path.name, tmp_path / "B1"
    for folder in (there, here):
        folder.mkdir()
    (there / f"{STM.replace('B1', 'B2')}.ok").write_bytes(b"{}")
    put(here, STM)
    said = Partners.model_validate(
        {
            "inbox": [
                {"partner": "B2", "place": server.place(folder=str(there)).model_dump()},
                {"partner": "B1", "place": {"kind": "directory", "folder": here}},
            ]
        }
    )
    with standing_still(there / STM.replace("B1", "B2")):
        async with asyncio.timeout(PATIENCE_SECONDS):
            found = await receive(the.engine, the.settings, the.members, said, now=NOON)
    assert [(one.partner, one.verdict) for one in found] == [("B2", "FAILED"), ("B1", "ACPT")]
