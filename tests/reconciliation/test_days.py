"""What passes from one day to the next: time-outs, undos, late rows, and money at one partner only."""

# ruff: noqa: E501 - aligned tables and sentences of behaviour are read, not wrapped

from __future__ import annotations

from clearing.ledger.entry import Posting
from clearing.reconciliation.ledger_side import ledger_rows
from clearing.reconciliation.reconciled import reconcile
from tests.reconciliation.sides import DAY, NEXT, Sides, bank_line, entry, his_line, statement

DEBITED = (Posting("1010.BX", 10000), Posting("2050.H1", -10000))
CONFIRMED = (Posting("2050.H1", 10000), Posting("2010.H1", -10000))
REVERSED = (Posting("2050.H1", 10000), Posting("1010.BX", -10000))


def test_a_debited_time_out_counts_at_the_bank_and_its_confirmation_at_the_hospital() -> None:
    """The time-out is STA-001 on its day; confirmed the next day with the hospital's row, it clears."""
    timed_out = entry("1", "payment.timed_out", "100.00", postings=DEBITED)
    confirmed = entry(
        "1c", "payment.confirmed", "100.00", day=NEXT, original="1", order_no="O1", bank_ref="R1", bank_date=DAY,
        postings=CONFIRMED,
    )  # fmt: skip
    first = Sides([timed_out], [bank_line("1", "100.00")], []).run()
    (opened,) = first.breaks
    assert (opened.codes, opened.differences) == (("STA-001",), (("BX", 0), ("H1", 0)))
    second = Sides([confirmed], [], [his_line("1", "100.00", day=NEXT)]).run(
        NEXT, originals=[timed_out], after=first
    )
    (cleared,) = second.breaks
    assert (cleared.id, cleared.code, cleared.state) == (opened.id, "CUT-001", "AUTO_CLEARED")
    assert (second.roll.after, second.proof["BX"].ledger_fen, second.proof["H1"].ledger_fen) == (0, 0, 10000)


def test_a_time_out_confirmed_the_same_day_is_one_row() -> None:
    """Time-out and confirmation of one day match like a payment."""
    timed_out = entry("1", "payment.timed_out", "100.00", postings=DEBITED)
    confirmed = entry("1c", "payment.confirmed", "100.00", original="1", postings=CONFIRMED)
    found = Sides([timed_out, confirmed], [bank_line("1", "100.00")], [his_line("1", "100.00")]).run()
    assert (found.matched, found.breaks) == (1, ())


def test_the_reversal_of_an_open_time_out_clears_it() -> None:
    """A time-out open since yesterday is reversed by both sides today, and its break ends."""
    timed_out = entry("1", "payment.timed_out", "100.00", postings=DEBITED)
    back = entry("1r", "payment.reversed", "100.00", day=NEXT, original="1", postings=REVERSED)
    line = bank_line("1r", "100.00", day=NEXT, type="REVERSAL", direction="C", original_bank_ref="R1")
    first = Sides([timed_out], [bank_line("1", "100.00")], []).run()
    second = Sides([back], [line], []).run(NEXT, originals=[timed_out], after=first)
    assert [(one.code, one.state) for one in second.breaks] == [("CUT-002", "AUTO_CLEARED")]
    assert second.roll.after == 0


def test_a_payment_only_we_have_is_cleared_by_its_reversal() -> None:
    """The bank never had it, and tomorrow we take it back: nothing is left open."""
    paid = entry("1", "payment.made", "100.00")
    back = entry("1r", "payment.reversed", "100.00", day=NEXT, original="1")
    first = Sides([paid], [], []).run()
    second = Sides([back], [], []).run(NEXT, originals=[paid], after=first)
    assert [(one.code, one.vector) for one in first.breaks] == [("SID-100", "L1B0H0")]
    assert [(one.code, one.state) for one in second.breaks] == [("CUT-002", "AUTO_CLEARED")]


def test_money_only_the_bank_had_is_cleared_by_its_own_reversal() -> None:
    """A line nobody knows is taken back by the bank the next day."""
    line = bank_line("9r", "25.00", day=NEXT, type="REVERSAL", direction="C", original_bank_ref="R9")
    first = Sides([], [bank_line("9", "25.00")], []).run()
    second = Sides([], [line], []).run(NEXT, after=first)
    assert [(one.code, one.state) for one in second.breaks] == [("CUT-002", "AUTO_CLEARED")]


def test_a_late_event_clears_what_bank_and_hospital_had() -> None:
    """Yesterday's L0B1H1 is found today under its reference."""
    first = Sides([], [bank_line("1", "100.00")], [his_line("1", "100.00", bank_ref="R1")]).run()
    late = entry("1", "payment.made", "100.00", day=NEXT, bank_date=DAY)
    second = Sides([late], [], []).run(NEXT, after=first)
    assert [one.code for one in first.breaks] == ["SID-011"]
    assert [(one.code, one.state) for one in second.breaks] == [("CUT-001", "AUTO_CLEARED")]


def test_something_else_different_stays_open_under_its_old_id() -> None:
    """The bank's row comes a day late and with another amount: listed again, still open."""
    first = Sides([entry("1", "payment.made", "100.00")], [], [his_line("1", "100.00")]).run()
    row = bank_line("1", "90.00", day=NEXT, platform_ref=first.breaks[0].entry_id)
    second = Sides([], [row], []).run(NEXT, after=first)
    (again,) = second.breaks
    assert again.id == first.breaks[0].id
    assert again.codes == ("AMT-001", "CUT-001")
    assert (second.roll.new, second.roll.after, again.differences) == (0, 1, (("BX", -9000), ("H1", 0)))


def test_an_old_suspect_is_confirmed() -> None:
    """After three days a suspect is no longer looked for, and stays open."""
    first = Sides([entry("1", "payment.made", "100.00")], [], [his_line("1", "100.00")]).run()
    later = Sides([], [], []).run(DAY.replace(day=14), after=first)
    assert [item.found.state for item in later.open_after] == ["CONFIRMED"]


def test_a_top_up_from_another_bank_is_two_rows() -> None:
    """Each bank sees its own side of it, under one reference."""
    topup = entry(
        "1", "topup.made", "50.00", institution="", partner="BY", order_no="",
        postings=(Posting("1010.BY", 5000), Posting("1010.BX", -5000)),
    )  # fmt: skip
    rows = ledger_rows(DAY, [topup])
    assert [(row.partner, row.direction, row.bank_fen) for row in rows] == [
        ("BX", "C", -5000),
        ("BY", "D", 5000),
    ]
    line = bank_line("1", "50.00", type="TOPUP")
    files = {"BX": statement([{**line, "direction": "C"}]), "BY": statement([line], partner="BY")}
    found = reconcile(DAY, rows, files, {})
    assert (found.matched, found.breaks) == (2, ())


def test_a_failed_try_does_not_block_a_later_one() -> None:
    """Refused here and done at the bank; sent again under a new id the next day, it clears."""
    paid = entry("1", "payment.made", "100.00")
    first = Sides([paid], [{**bank_line("1", "100.00"), "status": "FAIL"}], [his_line("1", "100.00")]).run()
    row = bank_line("1", "100.00", day=NEXT, platform_ref=paid.id)
    second = Sides([], [row], []).run(NEXT, after=first)
    assert [one.code for one in first.breaks] == ["STA-002"]
    assert [(one.code, one.state) for one in second.breaks] == [("CUT-001", "AUTO_CLEARED")]
