"""Where a worker's partitions stand: loaded as they come, moved by what is durable, forgotten as they go. 位置

The database holds the position, so the group's own offsets are only committed for people who watch the lag.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from clearing.jobs.clients import another_topic
from clearing.jobs.ingest import Batch, Record, Stream, Taken, decoded
from clearing.jobs.topics import event_topics
from clearing.store import streams
from clearing.store.session import IDLE_SECONDS_MAX, transaction
from messages.notices import topic_name

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from clearing.jobs.inflow import Inflow
    from clearing.settings import Settings

ANSWER_SECONDS_MAX: Final = 5.0
"""How long brokers are waited for to say what they have; a partition without a leader has nobody to say it."""
LANES: Final = 8
"""Partitions of one family have lanes of their own: lane = partition × LANES + family."""


class Positions:
    """The partitions that are ours, each with the stream as it was loaded or as its last batch left it."""

    def __init__(
        self, engine: AsyncEngine, settings: Settings, consumer: AIOKafkaConsumer, inflow: Inflow
    ) -> None:
        self._engine = engine
        self._consumer = consumer
        self._inflow = inflow
        self._topics = event_topics(settings.kafka_prefix)
        self._first = TopicPartition(topic_name("control", settings.kafka_prefix), 0)
        self._streams: dict[TopicPartition, Stream] = {}
        self._behind: dict[TopicPartition, streams.LastRecord] = {}
        """Where a partition was begun, the record behind which it goes on, until it has come again."""

    @property
    def leads(self) -> bool:
        """Whether this worker is the one of its group that has the first control partition."""
        return self._first in self._streams

    def batches(self, fetched: Mapping[TopicPartition, Sequence[Any]]) -> list[Batch]:
        """What came, decoded, a batch a partition, of the cards' topic first; what was taken before is left out.

        Raises:  InvariantViolated when a topic is not the one that was taken from before.
        """
        found: list[Batch] = []
        for partition in sorted(fetched, key=self._order):
            stream = self._streams[partition]
            self._same_topic(partition, fetched[partition][0])
            records = [
                Record(one.offset, one.value, instant_of(one.timestamp))
                for one in fetched[partition]
                if stream.position is None or one.offset >= stream.position
            ]
            if records:
                found.append(decoded(stream, records, records[-1].position + 1))
        return found

    def _same_topic(self, partition: TopicPartition, first: Any) -> None:  # noqa: ANN401 - the library has no types
        """Hold the first record that came against the one that was taken from its place."""
        last = self._behind.pop(partition, None)
        if last is None or first.offset != last.offset:
            return  # compacted away: what comes is all that there is
        if hashlib.new("sm3", first.value or b"").digest() != last.sm3:
            raise another_topic(partition, last.offset)

    def moved(self, batches: Sequence[Batch], taken: Sequence[Taken]) -> None:
        """These are durable; a partition that was revoked meanwhile stays forgotten."""
        for partition, one in zip(map(partition_of, batches), taken, strict=True):
            if partition in self._streams:
                self._streams[partition] = one.stream

    async def begin(
        self, partitions: Iterable[TopicPartition], catch_up: Callable[[TopicPartition], Awaitable[None]]
    ) -> None:
        """Load where partitions stand, announce what was committed up to there and not announced, and seek there.

        In that order: who had them before can commit until the position is loaded, and is not waited for to
        announce. What it commits later fences us, and we begin again.

        Begun is with the record before the position, where the broker still has it: a topic that was made anew has
        another one there, and would be gone on with in its middle.
        """
        wanted = list(partitions)
        async with transaction(self._engine, idle_seconds_max=IDLE_SECONDS_MAX) as conn:
            heads = {topic: await streams.load(conn, topic) for topic in {one.topic for one in wanted}}
            last = await streams.last_records(conn, wanted)
        for partition in wanted:
            await catch_up(partition)
        behind = await self._still_there({one: last[one] for one in wanted if one in last})
        beginnings = [one for one in wanted if one.partition not in heads[one.topic]]
        first = await self._consumer.beginning_offsets(beginnings) if beginnings else {}
        for partition in wanted:
            if partition not in self._consumer.assignment():
                continue  # revoked meanwhile
            stream = Stream.of(
                partition.topic, partition.partition, heads[partition.topic].get(partition.partition)
            )
            self._streams[partition] = replace(stream, lane=self._lane(partition))
            position = stream.position if stream.position is not None else first[partition]
            self._behind.pop(partition, None)
            if partition in behind:
                self._behind[partition] = behind[partition]
                position = behind[partition].offset
            self._consumer.seek(partition, position)
            self._inflow.open(partition)

    async def _still_there(
        self, last: Mapping[TopicPartition, streams.LastRecord]
    ) -> dict[TopicPartition, streams.LastRecord]:
        """Those records that the brokers say they have; none where one does not answer: the others' must not wait."""
        if not last:
            return {}
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                first = await self._consumer.beginning_offsets(list(last))
                ends = await self._consumer.end_offsets(list(last))
        except (TimeoutError, KafkaError):
            return {}
        return {one: found for one, found in last.items() if first[one] <= found.offset < ends[one]}

    def forget(self, partition: TopicPartition) -> bool:
        """Where it stands, and what came of it and was not taken; whether it was ours."""
        self._inflow.close(partition)
        self._behind.pop(partition, None)
        return self._streams.pop(partition, None) is not None

    def forget_all(self) -> None:
        """All of them."""
        for partition in list(self._streams):
            self.forget(partition)

    async def at_end(self) -> bool:
        """Whether every assigned partition has been taken to its end."""
        assigned = self._consumer.assignment()
        if not assigned:
            return False
        if not assigned <= self._streams.keys():
            return False  # assigned, but where it stands has not been loaded
        ends = await self._consumer.end_offsets(list(assigned))
        # Asked again: while the broker answered, a partition may have been revoked, or begun anew.
        stands = {one: self._streams.get(one) for one in ends}
        return all(one is not None and (one.position or 0) >= ends[key] for key, one in stands.items())

    def _order(self, partition: TopicPartition) -> tuple[int, int]:
        """Families in the contract's order: a card is known before it is used."""
        return self._topics.index(partition.topic), int(partition.partition)

    def _lane(self, partition: TopicPartition) -> int:
        family, number = self._order(partition)
        return number * LANES + family


def instant_of(timestamp: int) -> datetime | None:
    """The time that a broker has for a record, from milliseconds; None where it has none, or none that can be.

    A topic may take whatever its producers say: none at all (-1), or nanoseconds in place of milliseconds.
    """
    if timestamp < 0:
        return None
    try:
        return datetime.fromtimestamp(timestamp / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def partition_of(batch: Batch) -> TopicPartition:
    """The partition that a batch came from."""
    return TopicPartition(batch.head.name, batch.head.partition)
