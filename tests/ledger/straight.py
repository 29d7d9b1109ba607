"""Days in their own order, and the orders in which Kafka may bring them."""

# ruff: noqa: ANN401 - fields of any event, one event a line
from __future__ import annotations

import random
from collections import defaultdict
from typing import Any, Final, Protocol

from clearing.ledger.decide import Incoming
from clearing.ledger.facts import Facts, Key
from clearing.ledger.outcomes import Decision, Outcome
from messages import CATALOGUE, Event
from tests.ledger.straight_cards import Cards
from tests.ledger.straight_payers import Payers
from tests.ledger.straight_payments import Payments
from tests.ledger.straight_payouts import Payouts
from tests.ledger.straight_stays import Stays
from tests.ledger.world import World, fact_keys

REVERSED_EARLY: Final = {
    "reversed_before_arrival", "unknown_original", "original_spent", "posted", "noted",
}  # fmt: skip
"""What may become of a payment that is reversed, of its confirmation and of the reversal, by which comes first."""


class Part(Protocol):
    """What brings events of one kind."""

    def step(self) -> None:
        """One thing that happens."""


class Straight:
    """Each step is one that its hospital, payer or bank may take just then, so that nothing is refused.

    What leans on an event of another record key is left out where the contract refuses at once what comes too early
    (`test_too_early.ROWS` has one row each): so a stay spends only what was paid in under its own key.
    """

    def __init__(
        self, chance: random.Random, *, loose_ends: bool = False, loosely: bool = False, cuts_max: int = 2
    ) -> None:
        self.world = World()
        self.chance = chance
        self.loose_ends = loose_ends
        """Whether some things never come: what waits for them is parked at the end, in any order."""
        self.loosely = loosely
        """Whether undos of payments come under the keys of `messages` instead of the card of their original."""
        self.reversed: set[tuple[str, str]] = set()
        """(source, id) of what is reversed, of its confirmation and of the reversal."""
        self.cuts, self.cuts_max = 0, cuts_max
        self.cards = Cards(self)
        self.payments = Payments(self)
        self.stays = Stays(self)
        self.payouts = Payouts(self)
        self.payers = Payers(self)

    def step(self) -> None:
        """One thing that happens."""
        parts: list[Part] = [
            self.cards,
            self.payments,
            self.payments,
            self.stays,
            self.stays,
            self.stays,
            self.payouts,
        ]
        self.chance.choice([*parts, self.payouts, self.payers]).step()
        if self.cuts < self.cuts_max and self.chance.random() < 0.02:
            self.cuts += 1
            self.world.cut()

    def finish(self) -> None:
        """What is held for a frozen card goes on: a payout that comes before the freeze is not held."""
        while self.cards.frozen:
            self.cards.thaw()

    def send(self, kind: str, /, source: str = "", **said: Any) -> Event | None:
        """An event that is taken; None for one that waits."""
        done = self.world.send(kind, source, **said)
        if done.outcome is Outcome.PARKED:
            return None
        assert done.outcome in {Outcome.POSTED, Outcome.NOTED}, (kind, done.reason, done.detail)
        return done.event

    def sure(self, kind: str, /, source: str = "", **said: Any) -> Event:
        """An event that is taken at once."""
        event = self.send(kind, source, **said)
        assert event is not None, (kind, self.world.facts.get("seen", "", ""), said)
        return event

    def now(self) -> str:
        """The time of the next event."""
        number = len(self.world.sent)
        return f"{self.world.context.open_day}T10:{number // 60 % 60:02d}:{number % 60:02d}+08:00"

    def ref(self) -> dict[str, str]:
        """A bank reference of its own."""
        return {"bank_ref": f"X{len(self.world.sent)}", "bank_date": str(self.world.context.open_day)}


# -- Kafka's orders --------------------------------------------------------------------------------------------


def by_topic(events: list[Event], chance: random.Random, *, loosely: bool = False) -> list[Event]:
    """Any order between record keys, the order within each: what Kafka promises."""
    queues: defaultdict[tuple[str, str], list[Event]] = defaultdict(list)
    originals = {(one.source, one.id): one for one in events}
    for one in events:
        queues[key_of(one, originals, loosely=loosely)].append(one)
    turns = [name for name, queue in queues.items() for _ in queue]
    chance.shuffle(turns)
    if chance.random() < 0.5:  # some keys far ahead of the others, or far behind
        weight = {name: chance.random() for name in queues}
        turns.sort(key=lambda name: weight[name] + chance.random() * 0.3)
    return [queues[name].pop(0) for name in turns]


def record_key(event: Event, events: list[Event]) -> tuple[str, str]:
    """Topic and record key as the contract has them."""
    return key_of(event, {(one.source, one.id): one for one in events}, loosely=False)


def key_of(event: Event, originals: dict[tuple[str, str], Event], *, loosely: bool) -> tuple[str, str]:
    """Topic and record key: of a recall those of its settlement, of a payment's undo the original's card."""
    row, said = CATALOGUE[event.type], event.data.__dict__
    original = said.get("original")
    before = originals.get((original.source, original.id)) if original else None
    if before is not None and event.type == "discharge.cancelled":
        said = before.data.__dict__
    elif before is not None and row.family == "payments" and not loosely:
        return row.family, str(before.data.__dict__["card"])
    stay = said.get("admission_no") if row.family == "deposits" else None
    return row.family, f"{said['institution']}/{stay}" if stay else row.key(event)


def taken(events: list[Event], chance: random.Random, cuts: int) -> World:
    """The events in batches of one size, some of them again later, with so many cuts in between."""
    sent = list(events)
    for one in chance.sample(events, len(events) // 10):
        sent.insert(chance.randint(sent.index(one) + 1, len(sent)), one)
    world, size = World(), chance.choice([1, chance.randint(1, len(sent) + 1)])
    due = sorted(chance.choices(range(len(sent) + 1), k=cuts))
    for first in range(0, len(sent), size):
        while due and due[0] <= first:
            world.cut()
            due.pop(0)
        world.batch([Incoming(one) for one in sent[first : first + size]])
    for _ in due:
        world.cut()
    return world


# -- what must be the same -------------------------------------------------------------------------------------


def ends(world: World) -> dict[tuple[str, str], str]:
    """How each event ended: its outcome, the reason why it was refused, or parked."""
    found: dict[tuple[str, str], str] = dict.fromkeys(world.parkings, "parked")
    for key, done in world.final.items():
        decision: Decision = done
        found[key] = decision.reason or decision.outcome.value
    return found


FIGURES: Final[dict[str, tuple[str, ...]]] = {
    "stay": ("state", "deposit_fen", "arrears_fen", "settlements"),
    "payout": ("state", "amount_fen", "attempt", "bank"),
    "settlement": ("advanced_fen", "settled", "discharge", "paid"),
    "retention": ("retained_fen",),
    "area": ("open_fen",),
    "batch": ("state", "accepted_fen", "counted_fen"),
    "premium": ("source", "id"),
    "card": ("bank", "state", "replaced_by"),
}
"""Of each kind of fact what may not hang on the order; who is reversed before it came takes no order number."""


def figures(facts: Facts) -> dict[Key, tuple[Any, ...]]:
    """What the facts come to."""
    return {
        key: tuple(getattr(facts.get(*key), name) for name in names)
        for kind, names in FIGURES.items()
        for key in fact_keys(facts, kind)
    }
