"""Processes that die at a step they are told, or when the test says so.

    python -m tests.jobs.mortal MEMBERS.toml     settings from the environment

Each line on its stdin is a command, run in a fork of its own: a worker, or a step of the end of a day. The
engine's own functions are wrapped at their seams, in that fork alone, and the chosen call of the chosen one ends
the process as `kill -9` does. The engine knows nothing of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import asyncpg
import uvloop
from aiokafka import AIOKafkaProducer
from sqlalchemy.ext.asyncio import AsyncEngine

from clearing.console.edge import logs
from clearing.jobs import (
    close,
    consume,
    deliver,
    dispatch,
    ingest,
    ingest_file,
    orders,
    receive,
    take_file,
    take_lines,
)
from clearing.jobs.delivery.folders import Directory
from clearing.jobs.delivery.partners import DirectoryPlace, Partners, Target
from clearing.jobs.patience import patiently
from clearing.jobs.publish import Publisher
from clearing.ledger.members import Members, load_members
from clearing.settings import PREFIX, Settings, load
from clearing.store import days, deliveries, files, locks, payments, verdicts
from clearing.store.database import open_database
from tests.jobs.running import ROOT, Books, taken

KILLED: Final = -signal.SIGKILL
DIED_SECONDS_MAX: Final = 60


class Step(NamedTuple):
    """A call of the engine at which a process can die."""

    owner: Any
    name: str
    when: str
    """before, after, or halfway: of a COPY, when half of its rows are on their way."""
    nth: int = 1
    """Which call, unless the test asks for another one."""


WORKER: Final = {
    "records decoded": Step(consume, "decoded", "after"),
    "facts read": Step(ingest, "gather", "after"),
    "in the middle of a COPY": Step(asyncpg.Connection, "copy_records_to_table", "halfway"),
    "all written, not committed": Step(ingest, "record_all", "after"),
    "committed, nothing told": Step(consume, "take", "after"),
    "some notices sent": Step(AIOKafkaProducer, "send_batch", "after"),
    "notices sent, not remembered": Step(Publisher, "_send", "after"),
    "before the group's commit": Step(consume.Worker, "_commit_offsets", "before"),
    "after the group's commit": Step(consume.Worker, "_commit_offsets", "after"),
}
INGEST: Final = {
    "lines decoded": Step(ingest_file, "_placed", "after"),
    "facts read": Step(ingest, "gather", "after"),
    "in the middle of a COPY": Step(asyncpg.Connection, "copy_records_to_table", "halfway"),
    "all written, not committed": Step(ingest, "record_all", "after"),
    "committed, nothing said": Step(ingest_file, "take", "after"),
}
CUT: Final = {
    "the day is held": Step(locks, "day_exclusive", "after"),
    "facts of what waits read": Step(close, "gather", "after"),
    "ends of waiting written": Step(close, "record", "after"),
    "cut, not committed": Step(days, "cut", "after"),
    "cut and committed": Step(close, "cut", "after"),
}
NET: Final = {
    "positions netted": Step(close, "netting_of", "after"),
    "in the middle of a COPY": Step(asyncpg.Connection, "copy_records_to_table", "halfway"),
    "entries of the close written": Step(close, "_record_close", "after"),
    "netted, not committed": Step(days, "step", "after"),
    "netted and committed": Step(close, "net", "after"),
}
FILE: Final = {
    "some files kept": Step(files, "add_parts", "after"),
    "all files kept, not signed": Step(files, "add", "after"),
    "files sealed": Step(close, "seal_files", "after"),
    "filed, not committed": Step(days, "step", "after"),
    "filed and committed": Step(close, "file", "after"),
}
DELIVER: Final = {
    "an attempt noted, not committed": Step(deliveries, "begin", "after"),
    "a file half written": Step(os, "fsync", "before"),
    "a file without its name": Step(Directory, "write", "after"),
    "a file without its manifest": Step(Directory, "rename", "after"),
    "a manifest without its name": Step(Directory, "write", "after", 4),
    "delivered, not noted": Step(deliveries, "end", "before", 3),
}
DISPATCH: Final = {
    "payouts sent, no file yet": Step(dispatch, "take_own", "after"),
    "files rendered and kept": Step(files, "keep", "after"),
    "files sealed": Step(orders, "seal_files", "after"),
    "all written, not committed": Step(payments, "add_lines", "after"),
    "one bank done, not the other": Step(payments, "due", "before", 2),
}
RECEIVE: Final = {
    "bytes kept, not judged": Step(take_file, "judge", "before"),
    "judged, no ACK yet": Step(take_file, "judge", "after"),
    "ACK kept": Step(verdicts, "add", "before"),
    "answers noted, no event yet": Step(payments, "answer", "after"),
    "events taken, not committed": Step(take_lines, "take_made", "after"),
    "one file done, not the other": Step(take_file, "judge", "before", 2),
}
STEPS: Final = {
    "worker": WORKER,
    "ingest": INGEST,
    "cut": CUT,
    "net": NET,
    "file": FILE,
    "deliver": DELIVER,
    "dispatch": DISPATCH,
    "receive": RECEIVE,
}


def die_at(step: Step, nth: int, by: signal.Signals) -> None:
    """Wrap the step's function so that this process gets the signal at its nth call: killed, or stopped there."""
    original: Callable[..., Any] = getattr(step.owner, step.name)
    calls = 0

    def mortal(when: str) -> None:
        nonlocal calls
        if when == step.when:
            calls += 1
            if calls == nth:
                os.kill(os.getpid(), by)

    async def waited(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever the engine's function takes
        mortal("before")
        if step.when == "halfway":
            named["records"] = half(list(named["records"]), mortal)
        found = await original(*given, **named)
        mortal("after")
        return found

    def called(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - the same
        mortal("before")
        found = original(*given, **named)
        mortal("after")
        return found

    setattr(step.owner, step.name, waited if inspect.iscoroutinefunction(original) else called)


def half(rows: list[Any], mortal: Callable[[str], None]) -> Iterator[Any]:
    """The rows of a COPY, which the driver takes when the server waits for them."""
    for number, row in enumerate(rows):
        if number == len(rows) // 2:
            mortal("halfway")
        yield row


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
        async with asyncio.timeout(DIED_SECONDS_MAX):
            while status.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "T":
                await asyncio.sleep(0.02)

    async def ended(self, seconds_max: float = DIED_SECONDS_MAX) -> int:
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
