"""What was taken and should be looked at, as the command lists it."""

from __future__ import annotations

import json
from typing import Any

from tests.console.conftest import Clearing, day_folder

CARD = {"card": "tok_P1_B1_0001", "bank": "B1"}
OTHER = {"card": "tok_P2_B2_0001", "bank": "B2"}
DAY = "2026-03-09"
OURS, THEIRS, NOBODYS = "99010000000A", "99010000000B", "99010000000C"


def event(number: int, kind: str, source: str, at: str, **data: Any) -> bytes:  # noqa: ANN401 - fields of any event
    """One line of a file."""
    time = f"{DAY}T{at}+08:00"
    said = {"specversion": "1.0", "id": f"W-{number}", "source": source, "type": kind, "time": time}
    return json.dumps(said | {"data": data}).encode() + b"\n"


def paid(number: int, at: str, card: dict[str, str] = CARD, **more: Any) -> bytes:  # noqa: ANN401 - as above
    """A payment at H1."""
    said = card | {"institution": "H1", "amount": "10.00", "purpose": "OUTPATIENT", "order_no": f"WO{number}"}
    return event(
        number, "payment.made", "H1", at, **said | {"bank_ref": f"W{number}", "bank_date": DAY} | more
    )


def terminal(number: int, name: str, institution: str) -> bytes:
    """A terminal of an institution."""
    sam = f"{number:020d}"
    return event(
        number, "terminal.registered", "CP", "07:00:00", terminal=name, sam=sam, institution=institution
    )


def test_what_was_taken_and_should_be_looked_at_is_listed(worked: Clearing) -> None:
    """A debit before its card's loss was known, three odd terminals, what is open and what ended nothing."""
    events = [
        terminal(1, OURS, "H1"),
        terminal(2, THEIRS, "H2"),
        paid(3, "20:00:00", terminal=OURS, read_method="CONTACT"),
        paid(4, "20:01:00", terminal=THEIRS),
        paid(5, "20:02:00", OTHER, terminal=NOBODYS),
        paid(6, "20:03:00", OTHER, terminal=NOBODYS, amount="5.00"),
        paid(7, "20:04:00", OTHER, read_method="CONTACTLESS"),
        paid(8, "20:05:00", OTHER, read_method="MANUAL"),
        event(9, "card.lost", "B1", "21:00:00", **CARD, reported_at=f"{DAY}T20:00:30+08:00"),
        event(10, "payment.timed_out", "H1", "20:06:00", **OTHER, institution="H1", amount="7.00", order_no="WO10"),
        event(11, "payment.reversed", "H1", "20:07:00", original={"source": "H1", "id": "W-12"}, amount="9.00"),
        paid(12, "20:06:30", OTHER),
        event(13, "payment.reversed", "H1", "20:08:00", original={"source": "H1", "id": "W-99"}, amount="1.00"),
    ]  # fmt: skip
    lines = (day_folder(DAY) / "events.jsonl").read_bytes() + b"".join(events)
    taken = worked("ingest", "--json", "-", stdin=lines).json
    assert (taken["rejected"], taken["parked"]) == (0, 0)
    found = worked("watchlist", DAY, "--json").json
    debits = found["debits"]["listed"]
    assert [(one["event"], one["card"], one["amount"], one["state"], one["since"]) for one in debits] == [
        ("H1/W-4", "****0001", "10.00", "LOST", "2026-03-09T12:00:30+00:00")
    ]
    names = ("what", "terminal", "institution", "belongs_to", "debits", "amount", "first")
    assert [tuple(one[name] for name in names) for one in found["terminals"]["listed"]] == [
        ("no_terminal", "", "H1", "", 1, "10.00", "H1/W-7"),
        ("other_institution", THEIRS, "H1", "H2", 1, "10.00", "H1/W-4"),
        ("unknown", NOBODYS, "H1", "", 2, "15.00", "H1/W-5"),
    ]
    assert [(one["id"], one["amount"], one["debited"]) for one in found["timeouts"]["listed"]] == [
        ("W-10", "7.00", False)
    ]
    assert [(one["id"], one["outcome"], one["reversals"]) for one in found["tombstones"]["listed"]] == [
        ("W-12", "posted", ["H1/W-11"]),
        ("W-99", "", ["H1/W-13"]),
    ]
    assert found["payouts"] == {"count": 0, "listed": []}
    told = worked("watchlist", DAY, "--rows", "1").out
    assert "LOST" in told
    assert "2 more are not shown" in told
    assert worked("watchlist", "2026-03-20").code == 2


def test_a_payout_held_for_a_card_that_has_ended_is_listed_until_it_is_withdrawn(worked: Clearing) -> None:
    """Only its payer can end it; once it did, it is gone from the list."""
    card = {"card": "tok_held_0001", "bank": "B1"}
    claim = {"settlement_id": "WS1", "payer": "F1", "kind": "INPATIENT", "total": "50.00", "eligible": "50.00",
             "fund_amount": "50.00", "patient_amount": "0.00"}  # fmt: skip
    people = {"maker": "op-01", "checker": "op-02"}
    first = {"stage": "BANK", "person": "per_held_1", "card_class": "NORMAL", "account_class": "I"}
    events = [
        event(1, "card.registered", "B1", "07:00:00", **card, **first),
        event(2, "reimbursement.submitted", "F1", "09:00:00", **card, amount="50.00", claim=claim, approval=people),
        event(3, "card.cancelled", "B1", "10:00:00", **card),
    ]  # fmt: skip
    assert worked("ingest", "--json", "-", stdin=b"".join(events)).json["rejected"] == 0
    listed = worked("watchlist", DAY, "--json").json["payouts"]["listed"]
    assert [(one["id"], one["payer"], one["card"], one["state"], one["amount"]) for one in listed] == [
        ("W-2", "F1", "****0001", "CANCELLED", "50.00")
    ]
    original = {"source": "F1", "id": "W-2"}
    back = event(4, "reimbursement.withdrawn", "F1", "11:00:00", original=original, approval=people)
    assert worked("ingest", "--json", "-", stdin=back).json["posted"] == 1
    assert worked("watchlist", DAY, "--json").json["payouts"]["count"] == 0
