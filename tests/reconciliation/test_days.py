"""What passes from one day to the next: time-outs, undos, late rows, and money at one partner only."""

from __future__ import annotations

from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.ledger.entry import Entry, Posting
from clearing.ledger.money import yuan
from clearing.reconciliation.breaks import Break
from clearing.reconciliation.ledger_side import NotedTopup, ledger_rows
from clearing.reconciliation.reconciled import Match, Reconciled, reconcile
from clearing.reconciliation.rows import HisRow, StatementRow
from tests.reconciliation.sides import DAY, NEXT, Sides, bank_line, entry, export, his_line, statement

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


def test_a_noted_top_up_taken_back_the_next_day_is_nil() -> None:
    """Neither the bank's line of the top-up nor that of its reversal is a break."""
    noted = NotedTopup(
        source="BX", event_id="t", bank="BX", bank_ref="T1", bank_date=DAY, clearing_date=DAY, amount_fen=5000
    )
    line = {**bank_line("1", "50.00", type="TOPUP", direction="C"), "bank_ref": "T1"}
    back = {
        **bank_line("1", "50.00", day=NEXT, type="REVERSAL"), "bank_ref": "T2", "original_bank_ref": "T1"
    }  # fmt: skip
    first = Sides(bank=[line], noted=[noted]).run()
    second = Sides(bank=[back], noted=[noted]).run(NEXT, after=first)
    part = Sides(bank=[{**back, "amount": "49.00"}], noted=[noted]).run(NEXT, after=first)
    assert (first.breaks, second.breaks) == ((), ())
    assert [one.codes for one in part.breaks] == [("STA-003", "SID-010")]


def test_a_channel_and_a_network_are_partners_like_banks() -> None:
    """What went through them is matched with their statements, and the card's bank has no row of it."""
    by_channel = entry(
        "1", "payment.made", "30.00", route="CHANNEL", partner="T1",
        postings=(Posting("1040.T1", 3000), Posting("2010.H1", -3000)),
    )  # fmt: skip
    by_network = entry(
        "2", "payment.made", "40.00", route="UNIONPAY", partner="CUP",
        postings=(Posting("1050.CUP", 4000), Posting("2019.H1", -4000)),
    )  # fmt: skip
    rows = ledger_rows(DAY, [by_channel, by_network])
    assert [(row.partner, row.bank, row.bank_fen, row.institution_fen) for row in rows] == [
        ("T1", "BX", 3000, 3000),
        ("CUP", "BX", 4000, 4000),
    ]
    given = {
        "T1": statement([bank_line("1", "30.00")], partner="T1"),
        "CUP": statement([bank_line("2", "40.01")], partner="CUP"),
        "BX": statement([]),
    }
    exports = {"H1": export([his_line("1", "30.00"), his_line("2", "40.00")])}
    found = reconcile(DAY, rows, given, exports)
    assert found.matched == 1
    assert [(one.code, one.bank, one.differences) for one in found.breaks] == [
        ("AMT-002", "CUP", (("CUP", -1), ("H1", 0)))
    ]
    assert (found.proof["BX"].ledger_fen, found.proof["CUP"].residual_fen) == (0, 0)


def test_what_several_candidates_share_waits_for_a_person() -> None:
    """AMB-001 stays open under its id; the next day guesses no more than the first, and claims none of its rows."""
    twice = [{**his_line("1", "100.00"), "card": f"tok_aaaaaaa{no}"} for no in (1, 2)]
    paid = entry("1", "payment.made", "100.00")
    first = Sides([paid], [bank_line("1", "100.00")], twice).run()
    (opened,) = first.breaks
    assert opened.code == "AMB-001"
    later = {**his_line("1", "100.00", day=NEXT), "card": "tok_aaaaaaa1"}
    second = Sides([], [], [later]).run(NEXT, after=first)
    assert [(one.code, one.new) for one in second.breaks] == [("SID-001", True)]
    assert [item.id for item in second.open_after if item.id == opened.id] == [opened.id]
    assert (second.roll.before, second.roll.after) == (1, 2)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["all", "no bank", "no his", "late bank", "late ledger", "late his", "twice", "other"]
            ),
            st.integers(100, 99999),
        ),
        min_size=1,
        max_size=8,
    )
)
@settings(max_examples=60, deadline=None)
def test_each_line_is_claimed_at_most_once_over_three_days(kinds: list[tuple[str, int]]) -> None:
    """Whatever comes late, no partner's line stands in two matches or breaks that are not the same break."""
    days: list[tuple[list[Entry], list[dict[str, str]], list[dict[str, str]]]] = [
        ([], [], []) for _ in range(3)
    ]
    dates = (DAY, NEXT, NEXT + (NEXT - DAY))
    for number, (kind, fen) in enumerate(kinds):
        no, amount = str(number), yuan(fen)
        ours, bank, his = (int(kind == f"late {side}") for side in ("ledger", "bank", "his"))
        days[ours][0].append(entry(no, "payment.made", amount, day=dates[ours], bank_date=DAY))
        if kind != "no bank":
            line = bank_line(no, amount, day=dates[bank])
            days[bank][1].extend([line] * (2 if kind == "twice" else 1))
        if kind != "no his":
            told = yuan(fen + 1) if kind == "other" else amount
            days[his][2].append(his_line(no, told, day=dates[his], bank_ref=f"R{no}"))
    claims: dict[tuple[str, date, int], set[str]] = {}
    run: Reconciled | None = None
    for day, (ledger, banks, exports) in zip(dates, days, strict=True):
        run = Sides(ledger, banks, exports).run(day, after=run)
        found: list[tuple[str, Break | Match]] = [(one.id, one) for one in run.breaks]
        found += [(f"match {number} of {day}", one) for number, one in enumerate(run.matches)]
        for name, item in found:
            rows: list[StatementRow | HisRow] = [*item.bank_rows, *item.his_rows]
            for row in rows:
                claims.setdefault((row.file, row.day, row.line), set()).add(name)
    assert all(len(names) == 1 for names in claims.values()), claims
    assert run is not None
    assert {line.residual_fen for line in run.proof.values()} == {0}
