"""The states of a clearing date and the steps between them. 清算日状态

A day only goes forward: open → cut → netted → filed → reconciled → signed. Which step leads where is data, so
that the command line, the scheduler and the tests read one table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from clearing.errors import UsageError


class State(StrEnum):
    """Where a clearing date stands; the order of the members is the order of time."""

    OPEN = "open"
    CUT = "cut"
    NETTED = "netted"
    FILED = "filed"
    RECONCILED = "reconciled"
    SIGNED = "signed"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the close: what it is called, from which state it starts and which one it leaves."""

    name: str
    before: State
    after: State
    in_order: bool
    """Whether the day before must have taken this step first: its sums are what this day starts from."""


ORDER: Final = tuple(State)
STEPS: Final[dict[str, Step]] = {
    step.name: step
    for step in (
        Step("cut", State.OPEN, State.CUT, in_order=True),
        Step("net", State.CUT, State.NETTED, in_order=True),
        Step("file", State.NETTED, State.FILED, in_order=False),
        Step("reconcile", State.FILED, State.RECONCILED, in_order=False),
        Step("sign", State.RECONCILED, State.SIGNED, in_order=False),
    )
}


def reached(state: State, wanted: State) -> bool:
    """Whether a day in `state` is in `wanted` or has passed it."""
    return ORDER.index(state) >= ORDER.index(wanted)


def check_step(day: date, name: str, state: State | None, previous: State | None) -> bool:
    """Whether a step may run now, or has been done before. 步骤检查

    In:      the day's state, None when the day is not known; the state of the day before, None when this day
             is the first one.
    Out:     True: run it; False: it was done, so that running it again changes nothing.
    Raises:  UsageError when the day is unknown, not far enough, or the day before has not been through.
    Source:  contract "The business day".
    """
    step = STEPS.get(name)
    if step is None:
        raise UsageError(f"day {day}: unknown step {name!r}; expected one of {', '.join(STEPS)}")
    if state is None:
        raise UsageError(
            f"day {day}: cannot {name}, expected a day that was opened, got none of that date. "
            f"See: clearing day show {day}"
        )
    if reached(state, step.after):
        return False
    if state != step.before:
        missing = next(one for one in STEPS.values() if one.before == state)
        raise UsageError(
            f"day {day}: cannot {name}, expected state {step.before}, got {state}. "
            f"Next: clearing day {missing.name} {day}"
        )
    if step.in_order and previous is not None and not reached(previous, step.after):
        raise UsageError(
            f"day {day}: cannot {name}, expected the day before to be {step.after}, got {previous}. "
            f"Days go in order; close the earlier one first"
        )
    return True


def day_root(heads: Mapping[str, bytes]) -> bytes:
    """One digest over the heads of all chains of a day: what every member's sign-off names. 日根

    In:      the head of each chain by the chain's name (a stream partition, or the jobs' own), raw bytes.
    Out:     32 bytes: SM3 over one line a chain, `name`, a space, the head in lower-case hex, LF; UTF-8, in
             order of the names' code points. No chain at all gives SM3 of nothing.
    Raises:  UsageError if a name is empty or has a space or line end, which would make two sets look alike.
    Source:  contract "Archive".
    """
    sm3 = hashlib.new("sm3")
    for name in sorted(heads):
        if not name or any(char.isspace() for char in name):
            raise UsageError(
                f"chain {name!r}: expected a name without white space; rename the stream partition"
            )
        sm3.update(f"{name} {heads[name].hex()}\n".encode())
    return sm3.digest()
