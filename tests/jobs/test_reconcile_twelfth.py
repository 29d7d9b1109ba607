"""A day of what the worked days lack: channels, card networks, top-ups, a time-out confirmed a day late."""

# ruff: noqa: E501 - aligned tables and sentences of behaviour are read, not wrapped

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.jobs.reconcile_desk import (
    ELEVENTH,
    TENTH,
    TWELFTH,
    Desk,
    brief,
    run,
)
from tests.jobs.running import Books


@pytest.fixture
def the(filed: Books) -> Books:
    """Books in which the three worked days are filed and nothing is reconciled."""
    return filed


def event(event_id: str, type_: str, hour: int, **data: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of a body
    """An event of the twelfth; its source is the first part of its id."""
    source = event_id.partition("-")[0]
    when = f"2026-03-12T{hour:02d}:00:00+08:00"
    return {"specversion": "1.0", "id": event_id, "source": source, "type": type_, "time": when, "data": data}


def named(event_id: str) -> dict[str, str]:
    """The event that another one names."""
    return {"source": event_id.partition("-")[0], "id": event_id}


def ref(number: int, day: int = 12) -> dict[str, str]:
    """A bank reference of its day."""
    return {"bank_ref": f"BR12{number:04d}", "bank_date": f"2026-03-{day}"}


P3 = {"card": "tok_P3_B1_0001", "bank": "B1"}
P5 = {"card": "tok_P5_B1_0001", "bank": "B1"}
BOTH = {"maker": "op-01", "checker": "op-02"}
EVENTS = [
    event(
        "H1-1201",
        "payment.confirmed",
        8,
        original=named("H1-0089"),
        bank_ref="BR00000043",
        bank_date="2026-03-11",
    ),
    event("B1-1202", "topup.made", 9, **P5, amount="100.00", method="COUNTER", **ref(2)),
    event("B1-1203", "topup.made", 9, **P5, amount="50.00", method="COUNTER", **ref(3)),
    event("B1-1204", "topup.reversed", 10, original=named("B1-1203"), amount="50.00"),
    event("B2-1205", "topup.made", 9, **P5, amount="70.00", method="NETBANK", payer_bank="B2", **ref(5)),
    event(
        "T1-1206",
        "payment.made",
        9,
        **P5,
        institution="H1",
        amount="33.00",
        purpose="OUTPATIENT",
        order_no="H1-1201",
        route="CHANNEL",
        **ref(6),
    ),
    event(
        "T1-1207",
        "payment.refunded",
        10,
        original=named("T1-1206"),
        **P5,
        institution="H1",
        amount="3.00",
        route="CHANNEL",
        **ref(7),
    ),
    event(
        "H2-1206",
        "admission.registered",
        8,
        **P5,
        institution="H2",
        admission_no="A61",
        admitted_at="2026-03-12T08:00:00+08:00",
    ),
    event(
        "H2-1207",
        "deposit.paid",
        9,
        **P5,
        institution="H2",
        admission_no="A61",
        amount="500.00",
        receipt_no="D-61-1",
        **ref(8),
    ),
    event(
        "H2-1208",
        "discharge.settled",
        10,
        **P5,
        institution="H2",
        admission_no="A61",
        total="600.00",
        deposit_used="500.00",
        top_up="100.00",
        refund="0.00",
        **ref(9),
    ),
    event("H2-1216", "discharge.cancelled", 11, original=named("H2-1208"), **P5, **ref(16)),
    event(
        "H2-1209",
        "admission.registered",
        8,
        **P3,
        institution="H2",
        admission_no="A60",
        admitted_at="2026-03-12T08:00:00+08:00",
    ),
    event(
        "H2-1210",
        "deposit.paid",
        9,
        **P3,
        institution="H2",
        admission_no="A60",
        amount="400.00",
        receipt_no="D-60-1",
        **ref(10),
    ),
    event(
        "H2-1211",
        "deposit.voided",
        10,
        original=named("H2-1210"),
        **P3,
        institution="H2",
        admission_no="A60",
        amount="400.00",
        **ref(11),
    ),
    event(
        "H1-1212",
        "payment.made",
        12,
        **P3,
        institution="H1",
        amount="12.00",
        purpose="OUTPATIENT",
        order_no="H1-1202",
        **ref(12),
    ),
    event(
        "H1-1212",
        "payment.made",
        12,
        **P3,
        institution="H1",
        amount="13.00",
        purpose="OUTPATIENT",
        order_no="H1-1203",
        **ref(13),
    ),
    event("H1-1214", "payment.timed_out", 13, **P3, institution="H1", amount="15.00", order_no="H1-1204"),
    event(
        "H1-1215",
        "payment.timed_out",
        13,
        **P5,
        institution="H1",
        amount="16.00",
        order_no="H1-1205",
        route="UNIONPAY",
        **ref(15),
    ),
]
# fmt: off
TWELVE = {
    "STM_B1": [
        "BR120002,,2026-03-12,09:00:00,TOPUP,C,100.00,SUCC,tok_P5_B1_0001,",
        "BR120003,,2026-03-12,09:00:00,TOPUP,C,50.00,SUCC,tok_P5_B1_0001,",
        "BR129999,,2026-03-12,10:00:00,REVERSAL,D,50.00,SUCC,tok_P5_B1_0001,BR120003",
        "BR120005,,2026-03-12,09:00:00,TOPUP,C,70.00,SUCC,tok_P5_B1_0001,",
        "BR120008,,2026-03-12,09:00:00,PAY,D,500.00,SUCC,tok_P5_B1_0001,",
        "BR120009,,2026-03-12,10:00:00,PAY,D,100.00,SUCC,tok_P5_B1_0001,",
        "BR120016,,2026-03-12,11:00:00,VOID,C,100.00,SUCC,tok_P5_B1_0001,BR120009",
        "BR120010,,2026-03-12,09:00:00,PAY,D,400.00,SUCC,tok_P3_B1_0001,",
        "BR120011,,2026-03-12,10:00:00,VOID,C,400.00,SUCC,tok_P3_B1_0001,BR120010",
        "BR120012,,2026-03-12,12:00:00,PAY,D,12.00,SUCC,tok_P3_B1_0001,",
    ],
    "STM_B2": ["BR120005,,2026-03-12,09:00:00,TOPUP,D,70.00,SUCC,,"],
    "STM_T1": [
        "BR120006,,2026-03-12,09:00:00,PAY,D,33.00,SUCC,tok_P5_B1_0001,",
        "BR120007,,2026-03-12,10:00:00,REFUND,C,3.00,SUCC,tok_P5_B1_0001,BR120006",
    ],
    "STM_CUP": [],
    "HIS_H1": [
        "H1-1103,,OPD,R,70.00,SUCC,2026-03-12,08:00:00,BR00000043,",
        "H1-1201,,OPD,R,33.00,SUCC,2026-03-12,09:00:00,BR120006,",
        ",,REFUND,P,3.00,SUCC,2026-03-12,10:00:00,BR120007,H1-1201",
        "H1-1202,,OPD,R,12.00,SUCC,2026-03-12,12:00:00,BR120012,",
    ],
    "HIS_H2": [
        "D-61-1,,DEP,R,500.00,SUCC,2026-03-12,09:00:00,BR120008,",
        "A61,,DISCHARGE,R,100.00,SUCC,2026-03-12,10:00:00,BR120009,",
        ",,REFUND,P,100.00,SUCC,2026-03-12,11:00:00,BR120016,A61",
        "D-60-1,,DEP,R,400.00,SUCC,2026-03-12,09:00:00,BR120010,",
        ",,REFUND,P,400.00,SUCC,2026-03-12,10:00:00,BR120011,D-60-1",
    ],
}
# fmt: on


async def _twelfth(the: Books, desk: Desk, **more: list[str]) -> dict[str, Any]:
    """The eleventh reconciled, the twelfth taken in, closed and reconciled, with lines added to its files."""
    await run(the, ELEVENTH, desk.paths(ELEVENTH))
    await the.ingest(json.dumps(one).encode() for one in EVENTS)
    await the.close(TWELFTH)
    files = {}
    for name, lines in TWELVE.items():
        header = (
            desk.paths(TENTH)["STM_B1" if name.startswith("STM") else "HIS_H1"].read_text().splitlines()[0]
        )
        files[name] = desk.put(f"twelfth/{name}.csv", "\n".join([header, *lines, *more.get(name, [])]) + "\n")
    return await run(the, TWELFTH, files)


async def test_channels_networks_top_ups_and_a_confirmation_a_day_late(the: Books, desk: Desk) -> None:
    """All match; the time-out of yesterday clears under its old id when the hospital has the money too."""
    found = await _twelfth(the, desk)
    outcomes = await the.rows(
        "SELECT id, outcome FROM event WHERE id LIKE '%-12__' AND outcome NOT IN ('posted', 'noted')"
    )
    assert outcomes == []
    assert brief(found) == [("CUT-001", "BR00000043", "L1B1H1", "AUTO_CLEARED")]
    assert found["open"] == {"before": 1, "new": 0, "cleared": 1, "after": 0}
    assert (found["matched"], found["state"], found["missing"]) == (6, "reconciled", [])


async def test_what_a_partner_did_for_records_that_made_no_entry(the: Books, desk: Desk) -> None:
    """Money taken for a rejected record or an open time-out is STA-001; a noted top-up taken back a day later is nil."""
    await _twelfth(the, desk)
    more = {
        "STM_B1": [
            "BR120013,,2026-03-12,12:00:00,PAY,D,13.00,SUCC,,",
            "BR129014,,2026-03-12,13:00:00,PAY,D,15.00,SUCC,,",
        ],
        "STM_CUP": ["BR120015,,2026-03-12,13:00:00,PAY,D,16.00,SUCC,,"],
        "HIS_H1": ["H1-1204,,OPD,R,15.00,SUCC,2026-03-12,13:00:00,BR129014,"],
    }
    files = {}
    for name, lines in TWELVE.items():
        header = (
            desk.paths(TENTH)["STM_B1" if name.startswith("STM") else "HIS_H1"].read_text().splitlines()[0]
        )
        files[name] = desk.put(
            f"twelfth/{name}_V2.csv", "\n".join([header, *lines, *more.get(name, [])]) + "\n"
        )
    found = await run(the, TWELFTH, files)
    assert [(code, key, vector) for code, key, vector, _ in brief(found)] == [
        ("CUT-001", "BR00000043", "L1B1H1"),
        ("SID-010", "BR129014", "L0B1H-"),
        ("STA-001", "BR120013", "L1B1H0"),
        ("STA-001", "BR120015", "L1B1H0"),
        ("STA-003", "BR129014", "L1B0H1"),
    ]
