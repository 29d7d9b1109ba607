"""Payers' lists, hospitals' lists of deposits, and transfers: what is found, and how it goes on from day to day."""

# ruff: noqa: E501 - aligned tables are read, not wrapped

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, time
from pathlib import Path
from typing import Any

import pytest

from clearing.errors import NotBalanced
from clearing.jobs.reconcile_sides import Given, TakenFiles, rest_of, take_file
from clearing.ledger.entry import Posting, entry_id
from clearing.ledger.money import yuan
from clearing.reconciliation.fund_list import FundMove, fund_rows
from clearing.reconciliation.ledger_side import ledger_rows
from clearing.reconciliation.lists import LIST_COLUMNS, LIST_MORE, Stay, StayList, parse_list, parse_stays
from clearing.reconciliation.partner_files import ParsedExport, Refused
from clearing.reconciliation.reconciled import Reconciled, reconcile
from clearing.reconciliation.report import report
from clearing.reconciliation.standing import (
    HeldStay,
    OpenPayout,
    Standing,
    deposit_findings,
    transfer_findings,
)
from clearing.store.sides.tables import SideTables
from tests.reconciliation.sides import (
    CLOCK,
    DAY,
    NEXT,
    SHANGHAI,
    Sides,
    bank_line,
    csv_bytes,
    entry,
    export,
    his_line,
    statement,
)
from tests.reconciliation.test_bulk import write_entries

PAID_OUT = entry(
    "7",
    "payout.result",
    "100.00",
    institution="",
    order_no="",
    postings=(Posting("2035.F1", 10000), Posting("1010.BX", -10000)),
)
AT_BANK = bank_line("7", "100.00", type="PAYOUT", direction="C")
TAKEN_BACK = bank_line("8", "100.00", type="REVERSAL", direction="D", original_bank_ref="R7")


def move(settlement: str, paid: int, type_: str = "reimbursement.submitted", **more: Any) -> FundMove:  # noqa: ANN401
    """A payment of fund F1, in fen, as the books have it."""
    claim = {"claimed_fen": paid + 3000, "deducted_fen": 0} if type_ == "claim.settled" else {}
    return FundMove(
        **{
            "payer": "F1", "type": type_, "source": "F1", "event_id": f"e{settlement}",
            "entry_id": entry_id(DAY, f"F1/e{settlement}"), "clearing_date": DAY,
            "occurred_at": datetime.combine(DAY, time(9), SHANGHAI), "settlement_id": settlement,
            "paid_to": "H1" if type_.startswith(("claim", "retention")) else "BX", "fen": -paid, **claim, **more,
        }
    )  # fmt: skip


def line(settlement: str, amount: str, type_: str = "PAYOUT", **more: str) -> dict[str, str]:
    """One line of F1's list: what it paid."""
    where = {"institution": "H1"} if type_ in {"CLAIM", "RETENTION"} else {"bank": "BX"}
    return {
        "settlement_id": settlement, "trade_type": type_, "direction": "P", "amount": amount, "status": "SUCC",
        "nrc_date": f"{DAY}", "nrc_time": "10:00:00", **where, **more,
    }  # fmt: skip


def listed(lines: Sequence[Mapping[str, str]]) -> ParsedExport:
    """F1's list; it must be sound."""
    parsed = parse_list(
        csv_bytes([*LIST_COLUMNS, *LIST_MORE], lines), partner="F1", file="NRC_F1.csv", clock=CLOCK
    )
    assert not isinstance(parsed, Refused), parsed.errors
    return parsed


CLAIM = move("S2", 6840, "claim.settled")
CUT = move("S3", 6840, "claim.settled", claimed_fen=10000, deducted_fen=160)
CLAIM_LINE = line("S2", "68.40", "CLAIM", claimed="98.40", deducted="0.00")
CUT_LINE = line("S3", "68.40", "CLAIM", claimed="100.00", deducted="1.60")

