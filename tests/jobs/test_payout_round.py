"""Payouts all the way round: dispatched, delivered by SFTP, answered by a bank, received, booked."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from clearing.files.layout import load_layout
from clearing.files.names import FileName
from clearing.files.outgoing import file_of
from clearing.files.records import PayLine
from clearing.files.totals import hash_part
from clearing.jobs.ask import ask
from clearing.jobs.instruct_again import instruct_again
from clearing.jobs.settle import settle
from clearing.jobs.verify import verify
from clearing.ledger.facts import lock_name
from clearing.store import locks, payments
from clearing.store.payments import Answer
from clearing.store.session import transaction
from tests.files.test_iso20022_returns import BANKS, ONE, detail
from tests.jobs.mock_bank import BUSY, CLOCK, PAID, REJECTED, SILENT, UNKNOWN
from tests.jobs.mortal import KILLED, mortals
from tests.jobs.payout_round import CARDS, DAY, MORNING, STORY, Round, cards, submitted, told, with_cards
from tests.jobs.running import Books, books, members_of, settings_of, until
from tests.jobs.steps import DISPATCH, RECEIVE
from tests.services.sftp_server import SftpServer


@pytest.fixture
async def the(blank: Callable[[], str]) -> AsyncIterator[Books]:
    """Books with a card at each of two banks, and files of two orders."""
    async with with_cards(blank(), pay_rows_max=2) as opened:
        yield opened


# ---------------------------------------------------------------- the round


async def test_payouts_go_out_are_paid_and_are_booked(round_: Round) -> None:
    """Three payouts to one bank and one to another: three files, all SENT, then PAID, nothing left in process."""
    await round_.the.ingest([*(submitted(n, "B1") for n in (1, 2, 3)), submitted(4, "B2", "250.00")])
    sent = await round_.dispatch()
    assert [(one.window, one.bank, len(one.files), one.rows, one.total_fen) for one in sent] == [
        ("2026-05-18 08:30", "B1", 2, 3, 30_000),
        ("2026-05-18 08:30", "B2", 1, 1, 25_000),
    ]
    assert sent[0].files == (
        "RHC_PAY_PLAT_B1_20260518_001_V1.txt",
        "RHC_PAY_PLAT_B1_20260518_002_V1.txt",
    )
    assert set((await round_.states()).values()) == {"SENT"}
    found = await round_.turn()
    assert Counter((one.type, one.verdict, one.posted) for one in found) == {
        ("ACK", "ACPT", 0): 3,
        ("PYR", "ACPT", 2): 1,
        ("PYR", "ACPT", 1): 2,
    }
    assert set((await round_.states()).values()) == {"PAID"}
    assert (await round_.the.balances())["1010.B1"] == -30_000
    assert round_.b1.verdicts == [
        ("RHC_PYR_B1_PLAT_20260518_001_V1.txt", "ACPT"),
        ("RHC_PYR_B1_PLAT_20260518_002_V1.txt", "ACPT"),
    ]
    acks = await round_.the.rows("SELECT file, partner, verdict, taken FROM acknowledgement ORDER BY file")
    assert acks[0] == ("RHC_PAY_PLAT_B1_20260518_001_V1.txt", "B1", "ACPT", 2)
    await round_.holds()


async def test_a_bank_that_speaks_iso_20022_is_paid_through_it(
    blank: Callable[[], str], server: SftpServer, tmp_path: Path
) -> None:
    """PAY goes out as pain.001, results come back as pain.002: paid, refused, and not known yet."""
    settings = settings_of(pay_rows_max=10, pay_profile="X")
    async with books(blank(), settings, members_of(STORY / "members.toml"), DAY) as the:
        await the.ingest(cards())
        round_ = Round(the, server, server.root / tmp_path.name)
        round_.b1.profile = "X"
        say = {"F1/P1/1": PAID, "F1/P2/1": "R10", "F1/P3/1": UNKNOWN}
        round_.b1.decide = lambda line: say[line.pay_id]
        await the.ingest([submitted(number, "B1") for number in (1, 2, 3)])
        sent = await round_.dispatch()
        assert sent[0].files == ("RHC_PAY_PLAT_B1_20260518_001_V1.xml",)
        found = await round_.turn()
        assert [(one.file, one.verdict, one.posted) for one in found if one.type == "PYR"] == [
            ("RHC_PYR_B1_PLAT_20260518_001_V1.xml", "ACPT", 2)
        ]
        assert await round_.states() == {"P1": "PAID", "P2": "REJECTED", "P3": "SENT"}
        assert ("RHC_PYR_B1_PLAT_20260518_001_V1.xml", "ACPT") in round_.b1.verdicts
        assert round_.b1.return_("F1/P1/1", "R04") == "RHC_RTN_B1_PLAT_20260518_001_V1.xml"
        ((back),) = await round_.receive()
        assert (back.verdict, back.posted, back.refused) == ("ACPT", 1, 0)
        assert (await round_.states())["P1"] == "RETURNED"
        assert await the.one("SELECT text FROM entry WHERE type = 'payout.returned'") == "R04"
        await round_.holds()


async def test_a_banks_own_notice_of_returns_is_taken(round_: Round) -> None:
    """camt.054 as a bank writes it: one entry, two returns, no more than EndToEndId, amount and reason of each."""
    await round_.the.ingest([submitted(1, "B1"), submitted(2, "B1", "250.00")])
    await round_.dispatch()
    await round_.turn()
    details = detail("F1/P1/1", amount="100.00") + detail("F1/P2/1", amount="250.00", why="<Cd>RC01</Cd>")
    content = BANKS.format(**(ONE | {"amount": "350.00"}), details=details).encode()
    bank, name = round_.b1, "RHC_RTN_B1_PLAT_20260518_001_V1.xml"
    made = file_of(FileName("RTN", "B1", "PLAT", DAY, 1, 1), [], load_layout("X"), CLOCK)
    hashed = sum(hash_part(f"F1/P{number}/1") for number in (1, 2)) % 10**10
    bank.put(name, content, replace(made, records=2, amount_total=35_000, hash_total=hashed))
    ((back),) = await round_.receive()
    assert (back.verdict, back.posted, back.refused) == ("ACPT", 2, 0), back.faults
    assert set((await round_.states()).values()) == {"RETURNED"}
    reasons = await round_.the.rows(
        "SELECT text FROM entry WHERE type = 'payout.returned' ORDER BY amount_fen"
    )
    assert reasons == [("R03",), ("R13",)]
    assert (await round_.the.balances())["2030.F1"] == -35_000
    await round_.holds()
    assert await round_.receive() == []


async def test_what_an_order_says(round_: Round) -> None:
    """The payer's expense account, the bank's code, the card or what the payer sealed, and no clock in it."""
    payee = {"name": "c2VhbGVkLW5hbWU=", "account": "c2VhbGVkLWFjY291bnQ="}
    await round_.the.ingest([submitted(1, "B1"), submitted(2, "B1", payee=payee)])
    await round_.dispatch()
    await round_.deliver()
    round_.b1.work()
    said = PayLine(
        pay_id="F1/P1/1",
        payer_account="99020000000000003",
        payee_bank="990121000010",
        payee_account="tok_P1_B1_0001",
        payee_name="",
        corporate=False,
        amount_fen=10_000,
        purpose="门诊报销",
        value_date=DAY,
        urgent=False,
    )
    other = said._replace(pay_id="F1/P2/1", payee_account=payee["account"], payee_name=payee["name"])
    assert list(round_.b1.orders.values()) == [said, other]


async def test_a_window_is_worked_off_once(round_: Round) -> None:
    """Nothing before the first window; what is accepted in a window waits for the next; --now asks no window."""
    await round_.the.ingest([submitted(1, "B1")])
    round_.now = MORNING - timedelta(minutes=2)
    assert await round_.dispatch() == []
    round_.now = MORNING
    assert len(await round_.dispatch()) == 1
    await round_.the.ingest([submitted(2, "B1"), submitted(3, "B2")])
    round_.now = MORNING + timedelta(hours=4)
    assert await round_.dispatch() == []
    round_.now = MORNING + timedelta(hours=5)
    assert [(one.window, one.bank) for one in await round_.dispatch()] == [
        ("2026-05-18 13:30", "B1"),
        ("2026-05-18 13:30", "B2"),
    ]
    assert await round_.dispatch() == []
    await round_.the.ingest([submitted(4, "B1")])
    assert [(one.window, one.rows) for one in await round_.dispatch(at_once=True)] == [("", 1)]
    files = await round_.the.rows("SELECT seq FROM file WHERE type = 'PAY' AND receiver = 'B1' ORDER BY seq")
    assert files == [(1,), (2,), (3,)]


async def test_only_released_batches_go_out(round_: Round) -> None:
    """Rows of a batch that is not complete stay here; those of the complete one go."""
    lines = (STORY / "events.jsonl").read_bytes().splitlines()
    await round_.the.ingest([line for line in lines if b'"reimbursement.' in line])
    assert [(one.bank, one.rows, one.total_fen) for one in await round_.dispatch()] == [
        ("B1", 1, 10_000),
        ("B2", 1, 30_000),
    ]
    assert await round_.states() == {"F1-R1": "SENT", "F1-R3": "SENT", "F1-R4": "ACCEPTED"}


async def test_a_rejection_goes_to_returned_funds(round_: Round) -> None:
    """A refused order is REJECTED with its reason, its money stands with the payer; repaid, it goes out as the next
    attempt under a name of its own.
    """
    round_.b1.decide = lambda line: REJECTED if line.pay_id == "F1/P1/1" else PAID
    await round_.the.ingest([submitted(1, "B1"), submitted(2, "B1")])
    await round_.dispatch()
    await round_.turn()
    assert await round_.states() == {"P1": "REJECTED", "P2": "PAID"}
    assert (await round_.the.balances())["2030.F1"] == -10_000
    people = {
        "business": {"maker": "op-01", "checker": "op-02"},
        "finance": {"maker": "op-03", "checker": "op-04"},
    }
    again = {"original": {"source": "F1", "id": "P1"}, "card": CARDS["B1"], "bank": "B1", **people}
    await round_.the.ingest([told("payout.repaid", "RP1", again, "15:00")])
    assert [one.rows for one in await round_.dispatch(at_once=True)] == [1]
    await round_.turn()
    assert await round_.states() == {"P1": "PAID", "P2": "PAID"}
    assert set(round_.b1.paid) == {"F1/P1/2", "F1/P2/1"}
    await round_.holds()


async def test_an_order_that_is_answered_while_it_is_made_ready_again_does_not_go_out(round_: Round) -> None:
    """The bank was busy; what it says next comes in the moment in which the order would be sent once more."""
    the = round_.the
    round_.b1.decide = lambda _: BUSY
    await the.ingest([submitted(1, "B1")])
    await round_.dispatch()
    await round_.turn()
    async with transaction(the.engine) as conn:
        await payments.lines(conn, ["F1/P1/1"])
        again = asyncio.create_task(round_.dispatch(at_once=True))
        query = "SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted"
        await until(lambda: the.one(query), "the order's row to be waited for")
        await payments.answer(conn, [Answer("F1/P1/1", "S", "X1", DAY, "")], round_.now)
    assert await again == []
    assert await the.one("SELECT count(*) FROM file WHERE type = 'PAY'") == 1


async def test_a_payout_goes_to_the_card_that_stands_when_it_is_sent(round_: Round) -> None:
    """Its card is replaced in the moment in which its file is made: the order names the new one."""
    the = round_.the
    await the.ingest([submitted(1, "B1")])
    async with transaction(the.engine) as conn:
        await locks.lock(conn, [lock_name(("payout", "F1", "P1"))])
        going = asyncio.create_task(round_.dispatch(at_once=True))
        query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        await until(lambda: the.one(query), "the payout's name to be waited for")
        await conn.execute(text("UPDATE payout SET card = 'tok_new_number'"))
    assert [one.rows for one in await going] == [1]
    await round_.deliver()
    round_.b1.work()
    assert [one.payee_account for one in round_.b1.orders.values()] == ["tok_new_number"]


async def test_what_the_bank_does_not_know_is_asked_and_never_sent_again(round_: Round) -> None:
    """U and silence leave a payout SENT; later the bank is asked by a PYR, and its answer ends it."""
    say = {"F1/P1/1": UNKNOWN, "F1/P2/1": SILENT}
    round_.b1.decide = lambda line: say.get(line.pay_id, PAID)
    await round_.the.ingest([submitted(n, "B1") for n in (1, 2, 3)])
    await round_.dispatch()
    await round_.turn()
    assert await round_.states() == {"P1": "SENT", "P2": "SENT", "P3": "PAID"}
    assert await round_.dispatch(at_once=True) == []
    the = round_.the
    assert await ask(the.engine, the.settings, the.members, now=round_.now) == []
    round_.now += timedelta(hours=4)
    asked = await ask(the.engine, the.settings, the.members, now=round_.now)
    assert [(one.bank, one.rows) for one in asked] == [("B1", 2)]
    assert await ask(the.engine, the.settings, the.members, now=round_.now) == []
    say.clear()
    await round_.turn()
    assert set((await round_.states()).values()) == {"PAID"}
    await round_.holds()


async def test_a_busy_bank_gets_the_same_order_again(round_: Round) -> None:
    """R12 alone is sent again by itself, under the same name, until it has been tried three times."""
    round_.b1.decide = lambda _: BUSY
    await round_.the.ingest([submitted(1, "B1")])
    for tries in (1, 2):
        assert [one.rows for one in await round_.dispatch(at_once=True)] == [1]
        await round_.turn()
        assert await round_.states() == {"P1": "SENT"}, tries
    await round_.dispatch(at_once=True)
    await round_.turn()
    assert await round_.states() == {"P1": "REJECTED"}
    assert await round_.dispatch(at_once=True) == []
    await round_.holds()


async def test_money_that_came_back_stands_with_the_payer(round_: Round) -> None:
    """An RTN after the result turns PAID into RETURNED, and the bank's position back."""
    await round_.the.ingest([submitted(1, "B1"), submitted(2, "B1")])
    await round_.dispatch()
    await round_.turn()
    round_.b1.return_("F1/P2/1", "R03")
    ((received),) = await round_.receive()
    assert (received.verdict, received.posted, received.refused) == ("ACPT", 1, 0)
    assert await round_.states() == {"P1": "PAID", "P2": "RETURNED"}
    balances = await round_.the.balances()
    assert (balances["1010.B1"], balances["2030.F1"]) == (-10_000, -10_000)
    await round_.holds()


