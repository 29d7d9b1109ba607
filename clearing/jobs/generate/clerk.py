"""The generator's memory of a day: chance, numbers, what is still to come. 生成台账

One clerk makes one day. What happens is written down at once, whole, with the time at which it will arrive;
the day then reads it in order of arrival. So a visit that is begun is finished, and the count is known.
"""

from __future__ import annotations

import json
import random
from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

from clearing.jobs.generate.agenda import Agenda
from clearing.jobs.generate.plan import LATEST, Plan
from clearing.jobs.generate.spoiled import spoiled_files
from clearing.jobs.generate.town import Place, Town, Weighted
from clearing.ledger.members import Members
from messages import CATALOGUE

ENCODE: Final = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode
LONGEST: Final = 60
"""Events that one beginning can have at most: with less room left only single payments are made."""
CLAIMS_KEPT: Final = 20
POOL_KEPT: Final = 20_000
"""Cards that are remembered: a new one then takes the place of any other, so that a city needs no more room."""
CLOCK: Final = tuple(f"{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}" for s in range(24 * 3600))
"""Every second of a day as text."""
FAMILY: Final = {name: row.family for name, row in CATALOGUE.items()}


class Sent(NamedTuple):
    """One record as its producer sends it. 事件记录"""

    value: bytes
    """The CloudEvents object, UTF-8 JSON."""
    family: str
    """Which topic: cards, payments, deposits, reimbursements, control."""
    key: str
    """The record key: what must stay in order."""
    type: str
    source: str
    id: str
    second: int
    """Second of the day at which it arrives."""
    refused: str = ""
    """The reason for which it is meant to be refused; empty when it is meant to be taken."""


class Line(NamedTuple):
    """One line that a partner writes. 对方明细"""

    partner: str
    his: bool
    """Whether it stands in a hospital's export, else in a statement."""
    text: str
    """The line without its end."""
    in_fen: int
    """What it adds to the trailer's first sum: a successful D or R."""
    out_fen: int


class Planted(NamedTuple):
    """One break that the reconciliation must find. 预埋差错"""

    kind: str
    code: str
    """The lead code."""
    partner: str
    institution: str
    bank_ref: str
    order_no: str
    amount_fen: int
    source: str
    """With `id`: the event; empty where none was sent."""
    id: str
    next_day: str = ""
    """What the next day's run makes of it."""
    file: str = ""
    """The name of the file that is wrong, or missing; empty where a line is."""


class Step(NamedTuple):
    """What arrives at one moment: a record, lines at partners, a planted break, or several of these."""

    sent: Sent | None
    lines: Sequence[Line] = ()
    planted: Planted | None = None


class HeldCard(NamedTuple):
    """A card and from when it can pay."""

    token: str
    bank: str
    last4: str
    person: str
    account_class: str
    ready: int


