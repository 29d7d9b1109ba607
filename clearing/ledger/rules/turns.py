"""The events of one stay, payout or retention are decided in the order in which they came, parked ones too. 排队

Their producers send them in order, under one record key. What they wait for comes on other topics (a card, a
confirmation, a discharge), and while one waits those behind it must not be judged by what it has not done yet.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from clearing.ledger import checks as c
from clearing.ledger.outcomes import Parked, Rejected

if TYPE_CHECKING:
    from clearing.ledger.case import Case
    from clearing.ledger.checks import Check
    from clearing.ledger.facts import Facts, Key, Place
    from clearing.ledger.outcomes import Verdict
    from messages import Event

CLOSING: Final = frozenset({"admission.cancelled", "discharge.cancelled"})
"""Types that end a stay or open it again, besides a final discharge: nothing may be on its way before them."""


# -- stays ---------------------------------------------------------------------------------------------------


def stay_line(event: Event, _: Facts) -> Key:
    """The line of the stay that the event names."""
    said = event.data.__dict__
    return ("line", "stay", said["institution"], said.get("admission_no") or said["from_admission"])


def recall_line(event: Event, facts: Facts) -> Key | None:
    """The line of the stay that the named settlement was of; None while that is unknown."""
    data: Any = event.data
    settled = facts.event(data.original.source, data.original.id)
    return stay_line(settled, facts) if settled is not None and settled.type == "discharge.settled" else None


def in_turn(case: Case, *line: str) -> Parked | None:
    """Parked behind an earlier event of the line that waits; what only adds holds up what ends the stay."""
    ahead = case.ahead(*line)
    if ahead and not closes(case):
        ahead = [one for one in ahead if not one.adds]
    return behind(ahead[0]) if ahead else None


def closes(case: Case) -> bool:
    """Whether the event ends the stay or opens it again."""
    return case.event.type in CLOSING or case.said.get("stage") == "FINAL"


def behind(place: Place) -> Parked:
    """Parked until that event is decided, whatever its outcome."""
    return Parked(("seen", place.source, place.id), f"{place.source}/{place.id} came before it and waits")


def stay_is_open(case: Case) -> Rejected | Parked | None:
    """`open_in_turn` of the stay that the event names."""
    return open_in_turn(case, case.data.institution, case.data.admission_no)


def open_in_turn(case: Case, institution: str, admission_no: str) -> Rejected | Parked | None:
    """Parked while the stay is unknown, or has earlier events that wait; admission_closed when it is not open."""
    if case.facts.get("stay", institution, admission_no) is not None and (
        waits := in_turn(case, "stay", institution, admission_no)
    ):
        return waits
    return c.open_stay(case, institution, admission_no)


def once_ahead(check: Check, line_of: Callable[[Event, Facts], Key] = stay_line) -> Check:
    """The check, whose refusal stands once nothing is parked that came before and adds to the line."""

    @functools.wraps(check)
    def later(case: Case) -> Verdict | None:
        verdict = check(case)
        if not isinstance(verdict, Rejected):
            return verdict
        _, *line = line_of(case.event, case.facts)
        ahead = case.ahead(*line)
        return behind(ahead[0]) if ahead else verdict

    return later


# -- payouts -------------------------------------------------------------------------------------------------


def payout_line(event: Event, _: Facts) -> Key:
    """The line of the payout that the event names."""
    data: Any = event.data
    return ("line", "payout", data.original.source, data.original.id)


def payout_in_turn(case: Case) -> Parked | None:
    """Parked behind an earlier event of the payout that waits: a result for its card, before it is paid again."""
    ahead = case.ahead("payout", *case.original_key)
    return behind(ahead[0]) if ahead else None


# -- retention -----------------------------------------------------------------------------------------------


def retention_line(event: Event, _: Facts) -> Key:
    """The line of what the payer settles with the institution: claims, and the release of what they retain."""
    data: Any = event.data
    return ("line", "retention", data.payer, data.institution)


def retention_in_turn(case: Case) -> Parked | None:
    """Parked behind an earlier release that waits for a claim; claims need not wait for each other."""
    return in_turn(case, "retention", case.data.payer, case.data.institution)
