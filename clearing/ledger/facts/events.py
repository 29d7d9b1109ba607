"""What became of events: outcomes, originals, what was taken back of them, who waits in line. 事件"""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, NamedTuple

from clearing.ledger.facts.keys import lock_name
from clearing.ledger.value import value

if TYPE_CHECKING:
    from clearing.ledger.entry import Entry
    from messages import Event


class Place(NamedTuple):
    """Where a parked event stands in a line: of a stay, a payout, what a payer settles, an order number. 排队"""

    order: tuple[int, int]
    """(0, arrival) of those parked by earlier batches, (1, n) of this batch's: the lower the earlier."""
    source: str
    id: str
    waits_for: str
    """Name of the key it waits for."""
    adds: bool
    """Whether it only adds to what the stay or retention holds: others like it need not wait for it."""

    @property
    def name(self) -> str:
        """The name by which others wait for this event."""
        return lock_name(("seen", self.source, self.id))


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
