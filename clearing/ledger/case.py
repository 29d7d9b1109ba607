"""One event under decision: what it says beside what is known. 业务处理

A case answers the questions that rules ask (which card, which institution's payable, what date) and holds no
state of its own but what it has looked up. It asks facts and members; it never asks a clock or a database.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, TypeAlias, TypeVar

from clearing.errors import InvariantViolated
from clearing.ledger.entry import Entry, Posting, Status, entry_id
from clearing.ledger.facts import (
    BankRef,
    Card,
    EventKey,
    Fact,
    Facts,
    Key,
    Original,
    Place,
    Seen,
    Timeout,
    Undo,
    lock_name,
)
from clearing.ledger.members import Institution, Member, Members, MembersOn
from clearing.ledger.outcomes import Accepted
from messages import Event

T = TypeVar("T")

Waiters: TypeAlias = Mapping[str, Iterable[EventKey]]
"""Name → (source, id) of the parked events that wait for it."""
NOBODY: Final[Waiters] = {}
ANSWERS: Final = frozenset({"payment.confirmed", "payment.reversed"})
"""Types that what waits for a time-out is waiting for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a payout to an account class may be, in fen, over a day and a calendar year."""

    day_fen: int
    year_fen: int


ACCOUNT_LIMITS: Final = {
    "II": Limits(day_fen=1_000_000, year_fen=20_000_000),
    "III": Limits(day_fen=200_000, year_fen=5_000_000),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What holds for a whole batch: members, the day, and the settings that rules read."""

    members: Members
    open_day: date
    """The first day that is not cut; entries are dated this day or the next."""
    env: str = "PROD"
    cards_required: bool = True
    refund_days_max: int = 180
    depends_days_max: int = 180
    park_days_max: int = 3
    account_limits: dict[str, Limits] = field(default_factory=lambda: dict(ACCOUNT_LIMITS))
    _open: tuple[datetime, datetime] = field(init=False, repr=False, compare=False)
    """First instant of the open day and of the next, UTC."""

    def __post_init__(self) -> None:
        clock = self.members.clock
        bounds = (clock.cut_from(self.open_day), clock.cut_to(self.open_day))
        object.__setattr__(self, "_open", bounds)

    def date_of(self, instant: datetime) -> date:
        """As the clock's `date_of`; for the open day two comparisons instead of a change of time zone."""
        begins, ends = self._open
        return self.open_day if begins <= instant < ends else self.members.clock.date_of(instant)


class Said:
    """A body's fields as attributes. A model of pydantic takes four times as long to give one: 0.14 µs."""

    __slots__ = ("__dict__",)


