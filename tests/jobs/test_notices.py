"""What is told: the same bytes live and after a crash, the first outcome to who repeats, days and files too."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from aiokafka import AIOKafkaProducer

from clearing.jobs.broker import Broker
from clearing.jobs.generate import Plan
from clearing.jobs.publish import Publisher
from clearing.store import notices
from messages import Event, decode
from tests.jobs.proof import all_told
from tests.jobs.running import (
    FIRST_DAY,
    Books,
    Sent,
    Told,
    a_day,
    books,
    cards_first,
    city_members,
    keyed,
    send,
    taken,
    through_kafka,
    told,
    topics,
    until,
    values,
    worked_lines,
    worked_members,
    working,
)

LATER = datetime(2026, 3, 11, tzinfo=UTC)


async def told_again(the: Books) -> list[Told]:
    """What is sent when nobody remembers that anything was: the notices on topics of their own."""
    async with the.engine.begin() as conn:
        await conn.exec_driver_sql("UPDATE stream SET announced = 0")
    others = await topics(the.settings.kafka_bootstrap, partitions=the.settings.kafka_partitions)
    async with AIOKafkaProducer(bootstrap_servers=the.settings.kafka_bootstrap) as producer:
        publisher = Publisher(
            the.engine, producer, platform=the.members.platform.code, prefix=others.kafka_prefix
        )
        for stream, partition in await the.rows("SELECT name, partition FROM stream ORDER BY 1, 2"):
            await publisher.catch_up(stream, partition)
    return await told(others)


def counted(notices: list[Told]) -> Counter[tuple[str, str, bytes]]:
    """Notices and how often each was said; which topic prefix they have is no matter."""
    return Counter((one.family, one.key, one.value) for one in notices)


async def test_notices_sent_again_are_the_same_bytes(blank: Callable[[], str], broker: Broker) -> None:
    """A day told live and told again from what is stored: the same notices, parked, woken and repeated too."""
    settings = await topics(broker.bootstrap, batch_events_max=40)
    cards, others = cards_first(a_day(1500, 8, plan=Plan(duplicate=0)))
    repeats = cards[::40] + others[::40]
    bad = Sent("payments", "bad", b'{"specversion": "1.0", "id": "x"', LATER)
    async with books(blank(), settings, city_members()) as the:
        # Some payments come before their cards, so that they are parked in one batch and woken in another.
        await through_kafka(the, others[:200], cards, [*others[200:], bad], repeats)
        await all_told(the)
        live = [one for one in await told(settings) if one.family != "days"]
        again = await told_again(the)
        assert set(counted(again) - counted(live)) == set()
        assert set(counted(live) - counted(again)) == set()
        outcomes = {one.body["data"].get("outcome") for one in live if one.family == "results"}
        assert outcomes == {"posted", "noted", "rejected", "parked", "duplicate"}
        assert {one.family for one in live} >= {"results", "swipes", "quarantine"}


async def test_a_batch_of_any_length_is_read_back_in_pieces(blank: Callable[[], str], broker: Broker) -> None:
    """More events than are read at a time, all in one batch and the next: each notice once, all remembered as out."""
    settings = await topics(broker.bootstrap, batch_events_max=10_000)
    lines = values(a_day(notices.ROWS_MAX + 100, 9))
    async with books(blank(), settings, city_members()) as the:
        for some in (lines[: notices.ROWS_MAX], lines[notices.ROWS_MAX :], lines):
            await the.ingest(some)
        again = [one for one in await told_again(the) if one.family == "results"]
        kept = (
            "SELECT (SELECT count(*) FROM event), (SELECT count(*) FROM woken), (SELECT count(*) FROM repeat)"
        )
        ((first, last, repeated),) = await the.rows(kept)
        assert len(again) == first + last + repeated >= 2 * len(lines)
        assert len({one.id for one in again}) == first + last
        assert await the.rows("SELECT DISTINCT announced = (SELECT max(id) FROM batch) FROM stream") == [
            (True,)
        ]


async def test_who_repeats_an_event_hears_its_first_outcome_again(
    blank: Callable[[], str], broker: Broker
) -> None:
    """A duplicate is announced under the first notice's id with the same entry, day and reason."""
    settings = await topics(broker.bootstrap)
    async with books(blank(), settings, worked_members()) as the:
        days = {day: cards_first(keyed(worked_lines(day))) for day in (9, 10)}
        await through_kafka(the, *days[9], *days[10])
        first = by_event(await told(settings, "results"))
        await through_kafka(the, *days[9], *days[10])
        again = by_event(await told(settings, "results"))
        for name, notices in again.items():
            before, repeated = first[name][-1].body, notices[-1].body
            assert repeated["data"]["outcome"] == "duplicate"
            assert repeated["id"] == before["id"]
            was = before["data"].get("first_outcome", before["data"]["outcome"])
            assert repeated["data"]["first_outcome"] == was
            for field in ("entry_id", "clearing_date", "reason", "late"):
                assert repeated["data"].get(field) == before["data"].get(field), (name, field)
        await all_told(the)


def by_event(notices: list[Told]) -> dict[str, list[Told]]:
    """Notices of each event, in the order in which they were sent."""
    found: dict[str, list[Told]] = {}
    for one in notices:
        found.setdefault(one.key, []).append(one)
    return found


