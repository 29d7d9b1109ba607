"""The city that the machines play in: how an event is sent and what is expected of it, and what always holds."""

# ruff: noqa: ANN401, D102, E501 - fields of any event; a rule is named for what the city does
from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from clearing.day.netting import Netted, net_day
from clearing.ledger.accounts import POSITION_CODES, code_of, is_memo, owner_of
from clearing.ledger.case import Limits
from clearing.ledger.decide import Incoming
from clearing.ledger.facts import Instruction
from clearing.ledger.outcomes import Outcome
from messages import Event, amount_text
from tests.ledger.machine.model import (
    ACQUIRER,
    CARRIES,
    DEBIT,
    HOLDER,
    ITEMS,
    MORE,
    SETTLED_AT,
    TERMINAL_OF,
    Books,
    Card,
    Claim,
    Credit,
    Moved,
    Out,
    Premium,
    Stay,
    TimeOut,
)
from tests.ledger.machine.order import queues_of, shuffled
from tests.ledger.world import World, members

T = TypeVar("T")
TAKEN: Final = {Outcome.POSTED, Outcome.NOTED}
LIMITS: Final = {"II": Limits(day_fen=30_000, year_fen=70_000)}
START: Final = World(more=MORE).facts
nth = st.integers(0, 60)
"""Which of those that there are."""
fen = st.integers(1, 20_000)


@dataclass(eq=False)
class Waiting:
    """A parked event: when it may go on, and what it then does."""

    event: Event
    verdict: Callable[[], str]
    """yes, no or wait."""
    then: Callable[[Event], object]
    refused: Callable[[Event], None]
    since: date
    days: int = 3
    behind: Callable[[], bool] = lambda: False
    """Whether it waits behind another that waits: then it waits as long as that one."""


def new_world() -> World:
    """A world of this city, with small limits for class II accounts."""
    return World(more=MORE, start=START, account_limits=LIMITS)


def end_of_day(world: World, carried: Counter[tuple[str, str]]) -> Netted:
    """Net the open day into the world's books and cut it; what negative hospitals were advanced is carried on."""
    day, who = world.context.open_day, members(MORE)
    totals: Counter[str] = Counter()
    for entry in world.entries:
        if entry.clearing_date == day:
            for name, amount, _ in entry.postings:
                totals[name] += amount
    held = {
        (owner_of(name), HOLDER[owner_of(name)]): amount
        for name, amount in world.balances.items()
        if code_of(name) == "3020"
    }
    value_date = day + timedelta(days=1)
    netted = net_day(
        totals, held, carried, who.on(day), platform="PLAT", clock=who.clock, value_date=value_date
    )
    for entry in netted.entries:
        world.entries.append(entry)
        for name, amount, _ in entry.postings:
            world.balances[name] += amount
    for one in netted.instructions:
        world.facts.put(("instruction", one.id), one)
    for line in netted.roll_up:
        if line.kind == "CARRY":
            position, key = netted.positions[line.account], (line.owner, line.bank)
            assert line.owner in CARRIES
            assert line.amount_fen == (position if position > 0 else min(carried[key], -position))
            carried[key] += line.amount_fen if position > 0 else -line.amount_fen
    world.cut()
    return netted


