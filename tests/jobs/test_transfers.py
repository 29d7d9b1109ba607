"""Payouts that do not arrive, a payer's list and a hospital's deposits on the real books, over two days."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from clearing.files.layout import load_layout
from clearing.files.names import FileName
from clearing.files.outgoing import file_of
from clearing.files.records import DepLine
from clearing.jobs.delivery.partners import Partners
from clearing.jobs.receive import receive
from clearing.jobs.reconcile import reconcile_day
from clearing.jobs.statements import read_stays
from clearing.reconciliation.lists import StayList
from clearing.reconciliation.partner_files import Refused
from tests.jobs.running import DAYS, Books, books, settings_of, worked_lines, worked_members
from tests.jobs.test_receive import manifest_of

NINTH, TENTH, ELEVENTH = date(2026, 3, 9), date(2026, 3, 10), date(2026, 3, 11)
CARD: dict[str, Any] = {"card": "tok_P5_B1_0001", "bank": "B1"}
TWO_OFFICES: dict[str, Any] = {
    name: {"maker": f"{name}-1", "checker": f"{name}-2"} for name in ("business", "finance")
}
APPROVED = {"approval": {"maker": "op-01", "checker": "op-02"}}
PAID: Mapping[str, Any] = {"result": "PAID"}
NOTHING: Mapping[str, Any] = {}
STATEMENT = "bank_ref,platform_ref,bank_date,bank_time,type,direction,amount,status,card,original_bank_ref\n"
LIST = "settlement_id,platform_ref,trade_type,direction,amount,status,nrc_date,bank\n"


def event(day: date, at: str, source: str, type_: str, data: dict[str, Any], id_: str) -> bytes:  # noqa: PLR0917
    """One record of a day."""
    time = f"{day}T{at}:00+08:00"
    return json.dumps(
        {"specversion": "1.0", "id": id_, "source": source, "type": type_, "time": time, "data": data}
    ).encode()


def submitted(name: str, at: str, amount: str) -> bytes:
    """F1 reimburses under settlement S-<name>."""
    claim = {"settlement_id": f"S-{name}", "payer": "F1", "kind": "OUTPATIENT", "total": amount, "eligible": amount,
             "fund_amount": amount, "patient_amount": "0.00"}  # fmt: skip
    data = CARD | {"amount": amount, "claim": claim} | APPROVED
    return event(TENTH, at, "F1", "reimbursement.submitted", data, name)


def of(  # noqa: PLR0917 - a line of a story
    name: str,
    day: date,
    at: str,
    what: str,
    amount: str = "",
    ref: str = "",
    *,
    more: Mapping[str, Any] = NOTHING,
) -> bytes:
    """What becomes of a payout: B1 or F1 says so."""
    money = {"amount": amount, "bank_ref": ref, "bank_date": f"{day}"} if ref else {}
    data = {"original": {"source": "F1", "id": name}} | money | dict(more)
    source = "F1" if what in {"repaid", "given_back"} else "B1"
    return event(day, at, source, f"payout.{what}", data, f"{name}-{what}-{at}")


FIRST = [
    submitted("p1", "09:00", "10.00"), of("p1", TENTH, "10:00", "sent"),
    submitted("p2", "09:01", "20.00"), of("p2", TENTH, "10:01", "sent"),
    of("p2", TENTH, "11:01", "result", "20.00", "X2", more={"result": "REJECTED", "reason_code": "R03"}),
    submitted("p3", "09:02", "30.00"), of("p3", TENTH, "11:02", "result", "30.00", "X3", more=PAID),
    of("p3", TENTH, "12:02", "returned", "30.00", "X4", more={"reason_code": "R02"}),
    submitted("p4", "09:03", "40.00"),
]  # fmt: skip
SECOND = [
    of("p1", ELEVENTH, "09:00", "result", "10.00", "Y1", more=PAID),
    of("p2", ELEVENTH, "09:01", "repaid", more=CARD | TWO_OFFICES),
    of("p2", ELEVENTH, "10:01", "result", "20.00", "Y2", more={"attempt": 2, "result": "PAID"}),
    of("p3", ELEVENTH, "09:02", "given_back", more=APPROVED),
]
B1_FIRST = f"X3,,{TENTH},11:02:00,PAYOUT,C,30.00,SUCC,,\nX4,,{TENTH},12:02:00,RETURN,D,30.00,SUCC,,\n"
B1_SECOND = f"Y1,,{ELEVENTH},10:00:00,PAYOUT,C,10.00,SUCC,,\nY2,,{ELEVENTH},10:00:00,PAYOUT,C,20.00,SUCC,,\n"
F1_FIRST = "".join(
    f"S-{name},,PAYOUT,P,{amount},SUCC,{TENTH},B1\n"
    for name, amount in (("p1", "10.00"), ("p2", "20.00"), ("p3", "31.00"))
)


@pytest.fixture
async def the(blank: Callable[[], str]) -> AsyncIterator[Books]:
    """Books with the cards of the first worked day, and two days on which payouts do not arrive at once."""
    async with books(blank(), settings_of(), worked_members(), NINTH) as opened:
        await opened.ingest(worked_lines(9))
        await opened.close(NINTH)
        await opened.ingest(FIRST)
        await opened.close(TENTH)
        yield opened


def put(folder: Path, name: str, text: str) -> Path:
    """A file of its own."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def brief(found: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """(code, payout or settlement, vector, state) of the breaks listed."""
    return sorted(
        (one["code"], one["keys"]["order_no"], one["vector"], one["state"]) for one in found["breaks"]
    )


async def test_payouts_that_do_not_arrive_are_breaks_until_they_do(the: Books, tmp_path: Path) -> None:
    """Unanswered, failed and returned ones stand, end the next day, and the first day asked again is as it was."""
    first = {"B1": put(tmp_path, "STM_B1_1.csv", STATEMENT + B1_FIRST)}
    listed = {"F1": put(tmp_path, "NRC_F1_1.csv", LIST + F1_FIRST)}

    async def run(day: date, banks: dict[str, Path], his: dict[str, Path]) -> dict[str, Any]:
        return await reconcile_day(the.engine, the.settings, the.members, day, banks, his)

    found = await run(TENTH, first, listed)
    assert brief(found) == [
        ("FND-001", "F1/p1", "L1B0H-", "SUSPECT"),
        ("FND-002", "F1/p2", "L1B1H-", "OPEN"),
        ("FND-003", "F1/p3", "L1B1H-", "OPEN"),
        ("NRC-001", "S-p3", "L1B-H1", "OPEN"),
        ("NRC-001", "S-p4", "L1B-H0", "OPEN"),
    ]
    assert found["balances"]["FND F1"] == {
        "ledger": "100.00",
        "other": "40.00",
        "explained": "60.00",
        "residual": "0.00",
    }
    assert found["proof"]["F1"]["residual"] == "0.00"
    details = {one["keys"]["order_no"]: one["detail"] for one in found["breaks"]}
    assert details["F1/p2"] == "F1/p2: B1 did not pay it, 2026-03-10 R03"

    await the.ingest(SECOND)
    await the.close(ELEVENTH)
    later = await run(ELEVENTH, {"B1": put(tmp_path, "STM_B1_2.csv", STATEMENT + B1_SECOND)}, {})
    assert [(code, name, state) for code, name, _, state in brief(later)] == [
        ("FND-001", "F1/p1", "AUTO_CLEARED"),
        ("FND-002", "F1/p2", "AUTO_CLEARED"),
        ("FND-003", "F1/p3", "AUTO_CLEARED"),
    ]
    ids = {one["id"] for one in found["breaks"] if one["code"].startswith("FND")}
    assert {one["id"] for one in later["breaks"]} == ids
    assert (later["open"]["after"], later["balances"]["FND F1"]["ledger"]) == (2, "40.00")

    again = await run(TENTH, first, listed)
    unchanged = [{**one, "state": ""} for one in again["breaks"]]
    assert unchanged == [{**one, "state": ""} for one in found["breaks"]]
    assert (again["rerun"], again["balances"]) == ([], found["balances"])


async def test_lists_and_half_good_statements_come_in_by_inbox(the: Books, tmp_path: Path) -> None:
    """Of an inbox that says partial the good lines count and each bad one is FIL-004; lists need no naming."""
    source = DAYS / "2026-03-09-worked-day" / "statements" / "STM_B1.csv"
    bad = source.read_text(encoding="utf-8").replace(
        "#TOTAL", "X9,,2026-03-09,10:00:00,PAY,D,12.5,SUCC,,\n#TOTAL"
    )
    stays = "admission_no,opening,paid,refunded,used,transferred,closing\nA99,1.00,0.00,0.00,0.00,0.00,1.00\n"
    files = {
        "RHC_STM_B1_PLAT_20260309_001_V1.csv": bad,
        "RHC_NRC_F1_PLAT_20260309_001_V1.csv": LIST + "S-0821,,PAYOUT,P,820.00,SUCC,2026-03-09,B2\n",
        "RHC_DEP_H2_PLAT_20260309_001_V1.csv": stays,
    }
    inboxes = []
    for name, text in files.items():
        folder = tmp_path / name.split("_")[2]
        folder.mkdir()
        put(folder, name, text)
        (folder / f"{name}.ok").write_bytes(manifest_of(name, text.encode()))
        inboxes.append(
            {"partner": folder.name, "place": {"kind": "directory", "folder": folder}, "partial": True}
        )
    said = Partners.model_validate({"inbox": inboxes})
    taken = await receive(
        the.engine, the.settings, the.members, said, now=datetime(2026, 3, 10, 4, tzinfo=UTC)
    )
    assert [(one.type, one.verdict, one.records - one.taken) for one in taken] == [
        ("STM", "PART", 1), ("NRC", "ACPT", 0), ("DEP", "ACPT", 0)
    ]  # fmt: skip
    early = datetime(2026, 3, 9, 16, tzinfo=UTC)
    found = await reconcile_day(the.engine, the.settings, the.members, NINTH, {}, {}, now=early)
    assert [(code, name) for code, name, *_ in brief(found)] == [
        ("DEP-001", "A99"), ("FIL-004", ""), ("NRC-001", "S-0500"),
    ]  # fmt: skip
    (wrong,) = (one for one in found["breaks"] if one["code"] == "FIL-004")
    assert "field 7 amount: expected two decimals, no sign, got" in wrong["detail"]
    assert {line["residual"] for line in (*found["proof"].values(), *found["balances"].values())} == {"0.00"}
    assert {one["kind"] for one in (await the.rows("SELECT inputs FROM reconciliation_run"))[0][0]} == {
        "STM",
        "NRC",
        "DEP",
    }


@pytest.mark.parametrize("profile", ["P", "H"])
def test_a_list_of_deposits_may_come_back_in_our_layout(profile: str) -> None:
    """The DEP file as it went out, under the hospital's name, is read line by line; another's lines are refused."""
    clock = worked_members().clock
    line = DepLine("H2", "A1", 0, 5000, 1000, 500, -500, 3000)
    made = file_of(FileName("DEP", "H2", "PLAT", TENTH, 1, 1), [("D", line)], load_layout(profile), clock)
    content = b"".join(part.content for part in made.parts) if hasattr(made, "parts") else made.content
    read = read_stays(content, partner="H2", file=made.name, clock=clock)
    assert isinstance(read, StayList), read
    (stay,) = read.rows
    assert (stay.admission_no, stay.paid_fen, stay.transferred_fen, stay.closing_fen) == (
        "A1",
        5000,
        -500,
        3000,
    )
    refused = read_stays(content, partner="H1", file=made.name, clock=clock)
    assert isinstance(refused, Refused)
    assert "institution: expected H1, got H2" in refused.errors[0]
