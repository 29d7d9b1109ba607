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
from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Final

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from clearing.errors import Fenced
from clearing.jobs.clients import (
    check_topics,
    connected,
    new_consumer,
    pause,
    position_gone,
    stop_within,
    watch,
)
from clearing.jobs.inflow import Inflow
from clearing.jobs.ingest import quiet_collector, take
from clearing.jobs.outflow import Outflow
from clearing.jobs.patience import WORTH_WAITING, said, waiting
from clearing.jobs.positions import Positions, partition_of
from clearing.jobs.setup import MembersNow
from clearing.jobs.topics import FAMILIES, event_topics
from clearing.jobs.totals import Totals
from messages.notices import topic_name

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from clearing.ledger.members import Members
    from clearing.settings import Settings

STOP_SECONDS_MAX: Final = 8.0
"""How long a worker that is told to stop may take for each of: its batch, its consumer, its producer."""
HANDS: Final = 2
"""Transactions under way at once: while one waits for the database the other decides."""
BY_CARD: Final = frozenset({"cards", "payments"})
"""Families of the first hand, keyed by card: in one hand they never wait for each other. What the other has (rows of
a fund's batch, claims of a stay, spread over all partitions) waits for its like, and no payment waits with it."""
CLOCK_SECONDS: Final = 0.05
"""How often it is looked whether something is due by the clock."""
MEMBERS_SECONDS: Final = 1.0
"""How often it is looked whether other members are in force: a worker runs longer than a version of them."""
PARKED_MAX: Final = 50_000
"""How many events that it has parked a worker remembers, for its totals."""

log = structlog.get_logger("worker")


