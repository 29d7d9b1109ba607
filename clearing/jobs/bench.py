"""How fast events become durable here: file, Kafka, a loop of single transactions, a raw COPY. 测速

    file → durable     a generated day through `ingest_lines`, the whole engine, fsync on
    Kafka → durable    the same records produced beforehand, taken by two worker processes, notices published
    loop               the same door with a batch of one: eight connections, a transaction an event
    raw COPY           the rows of the file's run once more, into tables made like ours: the server's limit

All in one run on one machine, each measurement on books of its own that begin empty, taken in turns so that a
noisy neighbour meets all of them. Absolute figures are the machine's; ratios can be compared.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import tempfile
import time
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import uvloop
from rich.table import Table

from clearing.errors import InvariantViolated
from clearing.jobs import broker as brokers
from clearing.jobs.bench_frames import CONNECTIONS, copy_rows, take_one_by_one
from clearing.jobs.bench_kafka import WORKERS, produce, worker_processes
from clearing.jobs.bench_machine import Cpu, cpu_now, machine, median
from clearing.jobs.bench_stages import Stages
from clearing.jobs.generate import CITY, Plan, Sent, generate_day
from clearing.jobs.ingest_file import ingest_lines
from clearing.jobs.setup import init, with_settings
from clearing.jobs.verify import verify
from clearing.ledger.members import load_members
from clearing.settings import load
from clearing.store import embedded
from clearing.store.database import Database, connect, open_database

if TYPE_CHECKING:
    from clearing.ledger.members import Members
    from clearing.settings import Settings

DAY: Final = date(2026, 3, 10)
FILE: Final = "file → durable"
KAFKA: Final = f"Kafka → durable, {WORKERS} workers"
LOOP: Final = f"one transaction an event, {CONNECTIONS} connections"
COPY: Final = "raw binary COPY of the same rows"
LOOP_SHARE: Final = 5
"""The loop takes a day of a fifth of the events: it is that much slower."""
EVENTS_MIN: Final = 200
"""A day of the synthetic city has at least these."""
_EMPTY: Final = "clearing_bench_empty"

Told = Callable[[str], None]
History = Callable[[Database], Awaitable[None]]


@dataclass(slots=True)
class Measured:
    """One way in, measured several times."""

    what: str
    events: int
    seconds: list[float] = field(default_factory=list)
    cpu: list[Cpu] = field(default_factory=list)
    sound: bool | None = None
    """Whether verify found the books sound after the first time; None where there are no books."""
    memory_mb: float = 0.0
    """The most that one worker's process held; 0 where no worker ran."""

    def add(self, seconds: float, cpu: Cpu) -> None:
        """One more measurement."""
        self.seconds.append(seconds)
        self.cpu.append(cpu)

    @property
    def rates(self) -> list[float]:
        """Events a second, each time."""
        return [self.events / seconds for seconds in self.seconds]

    @property
    def median(self) -> float:
        """Events a second."""
        return statistics.median(self.rates)

    def row(self, loop: Measured, copy: Measured) -> dict[str, Any]:
        """As the result holds it: rates in events a second, processor time in µs an event."""
        used = median(self.cpu)
        return {
            "what": self.what,
            "events": self.events,
            "repeats": len(self.seconds),
            "events_per_second": round(self.median),
            "lowest": round(min(self.rates)),
            "highest": round(max(self.rates)),
            "times_the_loop": round(self.median / loop.median, 2),
            "of_raw_copy": round(self.median / copy.median, 3),
            "python_us": _each(used.python, self.events),
            "database_us": _each(used.database, self.events),
            "worker_memory_mb": round(self.memory_mb, 1) or None,
            "verified": self.sound,
        }


def _each(seconds: float | None, events: int) -> float | None:
    return None if seconds is None else round(seconds / events * 1e6, 1)


