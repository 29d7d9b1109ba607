"""What payers settle on a straight day: claims, retention, claims between areas."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from messages import Event, amount_text
from tests.ledger.straight_stays import ACROSS

if TYPE_CHECKING:
    from tests.ledger.straight import Straight

CUT_FEN, KEPT_FEN = 100, 900
"""What the payer deducts of each claim, and what it retains."""


class Advanced(NamedTuple):
    """A claim that a hospital advanced."""

    named: str
    fen: int
    across: bool


class Payers:
    """What clearing.reimbursements brings under the payer's key."""

    def __init__(self, day: Straight) -> None:
        self.day = day
        self.open: defaultdict[str, list[Advanced]] = defaultdict(list)
        """By hospital, what it advanced and the payer has not settled."""
        self.retained_fen = Counter[str]()
        self.across_fen = 0
        """What claims settled under the payer's key make between the areas: a settlement leans on no more."""

    def advanced(self, hospital: str, named: str, fen: int, *, across: bool) -> None:
        """A discharge brought a claim."""
        self.open[hospital].append(Advanced(named, fen, across))

    def not_advanced(self, named: str) -> None:
        """Its discharge was recalled."""
        for hospital, claims in self.open.items():
            self.open[hospital] = [one for one in claims if one.named != named]

    def to_depend_on(self, sent: list[Event]) -> str:
        """A settlement that a payout may wait for: of another payout, or one that a hospital advanced."""
        named = [one.data.__dict__["claim"].settlement_id for one in sent]
        named += [one.named for claims in self.open.values() for one in claims]
        return self.day.chance.choice(named) if named else ""

    def step(self) -> None:
        """A payer settles what a hospital advanced and keeps some back, lets go of it, or settles between areas."""
        chance, hospital = self.day.chance, self.day.chance.choice(["H1", "H1", "H2"])
        what = chance.random()
        if self.retained_fen[hospital] and what < 0.3:
            over = chance.choice(
                [self.retained_fen[hospital], chance.randint(1, self.retained_fen[hospital])]
            )
            parts = {"released": amount_text(over // 2), "kept": amount_text(over - over // 2)}
            self.day.sure("retention.released", institution=hospital, **parts)
            self.retained_fen[hospital] -= over
        elif self.across_fen and what < 0.5:
            fen = chance.randint(1, self.across_fen)
            self.day.sure(
                "crossregion.settled", **ACROSS, amount=amount_text(fen), through=chance.random() < 0.5
            )
            self.across_fen -= fen
        elif self.open[hospital]:
            self.settle(hospital)

    def settle(self, hospital: str) -> None:
        """The first few claims of a hospital."""
        number = self.day.chance.randint(1, len(self.open[hospital]))
        now, self.open[hospital] = self.open[hospital][:number], self.open[hospital][number:]
        cut = {"deducted": amount_text(CUT_FEN), "retained": amount_text(KEPT_FEN)}
        rows = [{"settlement_id": one.named, "claimed": amount_text(one.fen), **cut} for one in now]
        paid = amount_text(sum(one.fen - CUT_FEN - KEPT_FEN for one in now))
        self.day.sure("claim.settled", institution=hospital, claims=rows, paid=paid)
        self.retained_fen[hospital] += KEPT_FEN * number
        self.across_fen += sum(one.fen - CUT_FEN for one in now if one.across)
