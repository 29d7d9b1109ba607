"""Processes that die at a step they are told, or when the test says so.

    python -m tests.jobs.mortal MEMBERS.toml     settings from the environment

Each line on its stdin is a command, run in a fork of its own: a worker, or a step of the end of a day. The
engine's own functions are wrapped at their seams, in that fork alone, and the chosen call of the chosen one ends
the process as `kill -9` does. The engine knows nothing of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from pathlib import Path
from typing import IO, Any, Final

import uvloop
from sqlalchemy.ext.asyncio import AsyncEngine

from clearing.console.edge import logs
from clearing.jobs import (
    close,
    consume,
    deliver,
    dispatch,
    ingest_file,
    receive,
)
from clearing.jobs.delivery.partners import DirectoryPlace, Partners, Target
from clearing.jobs.patience import patiently
from clearing.ledger.members import Members
from clearing.ledger.members_file import load_members
from clearing.settings import PREFIX, Settings, load
from clearing.store.database import open_database
from tests.jobs.running import PATIENCE_SECONDS, ROOT, Books, taken, until
from tests.jobs.steps import STEPS, die_at

KILLED: Final = -signal.SIGKILL


# ---------------------------------------------------------------- in the process


def main(members_file: Path) -> None:
    """Fork for each command; say the fork's number when it begins and its exit code when it has ended."""
    settings = load(os.environ, members_file.parent)
    members = load_members(tomllib.loads(members_file.read_text(encoding="utf-8")))
    logs(logging.INFO)
    for line in sys.stdin:
        command = json.loads(line)
        child = os.fork()
        if not child:
            sys.stdin.close()
            uvloop.run(perform(replace(settings, **command.pop("settings")), members, **command))
            os._exit(0)
        tell(child)
        tell(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def tell(number: int) -> None:
    """A number for the test."""
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


async def perform(
    settings: Settings,
    members: Members,
    *,
    what: str,
    at: str | None,
    nth: int | None,
    by: int = signal.SIGKILL,
    **given: str,
) -> None:
    """Run a worker or a step of the close, to its end or to the step it dies at."""
    if at is not None:
        step = STEPS[what][at]
        die_at(step, nth or step.nth, signal.Signals(by))
    async with contextlib.AsyncExitStack() as stack:
        opened = await patiently(lambda: stack.enter_async_context(open_database(settings.database_url)))
        engine = opened.engine
        if what == "worker":
            await consume.work(engine, settings, members)
            return
        if what == "ingest":
            with Path(given["file"]).open("rb") as lines:
                await ingest_file.ingest_lines(engine, settings, members, lines)
            return
        if what in {"dispatch", "receive"}:
            await exchanged(opened.engine, settings, members, what, **given)
            return
        day = date.fromisoformat(given["day"])
        if what == "cut":
            await close.cut(engine, settings, members, day)
        elif what == "net":
            await close.net(engine, members, day)
        elif what == "file":
            await close.file(engine, settings, members, day)
        else:
            place = DirectoryPlace(kind="directory", folder=Path(given["out"]) / "{receiver}")
            everyone = Partners(target=(Target(receiver="*", name="all", place=place),))
            await deliver.deliver(engine, settings, everyone, day=day, at_once=True)


async def exchanged(
    engine: AsyncEngine, settings: Settings, members: Members, what: str, *, now: str, partners: str = ""
) -> None:
    """Send what is due to the banks, or take what they say."""
    at = datetime.fromisoformat(now)
    if what == "dispatch":
        await dispatch.dispatch(engine, settings, members, now=at, at_once=True)
    else:
        told = Partners.model_validate_json(partners)
        await receive.receive(engine, settings, members, told, now=at)


# ---------------------------------------------------------------- in the test


@dataclass
class Mortal:
    """Processes one after the other, seen by the test."""

    popen: subprocess.Popen[str]
    log: IO[str]
    pid: int = 0
    """Of the one that runs."""

    @property
    def said(self) -> list[str]:
        """The lines they have logged so far."""
        self.log.seek(0)
        return self.log.read().splitlines()

    def start(self, what: str, *, at: str | None = None, nth: int | None = None, **given: object) -> None:
        """Begin; `settings` are those that differ, `at` names the step to die at."""
        settings = given.pop("settings", {})
        command = {"what": what, "at": at, "nth": nth, "settings": settings, **given}
        assert self.popen.stdin is not None
        self.popen.stdin.write(json.dumps(command, default=str) + "\n")
        self.popen.stdin.flush()
        self.pid = self._told()

    def _told(self) -> int:
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        assert line, "the process that forks has ended"
        return int(line)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; one that has ended has not been waited for by anybody else."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    @property
    def alive(self) -> bool:
        """Whether it runs, or stands still."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, 0)
            return self.pid != 0
        return False

    async def stands_still(self) -> None:
        """Wait until it has been stopped, by itself or by us."""
        status = Path(f"/proc/{self.pid}/stat")

        async def stopped() -> bool:
            return status.read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "T"

        await until(stopped, f"process {self.pid} to stand still")

    async def ended(self, seconds_max: float = PATIENCE_SECONDS) -> int:
        """Wait for its end and give its exit code; one that does not end is killed and fails the test."""
        waiting = asyncio.create_task(asyncio.to_thread(self._told))
        done, _ = await asyncio.wait({waiting}, timeout=seconds_max)
        if not done:
            self.signal(signal.SIGKILL)
            await waiting
            raise AssertionError(f"process {self.pid} did not come to its end within {seconds_max:.0f} s")
        self.pid = 0
        return waiting.result()

    async def kill(self) -> None:
        """End it as a crash would."""
        self.signal(signal.SIGKILL)
        assert await self.ended() == KILLED

    async def stop(self) -> None:
        """Ask a worker to end, as whoever runs it does, and expect that it ends well."""
        self.signal(signal.SIGTERM)
        assert await self.ended() == 0

    async def run(self, what: str, **given: Any) -> int:  # noqa: ANN401 - as `start`
        """Begin, wait for the end, and give the exit code."""
        self.start(what, **given)
        return await self.ended()


def written(value: object) -> str:
    """A setting as the environment has it."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


@contextlib.contextmanager
def mortals(the: Books, members_file: Path, **given: object) -> Iterator[Mortal]:
    """A process that forks others which work on these books and topics; what is left ends with the block."""
    settings = {one.name: getattr(the.settings, one.name) for one in fields(the.settings)}
    settings |= {"database_url": the.url, **given}
    told = {
        f"{PREFIX}{name.upper()}": written(value) for name, value in settings.items() if value is not None
    }
    log = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed below, after a last look
    popen = subprocess.Popen(
        [sys.executable, "-m", "tests.jobs.mortal", str(members_file)],
        cwd=ROOT,
        env={**os.environ, **told},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    found = Mortal(popen, log)
    try:
        yield found
    finally:
        if found.pid:
            found.signal(signal.SIGCONT)
            found.signal(signal.SIGKILL)
            time.sleep(0.05)
        popen.kill()
        popen.communicate()
        sys.stderr.write("".join(f"{line}\n" for line in found.said[-30:]))  # shown when the test has failed
        log.close()


async def finished(the: Books, members_file: Path, name: str) -> None:
    """One more worker, of a group of its own, takes all that is left, and ends when it is asked to."""
    with mortals(the, members_file, kafka_group=f"{the.settings.kafka_group}-{name}") as worker:
        worker.start("worker")
        await taken(the)
        await worker.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
