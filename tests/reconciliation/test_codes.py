"""One scenario a code: what the sides say, and how the engine calls it."""

# ruff: noqa: E501 - aligned tables and sentences of behaviour are read, not wrapped

from __future__ import annotations

import pytest

from clearing.ledger.entry import Leg, Posting
from clearing.ledger.money import yuan
from clearing.reconciliation.codes import CODES
from clearing.reconciliation.ledger_side import NotedTopup, OpenTimeout, RejectedUse
from tests.reconciliation.sides import DAY, NEXT, Sides, bank_line, entry, his_line

PAID = entry("1", "payment.made", "100.00")
WITH_FEE = entry(
    "1", "payment.made", "100.00",
    postings=(
        Posting("1010.BX", 10000), Posting("2010.H1", -10000),
        Posting("2010.H1", 38, Leg.FEE), Posting("2060.BX", -38, Leg.FEE),
    ),
)  # fmt: skip
REFUND = entry("2", "payment.refunded", "30.00", original="0")
BANK, HIS = bank_line("1", "100.00"), his_line("1", "100.00")
BANK_REFUND = bank_line("2", "30.00", type="REFUND", direction="C")
HIS_REFUND = his_line("2", "30.00", trade_type="REFUND", direction="P")


def rejected(type_: str = "payment.made", direction: str = "D") -> RejectedUse:
    """An event that was refused though it carries a bank reference."""
    return RejectedUse(
        source="H1", event_id="1", type=type_, partner="BX", bank_ref="R1", bank_date=DAY, clearing_date=DAY,
        direction="D" if direction == "D" else "C", amount_fen=10000, institution="H1", order_no="O1",
    )  # fmt: skip


def unknown() -> OpenTimeout:
    """A payment whose outcome nobody knows, not debited as far as we know."""
    return OpenTimeout(
        source="H1", event_id="1", partner="BX", institution="H1", clearing_date=DAY, amount_fen=10000,
        bank_ref="R1", bank_date=DAY, order_no="O1",
    )  # fmt: skip


def topup() -> NotedTopup:
    """A top-up at the counter of the card's own bank."""
    return NotedTopup(
        source="BX", event_id="t", bank="BX", bank_ref="T1", bank_date=DAY, clearing_date=DAY, amount_fen=5000
    )


GROUPED = [his_line(no, half, bank_ref="R1", group="g") for no, half in (("1a", "60.00"), ("1b", "40.00"))]
SHORT = [his_line(no, half, bank_ref="R1", group="g") for no, half in (("1a", "60.00"), ("1b", "30.00"))]
TWO = [{**HIS, "card": "tok_aaaaaaa1"}, {**HIS, "card": "tok_aaaaaaa2"}]

