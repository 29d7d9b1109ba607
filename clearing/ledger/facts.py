"""What must be known to decide an event: values read before, changed by decisions, written after. 事实

A key is a tuple whose first item says the kind: `("card", "tok_1")`, `("stay", "H1", "A31")`. Every fact is an
immutable value; a decision returns new values and the fold puts them here, so that an event sees what the
events before it in the same batch did. The store has one table a kind; its columns are the fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from clearing.ledger.value import value

if TYPE_CHECKING:
    from clearing.ledger.entry import Entry
    from messages import Event

Key: TypeAlias = tuple[str, ...]
EventKey: TypeAlias = tuple[str, str]
"""(source, id) of an event."""

OF_EVENT: Final = frozenset({"seen", "original", "undo", "timeout", "payout", "tombstone", "entry"})
"""Kinds keyed by an event's (source, id): they share one lock and one name to wait for."""

OF_CARD: Final = frozenset({"card", "alias", "aliases_of", "held"})
"""Kinds keyed by a card's number, its own or an alias."""
REGISTRY: Final = frozenset({"card", "alias", "aliases_of", "held", "terminal"})
"""Kinds that only the registry's own events change: every other event reads them, and may do so beside others."""
VIRTUAL: Final = frozenset({"seen", "original", "aliases_of", "held", "payouts_of", "line"})
"""Kinds that are read out of other tables and never written: the fold keeps them up to date in memory.

`("aliases_of", card)` is a tuple of tokens, `("held", card)` a tuple of (source, id) of held payouts,
`("payouts_of", root)` a tuple of `LivePayout`, `("line", *key)` a tuple of `Place`: parked events of a stay or
payout, the first to arrive first.
"""


def lock_name(key: Key) -> str:
    """The name under which a key is locked and waited for: one for all that is kept of one event or card."""
    kind = key[0]
    if kind == "line":
        return lock_name(key[1:])
    if kind in OF_EVENT:
        kind = "event"
    elif kind in OF_CARD:
        kind = "card"
    return "/".join((kind, *key[1:]))


class Place(NamedTuple):
    """Where a parked event stands in the line of its stay or payout. 排队"""

    order: tuple[int, int]
    """(0, arrival) of those parked by earlier batches, (1, n) of this batch's: the lower the earlier."""
    source: str
    id: str
    waits_for: str
    """Name of the key it waits for."""
    adds: bool
    """Whether it only adds to what the stay holds: others like it need not wait for it."""

    @property
    def name(self) -> str:
        """The name by which others wait for this event."""
        return lock_name(("seen", self.source, self.id))


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
        return any(one.stage == stage for one in self.registrations)

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


@value
class Seen:
    """The outcome that an event id has used up."""

    source: str
    id: str
    type: str
    sm3: bytes
    """Digest of the event's content."""
    outcome: str
    """posted, noted, rejected or parked."""
    reason: str = ""
    entry_id: str = ""
    clearing_date: date | None = None
    late: bool = False
    waits_for: str = ""
    announced: int = 1
    """How often an outcome was announced under the event's own id: 2 once it was parked and decided."""


@value
class Original:
    """An earlier event that another one names: what it said, and the entry it made, if any."""

    event: Event
    entry: Entry | None


@value
class Undo:
    """What has been taken back of a posted event."""

    source: str
    id: str
    spent: str = ""
    """voided, reversed or cancelled; empty while it stands."""
    refunded_fen: int = 0
    fee_returned: tuple[tuple[str, int], ...] = ()
    """(payee, fen) given back by refunds."""
    fee_adjusted: tuple[tuple[str, int], ...] = ()
    """(payee, fen) of approved fee differences, more positive."""
    persons_refunded: tuple[str, ...] = ()
    last_date: date

    @property
    def untouched(self) -> bool:
        """Neither voided, reversed nor refunded."""
        return not self.spent and not self.refunded_fen


@value
class Timeout:
    """A payment or deposit whose result is unknown. 状态未明"""

    source: str
    id: str
    state: str
    """OPEN, CONFIRMED or REVERSED."""
    institution: str
    amount_fen: int
    debited: bool
    """Whether the bank had debited the card when it was reported."""
    occurred_at: datetime
    confirmed_source: str = ""
    confirmed_id: str = ""
    last_date: date


@value
class Tombstone:
    """Reversals that came before what they reverse. 冲正先到"""

    source: str
    id: str
    reversals: tuple[tuple[str, str], ...]
    """(source, id) of each reversal, oldest first."""
    senders: tuple[str, ...]
    institutions: tuple[str, ...]
    amounts_fen: tuple[int, ...]


@value
class Stay:
    """One admission of one hospital, with the deposit it holds. 住院"""

    institution: str
    admission_no: str
    card: str
    state: str = "OPEN"
    """OPEN, DISCHARGED or CANCELLED."""
    admitted_at: datetime
    discharged_at: datetime | None = None
    deposit_fen: int = 0
    arrears_fen: int = 0
    cards: tuple[str, ...] = ()
    """Cards that have paid deposits of it, undone ones too."""
    routes: tuple[str, ...] = ()
    """Routes by which it was paid, `DIRECT` or `UNIONPAY/<network>`."""
    settlements: tuple[tuple[str, str], ...] = ()
    """(source, id) of the discharges that stand, oldest first."""
    last_date: date


