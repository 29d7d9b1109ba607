"""A settlement between banks that failed, instructed again and confirmed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine

from tests.console.conftest import Clearing, day_folder


@pytest.fixture(autouse=True)
def _a_known_year() -> Iterator[None]:
    """What goes out again goes out on a working day from today on, and the calendar knows the years up to 2026."""
    with time_machine.travel(datetime(2026, 3, 11, 4, tzinfo=UTC)):
        yield


def told(type_: str, source: str, id_: str, **data: Any) -> bytes:  # noqa: ANN401 - JSON
    """One record of a bank about an instruction."""
    said = {
        "specversion": "1.0",
        "id": id_,
        "source": source,
        "type": type_,
        "time": "2026-03-11T11:00:00+08:00",
    }
    return json.dumps(said | {"data": data}).encode() + b"\n"


def test_a_failed_settlement_goes_out_again_and_its_old_id_is_spent(worked: Clearing) -> None:
    """The new id is confirmed and nothing is in transit any more; the old one cannot be confirmed, nor sent twice."""
    for day in ("2026-03-09", "2026-03-10"):
        assert worked("ingest", str(day_folder(day) / "events.jsonl")).code == 0
        assert worked("close", day).code == 0
    (old,) = worked("positions", "2026-03-10", "--json").json["instructions"]
    assert worked("instruct-again", old["id"]).code == 2
    failed = told("settlement.failed", "B1", "x-1", instruction=old["id"], reason="not enough cover")
    assert worked("ingest", "-", stdin=failed).code == 0
    new = worked("instruct-again", old["id"], "--json").json
    assert (new["replaces"], new["amount"], new["state"]) == (old["id"], "2120.56", "WAITING")
    assert worked("instruct-again", old["id"]).code == 2
    checks = worked("verify", "--json").json["checks"]
    assert {name: said for name, said in checks.items() if said != "ok"} == {}
    late, good = (
        told(
            "settlement.confirmed",
            "B2",
            f"x-{number}",
            instruction=id_,
            amount="2120.56",
            bank_ref=f"S-{number}",
            bank_date="2026-03-11",
        )
        for number, id_ in ((2, old["id"]), (3, new["id"]))
    )
    said = worked("ingest", "-", "--json", stdin=late + good).json
    assert (said["posted"], said["reasons"]) == (1, {"original_spent": 1})
    assert worked("balances", "--account", "3010", "--json").json["accounts"] == {
        "3010.B1": "-8000.00",
        "3010.B2": "8000.00",
    }
    checks = worked("verify", "--json").json["checks"]
    assert {name: said for name, said in checks.items() if said != "ok"} == {}