class Case:
    """One event, the facts and the members in force; see the module's first lines."""

    __slots__ = (
        "_card",
        "_entry_members",
        "_floor",
        "_order",
        "_partner",
        "_token",
        "_waiting",
        "context",
        "data",
        "day",
        "event",
        "facts",
        "members",
        "recorded_at",
        "route",
        "said",
    )

    def __init__(
        self,
        event: Event,
        facts: Facts,
        context: Context,
        recorded_at: datetime | None,
        *,
        order: tuple[int, int] | None = None,
        waiting: Waiters = NOBODY,
    ) -> None:
        self.event = event
        self.said: dict[str, Any] = event.data.__dict__
        """The body's fields by name: asking a model for a field it does not have costs 7 µs, a dict 0.05."""
        self.data: Any = Said()
        self.data.__dict__ = self.said
        self.route: str = self.said.get("route", "DIRECT")
        """The event's route, DIRECT where it names none."""
        self.facts = facts
        self.context = context
        self.recorded_at = recorded_at
        """The broker's own time of the record; None for files and for events decided again."""
        self.day = context.date_of(event.time)
        self.members = context.members.on(self.day)
        self._floor = self.day
        self._entry_members: MembersOn | None = self.members
        self.not_before(context.open_day)
        self._token: str | None = None
        self._card: Card | None = None
        self._partner: str | None = None
        self._order = order
        """Of an event that had been parked: its place among those; None of one that just came."""
        self._waiting = waiting

    # -- dates ---------------------------------------------------------------------------------------------

    @property
    def clearing_date(self) -> date:
        """The later of the event's own date, the open day, and every date looked up so far."""
        return self._floor

    def not_before(self, day: date) -> None:
        """Dates do not go back inside one original, stay, payout or claim."""
        if day > self._floor:
            self._floor = day
            self._entry_members = None

    @property
    def settings(self) -> MembersOn:
        """Members in force on the clearing date: settings are those of that date."""
        if self._entry_members is None:
            self._entry_members = self.context.members.on(self._floor)
        return self._entry_members

    # -- who -----------------------------------------------------------------------------------------------

    def spoken_by(self, code: str) -> bool:
        """Whether the sender is that member or one of its agents."""
        return self.members.may_speak_for(self.event.source, code)

    @property
    def platform(self) -> str:
        """The platform's own member code."""
        return self.context.members.platform.code

    def institution(self, code: str) -> Institution:
        """The institution's own record, for its level, ownership and routes."""
        member = self.settings.by_code.get(code) or self.members.by_code.get(code)
        if member is None:  # it has left since: what it took is still undone or confirmed
            member = self.context.members.last_record(code)
        if not isinstance(member, Institution):
            raise InvariantViolated(
                f"{self.name}: {code} has never been an institution. See: clearing verify"
            )
        return member

    def settling(self, code: str) -> Institution:
        """The institution that takes the money of `code`: itself, or the one it settles with."""
        return self.settings.payable_of.get(code) or self.institution(code)

    def member(self, code: str) -> Member | None:
        """The record of any member in force on the clearing date."""
        return self.settings.by_code.get(code)

    # -- the card ------------------------------------------------------------------------------------------

    @property
    def token(self) -> str:
        """The card's own token; an alias is resolved at the event's time, an unknown token is itself."""
        if self._token is None:
            self._token = self.resolve(self.said["card"])
        return self._token

    @property
    def card(self) -> Card | None:
        """The card's record, None when nobody has registered it."""
        if self._card is None:
            self._card = self.facts.get("card", self.token)
        return self._card

    def resolve(self, token: str, at: datetime | None = None) -> str:
        """The own token of a card from any of its numbers, as they stood at an instant (the event's time)."""
        if self.facts.get("card", token) is None:
            alias = self.facts.get("alias", token)
            if alias is not None:
                found: str = alias.card_at(at or self.event.time)
                return found
        return token

    def follows(self, token: str, earlier: str) -> bool:
        """Whether `token` is the card `earlier` or took its place, in one step or several.

        In:      `earlier` may be an alias that was not known yet when its event was decided.
        """
        alias = self.facts.get("alias", earlier) if self.facts.get("card", earlier) is None else None
        at = alias.cards[0].card if alias is not None else earlier
        been = {at}
        while at != token:
            card = self.facts.get("card", at)
            if card is None or not card.replaced_by or card.replaced_by in been:
                return False
            at = card.replaced_by
            been.add(at)
        return True

    def latest(self, card: Card) -> Card:
        """The card that stands for `card` now: the end of its chain of replacements.

        A duplicate has a kept card in its place for undos and stays only: for permission it has ended.
        """
        at = card
        while at.state == "REPLACED":
            successor = self.facts.get("card", at.replaced_by)
            if successor is None:
                break
            at = successor
        return at

    # -- the line ------------------------------------------------------------------------------------------

    def ahead(self, *line: str, holding: bool = False) -> Place | None:
        """The first parked event of a line that came before this one and does not wait for it itself.

        In:      the key of the line without its kind; `holding`: only one that does more than add.
        """
        places: tuple[Place, ...] = self.facts.get("line", *line) or ()
        after_us: set[str] | None = None
        for one in places:  # the first to arrive first
            if self._order is not None and one.order >= self._order:
                break
            if holding and one.adds:
                continue
            if after_us is None:
                after_us = self._after_us()
            if one.name not in after_us:
                return one
        return None

    def _after_us(self) -> set[str]:
        """Names of the events that wait for this one, of those that wait for them, and so on, in whatever line."""
        found: set[str] = set()
        more = [lock_name(("seen", *self.key))]
        if self.event.type in ANSWERS:
            more.append(lock_name(("seen", *self.original_key)))
        while more:
            name = more.pop()
            if name not in found:
                found.add(name)
                more += [lock_name(("seen", *key)) for key in self._waiting.get(name, ())]
        return found

    # -- the original --------------------------------------------------------------------------------------

    @property
    def original_key(self) -> EventKey:
        """(source, id) of the event that this one names."""
        return (self.data.original.source, self.data.original.id)

    @property
    def original_seen(self) -> Seen | None:
        """The outcome of the named event; None while it is unknown."""
        found: Seen | None = self.facts.get("seen", *self.original_key)
        return found

    @property
    def original(self) -> Original | None:
        """The named event and its entry, when it was accepted."""
        found: Original | None = self.facts.get("original", *self.original_key)
        return found

    @property
    def timeout(self) -> Timeout | None:
        """The time-out that the named event is, if it is one."""
        found: Timeout | None = self.facts.get("timeout", *self.original_key)
        return found

    @property
    def undo(self) -> Undo | None:
        """What has been taken back of the named event so far."""
        found: Undo | None = self.facts.get("undo", *self.original_key)
        return found

    @property
    def undone_entry(self) -> Entry | None:
        """The entry to undo: the named event's, of a confirmed time-out the confirmation's."""
        timeout = self.timeout
        if timeout is not None and timeout.confirmed_id:
            confirmation: Original | None = self.facts.get(
                "original", timeout.confirmed_source, timeout.confirmed_id
            )
            return confirmation.entry if confirmation else None
        return self.original.entry if self.original else None

    # -- bank references -----------------------------------------------------------------------------------

    @property
    def network(self) -> str:
        """The card network of a UNIONPAY event: the one it names, its original's, or the only one."""
        named: str | None = self.said.get("network")
        if named is None and "original" in self.said:
            named = self.original_network
        return named or (self.members.networks[0] if len(self.members.networks) == 1 else "")

    @property
    def original_network(self) -> str:
        """The network of a UNIONPAY original: the one it went by, named, or was the only one of its day."""
        entry = self.undone_entry
        if entry is not None:
            return entry.partner if entry.route == "UNIONPAY" else ""
        original = self.original
        if original is None or original.event.data.__dict__.get("route") != "UNIONPAY":
            return ""
        named: str | None = original.event.data.__dict__.get("network")
        networks = self.context.members.on(self.context.members.clock.date_of(original.event.time)).networks
        return named or (networks[0] if len(networks) == 1 else "")

    @property
    def partner(self) -> str:
        """Whose `bank_ref` the event carries."""
        if self._partner is None:
            self._partner = self._find_partner()
        return self._partner

    def _find_partner(self) -> str:
        method = self.said.get("method")
        if method is not None:
            return self.data.payer_bank if method == "NETBANK" else self.event.source
        if self.route == "UNIONPAY":
            return self.network
        if self.route == "CHANNEL":
            if "original" in self.said and self.undone_entry is not None:
                return self.undone_entry.partner
            return self.event.source
        return self.said.get("bank") or self.event.source

    # -- what comes out ------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The event in messages."""
        return f"{self.event.type} {self.event.source}/{self.event.id}"

    @property
    def key(self) -> EventKey:
        """The event's own (source, id)."""
        return (self.event.source, self.event.id)

    def entry(
        self,
        postings: Iterable[Posting],
        *,
        amount_fen: int | None = None,
        status: Status = Status.SUCCESS,
        original: Entry | None = None,
        **dimensions: Any,  # noqa: ANN401 - fields of Entry, checked there
    ) -> Entry:
        """The entry of this event; dimensions not given are taken from the event, then from the original.

        Raises:  InvariantViolated when the postings do not balance.
        """
        event, day = self.event, self._floor
        known = self.said.get
        found: dict[str, Any] = {
            "id": entry_id(day, f"{self.platform}/{event.source}/{event.id}"),
            "clearing_date": day,
            "type": event.type,
            "source": event.source,
            "event_id": event.id,
            "postings": tuple([posting for posting in postings if posting[1]]),
            "occurred_at": event.time,
            "late": day > self.day,
            "amount_fen": known("amount", 0) if amount_fen is None else amount_fen,
            "status": status,
            "institution": known("institution") or "",
            "bank": known("bank") or "",
            "order_no": known("order_no") or "",
            "receipt_no": known("receipt_no") or "",
            "admission_no": known("admission_no") or "",
            "terminal": known("terminal") or "",
            "access": known("access") or "",
            "route": known("route", ""),
            "app_area": known("app_area") or app_area_of(event),
        }
        if known("card") is not None:
            found["card"], found["card_last4"] = self.token, known("card_last4") or ""
        if (ref := known("bank_ref")) is not None:
            found["partner"], found["bank_ref"], found["bank_date"] = self.partner, ref, known("bank_date")
        if original is not None:
            found["original_id"], found["original_date"] = original.id, original.clearing_date
            found |= {name: getattr(original, name) for name in _OF_ORIGINAL if known(name) is None}
            found["app_area"] = found["app_area"] or original.app_area
            if "card" not in found:
                found["card"], found["card_last4"] = original.card, original.card_last4
        return Entry(**found | dimensions)

    def accepted(self, entry: Entry | None, changes: dict[Key, Fact], detail: str = "") -> Accepted:
        """The verdict, with the event's bank reference used up when it was posted."""
        ref = self.said.get("bank_ref")
        if entry is not None and ref is not None:
            self.use_bank_ref(changes)
        return Accepted(entry, changes, detail)

    def use_bank_ref(self, changes: dict[Key, Fact], partner: str | None = None) -> None:
        """Add the event's bank reference to what it uses up."""
        whose = partner or self.partner
        ref, day = self.data.bank_ref, self.data.bank_date
        changes[("bank_ref", whose, day.isoformat(), ref)] = BankRef(
            partner=whose, bank_date=day, bank_ref=ref, source=self.event.source, id=self.event.id
        )


_OF_ORIGINAL: Final = (
    "institution", "bank", "order_no", "receipt_no", "admission_no", "terminal", "access", "route",
)  # fmt: skip
"""Dimensions that an event takes from its original where it has none of its own."""


def made_sure(case: Case, fact: T | None) -> T:
    """A fact that the checks have made sure of.

    Raises:  InvariantViolated when it is not there after all.
    """
    if fact is None:
        raise InvariantViolated(f"{case.name}: a fact is gone that its checks had seen. See: clearing verify")
    return fact


_FIXED_AREAS: dict[type, str] = {}


def app_area_of(event: Event) -> str:
    """The field of use: what the event says, or what its type fixes (SCHEME, FINANCE); empty for others."""
    said: str | None = event.data.__dict__.get("app_area")
    if said is not None:
        return said
    kind = type(event.data)
    if kind not in _FIXED_AREAS:
        _FIXED_AREAS[kind] = getattr(kind, "app_area", "")
    return _FIXED_AREAS[kind]