class CityBase(RuleBasedStateMachine):
    """Cards, the books as the model expects them, the end of a day; families of rules are mixed in."""

    @initialize()
    def begin(self) -> None:
        self.world = new_world()
        self.cards: list[Card] = []
        self.credits: list[Credit] = []
        self.timeouts: list[TimeOut] = []
        self.stays: list[Stay] = []
        self.claims: list[Claim] = []
        self.payouts: list[Out] = []
        self.topups: list[Moved] = []
        self.premiums: list[Premium] = []
        self.moved: list[Moved] = []
        self.waiting: list[Waiting] = []
        self.batches: list[Any] = []
        self.tied: set[str] = set()
        """Batches whose header and rows keep their order: with a row too many, with a rival of a row."""
        self.unsealed: set[str] = set()
        """Batches whose announced digest is wrong."""
        self.locked: set[str] = set()
        """Terminals."""
        self.instructions: dict[str, Instruction] = {}
        self.done: dict[str, str] = {}
        self.carried: Counter[tuple[str, str]] = Counter()
        self.cuts: list[int] = []
        self.settled_positions: Books = Counter()
        self.settled_items: Books = Counter()
        for place, terminal in TERMINAL_OF.items():
            self.does("terminal.registered", terminal=terminal, institution=place, acquirer=ACQUIRER)
        for number, bank in enumerate(("B1", "B1", "B2", "B2", "B3", "B1"), 1):
            card = self.new_card(f"tok_city_{number}", bank)
            self.stage(card, "PLATFORM")
            self.does("card.activated", source=bank, card=card.token, bank=bank)
            card.platform, card.state = True, "ACTIVE"
        self.furnish()

    def furnish(self) -> None:
        """What a family of rules has to begin with."""

    # -- sending -------------------------------------------------------------------------------------------

    @property
    def today(self) -> date:
        return self.world.context.open_day

    def does(self, kind: str, /, *, taken: bool = True, source: str = "", **said: Any) -> Event:
        """Send an event that the model expects to be taken or not."""
        done = self.world.send(kind, source, **said)
        assert (done.outcome in TAKEN) == taken, (kind, taken, done.outcome, done.reason, done.detail)
        assert done.outcome is not Outcome.PARKED
        return done.event

    def may_wait(
        self,
        kind: str,
        /,
        *,
        verdict: Callable[[], str],
        then: Callable[[Event], object],
        refused: Callable[[Event], None] = lambda _: None,
        days: int = 3,
        behind: Callable[[], bool] = lambda: False,
        **said: Any,
    ) -> Event | None:
        """Send an event that may have to wait: `verdict` says so now, and again whenever something came.

        Out:     the event, when it waits.
        """
        found = verdict()
        if found != "wait":
            (then if found == "yes" else refused)(self.does(kind, taken=found == "yes", **said))
            return None
        done = self.world.send(kind, **said)
        assert done.outcome is Outcome.PARKED, (kind, done.outcome, done.reason, done.detail)
        self.waiting.append(Waiting(done.event, verdict, then, refused, self.today, days, behind))
        return done.event

    def wake(self) -> None:
        """Whatever waited is judged again; the books must have done the same."""
        again = True
        while again:
            again = False
            for one in list(self.waiting):
                if (found := one.verdict()) == "wait":
                    continue
                again = True
                self.waiting.remove(one)
                final = self.world.final[one.event.source, one.event.id]
                assert (final.outcome in TAKEN) == (found == "yes"), (one.event.type, found, final)
                (one.then if found == "yes" else one.refused)(one.event)

    def pick(self, things: Sequence[T], number: int) -> T:
        return things[number % len(things)]

    # -- cards ---------------------------------------------------------------------------------------------

    def new_card(self, token: str, bank: str) -> Card:
        card = Card(token, bank)
        self.cards.append(card)
        self.stage(card, "BANK")
        return card

    def stage(self, card: Card, stage: str) -> None:
        known = (
            {"card_class": "NORMAL", "account_class": "I"}
            if stage == "BANK"
            else {"card_class": None, "account_class": None}
        )
        source = card.bank if stage == "BANK" else "CP"
        self.does("card.registered", source=source, card=card.token, bank=card.bank, stage=stage, person="per_" + card.token, **known)  # fmt: skip

    def number_of(self, card: Card, number: int) -> dict[str, str]:
        """The card by any of its numbers, and its bank."""
        return {"card": self.pick([card.token, *card.aliases], number), "bank": card.bank}

    def debit(self, card: Card) -> Callable[[], str]:
        """Whether a debit of now goes on: said again later, it is still one of now."""
        then = card.state

        def verdict() -> str:
            cell = DEBIT.get(then, "no")
            if cell == "yes":
                return "yes" if card.platform else "wait"
            if cell == "wait":
                return "wait" if card.state == "ISSUED" or not card.platform else "no"
            return "no"

        return verdict

    # -- what is expected ----------------------------------------------------------------------------------

    def held_by_all(self) -> Books:
        """What all things of the city make the accounts hold, days not closed."""
        books: Books = Counter()
        for things in (self.cards, self.credits, self.timeouts, self.stays, self.claims, self.payouts, self.topups, self.premiums, self.moved):  # fmt: skip
            for thing in things:
                thing.holds(books)
        return books

    def expected(self) -> Books:
        """The books as they must be: closed days have moved positions to banks and items to 3020."""
        books = self.held_by_all()
        books.subtract(self.settled_positions)
        for owner, amount in self.settled_items.items():
            books["3020." + owner] -= amount
        for one in self.instructions.values():
            if one.kind == "INTER_BANK" and self.done.get(one.id) != "CONFIRMED":
                books["3010." + one.debtor] += one.amount_fen
                books["3010." + one.creditor] -= one.amount_fen
        return Counter({name: amount for name, amount in books.items() if amount})

    @invariant()
    def the_books_are_what_the_model_says(self) -> None:
        """Every account to the fen; money and memo zero each; what waits is what the model knows to wait."""
        if not hasattr(self, "world"):
            return
        found = Counter({name: amount for name, amount in self.world.balances.items() if amount})
        expected = self.expected()
        differ = {
            name: (found[name], expected[name])
            for name in {*found, *expected}
            if found[name] != expected[name]
        }
        assert differ == {}, "account: (books, model)"
        assert sum(amount for name, amount in found.items() if is_memo(name)) == 0
        assert sum(amount for name, amount in found.items() if not is_memo(name)) == 0
        assert set(self.world.parkings) == {(one.event.source, one.event.id) for one in self.waiting}

    @invariant()
    def stays_hold_what_they_may(self) -> None:
        """A stay's deposit is never below zero and zero once discharged; refunds stay within their payment."""
        for stay in getattr(self, "stays", ()):
            held = -self.world.balances[f"9011.{stay.place}.{stay.number}"]
            assert held == stay.held >= 0
            assert stay.state == "OPEN" or not held
        for credit in getattr(self, "credits", ()):
            assert credit.refunded <= credit.fen
            undo = self.world.facts.get("undo", credit.event.source, credit.event.id)
            assert (undo.refunded_fen if undo else 0) == credit.refunded

    @invariant()
    def payouts_are_in_the_models_state(self) -> None:
        """States, and the card that is to be paid."""
        for out in getattr(self, "payouts", ()):
            known = self.world.fact("payout", out.event.source, out.event.id)
            assert (known.state, known.card, known.attempt) == (out.state, out.card.token, out.attempt)

    # -- the end of a day ----------------------------------------------------------------------------------

    @rule()
    def close(self) -> None:
        """A day is closed: positions to zero, bank nets to zero, items held at 3020."""
        day = self.today
        over = [one for one in self.waiting if one.since + timedelta(days=one.days) <= day]
        for one in [one for one in over if not one.behind()]:
            self.waiting.remove(one)
            one.refused(one.event)
        all_of = self.held_by_all()
        moved = Counter(all_of)
        moved.subtract(self.settled_positions)
        positions = {
            name: amount for name, amount in moved.items() if amount and code_of(name) in POSITION_CODES
        }
        items: Books = Counter()
        for name, amount in all_of.items():
            if code_of(name) in ITEMS:
                items[owner_of(name)] += amount
        nets: Books = Counter()
        for name, amount in positions.items():
            nets[owner_of(name) if code_of(name) == "1010" else SETTLED_AT[name]] += amount
        for owner in {*items, *self.settled_items}:
            nets[HOLDER[owner]] += items[owner] - self.settled_items[owner]
        netted = end_of_day(self.world, self.carried)
        self.cuts.append(len(self.world.sent))
        assert dict(netted.positions) == positions
        assert sum(nets.values()) == 0
        assert dict(netted.bank_nets) == {bank: amount for bank, amount in nets.items() if amount}
        for paid in netted.inter_bank:
            nets[paid.debtor] -= paid.amount_fen
            nets[paid.creditor] += paid.amount_fen
        assert not any(nets.values())
        assert len(netted.inter_bank) <= max(len(netted.bank_nets) - 1, 0)
        self.instructions |= {one.id: one for one in netted.instructions}
        self.settled_positions = Counter(
            {name: amount for name, amount in all_of.items() if code_of(name) in POSITION_CODES}
        )
        self.settled_items = items
        self.wake()  # the cut has decided who waited behind one whose time was over

    # -- the same again ------------------------------------------------------------------------------------

    @rule(number=nth)
    def again(self, number: int) -> None:
        """Any record a second time is a duplicate and moves nothing."""
        before = Counter(self.world.balances)
        done = self.world.take(self.pick(self.world.sent, number))
        assert done.outcome is Outcome.DUPLICATE
        assert self.world.balances == before

    def teardown(self) -> None:
        """Any other order that keeps what the contract asks to keep gives the same balances, day by day."""
        if not hasattr(self, "world"):
            return
        for seed in (1, 2):
            other, carried = new_world(), Counter[tuple[str, str]]()
            chance = random.Random(seed)
            queues = queues_of(self.world.sent, self.tied)
            begins = [0, *self.cuts]
            for day, first in enumerate(begins):
                last = begins[day + 1] if day + 1 < len(begins) else len(self.world.sent)
                events = shuffled(self.world.sent[first:last], queues, chance)
                size = chance.randint(1, max(len(events), 1))
                for at in range(0, len(events), size):
                    other.batch([Incoming(one) for one in events[at : at + size]])
                if day < len(self.cuts):
                    end_of_day(other, carried)
            assert {name: amount for name, amount in other.balances.items() if amount} == {
                name: amount for name, amount in self.world.balances.items() if amount
            }
            assert set(other.parkings) == set(self.world.parkings)


def yuan(amount: int) -> str:
    """Fen as the text of an amount."""
    return amount_text(amount)


def original(event: Event) -> dict[str, Any]:
    """ORIGINAL of an event."""
    return {"original": {"source": event.source, "id": event.id}}
