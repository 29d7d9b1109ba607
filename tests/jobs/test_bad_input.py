"""Bad records end in quarantine or are refused, with a message that helps, and do nothing else."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from clearing.jobs.broker import Broker
from messages import Event, decode
from tests.conftest import DatabaseServer
from tests.jobs.running import (
    FIRST_DAY,
    ROOT,
    Books,
    Sent,
    books,
    prepare,
    settings_of,
    through_kafka,
    told,
    topics,
    worked_lines,
    worked_members,
)

BAD = ROOT / "fixtures" / "bad"
STORIES: dict[str, dict[str, Any]] = tomllib.loads((BAD / "stories.toml").read_text(encoding="utf-8"))
MORNING = datetime(2026, 3, 10, 1, 0, tzinfo=UTC)
SECRETS = ("6200000000000005", "1234567890ABCDEF")
GOOD: dict[str, Any] = {
    "specversion": "1.0",
    "source": "H1",
    "type": "payment.made",
    "time": "2026-03-10T09:00:00+08:00",
    "data": {
        "card": "tok_P1_B1_0001",
        "bank": "B1",
        "institution": "H1",
        "amount": "1.00",
        "bank_date": "2026-03-10",
        "purpose": "OUTPATIENT",
    },
}


@dataclass(frozen=True)
class Bad:
    """A bad record and its story."""

    name: str
    story: dict[str, Any]

    def record(self) -> bytes:
        """The record as it is sent."""
        value = (BAD / f"{self.name}.json").read_bytes().rstrip(b"\n")
        return value.replace(b"HUGE", b"HUGE" * self.story.get("grow", 1))


CASES = [Bad(name, story) for name, story in STORIES.items()]


def good(number: int | str, **data: str) -> bytes:
    """A payment of 1.00 like the bad ones, that can be taken."""
    own = {"bank_ref": f"GOOD{number}", "order_no": f"GOOD-{number}"}
    return json.dumps({**GOOD, "id": f"GOOD-{number}", "data": {**GOOD["data"], **own, **data}}).encode()


async def evening(url: str) -> None:
    """The books on the evening of the first worked day."""
    await prepare(url)
    async with books(url, settings_of(), worked_members()) as the:
        await the.ingest(worked_lines(9))
        await the.close(FIRST_DAY)


@pytest.fixture
def evening_url(database_server: DatabaseServer) -> Iterator[str]:
    """The books of that evening, fresh for each test."""
    url = database_server.create(database_server.template("evening of 9 March", evening))
    yield url
    database_server.drop(url)


async def said_of(the: Books, stream: str, partition: int, position: int) -> tuple[str, str, str, bool]:
    """(outcome, where or reason, sentence, whether bytes are kept) of the record at a place."""
    found = await the.rows(
        "SELECT 'malformed', q.where_, q.what, q.raw IS NOT NULL FROM quarantine q "
        "WHERE (stream, partition, position) = (:stream, :partition, :position) UNION ALL "
        "SELECT e.outcome, e.reason, e.detail, true FROM event e JOIN batch b ON b.id = e.batch "
        "WHERE (b.stream, b.partition, e.position) = (:stream, :partition, :position) UNION ALL "
        "SELECT r.outcome, r.reason, r.detail, true FROM repeat r JOIN batch b ON b.id = r.batch "
        "WHERE (b.stream, b.partition, r.position) = (:stream, :partition, :position)",
        stream=stream,
        partition=partition,
        position=position,
    )
    (one,) = found
    return one[0], one[1], one[2], one[3]


async def as_told(the: Books, bad: Bad, place: tuple[str, int, int]) -> None:
    """The record ended as its story says, in the story's words."""
    outcome, code, sentence, kept = await said_of(the, *place)
    if "what" in bad.story:
        found = (outcome, code, sentence, kept)
        assert found == ("malformed", bad.story["where"], bad.story["what"], bad.story.get("kept", True))
    else:
        assert (outcome, code) == ("rejected", bad.story["reason"])
        assert bad.story["text"] in sentence


async def nowhere(the: Books) -> None:
    """No secret stands in any column of any table, as text or as bytes."""
    tables = await the.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert len(tables) > 20
    for (table,) in tables:
        for secret in SECRETS:
            for form in (secret, secret.encode().hex()):
                query = f'SELECT count(*) FROM "{table}" t WHERE t::text ILIKE :form'  # noqa: S608 - our own tables
                assert await the.one(query, form=f"%{form}%") == 0, table


