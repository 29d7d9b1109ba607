"""Stays of a straight day: what they are paid, spend, owe and hand on."""

# ruff: noqa: ANN401 - fields of any event, one event a line
from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from clearing.ledger.facts import Settlement, Stay
from messages import amount_text
from tests.ledger.straight_payments import Paid
from tests.ledger.world import claim

if TYPE_CHECKING:
    from tests.ledger.straight import Straight

HOSPITALS: Final = {"A1": "H1", "A2": "H1", "A3": "H2", "M1": "H1", "M2": "H1"}
"""Stays and their hospitals. Those in M are paid on other record keys too, and never end."""
ACROSS: Final = {"treat_area": "990001", "insured_area": "990002"}


class Stays:
    """What clearing.deposits brings."""

    def __init__(self, day: Straight) -> None:
        self.day = day
        self.deposit_fen = Counter[str]()
        """What a stay was paid under its own record key and has not spent: it may lean on that alone."""
        self.arrears_fen = Counter[str]()
        """What it owes, without what came back from the payments' topic."""
        self.payers: dict[str, list[str]] = {}
        """Own numbers of cards that paid under its own key."""
        self.leaned_on: set[str] = set()
        """Claims that something else depends on: they are not recalled."""

    def step(self) -> None:
        """One thing that may happen to a stay now."""
        chance = self.day.chance
        number = chance.choice(list(HOSPITALS))
        stay: Stay | None = self.day.world.facts.get("stay", HOSPITALS[number], number)
        said: dict[str, Any] = self.day.cards.any() | {
            "institution": HOSPITALS[number],
            "admission_no": number,
        }
        if stay is None:
            self.send("admission.registered", **said)
        elif stay.state == "DISCHARGED":
            self.recall(stay)
        elif stay.state == "OPEN":
            do = [
                self.deposit,
                self.deposit,
                self.deposit,
                self.refund,
                self.void,
                self.discharge,
                self.owe,
                self.hand_on,
            ]
            chance.choice([*do, self.time_out] if number in {"M1", "M2"} else [*do, self.cancel])(stay, said)

    def send(self, kind: str, **said: Any) -> Any:
        """An event of the stay, from its hospital."""
        return self.day.sure(kind, HOSPITALS[said["admission_no"]], **said)

    # -- deposits --------------------------------------------------------------------------------------------

    def deposit(self, stay: Stay, said: dict[str, Any]) -> None:
        """Money is left; where others pay too, some that will be taken back on their topic."""
        amount, number = self.day.chance.randint(1, 9_999), stay.admission_no
        paid = self.send("deposit.paid", **said, amount=amount_text(amount))
        if number in {"M1", "M2"} and self.day.chance.random() < 0.3:
            self.day.payments.paid.append(Paid(paid, paid, self.day.payments.today))
            return
        self.deposit_fen[number] += amount
        self.payers.setdefault(number, []).append(self.day.cards.own[said["card"]])

    def time_out(self, _: Stay, said: dict[str, Any]) -> None:
        """A deposit's result is unknown."""
        self.day.payments.time_out(institution=said["institution"], admission_no=said["admission_no"])

    def confirmed(self, one: Paid) -> None:
        """The deposit was paid after all: the stay does not lean on it."""

    def take_back(self, one: Paid) -> None:
        """A confirmed deposit is voided by its hospital or reversed."""
        if self.day.chance.random() < 0.5:
            self.day.payments.reverse(one)
            return
        if one.day != self.day.payments.today:
            return
        whole = {"amount": amount_text(one.said.amount), "admission_no": one.said.admission_no}
        self.send("deposit.voided", **one.original, **one.place, **whole, **self.day.cards.of(one.said))
        one.gone = True

    def refund(self, stay: Stay, said: dict[str, Any]) -> None:
        """Some of it goes back to a card that paid."""
        number = stay.admission_no
        if self.deposit_fen[number]:
            own = self.day.chance.choice(self.payers[number])
            amount = self.day.chance.randint(1, self.deposit_fen[number])
            card = self.day.cards.by_any_number(own, self.bank_of(own))
            self.send("deposit.refunded", **said | card, amount=amount_text(amount))
            self.deposit_fen[number] -= amount

    def bank_of(self, own: str) -> str:
        """The bank of a card, whatever its state."""
        return str(self.day.world.fact("card", own).bank)

    def void(self, stay: Stay, said: dict[str, Any]) -> None:
        """The latest deposit of the day that can be is voided."""
        watched = {one.event.id for one in self.day.payments.paid}
        today, number = self.day.payments.today, stay.admission_no
        for one in reversed(self.day.world.sent):
            paid: Any = one.data
            if (
                one.type == "deposit.paid"
                and paid.admission_no == number
                and one.id not in watched
                and self.day.world.facts.get("undo", one.source, one.id) is None
                and paid.amount <= self.deposit_fen[number]
                and str(self.day.world.fact("original", one.source, one.id).entry.clearing_date) == today
            ):
                was = self.day.cards.of(paid) | {"original": {"source": one.source, "id": one.id}}
                self.send("deposit.voided", **said | was, amount=amount_text(paid.amount))
                self.deposit_fen[number] -= paid.amount
                return

    def hand_on(self, stay: Stay, said: dict[str, Any]) -> None:
        """Some of it goes to a stay that leans on nothing else; that stay's own key has other events."""
        number, to = stay.admission_no, self.day.chance.choice(["M1", "M2"])
        taker: Stay | None = self.day.world.facts.get("stay", "H1", to)
        if said["institution"] != "H1" or to == number or taker is None or not self.deposit_fen[number]:
            return
        amount = self.day.chance.randint(1, self.deposit_fen[number])
        self.day.sure(
            "deposit.transferred", "H1", from_admission=number, to_admission=to, amount=amount_text(amount)
        )
        self.deposit_fen[number] -= amount

    def cancel(self, stay: Stay, said: dict[str, Any]) -> None:
        """It never was, where nothing is left of it."""
        if not (stay.deposit_fen or stay.arrears_fen or stay.settlements) and self.day.chance.random() < 0.1:
            self.send("admission.cancelled", institution=said["institution"], admission_no=stay.admission_no)

    # -- settlements -----------------------------------------------------------------------------------------

    def discharge(self, stay: Stay, said: dict[str, Any]) -> None:
        """A settlement, interim or final, with a top-up, a refund, something owed, or none of them."""
        chance, number = self.day.chance, stay.admission_no
        held = self.deposit_fen[number]
        final = number not in {"M1", "M2"} and chance.random() < 0.5
        used = held if final else chance.randint(0, held)
        top_up, refund, owed = chance.choice([(0, 0, 0), (500, 0, 0), (0, 0, 700), (0, used // 2, 0)])
        if refund:
            own = chance.choice(self.payers[number])
            said |= self.day.cards.by_any_number(own, self.bank_of(own))
        parts = {"deposit_used": used, "top_up": top_up, "refund": refund, "arrears": owed}
        borne = chance.choice([0, 8_000])
        parts["total"] = used + top_up + owed - refund + borne
        told: dict[str, Any] = {name: amount_text(fen) for name, fen in parts.items()}
        if borne:
            named = f"S{len(self.day.world.sent)}"
            areas = chance.choice([{}, ACROSS])
            told["claim"] = claim(named, amount_text(borne), total=told["total"], advanced=True, **areas)
            self.day.payers.advanced(said["institution"], named, borne, across=bool(areas))
        money = self.day.ref() if top_up or refund else {}
        self.send("discharge.settled", **said, **money, **told, stage="FINAL" if final else "INTERIM")
        self.deposit_fen[number] -= used
        self.arrears_fen[number] += owed

    def recall(self, stay: Stay) -> None:
        """The final settlement is taken back, where what it left owed still is and its claim was not settled."""
        settled = self.day.world.fact("original", *stay.settlements[-1]).event
        said: Any = settled.data
        borne, number = (said.claim.settlement_id if said.claim else ""), stay.admission_no
        known: Settlement | None = self.day.world.facts.get("settlement", "F1", borne)
        if said.arrears > self.arrears_fen[number] or (known and known.settled) or borne in self.leaned_on:
            return
        self.day.payers.not_advanced(borne)
        moved: dict[str, Any] = self.day.cards.of(said) | self.day.ref() if said.top_up or said.refund else {}
        if said.refund and self.day.cards.own[said.card] not in self.day.cards.banks:
            return
        self.day.sure(
            "discharge.cancelled",
            settled.source,
            original={"source": settled.source, "id": settled.id},
            **moved,
        )
        self.deposit_fen[number] += said.deposit_used
        self.arrears_fen[number] -= said.arrears

    # -- arrears ---------------------------------------------------------------------------------------------

    def owe(self, stay: Stay, said: dict[str, Any]) -> None:
        """Something is owed, or what is owed is paid or written off."""
        kind = self.day.chance.choice(["arrears.recorded", "arrears.paid", "arrears.written_off"])
        number, owed = stay.admission_no, self.arrears_fen[stay.admission_no]
        if kind != "arrears.recorded" and not owed:
            return
        part = self.day.chance.randint(1, owed) if owed else 350
        where = {"institution": said["institution"], "admission_no": number}
        more = said if kind == "arrears.paid" else where
        event = self.send(kind, **more, amount=amount_text(part))
        self.arrears_fen[number] += part if kind == "arrears.recorded" else -part
        if kind == "arrears.paid":
            self.day.payments.paid.append(Paid(event, event, self.day.payments.today))
