"""A machine that does what a city does in any order, beside a small model that knows only sums and states.

`make soak` runs it longer; `make test` runs a few seconds of it.
"""

# ruff: noqa: ANN401, D102, E501 - fields of any event; a rule is named for what the city does
from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from clearing.ledger.accounts import code_of, is_memo
from clearing.ledger.decide import Incoming
from clearing.ledger.outcomes import Outcome
from messages import CATALOGUE, Event, amount_text
from tests.ledger.soak import machine_settings
from tests.ledger.world import KEPT, A, B, World, claim

TAKEN = {Outcome.POSTED, Outcome.NOTED}
BANK_OF = {A: "B1", B: "B2", KEPT: "B1", "tok_card_I": "B1"}

cards = st.sampled_from([A, B])
places = st.sampled_from(["H1", "H2", "H3", "R1"])
fen = st.integers(1, 20_000)


@dataclass
class Paid:
    """A payment as the model sees it."""

    event: Event
    place: str
    card: str
    fen: int
    unionpay: bool = False
    refunded: int = 0
    gone: bool = False


@dataclass
class Stay:
    """A stay as the model sees it."""

    number: str
    held: int = 0
    owed: int = 0
    open: bool = True
    settlements: list[tuple[Event, int, int]] | None = None
    """(event, deposit used, arrears left)."""


@dataclass
class Out:
    """A payout as the model sees it."""

    event: Event
    fen: int
    card: str
    state: str
    attempt: int = 1