class Clerk:
    """Chance, running numbers and the queue of one day; see the module's first lines."""

    def __init__(
        self, plan: Plan, members: Members, town: Town, day: date, *, events: int, seed: int
    ) -> None:
        self.plan = plan
        self.members = members
        self.town = town
        self.day = day
        self.events = events
        self.rng = random.Random(f"{seed}/{day}/{events}")  # noqa: S311 - a day that can be made again, no secret
        self.scheduled = 0
        """Records in the queue or gone out of it."""
        self.card_events = 0
        self.payments = 0
        self.planted: Counter[str] = Counter()
        """How many breaks of each kind."""
        self.spoiled = frozenset(code for _, code in spoiled_files(plan, town))
        """Partners whose whole file is wrong: among their lines nothing is."""
        self.stories = 0
        """Stories of spare terminals so far."""
        self.pool: list[HeldCard] = []
        self.areas: dict[tuple[str, str], int] = defaultdict(int)
        """(treat area, insured area) → fen that the second owes the first for what was reimbursed today."""
        self.retained: dict[tuple[str, str], int] = {}
        """(payer, institution) → fen retained today."""
        self.claims: dict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
        """(payer, institution) → (settlement id, fen) of claims advanced today, the first few."""
        self.day_text = f"{day}"
        self.day_before = f"{day - timedelta(days=1)}"
        self.day_after = f"{day + timedelta(days=1)}"
        self.year = f"{day:%Y}"
        self.month = f"{day:%Y-%m}"
        self.stamp = f"{day:%y%m%d}"
        offset = datetime.combine(day, datetime.min.time(), members.clock.zone).isoformat()[-6:]
        self._instants = (f"{day}T", offset)
        self._agenda: Agenda[Step] = Agenda()
        self._number = 0
        self._due: dict[str, float] = {}

    # -- chance --------------------------------------------------------------------------------------------

    def due(self, name: str, share: float) -> bool:
        """Whether it is this one's turn: true in as even a rhythm as the share allows, first rather early."""
        owed = self._due.get(name, 0.7) + share
        turn = owed >= 1
        self._due[name] = owed - 1 if turn else owed
        return turn

    def among(self, chosen: Weighted) -> Place:
        """A place by weight."""
        names, sums = chosen
        return names[bisect(sums, self.rng.random() * sums[-1])]

    def keep(self, card: HeldCard) -> None:
        """A card that may be used again today."""
        if len(self.pool) < POOL_KEPT:
            self.pool.append(card)
        else:
            self.pool[int(self.rng.random() * POOL_KEPT)] = card

    def bank(self) -> str:
        """An issuing bank by weight."""
        town = self.town
        return town.banks[min(bisect(town.bank_sums, self.rng.random()), len(town.banks) - 1)]

    def later(self, second: int, least: int, most: int) -> int:
        """A moment after another, never past the end of the day."""
        return min(second + least + int(self.rng.random() * (most - least)), LATEST)

    # -- numbers -------------------------------------------------------------------------------------------

    def number(self) -> int:
        """The next running number of the day."""
        self._number += 1
        return self._number

    def ref(self, partner: str) -> str:
        """A new reference of a bank, channel or network."""
        self._number += 1
        return f"{partner}{self.stamp}{self._number:08d}"

    def instant(self, second: int) -> str:
        """A moment of the day as RFC 3339 text."""
        date_part, offset = self._instants
        return f"{date_part}{CLOCK[second]}{offset}"

    @property
    def room(self) -> int:
        """Records that may still be made."""
        return self.events - self.scheduled

    # -- writing down --------------------------------------------------------------------------------------

    def send(
        self,
        name: str,
        source: str,
        second: int,
        data: dict[str, Any],
        key: str = "",
        *,
        lines: Sequence[Line] = (),
        arrives: int = 0,
        planted: Planted | None = None,
        event_id: str = "",
        refused: str = "",
    ) -> str:
        """Write down an event with what partners write about it.

        In:      type, sender, moment and body; `key` is the record key, empty where it is the event's own
                 `source/id`; `arrives` when the record is late;
                 `refused` the reason for which a rule is to refuse it.
        Out:     the event's id.
        """
        event_id = event_id or self.new_id()
        sent = Sent(
            ENCODE(
                {
                    "specversion": "1.0",
                    "id": event_id,
                    "source": source,
                    "type": name,
                    "time": self.instant(second),
                    "data": data,
                }
            ).encode(),
            FAMILY[name],
            key or f"{source}/{event_id}",
            name,
            source,
            event_id,
            max(second, arrives),
            refused,
        )
        self._push(Step(sent, lines, planted), sent.second)
        self.scheduled += 1
        if self.due("duplicate", self.plan.duplicate) and self.room > LONGEST:
            again = sent._replace(second=self.later(sent.second, 2, 40))
            self._push(Step(again), again.second)
            self.scheduled += 1
        return event_id

    def new_id(self) -> str:
        """An id that no other event of the day has."""
        self._number += 1
        return f"{self.stamp}-{self._number:07d}"

    def write_only(self, second: int, lines: Sequence[Line], planted: Planted | None = None) -> None:
        """Write down what partners have and nobody sent."""
        self._push(Step(None, lines, planted), second)

    def _push(self, step: Step, second: int) -> None:
        self._number += 1
        self._agenda.add(second, self._number, step)

    def arriving_before(self, second: int) -> Iterator[Step]:
        """Take what arrives before a moment out of the queue, in order."""
        yield from self._agenda.before(second)
