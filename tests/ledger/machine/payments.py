"""What a city pays at hospitals and pharmacies, and what becomes of it."""

# ruff: noqa: ANN401, D102, E501 - a rule is named for what the city does
from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from messages import Event
from tests.ledger.machine.base import CityBase, fen, nth, original, yuan
from tests.ledger.machine.model import SENDER, TERMINAL_OF, Card, Credit, TimeOut

places = st.sampled_from(["H1", "H2", "H2", "H3", "H4", "R1", "V1"])
routes = st.sampled_from(["DIRECT", "DIRECT", "DIRECT", "UNIONPAY", "CHANNEL"])


class Paying(CityBase):
    """How an event about money at an institution is put together, and what it credits."""

    def source_of(self, place: str, route: str = "DIRECT") -> str:
        return "T1" if route == "CHANNEL" else SENDER.get(place, place)

    def bill(self, card: dict[str, str], place: str, amount: int, route: str) -> dict[str, Any]:
        """Card, place, money and route of an event."""
        way = {} if route == "DIRECT" else {"route": route}
        return {"institution": place, "amount": yuan(amount)} | card | way

    def agreed(self, place: str, route: str) -> bool:
        return place != "V1" or route == "DIRECT"

    def credited(
        self, event: Event, place: str, card: Card, amount: int, *, route: str, by_terminal: bool = False
    ) -> Credit:
        credit = Credit(
            event,
            place,
            card,
            amount,
            self.today,
            route,
            by_terminal,
            order=getattr(event.data, "order_no", "") or "",
        )
        credit.charge()
        self.credits.append(credit)
        return credit

    def undo(self, credit: Credit, card: Card, **said: Any) -> dict[str, Any]:
        whole = self.bill({"card": card.token, "bank": card.bank}, credit.place, credit.fen, credit.route)
        return original(credit.event) | whole | said

    def undoing(self, credit: Credit) -> str:
        return self.source_of(credit.place, credit.route)


