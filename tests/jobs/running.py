"""Running the engine in a test: books, topics, workers and files, and what came of it.

books       an open database with settings and members, its first day open
send        events as their producers send them: topic, record key, the broker's timestamp
working     workers in this process, stopped with the batch in hand finished
until       waits until something is so
joined      waits until a group has all its workers
taken       waits until the stored positions are the ends of the topics
told        every notice on the topics out
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
import tomllib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from clearing.jobs.close import close
from clearing.jobs.consume import Worker
from clearing.jobs.generate import CITY, Plan, generate_day
from clearing.jobs.ingest_file import ingest_lines
from clearing.jobs.topics import create_topics, event_topics
from clearing.ledger.members import Members
from clearing.ledger.members_file import load_members
from clearing.settings import Settings, load
from clearing.store import balances, days, streams
from clearing.store.database import open_database
from clearing.store.migrations import upgrade
from clearing.store.session import transaction
from messages import CATALOGUE, Event, decode
from messages.notices import topic_name

ROOT = Path(__file__).parents[2]
DAYS = ROOT / "fixtures" / "days"
NOTICES = ("results", "swipes", "days", "quarantine")
FIRST_DAY = date(2026, 3, 9)
PARTITIONS = 3
PATIENCE_SECONDS = 150
"""How long nothing may move before a test gives up: some of a worker's longest pauses between two tries (30 s)."""


def settings_of(**given: object) -> Settings:
    """Settings with some of them given, whatever this machine's environment says."""
    return load({}, Path(__file__).parent, **{name: str(value) for name, value in given.items()})


def members_of(path: Path) -> Members:
    """The members of a file."""
    return load_members(tomllib.loads(path.read_text(encoding="utf-8")))


def worked_members() -> Members:
    """The members of the worked days."""
    return members_of(DAYS / "2026-03-10-worked-day" / "members.toml")


def worked_lines(day: int) -> list[bytes]:
    """The events of one of the worked days, 9, 10 or 11 March 2026."""
    return (DAYS / f"2026-03-{day:02d}-worked-day" / "events.jsonl").read_bytes().splitlines()


# ---------------------------------------------------------------- books


@dataclass(frozen=True)
class Books:
    """An open database in which the engine works."""

    url: str
    engine: AsyncEngine
    settings: Settings
    members: Members

    def set(self, **given: Any) -> Books:  # noqa: ANN401 - a setting of any kind
        """The same books under other settings."""
        return replace(self, settings=replace(self.settings, **given))

    async def ingest(self, lines: Iterable[bytes]) -> dict[str, Any]:
        """Take lines as `clearing ingest` does, and give the counts."""
        return await ingest_lines(self.engine, self.settings, self.members, lines)

    async def close(self, day: date) -> Sequence[Any]:
        """Cut, net and file a day."""
        return await close(self.engine, self.settings, self.members, day)

    async def rows(self, query: str, **given: object) -> list[tuple[Any, ...]]:
        """What a query finds, as the owner of the database."""
        async with self.engine.connect() as conn:
            return [tuple(row) for row in await conn.execute(text(query), given)]

    async def one(self, query: str, **given: object) -> Any:  # noqa: ANN401 - whatever stands there
        """The one value that a query finds."""
        ((value,),) = await self.rows(query, **given)
        return value

    async def as_superuser(self, statement: str) -> None:
        """Do what no trigger and no right can stop."""
        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute(f"SET session_replication_role = replica; {statement}")
        finally:
            await connection.close()

    async def balances(self) -> dict[str, int]:
        """Every account's balance, fen, no zeros."""
        async with transaction(self.engine) as conn:
            return await balances.as_of(conn)

    async def outcome(self, source: str, event_id: str) -> tuple[str, str]:
        """The last outcome of an event and its reason."""
        ((outcome, reason),) = await self.rows(
            "SELECT coalesce(w.outcome, e.outcome), coalesce(w.reason, e.reason) FROM event e "
            "LEFT JOIN woken w USING (source, id) WHERE e.source = :source AND e.id = :id",
            source=source,
            id=event_id,
        )
        return outcome, reason


async def prepare(url: str) -> None:
    """The schema, without members or days."""
    async with open_database(url) as database:
        await upgrade(database.engine)


@contextlib.asynccontextmanager
async def books(
    url: str, settings: Settings, members: Members, first_day: date = FIRST_DAY
) -> AsyncIterator[Books]:
    """Open a database that has the schema, and its first day."""
    async with open_database(url) as database:
        async with transaction(database.engine) as conn:
            if not await days.every(conn):
                await days.open_day(conn, first_day)
        yield Books(url, database.engine, settings, members)


# ---------------------------------------------------------------- records


class Sent(NamedTuple):
    """One record as it is sent."""

    family: str
    key: str
    value: bytes | None
    time: datetime
    """The broker's timestamp."""


