"""What comes too early waits, and is woken by what it waits for: in that transaction, whoever brings it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import date, timedelta

from clearing.jobs.broker import Broker
from tests.jobs.made import CARD, CARDS, MORNING, event, line, payment, sent_under, submitted, undo
from tests.jobs.proof import all_told, one_outcome_each
from tests.jobs.running import (
    FIRST_DAY,
    Books,
    Sent,
    books,
    joined,
    send,
    settings_of,
    taken,
    topics,
    worked_members,
    working,
)
from tests.soaking import SEED, did, size


def pairs(count: int) -> tuple[list[Sent], list[Sent], dict[str, str]]:
    """Originals, their undos under other keys, and what each original must come to."""
    kinds = ("payment.voided", "payment.refunded", "payment.reversed", "payout.returned")
    first, second, ends = [], [], {}
    for number in range(count):
        name, kind = f"{number:05d}", kinds[number % len(kinds)]
        if kind == "payout.returned":
            said = {"original": {"source": "F1", "id": f"PO-{name}"}, "amount": "5.00", "attempt": 1}
            result = {"bank_ref": f"RES{name}", "bank_date": "2026-03-09", "result": "PAID"}
            back = {"bank_ref": f"RET{name}", "bank_date": "2026-03-09", "reason_code": "R03"}
            first.append(sent_under(submitted(name), f"a{name}", "reimbursements"))
            first.append(
                sent_under(
                    event("payout.result", f"RES-{name}", said | result, "B1"), f"b{name}", "reimbursements"
                )
            )
            second.append(
                sent_under(
                    event("payout.returned", f"RET-{name}", said | back, "B1"), f"c{name}", "reimbursements"
                )
            )
        else:
            first.append(sent_under(payment(name), f"p{name}"))
            second.append(sent_under(undo(kind, name), f"u{name}"))
        ends[name] = kind
    return first, second, ends


async def test_two_workers_lose_no_effect_and_no_waking(blank: Callable[[], str], broker: Broker) -> None:
    """Originals race their undos over partitions and two workers, in batches of a few."""
    rng = random.Random(SEED)
    first, second, ends = pairs(size(200, 10_000))
    settings = await topics(broker.bootstrap, partitions=4, batch_events_max=5)
    async with books(blank(), settings, worked_members()) as the:
        await the.ingest(CARDS)
        everything = first + second
        rng.shuffle(everything)
        async with working(the, 2) as crew:
            await joined(settings, 2)
            for start in range(0, len(everything), 25):
                await send(settings, everything[start : start + 25])
                await asyncio.sleep(rng.random() * 0.05)
            await taken(the)
        assert all(worker.totals.counts["posted"] for worker in crew), "both have worked"
        await settled(the, ends)
        did("raced pairs", len(ends))
        await one_outcome_each(the, [*(Sent("cards", "", one, MORNING) for one in CARDS), *everything])
        await all_told(the)


async def settled(the: Books, ends: dict[str, str]) -> None:
    """Every pair came to nothing: whoever came first, the undo found its original or the other way round."""
    assert await the.rows("SELECT source, id, waits_for FROM parked") == [], f"seed {SEED}"
    refused = await the.rows(
        "SELECT e.id, coalesce(w.outcome, e.outcome), coalesce(w.reason, e.reason) FROM event e "
        "LEFT JOIN woken w USING (source, id) WHERE coalesce(w.outcome, e.outcome) = 'rejected'"
    )
    for name, _, reason in refused:
        assert ends[name[-5:]] == "payment.reversed"
        assert reason == "reversed_before_arrival", f"seed {SEED}"
    found = await the.balances()
    assert found.get("2010.H1", 0) == 0, f"seed {SEED}"
    assert found.get("2030.F1", 0) == -500 * sum(kind == "payout.returned" for kind in ends.values())
    posted = await the.one("SELECT count(*) FROM entry WHERE type = 'payout.returned'")
    assert posted == sum(kind == "payout.returned" for kind in ends.values()), f"seed {SEED}"


async def test_what_waits_is_woken_where_its_reason_comes(blank: Callable[[], str]) -> None:
    """A void waits for its payment, that for its card; the card's last registration posts both, at once."""
    async with books(blank(), settings_of(batch_events_max=1), worked_members()) as the:
        await the.ingest([line(undo("payment.voided", "0001")), line(payment("0001"))])
        waits = await the.rows("SELECT id, waits_for FROM parked ORDER BY arrival")
        assert waits == [("voided-0001", "event/H1/PAY-0001"), ("PAY-0001", f"card/{CARD}")]
        mine = [one for one in CARDS if CARD.encode() in one]
        for one in mine[:-1]:
            await the.ingest([one])
        assert await the.one("SELECT count(*) FROM parked") == 2
        counts = await the.ingest(mine[-1:])
        assert (counts["noted"], counts["woken"]) == (1, 2)
        assert await the.one("SELECT count(DISTINCT batch) FROM woken") == 1
        assert await the.one("SELECT count(*) FROM parked") == 0
        assert await the.outcome("H1", "PAY-0001") == ("posted", "")
        assert await the.outcome("H1", "voided-0001") == ("posted", "")
        assert await the.balances() == {}


