"""Records ahead of the hands that take them: whatever the brokers have is brought in at once. 预取

    brokers → fetch → one queue a hand, in order of arrival → a group for its next transaction

The client asks a broker for more only when nothing it brought before is left with it. While one hand is in a
transaction, records that wait for it would keep the other from hearing of its own for a tenth of a second, so all
that comes is taken from the client at once and kept here, some groups a hand at most.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from aiokafka.errors import IllegalStateError, NoOffsetForPartitionError

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, TopicPartition

GROUPS_AHEAD: Final = 2
"""How many groups of a hand may wait here: beyond that its partitions stay with the client."""
NONE_OURS_SECONDS: Final = 0.02
BETWEEN_SECONDS: Final = 0.01
"""The least time between two fetches. A broker answers as soon as it has one record: asked again at once, it and
we would do little else, and a thousand events a second would be more than two workers can take."""


class Inflow:
    """What has come and was not taken yet, by hand."""

    def __init__(
        self, consumer: AIOKafkaConsumer, hand_of: Mapping[str, int], *, most: int, wait_ms: int
    ) -> None:
        """Take whose hand each topic is in, and how many records make a group at most."""
        hands = max(hand_of.values()) + 1
        self._consumer = consumer
        self._hand_of = hand_of
        self._hands = hands
        self._most = most
        self._wait_ms = wait_ms
        self._begun: dict[TopicPartition, object] = {}
        """Each open partition and the beginning that its records must follow."""
        self._queues: list[deque[tuple[TopicPartition, list[Any]]]] = [deque() for _ in range(hands)]
        self._held = [0] * hands
        self._came = [asyncio.Event() for _ in range(hands)]

    def open(self, partition: TopicPartition) -> None:
        """Its position has been set: what came before counts no more, what comes from now on does."""
        self.close(partition)
        self._begun[partition] = object()

    def close(self, partition: TopicPartition) -> None:
        """It is somebody else's, or will be opened again: nothing of it is given any more."""
        self._begun.pop(partition, None)
        hand = self._hand_of[partition.topic]
        kept = [one for one in self._queues[hand] if one[0] != partition]
        self._queues[hand] = deque(kept)
        self._held[hand] = sum(len(records) for _, records in kept)

    async def fetch(self) -> list[TopicPartition]:
        """Bring in what the brokers have, waiting a moment for something to come.

        Out:     partitions that were opened again while records came: those are dropped, and the client stands
                 behind them, so it must be set to its position again.
        Raises:  the client's errors, besides those of partitions that have just come or gone.
        """
        then = {
            one: begun
            for one, begun in self._begun.items()
            if self._held[self._hand_of[one.topic]] < GROUPS_AHEAD * self._most
        }
        found: dict[TopicPartition, list[Any]] | None = None
        if then:
            with contextlib.suppress(IllegalStateError, NoOffsetForPartitionError):
                found = await self._consumer.getmany(
                    *then, timeout_ms=self._wait_ms, max_records=self._hands * self._most
                )
        if found is None:
            # None is open or has room, or one was revoked or assigned a moment ago.
            await asyncio.sleep(NONE_OURS_SECONDS)
            return []
        again: list[TopicPartition] = []
        for partition, records in found.items():
            begun = self._begun.get(partition)
            if begun is then[partition]:
                hand = self._hand_of[partition.topic]
                self._queues[hand].append((partition, records))
                self._held[hand] += len(records)
                self._came[hand].set()
            elif begun is not None:
                again.append(partition)
        if found:
            await asyncio.sleep(BETWEEN_SECONDS)
        return again

    async def group(self, hand: int) -> dict[TopicPartition, list[Any]]:
        """What is next for a hand, a group at most, the first to come first; empty when nothing comes for a while."""
        if not self._queues[hand]:
            self._came[hand].clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._came[hand].wait(), self._wait_ms / 1000)
        room, out = self._most, dict[Any, list[Any]]()
        queue = self._queues[hand]
        while queue and room:
            partition, records = queue.popleft()
            if len(records) > room:
                queue.appendleft((partition, records[room:]))
                records = records[:room]
            out.setdefault(partition, []).extend(records)
            room -= len(records)
        self._held[hand] -= self._most - room
        return out
