"""The demo's way through Kafka: a broker where one can be had, topics of its own, the day on them. 演示经Kafka"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from clearing.errors import WorldFailed
from clearing.jobs import consume, topics
from clearing.jobs import generate as generator
from clearing.jobs.broker import Broker, NoBroker, kafka
from messages.notices import topic_name

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from clearing.ledger.members import Members
    from clearing.settings import Settings

TOTALS: Final = ("taken", "posted", "noted", "duplicate", "rejected", "parked", "malformed", "woken")
CARDS: Final = "cards"
"""The family of events that others wait for."""

Say = Callable[[str], None]


@contextlib.asynccontextmanager
async def a_broker(
    out: Path, settings: Settings, say: Say, *, wanted: bool
) -> AsyncIterator[tuple[Broker | None, str]]:
    """A broker, or None and why there is none. One that was named and does not answer is an error."""
    if not wanted:
        yield None, "--no-kafka was given"
        return
    say("looking for an Apache Kafka")
    directory = out / ".kafka"
    having = kafka(directory, bootstrap=settings.kafka_bootstrap or None, tell=say)
    with contextlib.ExitStack() as stack:
        try:
            # Starting takes seconds and waits in its own way: beside the loop, not in it.
            broker = await asyncio.to_thread(stack.enter_context, having)
        except NoBroker as none:
            if settings.kafka_bootstrap:
                raise
            yield None, f"{none}"
            return
        leaving = stack.pop_all()
    try:
        say(f"using {broker.how}")
        yield broker, ""
    finally:
        await asyncio.to_thread(leaving.close)
        shutil.rmtree(directory, ignore_errors=True)


def own_topics(settings: Settings, broker: Broker) -> Settings:
    """Settings that lead to this broker; on one that is the site's, to topics of the demo's own."""
    if settings.kafka_bootstrap:
        name = f"{settings.kafka_prefix}-demo-{secrets.token_hex(4)}"
        return replace(settings, kafka_prefix=name, kafka_group=name)
    return replace(settings, kafka_bootstrap=broker.bootstrap, kafka_security="PLAINTEXT")


async def through(
    settings: Settings, engine: AsyncEngine, members: Members, generated: generator.Generated, say: Say
) -> dict[str, Any]:
    """Produce the day to its topics and let one worker take all of it.

    A whole day comes at once here, so topics overtake each other by hours. Cards go first, as in a city where a
    card is known long before it pays; everything else finds its own order.
    """
    await topics.create_topics(settings)
    cards = [one for one in generated.events() if one.family == CARDS]
    others = [one for one in generated.events() if one.family != CARDS]
    totals: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    began = time.monotonic()
    for what, part in ((f"{len(cards):,} events of cards", cards), (f"{len(others):,} other events", others)):
        say(f"producing {what} to their topics; a worker takes them")
        await _produce(settings, part)
        taken = (await consume.work(engine, settings, members, until_idle=True)).as_json(0.0)
        reasons.update(taken.pop("reasons"))
        totals.update(taken)
    if totals["taken"] < generated.count:
        raise WorldFailed(
            f"demo: {totals['taken']:,} of {generated.count:,} records were taken; the worker was stopped. "
            "Next: run it again"
        )
    return {
        **{name: totals[name] for name in TOTALS},
        "seconds": round(time.monotonic() - began, 3),
        "reasons": dict(sorted(reasons.items())),
    }


async def _produce(settings: Settings, records: Iterable[generator.Sent]) -> None:
    producer = AIOKafkaProducer(**topics.kafka_options(settings), enable_idempotence=True, linger_ms=5)
    await producer.start()
    try:
        sent = [
            await producer.send(topic_name(one.family, settings.kafka_prefix), one.value, one.key.encode())
            for one in records
        ]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


async def records_of(settings: Settings, topic: str) -> int:
    """How many records a topic holds."""
    consumer = AIOKafkaConsumer(topic, **topics.kafka_options(settings))
    await consumer.start()
    try:
        parts = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        return sum((await consumer.end_offsets(parts)).values())
    finally:
        await consumer.stop()


async def remove_topics(settings: Settings) -> None:
    """Leave the site's broker as it was; where that is not allowed the topics stay."""
    admin = AIOKafkaAdminClient(**topics.kafka_options(settings))
    with contextlib.suppress(Exception):
        await admin.start()
        try:
            mine = [
                name for name in await admin.list_topics() if name.startswith(f"{settings.kafka_prefix}.")
            ]
            await admin.delete_topics(mine)
        finally:
            await admin.close()
