"""The worker: records from Kafka to durable outcomes to notices, until it is told to stop. 消费

    assigned  → load the stored positions, send what was committed and not announced, seek
    records   → a batch a partition, all that came in one transaction: decode, take, announce
    revoked   → finish the batch in hand; the new owner goes on from the stored position

The database holds the position, so the group's own offsets are only committed for people who watch the lag. A
worker that lost its partition without noticing is fenced: its next batch finds the position moved, writes
nothing, and the worker loads the position again.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import structlog
from aiokafka import AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    OffsetOutOfRangeError,
)

from clearing.errors import Fenced
from clearing.jobs.clients import (
    check_topics,
    connected,
    new_consumer,
    new_producer,
    pause,
    position_gone,
    stop_within,
    watch,
)
from clearing.jobs.exposure import CapWatch
from clearing.jobs.inflow import Inflow
from clearing.jobs.ingest import (
    Batch,
    Record,
    Stream,
    Taken,
    Totals,
    decoded,
    quiet_collector,
    take,
)
from clearing.jobs.patience import WORTH_WAITING, said, waiting
from clearing.jobs.publish import Publisher
from clearing.jobs.topics import event_topics
from clearing.store import streams
from clearing.store.session import transaction
from messages.notices import topic_name

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from clearing.ledger.members import Members
    from clearing.settings import Settings

ERRANDS_SECONDS: Final = 1.0
PROGRESS_SECONDS: Final = 0.25
"""How often it is written down how far notices are out. After a crash those of as long are sent once more."""
STOP_SECONDS_MAX: Final = 8.0
"""How long a worker that is told to stop may take for each of: its batch, its consumer, its producer."""
HANDS: Final = 2
"""Transactions under way at once: while one waits for the database the other decides. Each hand has its own
partitions, by their number, so that the topics keyed by card are in one hand and never wait for each other."""
PARKED_MAX: Final = 50_000
"""How many events that it has parked a worker remembers, for its totals."""
LANES: Final = 8
"""Partitions of one family have lanes of their own: lane = partition × LANES + family."""

log = structlog.get_logger("worker")


class Worker(ConsumerRebalanceListener):  # type: ignore[misc]  # the library has no types
    """One consumer of the group: takes batches, one lane a partition, until `stop`."""

    def __init__(self, engine: AsyncEngine, settings: Settings, members: Members) -> None:
        self._engine = engine
        self._settings = settings
        self._members = members
        self._stopping = asyncio.Event()
        self._streams: dict[TopicPartition, Stream] = {}
        self._errands_at = 0.0
        self._progress_at = 0.0
        self._ends: dict[TopicPartition, int] = {}
        """How far each partition is announced, where the group's own offsets do not say so yet."""
        self._caps = CapWatch(engine, members)
        self._announcing: dict[int, asyncio.Task[None]] = {}
        """By hand, the notices under way of its last group."""
        self._let_go = False
        """One hand has ended: the other ends too, once it has finished what it holds."""
        self._taken = 0
        """Groups made durable."""
        self._begin_again = False
        """Something failed: before anything else is taken, all partitions begin from their stored positions."""
        self.totals = Totals(parked_max=PARKED_MAX)
        self._consumer = new_consumer(settings)
        self._inflow = Inflow(
            self._consumer, hands=HANDS, most=settings.batch_events_max, wait_ms=settings.batch_wait_ms_max
        )
        self._producer, self._publisher = self._new_producer()
        self._producer_failed = False

    def _new_producer(self) -> tuple[AIOKafkaProducer, Publisher]:
        """A client that numbers its records anew, and who sends notices by it."""
        producer = new_producer(self._settings)
        platform, prefix = self._members.platform.code, self._settings.kafka_prefix
        return producer, Publisher(self._engine, producer, platform=platform, prefix=prefix)

    def stop(self) -> None:
        """Finish the batch in hand and come to an end."""
        self._stopping.set()

    async def run(self, *, until_idle: bool = False) -> Totals:
        """Consume until stopped; with `until_idle` until all that is in the topics now has been taken.

        Writes:  as `take`, and the notice topics.
        Again:   goes on from the stored positions.
        Raises:  UsageError when a topic is missing; InvariantViolated.
        """
        quiet_collector()
        try:
            await self._until_stopped(self._work(until_idle=until_idle))
        finally:
            await stop_within(STOP_SECONDS_MAX, self._consumer)
            await stop_within(STOP_SECONDS_MAX, self._producer)
        log.info("worker stopped", **self.totals.counts)
        return self.totals

    async def _work(self, *, until_idle: bool) -> None:
        for client in (self._producer, self._consumer):
            if not await connected(client, self._stopping):
                return
        await check_topics(self._consumer, self._settings)
        self._consumer.subscribe(event_topics(self._settings.kafka_prefix), listener=self)
        log.info("worker started", group=self._settings.kafka_group)
        watching = asyncio.create_task(watch(self._consumer, self._settings))
        try:
            await self._consume(until_idle=until_idle)
            await self._announced(*self._announcing)
            await self._tell_progress()
        finally:
            watching.cancel()

    async def _until_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        """Work to its end; once told to stop only as long as a batch takes, as after a crash the next goes on."""
        working = asyncio.create_task(work)
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({working}, timeout=STOP_SECONDS_MAX)
            if working.done():
                await working
            else:
                log.warning("stopped with notices or a batch under way; the next worker goes on from there")
        finally:
            for task in (working, stopping, *self._announcing.values()):
                task.cancel()
            await asyncio.gather(working, stopping, *self._announcing.values(), return_exceptions=True)

    async def _consume(self, *, until_idle: bool) -> None:
        failures = 0
        while not self._stopping.is_set():
            before = self._taken
            try:
                if self._begin_again:
                    await self._begin_all()
                await self._with_both_hands(until_idle=until_idle)
                if until_idle and await self._idle():
                    return
            except OffsetOutOfRangeError as error:
                raise position_gone(error) from error
            except WORTH_WAITING as error:
                failures = 1 if self._taken > before else failures + 1
                self._begin_again = True
                self._producer_failed |= isinstance(error, KafkaError)
                await pause(self._stopping, waiting(error, failures))

    async def _with_both_hands(self, *, until_idle: bool) -> None:
        """Work until stopped, or idle, or something fails; then let each hand finish what it holds."""
        self._let_go = False
        bringing = asyncio.create_task(self._bring())
        hands = (self._hand(number, until_idle=until_idle) for number in range(HANDS))
        results = await asyncio.gather(*hands, return_exceptions=True)
        self._let_go = True  # what is brought in is never left in the middle: records would be lost between
        results += await asyncio.gather(bringing, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    @property
    def _working(self) -> bool:
        return not (self._stopping.is_set() or self._begin_again or self._let_go)

    async def _bring(self) -> None:
        """Bring in what comes, for both hands."""
        try:
            while self._working:
                if again := await self._inflow.fetch():
                    await self._begin(again)
        except BaseException:
            self._let_go = True
            raise

    async def _hand(self, hand: int, *, until_idle: bool) -> None:
        """Take what comes in this hand's partitions, a group at a time, announcing one while taking the next."""
        try:
            while self._working:
                fetched = await self._inflow.group(hand)
                if fetched:
                    await self._take_group(hand, fetched)
                elif until_idle and await self._idle():
                    return
                if (task := self._announcing.get(hand)) is not None and task.done():
                    await self._announced(hand)
                if hand == 0:
                    await self._run_errands()
        except BaseException:
            self._let_go = True
            raise

    async def _run_errands(self) -> None:
        """One worker of the group, the owner of the first control partition, announces for the jobs."""
        first = TopicPartition(topic_name("control", self._settings.kafka_prefix), 0)
        now = asyncio.get_running_loop().time()
        if now >= self._progress_at:
            self._progress_at = now + PROGRESS_SECONDS
            await self._tell_progress()
        if first in self._streams and now >= self._errands_at:
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

    async def _take_group(self, hand: int, fetched: dict[TopicPartition, list[Any]]) -> None:
        """What came, in one transaction: a batch a partition, of the cards' topic first."""
        batches: list[Batch] = []
        for partition in sorted(fetched, key=self._order):
            stream = self._streams[partition]
            records = [
                Record(one.offset, one.value, datetime.fromtimestamp(one.timestamp / 1000, UTC))
                for one in fetched[partition]
                if stream.position is None or one.offset >= stream.position
            ]
            if records:
                batches.append(decoded(stream, records, records[-1].position + 1))
        if not batches:
            return
        try:
            taken = await take(self._engine, self._settings, self._members, batches)
        except Fenced as fenced:
            log.warning("fenced", error=str(fenced))
            await self._begin([one for one in map(_partition, batches) if self._forget(one)])
            return
        for partition, one in zip(map(_partition, batches), taken, strict=True):
            if partition in self._streams:  # else it was revoked meanwhile
                self._streams[partition] = one.stream
            self.totals.add(one)
        self._taken += 1
        # The notices go out while the next group is taken; one group behind at most, in order.
        await self._announced(hand)
        self._announcing[hand] = asyncio.create_task(self._announce(batches, taken))

    async def _announce(self, batches: Sequence[Batch], taken: Sequence[Taken]) -> None:
        await self._publisher.publish(batches, taken)
        for partition, one in zip(map(_partition, batches), taken, strict=True):
            self._ends[partition] = one.stream.position or 0

    async def _announced(self, *hands: int) -> None:
        """Wait until the notices under way of these hands are out."""
        for hand in hands:
            task = self._announcing.pop(hand, None)
            if task is not None:
                await task

    async def _idle(self) -> bool:
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

    # -- rebalance -----------------------------------------------------------------------------------------

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Forget them; a batch in hand either commits before its new owner loads, or is fenced.

        The notices under way are waited for, not taken over: if they fail, their hand must hear of it, and if the
        rebalance is called off, they are not.
        """
        for partition in revoked:
            self._forget(partition)
        if self._announcing:
            await asyncio.wait(self._announcing.values())
        try:
            await self._publisher.remember()
        except WORTH_WAITING as error:
            log.warning("notices to be sent again by the next owner", error=said(error))

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Load where each stands, announce what its last owner did not, and seek there."""
        try:
            await self._begin(assigned)
        except Exception as error:  # noqa: BLE001 - the library would only log it; the loop does it again
            log.warning("assigned, to begin again", error=said(error))
            self._begin_again = True

    async def _begin_all(self) -> None:
        """After a failure: nothing is under way any more, and everything begins from its stored position."""
        await asyncio.gather(*self._announcing.values(), return_exceptions=True)
        self._announcing.clear()
        for partition in list(self._streams):
            self._forget(partition)
        self._begin_again = False
        try:
            if self._producer_failed:  # a broker that has lost records refuses the old one's numbers for ever
                await stop_within(STOP_SECONDS_MAX, self._producer)
                self._producer, self._publisher = self._new_producer()
                await self._producer.start()
                self._producer_failed = False
            await self._begin(self._consumer.assignment())
        except BaseException:
            self._begin_again = True
            raise

    async def _begin(self, partitions: Iterable[TopicPartition]) -> None:
        """Load where partitions stand, announce what was committed up to there and not announced, and seek there.

        In that order: who had them before can commit until the position is loaded, and is not waited for to
        announce. What it commits later fences us, and we begin again.
        """
        wanted = list(partitions)
        async with transaction(self._engine) as conn:
            heads = {topic: await streams.load(conn, topic) for topic in {one.topic for one in wanted}}
        for partition in wanted:
            sent = await self._publisher.catch_up(partition.topic, partition.partition)
            if sent:
                log.info(
                    "notices sent again", topic=partition.topic, partition=partition.partition, notices=sent
                )
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
            self._consumer.seek(partition, position)
            self._inflow.open(partition)

    def _forget(self, partition: TopicPartition) -> bool:
        """Where it stands, and what came of it and was not taken; whether it was ours."""
        self._inflow.close(partition)
        return self._streams.pop(partition, None) is not None

    def _order(self, partition: TopicPartition) -> tuple[int, int]:
        """Families in the contract's order: a card is known before it is used."""
        return (
            event_topics(self._settings.kafka_prefix).index(partition.topic),
            int(partition.partition),
        )

    def _lane(self, partition: TopicPartition) -> int:
        family, number = self._order(partition)
        return number * LANES + family


def _partition(batch: Batch) -> TopicPartition:
    return TopicPartition(batch.head.name, batch.head.partition)


async def work(
    engine: AsyncEngine, settings: Settings, members: Members, *, until_idle: bool = False
) -> Totals:
    """Run one worker until SIGTERM or SIGINT, which let it finish the batch in hand."""
    worker = Worker(engine, settings, members)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stop)
    try:
        return await worker.run(until_idle=until_idle)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
