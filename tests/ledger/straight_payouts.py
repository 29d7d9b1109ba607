"""Payouts of a straight day: submitted alone and in batches, answered, returned, paid again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clearing.ledger.facts import Payout
from clearing.ledger.money import yuan
from clearing.ledger.rules.payout_batches import rows_digest
from messages import amount_text
from tests.ledger.straight_stays import ACROSS
from tests.ledger.world import A, claim

if TYPE_CHECKING:
    from messages import Event
    from tests.ledger.straight import Straight


class Payouts:
    """What clearing.reimbursements brings under the ids of payouts and batches."""

    def __init__(self, day: Straight) -> None:
        self.day = day
        self.sent: list[Event] = []
        self.batches = 0
        self.to_come: list[tuple[str, dict[str, Any]]] = []
        """Headers and rows of batches that are still to be sent."""

    def step(self) -> None:
        """A new payout, or one thing that may happen to one now."""
        chance = self.day.chance
        what = chance.random()
        if what < 0.15:
            self.announce()
        elif self.to_come and what < 0.4:
            kind, said = self.to_come.pop(chance.randrange(len(self.to_come)))
            to = self.day.cards.payee() if kind == "reimbursement.submitted" else {}
            if event := self.day.send(kind, **to, **said):
                self.sent += [event] if kind == "reimbursement.submitted" else []
        elif not self.sent or what < 0.55:
            self.submit()
        else:
            self.go_on(chance.choice(self.sent))

    def submit(self) -> None:
        """One alone; it may depend on what another payout or a hospital paid."""
        chance, number = self.day.chance, len(self.day.world.sent)
        said: dict[str, Any] = {"claim": claim(f"S{number}", **chance.choice([{}, ACROSS]))}
        if chance.random() < 0.3 and (named := self.day.payers.to_depend_on(self.sent)):
            said["depends_on"] = [{"payer": "F1", "settlement_id": named}]
            self.day.stays.leaned_on.add(named)
        event = self.day.world.make("reimbursement.submitted", **self.day.cards.payee(), **said)
        self.day.world.take(event)
        self.sent.append(event)

    def announce(self) -> None:
        """A batch under one control total, header and rows in any order; a row or the header may never come."""
        chance, batch = self.day.chance, f"BATCH{self.batches}"
        self.batches += 1
        rows = [(no, f"{batch}-{no}", 10_000 + no, True) for no in range(1, chance.randint(1, 4) + 1)]
        total, digest = amount_text(sum(fen for _, _, fen, _ in rows)), rows_digest(rows)
        assert yuan(rows[0][2]) == amount_text(rows[0][2])
        header = {"batch_id": batch, "rows": len(rows), "total": total, "digest": digest}
        sent: list[tuple[str, dict[str, Any]]] = [("reimbursement.batch_submitted", header)]
        for no, number, fen, _ in rows:
            said: dict[str, Any] = {"amount": amount_text(fen), "batch_id": batch, "row_no": no}
            said["claim"] = claim(number, amount_text(fen))
            sent.append(("reimbursement.submitted", said | {"id": number}))
        if self.day.loose_ends and chance.random() < 0.3:
            sent.pop(chance.randrange(len(sent)))
        self.to_come += sent

    def go_on(self, one: Event) -> None:
        """The next thing that happens to a payout."""
        payout: Payout | None = self.day.world.facts.get("payout", one.source, one.id)
        if payout is None:
            return
        about: dict[str, Any] = {"original": {"source": one.source, "id": one.id}}
        if payout.state in {"ACCEPTED", "SENT"}:
            self.answered(payout, about)
        elif payout.state == "HELD":
            if self.day.chance.random() < 0.2:
                self.day.sure("reimbursement.withdrawn", **about)
        elif payout.state == "PAID":
            if self.day.chance.random() < 0.3:
                self.day.sure("payout.recalled", **about)
            self.day.sure("payout.returned", payout.bank, **about, **self.whole(payout), reason_code="R05")
        elif payout.state in {"REJECTED", "RETURNED"}:
            if self.day.chance.random() < 0.5:
                self.day.sure("payout.repaid", **about, **self.day.cards.any())
            else:
                self.day.sure("payout.given_back", **about)

    def answered(self, payout: Payout, about: dict[str, Any]) -> None:
        """Paid, rejected, or withdrawn before that."""
        what = self.day.chance.choice(["PAID", "REJECTED", "withdrawn", "sent"])
        if what == "sent" and payout.card == A:  # of any other it may come while the payout is held: refused
            self.day.sure("payout.sent", payout.bank, **about, attempt=payout.attempt)
            return
        if what == "withdrawn" and payout.state == "ACCEPTED":
            self.day.sure("reimbursement.withdrawn", **about)
            return
        said = {"result": "REJECTED", "reason_code": "R03"} if what == "REJECTED" else {"result": "PAID"}
        self.day.sure("payout.result", payout.bank, **about, **self.whole(payout), **said)

    def whole(self, payout: Payout) -> dict[str, Any]:
        """What a bank says of an attempt."""
        return self.day.ref() | {"amount": amount_text(payout.amount_fen), "attempt": payout.attempt}
