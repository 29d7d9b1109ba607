"""The life of a break: what may follow what, what an end asks for, and who takes up which code."""

from __future__ import annotations

from typing import Final

import pytest

from clearing.errors import InvariantViolated, UsageError
from clearing.reconciliation.codes import CODES, first_state
from clearing.reconciliation.handling import shelving, side_label
from clearing.reconciliation.life import (
    ASSIGNED,
    CLOSED,
    ENDED_BY_PEOPLE,
    ENDS,
    NEXT,
    REOPENED,
    STATES,
    Leg,
    check_approval,
    check_end,
    way,
)

STAGES: Final = (
    {"OPEN", "SUSPECT"},
    {"CONFIRMED"},
    {"ASSIGNED"},
    {"PENDING_APPROVAL"},
    {"AUTO_CLEARED", "RESOLVED"},
    {"CLOSED"},
)
LEGS: Final = (Leg("1091.H1", "D", 1800), Leg("1010.BX", "C", 1800))


def stage(state: str) -> int:
    """How far a state is."""
    return next(number for number, states in enumerate(STAGES) if state in states)


def test_a_life_goes_forward_and_back_only_by_reopening() -> None:
    """Every step leads to a later stage or stays in one, but for REOPENED, which begins anew before approval."""
    for before, afters in NEXT.items():
        for after in afters - {REOPENED}:
            assert before == REOPENED or stage(after) >= stage(before), (before, after)
    assert NEXT[REOPENED].isdisjoint({REOPENED, "PENDING_APPROVAL", *ENDED_BY_PEOPLE})


def test_only_an_approved_proposal_ends_a_break_by_hand() -> None:
    """RESOLVED comes after PENDING_APPROVAL alone, that after ASSIGNED alone, and CLOSED after RESOLVED."""
    comes_after = {state: {one for one in STATES if state in NEXT[one]} for state in STATES}
    assert comes_after["RESOLVED"] == {"PENDING_APPROVAL"}
    assert comes_after["PENDING_APPROVAL"] == {"ASSIGNED"}
    assert comes_after["CLOSED"] == {"RESOLVED"}


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_a_desk_a_term_and_ends_that_exist(code: str) -> None:
    """Nobody has to guess who takes up a break, by when, and how it may end; it begins in a state of the table."""
    row = CODES[code]
    assert row.action
    assert row.ends
    assert set(row.ends) <= set(ENDS)
    assert row.sla_days > 0 or first_state(code) == "AUTO_CLEARED" or code == "LED-001"
    assert first_state(code) in NEXT


# fmt: off
WAYS = [
    # from            to                steps
    ("OPEN",          "OPEN",           ()),
    ("OPEN",          "AUTO_CLEARED",   ("AUTO_CLEARED",)),
    ("AUTO_CLEARED",  "SUSPECT",        ("REOPENED", "SUSPECT")),
    ("CONFIRMED",     "SUSPECT",        ("REOPENED", "SUSPECT")),
    ("CLOSED",        "REOPENED",       ("REOPENED",)),
    ("ASSIGNED",      "AUTO_CLEARED",   ("AUTO_CLEARED",)),
]
# fmt: on


@pytest.mark.parametrize(("before", "after", "steps"), WAYS)
def test_a_run_finds_its_way(before: str, after: str, steps: tuple[str, ...]) -> None:
    """What a run sees otherwise than before is reached in a step, or by way of REOPENED."""
    assert way(before, after) == steps


def test_there_is_no_way_past_approval() -> None:
    """Nothing that a run does makes a break RESOLVED."""
    with pytest.raises(InvariantViolated, match="no way from OPEN to RESOLVED"):
        way("OPEN", "RESOLVED")