# fmt: off
ON_A_LIST = [
    # all codes               vector    amount    difference  books           list
    ((),                      "",       "",       "",         [move("S1", 5000)], [line("S1", "50.00")]),
    ((),                      "",       "",       "",         [CLAIM],            [CLAIM_LINE]),
    ((),                      "",       "",       "",         [move("H1/2026", 700, "retention.released")], [line("H1/2026", "7.00", "RETENTION")]),
    ((),                      "",       "",       "",         [move("S1", -5000, "payout.given_back")], [line("S1", "50.00", "BACK", direction="R")]),
    (("NRC-001",),            "L1B-H0", "50.00",  "-50.00",   [move("S1", 5000)], []),
    (("NRC-001",),            "L0B-H1", "50.00",  "50.00",    [],                 [line("S1", "50.00")]),
    (("NRC-001",),            "L1B-H1", "50.00",  "-1.00",    [move("S1", 5000)], [line("S1", "49.00")]),
    (("NRC-001",),            "L1B-H1", "68.40",  "0.00",     [CLAIM],            [{**CLAIM_LINE, "claimed": "99.40"}]),
    (("NRC-001", "NRC-002"),  "L1B-H1", "68.40",  "0.00",     [CLAIM],            [{**CLAIM_LINE, "deducted": "1.00"}]),
    (("NRC-002",),            "L1B-H1", "1.60",   "0.00",     [CUT],              [CUT_LINE]),
    (("NRC-001", "NRC-002"),  "L1B-H0", "68.40",  "-68.40",   [CUT],              []),
    (("STA-003",),            "L1B-H1", "50.00",  "-50.00",   [move("S1", 5000)], [line("S1", "50.00", status="FAIL")]),
    (("DUP-003",),            "L0B-H1", "50.00",  "50.00",    [move("S1", 5000)], [line("S1", "50.00"), line("S1", "50.00")]),
    (("IDN-001",),            "L1B-H1", "50.00",  "0.00",     [move("S1", 5000)], [line("S1", "50.00", bank="BY")]),
]
# fmt: on


@pytest.mark.parametrize(("codes", "vector", "amount", "difference", "moves", "lines"), ON_A_LIST)
def test_each_difference_with_a_payers_list_has_its_code(  # noqa: PLR0917 - a row of the table
    codes: tuple[str, ...], vector: str, amount: str, difference: str, moves: list[FundMove],
    lines: list[dict[str, str]],
) -> None:  # fmt: skip
    """What a fund's list and our books say gives one break of its codes, or a match; the proof has no residual."""
    found = reconcile(DAY, fund_rows(moves), {}, {"F1": listed(lines)})
    assert found.proof["F1"].residual_fen == 0
    if not codes:
        assert (found.breaks, found.matched) == ((), 1)
        return
    (one,) = found.breaks
    assert (one.codes, one.vector, yuan(one.amount_fen), yuan(one.difference_fen)) == (
        codes,
        vector,
        amount,
        difference,
    )
    assert dict(one.differences) == {"F1": one.difference_fen}


def test_a_claim_that_was_cut_is_its_hospitals() -> None:
    """NRC-002 names the hospital, what it had advanced, what was cut and what was paid, on both sides."""
    (one,) = reconcile(DAY, fund_rows([CUT]), {}, {"F1": listed([CUT_LINE])}).breaks
    assert (one.institution, one.bank, one.order_no) == ("H1", "", "S3")
    said = "H1 S3 advanced 100.00, cut 1.60, paid 68.40"
    assert one.detail == f"books: {said}; list: {said}"


def test_a_list_beside_statements_leaves_them_alone() -> None:
    """A payout stands in the bank's statement and in the fund's list, each against its own row of ours."""
    ours = [*ledger_rows(DAY, [PAID_OUT]), *fund_rows([move("S1", 10000)])]
    found = reconcile(DAY, ours, {"BX": statement([AT_BANK])}, {"F1": listed([line("S1", "100.00")])})
    assert (found.breaks, found.matched) == ((), 2)
    assert {name: one.other_fen for name, one in found.proof.items()} == {"BX": -10000, "F1": -10000}


# fmt: off
TAKEN_BACK_BY_ITSELF = [
    # codes                    vector    state   sides                                               payouts of before
    (("FND-004",),             "L1B1H-", "OPEN", Sides([PAID_OUT], [AT_BANK, TAKEN_BACK], None),        []),
    (("FND-004", "SID-010"),   "L0B1H-", "OPEN", Sides([], [TAKEN_BACK], None),                         [("BX", "R7")]),
    (("STA-003", "SID-010"),   "L0B1H-", "OPEN", Sides([], [TAKEN_BACK], None),                         []),
]
# fmt: on


