"""The life of cards and terminals, beside payments that may have to wait for it."""

# ruff: noqa: D102 - a rule is named for what the city does
from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.ledger.machine.base import CityBase, nth, yuan
from tests.ledger.machine.model import PAYOUT, REPAID, TERMINAL_OF, Card

ALIVE = ("ACTIVE", "FROZEN_DEBIT", "FROZEN_ALL")
ENDS = {"card.cancelled": "CANCELLED", "card.terminated": "TERMINATED", "card.holder_deceased": "DECEASED"}
FIXED = 6
"""The first cards stay as they are: stays and references need cards that are good."""


class Wallets(CityBase):
    """Cards that come unfinished, are frozen, lost, replaced, merged and ended; terminals that are locked."""

    def furnish(self) -> None:
        """Two cards that have only been issued, and one that is active and unknown to the card platform."""
        super().furnish()
        for bank in ("B1", "B2", "B1"):
            self.new_card(f"tok_wallet_{len(self.cards)}", bank)
        self.activate(2)

    @rule(bank=st.sampled_from(["B1", "B2", "B3"]))
    def issue(self, bank: str) -> None:
        self.new_card(f"tok_wallet_{len(self.cards)}", bank)

    def wallets(self) -> list[Card]:
        return self.cards[FIXED:]

    def step(self, card: Card, kind: str, *, taken: bool, **said: object) -> None:
        """A step of a card, and all that waited for it."""
        self.does(kind, taken=taken, source=card.bank, card=card.token, bank=card.bank, **said)

    def settle(self, card: Card) -> None:
        """Held payouts go on when the card that stands now allows them; what waited is judged again."""
        for out in self.payouts:
            if out.state == "HELD" and out.card is card:
                table = PAYOUT if out.attempt == 1 else REPAID
                if table[card.latest.state] == "ACCEPTED":
                    out.state, out.card = "ACCEPTED", card.latest
        self.wake()

    @precondition(lambda self: self.wallets())
    @rule(n=nth)
    def register_at_platform(self, n: int) -> None:
        card: Card | None = self.pick(self.wallets(), n)
        assert card is not None
        self.stage(card, "PLATFORM")
        while card is not None:
            card.platform, card = True, card.next if card.state == "REPLACED" else None
        self.wake()

    @precondition(lambda self: self.wallets())
    @rule(n=nth)
    def activate(self, n: int) -> None:
        card = self.pick(self.wallets(), n)
        fits = card.state == "ISSUED"
        self.step(card, "card.activated", taken=fits)
        card.state = "ACTIVE" if fits else card.state
        self.settle(card)

    @precondition(lambda self: self.wallets())
    @rule(n=nth, scope=st.sampled_from(["DEBIT", "ALL"]))
    def freeze(self, n: int, scope: str) -> None:
        card = self.pick(self.wallets(), n)
        fits = card.state == "ACTIVE"
        self.step(card, "card.frozen", taken=fits, scope=scope)
        card.state = "FROZEN_" + scope if fits else card.state
        self.settle(card)

    @precondition(lambda self: self.wallets())
    @rule(n=nth)
    def unfreeze(self, n: int) -> None:
        card = self.pick(self.wallets(), n)
        fits = card.state.startswith("FROZEN")
        self.step(card, "card.unfrozen", taken=fits, scope="ALL", reason="checked")
        card.state = "ACTIVE" if fits else card.state
        self.settle(card)

    @precondition(lambda self: self.wallets())
    @rule(n=nth)
    def lose(self, n: int) -> None:
        card = self.pick(self.wallets(), n)
        fits = card.state in ALIVE
        self.step(card, "card.lost", taken=fits, reported_at=self.now())
        if fits:
            card.before, card.state = [card.state], "LOST"
        self.settle(card)

    @precondition(lambda self: self.wallets())
    @rule(n=nth)
    def find(self, n: int) -> None:
        card = self.pick(self.wallets(), n)
        fits = card.state == "LOST"
        self.step(card, "card.found", taken=fits, reported_at=self.now())
        card.state = card.before[0] if fits else card.state
        self.settle(card)

    def now(self) -> str:
        """The time of the next event."""
        count = len(self.world.sent)
        return f"{self.today}T10:{count // 60 % 60:02d}:{count % 60:02d}+08:00"

    @precondition(lambda self: self.wallets())
    @rule(n=nth, how=st.sampled_from(sorted(ENDS)))
    def end(self, n: int, how: str) -> None:
        card = self.pick(self.wallets(), n)
        fits = card.state in {"ISSUED", *ALIVE, "LOST"}
        self.step(card, how, taken=fits)
        card.state = ENDS[how] if fits else card.state
        self.settle(card)

    @precondition(lambda self: self.wallets())
    @rule(n=nth, fee=st.integers(0, 500))
    def replace(self, n: int, fee: int) -> None:
        """A new number: aliases, refunds, and payouts that no bank has yet, follow the person."""
        old = self.pick(self.wallets(), n)
        fits = old.state in {*ALIVE, "LOST"}
        token = f"tok_wallet_{len(self.cards)}"
        paid = {"fee": yuan(fee)} if fee else {}
        self.step(old, "card.replaced", taken=fits, new_card=token, **paid)
        if not fits:
            return
        new = Card(
            token,
            old.bank,
            "ACTIVE",
            platform=old.platform,
            account_class=old.account_class,
            root=old.first,
            fees=fee,
        )
        self.cards.append(new)
        new.aliases, old.aliases, old.state, old.next = old.aliases, [], "REPLACED", new
        for out in self.payouts:
            if out.state == "ACCEPTED" and out.card is old:
                out.card = new
        self.settle(old)

    @precondition(lambda self: self.wallets())
    @rule(n=nth)
    def alias(self, n: int) -> None:
        """One more number; of a replaced card it is the new card's from then on."""
        card = self.pick(self.wallets(), n)
        token = f"tok_alias_{len(self.world.sent)}"
        self.does("card.aliased", card=card.token, bank=card.bank, token=token)
        (card.latest if card.state == "REPLACED" else card).aliases.append(token)

    @precondition(lambda self: self.wallets())
    @rule(n=nth, m=nth)
    def duplicate(self, n: int, m: int) -> None:
        """Two live cards of one person at a bank: one is kept, the other ends; refunds go to the kept one."""
        card = self.pick(self.wallets(), n)
        kept = self.pick([one for one in self.cards if one.bank == card.bank and one is not card], m)
        if kept.latest is card or kept.next is not None:
            return
        fits = card.state in {"ISSUED", *ALIVE, "LOST"}
        self.does("card.duplicate_found", taken=fits, card=card.token, bank=card.bank, kept_card=kept.token)
        if fits:
            card.state, card.kept = "CANCELLED", kept
        self.settle(card)

    @precondition(lambda self: self.wallets())
    @rule(n=nth)
    def change_class(self, n: int) -> None:
        card = self.pick(self.wallets(), n)
        self.step(card, "card.changed", taken=True, account_class="II")
        card.account_class = "II"
        self.settle(card)

    # -- terminals -----------------------------------------------------------------------------------------

    @rule(place=st.sampled_from(sorted(TERMINAL_OF)), step=st.sampled_from(["locked", "unlocked"]))
    def terminal(self, place: str, step: str) -> None:
        number = TERMINAL_OF[place]
        fits = (step == "locked") == (number not in self.locked)
        self.does("terminal." + step, taken=fits, terminal=number)
        if fits:
            self.locked ^= {number}
