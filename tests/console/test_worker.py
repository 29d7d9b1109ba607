"""`clearing worker` against a real Kafka: the command itself; what it promises is shown in tests/jobs."""

from __future__ import annotations

import asyncio
import secrets

from aiokafka import AIOKafkaProducer

from clearing.jobs.broker import Broker
from tests.console.conftest import Clearing, day_folder


def test_a_worker_says_which_topics_are_missing_makes_them_and_takes_records(
    broker: Broker, worked: Clearing
) -> None:
    """Without --create-topics a missing topic is named; with it the worker takes what comes."""
    prefix = f"console{secrets.token_hex(4)}"
    named = {"CLEARING_KAFKA_BOOTSTRAP": broker.bootstrap, "CLEARING_KAFKA_PREFIX": prefix}
    missing = worked("worker", "--until-idle", "--json", **named)
    assert missing.code == 2
    assert "clearing worker --create-topics" in missing.err
    assert worked("worker", "--create-topics", "--until-idle", "--json", **named).json["taken"] == 0
    lines = (day_folder("2026-03-09") / "events.jsonl").read_bytes().splitlines()
    asyncio.run(produce(broker.bootstrap, f"{prefix}.control", lines))
    taken = worked("worker", "--until-idle", "--json", **named)
    assert taken.code == 0, taken.err
    assert taken.json["taken"] == len(lines)
    assert taken.json["parked"] == 0


def test_a_topic_that_the_brokers_refuse_is_told_and_not_waited_for(broker: Broker, worked: Clearing) -> None:
    """A name that is too long for them: which topic, why, and exit code 2."""
    named = {"CLEARING_KAFKA_BOOTSTRAP": broker.bootstrap, "CLEARING_KAFKA_PREFIX": "x" * 250}
    said = worked("worker", "--create-topics", "--until-idle", **named)
    assert said.code == 2, said
    assert "is refused: INVALID_TOPIC" in said.err


async def produce(bootstrap: str, topic: str, values: list[bytes]) -> None:
    """Send records to one partition, in order."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(topic, value, partition=0)
    finally:
        await producer.stop()