@pytest.mark.parametrize(("codes", "vector", "state", "sides", "payouts"), TAKEN_BACK_BY_ITSELF)
def test_a_bank_that_takes_a_payout_back_by_itself(
    codes: tuple[str, ...], vector: str, state: str, sides: Sides, payouts: list[tuple[str, str]]
) -> None:
    """A negative entry that our books lack is FND-004 where it is of a payout, on its own day or a later one."""
    ours = ledger_rows(DAY, sides.ledger)
    (one,) = reconcile(DAY, ours, {"BX": statement(sides.bank or ())}, {}, paid_out=payouts).breaks
    assert (one.codes, one.vector, one.state) == (codes, vector, state)


def test_a_bank_that_takes_back_and_says_so_is_no_break() -> None:
    """A payout and its return of the same day agree with the bank's two lines."""
    back = entry("8", "payout.returned", "100.00", institution="", order_no="", original="7",
                 postings=(Posting("1010.BX", 10000), Posting("2030.F1", -10000)))  # fmt: skip
    lines = [AT_BANK, bank_line("8", "100.00", type="RETURN", direction="D")]
    assert Sides([PAID_OUT, back], lines, None).run().breaks == ()


# ---------------------------------------------------------------- the set-wise path


def test_set_wise_a_list_is_what_the_passes_alone_find() -> None:
    """Beside a statement and an export a fund's list gives the same breaks, proof and report both ways."""
    ours = [PAID_OUT, *(entry(f"{n}", "payment.made", f"{n}.00") for n in range(10, 15))]
    bank = [AT_BANK, *(bank_line(f"{n}", f"{n}.00") for n in range(10, 15))]
    his = [his_line(f"{n}", f"{n}.00") for n in range(10, 14)]
    moves = fund_rows([move("S1", 10000), CUT, CLAIM])
    lines = [line("S1", "100.00"), CUT_LINE, line("S9", "5.00")]
    files = {"BX": statement(bank)}, {"H1": export(his), "F1": listed(lines)}
    oracle = reconcile(DAY, [*ledger_rows(DAY, ours), *moves], *files)
    with tempfile.TemporaryDirectory() as folder:
        tables = SideTables(Path(folder), cutover=CLOCK.cutover)
        tables.entries = tables.folder / "entries.csv"
        write_entries(tables.entries, ours, {})
        taken = TakenFiles()
        for kind, partner, one in (("STM", "BX", bank), ("HIS", "H1", his), ("NRC", "F1", lines)):
            path = Path(folder) / f"{kind}_{partner}.csv"
            path.write_bytes(
                csv_bytes(sorted({name for row in one for name in row} | MORE.get(kind, set())), one)
            )
            take_file(tables, taken, Given(kind, partner, path.name, path, "", ""), DAY, CLOCK, frozenset())
        assert taken.refused == []
        left = rest_of(tables, taken, moves)
        tables.close()
    quick = reconcile(
        DAY, [*ledger_rows(DAY, left.entries), *moves], left.statements, left.exports, clean=left.clean
    )
    assert sum(one.matched for one in left.clean.lines) == 5
    assert [one.code for one in oracle.breaks].count("NRC-001") == 2
    assert (quick.breaks, quick.matched, quick.proof, quick.roll) == (
        oracle.breaks,
        oracle.matched,
        oracle.proof,
        oracle.roll,
    )
    assert replace(report(quick, "", *files), inputs=()) == replace(report(oracle, "", *files), inputs=())


MORE = {
    "STM": {"platform_ref", "card", "original_bank_ref"},
    "HIS": {"platform_ref", "bank_ref", "original_order_no"},
    "NRC": {"platform_ref"},
}


# ---------------------------------------------------------------- deposits

STAYS = b"""admission_no,opening,paid,refunded,used,transferred,closing
A1,100.00,50.00,0.00,0.00,0.00,150.00
A2,0.00,20.00,5.00,0.00,-5.00,10.00
#TOTAL,2,70.00,10.00
#BALANCE,100.00,160.00
"""
SETTLED = DAY.replace(month=1)

