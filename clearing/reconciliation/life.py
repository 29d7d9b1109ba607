"""The life of a break: its states, what follows what, its ends, and what each end asks for. 差错处理

A life goes forward only: found, confirmed, somebody's, decided, approved, closed. The one way back is REOPENED,
where it begins anew with its history behind it. Runs bring a break as far as it gets by itself, people further.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from clearing.errors import InvariantViolated, UsageError
from clearing.ledger.money import yuan
from clearing.reconciliation.codes import AUTO_CLEARED, CONFIRMED, OPEN, SUSPECT

ASSIGNED: Final = "ASSIGNED"
PENDING_APPROVAL: Final = "PENDING_APPROVAL"
RESOLVED: Final = "RESOLVED"
CLOSED: Final = "CLOSED"
REOPENED: Final = "REOPENED"

# fmt: off
NEXT: Final[Mapping[str, frozenset[str]]] = {
    # from            to
    OPEN:             frozenset({SUSPECT, CONFIRMED, ASSIGNED, AUTO_CLEARED}),
    SUSPECT:          frozenset({OPEN, CONFIRMED, ASSIGNED, AUTO_CLEARED}),
    CONFIRMED:        frozenset({ASSIGNED, AUTO_CLEARED, REOPENED}),
    ASSIGNED:         frozenset({ASSIGNED, PENDING_APPROVAL, AUTO_CLEARED, REOPENED}),
    PENDING_APPROVAL: frozenset({RESOLVED, AUTO_CLEARED, REOPENED}),
    AUTO_CLEARED:     frozenset({REOPENED}),
    RESOLVED:         frozenset({CLOSED, REOPENED}),
    CLOSED:           frozenset({REOPENED}),
    REOPENED:         frozenset({SUSPECT, OPEN, CONFIRMED, ASSIGNED, AUTO_CLEARED}),
}
# fmt: on
"""State → the states that may follow it. OPEN and SUSPECT are one stage: what a run has found, as it sees it now."""

STATES: Final = tuple(NEXT)
FOUND_BY_A_RUN: Final = frozenset({OPEN, SUSPECT, CONFIRMED, AUTO_CLEARED})
"""What a run makes of a break that nobody has taken up."""
ENDED_BY_PEOPLE: Final = frozenset({RESOLVED, CLOSED})
OVER: Final = ENDED_BY_PEOPLE | {AUTO_CLEARED}
"""Nobody has to do anything about it any more."""


class End(NamedTuple):
    """One way in which a break ends."""

    code: str
    chinese: str
    meaning: str
    money: str
    """must: it moves money, by legs to be posted or by an event that has posted them; may; never."""
    approvals: int
    """How many people besides its maker must agree; 0: only a run ends a break so."""


# fmt: off
ENDS: Final[Mapping[str, End]] = {
    row.code: row
    for row in (
        End("LATE_MATCH",     "迟到勾对",  "the other side came",                              "never", 0),
        End("MANUAL_MATCH",   "人工勾对",  "a person says which rows belong together",         "never", 1),
        End("ADJUST",         "调账",      "the difference moves to 1091 or 2091, or back",    "must",  1),
        End("REFUND",         "退款",      "the payer gets it back by the original route",     "must",  1),
        End("REVERSE",        "冲正",      "our entry is taken back",                          "must",  1),
        End("BOOK_MISSING",   "补记",      "what the ledger lacks is booked",                  "must",  1),
        End("CLAIM",          "追索",      "the partner is asked for it",                      "never", 1),
        End("WRITE_OFF",      "核销",      "nobody will pay it, up to a limit",                "may",   2),
        End("DUP_VOID",       "重复作废",  "the repeat counts for nothing",                    "may",   1),
        End("FILE_CORRECTED", "文件更正",  "the file was wrong",                               "never", 1),
        End("FORCE_MATCH",    "强制勾对",  "the same in spite of what differs",                "never", 1),
        End("NOT_OURS",       "非本方",    "it is no business of this platform",               "never", 1),
    )
}
# fmt: on


class Leg(NamedTuple):
    """One line of a correction."""

    account: str
    side: str
    """D or C."""
    amount_fen: int


def way(before: str, after: str) -> tuple[str, ...]:
    """The steps that lead from one state to another: none, one, or two by way of REOPENED. 状态推进

    Raises:  InvariantViolated when there is no such way: a caller of ours is wrong.
    """
    if before == after:
        return ()
    if after in NEXT[before]:
        return (after,)
    if REOPENED in NEXT[before] and after in NEXT[REOPENED]:
        return (REOPENED, after)
    raise InvariantViolated(f"break: no way from {before} to {after}; it can become {_listed(NEXT[before])}")


def must_become(break_id: str, before: str, after: str) -> None:
    """Let a person's step pass.

    Raises:  UsageError that says what the break can become.
    """
    if after not in NEXT[before]:
        raise UsageError(
            f"break {break_id}: expected a state from which it can become {after}, got {before}. "
            f"It can become {_listed(NEXT[before])}"
        )


def _listed(states: frozenset[str]) -> str:
    return " ".join(one for one in STATES if one in states)


def check_end(
    ending: str, *, amount_fen: int, legs: tuple[Leg, ...], event: str, write_off_fen_max: int
) -> End:
    """Let a way of ending a break pass, for what it is to move. 处理方式检查

    In:      `amount_fen`: what the break is about, unsigned; the legs to be posted, or "source/id" of the event
             that has done it, or neither.
    Raises:  UsageError for an end that people cannot give, money where none may move or none where it must, legs
             and event both, or a write-off above its limit.
    """
    end = ENDS.get(ending)
    if end is None or not end.approvals:
        by_people = " ".join(one.code for one in ENDS.values() if one.approvals)
        raise UsageError(f"end {ending or 'none'}: expected one of {by_people}")
    if legs and event:
        raise UsageError(f"end {ending}: expected legs or an event that has moved the money, got both")
    if end.money == "never" and (legs or event):
        raise UsageError(
            f"end {ending}: it moves no money ({end.meaning}), got {'legs' if legs else f'event {event}'}. "
            f"Ends that do: {' '.join(one.code for one in ENDS.values() if one.money != 'never')}"
        )
    if end.money == "must" and not (legs or event):
        raise UsageError(
            f"end {ending}: expected legs to post or the event that moved the money, got neither. "
            "Next: --leg ACCOUNT:SIDE:AMOUNT for each line, or --event SOURCE/ID"
        )
    worth_fen = max(amount_fen, sum(leg.amount_fen for leg in legs if leg.side == "D"))
    if ending == "WRITE_OFF" and worth_fen > write_off_fen_max:
        raise UsageError(
            f"end WRITE_OFF: at most {yuan(write_off_fen_max)} expected, got {yuan(worth_fen)} "
            f"({yuan(worth_fen - write_off_fen_max)} too much). Next: another end; the limit is a setting"
        )
    return end


def check_approval(break_id: str, *, maker: str, checker: str, checked: tuple[str, ...]) -> None:
    """Let somebody's approval pass: not the maker's, nobody's twice.

    In:      `checked`: who has approved the same proposal.
    Raises:  UsageError.
    """
    if same_person(maker, checker):
        raise UsageError(f"break {break_id}: {checker} proposed it; expected the approval of somebody else")
    if any(same_person(one, checker) for one in checked):
        raise UsageError(f"break {break_id}: {checker} has approved it; expected somebody else besides")


def same_person(one: str, other: str) -> bool:
    """Whether two names are one person's: capitals and blanks around do not make another. The database asks alike."""
    return one.strip().lower() == other.strip().lower()
