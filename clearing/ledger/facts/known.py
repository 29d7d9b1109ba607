"""The facts of one batch by key, as read and as changed by what was decided so far. 批内事实"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from clearing.ledger.facts.events import Original
from clearing.ledger.facts.keys import EventKey, Key

if TYPE_CHECKING:
    from messages import Event

Fact: TypeAlias = Any
"""Any of the values above; which, the key's kind says."""


class Facts:
    """The facts of one batch, by key. Absent means read and not there."""

    __slots__ = ("_by_key", "_coming", "networks")

    def __init__(self, found: Iterable[tuple[Key, Fact]] = (), networks: tuple[str, ...] = ()) -> None:
        self._by_key: dict[Key, Fact] = dict(found)
        self._coming: dict[EventKey, Event] = {}
        self.networks = networks
        """Every card network, whatever its dates: whose reference an unnamed one may be."""

    def get(self, *key: str) -> Fact | None:
        """The fact under a key, None when there is none."""
        return self._by_key.get(key)

    def expect(self, events: Iterable[Event]) -> None:
        """Say which events are to be decided with these facts: an undo's needs follow from its original's words."""
        for event in events:
            self._coming.setdefault((event.source, event.id), event)

    def event(self, source: str, id_: str) -> Event | None:
        """What an event said, decided before or to be decided in this batch; None when it is neither."""
        known: Original | None = self._by_key.get(("original", source, id_))
        return known.event if known else self._coming.get((source, id_))

    def put(self, key: Key, fact: Fact) -> None:
        """Set a fact, as the fold does with what a decision changed."""
        self._by_key[key] = fact

    def update(self, found: Mapping[Key, Fact]) -> None:
        """Set several facts."""
        self._by_key.update(found)
