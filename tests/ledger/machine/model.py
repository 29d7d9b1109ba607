"""What must stand in the books, told by what is there rather than by what happened: sums and states alone.

Every thing of the city (a payment, a stay, a payout …) says what it makes each account hold now. Nothing here
is taken from the ledger: accounts, fees and permissions are written out once more, in another way.
"""

# ruff: noqa: D102, E501 - what a thing holds; tables
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, TypeAlias

from messages import Event

Books: TypeAlias = Counter[str]

MORE: Final = """
[[bank]]
code = "B3"
cnaps = "992121000035"
roles = ["issuer", "settlement", "acquirer"]
clearing_account = "99030000000000000"
[[hospital]]
code = "H4"
level = "CITY"
ownership = "PUBLIC"
settlement_bank = "B3"
settlement_account = "99030000000000001"
mode = "net"
negative = "carry"
[[fee]]
applies_to = { institution = "H2" }
rate_bp = "50"
cap = "0.60"
payees = [{ code = "ISSUER", share = 2 }, { code = "ACQUIRER", share = 1 }]
refund_returns = true
from = "2026-01-01"
"""
PAYABLE: Final = {
    "H1": "2010.H1",
    "H2": "2010.H2",
    "H3": "2010.H3",
    "H4": "2010.H4",
    "R1": "2011.R1",
    "V1": "2010.H1",
}
SENDER: Final = {"V1": "COUNTY"}
"""Who sends for an institution, where it is not itself."""
SETTLED_AT: Final = {
    "2010.H1": "B1", "2010.H2": "B2", "2010.H3": "B1", "2010.H4": "B3", "2011.R1": "B2", "1020.F1": "B2", "2040.F1": "B2",
    "1020.F2": "B1", "2040.F2": "B1", "1030.I1": "B1", "1040.T1": "B2", "2060.B1": "B1", "2060.B2": "B2", "2060.B3": "B3",
}  # fmt: skip
HOLDER: Final = {
    "H1": "B1",
    "H2": "B2",
    "H3": "B1",
    "H4": "B3",
    "R1": "B2",
    "V1": "B1",
    "F1": "B2",
    "F2": "B1",
    "I1": "B1",
}
"""Which bank holds a member's open items."""
ITEMS: Final = ("2030", "2035", "2050", "2091", "1091")
CARRIES: Final = ("H3", "H4")
AREAS: Final = {"F1": "990001", "F2": "990002"}
TERMINAL_OF: Final = {"H2": "990100000002", "H1": "990100000003"}
ACQUIRER: Final = "B3"

# What a card may do in each state; `ISSUED` waits for a debit, a payout is held.
DEBIT: Final = {"ACTIVE": "yes", "ISSUED": "wait"}
TOP_UP: Final = dict.fromkeys(("ISSUED", "ACTIVE", "FROZEN_DEBIT", "LOST", "REPLACED"), "yes")
PAYOUT: Final = {
    "ISSUED": "HELD", "ACTIVE": "ACCEPTED", "FROZEN_DEBIT": "ACCEPTED", "FROZEN_ALL": "HELD", "LOST": "ACCEPTED",
    "CANCELLED": "REJECTED", "TERMINATED": "REJECTED", "DECEASED": "HELD",
}  # fmt: skip
REPAID: Final = PAYOUT | {"CANCELLED": "no", "TERMINATED": "no", "DECEASED": "no"}


def share(amount: int, rate: str) -> int:
    """A part of an amount, half-up to the fen."""
    return int((Decimal(amount) * Decimal(rate)).quantize(Decimal(1), ROUND_HALF_UP))


