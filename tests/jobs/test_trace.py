"""Where is my farmer's money: the whole way of a payout, from any number that somebody holds."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from clearing.errors import UsageError
from clearing.files.iso20022.message import short_id
from clearing.jobs.ask import ask
from clearing.jobs.instruct_again import instruct_again
from clearing.jobs.reconcile import reconcile_day
from clearing.jobs.settle import settle
from clearing.jobs.trace import trace
from clearing.jobs.trace_files import files_of_entry
from clearing.jobs.trace_orders import Step, World
from clearing.store import files
from clearing.store.session import transaction
from tests.jobs.mock_bank import BUSY, PAID, REJECTED, UNKNOWN
from tests.jobs.payout_round import CARDS, DAY, STORY, Round, submitted, told, with_cards
from tests.jobs.running import Books, books, settings_of, worked_lines, worked_members

STATEMENT = "bank_ref,platform_ref,bank_date,bank_time,type,direction,amount,status,card,original_bank_ref\n"
PAY = "RHC_PAY_PLAT_B1_20260518_001_V1.txt"
PYR = "RHC_PYR_B1_PLAT_20260518_001_V1.txt"
LONG = "P" * 40
"""An id for which ISO 20022 has no room."""


@pytest.fixture
async def the(blank: Callable[[], str]) -> AsyncIterator[Books]:
    """Books with a card at each of two banks."""
    async with with_cards(blank()) as opened:
        yield opened


async def way(the: Books, said: str) -> list[Step]:
    """What trace tells."""
    async with transaction(the.engine) as conn:
        return await trace(conn, World(the.settings, the.members), said)


def short(steps: list[Step]) -> list[str]:
    """The steps in few words: what each is, and what it says."""
    words = {
        "record": "type", "outcome": "outcome", "order": "result", "sent": "line", "asked": "line",
        "delivery": "result", "acknowledged": "verdict", "answer": "result", "payout": "state",
        "instruction": "state", "break": "code",
    }  # fmt: skip
    return [
        f"{one['step']} {one[words[one['step']]]}" if one["step"] in words else one["step"]
        for one in steps
        if one["step"] not in {"file", "original"}
    ]


def same_people(steps: list[Step]) -> list[Any]:
    """Who decided each event that says so."""
    return [one["people"] for one in steps if "people" in one]


async def test_a_payout_is_shown_from_its_list_to_the_card_and_back(round_: Round) -> None:
    """Busy once, rejected, repaid by four people, paid, returned: each file, line, verdict and entry in its order."""
    the, bank = round_.the, round_.b1
    await the.ingest([submitted(1, "B1"), submitted(2, "B1")])
    say = {"F1/P1/1": [BUSY, REJECTED], "F1/P1/2": [PAID]}
    bank.decide = lambda line: say[line.pay_id].pop(0) if line.pay_id in say else PAID
    await round_.dispatch()
    await round_.turn()
    await round_.dispatch(at_once=True)
    await round_.turn()
    people = {
        "business": {"maker": "op-01", "checker": "op-02"},
        "finance": {"maker": "op-03", "checker": "op-04"},
    }
    again = {"original": {"source": "F1", "id": "P1"}, "card": CARDS["B1"], "bank": "B1", **people}
    await the.ingest([told("payout.repaid", "RP1", again, "15:00")])
    await round_.dispatch(at_once=True)
    await round_.turn()
    bank.return_("F1/P1/2", "R03")
    await round_.receive()
    steps = await way(the, "F1/P1")
    out = ["delivery DELIVERED", "acknowledged ACPT"]
    assert short(steps) == [
        "payout RETURNED",
        *("record reimbursement.submitted", "outcome posted", "entry"),
        *("record payout.sent", "outcome noted", "order F"),
        *("sent 2", *out, "sent 2", *out),
        "answer F",
        *("answer F", "record payout.result", "outcome posted", "entry"),
        *("record payout.repaid", "outcome posted", "entry"),
        *("record payout.sent", "outcome noted", "order R", "sent 2", *out),
        *("answer S", "record payout.result", "outcome posted", "entry"),
        *("answer R", "record payout.returned", "outcome posted", "entry"),
    ]
    assert same_people(steps) == [{"approval": {"maker": "op-01", "checker": "op-02"}}, people]
    answers = [one for one in steps if one["step"] == "answer"]
    assert [(one["file"], one["line"], one["verdict"]) for one in answers] == [
        (PYR, 2, "ACPT"),
        (PYR.replace("_001_", "_002_"), 2, "ACPT"),
        (PYR.replace("_001_", "_003_"), 2, "ACPT"),
        (PYR.replace("PYR", "RTN"), 2, "ACPT"),
    ]
    assert [one["reason_code"] for one in answers] == ["R12", "R03", None, "R03"]
    returned = [one["entry"] for one in steps if one["step"] == "entry"][-1]
    assert (returned.type, [one.fen for one in returned.postings]) == ("payout.returned", [10_000, -10_000])
    other = await way(the, "F1/P2")
    assert short(other)[0] == "payout PAID"
    assert {one["order"] for one in other if one["step"] == "order"} == {"F1/P2/1"}


async def test_it_is_found_by_every_number_that_somebody_holds(round_: Round, tmp_path: Path) -> None:
    """Event, order, settlement, row of a list, entry, and lines of PAY, PYR, TXN and a statement: the same way."""
    the = round_.the
    lines = [
        line for line in (STORY / "events.jsonl").read_bytes().splitlines() if b'"reimbursement.' in line
    ]
    await the.ingest([*lines, submitted(1, "B1")])
    await round_.dispatch()
    await round_.turn()
    await the.close(DAY)
    steps = await way(the, "F1/P1")
    entry = next(one["entry"] for one in steps if one["step"] == "entry")
    result = next(one["event"] for one in steps if one["step"] == "answer" and one["event"])
    sent = next(one for one in steps if one["step"] == "sent")
    answer = next(one for one in steps if one["step"] == "answer")
    paid = [one["entry"] for one in steps if one["step"] == "entry"][-1]
    (bank_line,) = {
        one["name"] for one in steps if one["step"] == "file" and one["type"] == "TXN" and one["receiver"] == "B1"
        and one["profile"] == "P"
    }  # fmt: skip
    text = await the.one(
        "SELECT string_agg(content, '' ORDER BY no) FROM file_part WHERE name = :n", n=bank_line
    )
    number = [paid.id.encode() in line for line in bytes(text).splitlines()].index(True) + 1
    held = [
        "F1/P1/1", "F1/S-1", entry.id, paid.id[:20], result, f"{sent['file']}:{sent['line']}",
        f"{answer['file']}:{answer['line']}", f"{bank_line}:{number}",
    ]  # fmt: skip
    for said in held:
        assert await way(the, said) == steps, said
    statement = tmp_path / "STM_B1.csv"
    ours = f"{paid.bank_ref},,{DAY},10:00:00,PAYOUT,C,100.00,SUCC,{CARDS['B1']},\n"
    statement.write_text(STATEMENT + ours, encoding="utf-8")
    await reconcile_day(the.engine, the.settings, the.members, DAY, {"B1": statement}, {})
    line = await way(the, "STM_B1.csv:2")
    assert [one for one in line if one["step"] != "break"] == steps
    listed = await the.rows(
        "SELECT source, id, batch_id, row_no FROM payout WHERE batch_id <> '' ORDER BY id"
    )
    for source, id_, batch_id, row_no in listed:
        assert (await way(the, f"{source}/{batch_id}/{row_no}"))[0]["payout"] == f"{source}/{id_}"


async def test_what_iso_20022_calls_it_is_found_and_so_are_its_documents(round_: Round) -> None:
    """An id too long for EndToEndId: found by its short form; the lines of pain.001 and pain.002 are named."""
    the = round_.the.set(pay_profile="X")
    round_.the = the
    round_.b1.profile = "X"
    await the.ingest([submitted(1, "B1").replace(b'"P1"', f'"{LONG}"'.encode())])
    await round_.dispatch()
    await round_.turn()
    steps = await way(the, short_id(f"F1/{LONG}/1"))
    assert short(steps)[0] == "payout PAID"
    files = {one["step"]: (one["file"], one["line"]) for one in steps if one["step"] in {"sent", "answer"}}
    assert {name for name, _ in files.values()} == {PAY.replace("txt", "xml"), PYR.replace("txt", "xml")}
    for name, line in files.values():
        assert await way(the, f"{name}:{line}") == steps


async def test_what_the_books_refused_and_what_nobody_knows_yet_is_shown(round_: Round) -> None:
    """U, the question that was asked, a file and a message that were refused: all of it stands in the way."""
    the, bank = round_.the, round_.b1
    await the.ingest([submitted(1, "B1")])
    bank.decide = lambda _: UNKNOWN
    await round_.dispatch()
    await round_.turn()
    named = {"original": {"source": "F1", "id": "P1"}}
    await the.ingest([told("payout.sent", "B1-S", named, "09:30", "B1")])
    wrong = {"original": {"source": "F1", "id": "P1"}, "result": "PAID", "amount": "1.00", "bank_ref": "X1"}
    await the.ingest([told("payout.result", "B1-X", wrong | {"bank_date": f"{DAY}"}, "10:00", "B1")])
    line = bank.ordered(next(iter(bank.orders.values())))
    assert line is not None
    bank.answer([line._replace(amount_fen=1)])
    round_.now += timedelta(hours=4)
    await ask(the.engine, the.settings, the.members, now=round_.now)
    await round_.receive()
    steps = await way(the, "F1/P1")
    assert short(steps)[-11:] == [
        *("sent 2", "delivery DELIVERED", "acknowledged ACPT", "asked 2", "delivery DELIVERED"),
        *("answer U", "answer U", "record payout.sent", "outcome noted"),
        *("record payout.result", "outcome rejected"),
    ]
    refused = [one for one in steps if one["step"] == "answer"][-1]
    assert refused["verdict"] == "RJCT"
    assert refused["event"] is None
    assert any("amount" in one for one in refused["faults"])
    (said,) = [one for one in steps if one["step"] == "outcome" and one["outcome"] == "rejected"]
    assert said["reason"] == "amount_differs"


async def test_an_instruction_shows_what_took_its_place_and_by_whom(round_: Round) -> None:
    """Netted, ordered, failed, instructed again by somebody, confirmed: from a line of either PAY file."""
    the = round_.the
    await the.ingest([submitted(1, "B1")])
    await round_.dispatch()
    await round_.turn()
    await the.close(DAY)
    round_.now = datetime(2026, 5, 19, 2, 0, tzinfo=UTC)
    for bank in (round_.b1, round_.b2):
        bank.decide = lambda _: REJECTED
    await settle(the.engine, the.settings, the.members, now=round_.now)
    await round_.turn()
    old = await the.one(
        "SELECT id FROM instruction WHERE kind = 'IN_BANK' AND state = 'FAILED' ORDER BY id LIMIT 1"
    )
    new = await instruct_again(the.engine, the.members, old, today=date(2026, 5, 19), by="ann")
    for bank in (round_.b1, round_.b2):
        bank.decide = lambda _: PAID
    await settle(the.engine, the.settings, the.members, now=round_.now)
    await round_.turn()
    steps = await way(the, old)
    out = ["sent 2", "delivery DELIVERED", "acknowledged ACPT"]
    failed = ["answer F", "record settlement.failed", "outcome noted"]
    confirmed = ["answer S", "record settlement.confirmed", "outcome noted"]
    assert [one for one in short(steps) if one != "entry"] == [
        *("instruction REPLACED", "order F", *out, *failed),
        *("instruction CONFIRMED", "order S", *out, *confirmed),
    ]
    assert [one["by"] for one in steps if one["step"] == "instruction"] == [None, "ann"]
    for said in (
        new.id,
        *(f"{one['file']}:{one['line']}" for one in steps if one["step"] in {"sent", "answer"}),
    ):
        assert await way(the, said) == steps, said


async def test_a_payment_is_found_by_its_order_number_and_the_banks_reference(
    blank: Callable[[], str],
) -> None:
    """What stands on a hospital's receipt, or in a bank's own list; one reference of two dates names both events."""
    async with books(blank(), settings_of(), worked_members()) as the:
        await the.ingest(worked_lines(9))
        paid = next(one for one in worked_lines(10) if b'"H1-0029"' in one and b'"payment.made"' in one)
        later = paid.replace(b"H1-0029", b"H1-0099").replace(b"H1-1001", b"H1-1099")
        await the.ingest([paid])
        steps = await way(the, "H1/H1-0029")
        assert short(steps)[:2] == ["record payment.made", "outcome posted"]
        assert await way(the, "H1/H1-1001") == steps
        assert await way(the, "B1/BR00000005") == steps
        await the.ingest([later.replace(b'"bank_date": "2026-03-10"', b'"bank_date": "2026-03-09"')])
        with pytest.raises(UsageError, match="expected one event, got 2: H1/H1-0029, H1/H1-0099"):
            await way(the, "B1/BR00000005")
        assert (await way(the, "H1/H1-1099"))[0]["step"] == "record"


async def test_only_files_in_which_an_entry_is_a_line_are_listed(blank: Callable[[], str]) -> None:
    """A file that names a payment only as what a void or refund undoes is not among the payment's own files."""
    async with books(blank(), settings_of(profiles="P,H,X"), worked_members()) as the:
        for day in (9, 10):
            await the.ingest(worked_lines(day))
            await the.close(date(2026, 3, day))
        async with transaction(the.engine) as conn:
            wanted: dict[str, set[str]] = defaultdict(set)
            named: dict[str, set[str]] = defaultdict(set)
            for one in await files.of_day(conn, date(2026, 3, 10)):
                text = (await files.content(conn, one.name)).decode(
                    "gb18030" if one.profile == "P" else "utf-8"
                )
                for id_ in own_ids(one.profile, text):
                    wanted[id_].add(one.name)
                for id_ in set(re.findall("(?<![0-9a-f])20260310[0-9a-f]{24}(?![0-9a-f])", text)):
                    named[id_].add(one.name)
            for id_ in named:
                steps = await files_of_entry(conn, date(2026, 3, 10), id_)
                assert {step["name"] for step in steps} == wanted[id_], id_
    assert {name[-3:] for id_ in named for name in named[id_] - wanted[id_]} == {"txt", "csv", "xml"}