# fmt: off
HELD = [
    # codes                   vector    difference  books                                   list
    ((),                      "",       "",         [HeldStay("A1", 15000, None)],          [("A1", 15000)]),
    ((),                      "",       "",         [HeldStay("A1", 0, SETTLED)],           [("A1", 0)]),
    ((),                      "",       "",         [],                                     [("A1", 0)]),
    (("DEP-001",),            "L1B-H1", "50.00",    [HeldStay("A1", 15000, None)],          [("A1", 10000)]),
    (("DEP-001",),            "L1B-H0", "150.00",   [HeldStay("A1", 15000, None)],          []),
    (("DEP-001",),            "L0B-H1", "-100.00",  [],                                     [("A1", 10000)]),
    (("DEP-002", "DEP-001"),  "L1B-H1", "160.00",   [HeldStay("A1", 15000, None)],          [("A1", -1000)]),
    (("DEP-002", "DEP-001"),  "L1B-H1", "-100.00",  [HeldStay("A1", 0, SETTLED)],           [("A1", 10000)]),
    (("DEP-001",),            "L1B-H1", "-100.00",  [HeldStay("A1", 0, DAY)],               [("A1", 10000)]),
    (("DEP-002",),            "L1B-H1", "0.00",     [HeldStay("A1", 10000, SETTLED)],       [("A1", 10000)]),
    (("DEP-002",),            "L1B-H1", "0.00",     [HeldStay("A1", -100, None)],           [("A1", -100)]),
]
# fmt: on


@pytest.mark.parametrize(("codes", "vector", "difference", "books", "listed_stays"), HELD)
def test_each_stay_that_differs_is_found(
    codes: tuple[str, ...],
    vector: str,
    difference: str,
    books: list[HeldStay],
    listed_stays: list[tuple[str, int]],
) -> None:
    """A balance that differs is DEP-001; one below zero, or held a month after the settlement, DEP-002."""
    found = deposit_findings("H1", books, listed_stays, DAY, days_max=30)
    if not codes:
        assert found == []
        return
    (one,) = found
    assert (one.codes, one.vector, yuan(one.difference_fen), one.name) == (codes, vector, difference, "A1")


def test_a_list_of_stays_is_read_whole_or_refused() -> None:
    """Balances and totals are taken as they stand; a line whose movements do not lead to its closing is refused."""
    found = parse_stays(STAYS, partner="H1", file="DEP_H1.csv")
    assert isinstance(found, StayList)
    assert found.rows[1] == Stay(
        admission_no="A2",
        opening_fen=0,
        paid_fen=2000,
        refunded_fen=500,
        used_fen=0,
        transferred_fen=-500,
        closing_fen=1000,
        line=3,
    )
    (said,) = found.files
    assert said.counted == said.totals
    assert found.partner == "H1"
    wrong = parse_stays(
        STAYS.replace(b",10.00\n", b",11.00\n").replace(b"A1,", b"A2,"), partner="H1", file="DEP_H1.csv"
    )
    assert isinstance(wrong, Refused)
    assert wrong.errors == (
        "DEP_H1.csv:3 closing: expected closing 10.00 after the stay's movements, got 11.00 [FMT-009]",
        "DEP_H1.csv:3 admission_no: expected each stay once, got that of line 2 [FMT-008]",
    )


def test_a_wrong_balance_of_a_list_is_an_own_break() -> None:
    """TOT-001 and TOT-002 are said of a list of stays as of a statement."""
    wrong = STAYS.replace(b"#TOTAL,2,70.00", b"#TOTAL,2,71.00").replace(b"100.00,160.00", b"100.00,170.00")
    stays = parse_stays(wrong, partner="H1", file="DEP_H1.csv")
    assert isinstance(stays, StayList)
    found = reconcile(DAY, [], {}, {}, lists=[stays])
    assert sorted((one.code, yuan(one.amount_fen)) for one in found.breaks) == [
        ("TOT-001", "1.00"),
        ("TOT-002", "10.00"),
    ]


# ---------------------------------------------------------------- from day to day


def stands(*differing: int, ledger: int = 0, other: int = 0, stays: Sequence[str] = ("A1",)) -> Standing:
    """Deposits of H1 that differ by so much, stay by stay, and what the accounts and the list come to."""
    books = [HeldStay(name, 10000, None) for name in stays]
    found = deposit_findings(
        "H1",
        books,
        [(name, 10000 - fen) for name, fen in zip(stays, differing, strict=True)],
        DAY,
        days_max=30,
    )
    return Standing(
        findings=tuple(found), looked_at=frozenset({("DEP", "H1")}), balances=(("DEP", "H1", ledger, other),)
    )


def day_of(standing: Standing, after: Reconciled | None = None, ended: Sequence[str] = ()) -> Reconciled:
    """A day on which nothing moves."""
    day = DAY if after is None else NEXT
    return reconcile(
        day, [], {}, {}, open_before=after.open_after if after else (), standing=standing, ended=ended
    )