def fees_of(place: str, route: str, bank: str, amount: int, *, by_terminal: bool) -> dict[str, int]:
    """Who gets which fee of a payment, fen."""
    if place == "R1" and route == "DIRECT":
        fee = min(share(amount, "0.0038"), 1300)
        return {"B2": fee} if fee else {}
    if place == "H2" and route != "UNIONPAY":
        fee = min(share(amount, "0.005"), 60)
        two, one = divmod(fee * 2, 3), divmod(fee, 3)
        issuer, acquirer = two[0], one[0]
        if issuer + acquirer < fee:  # one fen is left: to the larger rest
            issuer, acquirer = (issuer + 1, acquirer) if two[1] >= one[1] else (issuer, acquirer + 1)
        out: Counter[str] = Counter({bank: issuer})
        out[ACQUIRER if by_terminal else bank] += acquirer
        return {code: fen for code, fen in out.items() if fen}
    return {}


@dataclass(eq=False)
class Card:
    """One card number and what became of it."""

    token: str
    bank: str
    state: str = "ISSUED"
    before: list[str] = field(default_factory=list)
    platform: bool = False
    account_class: str = "I"
    aliases: list[str] = field(default_factory=list)
    next: Card | None = None
    """The card that took its place."""
    kept: Card | None = None
    """The card that was kept when this one was found to be a duplicate."""
    root: Card | None = None
    fees: int = 0

    @property
    def latest(self) -> Card:
        return self.next.latest if self.next is not None else self

    @property
    def first(self) -> Card:
        return self.root or self

    def holds(self, books: Books) -> None:
        books["1010." + self.bank] += self.fees
        books["2060." + self.bank] -= self.fees


@dataclass(eq=False)
class Credit:
    """Money that went from a card to an institution: a payment, a deposit, a top-up at discharge, paid arrears."""

    event: Event
    place: str
    card: Card
    fen: int
    day: date
    route: str = "DIRECT"
    by_terminal: bool = False
    order: str = ""
    back: Counter[str] = field(default_factory=Counter)
    """What refunds gave back, by the bank that booked them."""
    gone: str = ""
    fees: dict[str, int] = field(default_factory=dict)
    returned: dict[str, int] = field(default_factory=dict)
    stay: Stay | None = None

    def charge(self) -> None:
        """The fee is due from now on."""
        self.fees = fees_of(self.place, self.route, self.card.bank, self.fen, by_terminal=self.by_terminal)

    @property
    def refunded(self) -> int:
        return sum(self.back.values())

    def refund(self, part: int, bank: str) -> None:
        self.back[bank] += part
        if self.place == "H2" and self.route != "UNIONPAY":
            for payee, fee in self.fees.items():
                self.returned[payee] = int(
                    (Decimal(fee) * self.refunded / self.fen).quantize(Decimal(1), ROUND_HALF_UP)
                )

    def standing(self, payee: str) -> int:
        return self.fees.get(payee, 0) - self.returned.get(payee, 0)

    def holds(self, books: Books) -> None:
        if self.gone:
            return
        left, pays, bank = self.fen - self.refunded, PAYABLE[self.place], "1010." + self.card.bank
        if self.route == "UNIONPAY":
            books["1050.CUP"] += left
            books["2019." + self.place] -= left
        else:
            books[pays] -= left
            books["1040.T1" if self.route == "CHANNEL" else bank] += self.fen
            for where, fen in self.back.items():
                books["1040.T1" if self.route == "CHANNEL" else "1010." + where] -= fen
        if self.route == "DIRECT" and self.place == "H3" and bank == "1010.B1":
            books[pays] += self.fen
            books[bank] -= self.fen
        for payee in self.fees:
            books[pays] += self.standing(payee)
            books["2060." + payee] -= self.standing(payee)


@dataclass(eq=False)
class TimeOut:
    """A payment or deposit without an answer."""

    credit: Credit
    debited: bool
    open: bool = True

    def holds(self, books: Books) -> None:
        if self.open and self.debited and self.credit.route == "DIRECT":
            books["1010." + self.credit.card.bank] += self.credit.fen
            books["2050." + self.credit.place] -= self.credit.fen


@dataclass(eq=False)
class Settled:
    """One settlement of a stay: interim or final."""

    event: Event
    used: int
    owed: int
    top_up: Credit | None
    refund: int
    claim: Claim | None