async def test_bad_records_from_a_file_do_nothing(evening_url: str) -> None:
    """Each bad line of a file ends as its story says, nothing moves, and the good line after it is taken."""
    async with books(evening_url, settings_of(batch_events_max=4), worked_members()) as the:
        before = await the.balances()
        start = await the.one("SELECT position FROM stream WHERE name = 'file'")
        counts = await the.ingest([bad.record() for bad in CASES] + [b"", b"  \r\n"])
        refused = sum("reason" in bad.story for bad in CASES)
        assert (counts["malformed"], counts["rejected"]) == (len(CASES) - refused, refused)
        assert counts["taken"] == len(CASES)
        assert await the.balances() == before
        for number, bad in enumerate(CASES):
            await as_told(the, bad, ("file", 0, start + number))
        await nowhere(the)
        counts = await the.ingest([one for bad in CASES for one in (bad.record(), good(bad.name))])
        assert counts["posted"] == len(CASES)
        assert (await the.balances())["2010.H1"] - before.get("2010.H1", 0) == -100 * len(CASES)


async def test_bad_records_from_kafka_do_nothing_and_stop_nobody(evening_url: str, broker: Broker) -> None:
    """The same from Kafka, tombstones too: each partition goes on, and all that is said names no secret."""
    settings = await topics(broker.bootstrap, partitions=1, batch_events_max=4)
    values = [bad.record() for bad in CASES]
    async with books(evening_url, settings, worked_members()) as the:
        before = await the.balances()
        sent = [Sent("payments", "tok_P1_B1_0001", value, MORNING) for value in [*values, None, b""]]
        counts = await through_kafka(the, sent)
        assert counts["taken"] == len(sent)
        assert counts["posted"] == 0
        assert await the.balances() == before
        topic = f"{settings.kafka_prefix}.payments"
        for number, bad in enumerate(CASES):
            await as_told(the, bad, (topic, 0, number))
        for number in (len(CASES), len(CASES) + 1):  # a record without a value, one with an empty one
            outcome, where, what, _ = await said_of(the, topic, 0, number)
            assert (outcome, where, what) == ("malformed", "byte 0", "expected JSON, got something else")
        await nowhere(the)
        await through_kafka(the, [Sent("payments", "tok_P1_B1_0001", good("after"), MORNING)])
        assert await the.outcome("H1", "GOOD-after") == ("posted", "")
        notices = await told(settings)
        assert not any(secret.encode() in one.value for one in notices for secret in SECRETS)
        quarantined = [one.body["data"] for one in notices if one.family == "quarantine"]
        assert len(quarantined) == counts["malformed"]
        assert {one["kept"] for one in quarantined} == {True, False}


async def test_a_record_far_ahead_of_the_brokers_clock_is_refused(evening_url: str, broker: Broker) -> None:
    """A time over ten minutes after the broker's timestamp is time_in_future; a file has no such clock."""
    settings = await topics(broker.bootstrap, partitions=1)
    ahead = datetime(2026, 3, 10, 0, 49, 59, tzinfo=UTC)
    async with books(evening_url, settings, worked_members()) as the:
        await through_kafka(
            the,
            [
                Sent("payments", "tok_P1_B1_0001", good("ahead"), ahead),
                Sent("payments", "tok_P1_B1_0001", good("just"), ahead.replace(minute=50, second=0)),
            ],
        )
        assert await the.outcome("H1", "GOOD-ahead") == ("rejected", "time_in_future")
        assert await the.outcome("H1", "GOOD-just") == ("posted", "")


async def test_an_event_of_a_day_already_cut_posts_late(evening_url: str) -> None:
    """It is not bad input: yesterday's payment that comes today is an entry of the open day, marked late."""
    line = good("late").replace(b"2026-03-10T09:00", b"2026-03-09T22:00")
    event = decode(line)
    assert isinstance(event, Event)
    async with books(evening_url, settings_of(), worked_members()) as the:
        assert (await the.ingest([line]))["posted"] == 1
        rows = await the.rows("SELECT clearing_date, late FROM entry WHERE event_id = 'GOOD-late'")
        assert rows == [(date(2026, 3, 10), True)]


def test_every_bad_file_has_its_story() -> None:
    """No file without a story, no story without a file, and none that tells of two ends."""
    assert {Path(path).stem for path in BAD.glob("*.json")} == STORIES.keys()
    assert all(("what" in story) != ("reason" in story) and story["story"] for story in STORIES.values())
