"""What may change under a worker: odd timestamps, transactions given up, topics made anew, members that join."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from clearing.errors import InvariantViolated
from clearing.jobs.broker import Broker
from clearing.jobs.consume import Worker
from clearing.jobs.setup import approve, init, load
from clearing.settings import Settings
from tests.jobs.made import CARDS, MORNING, line, payment
from tests.jobs.running import (
    DAYS,
    FIRST_DAY,
    PATIENCE_SECONDS,
    Books,
    Sent,
    books,
    send,
    taken,
    through_kafka,
    topics,
    until,
    worked_members,
    working,
)

LONG_MAX = 2**63 - 1


@contextlib.asynccontextmanager
async def administering(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """Who may do anything to the topics."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def made_anew(settings: Settings, topic: str) -> None:
    """Delete a topic and make one of the same name."""
    async with administering(settings) as admin:
        await admin.delete_topics([topic])

        async def gone() -> bool:
            return topic not in await admin.list_topics()

        await until(gone, "the old topic to be gone")
        await admin.create_topics([NewTopic(topic, 1, 1, topic_configs={"retention.ms": "-1"})])


async def forgotten(settings: Settings, topic: str, before: int) -> None:
    """Remove the records before an offset, as retention does."""
    async with administering(settings) as admin:
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=before)})


@pytest.fixture
async def the(blank: Callable[[], str], broker: Broker) -> AsyncIterator[Books]:
    """Books that know the cards, and topics of one partition."""
    settings = await topics(broker.bootstrap, partitions=1)
    async with books(blank(), settings, worked_members()) as the:
        await the.ingest(CARDS)
        yield the


@pytest.fixture
def topic(the: Books) -> str:
    """Where payments come."""
    return f"{the.settings.kafka_prefix}.payments"


def a_few(name: str, count: int) -> list[Sent]:
    """Payments of one name."""
    return [Sent("payments", name, line(payment(f"{name}{number}")), MORNING) for number in range(count)]


async def stops(the: Books) -> None:
    """A worker that comes to its end by itself; one that does not fails."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        await Worker(the.engine, the.settings, the.members).run()


@pytest.mark.parametrize("stamp", [-1, 1_773_021_600_000_000_000, LONG_MAX])
async def test_a_record_whose_timestamp_is_no_time_is_taken(the: Books, topic: str, stamp: int) -> None:
    """None at all, or nanoseconds where milliseconds belong."""
    async with administering(the.settings) as admin:  # a broker of before 4.0 does not look at them
        most = {"message.timestamp.after.max.ms": f"{LONG_MAX}", "retention.ms": "-1"}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, most)])
    async with working(the):
        async with AIOKafkaProducer(bootstrap_servers=the.settings.kafka_bootstrap) as producer:
            batch = producer.create_batch()
            batch.append(key=b"1", value=line(payment("1")), timestamp=stamp)
            batch.close()
            await (await producer.send_batch(batch, topic, partition=0))
        await taken(the)
    assert await the.outcome("H1", "PAY-1") == ("posted", "")


async def test_what_a_producer_took_back_was_never_said(the: Books, topic: str) -> None:
    """A transaction that was aborted is no record of ours; one that was committed is."""
    async with AIOKafkaProducer(
        bootstrap_servers=the.settings.kafka_bootstrap, transactional_id=the.settings.kafka_prefix
    ) as producer:
        for name, stands in (("1", False), ("2", True)):
            await producer.begin_transaction()
            await producer.send_and_wait(
                topic, line(payment(name)), timestamp_ms=int(MORNING.timestamp() * 1000)
            )
            await (producer.commit_transaction() if stands else producer.abort_transaction())
    await through_kafka(the, [Sent("payments", "3", line(payment("3")), MORNING)])
    assert await the.rows("SELECT event_id FROM entry ORDER BY 1") == [("PAY-2",), ("PAY-3",)]


async def test_a_topic_made_anew_stops_the_worker_before_it_skips_a_record(the: Books, topic: str) -> None:
    """It is longer than what was taken of the old one: the stored position is there, behind another record."""
    an_event, its_repeat, no_event = *a_few("old", 1) * 2, Sent("payments", "", b"{", MORNING)
    for last in (an_event, its_repeat, no_event):
        await through_kafka(the, [last])
    await made_anew(the.settings, topic)
    await send(the.settings, a_few("new", 5))
    with pytest.raises(InvariantViolated, match=rf"{topic}\[0\] at 2: .*made anew"):
        await stops(the)
    assert await the.one("SELECT count(*) FROM entry") == 1


async def test_records_deleted_before_they_were_taken_stop_the_worker(the: Books, topic: str) -> None:
    """What retention took from behind the stored position is no loss, what it took from before it is."""
    await through_kafka(the, a_few("old", 3))
    await forgotten(the.settings, topic, 3)
    await through_kafka(the, a_few("new", 2))
    assert await the.one("SELECT count(*) FROM entry") == 5
    await send(the.settings, a_few("lost", 2))
    await forgotten(the.settings, topic, 6)
    with pytest.raises(InvariantViolated, match=rf"{topic}\[0\] at 5: .*deleted before"):
        await stops(the)
    assert await the.one("SELECT count(*) FROM entry") == 5


async def test_members_approved_while_a_worker_runs_count_from_then_on(the: Books) -> None:
    """A hospital that joins is known without anybody starting the workers again."""
    file = (DAYS / "2026-03-10-worked-day" / "members.toml").read_text(encoding="utf-8")
    joined = '[[hospital]]\ncode = "H9"\nlevel = "COUNTY"\nownership = "PUBLIC"\n'
    joined += 'settlement_bank = "B1"\nsettlement_account = "99010000000000091"\n'
    await init(the.engine, file.encode(), FIRST_DAY)
    async with working(the) as (worker,):
        await send(the.settings, [of_h9("early")])
        await taken(the)
        await approve(the.engine, await load(the.engine, f"{file}\n{joined}".encode(), "ann"), "bob")

        async def known() -> bool:
            return worker._members.on(FIRST_DAY).kind("H9") is not None

        await until(known, "the worker to know the hospital")
        await send(the.settings, [of_h9("after")])
        await taken(the)
    assert await the.outcome("H9", "PAY-early") == ("rejected", "unknown_source")
    assert await the.outcome("H9", "PAY-after") == ("posted", "")


def of_h9(name: str) -> Sent:
    """A payment at a hospital of its own."""
    return Sent("payments", name, line(payment(name, institution="H9") | {"source": "H9"}), MORNING)
