"""Files of which the good is taken and the bad left out: the same rule for lines, and for items of documents."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from clearing.jobs.delivery.partners import Partners
from clearing.jobs.judge import Arrived
from clearing.jobs.receive import receive
from clearing.jobs.reconcile import reconcile_day
from clearing.jobs.take_file import Terms, take_file
from clearing.jobs.take_lines import Site
from tests.jobs.mock_bank import PAID, SILENT
from tests.jobs.payout_round import Round, submitted, with_cards
from tests.jobs.running import Books
from tests.jobs.test_receive import DAY, NOON, STATEMENT, put
from tests.jobs.test_statements import as_camt
from tests.jobs.test_trace import way

STM = "RHC_STM_B1_PLAT_20260309_001_V1.xml"
DEP = "RHC_DEP_H2_PLAT_20260309_001_V1.csv"
STAYS = b"admission_no,opening,paid,refunded,used,transferred,closing\n"


@pytest.fixture
async def the(blank: Callable[[], str]) -> AsyncIterator[Books]:
    """Books with a card at each of two banks."""
    async with with_cards(blank(), pay_profile="X") as opened:
        yield opened


async def half_good(round_: Round) -> tuple[str, bytes]:
    """A pain.002 on one line: of three payments one cannot be read, one is not of the amount that was ordered."""
    bank = round_.b1
    bank.profile, bank.decide = "X", lambda _: SILENT
    await round_.the.ingest([submitted(number, "B1") for number in (1, 2, 3)])
    await round_.dispatch()
    await round_.turn()
    bank.decide = lambda _: PAID
    first, second, third = [bank.ordered(line) for line in list(bank.orders.values())]
    assert first is not None
    (name,) = bank.answer([first._replace(amount_fen=1), second, third])
    content = (bank.outbox / name).read_bytes().replace(b"\n", b"")
    (bank.outbox / f"{name}.ok").unlink()
    head, good, tail = content.rpartition(b'Ccy="CNY"')
    assert good
    return name, head + b'Ccy="EUR"' + tail


async def test_of_a_document_on_one_line_the_good_items_are_taken(round_: Round) -> None:
    """Where the inbox says partial: what is wrong is told by item, the others are booked, and trace says so."""
    the = round_.the
    name, content = await half_good(round_)
    site = Site(the.engine, the.settings, the.members, round_.now)
    arrived = Arrived("B1", name, content, None, by_hand=True)
    whole = await take_file(site, arrived._replace(name=name.replace("001", "002", 1)))
    assert (whole.verdict, whole.records, whole.taken) == ("RJCT", 3, 0)
    part = await take_file(site, arrived, Terms(partial=True))
    assert (part.verdict, part.records, part.taken, part.posted) == ("PART", 3, 1, 1)
    assert {(one.line, one.detail) for one in part.faults} == {(1, f"(//TxInfAndSts)[{n}]") for n in (1, 3)}
    assert await round_.states() == {"P1": "SENT", "P2": "PAID", "P3": "SENT"}
    answers = {
        id_: [
            (one["event"] is not None, len(one["faults"]))
            for one in await way(the, id_)
            if one["step"] == "answer"
        ]
        for id_ in ("F1/P1", "F1/P2")
    }
    assert answers == {"F1/P1": [(False, 1)] * 2, "F1/P2": [(False, 0), (True, 0)]}


async def test_a_document_that_is_wrong_as_a_whole_is_refused_whole(round_: Round) -> None:
    """Something missing outside the items: nothing is taken, though the inbox says partial."""
    the = round_.the
    name, content = await half_good(round_)
    site = Site(the.engine, the.settings, the.members, round_.now)
    for broken in (re.sub(b"<CreDtTm>.*?</CreDtTm>", b"", content), content[:-20]):
        found = await take_file(site, Arrived("B1", name, broken, None, by_hand=True), Terms(partial=True))
        assert (found.verdict, found.taken) == ("RJCT", 0)
    assert set((await round_.states()).values()) == {"SENT"}


async def test_of_a_camt_053_each_bad_entry_is_a_break(ninth: Books, tmp_path: Path) -> None:
    """One that cannot be read, one that says what no statement may: FIL-004 each, with its place; the rest counts."""
    header, *good = STATEMENT.splitlines(keepends=True)
    bad = b"X1,,2026-03-09,10:00:00,PAY,D,1.00,SUCC,,\nX2,,2026-03-09,10:00:00,PAY,D,2.00,MAYBE,,\n"
    document = as_camt(b"".join((header, bad, *good)))
    rows = document.count(b"<Ntry>")
    document = document.replace(b'<Ntry><Amt Ccy="CNY">', b'<Ntry><Amt Ccy="EUR">', 1)
    put(tmp_path, STM, document)
    inbox = {"partner": "B1", "place": {"kind": "directory", "folder": tmp_path}, "partial": True}
    said = Partners.model_validate({"inbox": [inbox]})
    (taken,) = await receive(ninth.engine, ninth.settings, ninth.members, said, now=NOON)
    assert (taken.verdict, taken.records, taken.taken) == ("PART", rows, rows - 2)
    assert [one.column for one in taken.faults] == ["(//Ntry)[1]/Amt", "(//Ntry)[2]/status"]
    found = await reconcile_day(ninth.engine, ninth.settings, ninth.members, DAY, {}, {})
    wrong = [one["detail"] for one in found["breaks"] if one["code"] == "FIL-004"]
    assert [text.partition(": ")[0] for text in wrong] == [f"{STM}:2 {one.column}" for one in taken.faults]


async def test_a_list_of_deposits_is_taken_whole_or_not_at_all(ninth: Books, tmp_path: Path) -> None:
    """A stay that is left out is a stay without a deposit: a bad line refuses the list, whatever the inbox says."""
    put(tmp_path, DEP, STAYS + b"A1,1.00,0.00,0.00,0.00,0.00,1.00\nA2,x,0.00,0.00,0.00,0.00,1.00\n")
    inbox = {"partner": "H2", "place": {"kind": "directory", "folder": tmp_path}, "partial": True}
    said = Partners.model_validate({"inbox": [inbox]})
    (taken,) = await receive(ninth.engine, ninth.settings, ninth.members, said, now=NOON)
    assert (taken.verdict, taken.records, taken.taken) == ("RJCT", 2, 0)
