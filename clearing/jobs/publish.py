"""Notices out: after the commit, and again after a crash, from what is stored. 发布通知

A stream remembers the last batch whose notices were sent. What a worker commits it sends itself; what was
committed and not sent, by this worker or one that died, is read back and sent by whoever has the partition next.
At least once: a notice's id says which outcome it is, so a receiver can tell a repeat.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Final
from zlib import crc32

from clearing.day.netting import INTER_BANK
from clearing.day.states import State
from clearing.jobs.announce import Notice, batch_notices, day_notice, exposure_notice
from clearing.ledger.outcomes import Decision, Outcome
from clearing.store import crossings, days, entries, instructions, notices
from clearing.store import facts as store_facts
from clearing.store.session import IDLE_SECONDS_MAX, transaction
from messages import Malformed

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from clearing.jobs.ingest import Batch, Taken
    from clearing.ledger.entry import Entry
    from clearing.ledger.facts import Seen

JOBS: Final = "jobs"
FILE: Final = "file"
AFTER_PARKING: Final = 2
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Told as the time of a notice about a record that has none we could read: the same however often it is sent."""


class Publisher:
    """Sends the notices of batches and remembers how far they are out."""

    def __init__(
        self, engine: AsyncEngine, producer: AIOKafkaProducer, *, platform: str, prefix: str
    ) -> None:
        self._engine = engine
        self._producer = producer
        self._platform = platform
        self._prefix = prefix
        self._out: dict[tuple[str, int], int] = {}
        """By stream partition, the last batch whose notices are out, as long as no row says so."""

    async def publish(self, batches: Sequence[Batch], taken: Sequence[Taken]) -> None:
        """Send the notices of batches just committed; `remember` writes down how far they are out.

        Writes:  the topics results, swipes, quarantine.
        Again:   the same notices under the same ids.
        """
        told: list[Notice] = []
        for batch, one in zip(batches, taken, strict=True):
            told += batch_notices(
                zip([record.position for record in batch.records], one.outcomes, strict=True),
                one.woken,
                stream=batch.head.name,
                partition=batch.head.partition,
                platform=self._platform,
                prefix=self._prefix,
                malformed_at=EPOCH,
            )
        await self._send(told)
        for batch, one in zip(batches, taken, strict=True):
            self._out[batch.head.name, batch.head.partition] = one.number

    async def remember(self) -> None:
        """Write down how far the notices are out: what is not written is sent again after a crash.

        Writes:  stream.announced.
        Again:   nothing is left to write.
        """
        if not self._out:
            return
        out, self._out = self._out, {}
        try:
            async with transaction(self._engine, idle_seconds_max=IDLE_SECONDS_MAX) as conn:
                await notices.announced(conn, [(*key, number) for key, number in out.items()])
        except BaseException:
            self._out = out | self._out
            raise

    async def catch_up(self, stream: str, partition: int) -> int:
        """Send what is committed and was not sent, and give how many notices that were.

        Writes:  as `publish`; a batch counts as announced once its last notice is out.
        Again:   nothing is left to send; a batch that was cut off is sent again from its beginning.
        """
        await self.remember()
        sent, after = 0, notices.START
        while True:
            # A worker's plans: never the whole table, however few batches its statistics know.
            async with transaction(self._engine, idle_seconds_max=IDLE_SECONDS_MAX) as conn:
                rows = await notices.pending(conn, stream, partition, after=after)
                batches = [list(of) for _, of in groupby(rows, key=lambda row: row.batch)]
                told = [await self._told(conn, stream, partition, of) for of in batches]
            for one in told:
                await self._send(one)
                sent += len(one)
            out = [of[0].batch for of in batches] if rows else [after[0]]
            if len(rows) == notices.ROWS_MAX:
                out.pop()  # it may have more
            if out and out[-1]:
                self._out[stream, partition] = out[-1]
                await self.remember()
            if not rows:
                return sent
            after = rows[-1].batch, rows[-1].no

    async def errands(self) -> int:
        """Announce what no worker commits: the cut's outcomes, files taken in, the days' states, banks over a cap.

        Writes:  the notice topics; stream.announced, day_step.announced, crossing.announced.
        Again:   nothing is left to send; what was sent and not remembered goes out again, the same bytes.
        """
        async with transaction(self._engine) as conn:
            behind = await notices.behind(conn, (JOBS, FILE))
            steps, crossed = await days.untold(conn), await crossings.untold(conn)
            told = [await self._step_notice(conn, step) for step in steps]
        sent = 0
        for stream, partition in behind:
            sent += await self.catch_up(stream, partition)
        told += [exposure_notice(one, platform=self._platform, prefix=self._prefix) for one in crossed]
        if not told:
            return sent
        await self._send(told)
        async with transaction(self._engine, idle_seconds_max=IDLE_SECONDS_MAX) as conn:
            await days.told(conn, [step.id for step in steps])
            await crossings.told(conn, crossed)
        return sent + len(told)

    async def _step_notice(self, conn: AsyncConnection, step: days.Told) -> Notice:
        """The notice of a state that a day has passed: what it says was settled when the day passed it."""
        count, amount_fen = None, None
        if step.state != State.OPEN:
            count, _ = await days.entries(conn, step.clearing_date)
        if step.state not in (State.OPEN, State.CUT):
            made = await instructions.of_day(conn, step.clearing_date)
            amount_fen = sum(one.amount_fen for one in made if one.kind == INTER_BANK)
        return day_notice(step, count, amount_fen, platform=self._platform, prefix=self._prefix)

    async def _told(
        self, conn: AsyncConnection, stream: str, partition: int, rows: Sequence[notices.Row]
    ) -> list[Notice]:
        """The notices of one stored batch."""
        ids = [row.entry_id.hex for row in rows if row.entry_id]
        made = await entries.of_ids(conn, ids) if ids else {}
        repeats = [("seen", row.source, row.id) for row in rows if row.table == "repeat"]
        firsts = await store_facts.read(conn, repeats) if repeats else {}
        outcomes: list[tuple[int, Decision | Malformed]] = []
        woken: list[Decision] = []
        for row in rows:
            position = row.position or 0
            if row.table == "quarantine":
                outcomes.append((position, _malformed(row)))
                continue
            entry = made.get(row.entry_id.hex) if row.entry_id else None
            # An event may stand beside its own repeat in one batch: only the repeat tells what came of it since.
            first: Seen | None = firsts.get(("seen", row.source, row.id)) if row.table == "repeat" else None
            decision = _decision(row, entry, first)
            if row.table == "woken":
                woken.append(decision)
            else:
                outcomes.append((position, decision))
        return batch_notices(
            outcomes,
            woken,
            stream=stream,
            partition=partition,
            platform=self._platform,
            prefix=self._prefix,
            malformed_at=EPOCH,
        )

    async def _send(self, told: Sequence[Notice]) -> None:
        """Send notices as ready batches, one a partition: sending them one by one costs ten times as much.

        The partition follows from the key alone, so that the notices of one event stay in order.
        """
        futures = []
        for (topic, partition), notices_ in (await self._by_partition(told)).items():
            batch = self._producer.create_batch()
            for one in notices_:
                if batch.append(timestamp=None, key=one.key, value=one.value) is None:
                    futures.append(await self._producer.send_batch(batch, topic, partition=partition))
                    batch = self._producer.create_batch()
                    batch.append(timestamp=None, key=one.key, value=one.value)
            batch.close()
            futures.append(await self._producer.send_batch(batch, topic, partition=partition))
        for future in futures:
            await future

    async def _by_partition(self, told: Sequence[Notice]) -> dict[tuple[str, int], list[Notice]]:
        counts = {
            topic: len(await self._producer.partitions_for(topic)) for topic in {one.topic for one in told}
        }
        grouped: dict[tuple[str, int], list[Notice]] = {}
        for one in told:
            grouped.setdefault((one.topic, crc32(one.key) % counts[one.topic]), []).append(one)
        return grouped


def _malformed(row: notices.Row) -> Malformed:
    return Malformed(
        where=row.reason,
        what=row.detail,
        source=row.source or None,
        id=row.id or None,
        type=row.type or None,
        sm3=row.sm3,
        length=row.length,
        keep_bytes=row.kept,
    )


def _decision(row: notices.Row, entry: Entry | None, first: Seen | None) -> Decision:
    """The decision that a stored outcome was."""
    event = store_facts.event_of(row.raw or b"", f"{row.source}/{row.id}")
    woken = row.table == "woken"
    repeated = first if row.outcome == Outcome.DUPLICATE else None
    said = repeated or row  # a repeat has no day of its own: it tells the first outcome's
    return Decision(
        event=event,
        outcome=Outcome(row.outcome),
        reason=row.reason,
        detail=row.detail,
        entry=entry,
        clearing_date=said.clearing_date,
        late=said.late,
        waits_for=said.waits_for,
        woken=woken,
        notice_no=AFTER_PARKING if woken else first.announced if first else 1,
        first=repeated,
    )
