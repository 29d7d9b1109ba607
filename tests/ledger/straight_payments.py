"""Payments of a straight day: made, timed out, confirmed, taken back; top-ups and premiums."""

# ruff: noqa: ANN401 - fields of any event, one event a line
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from messages import Event, amount_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.ledger.straight import Straight


@dataclass
class Paid:
    """A payment, what arrears.paid took, or a time-out, and what has become of it."""

    event: Event
    booked: Event | None
    """The event that booked it; None while a time-out is open."""
    day: str
    """On which it was booked."""
    refunded_fen: int = 0
    adjusted: bool = False
    gone: bool = False

    @property
    def said(self) -> Any:
        """Its body."""
        return self.event.data

    @property
    def original(self) -> dict[str, Any]:
        """The ORIGINAL that names it."""
        return {"original": {"source": self.event.source, "id": self.event.id}}

    @property
    def place(self) -> dict[str, Any]:
        """Where it was paid, and its route."""
        return {"institution": self.said.institution, "route": self.said.route}


class Payments:
    """What clearing.payments brings: of cards, also of what stays have paid."""

    def __init__(self, day: Straight) -> None:
        self.day = day
        self.paid: list[Paid] = []
        self.topups: list[Event] = []
        self.premiums: list[Event] = []
        self.free_orders: dict[str, list[tuple[str, str]]] = {}
        """Order numbers that were freed, by the number of the card that paid them: its record key."""

    def step(self) -> None:
        """One thing that happens to a payment, a top-up or a premium."""
        chance = self.day.chance
        if chance.random() < 0.5 and (open_ones := [one for one in self.paid if not one.gone]):
            self.go_on(chance.choice(open_ones))
            return
        do: Callable[[], None] = chance.choice(
            [self.pay, self.pay, self.time_out, self.top_up, self.premium, self.correct]
        )
        do()

    # -- payments --------------------------------------------------------------------------------------------

    def fields(self, *, again: bool = False) -> dict[str, Any]:
        """A card, a place, an amount and an order number, `again` one that was freed under the same record key."""
        chance, card = self.day.chance, self.day.cards.any()
        freed = self.free_orders.get(card["card"]) if again else None
        hospital, order = (
            freed.pop() if freed else (chance.choice(["H1", "H3", "R1"]), f"q{len(self.day.world.sent)}")
        )
        amount = amount_text(chance.randint(1, 99_999))
        return {**card, "amount": amount, "order_no": order, "institution": hospital}

    def pay(self) -> None:
        """Paid, by any route."""
        said = self.fields(again=True)
        route = self.day.chance.choice(["DIRECT", "DIRECT", "UNIONPAY", "CHANNEL"])
        source = "T1" if route == "CHANNEL" else said["institution"]
        event = self.day.sure("payment.made", source, **said, route=route)
        self.paid.append(Paid(event, event, self.today))

    def time_out(self, **stay: Any) -> None:
        """Its result is unknown; the bank may have debited the card."""
        said, route = self.fields() | stay, self.day.chance.choice(["DIRECT", "DIRECT", "UNIONPAY"])
        debited = {} if self.day.chance.random() < 0.6 else {"bank_ref": None, "bank_date": None}
        event = self.day.sure("payment.timed_out", said["institution"], **said, **debited, route=route)
        self.paid.append(Paid(event, None, self.today))

    @property
    def today(self) -> str:
        """The open day."""
        return str(self.day.world.context.open_day)

    def go_on(self, one: Paid) -> None:
        """The next thing that happens to a payment."""
        chance = self.day.chance
        if one.booked is None:
            chance.choice([self.confirm, self.confirm, self.reverse])(one)
        elif one.event.type == "payment.timed_out" and one.said.admission_no:
            self.day.stays.take_back(one)
        elif one.event.type == "deposit.paid":
            self.reverse(one)
        elif one.refunded_fen or one.adjusted:
            self.refund(one)
        else:
            chance.choice([self.void, self.reverse, self.refund, self.refund, self.adjust])(one)

    def confirm(self, one: Paid) -> None:
        """The bank says that it was paid."""
        source = self.day.chance.choice([one.said.institution, one.said.bank])
        one.booked = self.day.sure("payment.confirmed", source, **one.original, route=one.said.route)
        one.day = self.today
        self.day.stays.confirmed(one)

    def reverse(self, one: Paid) -> None:
        """Taken back as a whole, before the confirmation or after it."""
        if one.refunded_fen or one.adjusted:
            return
        whole = {"amount": amount_text(one.said.amount), "institution": one.said.institution}
        event = self.day.sure("payment.reversed", one.said.institution, **one.original, **whole)
        self.end(one)
        booked = [one.booked] if one.booked else []
        self.day.reversed |= {(was.source, was.id) for was in (one.event, event, *booked)}

    def void(self, one: Paid) -> None:
        """Taken back on its own day."""
        if one.day != self.today:
            return
        card = self.day.cards.of(one.said)
        whole = {"amount": amount_text(one.said.amount)} | card
        self.day.sure("payment.voided", one.event.source, **one.original, **one.place, **whole)
        self.end(one)
        if one.event.type != "arrears.paid" and (not self.day.loosely or card["card"] == one.said.card):
            self.free_orders.setdefault(one.said.card, []).append((one.said.institution, one.said.order_no))

    def refund(self, one: Paid) -> None:
        """Some of it goes back."""
        left = one.said.amount - one.refunded_fen
        part = left if self.day.chance.random() < 0.3 else self.day.chance.randint(1, left)
        said = {"amount": amount_text(part)} | self.day.cards.of(one.said)
        self.day.sure("payment.refunded", one.event.source, **one.original, **one.place, **said)
        one.refunded_fen += part
        if part == left:
            self.end(one)

    def adjust(self, one: Paid) -> None:
        """Its fee is put right; a later void would be another's to wait for, so none comes."""
        said = {"bearer": one.said.institution, "payee": "B2", "amount": "0.07"}
        self.day.sure("fee.adjusted", **one.original, **said, direction="MORE")
        one.adjusted = True

    def end(self, one: Paid) -> None:
        """Nothing more happens to it."""
        one.gone = True

    # -- top-ups and premiums --------------------------------------------------------------------------------

    def top_up(self) -> None:
        """Money onto a card, or back."""
        chance, said = self.day.chance, self.day.cards.any()
        if self.topups and chance.random() < 0.3:
            one = self.topups.pop(chance.randrange(len(self.topups)))
            was: Any = one.data
            original = {"original": {"source": one.source, "id": one.id}}
            self.day.sure("topup.reversed", one.source, **original, amount=amount_text(was.amount))
            return
        method = chance.choice(["COUNTER", "NETBANK", "CHANNEL"])
        source = {"COUNTER": said["bank"], "NETBANK": "B2", "CHANNEL": "T1"}[method]
        paying = {"payer_bank": "B2" if method == "NETBANK" else None}
        amount = amount_text(chance.randint(1, 9_999))
        event = self.day.sure("topup.made", source, **said, method=method, **paying, amount=amount)
        self.topups.append(event)

    def premium(self) -> None:
        """A family pays for its year, or gets one person's back."""
        chance, said = self.day.chance, self.day.cards.any()
        if self.premiums and chance.random() < 0.5:
            one = self.premiums.pop(chance.randrange(len(self.premiums)))
            was: Any = one.data
            persons = was.members[: chance.randint(1, len(was.members))]
            back: dict[str, Any] = {
                "persons": [one.person for one in persons],
                "amount": amount_text(sum(one.amount for one in persons)),
            }
            self.day.sure("premium.refunded", original={"source": one.source, "id": one.id}, **back)
            return
        number = len(self.day.world.sent)
        members = [
            {"person": f"per_family_{number}_{each}", "amount": "100.00"}
            for each in range(chance.randint(1, 3))
        ]
        whole = amount_text(10_000 * len(members))
        self.premiums.append(
            self.day.sure("premium.paid", said["bank"], **said, members=members, amount=whole)
        )

    def correct(self) -> None:
        """The platform puts something right."""
        self.day.sure("correction.approved", text=f"found {len(self.day.world.sent)}")
