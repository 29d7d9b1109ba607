"""A worker in a process of its own, for tests that stop, freeze or kill it.

    python -m tests.jobs.worker_process MEMBERS.toml     settings from the environment

It begins when it reads a line, so that a test can have the next one ready while this one runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from clearing.jobs.consume import work
from clearing.ledger.members import load_members
from clearing.settings import PREFIX, load
from clearing.store.database import open_database
from tests.jobs.running import ROOT, Books


async def main(members_file: Path) -> None:
    """Work until a signal says stop."""
    import tomllib  # noqa: PLC0415 - only the process needs it

    settings = load(os.environ, members_file.parent)
    members = load_members(tomllib.loads(members_file.read_text(encoding="utf-8")))
    await asyncio.to_thread(sys.stdin.readline)
    async with open_database(settings.database_url) as database:
        await work(database.engine, settings, members)


@dataclass
class Process:
    """A worker process, seen by the test that started it."""

    popen: subprocess.Popen[str]

    def begin(self) -> None:
        """Let it begin; it takes records some moments later."""
        assert self.popen.stdin is not None
        self.popen.stdin.write("begin\n")
        self.popen.stdin.flush()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.popen.send_signal(number)

    def kill(self) -> None:
        """End it as a crash would: no handler runs, nothing is flushed."""
        self.popen.kill()
        self.popen.wait()

    def ended(self, seconds_max: float = 20) -> int:
        """Wait for its end and give its exit code."""
        return self.popen.wait(seconds_max)


@contextlib.contextmanager
def process(the: Books, members_file: Path, **given: object) -> Iterator[Process]:
    """Start a worker process on the same books and topics, waiting to begin; kill what is left of it at the end."""
    settings = {one.name: getattr(the.settings, one.name) for one in fields(the.settings)}
    settings |= {"database_url": the.url, **given}
    told = {f"{PREFIX}{name.upper()}": str(value) for name, value in settings.items() if value is not None}
    popen = subprocess.Popen(
        [sys.executable, "-m", "tests.jobs.worker_process", str(members_file)],
        cwd=ROOT,
        env={**os.environ, **told},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield Process(popen)
    finally:
        if popen.poll() is None:
            popen.send_signal(signal.SIGCONT)
            popen.kill()
        popen.wait()
        if popen.stdin is not None:
            popen.stdin.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
