"""Days and banks over their cap as members hear of them: every state, each crossing, also after a crash."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from aiokafka import AIOKafkaProducer

from clearing.jobs.broker import Broker
from clearing.jobs.exposure import CapWatch
from clearing.jobs.publish import Publisher
from clearing.ledger.members import Members
from clearing.ledger.members_file import load_members
from tests.jobs.running import (
    DAYS,
    FIRST_DAY,
    Books,
    Told,
    books,
    told,
    topics,
    until,
    worked_lines,
    worked_members,
    working,
)

CLOSED = ("open", "cut", "netted", "filed")
SECOND_DAY = FIRST_DAY + timedelta(days=1)


async def until_days_told(the: Books, ids: set[str]) -> list[Told]:
    """Wait until notices with these ids are on the days' topic, and give all that are there."""
    found: list[Told] = []

    async def there() -> bool:
        found[:] = await told(the.settings, "days")
        return ids <= {one.id for one in found}

    await until(there, "notices of days")
    return found


def state_ids(day: date, states: tuple[str, ...] = CLOSED) -> set[str]:
    """The ids of the notices of a day's states."""
    return {f"PLAT/day/{day}/{state}" for state in states}


async def errands_run(the: Books) -> None:
    """What a worker does for the jobs now and then, once."""
    async with AIOKafkaProducer(bootstrap_servers=the.settings.kafka_bootstrap) as producer:
        prefix = the.settings.kafka_prefix
        await CapWatch(the.engine, the.members).look()
        await Publisher(the.engine, producer, platform="PLAT", prefix=prefix).errands()


async def test_a_close_quicker_than_the_errands_is_told_state_by_state(
    blank: Callable[[], str], broker: Broker
) -> None:
    """A day closed while no worker ran: a notice for each state in their order, with what each had come to."""
    settings = await topics(broker.bootstrap)
    async with books(blank(), settings, worked_members()) as the:
        await the.ingest(worked_lines(9))
        await the.close(FIRST_DAY)
        async with working(the):
            found = await until_days_told(the, state_ids(FIRST_DAY) | state_ids(SECOND_DAY, ("open",)))
        mine = [one for one in found if one.key == f"{FIRST_DAY}"]
        assert [one.body["data"]["state"] for one in mine] == list(CLOSED)
        data = {one.body["data"]["state"]: one.body["data"] for one in mine}
        assert data["open"] == {"clearing_date": "2026-03-09", "state": "open"}
        assert data["cut"] == {"clearing_date": "2026-03-09", "state": "cut", "entries": 6}
        moved = await the.one("SELECT sum(amount_fen)::bigint FROM instruction WHERE kind = 'INTER_BANK'")
        assert data["netted"]["amount"] == f"{moved // 100}.{moved % 100:02d}" != "0.00"
        assert data["filed"] == data["netted"] | {"state": "filed"}
        kept = dict(await the.rows("SELECT state, at FROM day_step WHERE clearing_date = '2026-03-09'"))
        assert list(kept) == list(CLOSED)
        assert [one.body["time"] for one in mine] == [
            kept[state].isoformat().replace("+00:00", "Z") for state in CLOSED
        ]


async def test_a_crash_between_telling_and_remembering_tells_the_same_again(
    blank: Callable[[], str], broker: Broker
) -> None:
    """States and crossings told and not remembered go out again as the same bytes; what is remembered does not."""
    settings = await topics(broker.bootstrap)
    async with books(blank(), settings, capped("B1", "0.01")) as the:
        await the.ingest(worked_lines(9))
        await the.ingest(worked_lines(10))
        await errands_run(the)
        first = sorted(await told(settings, "days"))
        assert {one.body["type"] for one in first} == {"notice.day", "notice.exposure"}
        await errands_run(the)
        assert sorted(await told(settings, "days")) == first
        async with the.engine.begin() as conn:
            await conn.exec_driver_sql("UPDATE day_step SET announced = false")
            await conn.exec_driver_sql("UPDATE crossing SET announced = false")
        await errands_run(the)
        again = await told(settings, "days")
        assert sorted(again) == sorted(first + first)


def capped(bank: str, cap: str) -> Members:
    """The members of the worked days, with a net cap for one bank."""
    document = tomllib.loads((DAYS / "2026-03-10-worked-day" / "members.toml").read_text(encoding="utf-8"))
    for one in document["bank"]:
        if one["code"] == bank:
            one["net_cap"] = cap
    return load_members(document)


def paid(number: int, institution: str, bank: str, amount: str) -> bytes:
    """A payment of the second day, at an institution by a card of a bank."""
    event: dict[str, Any] = json.loads(worked_lines(10)[0])
    person = {"B1": "P1", "B2": "P2"}[bank]
    event |= {"id": f"CAP-{number}", "source": institution}
    event["data"] |= {"card": f"tok_{person}_{bank}_0001", "bank": bank, "institution": institution,
                      "amount": amount, "order_no": f"CAP-{number}", "bank_ref": f"CAP{number}"}  # fmt: skip
    return json.dumps(event).encode()


async def test_a_bank_is_named_each_time_it_crosses_its_cap(blank: Callable[[], str], broker: Broker) -> None:
    """Over, over still, within, over again after a restart: three notices with the net of their moment."""
    settings = await topics(broker.bootstrap)
    async with books(blank(), settings, capped("B1", "2000.00")) as the:
        await the.ingest(worked_lines(9))
        await the.close(FIRST_DAY)
        async with working(the):
            await the.ingest(worked_lines(10))
            await until_days_told(the, {"PLAT/exposure/2026-03-10/B1/1"})
        watch = CapWatch(the.engine, the.members)
        await the.ingest([paid(1, "H2", "B1", "10.00")])
        assert await watch.look() == 0  # over its cap still
        await the.ingest([paid(2, "H1", "B2", "500.00")])
        watch = CapWatch(the.engine, the.members)
        assert await watch.look() == 1
        assert await CapWatch(the.engine, the.members).look() == 0
        await the.ingest([paid(3, "H2", "B1", "400.00")])
        await the.close(SECOND_DAY)
        async with working(the):
            found = await until_days_told(
                the, {"PLAT/exposure/2026-03-10/B1/3", "PLAT/day/2026-03-10/netted"}
            )
        warned = [one.body["data"] for one in found if one.body["type"] == "notice.exposure"]
        day = {"clearing_date": "2026-03-10", "bank": "B1", "cap": "2000.00"}
        assert sorted(warned, key=lambda one: one["no"]) == [
            day | {"level": "OVER", "net": "2120.56", "over": "120.56", "no": 1},
            day | {"level": "WITHIN", "net": "1630.56", "no": 2},
            day | {"level": "OVER", "net": "2030.56", "over": "30.56", "no": 3},
        ]