async def bench_ingest(
    settings: Settings,
    events: int = 50_000,
    *,
    seed: int = 7,
    repeats: int = 3,
    kafka: bool = True,
    directory: Path | None = None,
    told: Told = lambda _: None,
) -> dict[str, Any]:
    """Measure every way in, beside the two that frame them. 入账测速

    In:      `settings` for batches, brokers and rules, not for the database: that is an embedded one of its
             own below `directory` (default: the working directory), removed at the end. `events` of one
             generated day, 200 or more. `told` hears what begins.
    Out:     {"machine", "conditions", "measurements": [a row each way in], "stages": [a row each stage of the
             file's way], "outcomes"}.
    Writes:  nothing that stays; topics of a prefix of its own on a broker that the settings name.
    Again:   the same events, other figures.
    Raises:  NoBroker when `kafka` and none is to be had; InvariantViolated when a run lost an event or leaves
             books that are not sound; WorldFailed.
    """
    members = with_settings(load_members(tomllib.loads(CITY.read_text(encoding="utf-8"))), settings)
    sent = list(generate_day(Plan(), members, DAY, events, seed).events())
    fewer = max(EVENTS_MIN, events // LOOP_SHARE)
    few = list(generate_day(Plan(), members, DAY, fewer, seed).events())
    above = directory or Path.cwd()
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".bench-", dir=above)))
        server = stack.enter_context(embedded_server(place / "database"))
        broker = None
        if kafka:
            broker = stack.enter_context(
                brokers.kafka(place / "kafka", bootstrap=settings.kafka_bootstrap or None, tell=told)
            )
        bench = Bench(
            server, place, replace(settings, kafka_bootstrap=broker.bootstrap if broker else ""), members
        )
        await bench.prepare()
        ran_on = machine(bench.how, broker.how if broker else None)
        for number in range(repeats):
            told(f"round {number + 1} of {repeats}: file")
            await bench.file(sent)
            if broker:
                told(f"round {number + 1} of {repeats}: Kafka")
                await bench.kafka(sent, f"{place.name.strip('.')}-{number}")
            told(f"round {number + 1} of {repeats}: a transaction an event")
            await bench.loop(few)
    ways = list(bench.ways.values())
    return {
        "machine": ran_on,
        "conditions": {
            "day": f"{DAY}",
            "seed": seed,
            "cards_required": settings.cards_required,
            "batch_events_max": settings.batch_events_max,
            "partitions": settings.kafka_partitions if broker else None,
            "fsync": "on",
        },
        "measurements": [one.row(bench.ways[LOOP], bench.ways[COPY]) for one in ways],
        "stages": bench.stages.rows(),
        "outcomes": bench.outcomes,
    }


@contextlib.contextmanager
def embedded_server(directory: Path) -> Any:  # noqa: ANN401 - a context manager
    """An embedded server for the time of the measurements."""
    server = embedded.acquire(directory)
    try:
        yield server
    finally:
        embedded.release(directory)