def keyed(lines: Iterable[bytes]) -> list[Sent]:
    """Events under the record keys their producers use: undos of payments under the original's card."""
    read = [(line, decode(line)) for line in lines]
    events = [(line, event) for line, event in read if isinstance(event, Event)]
    assert len(events) == len(read), "these lines are for events that can be read"
    cards = {(event.source, event.id): getattr(event.data, "card", None) for _, event in events}
    return [
        Sent(CATALOGUE[event.type].family, _key(event, cards), line, event.time) for line, event in events
    ]


def _key(event: Event, cards: dict[tuple[str, str], str | None]) -> str:
    row = CATALOGUE[event.type]
    original = getattr(event.data, "original", None)
    if row.family == "payments" and original is not None:
        return cards.get((original.source, original.id)) or row.key(event)
    return row.key(event)


def cards_first(sent: Iterable[Sent]) -> tuple[list[Sent], list[Sent]]:
    """Cards and terminals, and the rest: nobody promises an order between topics."""
    every = list(sent)
    return [one for one in every if one.family == "cards"], [one for one in every if one.family != "cards"]


def a_day(events: int, seed: int, *, plan: Plan | None = None, day: date = FIRST_DAY) -> list[Sent]:
    """A generated day of the city, in order of arrival.

    What keys promise no order for, and what is refused for good when it is overtaken, goes under one key: a stay that
    takes over another's deposit under that one's (`discharge_unbalanced`), a payout between areas under its payer's,
    who settles in the evening what is owed between them (`exceeds_claims`).
    """
    generated = generate_day(plan or Plan(), members_of(CITY), day, events, seed)
    made = [(one, event_of(one.value)) for one in generated.events()]
    follows: dict[str, str] = {}
    for one, event in made:
        data: Any = event.data
        if event.type == "reimbursement.submitted" and data.claim.treat_area != data.claim.insured_area:
            follows[one.key] = data.claim.payer
    sent = []
    for one, event in made:
        data = event.data
        key = follows.get(one.key, one.key)
        if event.type == "deposit.transferred":
            follows[f"{data.institution}/{data.to_admission}"] = key
        sent.append(Sent(one.family, key, one.value, event.time))
    return sent


def event_of(value: bytes) -> Event:
    """The event of a generated record."""
    event = decode(value)
    assert isinstance(event, Event)
    return event


def city_members() -> Members:
    """The members of the generated city."""
    return members_of(CITY)


def values(sent: Iterable[Sent]) -> list[bytes]:
    """The records' values, as lines of a file."""
    return [one.value for one in sent if one.value is not None]