async def test_who_waits_too_long_is_refused_by_the_cut_of_the_third_day_after(
    blank: Callable[[], str],
) -> None:
    """A payment without card ends never_arrived, and the void that waits for it ends with it, unknown_original."""
    async with books(blank(), settings_of(), worked_members()) as the:
        await the.ingest([line(undo("payment.voided", "0001")), line(payment("0001"))])
        for day in range(3):
            await the.close(FIRST_DAY + timedelta(days=day))
            assert await the.one("SELECT count(*) FROM parked") == 2, day
        await the.close(FIRST_DAY + timedelta(days=3))
        assert await the.one("SELECT count(*) FROM parked") == 0
        assert await the.outcome("H1", "PAY-0001") == ("rejected", "never_arrived")
        assert await the.outcome("H1", "voided-0001") == ("rejected", "unknown_original")
        assert await the.balances() == {}


async def test_an_undo_whose_original_never_comes_is_refused(blank: Callable[[], str]) -> None:
    """A void, a refund and a return of nothing end never_arrived; a reversal of nothing has been noted."""
    kinds = ("payment.voided", "payment.refunded", "payment.reversed")
    async with books(blank(), settings_of(), worked_members()) as the:
        await the.ingest([*CARDS, *(line(undo(kind, "0009")) for kind in kinds)])
        for day in range(4):
            await the.close(FIRST_DAY + timedelta(days=day))
        assert await the.outcome("H1", "voided-0009") == ("rejected", "never_arrived")
        assert await the.outcome("H1", "refunded-0009") == ("rejected", "never_arrived")
        assert await the.outcome("H1", "reversed-0009") == ("noted", "")


async def test_an_event_of_a_later_day_waits_for_it(blank: Callable[[], str]) -> None:
    """Tomorrow's is taken today; the day after tomorrow's is parked, and woken by the cut that makes room."""
    async with books(blank(), settings_of(), worked_members()) as the:
        tomorrow, after = payment("0001"), payment("0002")
        tomorrow["time"], after["time"] = "2026-03-10T10:00:00+08:00", "2026-03-11T10:00:00+08:00"
        await the.ingest([*CARDS, line(tomorrow), line(after)])
        assert await the.outcome("H1", "PAY-0001") == ("posted", "")
        assert await the.rows("SELECT id, waits_for FROM parked") == [("PAY-0002", "day/2026-03-11")]
        (done, _, _) = await the.close(FIRST_DAY)
        assert (done.woken, done.expired) == (1, 0)
        assert await the.rows("SELECT event_id, clearing_date, late FROM entry ORDER BY event_id") == [
            ("PAY-0001", date(2026, 3, 10), False),
            ("PAY-0002", date(2026, 3, 11), False),
        ]


async def test_the_first_to_arrive_is_the_first_to_be_woken(blank: Callable[[], str]) -> None:
    """Of three refunds that waited for one payment the earlier two take it all, whatever batch they came in."""
    async with books(blank(), settings_of(batch_events_max=1), worked_members()) as the:
        refunds = []
        for number, amount in enumerate(("6.00", "4.00", "1.00")):
            one = undo("payment.refunded", f"000{number}", amount, "PAY-0001")
            refunds.append(line(one))
        await the.ingest([*CARDS, *refunds, line(payment("0001"))])
        found = [await the.outcome("H1", f"refunded-000{number}") for number in range(3)]
        assert found == [("posted", ""), ("posted", ""), ("rejected", "exceeds_original")]
