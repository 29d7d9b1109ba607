"""How long from a producer's send to the result at its consumer, at a steady rate. 时延测速

A worker in a process of its own takes what a producer here sends at a fixed rate; a consumer here notes when each
event's result arrives. The schedule is fixed beforehand: an event that could not be sent in time counts from when
it was due, so a stall is not left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import tomllib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from rich.table import Table

from clearing.errors import WorldFailed
from clearing.jobs.bench.kafka import WORKERS, produce, running_workers
from clearing.jobs.bench.ways import DAY, Told, a_bench
from clearing.jobs.generate import CITY, Plan, Sent, generate_day
from clearing.jobs.setup import with_settings
from clearing.jobs.topics import kafka_options
from clearing.ledger.members_file import load_members
from messages.notices import RESULTS, topic_name

if TYPE_CHECKING:
    from clearing.settings import Settings

SLICE_SECONDS: Final = 0.002
"""What falls due is sent this often."""
WARM_SHARE: Final = 0.2
"""The first part of a run is not counted: connections, plans, validators."""
LAST_SECONDS_MAX: Final = 60.0
PERCENTILES: Final = (50, 95, 99)


async def bench_latency(
    settings: Settings,
    rates: Sequence[int] = (200, 1_000),
    *,
    seconds: float = 20.0,
    seed: int = 7,
    directory: Path | None = None,
    told: Told = lambda _: None,
) -> dict[str, Any]:
    """Measure the way from the producer's send to the consumer of results, once a rate. 时延测速

    In:      `rates` in events a second, each kept for `seconds`.
    Out:     {"machine", "conditions", "measurements": [{"rate", "events", "p50_ms", "p95_ms", "p99_ms",
             "highest_ms"}]}.
    Writes:  nothing that stays.
    Again:   other figures.
    Raises:  NoBroker; WorldFailed when results are missing a minute after the last send.
    """
    members = with_settings(load_members(tomllib.loads(CITY.read_text(encoding="utf-8"))), settings)
    rows: list[dict[str, Any]] = []
    async with a_bench(settings, members, directory, told) as bench:
        for number, rate in enumerate(rates):
            told(f"{rate:,} events a second for {seconds:g} s")
            events = max(200, int(rate * seconds))
            sent = list(generate_day(Plan(), members, DAY, events, seed).events())
            prefix = f"{bench.prefix}-{number}"
            given = replace(bench.settings, kafka_prefix=prefix, kafka_group=prefix)
            async with bench.books() as database:
                cards = [one for one in sent if one.family == "cards"]
                others = [one for one in sent if one.family != "cards"]
                await produce(given, cards)
                async with running_workers(given, database.dsn):
                    taken = await _run(given, others, rate, after={f"{one.source}/{one.id}" for one in cards})
            rows.append({"rate": rate, "events": len(others), **_percentiles(taken)})
    return {
        "machine": bench.ran_on,
        "conditions": {"workers": WORKERS, "seconds": seconds, "seed": seed, "fsync": "on"},
        "measurements": rows,
    }


async def _run(settings: Settings, sent: Sequence[Sent], rate: int, *, after: set[str]) -> list[float]:
    """Send at the rate and listen: seconds from when each event was due to its first result.

    In:      `after`: the events that are in their topic already and must have their results first.
    """
    arrived: dict[str, float] = {}
    consumer = AIOKafkaConsumer(
        topic_name(RESULTS, settings.kafka_prefix), **kafka_options(settings), auto_offset_reset="earliest"
    )
    await consumer.start()
    listening = asyncio.create_task(_listen(consumer, arrived))
    try:
        while not after <= arrived.keys():  # noqa: ASYNC110 - results come by a task that knows no event of ours
            await asyncio.sleep(0.05)
        due = await _send(settings, sent, rate)
        ends = time.monotonic() + LAST_SECONDS_MAX
        while not due.keys() <= arrived.keys():
            if time.monotonic() > ends:
                missing = len(due.keys() - arrived.keys())
                raise WorldFailed(
                    f"bench: {missing} results of {len(due)} did not come. Next: try a lower rate"
                )
            await asyncio.sleep(0.05)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await consumer.stop()
    return [arrived[key] - at for key, at in list(due.items())[int(len(due) * WARM_SHARE) :]]


async def _listen(consumer: Any, arrived: dict[str, float]) -> None:  # noqa: ANN401 - the library has no types
    while True:
        found = await consumer.getmany(timeout_ms=100)
        now = time.monotonic()
        for records in found.values():
            for one in records:
                arrived.setdefault(one.key.decode(), now)


async def _send(settings: Settings, sent: Sequence[Sent], rate: int) -> dict[str, float]:
    """Send each record when it is due, and give when that was, by `source/id`."""
    due: dict[str, float] = {}
    async with _producer(settings) as producer:
        began = time.monotonic()
        number = 0
        while number < len(sent):
            reached = min(len(sent), int((time.monotonic() - began) * rate) + 1)
            for one in sent[number:reached]:
                due[f"{one.source}/{one.id}"] = began + number / rate
                await producer.send(
                    topic_name(one.family, settings.kafka_prefix), one.value, key=one.key.encode()
                )
                number += 1
            await asyncio.sleep(SLICE_SECONDS)
    return due


@contextlib.asynccontextmanager
async def _producer(settings: Settings) -> AsyncIterator[Any]:
    producer = AIOKafkaProducer(**kafka_options(settings), linger_ms=0, enable_idempotence=True)
    await producer.start()
    try:
        yield producer
        await producer.flush()
    finally:
        await producer.stop()


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    at = {one: ordered[min(len(ordered) - 1, len(ordered) * one // 100)] for one in PERCENTILES}
    return {
        **{f"p{one}_ms": round(value * 1000, 1) for one, value in at.items()},
        "highest_ms": round(ordered[-1] * 1000, 1),
    }


def table(result: dict[str, Any]) -> Table:
    """The latencies as people read them. 时延表"""
    on = result["machine"]
    out = Table(title="From a producer's send to the result at its consumer 时延", title_justify="left")
    for name in ("events/s", "events", "p50 ms", "p95 ms", "p99 ms", "highest ms"):
        out.add_column(name, justify="right")
    for row in result["measurements"]:
        cells = (row["p50_ms"], row["p95_ms"], row["p99_ms"], row["highest_ms"])
        out.add_row(f"{row['rate']:,}", f"{row['events']:,}", *(f"{one:,.1f}" for one in cells))
    out.caption = f"{on['cores']} cores, {on['database']}, {on['kafka']}; load before {on['load_before']}"
    out.caption_justify = "left"
    return out