def slices(sent: Sequence[Sent], count: int) -> list[Sequence[Sent]]:
    """The records in order, in so many parts."""
    size = -(-len(sent) // count)
    return [sent[at : at + size] for at in range(0, len(sent), size)]


# ---------------------------------------------------------------- Kafka


async def until(holds: Callable[[], Awaitable[object]], what: str) -> None:
    """Wait until something is so. What is waited for is named when it does not come."""
    since = time.monotonic()
    while not await holds():
        if time.monotonic() - since > PATIENCE_SECONDS:
            pytest.fail(f"waited in vain for {PATIENCE_SECONDS} s: {what}")
        await asyncio.sleep(0.02)


async def topics(bootstrap: str, *, partitions: int = PARTITIONS, **given: object) -> Settings:
    """Topics of a test's own that the broker names to whoever asks, and the settings that name them."""
    prefix = f"t{secrets.token_hex(4)}"
    settings = settings_of(
        kafka_bootstrap=bootstrap,
        kafka_prefix=prefix,
        kafka_group=prefix,
        kafka_partitions=partitions,
        **given,
    )
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    names = event_topics(prefix)

    async def named() -> bool:
        return {*names, *made} <= {*await admin.list_topics()}

    try:  # the days of these tests lie in the past, where a broker would clear them away
        keep = {"retention.ms": "-1"}
        await admin.create_topics([NewTopic(one, partitions, 1, topic_configs=keep) for one in names])
        # a busy broker may name the event topics late: they are then among these
        made = await create_topics(settings)
        assert {topic_name(family, prefix) for family in NOTICES} <= {*made}
        await until(named, "topics")  # a worker ends where one is missing
    finally:
        await admin.close()
    return settings


async def send(settings: Settings, sent: Iterable[Sent]) -> None:
    """Send records and wait until the broker has them all, in order and once, also if it falls over meanwhile."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap,
        linger_ms=5,
        enable_idempotence=True,
        request_timeout_ms=PATIENCE_SECONDS * 1000,  # records are given up after as long
    )

    async def connected() -> bool:
        with contextlib.suppress(KafkaError):  # a broker may be down when we begin, too
            await producer.start()
            return True
        return False

    try:
        await until(connected, "a broker to send to")
        for one in sent:
            await producer.send(
                f"{settings.kafka_prefix}.{one.family}",
                one.value,
                one.key.encode(),
                timestamp_ms=int(one.time.timestamp() * 1000),
            )
        await producer.flush()
    finally:
        await producer.stop()


async def ends(settings: Settings) -> dict[tuple[str, int], int]:
    """The end of every partition of the event topics that holds something."""
    async with AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap) as consumer:
        every = []
        for topic in event_topics(settings.kafka_prefix):
            await consumer.topics()
            every += [TopicPartition(topic, number) for number in range(settings.kafka_partitions)]
        consumer.assign(every)
        found = await consumer.end_offsets(every)
    return {(one.topic, one.partition): end for one, end in found.items() if end}


async def taken(the: Books, *, announced: bool = True) -> None:
    """Wait until all that is in the topics has been taken, and announced; so long without progress fails."""
    wanted = await ends(the.settings)
    so_far, since = -1, time.monotonic()
    while not await _reached(the, wanted, announced=announced):
        done = await the.one("SELECT coalesce(sum(position + announced), 0)::bigint FROM stream")
        if done != so_far:
            so_far, since = done, time.monotonic()
        if time.monotonic() - since > PATIENCE_SECONDS:
            who = await the.rows(
                "SELECT pid, state, wait_event_type, wait_event, pg_blocking_pids(pid), now() - xact_start, query "
                "FROM pg_stat_activity WHERE datname = current_database()"
            )
            pytest.fail("\n".join(["not all was taken; in the database:", *map(str, who)]))
        await asyncio.sleep(0.05)


async def _reached(the: Books, wanted: dict[tuple[str, int], int], *, announced: bool) -> bool:
    async with transaction(the.engine) as conn:
        heads = {topic: await streams.load(conn, topic) for topic in {topic for topic, _ in wanted}}
    for (topic, partition), end in wanted.items():
        head = heads[topic].get(partition)
        if head is None or head.position < end:
            return False
    behind = (
        "SELECT count(*) FROM stream s WHERE EXISTS (SELECT 1 FROM batch b WHERE b.stream = s.name "
        "AND b.partition = s.partition AND b.id > s.announced "
        "AND (b.records > 0 OR EXISTS (SELECT 1 FROM woken w WHERE w.batch = b.id)))"
    )
    return not announced or await the.one(behind) == 0


@contextlib.asynccontextmanager
async def working(the: Books, workers: int = 1) -> AsyncIterator[list[Worker]]:
    """Workers of one group, each with connections of its own, until the block ends."""
    async with contextlib.AsyncExitStack() as stack:
        crew, tasks = [], []
        for _ in range(workers):
            database = await stack.enter_async_context(open_database(the.url))
            worker = Worker(database.engine, the.settings, the.members)
            crew.append(worker)
            tasks.append(asyncio.create_task(worker.run()))
        try:
            yield crew
        finally:
            for worker in crew:
                worker.stop()
            done = await asyncio.gather(*tasks, return_exceptions=True)
        for one in done:
            if isinstance(one, BaseException):
                raise one


async def joined(settings: Settings, workers: int) -> None:
    """Wait until the group has so many workers and each its partitions: the first would else take all alone."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)

    async def all_there() -> bool:
        try:
            (told,) = await admin.describe_consumer_groups([settings.kafka_group])
        except KafkaError:  # the broker's first group of all
            return False
        _, _, state, _, _, members, *_ = told.groups[0]
        return state == "Stable" and len(members) == workers

    await admin.start()
    try:
        await until(all_there, f"{workers} workers of one group")
    finally:
        await admin.close()


async def through_kafka(the: Books, *waves: Sequence[Sent], workers: int = 1) -> dict[str, Any]:
    """Send the waves one after the other, each taken to its end before the next, and give the counts."""
    async with working(the, workers) as crew:
        for wave in waves:
            await send(the.settings, wave)
            await taken(the)
    counted = [worker.totals.as_json(0) for worker in crew]
    reasons: Counter[str] = Counter()
    for one in counted:
        reasons.update(one.pop("reasons"))
    return {name: sum(one[name] for one in counted) for name in counted[0]} | {"reasons": dict(reasons)}


class Told(NamedTuple):
    """One notice as it stands on its topic."""

    family: str
    key: str
    value: bytes

    @property
    def body(self) -> dict[str, Any]:
        """The notice, read."""
        body: dict[str, Any] = json.loads(self.value)
        return body

    @property
    def id(self) -> str:
        """Its id, by which a receiver tells repeats."""
        return str(self.body["id"])


async def told(settings: Settings, *families: str) -> list[Told]:
    """Every notice on the topics out, in order within a partition."""
    out: list[Told] = []
    async with AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap) as consumer:
        await consumer.topics()
        every = [
            TopicPartition(f"{settings.kafka_prefix}.{family}", number)
            for family in families or NOTICES
            for number in range(settings.kafka_partitions)
        ]
        consumer.assign(every)
        await consumer.seek_to_beginning(*every)
        left = {one: end for one, end in (await consumer.end_offsets(every)).items() if end}
        while left:
            for partition, records in (await consumer.getmany(timeout_ms=200)).items():
                family = partition.topic.rpartition(".")[2]
                out += [Told(family, one.key.decode(), one.value) for one in records]
                if partition in left and records[-1].offset + 1 >= left[partition]:
                    del left[partition]
    return out


def event_lines(*events: dict[str, Any]) -> Iterator[bytes]:
    """Events as lines."""
    for one in events:
        yield json.dumps(one, ensure_ascii=False).encode()