def own_ids(profile: str, text: str) -> Iterator[str]:
    """The ids of the entries and instructions that a file's lines are of, found without our reader."""
    if profile == "X":
        yield from re.findall("<NtryRef>([0-9a-f]{32})</NtryRef>", text)
    elif profile == "P":  # in the first column behind the number, of card uses in a column of their own
        lines = [line.split("|") for line in text.splitlines()]
        found = (cells if lines[0][2] == "SWP" else cells[2:3] for cells in lines)
        yield from (cell for cells in found for cell in cells if re.fullmatch("[0-9a-f]{32}", cell))
    else:
        rows = list(csv.DictReader(text.removeprefix("\ufeff").splitlines()))
        yield from (str(row.get("entry_id") or row.get("instruction_id") or "").strip() for row in rows)


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("P1", "expected SOURCE/ID of an event or payout"),
        ("F1/none", "no such event came"),
        ("20260518aaaaaaaa", "there is nothing of this name"),
        ("NONE.txt:2", "no file of this name went out or came in"),
        (PAY, f"expected a line of it, such as {PAY}:2"),
        (f"{PAY}:1", "expected a line of detail, got none there"),
        (f"{PAY}:99", "expected a line of detail, got none there"),
    ],
)
async def test_what_cannot_be_followed_is_said(round_: Round, said: str, says: str) -> None:
    """A number that nobody knows, a file without a line, a line that is none: what was expected, and an example."""
    await round_.the.ingest([submitted(1, "B1")])
    await round_.dispatch()
    with pytest.raises(UsageError) as refused:
        await way(round_.the, said)
    assert says in str(refused.value)
