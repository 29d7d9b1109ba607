"""How a record ends: exactly one outcome, and nothing is dropped. 处理结果

`posted` · `noted` · `duplicate` · `rejected` · `parked` are decided here; `malformed` is decided by `messages`.
Refusals are a closed list in the contract's order; the first that applies is the one announced.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from clearing.ledger.entry import Entry
from clearing.ledger.facts import Fact, Key, Seen
from clearing.ledger.value import value

if TYPE_CHECKING:
    from messages import Event


class Outcome(StrEnum):
    """What became of a record."""

    POSTED = "posted"
    NOTED = "noted"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    PARKED = "parked"
    MALFORMED = "malformed"


POSTED, NOTED, DUPLICATE, REJECTED, PARKED, MALFORMED = Outcome
"""By names of their own: to ask an enum's class for a member takes 0.2 µs, ten times as long."""


class Reason(StrEnum):
    """Why an event was refused; the order of the general part is the order in which they are checked."""

    ID_REUSED = "id_reused"
    TEST_EVENT = "test_event"
    UNKNOWN_SOURCE = "unknown_source"
    SOURCE_NOT_ALLOWED = "source_not_allowed"
    CURRENCY_NOT_SUPPORTED = "currency_not_supported"
    UNKNOWN_MEMBER = "unknown_member"
    TIME_IN_FUTURE = "time_in_future"
    ROUTE_NOT_AGREED = "route_not_agreed"
    TERMINAL_BLOCKED = "terminal_blocked"
    CARD_NOT_ALLOWED = "card_not_allowed"
    REVERSED_BEFORE_ARRIVAL = "reversed_before_arrival"
    UNKNOWN_ORIGINAL = "unknown_original"
    ORIGINAL_SPENT = "original_spent"
    PAYOUT_STATE = "payout_state"
    VOID_AFTER_CUTOVER = "void_after_cutover"
    TOO_OLD = "too_old"
    CARD_DIFFERS = "card_differs"
    ROUTE_DIFFERS = "route_differs"
    AMOUNT_DIFFERS = "amount_differs"
    EXCEEDS_ORIGINAL = "exceeds_original"
    BANK_REF_REUSED = "bank_ref_reused"
    ORDER_ALREADY_PAID = "order_already_paid"
    # a type's own, in the order of its row
    CARD_STATE = "card_state"
    ISSUER_NOT_VALID = "issuer_not_valid"
    ADMISSION_EXISTS = "admission_exists"
    ADMISSION_CLOSED = "admission_closed"
    DEPOSIT_REMAINS = "deposit_remains"
    EXCEEDS_DEPOSIT = "exceeds_deposit"
    DISCHARGE_UNBALANCED = "discharge_unbalanced"
    CLAIM_ALREADY_PAID = "claim_already_paid"
    CLAIM_SETTLED = "claim_settled"
    ARREARS_PAID = "arrears_paid"
    EXCEEDS_ARREARS = "exceeds_arrears"
    PREMIUM_ALREADY_PAID = "premium_already_paid"
    TOTAL_DIFFERS = "total_differs"
    BATCH_EXISTS = "batch_exists"
    BATCH_DIFFERS = "batch_differs"
    NOT_ENROLLED = "not_enrolled"
    ACCOUNT_LIMIT = "account_limit"
    UNKNOWN_CLAIM = "unknown_claim"
    EXCEEDS_RETENTION = "exceeds_retention"
    EXCEEDS_CLAIMS = "exceeds_claims"
    UNBALANCED = "unbalanced"
    ACCOUNT_NOT_ALLOWED = "account_not_allowed"
    NEVER_ARRIVED = "never_arrived"


@dataclass(frozen=True, slots=True)
class Rejected:
    """Refused by a rule: nothing moves, and the producer sends again under a new id. 拒绝入账"""

    reason: Reason
    detail: str
    """What was asked, what is there, and by how much it differs."""


@dataclass(frozen=True, slots=True)
class Parked:
    """Waits for something named, and is decided again by what brings it. 挂起"""

    key: Key
    detail: str = ""
    in_line: bool = True
    """Whether later events of its line have to wait for it."""


@dataclass(slots=True)
class Accepted:
    """Posted when there is an entry, else noted; with every fact that changed. 入账

    Nobody changes one. Like an event it is not frozen only because that makes building it three times as slow.
    """

    entry: Entry | None
    changes: Mapping[Key, Fact] = field(default_factory=dict)
    detail: str = ""


Verdict: TypeAlias = Accepted | Rejected | Parked


@value
class Decision:
    """One event's outcome in one batch, as it is recorded and announced."""

    event: Event
    outcome: Outcome
    reason: str = ""
    """A `Reason`, for a duplicate the first outcome's."""
    detail: str = ""
    entry: Entry | None = None
    clearing_date: date | None = None
    """Set when posted or noted."""
    late: bool = False
    waits_for: str = ""
    """Name of the key it waits for (`facts.lock_name`), when parked."""
    woken: bool = False
    """Whether it had been parked before, in this batch or an earlier one."""
    notice_no: int = 1
    """The last part of its notice's id: 1, after parking 2."""
    limit_days: int = 0
    """When parked: how many cuts it may wait; 0 while it waits for its day."""
    line: str = ""
    """When parked: name of the line in which it stands, a stay's, a payout's or another's; empty when in none."""
    feeds: str = ""
    """When parked: name of a further line, to which it only adds."""
    first: Seen | None = None
    """Of a duplicate: the first outcome, which is announced again."""
