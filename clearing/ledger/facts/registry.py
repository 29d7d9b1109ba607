"""What is known of cards, their other numbers and terminals. 卡与终端"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from clearing.ledger.value import value


class Step(NamedTuple):
    """One state of a card or terminal, from an instant on."""

    at: datetime
    state: str
    before: str
    """The state that found, unfrozen or unlocked goes back to."""


class Registration(NamedTuple):
    """One place where a card is registered."""

    stage: str
    """BANK, PLATFORM or HOSPITAL."""
    bank: str
    institution: str
    at: datetime


class Change(NamedTuple):
    """One attribute of a card as it was changed, with its instant (卡变更)."""

    at: datetime
    name: str
    value: str


@value
class Card:
    """A card as the registry knows it; UNKNOWN until the bank has registered it."""

    token: str
    bank: str = ""
    person: str = ""
    guardian: str = ""
    card_class: str = "NORMAL"
    account_class: str = "I"
    area: str = ""
    issuer: str = ""
    issue_mode: str = ""
    registrations: tuple[Registration, ...] = ()
    steps: tuple[Step, ...] = ()
    changes: tuple[Change, ...] = ()
    replaced_by: str = ""
    root: str = ""
    """The first number of a chain of replacements: limits are counted over it."""

    def has(self, stage: str) -> bool:
        """Whether the card is registered at BANK, PLATFORM or any HOSPITAL."""
        return stage in [one.stage for one in self.registrations]

    @property
    def state(self) -> str:
        """The state now."""
        if self.steps:
            return self.steps[-1].state
        return "ISSUED" if self.bank else "UNKNOWN"

    def state_at(self, instant: datetime) -> str:
        """The state at an instant; before its first step a known card counts as ISSUED."""
        if not self.bank:
            return "UNKNOWN"
        for step in reversed(self.steps):
            if step.at <= instant:
                return step.state
        return "ISSUED"


class Pointing(NamedTuple):
    """Which card an alias means, from an instant on."""

    since: datetime | None
    card: str


@value
class Alias:
    """Another number of a card: health card, chip, old hospital card, 农合本."""

    token: str
    kind: str
    institution: str = ""
    card: str
    """The card it means now."""
    cards: tuple[Pointing, ...]
    """What it has meant, oldest first; a replacement adds one."""

    def card_at(self, instant: datetime) -> str:
        """The card's own token for an event of that time."""
        for pointing in reversed(self.cards):
            if pointing.since is None or pointing.since <= instant:
                return pointing.card
        return self.cards[0].card


@value
class Terminal:
    """A terminal with its secure module (SAM)."""

    terminal: str
    sam: str
    institution: str
    kind: str = ""
    acquirer: str = ""
    steps: tuple[Step, ...] = ()

    @property
    def state(self) -> str:
        """The state now: IN_USE, LOCKED, LOST, RECALLED or SCRAPPED."""
        return self.steps[-1].state if self.steps else "IN_USE"

    def state_at(self, instant: datetime) -> str:
        """The state at an instant; before it was registered it was not in use."""
        for step in reversed(self.steps):
            if step.at <= instant:
                return step.state
        return "UNREGISTERED"