# fmt: off
SCENARIOS = [
    # lead       all codes               vector    state           bank's diff  sides
    ("",        (),                     "",        "",             "",       Sides([PAID], [BANK], [HIS])),
    ("SID-101", ("SID-101",),           "L1B0H1",  "SUSPECT",      "100.00", Sides([PAID], [], [HIS])),
    ("SID-101", ("SID-101",),           "L1B0H-",  "SUSPECT",      "100.00", Sides([PAID], [], None)),
    ("SID-100", ("SID-100",),           "L1B0H0",  "SUSPECT",      "100.00", Sides([PAID], [], [])),
    ("SID-110", ("SID-110",),           "L1B1H0",  "OPEN",         "100.00", Sides([PAID], [BANK], [])),
    ("SID-110", ("SID-110",),           "L1B-H0",  "OPEN",         "100.00", Sides([PAID], None, [])),
    ("SID-011", ("SID-011",),           "L0B1H1",  "OPEN",        "-100.00", Sides([], [BANK], [{**HIS, "bank_ref": "R1"}])),
    ("SID-010", ("SID-010",),           "L0B1H-",  "SUSPECT",     "-100.00", Sides([], [BANK], [])),
    ("SID-010", ("SID-010",),           "L0B1H0",  "SUSPECT",     "-100.00", Sides([], [{**BANK, "institution": "H1"}], [])),
    ("SID-001", ("SID-001",),           "L0B0H1",  "OPEN",        "-100.00", Sides([], [], [HIS])),
    ("SID-001", ("SID-001",),           "L0B-H1",  "OPEN",        "-100.00", Sides([], None, [HIS])),
    ("CUT-001", ("CUT-001",),           "L1B1H1",  "AUTO_CLEARED",   "0.00", Sides([PAID], [{**BANK, "platform_ref": PAID.id, "bank_date": "2026-03-09"}], [HIS])),
    ("CUT-002", ("CUT-002",),           "L1B1H1",  "AUTO_CLEARED",   "0.00", Sides([REFUND], [{**BANK_REFUND, "platform_ref": REFUND.id, "bank_date": "2026-03-09"}], [HIS_REFUND])),
    ("AMT-001", ("AMT-001",),           "L1B1H1",  "OPEN",          "10.00", Sides([PAID], [{**BANK, "amount": "90.00"}], [HIS])),
    ("AMT-002", ("AMT-002",),           "L1B1H1",  "OPEN",         "-10.00", Sides([PAID], [{**BANK, "amount": "110.00"}], [HIS])),
    ("AMT-003", ("AMT-003",),           "L1B1H1",  "OPEN",          "10.00", Sides([PAID], [BANK], [{**HIS, "amount": "90.00"}])),
    ("AMT-003", ("AMT-003",),           "L1B-H1",  "OPEN",          "10.00", Sides([PAID], None, [{**HIS, "amount": "90.00"}])),
    ("",        (),                     "",        "",             "",       Sides([PAID], [BANK], GROUPED)),
    ("GRP-001", ("GRP-001",),           "L1B1H1",  "OPEN",          "10.00", Sides([PAID], [BANK], SHORT)),
    ("STA-001", ("STA-001",),           "L1B1H0",  "OPEN",        "-100.00", Sides([], [BANK], [], rejected=[rejected()])),
    ("STA-001", ("STA-001",),           "L1B1H0",  "OPEN",        "-100.00", Sides([], [BANK], [], timeouts=[unknown()])),
    ("STA-001", ("STA-001", "STA-003"), "L1B1H1",  "OPEN",        "-100.00", Sides([], [BANK], [HIS], rejected=[rejected()])),
    ("STA-002", ("STA-002",),           "L1B1H1",  "OPEN",         "100.00", Sides([PAID], [{**BANK, "status": "FAIL"}], [HIS])),
    ("STA-002", ("STA-002",),           "L1B1H1",  "OPEN",         "100.00", Sides([PAID], [{**BANK, "status": "REVD"}], [HIS])),
    ("STA-003", ("STA-003",),           "L1B1H1",  "OPEN",         "100.00", Sides([PAID], [BANK], [{**HIS, "status": "REVD"}])),
    ("STA-004", ("STA-004",),           "L1B1H1",  "SUSPECT",      "-30.00", Sides([REFUND], [{**BANK_REFUND, "status": "FAIL"}], [HIS_REFUND])),
    ("DIR-001", ("DIR-001",),           "L1B1H1",  "OPEN",         "200.00", Sides([PAID], [{**BANK, "direction": "C"}], [HIS])),
    ("IDN-001", ("IDN-001",),           "L1B1H1",  "OPEN",           "0.00", Sides([PAID], [{**BANK, "card": "tok_other001"}], [HIS])),
    ("IDN-001", ("IDN-001",),           "L1B1H1",  "OPEN",           "0.00", Sides([PAID], [{**BANK, "institution": "H2"}], [HIS])),
    ("IDN-002", ("IDN-002",),           "L1B1H1",  "AUTO_CLEARED",   "0.00", Sides([PAID], [BANK], [{**HIS, "trade_type": "DEP"}])),
    ("CUT-001", ("CUT-001", "IDN-002"), "L1B1H1",  "AUTO_CLEARED",   "0.00", Sides([PAID], [{**BANK, "bank_date": "2026-03-09"}], [HIS])),
    ("AMB-001", ("AMB-001",),           "L1B1H1",  "OPEN",        "-100.00", Sides([PAID], [BANK], TWO)),
    ("FEE-001", ("FEE-001",),           "L1B1H1",  "OPEN",           "0.00", Sides([WITH_FEE], [{**BANK, "fee": "0.40"}], [HIS])),
    ("",        (),                     "",        "",             "",       Sides([], [], [], rejected=[rejected()])),
    ("",        (),                     "",        "",             "",       Sides([], [], [], timeouts=[unknown()])),
    ("",        (),                     "",        "",             "",       Sides([], [bank_line("x", "50.00", bank_ref="T1", type="TOPUP", direction="C")], [], noted=[topup()])),
]
# fmt: on


@pytest.mark.parametrize(("lead", "codes", "vector", "state", "difference", "sides"), SCENARIOS)
def test_each_difference_has_its_code(  # noqa: PLR0917 - a row of the table
    lead: str, codes: tuple[str, ...], vector: str, state: str, difference: str, sides: Sides
) -> None:
    """What the sides say gives exactly one break with its codes, vector, state and signed difference, or none."""
    found = sides.run().breaks
    if not lead:
        assert found == ()
        return
    (one,) = found
    assert (one.code, one.codes, one.vector, one.state) == (lead, codes, vector, state)
    assert yuan(one.difference_fen) == difference


# fmt: off
REPEATS = [
    # code      which side twice
    ("DUP-001", Sides([PAID, entry("1", "payment.made", "100.00", original_day=DAY)], [BANK], [HIS])),
    ("DUP-002", Sides([PAID], [BANK, BANK], [HIS])),
    ("DUP-003", Sides([PAID], [BANK], [HIS, HIS])),
]
# fmt: on


@pytest.mark.parametrize(("code", "sides"), REPEATS)
def test_a_row_that_is_there_twice_is_surplus(code: str, sides: Sides) -> None:
    """The second of two equal rows is an item of its own, and the first still matches."""
    found = sides.run()
    assert [one.code for one in found.breaks] == [code]
    assert found.matched == 1


def test_a_row_of_an_earlier_day_is_surplus_when_it_comes_again() -> None:
    """A line that an earlier day's file had is a repeat, however it ended then."""
    first = Sides([PAID], [BANK], [HIS]).run()
    second = Sides([], [BANK], [HIS]).run(NEXT, after=first)
    assert sorted(one.code for one in second.breaks) == ["DUP-002", "DUP-003"]


def test_every_code_has_its_row() -> None:
    """The table knows class, Chinese name, meaning, desk, ends and action of every code."""
    assert all(all(row._replace(sla_days=1)) for row in CODES.values())
    assert {row.break_class for row in CODES.values()} == {"T", "A", "M", "X", "T→M", "A→M"}
    assert {lead for lead, *_ in SCENARIOS if lead} <= set(CODES)
