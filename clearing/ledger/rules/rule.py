"""What a rule is: what it needs to know, what it checks in which order, what it posts. 记账规则"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from clearing.ledger.case import Case
    from clearing.ledger.checks import Check
    from clearing.ledger.facts import Facts, Key
    from clearing.ledger.outcomes import Accepted, Parked, Rejected
    from messages import Event

Needs: TypeAlias = "Callable[[Event, Facts], Iterable[Key]]"
"""The keys an event reads or may change. Asked again once facts are there, since some lead to others (an alias
to its card, an original to its stay); it must then name everything it named before."""

Line: TypeAlias = "Callable[[Event, Facts], Key | None]"
"""The key of the line that an event stands in while it is parked; None while that cannot be said."""

Post: TypeAlias = "Callable[[Case], Accepted | Rejected | Parked]"

Refused: TypeAlias = "Callable[[Case, Rejected], dict[Key, Any]]"


@dataclass(frozen=True, slots=True)
class Rule:
    """One event type: gather, check in order, post."""

    needs: Needs
    checks: tuple[Check, ...]
    """Run in order; the first that is not None decides."""
    post: Post
    refused: Refused | None = None
    """What a refusal of this event still changes (a batch counts its refused rows)."""
    line: Line | None = None
    """Of events of one thing (a stay, a payout, a payer's settlements), decided in the order in which they came.

    Whose needs do not name it never looks ahead in it: it stands there for others, while it is parked.
    """
    adds: bool = False
    """Whether it only adds to what its stay or retention holds, so that the order among such events is no matter."""
    feeds: Line | None = None
    """A further line, to which the event only adds: of the stay that a transfer gives to."""
    registry: bool = False
    """Whether it is an event of the registry, which changes cards or terminals; others only read them."""


def card_needs(data: Any, facts: Facts) -> list[Key]:  # noqa: ANN401 - any body with a card
    """The card, or the card behind an alias, those that took its place, and the terminal."""
    keys = number_needs(data.card, facts)
    terminal = data.__dict__.get("terminal")
    if terminal:
        keys.append(("terminal", terminal))
    return keys


def number_needs(token: str, facts: Facts) -> list[Key]:
    """The keys behind one number of a card."""
    alias = facts.get("alias", token)
    starts = [token] if alias is None else [token, *[pointing.card for pointing in alias.cards]]
    keys: list[Key] = [("alias", token), *[("card", start) for start in starts]]
    for start in starts:
        card, seen = facts.get("card", start), {start}
        while card is not None and card.replaced_by and card.replaced_by not in seen:
            seen.add(card.replaced_by)
            keys.append(("card", card.replaced_by))
            card = facts.get("card", card.replaced_by)
    return keys


def reference_needs(event: Event, facts: Facts) -> list[Key]:
    """The bank reference, under every partner whose it may be.

    Which partner a route means can depend on the original and on the only network in force, so all that it
    may be are named: reading one too many costs nothing, one too few would be a double entry.
    """
    said = event.data.__dict__
    ref = said.get("bank_ref")
    if ref is None:
        return []
    day = said["bank_date"].isoformat()
    partners = {event.source, said.get("bank"), said.get("network"), said.get("payer_bank")}
    if said.get("route") == "UNIONPAY":
        partners.update(facts.networks)
    original = said.get("original")
    if original is not None:
        named = facts.event(original.source, original.id)
        if named is not None:
            before = named.data.__dict__
            partners |= {named.source, before.get("bank"), before.get("network")}
            if before.get("route") == "UNIONPAY":
                partners.update(facts.networks)
        known = facts.get("original", original.source, original.id)
        if known is not None and known.entry is not None:
            partners.add(known.entry.partner)
    return [("bank_ref", partner, day, ref) for partner in partners if partner]
