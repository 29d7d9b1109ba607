"""Payouts of four kinds in every state, batches, what depends on what."""

# ruff: noqa: ANN401, D102, E501, PLR0917 - a rule is named for what the city does
from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from messages import Event
from tests.ledger.machine.base import LIMITS, CityBase, fen, nth, original, yuan
from tests.ledger.machine.inpatients import CROSSING, PAID_BY
from tests.ledger.machine.model import PAYOUT, REPAID, Card, Out
from tests.ledger.world import claim

ENROLLED = {"enrolment": {"verified_by": "F2", "verified_at": "2026-03-01T08:00:00+08:00"}}
ENDED = {"WITHDRAWN", "GIVEN_BACK"}


@dataclass(eq=False)
class Batch:
    """A batch: its rows as planned, the header when it is out, what came of each row."""

    number: str
    rows: list[tuple[str, int]]
    bad: int | None
    """The row that is refused for a reason of its own."""
    announced: bool = False
    sent: int = 0
    accepted: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)

    @property
    def settlements(self) -> set[str]:
        return {f"S{number}" for number, _ in self.rows}

    @property
    def released(self) -> bool:
        return self.announced and len(self.accepted) + len(self.refused) == len(self.rows)


class Payouts(CityBase):
    """What payers send to cards."""

    def furnish(self) -> None:
        """Payouts that one area owes another."""
        super().furnish()
        for number, (payer, areas) in enumerate(CROSSING):
            card, name = self.cards[number], f"S{len(self.world.sent)}"
            said = self.body(card, payer, name, "INPATIENT", 4_000 + number, areas)
            self.submitted(self.does("reimbursement.submitted", **said), card, areas)

    # -- submissions ---------------------------------------------------------------------------------------

    def target(self, card: Card) -> Card:
        """The card that is paid: of a replaced one the one that took its place."""
        return card.latest if card.state == "REPLACED" else card

    def within_limit(self, card: Card, amount: int, *, without: Out | None = None) -> bool:
        """The day's and year's sums of the person's class II account, old and new numbers together."""
        to = self.target(card)
        if to.account_class != "II":
            return True
        mine = [out for out in self.payouts if out.card.first is to.first and out.live and out is not without]
        day = sum(out.fen for out in mine if out.day == self.today) + amount
        return day <= LIMITS["II"].day_fen and sum(out.fen for out in mine) + amount <= LIMITS["II"].year_fen

    def alive(self, payer: str, number: str, kind: str) -> bool:
        same = [out for out in self.payouts if (out.payer, out.number, out.kind) == (payer, number, kind)]
        return any(out.state not in ENDED for out in same)

    def body(self, card: Card, payer: str, number: str, kind: str, amount: int, areas: Any) -> dict[str, Any]:
        where = {"treat_area": areas[0], "insured_area": areas[1]} if areas else {}
        proof = ENROLLED if payer == "F2" else {}
        told = claim(number, yuan(amount), payer=payer, kind=kind, **where, **proof)
        return {"source": payer, "card": card.token, "bank": card.bank, "amount": yuan(amount), "claim": told}

    def submitted(self, event: Event, card: Card, areas: Any) -> Out:
        """A payout was accepted: where its card's state puts it."""
        said: Any = event.data
        to = self.target(card)
        out = Out(event, said.claim.payer, said.claim.settlement_id, said.claim.kind, said.amount, to, PAYOUT[to.state], self.today, areas)  # fmt: skip
        self.payouts.append(out)
        return out

    @rule(
        n=nth, m=nth, amount=fen, kind=st.sampled_from(["INPATIENT", "OUTPATIENT", "SECOND"]),
        paid_by=st.sampled_from(PAID_BY), again=st.booleans(), proof=st.sampled_from([True, True, True, False]),
    )  # fmt: skip
    def submit(
        self, n: int, m: int, amount: int, kind: str, paid_by: Any, *, again: bool, proof: bool
    ) -> None:
        """One settlement is paid once while it is live."""
        payer, areas = paid_by
        card, number = self.pick(self.cards, n), f"S{len(self.world.sent)}"
        if again and self.payouts:
            before = self.pick(self.payouts, m)
            payer, number, kind = (
                (before.payer, before.number, before.kind) if before.payer != "I1" else (payer, number, kind)
            )
        said = self.body(card, payer, number, kind, amount, areas)
        if not proof:
            said["claim"].pop("enrolment", None)
        # a rival of a batch's row must find the row taken or not: header and rows keep their order with it
        self.tied |= {batch.number for batch in self.batches if number in batch.settlements}
        fits = (
            (proof or payer == "F1")
            and not self.alive(payer, number, kind)
            and self.within_limit(card, amount)
        )
        one = self.does("reimbursement.submitted", taken=fits, **said)
        if fits:
            self.submitted(one, card, areas)

    @precondition(lambda self: self.payouts)
    @rule(n=nth, amount=fen)
    def critical(self, n: int, amount: int) -> None:
        """The insurer adds to a settlement once that was paid, and waits until then."""
        base, card = self.pick(self.payouts, n), self.cards[0]
        said = self.body(card, "I1", f"C{len(self.world.sent)}", "CRITICAL", amount, None)
        depends = [{"payer": base.payer, "settlement_id": base.number}]

        def paid_once() -> str:
            same = [out for out in self.payouts if (out.payer, out.number) == (base.payer, base.number)]
            return "yes" if any(out.was_paid for out in same) else "wait"

        def then(event: Event) -> None:
            self.submitted(event, card, None)

        self.may_wait(
            "reimbursement.submitted", verdict=paid_once, then=then, days=180, depends_on=depends, **said
        )

    # -- batches -------------------------------------------------------------------------------------------

    @rule(amounts=st.lists(fen, min_size=1, max_size=4), bad=st.integers(0, 7))
    def plan_batch(self, amounts: list[int], bad: int) -> None:
        number = f"BT{len(self.batches) + 1}"
        rows = [(f"{number}-{row}", amount) for row, amount in enumerate(amounts, 1)]
        self.batches.append(Batch(number, rows, bad if bad < len(rows) else None))

    @precondition(lambda self: self.batches)
    @rule(n=nth, digest_fits=st.sampled_from([True, True, True, False]))
    def announce(self, n: int, *, digest_fits: bool) -> None:
        batch = self.pick(self.batches, n)
        lines = "\n".join(f"{number}|{yuan(amount)}" for number, amount in batch.rows)
        digest = hashlib.new("sm3", lines.encode()).hexdigest() if digest_fits else "0" * 64
        total = sum(amount for _, amount in batch.rows)
        self.does(
            "reimbursement.batch_submitted", taken=not batch.announced, source="F1", batch_id=batch.number, kind="OUTPATIENT",
            payer="F1", rows=len(batch.rows), total=yuan(total), digest=digest,
        )  # fmt: skip
        if not batch.announced:
            batch.announced = True
            self.unsealed |= set() if digest_fits else {batch.number}
            self.wake()

    @precondition(lambda self: any(batch.sent < len(batch.rows) for batch in self.batches))
    @rule(n=nth, m=nth)
    def send_row(self, n: int, m: int) -> None:
        """The next row: it waits for its header; one that is refused for its own reason counts all the same."""
        batch = self.pick([one for one in self.batches if one.sent < len(one.rows)], n)
        at, card = batch.sent, self.pick(self.cards[:6], m)
        number, amount = batch.rows[at]
        batch.sent += 1
        said = self.body(card, "F1", f"S{number}", "OUTPATIENT", amount, None)
        said |= {"id": number, "batch_id": batch.number, "row_no": at + 1}
        if at == batch.bad:
            self.does(
                "reimbursement.submitted", taken=False, **said | {"bank": "B1" if card.bank != "B1" else "B2"}
            )
            batch.refused.append(at)
            return

        def then(event: Event) -> None:
            batch.accepted.append(at)
            self.submitted(event, card, None)

        def refused(_: Event) -> None:
            batch.refused.append(at)

        def verdict() -> str:
            return "yes" if batch.announced else "wait"

        self.may_wait("reimbursement.submitted", verdict=verdict, then=then, refused=refused, **said)

    @precondition(
        lambda self: any(batch.announced and batch.sent == len(batch.rows) for batch in self.batches)
    )
    @rule(n=nth, amount=fen)
    def one_row_too_many(self, n: int, amount: int) -> None:
        """A row beyond count or total is refused, unless a refused one has left room for it."""
        batch = self.pick([one for one in self.batches if one.announced and one.sent == len(one.rows)], n)
        self.tied.add(batch.number)
        took = sum(batch.rows[at][1] for at in batch.accepted)
        room = len(batch.accepted) < len(batch.rows) and took + amount <= sum(
            amount for _, amount in batch.rows
        )
        fits = room and not (batch.released and batch.number not in self.unsealed)
        if fits:
            return  # it would be taken, and then the batch can never be released: another row is no story of ours
        said = self.body(self.cards[0], "F1", f"S{len(self.world.sent)}", "OUTPATIENT", amount, None)
        self.does("reimbursement.submitted", taken=False, **said, batch_id=batch.number, row_no=99)

    # -- what becomes of payouts ---------------------------------------------------------------------------

    def about(self, out: Out, kind: str, *, taken: bool, then: str, source: str, **said: Any) -> Event:
        """One event about a payout, and the state it leads to when it is taken."""
        one = self.does(kind, taken=taken, source=source, **original(out.event), **said)
        out.state = then if taken else out.state
        return one

    @precondition(lambda self: self.payouts)
    @rule(n=nth)
    def sent(self, n: int) -> None:
        out = self.pick(self.payouts, n)
        self.about(
            out,
            "payout.sent",
            taken=out.state in {"ACCEPTED", "SENT"},
            then="SENT",
            source="PLAT",
            attempt=out.attempt,
        )

    def in_line(self, out: Out, kind: str, *, verdict: Any, then: Any, payers: bool, **said: Any) -> None:
        """An event about a payout that may have to wait; a payer's also while another of the payout does."""
        mine: list[str] = []

        def ahead() -> bool:
            return payers and bool(out.line[: out.line.index(mine[0])] if mine else out.line)

        def leave(event: Event) -> None:
            if event.id in out.line:
                out.line.remove(event.id)

        def goes_on(event: Event) -> None:
            leave(event)
            then()

        parked = self.may_wait(
            kind,
            verdict=lambda: "wait" if ahead() else verdict(),
            then=goes_on,
            refused=leave,
            behind=ahead,
            **original(out.event),
            **said,
        )
        if parked is None:
            self.wake()
            return
        mine.append(parked.id)
        out.line.append(parked.id)

    @precondition(lambda self: self.payouts)
    @rule(n=nth, paid=st.booleans())
    def result(self, n: int, *, paid: bool) -> None:
        """What a bank says of the attempt: it waits while the payout is held for its card."""
        out = self.pick(self.payouts, n)
        attempt = out.attempt
        said = {"result": "PAID"} if paid else {"result": "REJECTED", "reason_code": "R03"}
        ref = {"bank_ref": f"P{len(self.world.sent)}", "bank_date": str(self.today)}
        whole = said | ref | {"amount": yuan(out.fen)}

        def verdict() -> str:
            if out.attempt != attempt:
                return "no"
            return {"HELD": "wait", "ACCEPTED": "yes", "SENT": "yes"}.get(out.state, "no")

        def then() -> None:
            out.state = said["result"]
            out.results[attempt] = whole
            out.was_paid |= paid

        self.in_line(out, "payout.result", verdict=verdict, then=then, payers=False, source=out.card.bank, attempt=attempt, **whole)  # fmt: skip

    @precondition(lambda self: any(out.results for out in self.payouts))
    @rule(n=nth, other=st.booleans())
    def result_repeated(self, n: int, *, other: bool) -> None:
        """What is stored, sent again under a new id, is noted; with another reference it is refused."""
        out = self.pick([one for one in self.payouts if one.results], n)
        attempt, said = min(out.results.items())
        differs = {"bank_ref": f"X{len(self.world.sent)}"} if other else {}
        self.does("payout.result", taken=not other, source=self.bank_of(out, attempt), **original(out.event), attempt=attempt, **said | differs)  # fmt: skip

    def bank_of(self, out: Out, attempt: int) -> str:
        return out.banks.get(attempt, out.card.bank)

    @precondition(lambda self: self.payouts)
    @rule(n=nth)
    def returned(self, n: int) -> None:
        out = self.pick(self.payouts, n)
        if out.state in {"HELD", "ACCEPTED", "SENT"}:
            return
        ref = {"bank_ref": f"T{len(self.world.sent)}", "bank_date": str(self.today), "amount": yuan(out.fen)}
        self.about(out, "payout.returned", taken=out.state == "PAID", then="RETURNED", source=out.card.bank, attempt=out.attempt, **ref)  # fmt: skip

    @precondition(lambda self: self.payouts)
    @rule(n=nth, m=nth)
    def repay(self, n: int, m: int) -> None:
        """Paid again, to any card that may be paid, of another bank too."""
        out = self.pick(self.payouts, n)
        card = self.pick(self.cards[:6] if out.line else self.cards, m)  # later it is a good one still
        to = self.target(card)
        cell = REPAID[to.state]

        def verdict() -> str:
            failed = out.state in {"REJECTED", "RETURNED"}
            return (
                "yes" if failed and cell != "no" and self.within_limit(card, out.fen, without=out) else "no"
            )

        def then() -> None:
            out.banks[out.attempt] = out.card.bank
            out.attempt, out.card, out.day, out.state = out.attempt + 1, to, self.today, cell

        number = {"card": card.token, "bank": card.bank}
        self.in_line(
            out, "payout.repaid", verdict=verdict, then=then, payers=True, source=out.payer, **number
        )

    @precondition(lambda self: self.payouts)
    @rule(n=nth, kind=st.sampled_from(["payout.given_back", "reimbursement.withdrawn", "payout.recalled"]))
    def back_to_payer(self, n: int, kind: str) -> None:
        out = self.pick(self.payouts, n)
        states, ends = {
            "payout.given_back": ({"REJECTED", "RETURNED"}, "GIVEN_BACK"),
            "reimbursement.withdrawn": ({"HELD", "ACCEPTED"}, "WITHDRAWN"),
            "payout.recalled": ({"PAID"}, "PAID"),
        }[kind]

        def then() -> None:
            out.state = ends

        self.in_line(out, kind, verdict=lambda: "yes" if out.state in states else "no", then=then, payers=True, source=out.payer)  # fmt: skip
