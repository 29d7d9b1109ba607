"""Stays: deposits and their undos, transfers, interim and final discharges, recalls, arrears, advanced claims."""

# ruff: noqa: ANN401, D102, E501, PLR0917 - a rule is named for what the city does
from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from messages import Event
from tests.ledger.machine.base import fen, nth, original, yuan
from tests.ledger.machine.model import Claim, Credit, Settled, Stay, TimeOut
from tests.ledger.machine.payments import Paying
from tests.ledger.world import PEOPLE, claim

small = st.integers(0, 5_000)
wards = st.sampled_from(["H1", "H2", "H3", "H4"])
PAID_BY = (
    ("F1", None), ("F1", ("990001", "990002")), ("F1", ("990001", "990003")), ("F2", ("990002", "990001")),
    ("F1", ("990002", "990001")), ("F2", ("990002", "990002")),
)  # fmt: skip
"""A payer with the areas of treatment and insurance, where a claim says them."""
CROSSING = (PAID_BY[1], PAID_BY[3])
"""Whose claims one area owes another."""


class Inpatients(Paying):
    """Stays, with cards that are always good: what a card may do is the payments' affair."""

    def furnish(self) -> None:
        """Stays whose hospital has advanced what another area's fund owes."""
        super().furnish()
        for number, paid_by in enumerate(CROSSING):
            self.admit(number, "H2")
            self.discharge(number, 0, 0, 0, 3_000 + number, paid_by, advanced=True, final=False)

    @rule(n=nth, place=wards)
    def admit(self, n: int, place: str) -> None:
        stay = Stay(place, f"A{len(self.stays) + 1}", self.pick(self.cards[:6], n))
        self.does(
            "admission.registered", source=place, **self.of(stay), card=stay.card.token, bank=stay.card.bank
        )
        self.stays.append(stay)

    def of(self, stay: Stay) -> dict[str, Any]:
        return {"institution": stay.place, "admission_no": stay.number}

    def card_of(self, stay: Stay) -> dict[str, str]:
        return {"card": stay.card.token, "bank": stay.card.bank}

    @precondition(lambda self: self.stays)
    @rule(n=nth)
    def cancel_admission(self, n: int) -> None:
        stay = self.pick(self.stays, n)
        fits = stay.state == "OPEN" and not (stay.held or stay.owed or stay.settlements)
        self.does("admission.cancelled", taken=fits, source=stay.place, **self.of(stay))
        stay.state = "CANCELLED" if fits else stay.state

    # -- deposits ------------------------------------------------------------------------------------------

    @precondition(lambda self: self.stays)
    @rule(n=nth, amount=fen, unionpay=st.booleans())
    def deposit(self, n: int, amount: int, *, unionpay: bool) -> None:
        stay, route = self.pick(self.stays, n), "UNIONPAY" if unionpay else "DIRECT"
        if stay.card.state != "ACTIVE":
            return
        said = self.bill(self.card_of(stay), stay.place, amount, route)
        one = self.does(
            "deposit.paid", taken=stay.state == "OPEN", source=stay.place, **said, admission_no=stay.number
        )
        if stay.state == "OPEN":
            self.hold(one, stay, amount, route)

    def hold(self, one: Event, stay: Stay, amount: int, route: str) -> None:
        credit = Credit(one, stay.place, stay.card, amount, self.today, route, stay=stay)
        credit.charge()
        self.credits.append(credit)
        stay.held += amount
        stay.routes.add(route)

    @precondition(lambda self: self.stays)
    @rule(n=nth, amount=fen)
    def deposit_times_out(self, n: int, amount: int) -> None:
        stay = self.pick(self.stays, n)
        said = self.bill(self.card_of(stay), stay.place, amount, "DIRECT")
        one = self.does("payment.timed_out", source=stay.place, **said, admission_no=stay.number)
        self.timeouts.append(
            TimeOut(Credit(one, stay.place, stay.card, amount, self.today, stay=stay), debited=True)
        )

    def deposits(self) -> list[Credit]:
        return [
            one
            for one in self.credits
            if one.stay is not None and one.event.type in {"deposit.paid", "payment.timed_out"}
        ]

    @precondition(lambda self: self.deposits())
    @rule(n=nth, reverse=st.booleans())
    def undo_deposit(self, n: int, *, reverse: bool) -> None:
        """Voided on its day, or reversed; while the stay is open and still holds as much."""
        credit = self.pick(self.deposits(), n)
        stay = credit.stay
        assert stay is not None
        fits = not credit.gone and stay.state == "OPEN" and credit.fen <= stay.held
        if reverse:
            taken = fits or credit.gone == "reversed"
            self.does("payment.reversed", taken=taken, source=stay.place, **original(credit.event), institution=stay.place, amount=yuan(credit.fen))  # fmt: skip
        else:
            fits = fits and credit.day == self.today
            self.does(
                "deposit.voided",
                taken=fits,
                source=stay.place,
                **self.undo(credit, credit.card),
                admission_no=stay.number,
            )
        if fits:
            credit.gone = "reversed" if reverse else "voided"
            stay.held -= credit.fen

    @precondition(lambda self: self.stays)
    @rule(n=nth, amount=fen)
    def refund_deposit(self, n: int, amount: int) -> None:
        stay = self.pick(self.stays, n)
        fits = stay.state == "OPEN" and amount <= stay.held and "DIRECT" in stay.routes
        approval = {"approval": PEOPLE | {"reason": "asked by the family"}}
        self.does("deposit.refunded", taken=fits, source=stay.place, **self.of(stay), **self.card_of(stay), amount=yuan(amount), **approval)  # fmt: skip
        if fits:
            stay.held -= amount
            stay.paid_out += amount

    @precondition(lambda self: len(self.stays) > 1)
    @rule(n=nth, m=nth, amount=fen)
    def transfer(self, n: int, m: int, amount: int) -> None:
        giver = self.pick(self.stays, n)
        others = [one for one in self.stays if one is not giver and one.place == giver.place]
        if not others:
            return
        taker = self.pick(others, m)
        fits = giver.state == taker.state == "OPEN" and amount <= giver.held
        self.does(
            "deposit.transferred", taken=fits, source=giver.place, institution=giver.place, amount=yuan(amount),
            from_admission=giver.number, to_admission=taker.number,
        )  # fmt: skip
        if fits:
            giver.held -= amount
            taker.held += amount
            taker.routes |= giver.routes

    # -- discharge -----------------------------------------------------------------------------------------

    @precondition(lambda self: self.stays)
    @rule(
        n=nth, top_up=small, refund=small, arrears=small, final=st.booleans(), fund=st.integers(100, 5_000),
        paid_by=st.sampled_from(PAID_BY), advanced=st.booleans(),
    )  # fmt: skip
    def discharge(
        self,
        n: int,
        top_up: int,
        refund: int,
        arrears: int,
        fund: int,
        paid_by: Any,
        *,
        advanced: bool,
        final: bool,
    ) -> None:
        """The bill is borne by the fund, the deposit, the card and what stays owed; the rest goes back."""
        stay = self.pick(self.stays, n)
        if stay.card.state != "ACTIVE":
            return
        payer, areas = paid_by
        fund = fund if advanced else 0
        used = stay.held if final else stay.held // 2
        refund = min(refund, used) if top_up % 2 and "DIRECT" in stay.routes else 0
        top_up = 0 if refund else top_up
        ref = (
            {"bank_ref": f"RD{len(self.world.sent)}", "bank_date": str(self.today)}
            if top_up or refund
            else {}
        )
        total = used + top_up + arrears - refund + fund
        number = f"ADV{len(self.world.sent)}"
        where = {"treat_area": areas[0], "insured_area": areas[1]} if areas else {}
        told = (
            {"claim": claim(number, yuan(fund), total=yuan(total), payer=payer, advanced=True, **where)}
            if fund
            else {}
        )
        parts = {"deposit_used": used, "top_up": top_up, "refund": refund, "arrears": arrears, "total": total}
        taken = stay.state == "OPEN"
        one = self.does(
            "discharge.settled", taken=taken, source=stay.place, **self.of(stay), **self.card_of(stay), **ref, **told,
            stage="FINAL" if final else "INTERIM", **{name: yuan(amount) for name, amount in parts.items()},
        )  # fmt: skip
        if not taken:
            return
        credit = Credit(one, stay.place, stay.card, top_up, self.today) if top_up else None
        if credit is not None:
            credit.charge()
            self.credits.append(credit)
        known = Claim(number, payer, stay.place, fund, areas) if fund else None
        self.claims += [known] if known else []
        stay.held, stay.owed, stay.paid_out = stay.held - used, stay.owed + arrears, stay.paid_out + refund
        stay.state = "DISCHARGED" if final else "OPEN"
        stay.settlements.append(Settled(one, used, arrears, credit, refund, known))

    @precondition(lambda self: any(stay.settlements for stay in self.stays))
    @rule(n=nth, latest=st.booleans())
    def recall(self, n: int, *, latest: bool) -> None:
        """The latest settlement can be taken back while its claim is open and what it left owed still is."""
        stay = self.pick([stay for stay in self.stays if stay.settlements], n)
        done = stay.settlements[-1 if latest else 0]
        if stay.card.state != "ACTIVE":
            return
        moved: dict[str, Any] = {}
        if done.top_up or done.refund:
            moved = self.card_of(stay) | {
                "bank_ref": f"RR{len(self.world.sent)}",
                "bank_date": str(self.today),
            }
        open_claim = done.claim is None or done.claim.state == "OPEN"
        fits = done is stay.settlements[-1] and open_claim and done.owed <= stay.owed
        self.does("discharge.cancelled", taken=fits, source=stay.place, **original(done.event), **moved)
        if not fits:
            return
        stay.settlements.pop()
        stay.held, stay.owed, stay.paid_out = (
            stay.held + done.used,
            stay.owed - done.owed,
            stay.paid_out - done.refund,
        )
        stay.state = "OPEN"
        if done.top_up is not None:
            done.top_up.gone = "cancelled"
        if done.claim is not None:
            self.claims.remove(done.claim)

    # -- arrears -------------------------------------------------------------------------------------------

    @precondition(lambda self: self.stays)
    @rule(n=nth, amount=fen, what=st.sampled_from(["arrears.recorded", "arrears.written_off"]))
    def arrears_without_money(self, n: int, amount: int, what: str) -> None:
        stay = self.pick(self.stays, n)
        fits = what == "arrears.recorded" or amount <= stay.owed
        self.does(what, taken=fits, source=stay.place, **self.of(stay), amount=yuan(amount))
        if fits:
            stay.owed += amount if what == "arrears.recorded" else -amount

    @precondition(lambda self: self.stays)
    @rule(n=nth, amount=fen)
    def pay_arrears(self, n: int, amount: int) -> None:
        stay = self.pick(self.stays, n)
        if stay.card.state != "ACTIVE":
            return
        fits = amount <= stay.owed
        said = self.bill(self.card_of(stay), stay.place, amount, "DIRECT")
        one = self.does("arrears.paid", taken=fits, source=stay.place, **said, admission_no=stay.number)
        if fits:
            stay.owed -= amount
            self.credited(one, stay.place, stay.card, amount, route="DIRECT").stay = stay
