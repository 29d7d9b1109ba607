"""The events of one stay, payout or retention are decided in the order in which they came, parked ones too. 排队

Their producers send them in order, under one record key. What they wait for comes on other topics (a card, a
confirmation, a discharge), and while one waits those behind it must not be judged by what it has not done yet.
What is parked on one key and would add to another (a transfer to its taking stay, a void to what is owed) stands
in that line too.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from clearing.ledger import checks as c
from clearing.ledger.outcomes import Parked, Rejected

if TYPE_CHECKING:
    from clearing.ledger.case import Case
    from clearing.ledger.checks import Check
    from clearing.ledger.facts import Facts, Key, Place
    from clearing.ledger.outcomes import Verdict
    from clearing.ledger.rules.rule import Line
    from messages import Event

CLOSING: Final = frozenset({"admission.cancelled", "discharge.cancelled"})
"""Types that end a stay or open it again, besides a final discharge: nothing may be on its way before them."""


# -- stays ---------------------------------------------------------------------------------------------------


def stay_line(event: Event, _: Facts) -> Key:
    """The line of the stay that the event names."""
    said = event.data.__dict__
    return ("line", "stay", said["institution"], said.get("admission_no") or said["from_admission"])


def recall_line(event: Event, facts: Facts) -> Key | None:
    """The line of the stay that the named settlement was of; None while that is not taken."""
    settled = undone(event, facts)
    return stay_line(settled, facts) if settled is not None and settled.type == "discharge.settled" else None


def in_turn(case: Case, *line: str) -> Parked | None:
    """Parked behind an earlier event of the line that waits; what only adds holds up what ends the stay."""
    ahead = case.ahead(*line, holding=not closes(case))
    return behind(ahead) if ahead else None


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


def once_ahead(check: Check, line_of: Line = stay_line) -> Check:
    """The check, whose refusal stands once nothing is parked that came before and adds to the line."""

    @functools.wraps(check)
    def later(case: Case) -> Verdict | None:
        verdict = check(case)
        if not isinstance(verdict, Rejected):
            return verdict
        line = line_of(case.event, case.facts)
        ahead = case.ahead(*line[1:]) if line is not None else None
        return behind(ahead) if ahead else verdict

    return later


def taking_line(event: Event, _: Facts) -> Key:
    """The line of the stay that a transfer gives to."""
    data: Any = event.data
    return ("line", "stay", data.institution, data.to_admission)


def undone(event: Event, facts: Facts) -> Event | None:
    """What the event undoes or answers, once it was taken: before that nothing can come of it for others."""
    data: Any = event.data
    key = (data.original.source, data.original.id)
    seen = facts.get("seen", *key)
    return facts.event(*key) if seen is not None and seen.outcome in {"posted", "noted"} else None


def undone_stay_line(event: Event, facts: Facts) -> Key | None:
    """The line of the stay whose deposit or arrears the named event paid; None while that is not taken."""
    original = undone(event, facts)
    return stay_line(original, facts) if original and original.data.__dict__.get("admission_no") else None


def reopening_needs(event: Event, facts: Facts) -> list[Key]:
    """The line of the stay whose deposit is confirmed or reversed, where it is closed or does not hold as much."""
    data: Any = event.data
    original = facts.event(data.original.source, data.original.id)
    if original is None or not original.data.__dict__.get("admission_no"):
        return []
    key = stay_line(original, facts)
    stay = facts.get(*key[1:])
    if stay is None:
        return []
    short = stay.deposit_fen < (data.__dict__.get("amount") or 0)
    return [key] if short or stay.state != "OPEN" else []


# -- order numbers -------------------------------------------------------------------------------------------


def order_line(event: Event, _: Facts) -> Key:
    """The line of the order number that the event would take."""
    data: Any = event.data
    return ("line", "order", data.institution, data.order_no)


def undone_order_line(event: Event, facts: Facts) -> Key | None:
    """The line of the order number that a void frees; None while its original is not taken."""
    original = undone(event, facts)
    return order_line(original, facts) if original and original.data.__dict__.get("order_no") else None


def order_needs(data: Any, facts: Facts) -> list[Key]:  # noqa: ANN401 - any body with an order number
    """The order number; where it is taken, who may be about to free it."""
    key = ("order", data.institution, data.order_no)
    taken = facts.get(*key)
    return [key] if taken is None or not taken.source else [key, ("line", *key)]


order_free_in_turn: Final = once_ahead(c.order_free, order_line)
"""order_already_paid, once no void of who has taken the number is parked."""


# -- payouts -------------------------------------------------------------------------------------------------


def payout_line(event: Event, _: Facts) -> Key:
    """The line of the payout that the event names."""
    data: Any = event.data
    return ("line", "payout", data.original.source, data.original.id)


def payout_in_turn(case: Case) -> Parked | None:
    """Parked behind an earlier event of the payout that waits: a result for its card, before it is paid again."""
    ahead = case.ahead("payout", *case.original_key)
    return behind(ahead) if ahead else None


# -- retention -----------------------------------------------------------------------------------------------


def retention_line(event: Event, _: Facts) -> Key:
    """The line of what the payer settles with the institution: claims, and the release of what they retain."""
    data: Any = event.data
    return ("line", "retention", data.payer, data.institution)


def retention_in_turn(case: Case) -> Parked | None:
    """Parked behind an earlier release that waits for a claim; claims need not wait for each other."""
    return in_turn(case, "retention", case.data.payer, case.data.institution)


def claims_line(event: Event, _: Facts) -> Key:
    """The line of all that the payer settles: which areas a claim crossed is known once its discharge has come."""
    data: Any = event.data
    return ("line", "claims", data.payer)


def claims_in_turn(case: Case) -> Parked | None:
    """Parked behind an earlier settlement between areas that waits for a claim."""
    return in_turn(case, "claims", case.data.payer)
