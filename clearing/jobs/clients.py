"""The Kafka clients of a worker: made, connected however long it takes, watched, stopped. 客户端"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from clearing.errors import InvariantViolated, UsageError
from clearing.jobs.patience import waiting
from clearing.jobs.topics import event_topics, kafka_options

if TYPE_CHECKING:
    from clearing.settings import Settings

WATCH_SECONDS: Final = 5.0
"""How often the brokers are asked whether they are there: the client waits for them without a word."""

log = structlog.get_logger("worker")


def new_consumer(settings: Settings) -> AIOKafkaConsumer:
    """One consumer of the group; the books say where it goes on, so it commits nothing by itself."""
    return AIOKafkaConsumer(
        **kafka_options(settings),
        group_id=settings.kafka_group,
        enable_auto_commit=False,
        # A partition that was never taken is sought to its beginning on assignment; any other to its
        # stored position. A position that the broker does not have any more must stop us, not skip.
        auto_offset_reset="none",
        isolation_level="read_committed",  # what a producer took back in a transaction was never said
        # One worker gets the same partition numbers of all topics: what is keyed by one card stays together.
        partition_assignment_strategy=(RangePartitionAssignor,),
        max_partition_fetch_bytes=1024 * 1024,
        fetch_max_wait_ms=50,
        heartbeat_interval_ms=1000,  # how soon a worker that joins gets its share
    )


def new_producer(settings: Settings) -> AIOKafkaProducer:
    """Who sends notices: ready batches, in order, none twice while it lives."""
    return AIOKafkaProducer(
        **kafka_options(settings),
        enable_idempotence=True,
        linger_ms=0,  # batches come ready
        max_batch_size=256 * 1024,
        compression_type=None,
    )


async def connected(client: AIOKafkaProducer | AIOKafkaConsumer, stopping: asyncio.Event) -> bool:
    """Connect a client, however long the brokers take; False when told to stop meanwhile."""
    failures = 0
    while not stopping.is_set():
        try:
            await client.start()
        except KafkaError as error:
            failures += 1
            await pause(stopping, waiting(error, failures))
        else:
            return True
    return False


async def watch(consumer: AIOKafkaConsumer, settings: Settings) -> None:
    """Say when no broker answers, and when one does again; what waits for it goes on by itself."""
    missed = 0
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        try:
            await asyncio.wait_for(consumer.topics(), WATCH_SECONDS)
        except (KafkaError, TimeoutError):
            missed += 1
            if missed & (missed - 1) == 0:  # ever more seldom
                log.warning("Kafka: no broker answers, waiting for one", bootstrap=settings.kafka_bootstrap)
        else:
            if missed:
                log.info("Kafka answers again")
            missed = 0


async def check_topics(consumer: AIOKafkaConsumer, settings: Settings) -> None:
    """Make sure that there is something to consume.

    Raises:  UsageError when a topic of the contract is missing.
    """
    existing = await consumer.topics()
    missing = [name for name in event_topics(settings.kafka_prefix) if name not in existing]
    if missing:
        raise UsageError(
            f"Kafka: topic {missing[0]} does not exist ({len(missing)} missing). "
            "Next: create it, or run clearing worker --create-topics"
        )


async def pause(stopping: asyncio.Event, seconds: float) -> None:
    """Wait, unless told to stop."""
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        return


async def stop_within(seconds: float, client: AIOKafkaProducer | AIOKafkaConsumer) -> None:
    """Stop a client, without waiting for a broker that does not answer any more."""
    try:
        await asyncio.wait_for(client.stop(), seconds)
    except TimeoutError:
        log.warning("Kafka: no answer while stopping", seconds=seconds)


def another_topic(partition: TopicPartition, offset: int) -> InvariantViolated:
    """What was last taken of a partition is not what it has in that place."""
    return InvariantViolated(
        f"Kafka: {partition.topic}[{partition.partition}] at {offset}: expected the record that was taken there, "
        "got another. Nothing was taken. Next: find out whether the topic was made anew, or is another broker's: its "
        "records up to there were never taken"
    )


def position_gone(error: OffsetOutOfRangeError) -> InvariantViolated:
    """The broker has deleted records that were never taken, or is another one than before."""
    where = ", ".join(f"{one.topic}[{one.partition}] at {offset}" for one, offset in error.args[0].items())
    return InvariantViolated(
        f"Kafka: {where}: the stored position is not in the topic. Nothing was skipped. Next: find out whether "
        "records were deleted before they were taken, or the topic was made anew"
    )
