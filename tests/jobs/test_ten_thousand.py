"""Ten thousand events of a city through Kafka: each has its notice, and the books are sound."""

from __future__ import annotations

from collections.abc import Callable

from clearing.jobs.broker import Broker
from clearing.jobs.verify import verify
from clearing.jobs.verify_faults import OK
from tests.jobs.proof import all_told, one_outcome_each
from tests.jobs.running import FIRST_DAY, a_day, books, city_members, through_kafka, topics


async def test_ten_thousand_events_have_ten_thousand_notices(
    blank: Callable[[], str], broker: Broker
) -> None:
    """All sent at once to all topics, two workers: a notice an event, a swipe a card use, sound books."""
    sent = a_day(10_000, 3)
    settings = await topics(broker.bootstrap)
    async with books(blank(), settings, city_members()) as the:
        counts = await through_kafka(the, sent, workers=2)
        assert counts["taken"] == len(sent) == 10_000
        assert counts["malformed"] == 0
        await one_outcome_each(the, sent)
        await all_told(the)
        await the.close(FIRST_DAY)
        found = await verify(the.engine, the.members)
        assert {name: said for name, said in found["checks"].items() if said != OK} == {}
        assert found["ok"]