async def test_a_parked_event_and_its_repeat_in_one_batch_are_told_apart(
    blank: Callable[[], str], broker: Broker
) -> None:
    """Told again after it was woken, the event was parked first; its repeat says what came of it."""
    settings = await topics(broker.bootstrap, partitions=1)
    cards, others = cards_first(keyed(worked_lines(9)))
    paid = next(one for one in others if one.family == "payments")
    async with books(blank(), settings, worked_members()) as the:
        await through_kafka(the, [paid, paid], cards)
        again = [one for one in await told_again(the) if one.family == "results"]
        said = {(one.id, one.body["data"]["outcome"]) for one in again if one.key == "H1/H1-0022"}
        assert said == {
            ("H1/H1-0022/1", "parked"),
            ("H1/H1-0022/2", "duplicate"),
            ("H1/H1-0022/2", "posted"),
        }


async def test_an_id_used_again_has_a_notice_of_its_own(blank: Callable[[], str], broker: Broker) -> None:
    """Each record that reuses an id is refused under an id that no other notice has; the first stands."""
    settings = await topics(broker.bootstrap)
    lines = worked_lines(9)
    paid = next(
        event for event in map(decode, lines) if isinstance(event, Event) and event.type == "payment.made"
    )
    line = next(one for one in lines if f'"{paid.id}"'.encode() in one)
    others = [line.replace(b'"100.00"', amount) for amount in (b'"101.00"', b'"102.00"')]
    async with books(blank(), settings, worked_members()) as the:
        await through_kafka(the, *cards_first(keyed(lines)))
        await through_kafka(the, keyed(others), keyed(others))
        bodies = [one.body for one in await told(settings, "results")]
        mine = [one for one in bodies if one["data"]["id"] == paid.id]
        refused = [one for one in mine if one["data"].get("reason") == "id_reused"]
        assert len(refused) == 4
        assert len({one["id"] for one in refused}) == 2
        for one in refused:
            name, _, part = one["id"].rpartition("/")
            assert name == f"{paid.source}/{paid.id}"
            assert len(bytes.fromhex(part)) == 4
        assert [one["data"]["outcome"] for one in mine if one["id"].endswith("/1")] == ["posted"]
        await all_told(the)


async def test_a_worker_announces_what_files_and_jobs_decided(
    blank: Callable[[], str], broker: Broker
) -> None:
    """Outcomes of a file, events that the cut ended or woke, and each day's state reach the topics."""
    settings = await topics(broker.bootstrap)
    unknown = json.loads(worked_lines(10)[0])
    unknown |= {"id": "WAITS-1"}
    unknown["data"] |= {"card": "tok_nobody_0001", "order_no": "WAITS-1", "bank_ref": "WAITS1"}
    tomorrow = json.loads(worked_lines(10)[0])
    tomorrow |= {"id": "DAY-1", "time": "2026-03-11T10:00:00+08:00"}
    tomorrow["data"] |= {"order_no": "DAY-1", "bank_ref": "DAY1"}
    async with books(blank(), settings, worked_members()) as the:
        await the.ingest([*worked_lines(9), json.dumps(unknown).encode(), json.dumps(tomorrow).encode()])
        async with working(the):
            await until_told(the, "results", {"H1/WAITS-1/1", "H1/DAY-1/1", "H1/H1-0022/1"})
            for day in (9, 10, 11, 12):
                await the.close(date(2026, 3, day))
            await until_told(the, "results", {"H1/WAITS-1/2", "H1/DAY-1/2"})
            await until_told(the, "days", {f"PLAT/day/2026-03-{day:02d}/filed" for day in (9, 10, 11, 12)})
        await all_told(the)
        bodies = {one.id: one.body["data"] for one in await told(settings, "results")}
        assert bodies["H1/WAITS-1/2"]["reason"] == "never_arrived"
        assert bodies["H1/DAY-1/1"]["waits_for"] == "day/2026-03-11"
        assert bodies["H1/DAY-1/2"]["outcome"] == "posted"
        assert bodies["H1/DAY-1/2"]["clearing_date"] == "2026-03-11"
        steps = [one.body["data"] for one in await told(settings, "days")]
        first: list[dict[str, Any]] = [one for one in steps if one["clearing_date"] == str(FIRST_DAY)]
        assert [one.get("entries") for one in first] == [None, 6, 6, 6]


async def until_told(the: Books, family: str, ids: set[str]) -> None:
    """Wait until notices with these ids are on their topic."""

    async def there() -> bool:
        return ids <= {one.id for one in await told(the.settings, family)}

    await until(there, f"notices on {family}")


async def test_what_was_committed_and_not_told_is_told_by_the_next(
    blank: Callable[[], str], broker: Broker
) -> None:
    """A worker that starts after a crash sends what the last one had committed, before it takes more."""
    settings = await topics(broker.bootstrap)
    sent = keyed(worked_lines(9))
    async with books(blank(), settings, worked_members()) as the:
        await send(settings, sent)
        async with working(the):
            await taken(the)
        live = counted(await told(settings, "results"))
        async with the.engine.begin() as conn:
            await conn.exec_driver_sql("UPDATE stream SET announced = 0")
        async with working(the):
            await taken(the)
        assert counted(await told(settings, "results")) == live + live