class Bench:
    """The measurements of one run, one method a way in."""

    def __init__(self, server: embedded.Embedded, place: Path, settings: Settings, members: Members) -> None:
        self._server = server
        self._place = place
        self._settings = settings
        self._members = members
        self._number = 0
        self.how = ""
        self.ways: dict[str, Measured] = {}
        self.stages = Stages()
        self.outcomes: dict[str, Any] = {}

    async def prepare(self) -> None:
        """Make the books that every measurement begins with: members in force, the day open, no events."""
        await self._run(f"CREATE DATABASE {_EMPTY}")
        async with open_database(self._server.dsn(_EMPTY)) as database:
            await init(database.engine, CITY.read_bytes(), DAY)
            self.how = f"embedded PostgreSQL {database.server_version[0]}.{database.server_version[1]}"

    async def _run(self, *statements: str) -> None:
        connection = await connect(self._server.dsn("postgres"))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    @contextlib.asynccontextmanager
    async def books(self) -> AsyncIterator[Database]:
        """Fresh books, with nothing of the run before left to be written out."""
        self._number += 1
        name = f"clearing_bench_{self._number}"
        await self._run(f"CREATE DATABASE {name} TEMPLATE {_EMPTY}", "CHECKPOINT")
        async with open_database(self._server.dsn(name)) as database:
            yield database
        await self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def way(self, what: str, events: int) -> Measured:
        """The measurements of one way, begun when it is first asked for."""
        return self.ways.setdefault(what, Measured(what, events))

    async def file(self, sent: Sequence[Sent]) -> None:
        """The file's way, by stages, and then a raw COPY of the rows it left."""
        way = self.way(FILE, len(sent))
        lines = [one.value for one in sent]
        async with self.books() as database:
            before = cpu_now(self._server.cluster)
            began = time.perf_counter()
            with self.stages.timed(len(sent)):
                totals = await ingest_lines(database.engine, self._settings, self._members, lines)
            way.add(time.perf_counter() - began, cpu_now(self._server.cluster).since(before))
            self.outcomes = {name: value for name, value in totals.items() if name != "seconds"}
            await self.check(way, database, totals["taken"])
            copy = self.way(COPY, len(sent))
            before = cpu_now(self._server.cluster)
            seconds = await copy_rows(database, self._place)
            copy.add(seconds, Cpu(None, cpu_now(self._server.cluster).since(before).database))

    async def kafka(
        self, sent: Sequence[Sent], prefix: str, what: str = KAFKA, history: History | None = None
    ) -> None:
        """Kafka's way: produced first, then taken by processes of their own; `history` fills the books before.

        The cards' topic goes first: a card is used long after it was registered, and a day squeezed into seconds
        would measure how payments wait for their cards.
        """
        way = self.way(what, len(sent))
        settings = replace(self._settings, kafka_prefix=prefix, kafka_group=prefix)
        seconds, taken = 0.0, 0
        async with self.books() as database:
            if history is not None:
                await history(database)
            cpu_seconds, before = 0.0, cpu_now(self._server.cluster)
            for cards in (True, False):
                await produce(settings, [one for one in sent if (one.family == "cards") is cards])
                told = await worker_processes(settings, database.dsn)
                cpu_seconds += told.cpu_seconds
                seconds, taken = seconds + told.seconds, taken + told.taken
                way.memory_mb = max(way.memory_mb, told.memory_mb)
            way.add(seconds, Cpu(cpu_seconds, cpu_now(self._server.cluster).since(before).database))
            await self.check(way, database, taken, whole=history is None)

    async def loop(self, sent: Sequence[Sent]) -> None:
        """The loop's way."""
        way = self.way(LOOP, len(sent))
        async with self.books() as database:
            before = cpu_now(self._server.cluster)
            seconds = await take_one_by_one(database, self._settings, self._members, sent)
            way.add(seconds, cpu_now(self._server.cluster).since(before))
            await self.check(way, database, len(sent))

    async def check(self, way: Measured, database: Database, taken: int, *, whole: bool = True) -> None:
        """A rate counts only when every event has its outcome and the books, if they are `whole`, are sound."""
        if taken != way.events:
            raise InvariantViolated(f"bench {way.what}: expected {way.events} outcomes, got {taken}")
        if way.sound is None and whole:
            found = await verify(database.engine, self._members)
            wrong = [f"{name}: {text}" for name, text in found["checks"].items() if text != "ok"]
            if wrong:
                raise InvariantViolated(f"bench {way.what}: the books are not sound after it. {wrong[0]}")
            way.sound = True


# ---------------------------------------------------------------- on a terminal


def table(result: dict[str, Any]) -> Table:
    """The measurements as people read them. 测速表"""
    on = result["machine"]
    shown = Table(
        title="Events until they are durable 入账测速",
        caption=f"{on['cores']} cores, {on['python']}, {on['database']}, {on['kafka'] or 'no Kafka'}; "
        f"load before {on['load_before']}",
        title_justify="left",
        caption_justify="left",
    )
    shown.add_column("way in")
    for name in ("events/s", "range", "× loop", "of COPY", "Python µs", "database µs"):
        shown.add_column(name, justify="right")
    for row in result["measurements"]:
        shown.add_row(
            row["what"],
            f"{row['events_per_second']:,}",
            f"{row['lowest']:,} to {row['highest']:,}",
            f"{row['times_the_loop']:.1f}",
            f"{row['of_raw_copy']:.2f}",
            _cell(row["python_us"]),
            _cell(row["database_us"]),
        )
    return shown


def stage_table(result: dict[str, Any]) -> Table:
    """Where the file's way spends its time, µs an event. 分段耗时"""
    shown = Table(title="File → durable by stage, µs an event", title_justify="left")
    shown.add_column("stage")
    for name in ("all", "Python", "waiting"):
        shown.add_column(name, justify="right")
    for row in result["stages"]:
        shown.add_row(row["stage"], *(_cell(row[name]) for name in ("us", "python_us", "waiting_us")))
    return shown


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:,.1f}"


def run(arguments: Sequence[str] = ()) -> dict[str, Any]:
    """Measure as the arguments say, on an event loop of our own, and give the result.

    In:      `--events N --seed S --repeats R --no-kafka --directory DIR`, all optional.
    """
    parser = argparse.ArgumentParser(prog="bench ingest")
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-kafka", action="store_true")
    parser.add_argument("--directory", type=Path)
    chosen = parser.parse_args(list(arguments))
    return uvloop.run(
        bench_ingest(
            load(os.environ, Path.cwd()),
            chosen.events,
            seed=chosen.seed,
            repeats=chosen.repeats,
            kafka=not chosen.no_kafka,
            directory=chosen.directory,
        )
    )
