"""A day's files on several cores: the same bytes however many write, and nothing left of one that is killed."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from multiprocessing import active_children
from pathlib import Path

import pytest

from clearing.errors import InvariantViolated, WorldFailed
from clearing.jobs import filing
from clearing.jobs.close import close, cut, net, preview
from clearing.jobs.renderers import Writing, renderers, shares
from clearing.jobs.verify import verify
from clearing.store import entries
from clearing.store.files import StoredFile
from clearing.store.session import transaction
from tests.jobs.running import FIRST_DAY, books, picture, settings_of, worked_lines, worked_members

CHILD = """
import sys, time
from clearing.jobs.bench.large_day import DAY, members_file
from clearing.jobs.renderers import Writing, renderers
from clearing.jobs.setup import document_of
from clearing.ledger.members import load_members
from multiprocessing import active_children

if __name__ == "__main__":
    writing = Writing(DAY, load_members(document_of(members_file("P"))), {"": ()}, {})
    with renderers(writing, 2) as made:
        made._elsewhere[0].feed(b"")  # so that the process begins
        while not active_children():
            time.sleep(0.01)
        print(active_children()[0].pid, flush=True)
        time.sleep(60)
"""


async def digests(url: str, processes: int) -> dict[str, str]:
    """The files that closing the ninth would give, by name."""
    found: dict[str, str] = {}

    async def take(one: StoredFile, parts: AsyncIterator[bytes]) -> None:
        content = b"".join([part async for part in parts])
        assert hashlib.sha256(content).digest() == one.sha256
        found[one.name] = hashlib.sha256(content).hexdigest()

    async with books(url, settings_of(file_processes=processes, profiles="P H X N"), worked_members()) as the:
        await the.ingest(worked_lines(9))
        await preview(the.engine, the.settings, the.members, FIRST_DAY, take)
    return found


async def test_any_number_of_processes_writes_the_same_bytes(blank: Callable[[], str]) -> None:
    """One, two or four; entries that nobody else can see yet among them."""
    one = await digests(blank(), 1)
    assert len(one) > 50
    assert await digests(blank(), 2) == one
    assert await digests(blank(), 4) == one


@pytest.mark.parametrize("processes", [1, 2, 3, 7])
def test_every_receiver_is_in_one_share(processes: int) -> None:
    """However many processes, also more than members."""
    on = worked_members().on(FIRST_DAY)
    found = shares(on, processes)
    assert len(found) == processes
    assert sorted(code for one in found for code in one) == sorted(on.by_code)


async def test_a_writer_that_is_killed_fails_the_step_and_the_next_run_files_the_day(
    blank: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the day's files stays, no process either, and the message says what to do."""
    async with books(blank(), settings_of(file_processes=2), worked_members()) as the:
        await the.ingest(worked_lines(9))
        await cut(the.engine, the.settings, the.members, FIRST_DAY)
        await net(the.engine, the.members, FIRST_DAY)
        real = filing.passing

        async def killing(conn: object, made: object, day: object) -> AsyncIterator[object]:
            async for parts in real(conn, made, day):  # type: ignore[arg-type]
                for child in active_children():
                    os.kill(child.pid or 0, signal.SIGKILL)
                yield parts

        monkeypatch.setattr(filing, "passing", killing)
        with pytest.raises(WorldFailed, match=r"ended by someone else.*CLEARING_FILE_PROCESSES"):
            await close(the.engine, the.settings, the.members, FIRST_DAY)
        monkeypatch.undo()
        assert await the.one("SELECT count(*) FROM file") == 0
        assert not active_children()
        *_, filed = await close(the.engine, the.settings, the.members, FIRST_DAY)
        assert filed.done
        assert (await verify(the.engine, the.members))["ok"]
        assert len((await picture(the)).files) == filed.files


async def test_what_a_writer_refuses_reaches_the_one_who_asked(blank: Callable[[], str]) -> None:
    """An entry out of order is told as it would be without processes."""
    async with books(blank(), settings_of(), worked_members()) as the:
        await the.ingest(worked_lines(9))
        async with transaction(the.engine) as conn:
            (chunk,) = [one async for one in entries.chunks_of(conn, FIRST_DAY)]
        with renderers(Writing(FIRST_DAY, the.members, {"": ()}, {}), 2) as made:
            await made.feed(chunk)
            await made.feed(chunk)
            with pytest.raises(InvariantViolated, match="in order of id"):
                await made.end([], FIRST_DAY)


async def test_a_day_without_entries_needs_no_process(blank: Callable[[], str]) -> None:
    """By itself a small day is written in this process."""
    async with books(blank(), settings_of(), worked_members()) as the:
        await close(the.engine, the.settings, the.members, FIRST_DAY)
        assert not active_children()


def test_a_writer_ends_with_the_one_who_started_it(tmp_path: Path) -> None:
    """Also when that one is killed and can tell nobody."""
    script = tmp_path / "parent.py"
    script.write_text(CHILD, encoding="utf-8")
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{child}").exists()
