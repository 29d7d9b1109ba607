"""How facts are named: keys, and the names under which they are locked and waited for. 键"""

from __future__ import annotations

from typing import Final, TypeAlias

Key: TypeAlias = tuple[str, ...]
EventKey: TypeAlias = tuple[str, str]
"""(source, id) of an event."""

OF_EVENT: Final = frozenset({"seen", "original", "undo", "timeout", "payout", "tombstone"})
"""Kinds keyed by an event's (source, id): they share one lock and one name to wait for."""

OF_CARD: Final = frozenset({"card", "alias", "aliases_of", "held"})
"""Kinds keyed by a card's number, its own or an alias."""
REGISTRY: Final = frozenset({"card", "alias", "aliases_of", "held", "terminal"})
"""Kinds that only the registry's own events change: every other event reads them, and may do so beside others."""
VIRTUAL: Final = frozenset({"seen", "original", "aliases_of", "held", "payouts_of", "line"})
"""Kinds that are read out of other tables and never written: the fold keeps them up to date in memory.

`("aliases_of", card)` is a tuple of tokens, `("held", card)` a tuple of (source, id) of held payouts,
`("payouts_of", root)` a tuple of `LivePayout`, `("line", *key)` a tuple of `Place`: parked events of a stay or
payout, the first to arrive first.
"""


def lock_name(key: Key) -> str:
    """The name under which a key is locked and waited for: one for all that is kept of one event or card."""
    kind = key[0]
    if kind in OF_EVENT:
        _, source, id_ = key
        return f"event/{source}/{id_}"
    if kind in OF_CARD:
        return f"card/{key[1]}"
    if kind == "line":
        return lock_name(key[1:])
    return "/".join(key)