async def test_the_bank_may_say_it_twice(round_: Round) -> None:
    """The same result by message and by file, and the same file again, count once."""
    await round_.the.ingest([submitted(1, "B1")])
    await round_.dispatch()
    data = {
        "original": {"source": "F1", "id": "P1"},
        "result": "PAID",
        "amount": "100.00",
        "bank_date": f"{DAY}",
    }
    data["bank_ref"] = round_.b1.reference("F1/P1/1")
    await round_.the.ingest([told("payout.result", "B1-R", data, "10:00", "B1")])
    found = await round_.turn()
    assert [(one.verdict, one.posted, one.refused) for one in found if one.type == "PYR"] == [("ACPT", 0, 0)]
    assert await round_.receive() == []
    assert (await round_.the.balances())["1010.B1"] == -10_000
    await round_.holds()


async def test_an_answer_that_is_mended_in_place_moves_nothing(round_: Round) -> None:
    """On the server: taken as paid, then edited under its manifest to another reference: refused, told, paid once."""
    await round_.the.ingest([submitted(1, "B1"), submitted(2, "B1")])
    await round_.dispatch()
    round_.b1.decide = lambda line: PAID if line.pay_id == "F1/P1/1" else UNKNOWN
    await round_.turn()
    answer = round_.b1.outbox / "RHC_PYR_B1_PLAT_20260518_001_V1.txt"
    mended = answer.read_bytes().replace(b"|U|", b"|S|")
    assert mended != answer.read_bytes()
    answer.write_bytes(mended)
    (refused,) = await round_.receive()
    assert (refused.verdict, refused.taken, refused.posted) == ("RJCT", 0, 0)
    assert "corrected, as RHC_PYR_B1_PLAT_20260518_001_V2.txt" in str(refused.faults[-1])
    round_.b1.work()
    assert [verdict for name, verdict in round_.b1.verdicts if name == answer.name] == ["ACPT", "RJCT"]
    assert await round_.receive() == []
    assert await round_.states() == {"P1": "PAID", "P2": "SENT"}
    await round_.holds()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"pay_id": "F1/P9/1"},
            'field 3 pay_id: expected an order that was given to B1, got "F1/P9/1" [FMT-008]',
        ),
        ({"pay_id": "F1/P3/1"}, 'expected an order that was given to B1, got "F1/P3/1" [FMT-008]'),
        ({"amount_fen": 9_999}, 'amount: expected the whole 100.00, got "99.99" [FMT-009]'),
        (
            {"payee_account": "tok_other"},
            'payee_account: expected what the order says, got "another" [FMT-009]',
        ),
        (
            {"result": "F", "reason_code": "R77"},
            'reason_code: expected a reason R01 to R14 or R99, got "R77"',
        ),
        ({"result": "S", "bank_ref": ""}, "bank_ref: expected a reference and a bank_date"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
async def test_an_answer_that_does_not_fit_its_order_is_refused(
    round_: Round, change: dict[str, Any], says: str
) -> None:
    """Nothing of the file is taken, the ACK names the line; where it was agreed, the good lines are taken."""
    await round_.the.ingest([submitted(1, "B1"), submitted(2, "B1"), submitted(3, "B2")])
    await round_.dispatch()
    await round_.deliver()
    bank = round_.b1
    bank.decide = lambda _: SILENT
    bank.work()
    bank.decide = lambda _: PAID
    lines = [bank.ordered(line) for line in list(bank.orders.values())]
    assert lines[0] is not None
    bank.answer([lines[0]._replace(**change), lines[1]])
    (refused,) = [one for one in await round_.receive() if one.type == "PYR"]
    assert (refused.verdict, refused.taken, refused.posted) == ("RJCT", 0, 0)
    assert any(says in str(one) for one in refused.faults), refused.faults
    assert (await round_.states())["P2"] == "SENT"
    bank.work()
    assert bank.verdicts == [("RHC_PYR_B1_PLAT_20260518_001_V1.txt", "RJCT")]
    inboxes = tuple(one.model_copy(update={"partial": True}) for one in round_.partners.inbox)
    round_.partners = round_.partners.model_copy(update={"inbox": inboxes})
    bank.seqs["PYR"] = 0
    bank.day += timedelta(days=1)
    bank.answer([lines[0]._replace(**change), lines[1]])
    (part,) = [one for one in await round_.receive() if one.type == "PYR"]
    assert (part.verdict, part.records, part.taken, part.posted) == ("PART", 2, 1, 1)
    assert (await round_.states())["P2"] == "PAID"
    assert (await round_.states())["P1"] == "SENT"


# ---------------------------------------------------------------- settlement instructions


async def test_settlement_instructions_go_out_on_their_working_day(round_: Round) -> None:
    """At ten of the next working day each instruction goes once to its bank; in-bank ones are confirmed by it."""
    await round_.the.ingest([submitted(1, "B1")])
    await round_.dispatch()
    await round_.turn()
    await round_.the.close(DAY)
    the = round_.the
    world = (the.engine, the.settings, the.members)
    assert await settle(*world, now=datetime(2026, 5, 19, 1, 59, tzinfo=UTC)) == []
    assert await settle(*world, now=datetime(2026, 5, 23, 3, 0, tzinfo=UTC)) == [], "a Saturday"
    round_.now = datetime(2026, 5, 19, 2, 0, tzinfo=UTC)
    sent = await settle(*world, now=round_.now)
    instructions = await the.rows("SELECT id, kind, debtor, amount_fen FROM instruction ORDER BY id")
    assert sum(one.rows for one in sent) == len(instructions)
    assert sum(one.total_fen for one in sent) == sum(one[3] for one in instructions)
    assert await settle(*world, now=round_.now) == []
    await round_.turn()
    for bank in (round_.b1, round_.b2):
        for id_, kind, debtor, fen in instructions:
            if debtor == bank.code:
                line = bank.orders[id_]
                assert (line.amount_fen, line.corporate, line.value_date) == (fen, True, date(2026, 5, 19)), (
                    kind
                )
                assert line.purpose == "清算 20260518"
    said = dict(iter(await the.rows("SELECT kind, state FROM instruction GROUP BY kind, state")))
    assert said == {"IN_BANK": "CONFIRMED", "INTER_BANK": "WAITING"}
    found = await verify(the.engine, the.members)
    assert found["ok"], found


async def test_an_instruction_that_is_replaced_while_it_is_made_ready_does_not_go_out(round_: Round) -> None:
    """Whoever has its name in hand, a bank that says it failed or a person who instructs it again, is waited for."""
    the = round_.the
    await the.ingest([submitted(1, "B1")])
    await round_.dispatch()
    await round_.turn()
    await the.close(DAY)
    ids = [id_ for (id_,) in await the.rows("SELECT id FROM instruction ORDER BY id")]
    async with transaction(the.engine) as conn:
        await locks.lock(conn, [lock_name(("instruction", ids[0]))])
        going = asyncio.create_task(
            settle(the.engine, the.settings, the.members, now=datetime(2026, 5, 19, 2, 0, tzinfo=UTC))
        )

        async def waited_for() -> bool:
            return going.done() or bool(await the.one("SELECT count(*) FROM pg_locks WHERE NOT granted"))

        await until(waited_for, "the instruction's name to be waited for")
        await conn.execute(text("UPDATE instruction SET state = 'REPLACED' WHERE id = :id"), {"id": ids[0]})
    assert sum(one.rows for one in await going) == len(ids) - 1
    assert await the.rows("SELECT pay_id FROM pay_line WHERE kind <> 'PAYOUT' ORDER BY 1") == [
        (id_,) for id_ in ids[1:]
    ]


async def test_a_failed_instruction_goes_out_again_the_same_way_round(round_: Round) -> None:
    """The bank says F: instructed again it goes out under a new id, from and to the same accounts; twice over too."""
    the = round_.the
    world = (the.engine, the.settings, the.members)
    paid = {"card": CARDS["B1"], "bank": "B1", "institution": "H1", "amount": "10.00", "bank_ref": "BR-1"}
    paid |= {"bank_date": f"{DAY}", "purpose": "OUTPATIENT", "order_no": "O-1"}
    await the.ingest([submitted(1, "B1"), told("payment.made", "PAY-1", paid, source="H1")])
    await round_.dispatch()
    await round_.turn()
    await the.close(DAY)
    round_.now = datetime(2026, 5, 19, 2, 0, tzinfo=UTC)
    for bank in (round_.b1, round_.b2):
        bank.decide = lambda _: REJECTED
    await settle(*world, now=round_.now)
    await round_.turn()
    failed = await the.rows("SELECT id FROM instruction WHERE kind = 'IN_BANK' AND state = 'FAILED'")
    ids = [id_ for (id_,) in failed]
    assert ids
    first = {id_: order_of(round_, id_) for id_ in ids}
    accounts = {(one.payer_account[-2:], one.payee_account[-2:]) for one in first.values()}
    assert accounts == {("00", "01"), ("03", "00")}, "one bank pays the hospital, one takes from the fund"
    for turn in (1, 2):
        again = {
            id_: (await instruct_again(the.engine, the.members, id_, today=date(2026, 5, 19), by="ann")).id
            for id_ in ids
        }
        await settle(*world, now=round_.now)
        for bank in (round_.b1, round_.b2):
            if turn == 2:
                bank.decide = lambda _: PAID
        await round_.turn()
        for old, new in again.items():
            assert order_of(round_, new)._replace(pay_id="") == first[old]._replace(pay_id="")
            first[new] = first[old]
        ids = list(again.values())
    states = await the.rows("SELECT DISTINCT state FROM instruction WHERE id = ANY(:ids)", ids=ids)
    assert states == [("CONFIRMED",)]
    found = await verify(the.engine, the.members)
    assert found["ok"], found


def order_of(round_: Round, id_: str) -> PayLine:
    """What the bank that got it read."""
    return next(bank.orders[id_] for bank in (round_.b1, round_.b2) if id_ in bank.orders)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (
            "UPDATE dispatch SET total_fen = total_fen - 1",
            "orders to B1: .*1 rows, 9999 fen as dispatched, got 1 rows, 10000 fen in PAY files",
        ),
        (
            "UPDATE pay_line SET pay_id = 'F1/P1/2'",
            "order F1/P1/2: .*a payout of 10000 fen that is out, got SENT at attempt 1",
        ),
        ("UPDATE payout SET state = 'ACCEPTED'", "order F1/P1/1: .*got ACCEPTED at attempt 1, 10000 fen"),
    ],
)
async def test_orders_that_are_not_what_the_books_say_are_found(
    round_: Round, damage: str, says: str
) -> None:
    """Verify holds dispatches, PAY files, orders and payouts against each other."""
    await round_.the.ingest([submitted(1, "B1")])
    await round_.dispatch()
    found = await verify(round_.the.engine, round_.the.members)
    assert found["ok"], found
    async with round_.the.engine.begin() as conn:
        await conn.exec_driver_sql("SET LOCAL session_replication_role = replica")
        await conn.exec_driver_sql(damage)
    found = await verify(round_.the.engine, round_.the.members)
    assert not found["ok"]
    assert re.search(says, found["checks"]["orders"]), found["checks"]["orders"]


