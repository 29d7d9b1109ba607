"""Cards of a straight day: issued, known by further numbers, replaced, frozen."""

# ruff: noqa: ANN401 - fields of any event, one event a line
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.ledger.world import A

if TYPE_CHECKING:
    from tests.ledger.straight import Straight

PLATFORM: Final = {"stage": "PLATFORM", "card_class": None, "account_class": None}
Number = dict[str, str]
"""Fields of a body that name a card: one of its numbers and its bank."""


class Cards:
    """Which cards there are, and by which numbers each may be named now."""

    def __init__(self, day: Straight) -> None:
        self.day = day
        self.banks = {A: "B1"}
        """Cards that may pay, by their own number."""
        self.numbers: dict[str, list[str]] = {A: [A]}
        """Every number that stands for a card now; of one that was replaced those of its replacement."""
        self.own = {A: A}
        """The own number of a card by each that it was ever named by."""
        self.frozen: dict[str, str] = {}
        """Frozen cards and their banks: only payouts go to them."""

    def step(self) -> None:
        """A card or terminal is issued, gets another number, takes another's place, or stops."""
        others = [card for card in self.banks if card != A]
        what = self.day.chance.choice(
            ["issue", "issue", "alias", "alias", "replace", "stop", "thaw", "terminal"]
        )
        if what == "alias":
            self.alias(self.day.chance.choice(list(self.banks)))
        elif what == "replace" and others:
            self.replace(self.day.chance.choice(others))
        elif what == "stop" and others:
            self.stop(self.day.chance.choice(others))
        elif what == "thaw" and self.frozen:
            self.thaw()
        elif what == "terminal":
            self.terminal()
        elif what == "issue":
            self.issue()

    def thaw(self) -> None:
        """A frozen card may be paid again; its number pays nothing more."""
        card, bank = self.frozen.popitem()
        self.day.sure("card.unfrozen", bank, card=card, bank=bank)

    def any(self) -> Number:
        """A card that may pay, by any of its numbers."""
        return self.by_any_number(self.day.chance.choice(list(self.banks)))

    def payee(self) -> Number:
        """A card that may be paid: a frozen one too, for which payouts are held."""
        if self.frozen and self.day.chance.random() < 0.5:
            card, bank = self.day.chance.choice(list(self.frozen.items()))
            return {"card": card, "bank": bank}
        return self.any()

    def by_any_number(self, card: str, bank: str = "") -> Number:
        """A card by any number that stands for it now."""
        number = self.day.chance.choice(self.numbers[card])
        return {"card": number, "bank": bank or self.banks[card]}

    def of(self, said: Any) -> Number:
        """The card that a body names, by any number that stands for it now."""
        if self.day.chance.random() < 0.3:
            return {"card": said.card, "bank": said.bank}
        return self.by_any_number(self.own[said.card], said.bank)

    def issue(self) -> None:
        """Registered by its bank, on the platform and in a hospital, and handed out."""
        number, bank = f"tok_late_{len(self.numbers)}", self.day.chance.choice(["B1", "B2"])
        said: dict[str, Any] = {"card": number, "bank": bank, "person": f"per_{number}"}
        others = [("CP", PLATFORM), ("H1", PLATFORM | {"stage": "HOSPITAL", "institution": "H1"})]
        if self.day.chance.random() < 0.5:
            said["aliases"] = [{"kind": "CHIP", "token": f"tok_chip_{number}"}]
        orders = [(bank, {}), *others]
        self.day.chance.shuffle(orders)
        for source, stage in orders:
            aliases = {"aliases": None} if stage else {}
            self.day.sure("card.registered", source, **said | stage | aliases)
        self.day.sure("card.activated", bank, card=number, bank=bank)
        self.banks[number] = bank
        self.numbers[number] = [number, *(one["token"] for one in said.get("aliases", ()))]
        self.own |= dict.fromkeys(self.numbers[number], number)

    def terminal(self) -> None:
        """One that nobody pays at: what it does not know yet it only lists."""
        number = f"{len(self.day.world.sent):012x}"
        self.day.sure("terminal.registered", terminal=number)
        self.day.sure(
            f"terminal.{self.day.chance.choice(['locked', 'lost', 'recalled', 'scrapped'])}", terminal=number
        )

    def alias(self, card: str) -> None:
        """It is known by another number."""
        token = f"tok_more_{len(self.day.world.sent)}"
        said = self.by_any_number(card)
        self.day.sure("card.aliased", said["bank"], **said, token=token)
        self.numbers[card].append(token)
        self.own[token] = card

    def replace(self, card: str) -> None:
        """Another card takes its place, for what comes."""
        bank, new = self.banks.pop(card), f"tok_new_{len(self.day.world.sent)}"
        known = [new, *self.numbers[card][1:]]
        if self.day.chance.random() < 0.5:
            self.day.sure("card.lost", bank, card=card, bank=bank, reported_at=self.day.now())
            known = [new]
        self.day.sure("card.replaced", bank, card=card, bank=bank, new_card=new)
        self.banks[new] = bank
        self.numbers |= {own: known for own, numbers in self.numbers.items() if numbers is self.numbers[card]}
        self.numbers[new] = known
        self.own[new] = new

    def stop(self, card: str) -> None:
        """Frozen, lost or cancelled: what it did before stands, and it pays no more."""
        bank = self.banks.pop(card)
        kind = self.day.chance.choice(["card.frozen", "card.lost", "card.cancelled"])
        when = {"reported_at": self.day.now()} if kind == "card.lost" else {}
        self.day.sure(kind, bank, card=card, bank=bank, **when)
        if kind == "card.frozen":
            self.frozen[card] = bank
