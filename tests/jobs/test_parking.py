"""What comes too early waits, and is woken by what it waits for: in that transaction, whoever brings it."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from clearing.jobs.broker import Broker
from tests.jobs.running import (
    FIRST_DAY,
    Books,
    Sent,
    all_told,
    books,
    one_outcome_each,
    send,
    settings_of,
    taken,
    topics,
    worked_lines,
    worked_members,
    working,
)

CARD = "tok_P1_B1_0001"
SEED = random.SystemRandom().randrange(10_000)
MORNING = datetime(2026, 3, 9, 2, 0, tzinfo=UTC)
CARDS = [line for line in worked_lines(9) if b'"card.' in line]


def payment(name: str, **data: str) -> dict[str, Any]:
    """A payment of 10.00 of P1 at H1."""
    said = {
        "card": CARD,
        "bank": "B1",
        "institution": "H1",
        "amount": "10.00",
        "bank_ref": f"REF{name}",
        "bank_date": "2026-03-09",
        "purpose": "OUTPATIENT",
        "order_no": f"ORDER-{name}",
    }
    return event("payment.made", f"PAY-{name}", said | data)


def event(
    kind: str, name: str, data: dict[str, Any], source: str = "H1", time: str = "10:00"
) -> dict[str, Any]:
    """An event of the first day."""
    return {
        "specversion": "1.0",
        "id": name,
        "source": source,
        "type": kind,
        "time": f"{FIRST_DAY}T{time}:00+08:00",
        "data": data,
    }


def undo(kind: str, name: str, amount: str = "10.00", original: str | None = None) -> dict[str, Any]:
    """A void, refund or reversal of a payment."""
    data: dict[str, Any] = {"original": {"source": "H1", "id": original or f"PAY-{name}"}, "amount": amount}
    if kind != "payment.reversed":
        data |= {"card": CARD, "bank": "B1", "institution": "H1"}
        data |= {"bank_ref": f"UNDO{kind[8:11]}{name}", "bank_date": "2026-03-09"}
    return event(kind, f"{kind[8:]}-{name}", data, time="10:05")


def line(one: dict[str, Any]) -> bytes:
    """An event as it is sent."""
    return json.dumps(one).encode()


def sent_under(one: dict[str, Any], key: str, family: str = "payments") -> Sent:
    """An event under a key of its own, so that nothing orders it with its original."""
    return Sent(family, key, line(one), MORNING + timedelta(minutes=10))


def pairs(count: int) -> tuple[list[Sent], list[Sent], dict[str, str]]:
    """Originals, their undos under other keys, and what each original must come to."""
    kinds = ("payment.voided", "payment.refunded", "payment.reversed", "payout.returned")
    first, second, ends = [], [], {}
    for number in range(count):
        name, kind = f"{number:04d}", kinds[number % len(kinds)]
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


def submitted(name: str) -> dict[str, Any]:
    """A reimbursement of 5.00 to P1."""
    claim = {
        "settlement_id": f"S{name}",
        "payer": "F1",
        "kind": "OUTPATIENT",
        "total": "10.00",
        "eligible": "10.00",
        "fund_amount": "5.00",
        "patient_amount": "5.00",
    }
    data = {"card": CARD, "bank": "B1", "amount": "5.00", "claim": claim}
    return event(
        "reimbursement.submitted",
        f"PO-{name}",
        {**data, "approval": {"maker": "op-01", "checker": "op-02"}},
        "F1",
        "09:30",
    )


async def test_two_workers_lose_no_effect_and_no_waking(blank: Callable[[], str], broker: Broker) -> None:
    """Two hundred originals race their undos over partitions and two workers, in batches of a few."""
    rng = random.Random(SEED)
    first, second, ends = pairs(200)
    settings = await topics(broker.bootstrap, partitions=4, batch_events_max=5)
    async with books(blank(), settings, worked_members()) as the:
        await the.ingest(CARDS)
        everything = first + second
        rng.shuffle(everything)
        async with working(the, 2) as crew:
            for start in range(0, len(everything), 25):
                await send(settings, everything[start : start + 25])
                await asyncio.sleep(rng.random() * 0.05)
            await taken(the)
        assert all(worker.totals.counts["posted"] for worker in crew), "both have worked"
        await settled(the, ends)
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
        assert ends[name[-4:]] == "payment.reversed"
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
