"""What payers take and what they settle with hospitals and with each other: premiums, claims, retention, areas."""

# ruff: noqa: D102, E501 - a rule is named for what the city does
from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.ledger.machine.base import CityBase, fen, nth, original, yuan
from tests.ledger.machine.model import Moved, Premium


class Payers(CityBase):
    """Claims that hospitals advanced are settled with deductions and retention; premiums come and go."""

    # -- premiums ------------------------------------------------------------------------------------------

    @rule(n=nth, family=st.sets(st.integers(1, 6), min_size=1, max_size=3), amount=fen, fund=st.sampled_from(["F1", "F2"]), fits=st.sampled_from([True, True, False]))  # fmt: skip
    def premium(self, n: int, family: set[int], amount: int, fund: str, *, fits: bool) -> None:
        """Once a person, year and fund; what the members pay makes the amount."""
        card, persons = self.pick(self.cards, n), {f"per_fam_{one}": amount + one for one in sorted(family)}
        paid = {person for one in self.premiums if one.fund == fund for person in one.persons}
        taken = fits and not paid & set(persons)
        told = [{"person": person, "amount": yuan(part)} for person, part in persons.items()]
        total = sum(persons.values()) + (0 if fits else 1)
        one = self.does(
            "premium.paid", taken=taken, source=card.bank, card=card.token, bank=card.bank, amount=yuan(total), payer=fund,
            members=told,
        )  # fmt: skip
        if taken:
            self.premiums.append(Premium(one, card.bank, fund, persons))

    @precondition(lambda self: self.premiums)
    @rule(n=nth, m=nth)
    def premium_back(self, n: int, m: int) -> None:
        """One person's premium goes back once, and the year is free again."""
        one = self.pick(self.premiums, n)
        person = self.pick([member.person for member in one.event.data.__dict__["members"]], m)
        left = one.persons.get(person)
        amount = left or 100
        self.does("premium.refunded", taken=left is not None, source=one.fund, **original(one.event), amount=yuan(amount), persons=[person])  # fmt: skip
        one.persons.pop(person, None)

    # -- claims, retention, areas --------------------------------------------------------------------------

    @precondition(lambda self: self.claims)
    @rule(n=nth, cut=st.sampled_from([0, 0, 10, 45, 60]), kept=st.sampled_from([0, 0, 5, 30, 50]))
    def settle_claims(self, n: int, cut: int, kept: int) -> None:
        """A payer pays a hospital for what it advanced: claimed less what is deducted and retained."""
        first = self.pick(self.claims, n)
        same = [one for one in self.claims if (one.payer, one.place) == (first.payer, first.place)]
        chosen = [first, *[one for one in same if one is not first and one.state == "OPEN"][:2]]
        fits = first.state == "OPEN" and cut + kept <= 100
        rows, paid = [], 0
        for one in chosen:
            deducted, retained = one.fen * cut // 100, one.fen * kept // 100
            rows.append({"settlement_id": one.number, "claimed": yuan(one.fen), "deducted": yuan(deducted), "retained": yuan(retained)})  # fmt: skip
            paid += one.fen - deducted - retained
        if paid < 0:
            return
        self.does("claim.settled", taken=fits, source=first.payer, payer=first.payer, institution=first.place, claims=rows, paid=yuan(paid))  # fmt: skip
        if fits:
            for one in chosen:
                one.state, one.deducted, one.retained = "SETTLED", one.fen * cut // 100, one.fen * kept // 100

    @precondition(lambda self: any(one.retained for one in self.claims))
    @rule(n=nth, released=st.integers(0, 3_000), kept=st.integers(0, 500))
    def release(self, n: int, released: int, kept: int) -> None:
        first = self.pick([one for one in self.claims if one.retained], n)
        pair = f"{first.payer}.{first.place}"
        open_fen = self.held_by_all()["9030." + pair]
        fits = released + kept <= open_fen
        one = self.does("retention.released", taken=fits, source=first.payer, payer=first.payer, institution=first.place, released=yuan(released), kept=yuan(kept))  # fmt: skip
        if fits:
            payable = "2010." + first.place
            legs = {"1020." + first.payer: released, payable: -released, "9030." + pair: -released - kept, "9031." + pair: released + kept}  # fmt: skip
            self.moved.append(Moved(one, legs))

    @rule(areas=st.sampled_from([("990001", "990002"), ("990002", "990001"), ("990001", "990003")]), amount=st.integers(1, 9_000), through=st.booleans())  # fmt: skip
    def settle_areas(self, areas: tuple[str, str], amount: int, *, through: bool) -> None:
        """What one area owes another is settled, with money through the platform only between areas of one fund each."""
        treat, insured = areas
        owed = f"9050.{treat}.{insured}"
        funds = {"990001": "F1", "990002": "F2"}
        fits = amount <= self.held_by_all()[owed] and not (through and insured not in funds)
        said: dict[str, Any] = {"treat_area": treat, "insured_area": insured, "amount": yuan(amount)}
        one = self.does("crossregion.settled", taken=fits, source=funds[treat], payer=funds[treat], **said, **({"through": True} if through else {}))  # fmt: skip
        if fits:
            legs = {owed: -amount, f"9051.{treat}.{insured}": amount}
            if through:
                legs |= {"1020." + funds[insured]: amount, "1020." + funds[treat]: -amount}
            self.moved.append(Moved(one, legs))
