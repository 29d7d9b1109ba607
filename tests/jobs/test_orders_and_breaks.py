"""What banks say of orders, in files that are partly good and by message, and which breaks the day then has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from clearing.files.records import ResultLine, ReturnLine
from clearing.jobs.instruct_again import instruct_again
from clearing.jobs.reconcile import reconcile_day
from clearing.jobs.settle import settle
from tests.jobs.mock_bank import BUSY, PAID, SILENT, UNKNOWN
from tests.jobs.payout_round import CARDS, DAY, Round, submitted, told, with_cards
from tests.jobs.running import Books

NEXT = DAY + timedelta(days=1)
TEN = datetime(2026, 5, 19, 2, 0, tzinfo=UTC)
STATEMENT = "bank_ref,platform_ref,bank_date,bank_time,type,direction,amount,status,card,original_bank_ref\n"


@pytest.fixture
async def the(blank: Callable[[], str]) -> AsyncIterator[Books]:
    """Books with a card at each of two banks."""
    async with with_cards(blank()) as opened:
        yield opened


async def breaks_of(the: Books, day: date, lines: str, folder: Path) -> list[dict[str, Any]]:
    """The breaks of a day over a statement of B1 with these lines."""
    path = folder / f"STM_B1_{day:%Y%m%d}.csv"
    path.write_text(STATEMENT + lines, encoding="utf-8")
    found = await reconcile_day(
        the.engine, the.settings, the.members, day, {"B1": path}, {}, now=datetime(2026, 5, 18, tzinfo=UTC)
    )
    assert {line["residual"] for line in found["proof"].values()} == {"0.00"}
    return list(found["breaks"])


# ---------------------------------------------------------------- FIL-004 of answers


async def test_bad_lines_of_answers_are_breaks_and_the_good_ones_are_booked(
    round_: Round, tmp_path: Path
) -> None:
    """A PYR and an RTN with a wrong line each, from a bank whose inbox takes good lines: FIL-004 a bad line."""
    the, bank = round_.the, round_.b1
    inboxes = tuple(one.model_copy(update={"partial": True}) for one in round_.partners.inbox)
    round_.partners = round_.partners.model_copy(update={"inbox": inboxes})
    await the.ingest([submitted(number, "B1") for number in (1, 2, 3, 4)])
    await round_.dispatch()
    await round_.deliver()
    bank.decide = lambda _: SILENT
    bank.work()
    bank.decide = lambda _: PAID
    lines = [bank.ordered(line) for line in list(bank.orders.values())]
    first, *others = [line for line in lines if isinstance(line, ResultLine)]
    bank.answer([first._replace(amount_fen=9_999), *others])
    (part,) = [one for one in await round_.receive() if one.type == "PYR"]
    assert (part.verdict, part.records, part.taken, part.posted) == ("PART", 4, 3, 3)
    back = [
        ReturnLine(pay_id, bank.reference(pay_id), f"RT{number}", DAY, fen, "R03", "", False)
        for number, (pay_id, fen) in enumerate((("F1/P2/1", 1), ("F1/P3/1", 10_000), ("F1/P9/1", 10_000)))
    ]
    bank.write("RTN", [("D", line) for line in back])
    (part,) = [one for one in await round_.receive() if one.type == "RTN"]
    assert (part.verdict, part.records, part.taken, part.posted) == ("PART", 3, 1, 1)
    assert await round_.states() == {"P1": "SENT", "P2": "PAID", "P3": "RETURNED", "P4": "PAID"}
    await the.close(DAY)
    refs = {number: bank.reference(f"F1/P{number}/1") for number in (2, 3, 4)}
    rows = "".join(f"{ref},,{DAY},,PAYOUT,C,100.00,SUCC,,\n" for ref in refs.values())
    found = await breaks_of(the, DAY, f"{rows}RT1,,{DAY},,RETURN,D,100.00,SUCC,,\n", tmp_path)
    wrong = [one for one in found if one["code"] == "FIL-004"]
    assert [(one["bank"], one["state"], one["difference"]) for one in wrong] == [("B1", "OPEN", "0.00")] * 3
    details = sorted(one["detail"] for one in wrong)
    assert (
        'PYR_B1_PLAT_20260518_001_V1.txt:2 field 9 amount: expected the whole 100.00, got "99.99"'
        in details[0]
    )
    assert (
        'RTN_B1_PLAT_20260518_001_V1.txt:2 field 7 amount: expected the whole 100.00, got "0.01"'
        in details[1]
    )
    assert (
        "RTN_B1_PLAT_20260518_001_V1.txt:4 field 3 pay_id: expected an order that was given to B1"
        in details[2]
    )
    others_ = sorted((one["code"], one["keys"]["order_no"]) for one in found if one["code"] != "FIL-004")
    assert others_ == [("FND-001", "F1/P1"), ("FND-003", "F1/P3")]
    await round_.holds()


# ---------------------------------------------------------------- settlement orders


async def settled(round_: Round) -> dict[str, str]:
    """The instructions of a day with payments at two banks, given to their banks; id by kind and debtor."""
    the = round_.the
    paid = {"institution": "H1", "amount": "10.00", "bank_date": f"{DAY}", "purpose": "OUTPATIENT"}
    payments = [
        told(
            "payment.made",
            f"PAY-{bank}",
            paid | {"card": CARDS[bank], "bank": bank, "bank_ref": f"BR-{bank}", "order_no": f"O-{bank}"},
            source="H1",
        )
        for bank in ("B1", "B2")
    ]
    await the.ingest([submitted(1, "B1"), *payments])
    await round_.dispatch()
    await round_.turn()
    await the.close(DAY)
    await breaks_of(the, DAY, "", round_.root)
    round_.now = TEN
    for bank in (round_.b1, round_.b2):
        bank.decide = lambda _: SILENT
    await settle(the.engine, the.settings, the.members, now=TEN)
    await round_.turn()
    rows = await the.rows("SELECT kind || ' ' || debtor, id FROM instruction ORDER BY 1, amount_fen")
    return dict(iter(rows))


async def funds(the: Books, day: date, folder: Path) -> dict[str, tuple[str, str]]:
    """Order → (code, state) of the FND breaks that a run lists."""
    found = await breaks_of(the, day, "", folder)
    return {
        one["keys"]["order_no"]: (one["code"], one["state"]) for one in found if one["code"].startswith("FND")
    }


async def test_orders_between_accounts_are_breaks_until_they_are_carried_out(
    round_: Round, tmp_path: Path
) -> None:
    """Unanswered, not known, failed, and later confirmed: in files."""
    the, ids = round_.the, await settled(round_)
    first, second, third = sorted(ids.values())[:3]
    say = {first: UNKNOWN, second: "R03"}
    for bank in (round_.b1, round_.b2):
        bank.decide = lambda line: say.get(line.pay_id, SILENT)
        bank.answer([bank.ordered(line) for line in list(bank.orders.values()) if line.pay_id in say])
    await round_.receive()
    await the.close(NEXT)
    found = await funds(the, NEXT, tmp_path)
    assert found == {
        **dict.fromkeys(ids.values(), ("FND-001", "SUSPECT")),
        second: ("FND-002", "OPEN"),
    }
    assert third in found
    say[first] = PAID
    for bank in (round_.b1, round_.b2):
        bank.answer([bank.asked(line) for line in list(bank.results.values()) if line.pay_id == first])
    await round_.receive()
    new = (await instruct_again(the.engine, the.members, second, today=NEXT, by="ann")).id
    await the.close(NEXT + timedelta(days=1))
    later = await funds(the, NEXT + timedelta(days=1), tmp_path)
    assert later == {first: ("FND-001", "AUTO_CLEARED"), second: ("FND-002", "AUTO_CLEARED")}
    assert new not in later, "it has not gone out yet"
    asked_again = await breaks_of(the, NEXT, "", tmp_path)
    open_then = {one["keys"]["order_no"] for one in asked_again if one["code"].startswith("FND")}
    assert open_then == set(found), "what has become of an order since does not change the day"


async def test_an_order_that_came_back_or_waits_for_a_busy_bank_is_no_less_open(
    round_: Round, tmp_path: Path
) -> None:
    """R12 is not carried out yet; money that came back after an S is FND-003 and may be instructed again.

    Whatever the clocks said: before the cut is what the books had before it.
    """
    the, ids = round_.the, await settled(round_)
    busy, back = ids["IN_BANK B1"], ids["IN_BANK B2"]
    say = {busy: BUSY, back: PAID}
    for bank in (round_.b1, round_.b2):
        bank.decide = lambda line: say.get(line.pay_id, SILENT)
        bank.answer([bank.ordered(line) for line in list(bank.orders.values()) if line.pay_id in say])
    await round_.receive()
    round_.b2.return_(back, "R01")
    ((received),) = [one for one in await round_.receive() if one.type == "RTN"]
    assert (received.verdict, received.refused) == ("ACPT", 0)
    await the.close(NEXT)
    await the.as_superuser("UPDATE dispatch SET at = at + interval '100 years'")
    await the.as_superuser("UPDATE pay_line SET answered_at = answered_at + interval '100 years'")
    found = await funds(the, NEXT, tmp_path)
    assert (found[busy], found[back]) == (("FND-001", "SUSPECT"), ("FND-003", "OPEN"))
    assert (await instruct_again(the.engine, the.members, back, today=NEXT, by="ann")).replaces == back


async def test_what_a_bank_says_by_message_ends_the_break_too(round_: Round, tmp_path: Path) -> None:
    """settlement.confirmed and .failed without a file: no break, or FND-002 with the bank's reason."""
    the, ids = round_.the, await settled(round_)
    done, failed = ids["IN_BANK B1"], ids["IN_BANK B2"]
    amount = await the.one("SELECT amount_fen FROM instruction WHERE id = :id", id=done)
    said = {"instruction": done, "amount": f"{amount / 100:.2f}", "bank_ref": "S-1", "bank_date": f"{NEXT}"}
    at = {"source": "B1"}
    lines = [
        told("settlement.confirmed", "S1", said, "11:00", **at),
        told("settlement.failed", "S2", {"instruction": failed, "reason": "closed"}, "11:00", "B2"),
    ]
    lines = [line.replace(f'"time": "{DAY}'.encode(), f'"time": "{NEXT}'.encode()) for line in lines]
    assert (await the.ingest(lines))["noted"] == 2
    await the.close(NEXT)
    found = await funds(the, NEXT, tmp_path)
    assert (found.get(done), found[failed]) == (None, ("FND-002", "OPEN"))
