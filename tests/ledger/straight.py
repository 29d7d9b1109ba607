"""A day in its own order, and the orders in which Kafka may bring it."""

# ruff: noqa: ANN401 - fields of any event, one event a line
from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

from clearing.ledger.facts import Payout, Retention, Settlement, Stay
from clearing.ledger.outcomes import Outcome
from messages import CATALOGUE, Event, amount_text
from tests.ledger.world import A, World, claim

DAY = "2026-03-10"
PLATFORM = {"stage": "PLATFORM", "card_class": None, "account_class": None}


class Straight:
    """Each step is one that its hospital, payer or bank may take just then, so that nothing is refused."""

    def __init__(self, chance: random.Random) -> None:
        self.world = World()
        self.chance = chance
        self.cards: list[dict[str, str]] = [{"card": A, "bank": "B1"}]
        self.claims: list[tuple[str, int]] = []
        """Settlement ids that the hospital advanced and their fen, not yet settled."""

    def step(self) -> None:
        """One thing that happens."""
        what = self.chance.choice(["card", "A1", "A1", "A2", "payout", "payout", "payer"])
        if what == "card":
            self.new_card()
        elif what == "payout":
            self.of_payouts()
        elif what == "payer":
            self.of_payers()
        else:
            self.of_stay(what)

    def send(self, kind: str, /, source: str = "", **said: Any) -> Event:
        """An event that is taken."""
        done = self.world.send(kind, source, **said)
        assert done.outcome in {Outcome.POSTED, Outcome.NOTED}, (kind, done.reason, done.detail)
        return done.event

    def ref(self) -> dict[str, str]:
        """A bank reference of its own."""
        return {"bank_ref": f"X{len(self.world.sent)}", "bank_date": DAY}

    def new_card(self) -> None:
        """A card is issued."""
        card = {"card": f"tok_late_{len(self.cards)}", "bank": self.chance.choice(["B1", "B2"])}
        person = {"person": f"per_{card['card']}"}
        self.send("card.registered", card["bank"], **card, **person)
        self.send("card.registered", "CP", **card, **person, **PLATFORM)
        self.send("card.activated", card["bank"], **card)
        self.cards.append(card)

    # -- stays ---------------------------------------------------------------------------------------------

    def of_stay(self, number: str) -> None:
        """One thing that may happen to a stay now."""
        stay: Stay | None = self.world.facts.get("stay", "H1", number)
        said: dict[str, Any] = self.chance.choice(self.cards) | {"admission_no": number}
        if stay is None:
            self.send("admission.registered", **said)
        elif stay.state != "OPEN":
            self.recall(stay)
        else:
            do = self.chance.choice(
                [self.deposit, self.deposit, self.refund, self.void, self.discharge, self.owe]
            )
            do(stay, said)

    def deposit(self, _: Stay, said: dict[str, Any]) -> None:
        """Money is left."""
        self.send("deposit.paid", **said, amount=amount_text(self.chance.randint(1, 9_999)))

    def refund(self, stay: Stay, said: dict[str, Any]) -> None:
        """Some of it goes back to a card that paid."""
        if stay.deposit_fen:
            card = next(one for one in self.cards if one["card"] == stay.cards[0])
            self.send(
                "deposit.refunded",
                **said | card,
                amount=amount_text(self.chance.randint(1, stay.deposit_fen)),
            )

    def void(self, stay: Stay, said: dict[str, Any]) -> None:
        """The latest deposit that can be is voided."""
        for one in reversed(self.world.sent):
            paid: Any = one.data
            if (
                one.type == "deposit.paid"
                and paid.admission_no == stay.admission_no
                and self.world.facts.get("undo", one.source, one.id) is None
                and paid.amount <= stay.deposit_fen
            ):
                was = {"card": paid.card, "bank": paid.bank, "original": {"source": one.source, "id": one.id}}
                self.send("deposit.voided", **said | was, amount=amount_text(paid.amount))
                return

    def discharge(self, stay: Stay, said: dict[str, Any]) -> None:
        """A settlement, interim or final, with a top-up, something owed, or neither."""
        final = self.chance.random() < 0.6
        used = stay.deposit_fen if final else self.chance.randint(0, stay.deposit_fen)
        top_up, owed = self.chance.choice([(0, 0), (500, 0), (0, 700)])
        parts = {
            "deposit_used": used,
            "top_up": top_up,
            "refund": 0,
            "arrears": owed,
        }
        borne = self.chance.choice([0, 8_000])
        parts["total"] = sum(parts.values()) + borne
        told: dict[str, Any] = {name: amount_text(fen) for name, fen in parts.items()}
        if borne:
            named = f"S{len(self.world.sent)}"
            told["claim"] = claim(named, amount_text(borne), total=told["total"], advanced=True)
            self.claims.append((named, borne))
        stage = "FINAL" if final else "INTERIM"
        self.send("discharge.settled", **said, **(self.ref() if top_up else {}), **told, stage=stage)

    def owe(self, stay: Stay, said: dict[str, Any]) -> None:
        """Something is owed, or what is owed is paid or written off."""
        kind = self.chance.choice(["arrears.recorded", "arrears.paid", "arrears.written_off"])
        amount = amount_text(stay.arrears_fen or 350)
        if kind == "arrears.paid" and stay.arrears_fen:
            self.send(kind, **said, amount=amount)
        elif kind == "arrears.recorded" or stay.arrears_fen:
            self.send(kind, admission_no=stay.admission_no, amount=amount)

    def recall(self, stay: Stay) -> None:
        """The final settlement is taken back, where what it left owed still is and its claim was not settled."""
        settled = self.world.fact("original", *stay.settlements[-1]).event
        said: Any = settled.data
        borne = said.claim.settlement_id if said.claim else ""
        known: Settlement | None = self.world.facts.get("settlement", "F1", borne)
        if said.arrears <= stay.arrears_fen and not (known and known.settled):
            self.claims = [one for one in self.claims if one[0] != borne]
            moved = {"card": said.card, "bank": said.bank} | self.ref() if said.top_up or said.refund else {}
            self.send("discharge.cancelled", original={"source": "H1", "id": settled.id}, **moved)

    # -- claims --------------------------------------------------------------------------------------------

    def of_payers(self) -> None:
        """A payer settles what the hospital advanced and keeps some back, or lets go of what it kept."""
        kept: Retention | None = self.world.facts.get("retention", "F1", "H1", DAY[:4])
        if kept and kept.retained_fen and self.chance.random() < 0.5:
            released = self.chance.choice([kept.retained_fen, self.chance.randint(1, kept.retained_fen)])
            parts = {"released": amount_text(released // 2), "kept": amount_text(released - released // 2)}
            self.send("retention.released", **parts)
        elif self.claims:
            number = self.chance.randint(1, len(self.claims))
            now, self.claims = self.claims[:number], self.claims[number:]
            rows = [
                {"settlement_id": named, "claimed": amount_text(fen), "deducted": "1.00", "retained": "9.00"}
                for named, fen in now
            ]
            paid = amount_text(sum(fen - 1_000 for _, fen in now))
            self.send("claim.settled", claims=rows, paid=paid)

    # -- payouts -------------------------------------------------------------------------------------------

    def of_payouts(self) -> None:
        """A new payout, or one thing that may happen to one now."""
        sent = [one for one in self.world.sent if one.type == "reimbursement.submitted"]
        if not sent or self.chance.random() < 0.3:
            card = self.chance.choice(self.cards)
            self.send("reimbursement.submitted", **card, claim=claim(f"S{len(self.world.sent)}"))
            return
        one = self.chance.choice(sent)
        payout: Payout = self.world.fact("payout", one.source, one.id)
        about: dict[str, Any] = {"original": {"source": one.source, "id": one.id}}
        if payout.state == "ACCEPTED":
            self.answered(payout, about)
        elif payout.state == "PAID":
            if self.chance.random() < 0.3:
                self.send("payout.recalled", **about)
            self.send("payout.returned", payout.bank, **about, **self.whole(payout), reason_code="R05")
        elif payout.state in {"REJECTED", "RETURNED"}:
            again = self.chance.choice(self.cards) if self.chance.random() < 0.5 else None
            if again:
                self.send("payout.repaid", **about, **again)
            else:
                self.send("payout.given_back", **about)

    def answered(self, payout: Payout, about: dict[str, Any]) -> None:
        """Paid, rejected, or withdrawn before that."""
        what = self.chance.choice(["PAID", "REJECTED", "withdrawn"])
        if what == "withdrawn":
            self.send("reimbursement.withdrawn", **about)
            return
        why = {"reason_code": "R03"} if what == "REJECTED" else {}
        self.send("payout.result", payout.bank, **about, **self.whole(payout), result=what, **why)

    def whole(self, payout: Payout) -> dict[str, Any]:
        """What a bank says of an attempt."""
        return self.ref() | {"amount": amount_text(payout.amount_fen), "attempt": payout.attempt}


def by_topic(events: list[Event], chance: random.Random) -> list[Event]:
    """Any order between record keys, the order within each: what Kafka promises."""
    queues: defaultdict[tuple[str, str], list[Event]] = defaultdict(list)
    for one in events:
        queues[record_key(one, events)].append(one)
    turns = [name for name, queue in queues.items() for _ in queue]
    chance.shuffle(turns)
    return [queues[name].pop(0) for name in turns]


def record_key(event: Event, events: list[Event]) -> tuple[str, str]:
    """Topic and record key: of a recall those of its settlement."""
    row, said = CATALOGUE[event.type], event.data.__dict__
    if event.type == "discharge.cancelled":
        said = next(one for one in events if one.id == said["original"].id).data.__dict__
    stay = said.get("admission_no")
    return row.family, f"{said['institution']}/{stay}" if stay else row.key(event)
