"""The steps of a day: which may run, which are done, which must wait, and what a person is told."""

from __future__ import annotations

import hashlib
from datetime import date

import pytest

from clearing.day.states import ORDER, STEPS, State, check_step, day_root
from clearing.errors import UsageError

DAY = date(2026, 3, 10)
ROWS = [
    # step        state         day before     outcome
    ("cut",       "open",       None,          "run"),
    ("cut",       "open",       "cut",         "run"),
    ("cut",       "open",       "open",        "Days go in order"),
    ("cut",       "signed",     "signed",      "done"),
    ("cut",       None,         None,          "expected a day that was opened"),
    ("net",       "open",       None,          "Next: clearing day cut 2026-03-10"),
    ("net",       "cut",        "cut",         "expected the day before to be netted, got cut"),
    ("net",       "cut",        "netted",      "run"),
    ("net",       "netted",     "open",        "done"),
    ("file",      "cut",        None,          "expected state netted, got cut. Next: clearing day net"),
    ("file",      "netted",     "netted",      "run"),
    ("reconcile", "filed",      "netted",      "run"),
    ("sign",      "filed",      None,          "Next: clearing day reconcile"),
    ("sign",      "reconciled", None,          "run"),
    ("sign",      "signed",     None,          "done"),
    ("shut",      "open",       None,          "expected one of cut, net, file, reconcile, sign"),
]  # fmt: skip


@pytest.mark.parametrize(("step", "state", "before", "outcome"), ROWS)
def test_a_step_runs_is_done_or_says_what_is_missing(
    step: str, state: str | None, before: str | None, outcome: str
) -> None:
    """One step, state and day before a row."""

    def go() -> bool:
        return check_step(DAY, step, State(state) if state else None, State(before) if before else None)

    if outcome in ("run", "done"):
        assert go() is (outcome == "run")
    else:
        with pytest.raises(UsageError, match=outcome) as caught:
            go()
        assert str(caught.value).startswith("day 2026-03-10: ")


def test_the_steps_are_one_chain_through_all_states() -> None:
    """Each step starts where the one before ended."""
    steps = list(STEPS.values())
    assert [steps[0].before, *(step.after for step in steps)] == list(ORDER)
    assert [step.before for step in steps[1:]] == [step.after for step in steps[:-1]]


def test_the_root_of_a_day_names_every_chain_in_name_order() -> None:
    """The root is SM3 over `name hex` lines, whatever the order they were read in."""
    heads = {"payments/1": b"\x02" * 32, "jobs": b"\x01" * 32}
    text = f"jobs {'01' * 32}\npayments/1 {'02' * 32}\n"
    assert day_root(heads) == hashlib.new("sm3", text.encode()).digest()
    assert day_root(dict(reversed(heads.items()))) == day_root(heads)
    assert day_root({}) == hashlib.new("sm3").digest()
    with pytest.raises(UsageError, match="without white space"):
        day_root({"a b": b""})