# ---------------------------------------------------------------- killed on the way


async def test_killed_at_any_step_nobody_is_paid_twice(round_: Round) -> None:
    """Each step of dispatching and receiving, ended by SIGKILL: all or nothing stands, and the next run goes on."""
    number = 0
    with mortals(round_.the, STORY / "members.toml") as mortal:
        for at in DISPATCH:
            number += 2
            await round_.the.ingest([submitted(number, "B1"), submitted(number + 1, "B2")])
            assert await mortal.run("dispatch", at=at, now=round_.now) == KILLED, at
            await together(round_)
        assert await mortal.run("dispatch", now=round_.now) == 0
        await together(round_)
        assert set((await round_.states()).values()) == {"SENT"}
        await round_.deliver()
        for bank in (round_.b1, round_.b2):
            bank.work()
        partners = round_.partners.model_dump_json()
        for at in RECEIVE:
            ended = await mortal.run("receive", at=at, now=round_.now, partners=partners)
            assert ended == KILLED, at
            await round_.holds()
        assert await mortal.run("receive", now=round_.now, partners=partners) == 0
    await round_.deliver()
    for bank in (round_.b1, round_.b2):
        bank.work()
        assert {verdict for _, verdict in bank.verdicts} == {"ACPT"}
        assert len(bank.verdicts) == len({file for file, _ in bank.verdicts}), "one ACK a file"
    assert set((await round_.states()).values()) == {"PAID"}
    assert sum(round_.b1.paid.values()) == sum(round_.b2.paid.values()) == len(DISPATCH)
    await round_.holds()


async def together(round_: Round) -> None:
    """What is SENT is what stands in the files, once; control totals are those of the orders."""
    sent = await round_.the.rows(
        "SELECT source || '/' || id || '/' || attempt FROM payout WHERE state = 'SENT' ORDER BY 1"
    )
    assert await round_.the.rows("SELECT pay_id FROM pay_line ORDER BY 1") == sent
    files = await round_.the.one("SELECT coalesce(sum(records), 0) FROM file WHERE type = 'PAY'")
    rows = await round_.the.one("SELECT coalesce(sum(rows), 0) FROM dispatch")
    assert files == rows == len(sent)
