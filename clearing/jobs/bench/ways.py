"""The ways in that are measured, each on fresh books of one embedded server. 测速的场地"""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clearing.errors import InvariantViolated
from clearing.jobs import broker as brokers
from clearing.jobs.bench.frames import CONNECTIONS, copy_rows, take_one_by_one
from clearing.jobs.bench.kafka import WORKERS, produce, worker_processes
from clearing.jobs.bench.machine import Cpu, cpu_now, machine, median
from clearing.jobs.bench.stages import Stages
from clearing.jobs.generate import CITY, Sent
from clearing.jobs.ingest_file import ingest_lines
from clearing.jobs.setup import init
from clearing.jobs.verify import verify
from clearing.store import embedded
from clearing.store.database import Database, connect, open_database

if TYPE_CHECKING:
    from clearing.jobs.broker import Broker
    from clearing.ledger.members import Members
    from clearing.settings import Settings

DAY: Final = date(2026, 3, 10)
FILE: Final = "file → durable"
KAFKA: Final = f"Kafka → durable, {WORKERS} workers"
LOOP: Final = f"one transaction an event, {CONNECTIONS} connections"
COPY: Final = "raw binary COPY of the same rows"
_EMPTY: Final = "clearing_bench_empty"

Told = Callable[[str], None]


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

    def figures(self) -> dict[str, Any]:
        """As a result holds it: rates in events a second, processor time in µs an event."""
        used = median(self.cpu)
        return {
            "what": self.what,
            "events": self.events,
            "repeats": len(self.seconds),
            "events_per_second": round(self.median),
            "lowest": round(min(self.rates)),
            "highest": round(max(self.rates)),
            "python_us": _each(used.python, self.events),
            "database_us": _each(used.database, self.events),
            "worker_memory_mb": round(self.memory_mb, 1) or None,
            "verified": self.sound,
        }


def _each(seconds: float | None, events: int) -> float | None:
    return None if seconds is None else round(seconds / events * 1e6, 1)


class Bench:
    """The measurements of one run, one method a way in."""

    def __init__(
        self,
        server: embedded.Embedded,
        place: Path,
        settings: Settings,
        members: Members,
        broker: Broker | None,
    ) -> None:
        self._server = server
        self._place = place
        self._members = members
        self._number = 0
        self._broker = broker
        self.settings = replace(settings, kafka_bootstrap=broker.bootstrap if broker else "")
        """Those of the run, with its broker."""
        self.prefix = place.name.strip(".")
        """What names of this run's topics begin with."""
        self.ran_on: dict[str, Any] = {}
        """The machine as the result names it."""
        self.ways: dict[str, Measured] = {}
        self.stages = Stages()
        self.outcomes: dict[str, Any] = {}

    async def prepare(self) -> None:
        """Make the books that every measurement begins with: members in force, the day open, no events."""
        await self._run(f"CREATE DATABASE {_EMPTY}")
        async with open_database(self._server.dsn(_EMPTY)) as database:
            await init(database.engine, CITY.read_bytes(), DAY)
        how = f"embedded PostgreSQL {database.server_version[0]}.{database.server_version[1]}"
        self.ran_on = machine(how, self._broker.how if self._broker else None)

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
                totals = await ingest_lines(database.engine, self.settings, self._members, lines)
            way.add(time.perf_counter() - began, cpu_now(self._server.cluster).since(before))
            self.outcomes = {name: value for name, value in totals.items() if name != "seconds"}
            await self.check(way, database, totals["taken"])
            copy = self.way(COPY, len(sent))
            before = cpu_now(self._server.cluster)
            seconds = await copy_rows(database, self._place)
            copy.add(seconds, Cpu(None, cpu_now(self._server.cluster).since(before).database))

    async def kafka(
        self, sent: Sequence[Sent], prefix: str, what: str = KAFKA, old: Database | None = None
    ) -> None:
        """Kafka's way: produced first, then taken by processes of their own, into fresh books or `old` ones.

        The cards' topic goes first: a card is used long after it was registered, and a day squeezed into seconds
        would measure how payments wait for their cards.
        """
        way = self.way(what, len(sent))
        settings = replace(self.settings, kafka_prefix=prefix, kafka_group=prefix)
        seconds, taken = 0.0, 0
        async with self.books() if old is None else contextlib.nullcontext(old) as database:
            if old is not None:
                await self._run("CHECKPOINT")  # as before fresh ones
            cpu_seconds, before = 0.0, cpu_now(self._server.cluster)
            for cards in (True, False):
                await produce(settings, [one for one in sent if (one.family == "cards") is cards])
                told = await worker_processes(settings, database.dsn)
                cpu_seconds += told.cpu_seconds
                seconds, taken = seconds + told.seconds, taken + told.taken
                way.memory_mb = max(way.memory_mb, told.memory_mb)
            way.add(seconds, Cpu(cpu_seconds, cpu_now(self._server.cluster).since(before).database))
            await self.check(way, database, taken, whole=old is None)

    async def loop(self, sent: Sequence[Sent]) -> None:
        """The loop's way."""
        way = self.way(LOOP, len(sent))
        async with self.books() as database:
            before = cpu_now(self._server.cluster)
            seconds = await take_one_by_one(database, self.settings, self._members, sent)
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


@contextlib.asynccontextmanager
async def a_bench(
    settings: Settings, members: Members, directory: Path | None, told: Told, *, kafka: bool = True
) -> AsyncIterator[Bench]:
    """A place below `directory` (default: the working directory) with a server and a broker, gone at the end.

    In:      `settings` name the broker if there is one to be used.
    Raises:  NoBroker when `kafka` and none is to be had; WorldFailed.
    """
    with contextlib.ExitStack() as stack:
        above = directory or Path.cwd()
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".bench-", dir=above)))
        server = embedded.acquire(place / "database")
        stack.callback(embedded.release, place / "database")
        broker = None
        if kafka:
            named = settings.kafka_bootstrap or None
            broker = stack.enter_context(brokers.kafka(place / "kafka", bootstrap=named, tell=told))
        bench = Bench(server, place, settings, members, broker)
        await bench.prepare()
        yield bench
