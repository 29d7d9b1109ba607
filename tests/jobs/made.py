"""Events of the first day made one by one, for tests in which only a few things matter."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.jobs.running import FIRST_DAY, Sent, worked_lines

CARD = "tok_P1_B1_0001"
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
