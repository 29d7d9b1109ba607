"""Kafka → durable: records produced beforehand, taken by workers in processes of their own. 消息测速

Run as a program it is one such worker: it takes what is in the topics with the others of its group, then tells on
one line of JSON when it began (its first partitions assigned) and when its last batch was durable; with `--stay`
it works until it is told to stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from datetime import time as clock
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import uvloop
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from clearing.errors import WorldFailed
from clearing.jobs.bench.machine import high_water_mb
from clearing.jobs.consume import Worker
from clearing.jobs.setup import members_in_force, with_settings
from clearing.jobs.topics import create_topics, kafka_options
from clearing.settings import PREFIX, TABLE, load
from clearing.store.database import open_database
from messages.notices import topic_name

if TYPE_CHECKING:
    from clearing.jobs.generate import Sent
    from clearing.settings import Settings

SECONDS_MAX: Final = 900
_LINGER_MS: Final = 20
_JOIN_SECONDS_MAX: Final = 60


STAY: Final = "--stay"
WORKERS: Final = 2
"""One a core: a worker is one interpreter."""


class Told(NamedTuple):
    """What a worker's process tells; the clock is the machine's, the same for all processes."""

    began: float
    ended: float
    cpu_seconds: float
    """Processor time of that process meanwhile."""
    taken: int
    memory_mb: float
    """The most it held."""


class Ran(NamedTuple):
    """What all workers together did."""

    seconds: float
    """From the first assignment in any process to the last durable batch in any."""
    cpu_seconds: float
    taken: int
    memory_mb: float
    """The most that one of them held."""


async def produce(settings: Settings, sent: Iterable[Sent]) -> None:
    """Put records into the topics of their families under their keys, as producers would. 发送

    Writes:  topics, created when they are missing.
    """
    await create_topics(settings)
    producer = AIOKafkaProducer(
        **kafka_options(settings), linger_ms=_LINGER_MS, max_batch_size=256 * 1024, enable_idempotence=True
    )
    await producer.start()
    try:
        for one in sent:
            await producer.send(
                topic_name(one.family, settings.kafka_prefix), one.value, key=one.key.encode()
            )
        await producer.flush()
    finally:
        await producer.stop()


async def worker_processes(settings: Settings, dsn: str, count: int = WORKERS) -> Ran:
    """Let some workers, a process each, take all that is in the topics. 独立进程消费

    Raises:  WorldFailed with the last words of one that fails or takes too long.
    """
    told = await asyncio.gather(*(_worker_process(settings, dsn) for _ in range(count)))
    busy = [one for one in told if one.taken] or told
    return Ran(
        max(one.ended for one in busy) - min(one.began for one in busy),
        sum(one.cpu_seconds for one in told),
        sum(one.taken for one in told),
        max(one.memory_mb for one in told),
    )


@contextlib.asynccontextmanager
async def running_workers(settings: Settings, dsn: str, count: int = WORKERS) -> AsyncIterator[None]:
    """Workers that take what comes while the block runs, a process each, and are told to stop at its end.

    The block begins when all have joined: whoever joins stops the others for a moment, which is no part of a
    measurement at a steady rate.

    Raises:  WorldFailed when one ended by itself, or does not join.
    """
    processes = [await _started(settings, dsn, STAY) for _ in range(count)]
    try:
        await _joined(settings, count)
        yield
        ended = [one.returncode for one in processes if one.returncode is not None]
        if ended:
            raise WorldFailed(f"bench: a worker ended with {ended[0]}. Next: try again")
    finally:
        for one in processes:
            with contextlib.suppress(ProcessLookupError):
                one.terminate()
        await asyncio.gather(*(one.communicate() for one in processes))


async def _joined(settings: Settings, count: int) -> None:
    """Wait until so many share the group's partitions.

    Raises:  WorldFailed when they do not within a minute.
    """
    admin = AIOKafkaAdminClient(**kafka_options(settings))
    await admin.start()
    try:
        async with asyncio.timeout(_JOIN_SECONDS_MAX):
            while await _members(admin, settings.kafka_group) != count:  # noqa: ASYNC110 - the broker is asked
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise WorldFailed(
            f"bench: {count} workers did not join within {_JOIN_SECONDS_MAX} s. Next: try again"
        ) from None
    finally:
        await admin.close()


async def _members(admin: AIOKafkaAdminClient, group: str) -> int:
    """How many have their share of a group's partitions; 0 while they are being shared out."""
    try:
        [told] = await admin.describe_consumer_groups([group])
    except KafkaError:  # its coordinator is not there yet
        return 0
    _, _, state, _, _, members, *_ = told.groups[0]
    return len(members) if state == "Stable" else 0


async def _started(settings: Settings, dsn: str, *arguments: str) -> asyncio.subprocess.Process:
    given = replace(settings, database_url=dsn)
    environment = {
        **os.environ,
        **{PREFIX + row.name.upper(): _text(getattr(given, row.name)) for row in TABLE},
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "clearing.jobs.bench.kafka",
        *arguments,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def _worker_process(settings: Settings, dsn: str) -> Told:
    """One worker in its own process.

    Raises:  WorldFailed with its last words when it fails or takes too long.
    """
    process = await _started(settings, dsn)
    try:
        out, err = await asyncio.wait_for(process.communicate(), SECONDS_MAX)
    except TimeoutError:
        process.kill()
        raise WorldFailed(
            f"bench: the worker did not end in {SECONDS_MAX} s. Next: take fewer events"
        ) from None
    if process.returncode:
        last = " | ".join(err.decode(errors="replace").strip().splitlines()[-3:])
        raise WorldFailed(f"bench: the worker ended with {process.returncode}: {last}")
    return Told(**json.loads(out.splitlines()[-1]))


def _text(value: object) -> str:
    """A setting as its variable would say it."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case clock():
            return f"{value:%H:%M}"
        case tuple():
            return " ".join(map(_text, value))
        case _:
            return str(value)


# ---------------------------------------------------------------- the process


class TimedWorker(Worker):
    """The worker with a look at the clock at its first assignment and after each fetch that is durable."""

    began: tuple[float, float] | None = None
    ended: tuple[float, float] = (0.0, 0.0)

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """As the worker does; the clock starts when the first records may come."""
        await super().on_partitions_assigned(assigned)
        self.began = self.began or (time.monotonic(), time.process_time())

    async def _take_group(self, hand: int, fetched: dict[Any, list[Any]]) -> None:
        await super()._take_group(hand, fetched)
        self.ended = (time.monotonic(), time.process_time())


async def _work(*, until_idle: bool) -> Told:
    settings = load(os.environ, Path("/"))
    async with open_database(settings.database_url) as database:
        members = with_settings(await members_in_force(database.engine), settings)
        worker = TimedWorker(database.engine, settings, members)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
        totals = await worker.run(until_idle=until_idle)
    began = worker.began or worker.ended
    cpu_seconds = max(0.0, worker.ended[1] - began[1])
    return Told(began[0], worker.ended[0], cpu_seconds, int(totals.as_json(0)["taken"]), high_water_mb())


def main(arguments: Sequence[str]) -> None:
    """Be the worker of a measurement: until nothing is left, or with --stay until it is told to stop."""
    told = uvloop.run(_work(until_idle=STAY not in arguments))
    print(json.dumps(told._asdict()))  # noqa: T201 - what the other process reads


if __name__ == "__main__":
    main(sys.argv[1:])
