"""What goes out of a worker: the notices of each group, how far they are, and the jobs' errands. 送出

    group durable → notices under way while the next is taken → out → written down four times a second

One group of a hand is under way at most, so that a hand's notices stay in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from clearing.jobs.clients import connected, new_producer, stop_within
from clearing.jobs.exposure import CapWatch
from clearing.jobs.patience import WORTH_WAITING, said
from clearing.jobs.positions import partition_of
from clearing.jobs.publish import Publisher

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from clearing.jobs.ingest import Batch, Taken
    from clearing.ledger.members import Members
    from clearing.settings import Settings

ERRANDS_SECONDS: Final = 1.0
PROGRESS_SECONDS: Final = 0.25
"""How often it is written down how far notices are out. After a crash those of as long are sent once more."""

log = structlog.get_logger("worker")


class Outflow:
    """One producer, the notices that are under way by it, and how far they are out."""

    def __init__(
        self, engine: AsyncEngine, settings: Settings, members: Members, consumer: AIOKafkaConsumer
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._platform = members.platform.code
        self._consumer = consumer
        self._caps = CapWatch(engine, members)
        self._errands_at = 0.0
        self._progress_at = 0.0
        self._ends: dict[TopicPartition, int] = {}
        """How far each partition is announced, where the group's own offsets do not say so yet."""
        self._under_way: dict[int, asyncio.Task[None]] = {}
        """By hand, the notices of its last group."""
        self._failed = False
        self._make()

    def _make(self) -> None:
        """A client that numbers its records anew, and who sends notices by it."""
        self._producer = new_producer(self._settings)
        self._publisher = Publisher(
            self._engine, self._producer, platform=self._platform, prefix=self._settings.kafka_prefix
        )

    def follow(self, members: Members) -> None:
        """Other members are in force: caps are theirs from now on."""
        self._caps = CapWatch(self._engine, members)

    # -- its life ------------------------------------------------------------------------------------------

    async def connect(self, stopping: asyncio.Event) -> bool:
        """Wait for the brokers; False when told to stop meanwhile."""
        return await connected(self._producer, stopping)

    async def stop(self, seconds: float) -> None:
        """Let go of the brokers; what is under way has been finished or given up before."""
        await stop_within(seconds, self._producer)

    def failed(self, error: Exception) -> None:
        """Something went wrong; if it was a broker, this client begins anew before anything else is sent.

        A broker that has lost records refuses the old one's numbers for ever.
        """
        self._failed |= isinstance(error, KafkaError)

    async def begin_again(self, stop_seconds: float) -> None:
        """Nothing is under way any more; a client that has failed is replaced by a new one.

        Again:   tried until the new one is connected.
        """
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)
        self._under_way.clear()
        if self._failed:
            await self.stop(stop_seconds)
            self._make()
            await self._producer.start()
            self._failed = False

    # -- notices -------------------------------------------------------------------------------------------

    async def announce(self, hand: int, batches: Sequence[Batch], taken: Sequence[Taken]) -> None:
        """Begin to send the notices of a group just made durable, once those of the hand's last group are out."""
        await self.told(hand)
        self._under_way[hand] = asyncio.create_task(self._announce(batches, taken))

    async def _announce(self, batches: Sequence[Batch], taken: Sequence[Taken]) -> None:
        await self._publisher.publish(batches, taken)
        for batch, one in zip(batches, taken, strict=True):
            self._ends[partition_of(batch)] = one.stream.position or 0

    async def told(self, hand: int) -> None:
        """Wait until the notices under way of a hand are out.

        Raises:  what kept them back.
        """
        task = self._under_way.pop(hand, None)
        if task is not None:
            await task

    async def notice_failure(self, hand: int) -> None:
        """Raise at once what kept a hand's notices back; do not wait for those still under way."""
        task = self._under_way.get(hand)
        if task is not None and task.done():
            await self.told(hand)

    async def finish(self) -> None:
        """Wait until all notices are out, and write down how far."""
        for hand in list(self._under_way):
            await self.told(hand)
        await self._tell_progress()

    async def give_up(self) -> None:
        """Leave what is under way: it is sent by whoever begins next."""
        for task in self._under_way.values():
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    async def revoked(self) -> None:
        """Partitions go to somebody else: wait for what is under way, and say how far it is.

        It is waited for, not taken over: if it fails, its hand must hear of it, and if the rebalance is called
        off, it does not.
        """
        if self._under_way:
            await asyncio.wait(self._under_way.values())
        try:
            await self._publisher.remember()
        except WORTH_WAITING as error:
            log.warning("notices to be sent again by the next owner", error=said(error))

    async def catch_up(self, partition: TopicPartition) -> None:
        """Send what was committed and not announced by whoever had the partition before."""
        sent = await self._publisher.catch_up(partition.topic, partition.partition)
        if sent:
            log.info("notices sent again", topic=partition.topic, partition=partition.partition, notices=sent)

    # -- by the clock --------------------------------------------------------------------------------------

    async def by_the_clock(self, *, errands: bool) -> None:
        """Write down progress, and where we are the one that does it announce for the jobs, when it is time.

        In:      `errands`: one worker of the group does them.
        """
        now = asyncio.get_running_loop().time()
        if now >= self._progress_at:
            self._progress_at = now + PROGRESS_SECONDS
            await self._tell_progress()
        if errands and now >= self._errands_at:
            self._errands_at = now + ERRANDS_SECONDS
            await self._caps.look()
            await self._publisher.errands()

    async def _tell_progress(self) -> None:
        """How far the notices are out, in the books; and for those who watch the lag, the group's offsets.

        Nothing of ours reads those offsets. Neither is worth a transaction and a request a batch.
        """
        await self._publisher.remember()
        assigned = self._consumer.assignment()
        ends, self._ends = {one: end for one, end in self._ends.items() if one in assigned}, {}
        if ends:
            await self._commit_offsets(ends)

    async def _commit_offsets(self, ends: dict[TopicPartition, int]) -> None:
        try:
            await self._consumer.commit(ends)
        except (CommitFailedError, IllegalStateError):
            log.info("group offsets not committed; a partition has moved")
