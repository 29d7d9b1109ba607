"""The life of a terminal and its secure module. 终端与 SAM 卡"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from clearing.ledger import checks as c
from clearing.ledger.case import made_sure
from clearing.ledger.facts import Facts, Key, Step, Terminal
from clearing.ledger.outcomes import Accepted, Parked, Reason, Rejected
from clearing.ledger.rules.cards import from_card_platform
from clearing.ledger.rules.rule import Rule

if TYPE_CHECKING:
    from clearing.ledger.case import Case
    from messages import Event

LIVE: Final = ("IN_USE", "LOCKED", "LOST", "RECALLED")

STEPS: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    # type: (states it may come from, state it leads to; "" goes back to the state before)
    "terminal.registered": (("RECALLED",), "IN_USE"),
    "terminal.locked": (("IN_USE",), "LOCKED"),
    "terminal.unlocked": (("LOCKED",), "IN_USE"),
    "terminal.lost": (("IN_USE", "LOCKED"), "LOST"),
    "terminal.found": (("LOST",), ""),
    "terminal.recalled": (LIVE[:3], "RECALLED"),
    "terminal.scrapped": (LIVE, "SCRAPPED"),
    "terminal.sam_replaced": (LIVE[:3], "SAME"),
}


def terminal_needs(event: Event, _: Facts) -> Iterable[Key]:
    """The terminal."""
    data: Any = event.data
    yield ("terminal", data.terminal)


def terminal_known(case: Case) -> Parked | None:
    """Parked until the terminal is registered."""
    number = case.data.terminal
    if case.event.type == "terminal.registered" or case.facts.get("terminal", number) is not None:
        return None
    return Parked(("terminal", number), "the terminal is not registered")


def step_fits(case: Case) -> Rejected | None:
    """card_state: the step leads on from the state now."""
    terminal = case.facts.get("terminal", case.data.terminal)
    expected, _ = STEPS[case.event.type]
    if terminal is None or terminal.state in expected:
        return None
    return Rejected(
        Reason.CARD_STATE,
        f"{case.name}: terminal {terminal.terminal} is {terminal.state}; expected {' or '.join(expected)}",
    )


def post_step(case: Case) -> Accepted:
    """Noted: the terminal's new state, from the event's time on."""
    data, time = case.data, case.event.time
    terminal: Terminal | None = case.facts.get("terminal", data.terminal)
    _, state = STEPS[case.event.type]
    if case.event.type == "terminal.registered":
        history = terminal.steps if terminal else ()
        terminal = Terminal(
            terminal=data.terminal,
            sam=data.sam,
            institution=data.institution,
            kind=data.kind or "",
            acquirer=data.acquirer or "",
            steps=history,
        )
    terminal = made_sure(case, terminal)
    if state == "SAME":
        return Accepted(None, {("terminal", data.terminal): replace(terminal, sam=data.new_sam)})
    before = terminal.state
    if not state:
        state = terminal.steps[-1].before
    history = tuple(step for step in terminal.steps if step.at < time)
    after = replace(terminal, steps=(*history, Step(time, state, before)))
    return Accepted(None, {("terminal", data.terminal): after})


TERMINAL: Final = Rule(
    terminal_needs,
    (
        c.not_a_test,
        c.source_known,
        from_card_platform,
        c.members_known,
        c.day_has_come,
        terminal_known,
        step_fits,
    ),
    post_step,
    registry=True,
)
"""Every terminal event: one rule, the table says the rest."""
