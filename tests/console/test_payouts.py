"""Payouts by state and batch, beside the accounts that they stand on."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.console.conftest import Clearing, day_folder
from tests.jobs.mock_bank import PAID, SILENT, UNKNOWN, MockBank


def event(type_: str, source: str, id_: str, time: str, **data: Any) -> bytes:  # noqa: ANN401 - JSON
    """One record of a hand-made event."""
    told = {"specversion": "1.0", "id": id_, "source": source, "type": type_, "time": time, "data": data}
    return json.dumps(told).encode() + b"\n"


def submitted(id_: str, settlement_id: str, amount: str, **more: Any) -> bytes:  # noqa: ANN401 - JSON
    """A reimbursement to one card of the worked day, on its second day."""
    claim = {
        "settlement_id": settlement_id,
        "payer": "F1",
        "kind": "OUTPATIENT",
        "total": amount,
        "eligible": amount,
        "fund_amount": amount,
        "patient_amount": "0.00",
    }
    approval = {"maker": "op-01", "checker": "op-02"}
    return event(
        "reimbursement.submitted",
        "F1",
        id_,
        "2026-03-10T11:00:00+08:00",
        card="tok_P5_B1_0001",
        bank="B1",
        amount=amount,
        claim=claim,
        approval=approval,
        **more,
    )


def test_payouts_are_listed_with_totals_that_are_their_accounts(three_days: Clearing) -> None:
    """Ten payouts in four states; what is accepted stands on 2035 and nothing on 2030."""
    found = three_days("payouts", "list", "--json").json
    assert len(found["payouts"]) == 10
    assert found["totals"] == {
        "ACCEPTED": {"count": 1, "amount": "640.00"},
        "GIVEN_BACK": {"count": 1, "amount": "820.00"},
        "PAID": {"count": 8, "amount": found["totals"]["PAID"]["amount"]},
    }
    assert found["tie_out"] == [
        {"account": "2030", "payouts": "0.00", "balance": "0.00", "difference": "0.00"},
        {"account": "2035", "payouts": "640.00", "balance": "-640.00", "difference": "0.00"},
    ]


def test_a_payout_paid_again_shows_its_last_attempt(three_days: Clearing) -> None:
    """The second attempt's card and bank are listed, under the batch and day of the submission."""
    listed = three_days("payouts", "list", "--batch", "BATCH-01", "--json").json
    again = next(one for one in listed["payouts"] if one["payout"] == "F1/F1-0051")
    assert (again["state"], again["attempt"], again["card"]) == ("PAID", 2, "tok_P2_B2_0001")
    assert (again["batch"], again["submitted"], again["age_days"]) == ("BATCH-01", "2026-03-10", 2)
    [batch] = listed["batches"]
    assert (batch["state"], batch["not_released"]) == ("RELEASED", None)
    assert (batch["total"], batch["came_total"], batch["accepted"]) == ("3500.00", "3500.00", 3)


@pytest.mark.parametrize(
    ("words", "payouts"),
    [
        (("--state", "ACCEPTED"), ["F1/F1-0092"]),
        (("--payer", "I1"), ["I1/I1-0048"]),
        (("--date", "2026-03-11"), ["F1/F1-0092"]),
        (("--state", "HELD"), []),
    ],
    ids=" ".join,
)
def test_payouts_by_state_payer_and_date(
    three_days: Clearing, words: tuple[str, ...], payouts: list[str]
) -> None:
    """Each filter leaves the payouts that it names."""
    found = three_days("payouts", "list", *words, "--json").json["payouts"]
    assert [one["payout"] for one in found] == payouts


def test_tables_of_payouts_hide_the_card_and_tie_out(three_days: Clearing) -> None:
    """A table has four characters of a card, fits a page, and ends with both accounts."""
    told = three_days("payouts", "list").out
    assert "tok_" not in told
    assert "****0001" in told
    assert "2035  HELD + ACCEPTED + SENT = 640.00, balance -640.00, difference 0.00" in told
    assert max(map(len, told.splitlines())) <= 100