# fmt: off
REFUSED = [
    # ending            amount   legs  event       message
    ("LATE_MATCH",      100,     (),   "",         "expected one of MANUAL_MATCH"),
    ("NONSENSE",        100,     (),   "",         "end NONSENSE: expected one of"),
    ("ADJUST",          100,     (),   "",         "expected legs to post or the event"),
    ("REFUND",          100,     (),   "",         "expected legs to post or the event"),
    ("CLAIM",           100,     LEGS, "",         "it moves no money .* got legs"),
    ("FORCE_MATCH",     100,     (),   "H1/H1-1",  "it moves no money .* got event H1/H1-1"),
    ("REFUND",          100,     LEGS, "H1/H1-1",  "got both"),
    ("WRITE_OFF",       1001,    (),   "",         r"at most 10\.00 expected, got 10\.01 \(0\.01 too much\)"),
    ("WRITE_OFF",       100,     LEGS, "",         r"got 18\.00"),
]
PASSES = [
    ("ADJUST",          100,     LEGS, "",         1),
    ("REFUND",          100,     (),   "H1/H1-1",  1),
    ("WRITE_OFF",       1000,    (),   "",         2),
    ("CLAIM",           99999,   (),   "",         1),
]
# fmt: on


@pytest.mark.parametrize(("ending", "amount_fen", "legs", "event", "message"), REFUSED)
def test_an_end_is_refused(
    ending: str, amount_fen: int, legs: tuple[Leg, ...], *, event: str, message: str
) -> None:
    """Money where none may move, none where it must, a run's own end, or more than may be written off."""
    with pytest.raises(UsageError, match=message):
        check_end(ending, amount_fen=amount_fen, legs=legs, event=event, write_off_fen_max=1000)


@pytest.mark.parametrize(("ending", "amount_fen", "legs", "event", "approvals"), PASSES)
def test_an_end_needs_so_many_approvals(
    ending: str, amount_fen: int, legs: tuple[Leg, ...], *, event: str, approvals: int
) -> None:
    """One other person for all ends but a write-off, which needs two."""
    end = check_end(ending, amount_fen=amount_fen, legs=legs, event=event, write_off_fen_max=1000)
    assert end.approvals == approvals


@pytest.mark.parametrize("checker", ["ann", "Ann ", "BOB"])
def test_one_person_is_not_two(checker: str) -> None:
    """The maker cannot approve, nobody approves twice, and capitals do not make another person."""
    with pytest.raises(UsageError, match="expected"):
        check_approval("B1", maker="ann", checker=checker, checked=("bob",))
    check_approval("B1", maker="ann", checker="eve", checked=("bob",))


# fmt: off
SHELVED = [
    # kind       ledger − bank   legs
    ("bank",      1800, (Leg("1091.H1", "D", 1800), Leg("1010.X", "C", 1800))),
    ("bank",     -2500, (Leg("1010.X", "D", 2500), Leg("2091.H1", "C", 2500))),
    ("channel",  -2500, (Leg("1040.X", "D", 2500), Leg("2091.H1", "C", 2500))),
    ("network",   1800, (Leg("2019.H1", "D", 1800), Leg("1050.X", "C", 1800))),
]
# fmt: on


@pytest.mark.parametrize(("kind", "bank_fen", "legs"), SHELVED)
def test_a_difference_is_shelved_for_the_institution(kind: str, bank_fen: int, legs: tuple[Leg, ...]) -> None:
    """Too little at the bank goes to 1091, too much to 2091, through a network between its own pair."""
    assert shelving("B1", bank="X", kind=kind, institution="H1", bank_fen=bank_fen) == legs


@pytest.mark.parametrize(("bank", "institution", "bank_fen"), [("X", "H1", 0), ("", "H1", 5), ("X", "", 5)])
def test_what_cannot_be_derived_is_asked_for(bank: str, institution: str, bank_fen: int) -> None:
    """Without a difference, a bank or somebody for whom it is held, legs must be given."""
    with pytest.raises(UsageError, match="--leg"):
        shelving("B1", bank=bank, kind="bank", institution=institution, bank_fen=bank_fen)


def test_the_label_names_the_side() -> None:
    """More money at the bank than in our books is 长款 there; the bank speaks before the institution."""
    assert side_label([("BX", -2500)], {"BX"}) == "银行 BX 长款 25.00"
    assert side_label([("BX", 1800), ("A1", -100)], {"BX"}) == "银行 BX 短款 18.00"
    assert side_label([("BX", 0), ("H1", -4500)], {"BX"}) == "HIS H1 长款 45.00"
    assert side_label([("BX", 0)], {"BX"}) == ""


def test_assigning_again_is_handing_over() -> None:
    """A break that somebody has can be given to somebody else, and one that is closed cannot."""
    assert ASSIGNED in NEXT[ASSIGNED]
    assert ASSIGNED not in NEXT[CLOSED]