class Worker(ConsumerRebalanceListener):  # type: ignore[misc]  # the library has no types
    """One consumer of the group: takes batches, one lane a partition, until `stop`."""

    def __init__(self, engine: AsyncEngine, settings: Settings, members: Members) -> None:
        self._engine = engine
        self._settings = settings
        self._members = members
        self._members_now = MembersNow(engine, settings)
        self._members_at = 0.0
        self._stopping = asyncio.Event()
        self._let_go = False
        """One hand has ended: the other ends too, once it has finished what it holds."""
        self._taken = 0
        """Groups made durable."""
        self._begin_again = False
        """Something failed: before anything else is taken, all partitions begin from their stored positions."""
        self.totals = Totals(parked_max=PARKED_MAX)
        self._consumer = new_consumer(settings)
        self._inflow = Inflow(
            self._consumer,
            {topic_name(family, settings.kafka_prefix): int(family not in BY_CARD) for family in FAMILIES},
            most=settings.batch_events_max,
            wait_ms=settings.batch_wait_ms_max,
        )
        self._positions = Positions(engine, settings, self._consumer, self._inflow)
        self._outflow = Outflow(engine, settings, members, self._consumer)

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
            await self._outflow.stop(STOP_SECONDS_MAX)
        log.info("worker stopped", **self.totals.counts)
        return self.totals

    async def _work(self, *, until_idle: bool) -> None:
        if not await self._outflow.connect(self._stopping) or not await connected(
            self._consumer, self._stopping
        ):
            return
        await check_topics(self._consumer, self._settings)
        self._consumer.subscribe(event_topics(self._settings.kafka_prefix), listener=self)
        log.info("worker started", group=self._settings.kafka_group)
        watching = asyncio.create_task(watch(self._consumer, self._settings))
        try:
            await self._consume(until_idle=until_idle)
            await self._outflow.finish()
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
            for task in (working, stopping):
                task.cancel()
            await asyncio.gather(working, stopping, return_exceptions=True)
            await self._outflow.give_up()

    async def _consume(self, *, until_idle: bool) -> None:
        failures = 0
        while not self._stopping.is_set():
            before = self._taken
            try:
                if self._begin_again:
                    await self._begin_all()
                await self._with_both_hands(until_idle=until_idle)
                if until_idle and await self._positions.at_end():
                    return
            except OffsetOutOfRangeError as error:
                raise position_gone(error) from error
            except WORTH_WAITING as error:
                failures = 1 if self._taken > before else failures + 1
                self._begin_again = True
                self._outflow.failed(error)
                await pause(self._stopping, waiting(error, failures))

    async def _with_both_hands(self, *, until_idle: bool) -> None:
        """Work until stopped, or idle, or something fails; then let each hand finish what it holds."""
        self._let_go = False
        beside = [asyncio.create_task(self._holding(one)) for one in (self._bring(), self._by_the_clock())]
        hands = (self._holding(self._hand(number, until_idle=until_idle)) for number in range(HANDS))
        results = await asyncio.gather(*hands, return_exceptions=True)
        self._let_go = True  # what is brought in is never left in the middle: records would be lost between
        results += await asyncio.gather(*beside, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _holding(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what is done beside other things: if it fails, those let go too."""
        try:
            await work
        except BaseException:
            self._let_go = True
            raise

    @property
    def _working(self) -> bool:
        return not (self._stopping.is_set() or self._begin_again or self._let_go)

    async def _bring(self) -> None:
        """Bring in what comes, for both hands."""
        while self._working:
            if again := await self._inflow.fetch():
                await self._begin(again)

    async def _by_the_clock(self) -> None:
        """Write down progress and do the errands beside the hands, so that no record waits for them."""
        while self._working:
            await self._outflow.by_the_clock(errands=self._positions.leads)
            await self._follow_members()
            await asyncio.sleep(CLOCK_SECONDS)

    async def _follow_members(self) -> None:
        """Decide by the members that somebody has approved since, from the next group on."""
        now = asyncio.get_running_loop().time()
        if now < self._members_at:
            return
        self._members_at = now + MEMBERS_SECONDS
        if (members := await self._members_now.changed()) is not None:
            self._members = members
            self._outflow.follow(members)

    async def _hand(self, hand: int, *, until_idle: bool) -> None:
        """Take what comes in this hand's partitions, a group at a time, announcing one while taking the next."""
        while self._working:
            fetched = await self._inflow.group(hand)
            if fetched:
                await self._take_group(hand, fetched)
            elif until_idle and await self._positions.at_end():
                return
            await self._outflow.notice_failure(hand)

    async def _take_group(self, hand: int, fetched: dict[TopicPartition, list[Any]]) -> None:
        """What came, in one transaction: a batch a partition, of the cards' topic first."""
        batches = self._positions.batches(fetched)
        if not batches:
            return
        try:
            taken = await take(self._engine, self._settings, self._members, batches)
        except Fenced as fenced:
            log.warning("fenced", error=str(fenced))
            await self._begin([one for one in map(partition_of, batches) if self._positions.forget(one)])
            return
        self._positions.moved(batches, taken)
        for one in taken:
            self.totals.add(one)
        self._taken += 1
        # The notices go out while the next group is taken; one group behind at most, in order.
        await self._outflow.announce(hand, batches, taken)

    # -- rebalance -----------------------------------------------------------------------------------------

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Forget them; a batch in hand either commits before its new owner loads, or is fenced."""
        for partition in revoked:
            self._positions.forget(partition)
        await self._outflow.revoked()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Load where each stands, announce what its last owner did not, and seek there."""
        try:
            await self._begin(assigned)
        except Exception as error:  # noqa: BLE001 - the library would only log it; the loop does it again
            log.warning("assigned, to begin again", error=said(error))
            self._begin_again = True

    async def _begin(self, partitions: Iterable[TopicPartition]) -> None:
        await self._positions.begin(partitions, self._outflow.catch_up)

    async def _begin_all(self) -> None:
        """After a failure: nothing is under way any more, and everything begins from its stored position."""
        self._positions.forget_all()
        self._begin_again = False
        try:
            await self._outflow.begin_again(STOP_SECONDS_MAX)
            await self._begin(self._consumer.assignment())
        except BaseException:
            self._begin_again = True
            raise


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