def test_a_batch_says_why_it_is_not_released(worked: Clearing) -> None:
    """A row that is missing, and then rows that are not those of the digest, are named."""
    assert worked("ingest", str(day_folder("2026-03-09") / "events.jsonl")).code == 0
    header = event(
        "reimbursement.batch_submitted",
        "F1",
        "head",
        "2026-03-10T10:00:00+08:00",
        batch_id="SHORT",
        kind="OUTPATIENT",
        payer="F1",
        rows=2,
        total="30.00",
        digest="0" * 64,
        approval={"maker": "op-01", "checker": "op-02"},
    )
    first = submitted("row-1", "S-1", "10.00", batch_id="SHORT", row_no=1)
    second = submitted("row-2", "S-2", "20.00", batch_id="SHORT", row_no=2)
    assert worked("ingest", "-", "--json", stdin=header + first).json["rejected"] == 0
    [batch] = worked("payouts", "list", "--batch", "SHORT", "--json").json["batches"]
    assert batch["not_released"] == "1 of 2 rows have come, 20.00 too little"
    assert worked("ingest", "-", "--json", stdin=second).json["posted"] == 1
    listed = worked("payouts", "list", "--batch", "SHORT", "--json").json
    assert listed["batches"][0]["not_released"] == "count and total fit, the digest of its rows does not"
    assert [one["state"] for one in listed["payouts"]] == ["ACCEPTED", "ACCEPTED"]


def test_an_order_is_listed_from_its_file_to_its_answer(worked: Clearing, tmp_path: Path) -> None:
    """Open while the bank says nothing, or that it does not know; asked about; closed once it says S."""
    assert worked("ingest", str(day_folder("2026-03-09") / "events.jsonl")).code == 0
    assert worked("ingest", "-", "--json", stdin=submitted("row-1", "S-1", "10.00")).json["posted"] == 1
    partners = tmp_path / "partners.toml"
    place = f'place = {{ kind = "directory", folder = "{tmp_path}/to" }}'
    partners.write_text(f'[[target]]\nreceiver = "B1"\n{place}\n', encoding="utf-8")
    bank = MockBank("B1", tmp_path / "to", tmp_path / "from", date(2026, 3, 9), lambda _: UNKNOWN)

    def turn(answer: str) -> dict[str, Any]:
        assert worked("payouts", "dispatch", "--now", "--ask").code == 0
        assert worked("deliver", CLEARING_PARTNERS=str(partners)).code == 0
        bank.decide = lambda _: answer
        results = [name for name in bank.work() if "_PYR_" in name]
        if results:
            assert worked("payouts", "results", str(tmp_path / "from" / results[0])).code == 0
        [one] = worked("payouts", "orders", "F1/row-1/1", "--json").json["orders"]
        return dict(one)

    first = turn(SILENT)
    assert (first["bank"], first["amount"], first["sent"], first["result"]) == ("B1", "10.00", 1, None)
    assert (first["file"], first["short"]) == ("RHC_PAY_PLAT_B1_20260309_001_V1.txt", "F1/row-1/1")
    second = turn(UNKNOWN)
    assert (second["sent"], second["result"], second["asked_at"] is not None) == (1, "U", True)
    told = worked("payouts", "orders", "--open").out
    assert re.search(r"F1/row-1/1 +B1 +10.00 +\S+ \S+ +unknown", told), told
    third = turn(PAID)
    assert (third["sent"], third["result"]) == (1, "S")
    assert bank.paid == {"F1/row-1/1": 1}
    assert worked("payouts", "orders", "--open", "--bank", "B1", "--json").json["orders"] == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--state", "GONE"), "expected one of HELD ACCEPTED"),
        (("--date", "2026-05-01"), "was never opened"),
        (("--rows", "0"), "--rows"),
    ],
    ids=" ".join,
)
def test_wrong_filters_are_said(three_days: Clearing, words: tuple[str, ...], says: str) -> None:
    """A state or day that does not exist is refused with exit code 2."""
    said = three_days("payouts", "list", *words)
    assert (said.code, said.out) == (2, "")
    assert says in said.err