@value
class Settlement:
    """All that is known of (payer, settlement_id): the claim a hospital advanced, and live payouts."""

    payer: str
    settlement_id: str
    institution: str = ""
    kind: str = ""
    advanced_fen: int = 0
    """What the hospital advanced; 0 where there is no live advanced claim."""
    treat_area: str = ""
    insured_area: str = ""
    settled: bool = False
    discharge: tuple[str, ...] = ()
    """(source, id) of the discharge that brought the claim."""
    live: tuple[tuple[str, str, str], ...] = ()
    """(kind, source, id) of payouts that are live."""
    paid: bool = False
    """Whether a payout for it was ever PAID."""
    last_date: date


class Attempt(NamedTuple):
    """One try to pay a payout, with what the bank said of it."""

    number: int
    card: str
    bank: str
    at: datetime
    result: str = ""
    """PAID or REJECTED, empty while unanswered."""
    result_ref: str = ""
    result_date: date | None = None
    reason_code: str = ""
    return_ref: str = ""
    return_date: date | None = None


@value
class Payout:
    """A reimbursement on its way to a card account. 代付"""

    source: str
    id: str
    state: str
    """HELD, ACCEPTED, SENT, PAID, REJECTED, RETURNED, GIVEN_BACK or WITHDRAWN."""
    payer: str
    settlement_id: str
    kind: str
    amount_fen: int
    card: str
    """Where the present attempt goes."""
    bank: str
    root: str
    """Root of that card, for account-class limits."""
    attempt: int = 1
    attempts: tuple[Attempt, ...] = ()
    batch_id: str = ""
    row_no: int | None = None
    treat_area: str = ""
    insured_area: str = ""
    last_date: date


class LivePayout(NamedTuple):
    """One payout that counts towards its card's account-class limits."""

    source: str
    id: str
    at: datetime
    """Time of its last attempt."""
    amount_fen: int


@value
class PayoutBatch:
    """A payer's batch of payouts under one control total."""

    payer: str
    batch_id: str
    kind: str
    rows: int
    total_fen: int
    digest: str
    state: str = "OPEN"
    """OPEN, then RELEASED when count, total and digest fit."""
    counted: tuple[tuple[int, str, int, bool], ...] = ()
    """(row_no, event id, fen, accepted) of rows that count, in order of arrival."""
    counted_fen: int = 0
    """Σ of these: with the sums at hand a row costs the same in a batch of twenty thousand."""
    accepted_fen: int = 0
    """Σ of those accepted."""
    accepted_nos: tuple[int, ...] = ()
    """Row numbers of those accepted."""
    last_date: date


@value
class Retention:
    """What a payer keeps of a hospital's claims until the year-end check. 保证金"""

    payer: str
    institution: str
    year: str
    retained_fen: int
    last_date: date


@value
class AreaPair:
    """What the insured area's fund owes the treat area's. 异地往来"""

    treat_area: str
    insured_area: str
    open_fen: int
    last_date: date


@value
class Premium:
    """One person's premium of one year and fund. 参合缴费"""

    payer: str
    scheme_year: str
    person: str
    source: str
    """Of the premium.paid that holds it; empty once refunded."""
    id: str
    amount_fen: int


@value
class OrderNo:
    """An order number of an institution and who has taken it; `source` is empty when it is free again."""

    institution: str
    order_no: str
    source: str
    id: str


@value
class BankRef:
    """A reference of a partner, used up by one event."""

    partner: str
    bank_date: date
    bank_ref: str
    source: str
    id: str


@value
class Instruction:
    """An inter-bank or in-bank instruction of a closed day. 清算指令"""

    id: str
    clearing_date: date
    kind: str
    """INTER_BANK, IN_BANK or CARRY."""
    debtor: str
    """Inter-bank: the paying bank; in-bank: the bank itself."""
    creditor: str
    """Inter-bank: the receiving bank; in-bank: the account of the books it settles."""
    amount_fen: int
    state: str
    """WAITING, CONFIRMED, FAILED or REPLACED."""
    value_date: date
    """The working day on which it is to be settled."""
    replaces: str = ""


Fact: TypeAlias = Any
"""Any of the values above; which, the key's kind says."""


class Facts:
    """The facts of one batch, by key. Absent means read and not there."""

    __slots__ = ("_by_key", "_coming", "networks")

    def __init__(self, found: Iterable[tuple[Key, Fact]] = (), networks: tuple[str, ...] = ()) -> None:
        self._by_key: dict[Key, Fact] = dict(found)
        self._coming: dict[EventKey, Event] = {}
        self.networks = networks
        """Every card network, whatever its dates: whose reference an unnamed one may be."""

    def get(self, *key: str) -> Fact | None:
        """The fact under a key, None when there is none."""
        return self._by_key.get(key)

    def expect(self, events: Iterable[Event]) -> None:
        """Say which events are to be decided with these facts: an undo's needs follow from its original's words."""
        for event in events:
            self._coming.setdefault((event.source, event.id), event)

    def event(self, source: str, id_: str) -> Event | None:
        """What an event said, decided before or to be decided in this batch; None when it is neither."""
        known: Original | None = self._by_key.get(("original", source, id_))
        return known.event if known else self._coming.get((source, id_))

    def put(self, key: Key, fact: Fact) -> None:
        """Set a fact, as the fold does with what a decision changed."""
        self._by_key[key] = fact

    def update(self, found: Mapping[Key, Fact]) -> None:
        """Set several facts."""
        self._by_key.update(found)
