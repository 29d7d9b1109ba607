"""Everything a batch must know, read once, under locks that keep it true until the commit. 取数

Names are locked before anything is read, present or not: what is not there could be written by another worker
a moment later, and a wake-up or a tombstone would be lost. Some keys are only known once others are read (an
alias leads to its card, an original to its stay, a parked event to its own). Those are locked without waiting;
when one is busy the batch starts again with all names it knows by then, in order, so no two ever wait in a ring.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Final, NamedTuple

from clearing.ledger.decide import Waiting, is_of_registry, may_change, needs
from clearing.ledger.facts import Fact, Facts, Key, lock_name
from clearing.store import facts as store_facts
from clearing.store import parked

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from messages import Event

LEADING: Final = frozenset(
    {
        "alias",
        "aliases_of",
        "held",
        "line",
        "order",
        "original",
        "payout",
        "payouts_of",
        "settlement",
        "stay",
        "timeout",
    }
)
"""Kinds of facts that lead to other keys, besides cards that were replaced, took a place or have limits."""


class Names(NamedTuple):
    """Names that an earlier try knew when one of them was busy: all of them are waited for, in order."""

    own: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()
    """Only read: still shared, else whoever reads the same terminal would wait for this batch."""


NO_NAMES: Final = Names()


class Busy(Exception):
    """A key found on the way is held by another batch."""

    def __init__(self, names: Names) -> None:
        super().__init__("locked by another batch")
        self.names = names


@dataclass(slots=True)
class Gathered:
    """The facts of a batch and what is parked for any of its keys."""

    facts: Facts
    waiting: list[Waiting] = field(default_factory=list)
    read: set[Key] = field(default_factory=set)
    """Every key that was locked and read."""
    own: set[Key] = field(default_factory=set)
    """Those of them that this batch may change: nobody else reads them meanwhile."""
    found: set[Key] = field(default_factory=set)
    """Those that were there."""
    open_day: date | None = None
    """The first day that is not cut; None when no day is open."""


async def gather(
    conn: AsyncConnection,
    events: Sequence[Event],
    networks: tuple[str, ...],
    *,
    known_names: Names = NO_NAMES,
    parked_first: Sequence[Waiting] = (),
) -> Gathered:
    """Lock and read all that the events need, and all that is parked for them, in turn.

    In:      `known_names` from an earlier try; `parked_first` are parked events that the caller wakes itself.
    Writes:  nothing; holds advisory locks, the day's shared before all others, to the end of the transaction.
    Raises:  Busy when a key found on the way is held; roll back and call again with its names.
    """
    out = Gathered(Facts(networks=networks), list(parked_first))
    asked: dict[int, list[Key]] = {}
    todo = [*events, *(one.event for one in parked_first)]
    held: set[str] = set(known_names.own)
    shared: set[str] = set(known_names.shared)
    looked: set[str] = set()
    first = True
    while todo or first:
        out.facts.expect(todo)
        needed: set[Key] = set()
        of_registry: set[Key] = set()
        for event in todo:
            keys = asked[id(event)] = needs(event, out.facts)
            (of_registry if is_of_registry(event) else needed).update(keys)
        own = may_change(needed, of_registry) - out.own
        fresh = (needed | of_registry) - out.read
        names = {lock_name(key) for key in own}
        others = {lock_name(key) for key in fresh - own} - names - held
        looked_at = await store_facts.look(
            conn,
            fresh,
            names | held if first else names - held,
            others | shared if first else others - shared,
            # A name held since an earlier try has been locked, but not yet looked at. What only others may change
            # wakes nobody here.
            waiting=names - looked,
            wait=first,
            day=first,
        )
        if looked_at is None:
            raise Busy(Names(frozenset(names | held), frozenset(others | shared)))
        held |= names
        shared |= others
        found = looked_at.facts
        out.open_day = looked_at.open_day or out.open_day
        out.facts.update(found)
        out.read |= fresh
        out.own |= own
        out.found.update(found)
        have = {(one.event.source, one.event.id) for one in out.waiting}
        woken = [waiting_of(row) for row in looked_at.waiting if (row.source, row.id) not in have]
        looked |= names
        out.waiting += woken
        first = False
        todo = [one.event for one in woken]
        todo += _ask_again(asked, todo, events, out, found)
    return out


def _ask_again(
    asked: dict[int, list[Key]],
    new: Sequence[Event],
    events: Sequence[Event],
    out: Gathered,
    found: dict[Key, Fact],
) -> list[Event]:
    """Events of which a fact was just found that may lead to other keys."""
    leading = {key for key, fact in found.items() if _leads(key, fact)}
    if not leading:
        return []
    fresh = {id(event) for event in new}
    every = [*events, *(one.event for one in out.waiting)]
    return [
        event
        for event in every
        if id(event) not in fresh and not leading.isdisjoint(asked.get(id(event), ()))
    ]


def _leads(key: Key, fact: Fact) -> bool:
    if key[0] == "card":
        return bool(fact.replaced_by) or fact.account_class != "I" or fact.root not in {"", fact.token}
    return key[0] in LEADING and bool(fact)


def waiting_of(row: parked.Waiting) -> Waiting:
    """A parked event as the fold takes it, read again from its stored bytes."""
    event = store_facts.event_of(row.raw, f"{row.source}/{row.id}")
    return Waiting(event, row.arrival, row.waits_for, row.since)