class City(RuleBasedStateMachine):
    """Cards, payments and their undos, time-outs, stays, payouts."""

    payments: Bundle[Paid] = Bundle("payments")
    timeouts: Bundle[Paid] = Bundle("timeouts")
    stays: Bundle[Stay] = Bundle("stays")
    payouts: Bundle[Out] = Bundle("payouts")

    @initialize()
    def begin(self) -> None:
        self.world = World()
        self.open_timeouts: dict[int, int] = {}
        self.all_payments: list[Paid] = []
        self.all_stays: list[Stay] = []
        self.all_payouts: list[Out] = []
        issued: dict[str, Any] = {"card": "tok_card_I"}
        self.world.send("card.registered", **issued)
        self.world.send(
            "card.registered", "CP", **issued, stage="PLATFORM", card_class=None, account_class=None
        )
        self.issued = True

    def does(self, kind: str, *, taken: bool, source: str = "", **said: Any) -> Event:
        """Send an event that the model expects to be taken or not."""
        done = self.world.send(kind, source, **said)
        assert (done.outcome in TAKEN) == taken, (kind, taken, done.outcome, done.reason, done.detail)
        return done.event

    # -- payments --------------------------------------------------------------------------------------------

    @rule(target=payments, card=cards, place=places, amount=fen, unionpay=st.booleans())
    def pay(self, card: str, place: str, amount: int, *, unionpay: bool) -> Paid:
        said = {"route": "UNIONPAY"} if unionpay else {}
        one = self.does("payment.made", taken=True, source=place, institution=place, card=card, bank=BANK_OF[card], amount=amount_text(amount), **said)  # fmt: skip
        self.all_payments.append(Paid(one, place, card, amount, unionpay))
        return self.all_payments[-1]

    def undo(self, paid: Paid, **said: Any) -> dict[str, Any]:
        """What an undo of a payment says."""
        route = {"route": "UNIONPAY"} if paid.unionpay else {}
        original = {"original": {"source": paid.event.source, "id": paid.event.id}}
        whole = {
            "institution": paid.place,
            "card": paid.card,
            "bank": BANK_OF[paid.card],
            "amount": amount_text(paid.fen),
        }
        return original | whole | route | said

    @rule(paid=payments, part=st.integers(1, 100))
    def refund(self, paid: Paid, part: int) -> None:
        amount = max(1, paid.fen * part // 100)
        fits = not paid.gone and paid.refunded + amount <= paid.fen
        self.does(
            "payment.refunded", taken=fits, source=paid.place, **self.undo(paid, amount=amount_text(amount))
        )
        paid.refunded += amount if fits else 0

    @rule(paid=payments)
    def void(self, paid: Paid) -> None:
        fits = not paid.gone and not paid.refunded
        self.does("payment.voided", taken=fits, source=paid.place, **self.undo(paid))
        paid.gone |= fits

    @rule(paid=payments)
    def reverse(self, paid: Paid) -> None:
        before = self.world.facts.get("undo", paid.event.source, paid.event.id)
        was_reversed = before is not None and before.spent == "reversed"
        fits = (not paid.gone and not paid.refunded) or was_reversed
        said = {
            name: value
            for name, value in self.undo(paid).items()
            if name in {"original", "institution", "amount"}
        }
        self.does("payment.reversed", taken=fits, source=paid.place, **said)
        paid.gone |= fits

    @rule(target=timeouts, card=cards, place=places, amount=fen, debited=st.booleans())
    def time_out(self, card: str, place: str, amount: int, *, debited: bool) -> Paid:
        ref = {} if debited else {"bank_ref": None, "bank_date": None}
        one = self.does("payment.timed_out", taken=True, source=place, institution=place, card=card, bank=BANK_OF[card], amount=amount_text(amount), **ref)  # fmt: skip
        if debited:
            self.open_timeouts[id(one)] = amount
        return Paid(one, place, card, amount)

    @rule(target=payments, paid=consumes(timeouts))
    def confirm(self, paid: Paid) -> Any:
        original = {"original": {"source": paid.event.source, "id": paid.event.id}}
        self.does("payment.confirmed", taken=True, source=paid.place, **original)
        self.open_timeouts.pop(id(paid.event), None)
        self.all_payments.append(paid)
        return multiple(paid)

    @rule(paid=consumes(timeouts))
    def reverse_time_out(self, paid: Paid) -> None:
        said = {
            name: value
            for name, value in self.undo(paid).items()
            if name in {"original", "institution", "amount"}
        }
        self.does("payment.reversed", taken=True, source=paid.place, **said)
        self.open_timeouts.pop(id(paid.event), None)

    # -- stays -----------------------------------------------------------------------------------------------

    @rule(target=stays)
    def admit(self) -> Stay:
        stay = Stay(f"A{len(self.all_stays) + 1}", settlements=[])
        self.does("admission.registered", taken=True, admission_no=stay.number)
        self.all_stays.append(stay)
        return stay

    @rule(stay=stays, amount=fen)
    def deposit(self, stay: Stay, amount: int) -> None:
        self.does("deposit.paid", taken=stay.open, admission_no=stay.number, amount=amount_text(amount))
        stay.held += amount if stay.open else 0

    @rule(stay=stays, amount=fen)
    def deposit_refund(self, stay: Stay, amount: int) -> None:
        fits = stay.open and amount <= stay.held
        self.does("deposit.refunded", taken=fits, admission_no=stay.number, amount=amount_text(amount))
        stay.held -= amount if fits else 0

    @rule(giver=stays, taker=stays, amount=fen)
    def transfer(self, giver: Stay, taker: Stay, amount: int) -> None:
        if giver is taker:
            return
        fits = giver.open and taker.open and amount <= giver.held
        self.does("deposit.transferred", taken=fits, from_admission=giver.number, to_admission=taker.number, amount=amount_text(amount))  # fmt: skip
        if fits:
            giver.held -= amount
            taker.held += amount

    @rule(stay=stays, top_up=st.integers(0, 5_000), arrears=st.integers(0, 5_000), final=st.booleans())
    def discharge(self, stay: Stay, top_up: int, arrears: int, *, final: bool) -> None:
        used = stay.held if final else stay.held // 2
        ref = {"bank_ref": f"RD{len(self.world.sent)}", "bank_date": "2026-03-10"} if top_up else {}
        total = amount_text(used + top_up + arrears)
        parts = {
            "deposit_used": amount_text(used),
            "top_up": amount_text(top_up),
            "arrears": amount_text(arrears),
        }
        one = self.does("discharge.settled", taken=stay.open, admission_no=stay.number, stage="FINAL" if final else "INTERIM", total=total, **parts, **ref)  # fmt: skip
        if stay.open:
            stay.held, stay.owed, stay.open = stay.held - used, stay.owed + arrears, not final
            assert stay.settlements is not None
            stay.settlements.append((one, used, arrears))

    @rule(stay=stays)
    def recall(self, stay: Stay) -> None:
        if not stay.settlements:
            return
        one, used, arrears = stay.settlements[-1]
        body: Any = one.data
        moved = (
            {"card": A, "bank": "B1", "bank_ref": f"RR{len(self.world.sent)}", "bank_date": "2026-03-10"}
            if body.top_up
            else {}
        )
        fits = arrears <= stay.owed
        self.does("discharge.cancelled", taken=fits, original={"source": one.source, "id": one.id}, **moved)
        if fits:
            stay.settlements.pop()
            stay.held, stay.owed, stay.open = stay.held + used, stay.owed - arrears, True

    @rule(stay=stays, amount=fen)
    def pay_arrears(self, stay: Stay, amount: int) -> None:
        fits = amount <= stay.owed
        self.does("arrears.paid", taken=fits, admission_no=stay.number, amount=amount_text(amount))
        stay.owed -= amount if fits else 0

    # -- payouts ---------------------------------------------------------------------------------------------

    @rule(target=payouts, card=st.sampled_from([A, B, "tok_card_I"]), amount=fen)
    def submit(self, card: str, amount: int) -> Out:
        text = amount_text(amount)
        said: dict[str, Any] = {
            "card": card,
            "bank": BANK_OF[card],
            "amount": text,
            "claim": claim(f"S{len(self.all_payouts)}", text),
        }
        one = self.does("reimbursement.submitted", taken=True, **said)
        held = card == "tok_card_I" and self.issued
        self.all_payouts.append(Out(one, amount, card, "HELD" if held else "ACCEPTED"))
        return self.all_payouts[-1]

    @rule()
    def activate(self) -> None:
        self.does("card.activated", taken=self.issued, card="tok_card_I")
        self.issued = False
        for out in self.all_payouts:
            out.state = "ACCEPTED" if out.state == "HELD" else out.state

    def about(self, out: Out, kind: str, *, taken: bool, then: str, **said: Any) -> None:
        """One event about a payout, and the state it leads to when it is taken."""
        original = {"original": {"source": out.event.source, "id": out.event.id}}
        source = "F1" if kind.endswith(("withdrawn", "given_back", "repaid")) else BANK_OF[out.card]
        attempt = {"attempt": out.attempt} if source != "F1" else {}
        self.does(kind, taken=taken, source=source, **original, **attempt, **said)
        out.state = then if taken else out.state

    @rule(out=payouts, paid=st.booleans())
    def result(self, out: Out, *, paid: bool) -> None:
        if out.state == "HELD":
            return
        said = {"result": "PAID"} if paid else {"result": "REJECTED", "reason_code": "R03"}
        taken = out.state in {"ACCEPTED", "SENT"}
        self.about(
            out, "payout.result", taken=taken, then=str(said["result"]), amount=amount_text(out.fen), **said
        )

    @rule(out=payouts)
    def sent(self, out: Out) -> None:
        self.about(out, "payout.sent", taken=out.state in {"ACCEPTED", "SENT"}, then="SENT")

    @rule(out=payouts)
    def returned(self, out: Out) -> None:
        if out.state in {"HELD", "ACCEPTED", "SENT"}:
            return
        self.about(
            out, "payout.returned", taken=out.state == "PAID", then="RETURNED", amount=amount_text(out.fen)
        )

    @rule(out=payouts)
    def repay(self, out: Out) -> None:
        taken = out.state in {"REJECTED", "RETURNED"}
        out.attempt, out.card = (out.attempt + 1, KEPT) if taken else (out.attempt, out.card)
        self.about(out, "payout.repaid", taken=taken, then="ACCEPTED", card=KEPT, bank="B1")

    @rule(out=payouts)
    def give_back(self, out: Out) -> None:
        self.about(out, "payout.given_back", taken=out.state in {"REJECTED", "RETURNED"}, then="GIVEN_BACK")

    @rule(out=payouts)
    def withdraw(self, out: Out) -> None:
        self.about(out, "reimbursement.withdrawn", taken=out.state in {"HELD", "ACCEPTED"}, then="WITHDRAWN")

    @rule(number=st.integers(0, 10_000))
    def again(self, number: int) -> None:
        """Any record a second time is a duplicate and moves nothing."""
        before = Counter(self.world.balances)
        done = self.world.take(self.world.sent[number % len(self.world.sent)])
        assert done.outcome is Outcome.DUPLICATE
        assert self.world.balances == before

    # -- what always holds -----------------------------------------------------------------------------------

    @invariant()
    def books_balance(self) -> None:
        """Money and memo are zero each, and nothing waits in this city."""
        if not hasattr(self, "world"):
            return
        sums = self.by_code()
        assert sum(total for name, total in self.world.balances.items() if is_memo(name)) == 0
        assert sum(total for name, total in self.world.balances.items() if not is_memo(name)) == 0
        assert not self.world.parkings
        assert -sums["2050"] == sum(self.open_timeouts.values())
        waiting = [out.fen for out in self.all_payouts if out.state in {"HELD", "ACCEPTED", "SENT"}]
        failed = [out.fen for out in self.all_payouts if out.state in {"REJECTED", "RETURNED"}]
        assert (-sums["2035"], -sums["2030"]) == (sum(waiting), sum(failed))
        spent = [out.fen for out in self.all_payouts if out.state not in {"WITHDRAWN", "GIVEN_BACK"}]
        assert sums["1020"] == sum(spent)
        network = [one.fen - one.refunded for one in self.all_payments if one.unionpay and not one.gone]
        assert sums["1050"] == -sums["2019"] == sum(network)

    @invariant()
    def stays_hold_what_the_model_says(self) -> None:
        """A stay's deposit is never below zero, is zero once discharged, and what is owed is what was left."""
        for stay in getattr(self, "all_stays", ()):
            held = -self.world.balances[f"9011.H1.{stay.number}"]
            assert held == stay.held >= 0
            assert stay.open or not held
            assert -self.world.balances[f"9041.H1.{stay.number}"] == stay.owed >= 0

    @invariant()
    def payouts_are_in_the_models_state(self) -> None:
        """States, and refunds within their payment."""
        for out in getattr(self, "all_payouts", ()):
            assert self.world.fact("payout", out.event.source, out.event.id).state == out.state
        for paid in getattr(self, "all_payments", ()):
            undo = self.world.facts.get("undo", paid.event.source, paid.event.id)
            assert (undo.refunded_fen if undo else 0) == paid.refunded <= paid.fen

    def by_code(self) -> defaultdict[str, int]:
        """Balances by account code."""
        sums: defaultdict[str, int] = defaultdict(int)
        for name, total in self.world.balances.items():
            sums[code_of(name)] += total
        return sums

    def teardown(self) -> None:
        """Any other order that keeps the order of events of one record key gives the same balances."""
        if not hasattr(self, "world"):
            return
        for seed in (1, 2):
            other = World()
            other.batch([Incoming(one) for one in shuffled(self.world.sent, random.Random(seed))])
            assert +other.balances == +self.world.balances
            assert {name: total for name, total in other.balances.items() if total} == {
                name: total for name, total in self.world.balances.items() if total
            }
            assert not other.parkings


def shuffled(events: list[Event], chance: random.Random) -> list[Event]:
    """The events in another order, those that share a card, stay, payout or time-out in the order they had."""
    queues: defaultdict[str, list[Event]] = defaultdict(list)
    name_of = {(one.source, one.id): CATALOGUE[one.type].key(one) for one in events}
    # One card, stay or payout may be named by several keys: those are one queue.
    joined: dict[str, str] = {}

    def root(name: str) -> str:
        while name in joined:
            name = joined[name]
        return name

    for one in events:
        name, said = root(name_of[one.source, one.id]), one.data.__dict__
        others = [said[field] for field in ("card",) if said.get(field)]
        if (original := said.get("original")) is not None:
            others.append(name_of.get((original.source, original.id), name))
        others += [f"H1/{said[field]}" for field in ("from_admission", "to_admission") if said.get(field)]
        for other in others:
            if root(other) != name:
                joined[root(other)] = name
    for one in events:
        queues[root(name_of[one.source, one.id])].append(one)
    turns = [name for name, queue in queues.items() for _ in queue]
    chance.shuffle(turns)
    return [queues[name].pop(0) for name in turns]


TestCity = City.TestCase
TestCity.settings = machine_settings


@settings(machine_settings, stateful_step_count=1)
@given(
    st.randoms(use_true_random=False),
    st.lists(st.sampled_from(["void", "refund", "confirm", "deposit"]), min_size=1, max_size=6),
)
def test_what_comes_before_its_original_gives_the_same_balances(
    chance: random.Random, kinds: list[str]
) -> None:
    """Across keys any order is right: an undo, a confirmation or a deposit that comes first waits and posts."""
    straight = World()
    for kind in kinds:
        if kind == "deposit":
            number = f"A{len(straight.sent)}"
            straight.send("admission.registered", admission_no=number)
            straight.send("deposit.paid", admission_no=number)
        elif kind == "confirm":
            straight.send("payment.timed_out")
            straight.send("payment.confirmed")
        else:
            straight.send("payment.made")
            straight.send("payment.voided" if kind == "void" else "payment.refunded", amount="100.00")
    events = list(straight.sent)
    chance.shuffle(events)
    other = World()
    size = chance.randint(1, len(events))
    for first in range(0, len(events), size):
        other.batch([Incoming(one) for one in events[first : first + size]])
    assert other.balances == straight.balances
    assert not other.parkings