class Payments(Paying):
    """Payments by every route, fees, voids, refunds, reversals, time-outs, references and orders used twice."""

    def furnish(self) -> None:
        """Payments whose fee is shared, capped, and goes back with a refund; one of a pharmacy."""
        super().furnish()
        for number, place in enumerate(("H2", "H2", "R1")):
            card = self.cards[number]
            said = self.bill({"card": card.token, "bank": card.bank}, place, 9_000 + number, "DIRECT")
            one = self.does("payment.made", source=place, **said)
            self.credited(one, place, card, 9_000 + number, route="DIRECT")

    def payer(self, n: int) -> Card:
        return self.pick(self.cards, n)

    @rule(
        n=nth, alias=nth, place=places, amount=st.integers(1, 20_000), route=routes, by_terminal=st.booleans()
    )
    def pay(self, n: int, alias: int, place: str, amount: int, route: str, *, by_terminal: bool) -> None:
        card = self.payer(n)
        said = self.bill(self.number_of(card, alias), place, amount, route)
        if not self.agreed(place, route):
            self.does("payment.made", taken=False, source=self.source_of(place, route), **said)
            return
        uses_terminal = by_terminal and place in TERMINAL_OF and route == "DIRECT"
        if uses_terminal:
            said["terminal"] = TERMINAL_OF[place]
        self.may_wait(
            "payment.made", source=self.source_of(place, route), verdict=self.debit_at(card, said), **said,
            then=lambda event: self.credited(event, place, card, amount, route=route, by_terminal=uses_terminal),
        )  # fmt: skip

    def debit_at(self, card: Card, said: dict[str, Any]) -> Any:
        """A debit's verdict, at a terminal that may be locked."""
        locked = said.get("terminal") in self.locked
        return (lambda: "no") if locked else self.debit(card)

    # -- undos ---------------------------------------------------------------------------------------------

    @precondition(lambda self: self.plain())
    @rule(n=nth, part=st.sampled_from([7, 20, 33, 50, 100]), to_new=st.booleans())
    def refund(self, n: int, part: int, *, to_new: bool) -> None:
        """Part of a payment goes back, to the card or to the one that took its place."""
        credit = self.pick(self.plain(), n)
        card = (credit.card.kept or credit.card.latest) if to_new else credit.card
        amount = max(1, credit.fen * part // 100)
        fits = not credit.gone and credit.refunded + amount <= credit.fen
        self.does(
            "payment.refunded",
            taken=fits,
            source=self.undoing(credit),
            **self.undo(credit, card, amount=yuan(amount)),
        )
        if fits:
            credit.refund(amount, card.bank)
            if credit.stay is not None:
                credit.stay.owed += amount

    @precondition(lambda self: self.plain())
    @rule(n=nth)
    def void(self, n: int) -> None:
        credit = self.pick(self.plain(), n)
        fits = not credit.gone and not credit.refunded and credit.day == self.today
        self.does("payment.voided", taken=fits, source=self.undoing(credit), **self.undo(credit, credit.card))
        if fits:
            self.take_back(credit, "voided")

    @precondition(lambda self: self.plain())
    @rule(n=nth, by_bank=st.booleans())
    def reverse(self, n: int, *, by_bank: bool) -> None:
        credit = self.pick(self.plain(), n)
        fits = credit.gone == "reversed" or (not credit.gone and not credit.refunded)
        source = credit.card.bank if by_bank else self.undoing(credit)
        self.does("payment.reversed", taken=fits, source=source, **original(credit.event), institution=credit.place, amount=yuan(credit.fen))  # fmt: skip
        if fits and not credit.gone:
            self.take_back(credit, "reversed")

    def take_back(self, credit: Credit, how: str) -> None:
        credit.gone = how
        if credit.stay is not None:
            credit.stay.owed += credit.fen

    def plain(self) -> list[Credit]:
        """Payments and paid arrears, by themselves or confirmed."""
        return [
            one
            for one in self.credits
            if one.event.type in {"payment.made", "arrears.paid"} or self.plain_timeout(one)
        ]

    def plain_timeout(self, credit: Credit) -> bool:
        return credit.event.type == "payment.timed_out" and not credit.event.data.__dict__["admission_no"]

    # -- used twice ----------------------------------------------------------------------------------------

    @precondition(lambda self: self.plain())
    @rule(n=nth, amount=fen)
    def order_again(self, n: int, amount: int) -> None:
        """An order number is free again once its payment is voided or reversed, not when it is refunded."""
        credit = self.pick(self.plain(), n)
        card = self.cards[0]
        if credit.place == "V1" or not credit.order:
            return
        taken = all(
            one.gone for one in self.credits if (one.place, one.order) == (credit.place, credit.order)
        )
        taken = taken and not any(
            one.open for one in self.timeouts
            if (one.credit.place, one.credit.order) == (credit.place, credit.order)
        )  # fmt: skip
        said = self.bill({"card": card.token, "bank": card.bank}, credit.place, amount, "DIRECT")
        one = self.does("payment.made", taken=taken, source=credit.place, order_no=credit.order, **said)
        if taken:
            self.credited(one, credit.place, card, amount, route="DIRECT")

    @precondition(lambda self: self.plain())
    @rule(n=nth)
    def reference_again(self, n: int) -> None:
        """A bank reference is used up for ever, also when its payment is gone."""
        credit = self.pick(self.plain(), n)
        said: Any = credit.event.data
        if credit.route != "DIRECT" or said.bank_ref is None:
            return
        bill = self.bill({"card": self.cards[0].token, "bank": credit.card.bank}, "H1", 100, "DIRECT")
        self.does(
            "payment.made",
            taken=False,
            source="H1",
            bank_ref=said.bank_ref,
            bank_date=str(said.bank_date),
            **bill,
        )

    @rule(n=nth, amount=fen, same=st.booleans())
    def reversed_before_it_came(self, n: int, amount: int, *, same: bool) -> None:
        """A reversal comes first; the payment behind it is refused when the amount is the same."""
        card, number = self.pick(self.cards[:6], n), f"late{len(self.world.sent)}"
        if card.state != "ACTIVE":
            return
        self.does(
            "payment.reversed",
            source="H1",
            original={"source": "H1", "id": number},
            institution="H1",
            amount=yuan(amount),
        )
        fen_ = amount if same else amount + 1
        said = self.bill({"card": card.token, "bank": card.bank}, "H1", fen_, "DIRECT")
        one = self.does("payment.made", taken=not same, source="H1", id=number, **said)
        if not same:
            self.credited(one, "H1", card, fen_, route="DIRECT")

    # -- time-outs -----------------------------------------------------------------------------------------

    @rule(n=nth, place=places, amount=fen, debited=st.booleans(), unionpay=st.booleans())
    def time_out(self, n: int, place: str, amount: int, *, debited: bool, unionpay: bool) -> None:
        card, route = self.pick(self.cards, n), "UNIONPAY" if unionpay else "DIRECT"
        ref = {} if debited else {"bank_ref": None, "bank_date": None}
        said = self.bill({"card": card.token, "bank": card.bank}, place, amount, route)
        taken = self.agreed(place, route)
        one = self.does("payment.timed_out", taken=taken, source=self.source_of(place), **said, **ref)
        if taken:
            credit = Credit(one, place, card, amount, self.today, route, order=one.data.__dict__["order_no"])
            self.timeouts.append(TimeOut(credit, debited))

    @precondition(lambda self: self.timeouts)
    @rule(n=nth, by_bank=st.booleans())
    def confirm(self, n: int, *, by_bank: bool) -> None:
        """The bank says that it happened: from then on the time-out is a payment, or a deposit of its stay."""
        one = self.pick(self.timeouts, n)
        credit, stay = one.credit, one.credit.stay
        fits = one.open and (stay is None or stay.state == "OPEN")
        route = {} if credit.route == "DIRECT" else {"route": credit.route}
        source = credit.card.bank if by_bank else self.source_of(credit.place)
        self.does("payment.confirmed", taken=fits, source=source, **original(credit.event), **route)
        if not fits:
            return
        one.open, credit.day = False, self.today
        credit.charge()
        self.credits.append(credit)
        if stay is not None:
            stay.held += credit.fen
            stay.routes.add(credit.route)

    @precondition(lambda self: self.timeouts)
    @rule(n=nth)
    def reverse_time_out(self, n: int) -> None:
        one = self.pick([*self.timeouts], n)
        if not one.open:
            return
        credit = one.credit
        self.does("payment.reversed", source=self.source_of(credit.place), **original(credit.event), institution=credit.place, amount=yuan(credit.fen))  # fmt: skip
        one.open = False
        self.timeouts.remove(one)

    # -- fees ----------------------------------------------------------------------------------------------

    @precondition(lambda self: self.credits)
    @rule(n=nth, payee=st.sampled_from(["B2", "B3", "B1"]), amount=st.integers(1, 80), more=st.booleans())
    def adjust_fee(self, n: int, payee: str, amount: int, *, more: bool) -> None:
        """An approved difference: more, or less while it stands; a later void gives back what then stands."""
        credit = self.pick(self.credits, n)
        fits = not credit.gone and (more or amount <= credit.standing(payee))
        self.does(
            "fee.adjusted", taken=fits, **original(credit.event), bearer=credit.place, payee=payee,
            amount=yuan(amount), direction="MORE" if more else "LESS",
        )  # fmt: skip
        if fits:
            credit.fees[payee] = credit.fees.get(payee, 0) + (amount if more else -amount)
