"""One good event of every type, and the days of the fixtures."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from messages import CATALOGUE, Event, Malformed, amount_text, decode, fen_of
from messages.schemas import examples

DAYS = Path(__file__).parents[2] / "fixtures" / "days"
GOOD = examples()

KEYS = {
    "card.registered": "tok_P1_B1_0001",
    "terminal.locked": "990100000001",
    "payment.made": "tok_P1_B1_0001",
    "payment.refunded": "tok_P1_B1_0001",
    "payment.reversed": "H1/H1-0002",
    "topup.reversed": "T1/T1-0001",
    "premium.refunded": "B1/B1-0001",
    "admission.registered": "H1/A42",
    "deposit.transferred": "H1/A42",
    "discharge.settled": "H1/A42",
    "discharge.cancelled": "H1/H1-0004",
    "reimbursement.batch_submitted": "BATCH-01",
    "payout.result": "F1/F1-0001",
    "claim.settled": "F1",
    "settlement.failed": "SI-20260310-1",
    "fee.adjusted": "H1/H1-0001",
    "correction.approved": "BRK-0001",
}


def read(event: dict[str, Any]) -> Event:
    """Decode what must be a good event."""
    found = decode(json.dumps(event).encode())
    assert isinstance(found, Event), found
    return found


def test_every_type_of_the_catalogue_has_a_good_example() -> None:
    """A type without an example fails the build."""
    assert GOOD.keys() == CATALOGUE.keys()


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_good_event_is_read_as_its_model(name: str) -> None:
    """Every type's example decodes to the model that the catalogue names."""
    event = read(GOOD[name])
    assert type(event.data) is CATALOGUE[name].model
    assert (event.type, event.env, len(event.sm3)) == (name, "PROD", 32)


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_model_writes_what_it_read(name: str) -> None:
    """Written back as JSON, a body says what was sent, with amounts as yuan text."""
    body = read(GOOD[name]).data
    again = CATALOGUE[name].model.model_validate(body.model_dump(mode="json", exclude_unset=True))
    assert again == body


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_type_has_a_record_key(name: str) -> None:
    """Every type has a key, and the ones with a rule of their own have the one the table says."""
    event = read(GOOD[name])
    key = CATALOGUE[name].key(event)
    assert key == KEYS.get(name, key)
    assert key


def test_a_submission_is_keyed_by_its_own_source_and_id() -> None:
    """A payout's id is its submission's, so the submission goes under its own name."""
    event = read(GOOD["reimbursement.submitted"])
    assert CATALOGUE[event.type].key(event) == f"{event.source}/{event.id}"


def test_a_correction_without_a_break_is_keyed_by_itself() -> None:
    """A correction that names no break goes under its own name."""
    sent = GOOD["correction.approved"]
    event = read({**sent, "data": {k: v for k, v in sent["data"].items() if k != "break_id"}})
    assert CATALOGUE[event.type].key(event) == f"{event.source}/{event.id}"


def test_defaults_are_filled_in() -> None:
    """What may be left out has the value it stands for."""
    made: Any = read(GOOD["payment.made"]).data
    assert (made.amount, made.currency, made.route, made.app_area) == (12850, "CNY", "DIRECT", "MEDICAL")
    assert (made.bank_date, made.network, made.origin) == (date(2026, 3, 10), None, None)
    sent = GOOD["payout.sent"]
    assert read({**sent, "data": {"original": sent["data"]["original"]}}).data.model_dump()["attempt"] == 1
    submitted: Any = read(GOOD["reimbursement.submitted"]).data
    topup: Any = read(GOOD["topup.made"]).data
    assert (submitted.app_area, topup.app_area) == ("SCHEME", "FINANCE")
    settled: Any = read(without(GOOD["discharge.settled"], "stage", "arrears")).data
    assert (settled.stage, settled.arrears) == ("FINAL", 0)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-03-10T08:31:00+08:00", datetime(2026, 3, 10, 0, 31, tzinfo=UTC)),
        ("2026-03-10T00:31:00Z", datetime(2026, 3, 10, 0, 31, tzinfo=UTC)),
        ("2026-03-10t00:31:00.25z", datetime(2026, 3, 10, 0, 31, 0, 250000, tzinfo=UTC)),
        ("2026-03-09T23:31:00.123456789-01:00", datetime(2026, 3, 10, 0, 31, 0, 123456, tzinfo=UTC)),
    ],
)
def test_time_is_kept_in_utc(text: str, instant: datetime) -> None:
    """Whatever offset was sent, the event's time is aware and in UTC."""
    time = read({**GOOD["payment.made"], "time": text}).time
    assert (time, time.tzinfo) == (instant, UTC)


@pytest.mark.parametrize("fen", [0, 1, 99, 100, 12850, 999_999_999_999_999])
def test_fen_and_yuan_text_are_one(fen: int) -> None:
    """Fen written as yuan text read back as the same fen."""
    assert fen_of(amount_text(fen)) == fen


def test_a_negative_balance_can_be_written() -> None:
    """Balances are shown with their sign although no event has one."""
    assert amount_text(-5) == "-0.05"
    with pytest.raises(ValueError, match=r"expected yuan text such as 128\.50"):
        fen_of("-0.05")


def test_every_event_of_the_fixture_days_decodes() -> None:
    """Every line of every day in the fixtures is an event, unless the day is named for a malformed one."""
    days = [path for path in sorted(DAYS.glob("*/events.jsonl")) if "malformed" not in path.parent.name]
    lines = [line for path in days for line in path.read_bytes().splitlines() if line.strip()]
    found = [decode(line) for line in lines]
    assert [str(fault) for fault in found if isinstance(fault, Malformed)] == []
    assert lines


def without(event: dict[str, Any], *fields: str) -> dict[str, Any]:
    """Take some fields of the body away."""
    return {**event, "data": {name: part for name, part in event["data"].items() if name not in fields}}