@dataclass(eq=False)
class Stay:
    """An admission."""

    place: str
    number: str
    card: Card
    held: int = 0
    owed: int = 0
    state: str = "OPEN"
    paid_out: int = 0
    """Given back to the card: refunds of deposits and at discharge."""
    routes: set[str] = field(default_factory=set)
    settlements: list[Settled] = field(default_factory=list)

    def holds(self, books: Books) -> None:
        books["9010." + self.place] += self.held
        books[f"9011.{self.place}.{self.number}"] -= self.held
        books["9040." + self.place] += self.owed
        books[f"9041.{self.place}.{self.number}"] -= self.owed
        books[PAYABLE[self.place]] += self.paid_out
        books["1010." + self.card.bank] -= self.paid_out


@dataclass(eq=False)
class Claim:
    """What a hospital has advanced for a payer."""

    number: str
    payer: str
    place: str
    fen: int
    areas: tuple[str, str] | None
    state: str = "OPEN"
    deducted: int = 0
    retained: int = 0

    def holds(self, books: Books) -> None:
        pair = f"{self.payer}.{self.place}"
        if self.state == "OPEN":
            books["9020." + pair] += self.fen
            books["9021." + pair] -= self.fen
        if self.state == "SETTLED":
            paid = self.fen - self.deducted - self.retained
            books["1020." + self.payer] += paid
            books[PAYABLE[self.place]] -= paid
            books["9030." + pair] += self.retained
            books["9031." + pair] -= self.retained
            across(books, self.payer, self.areas, self.fen - self.deducted)


def across(books: Books, payer: str, areas: tuple[str, str] | None, fen: int) -> None:
    """What the insured area owes the treat area, when the payer is of the treat area."""
    if areas is not None and areas[0] != areas[1] and AREAS.get(payer) == areas[0]:
        books[f"9050.{areas[0]}.{areas[1]}"] += fen
        books[f"9051.{areas[0]}.{areas[1]}"] -= fen


@dataclass(eq=False)
class Out:
    """A payout to a card account."""

    event: Event
    payer: str
    number: str
    kind: str
    fen: int
    card: Card
    state: str
    day: date
    areas: tuple[str, str] | None = None
    attempt: int = 1
    was_paid: bool = False
    banks: dict[int, str] = field(default_factory=dict)
    """The banks of earlier attempts."""
    results: dict[int, dict[str, str]] = field(default_factory=dict)
    returns: dict[int, dict[str, str]] = field(default_factory=dict)
    line: list[str] = field(default_factory=list)
    """Ids of what was said of it and waits, the first to come first."""

    @property
    def live(self) -> bool:
        """Whether it counts towards the limits of its card."""
        return self.state in {"HELD", "ACCEPTED", "SENT", "PAID"}

    def holds(self, books: Books) -> None:
        if self.state in {"WITHDRAWN", "GIVEN_BACK"}:
            return
        books[("1030." if self.payer == "I1" else "1020.") + self.payer] += self.fen
        across(books, self.payer, self.areas, self.fen)
        if self.state in {"HELD", "ACCEPTED", "SENT"}:
            books["2035." + self.payer] -= self.fen
        elif self.state == "PAID":
            books["1010." + self.card.bank] -= self.fen
        else:
            books["2030." + self.payer] -= self.fen


@dataclass(eq=False)
class Moved:
    """Anything that moves fixed sums while it stands."""

    event: Event | None
    legs: dict[str, int]
    gone: bool = False

    def holds(self, books: Books) -> None:
        for name, fen in () if self.gone else self.legs.items():
            books[name] += fen


@dataclass(eq=False)
class Premium:
    """A family's premiums."""

    event: Event
    bank: str
    fund: str
    persons: dict[str, int]

    def holds(self, books: Books) -> None:
        fen = sum(self.persons.values())
        books["1010." + self.bank] += fen
        books["2040." + self.fund] -= fen