def test_what_stands_is_found_once_and_clears_by_itself() -> None:
    """The same difference the next day is not listed again; another keeps the id; none clears it."""
    first = day_of(stands(5000, ledger=10000, other=5000))
    (one,) = first.breaks
    assert (one.state, one.new, first.roll.after) == ("OPEN", True, 1)
    same = day_of(stands(5000, ledger=10000, other=5000), first)
    assert (same.breaks, same.roll.after, [item.id for item in same.open_after]) == ((), 1, [one.id])
    other = day_of(stands(2000, ledger=10000, other=8000), first)
    assert [(found.id, found.new, found.difference_fen) for found in other.breaks] == [(one.id, False, 2000)]
    gone = day_of(stands(0, ledger=10000, other=10000), first)
    assert [(found.id, found.state) for found in gone.breaks] == [(one.id, "AUTO_CLEARED")]
    assert (gone.roll.before, gone.roll.cleared, gone.roll.after, gone.open_after) == (1, 1, 0, ())


def test_what_nobody_looked_at_stays_open() -> None:
    """Without the hospital's list of the next day nothing is said of the stay."""
    first = day_of(stands(5000, ledger=10000, other=5000))
    later = day_of(Standing(), first)
    assert (later.breaks, [item.id for item in later.open_after]) == ((), [first.breaks[0].id])


def test_what_people_ended_and_still_stands_comes_back() -> None:
    """An ended difference that is there the next day is listed again; one that is gone counts as cleared."""
    first = day_of(stands(5000, ledger=10000, other=5000))
    ended = [first.breaks[0].id]
    back = day_of(stands(5000, ledger=10000, other=5000), first, ended)
    assert [found.id for found in back.breaks] == ended
    assert (back.roll.before, back.roll.cleared, back.roll.after) == (1, 0, 1)
    gone = day_of(stands(0, ledger=10000, other=10000), first, ended)
    assert (gone.breaks, gone.roll.cleared, gone.roll.after) == ((), 1, 0)


def test_a_balance_that_findings_do_not_explain_stops_the_day() -> None:
    """Accounts that hold a fen more than the stays together are named with residual and direction."""
    with pytest.raises(
        NotBalanced, match=r"DEP H1: accounts hold 100\.01, .* residual 0\.01 \(accounts have more\)"
    ):
        day_of(stands(0, ledger=10001, other=10000))


# ---------------------------------------------------------------- transfers


def payout(state: str, *, by_bank: bool = True) -> OpenPayout:
    """A payout of F1 in a state."""
    return OpenPayout("F1", "F1/p1", state, "BX", "R1", "e1", 5000, DAY, "R03", by_bank)


# fmt: off
TRANSFERS = [
    # state       code        vector
    ("SENT",      "FND-001",  "L1B0H-"),
    ("REJECTED",  "FND-002",  "L1B1H-"),
    ("RETURNED",  "FND-003",  "L1B1H-"),
    ("ACCEPTED",  "",         ""),
    ("HELD",      "",         ""),
]
# fmt: on


@pytest.mark.parametrize(("state", "code", "vector"), TRANSFERS)
def test_a_transfer_that_has_not_arrived(state: str, code: str, vector: str) -> None:
    """Unanswered is a suspect, failed and returned are open; what no bank was given is no break."""
    found = transfer_findings([payout(state)])
    assert [(one.code, one.vector, one.difference_fen) for one in found] == (
        [(code, vector, 5000)] if code else []
    )
    assert transfer_findings([payout("REJECTED", by_bank=False)]) == []


def test_a_transfer_changes_its_code_and_keeps_its_id() -> None:
    """FND-001 today, FND-002 tomorrow is one break; paid again it clears by itself."""
    looked = frozenset({("FND", "F1")})
    tied = (("FND", "F1", 5000, 0),)
    sent = day_of(
        Standing(findings=tuple(transfer_findings([payout("SENT")])), looked_at=looked, balances=tied)
    )
    assert [(one.code, one.state) for one in sent.breaks] == [("FND-001", "SUSPECT")]
    failed = day_of(
        Standing(findings=tuple(transfer_findings([payout("REJECTED")])), looked_at=looked, balances=tied),
        sent,
    )
    assert [(one.id, one.code, one.state) for one in failed.breaks] == [
        (sent.breaks[0].id, "FND-002", "OPEN")
    ]
    paid = day_of(Standing(looked_at=looked, balances=(("FND", "F1", 0, 0),)), sent)
    assert [(one.id, one.state) for one in paid.breaks] == [(sent.breaks[0].id, "AUTO_CLEARED")]
