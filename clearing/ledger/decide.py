"""A batch decided as a fold: each event sees what those before it did. 批量判定

`needs` names what must be known, the store reads it, `decide` folds. Nothing here waits, reads or draws an id:
the same records over the same facts give the same decisions, whoever runs it and however often.
"""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from clearing.ledger.case import NOBODY, Case
from clearing.ledger.facts import REGISTRY, VIRTUAL, Fact, Facts, Key, Original, Place, Seen, lock_name
from clearing.ledger.outcomes import (
    DUPLICATE,
    NOTED,
    PARKED,
    POSTED,
    REJECTED,
    Accepted,
    Decision,
    Parked,
    Reason,
    Rejected,
    Verdict,
)
from clearing.ledger.rules import RULES

if TYPE_CHECKING:
    from clearing.ledger.case import Context, Waiters
    from messages import Event

DAY: Final = "day"
DEPENDENCY: Final = "settlement"


class Incoming(NamedTuple):
    """One event to decide, as it came."""

    event: Event
    recorded_at: datetime | None = None
    """The broker's own time of the record; None for files."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One parked event that this batch may wake."""

    event: Event
    arrival: int
    """Order of first parking, lowest first."""
    waits_for: str
    """Name of the key it waits for."""
    since: date | None
    """The first uncut day when it was first parked for something other than its day."""


@dataclass(slots=True)
class Folded:
    """What a batch came to."""

    decisions: list[Decision]
    """One a record, in their order: what it came to when its turn was, parked ones as parked."""
    woken: list[Decision]
    """Final outcomes of events that had been parked, earlier or in this batch, in order of decision."""
    parked: dict[tuple[str, str], Parking] = field(default_factory=dict)
    """(source, id) → what still waits, or waits now for something else, at the end of the batch."""
    changes: dict[Key, Fact] = field(default_factory=dict)
    """Facts to write: the last value of each."""


@dataclass(frozen=True, slots=True)
class Parking:
    """What a parked event waits for at the end of a batch."""

    event: Event
    waits_for: str
    since: date | None
    limit_days: int
    """Cuts after `since` at which it is rejected never_arrived; 0 while it waits for its day."""
    detail: str
    arrival: int | None
    """None when it was parked in this batch."""
    line: str = ""
    """Name of the line in which it stands, a stay's, a payout's or another's; empty when in none."""
    feeds: str = ""
    """Name of a further line, to which it only adds; empty where there is none."""


def needs(event: Event, facts: Facts) -> list[Key]:
    """The keys that must be read, and locked, before an event can be decided.

    In:      the facts read so far: asked again while it names keys that were not there.
    Source:  each rule's own `needs`.
    """
    return [("seen", event.source, event.id), *RULES[event.type].needs(event, facts)]


def may_change(needed: Iterable[Key], of_registry: Iterable[Key]) -> set[Key]:
    """The keys that events may change; what they only read, others may read at the same time.

    In:      what they need, those of the registry's events apart (`is_of_registry`).
    """
    return {key for key in needed if key[0] not in REGISTRY}.union(of_registry)


def is_of_registry(event: Event) -> bool:
    """Whether an event may change cards and terminals, which all others only read."""
    return RULES[event.type].registry


def judge(
    event: Event,
    facts: Facts,
    context: Context,
    recorded_at: datetime | None = None,
    *,
    order: tuple[int, int] | None = None,
    waiting: Waiters = NOBODY,
) -> tuple[Case, Verdict]:
    """One event's verdict: the rule's checks in order, then what it posts. The facts are not changed.

    In:      `order`: of an event that was parked, its place among those; `waiting`: who waits, by name.
    """
    rule = RULES[event.type]
    case = Case(event, facts, context, recorded_at, order=order, waiting=waiting)
    for check in rule.checks:
        verdict = check(case)
        if verdict is not None:
            return case, verdict
    return case, rule.post(case)


def decide(
    incoming: Sequence[Incoming],
    waiting: Iterable[Waiting],
    facts: Facts,
    context: Context,
    *,
    expired: Iterable[tuple[str, str]] = (),
    awake: Iterable[str] = (),
) -> Folded:
    """Decide a batch in order, waking what waits for it in the same go.

    In:      `waiting` is all that is parked for a key of this batch, and for theirs in turn; `expired` and `awake`
             are the cut's: (source, id) that have waited too long, and names of keys that have come.
    Out:     one decision a record, and the final outcome of everything woken.
    """
    fold = _Fold(facts, context, waiting)
    for one in expired:
        fold.expire(one)
    for name in awake:
        fold.wake(name)
    fold.drain()
    for record in incoming:
        fold.take(record)
        fold.drain()
    return fold.folded()


@dataclass(slots=True)
class _Waiter:
    event: Event
    arrival: int | None
    order: int
    waits_for: str
    since: date | None
    parked: Parked | None = None
    line: str = ""
    feeds: str = ""

    @property
    def place(self) -> tuple[int, int]:
        """Those that earlier batches parked come before this batch's."""
        return (1, self.order) if self.arrival is None else (0, self.arrival)


class _Fold:
    """The fold's moving state: facts, what waits by name, and what is ready to be decided again."""

    def __init__(self, facts: Facts, context: Context, waiting: Iterable[Waiting]) -> None:
        self.facts = facts
        self.context = context
        self.decisions: list[Decision] = []
        self.woken: list[Decision] = []
        self.changes: dict[Key, Fact] = {}
        self.waiters: dict[tuple[str, str], _Waiter] = {}
        self.by_name: dict[str, dict[tuple[str, str], None]] = {}
        """Who waits for a name and has not been woken."""
        self.ready: list[tuple[int, tuple[str, str]]] = []
        self.touched: set[tuple[str, str]] = set()
        self.order = 0
        for one in sorted(waiting, key=lambda w: w.arrival):
            self.order = one.arrival
            self._wait(_Waiter(one.event, one.arrival, one.arrival, one.waits_for, one.since))

    # -- records -------------------------------------------------------------------------------------------

    def take(self, incoming: Incoming) -> None:
        """Decide one record."""
        event = incoming.event
        seen: Seen | None = self.facts.get("seen", event.source, event.id)
        if seen is not None:
            self.decisions.append(repeated(event, seen))
            return
        case, verdict = judge(event, self.facts, self.context, incoming.recorded_at, waiting=self.by_name)
        if isinstance(verdict, Parked):
            self.order += 1
            since = None if verdict.key[0] == DAY else self.context.open_day
            waiter = _Waiter(event, None, self.order, lock_name(verdict.key), since, verdict)
            self._wait(waiter)
            self._line_up(waiter)
            self.touched.add(case.key)
            decision = Decision(
                event=event, outcome=PARKED, detail=verdict.detail, waits_for=waiter.waits_for
            )
            self.decisions.append(decision)
            self._see(event, decision)
            return
        self.decisions.append(self._settle(case, verdict, woken=False))

    def _settle(self, case: Case, verdict: Accepted | Rejected, *, woken: bool) -> Decision:
        """Apply a final verdict: facts change, and what waits for them becomes ready."""
        event = case.event
        changes: Mapping[Key, Fact] = {}
        if isinstance(verdict, Accepted):
            entry, changes = verdict.entry, verdict.changes
            decision = Decision(
                event=event,
                outcome=POSTED if entry else NOTED,
                detail=verdict.detail,
                entry=entry,
                clearing_date=case.clearing_date,
                late=case.clearing_date > case.day,
                woken=woken,
                notice_no=2 if woken else 1,
            )
            self.facts.put(("original", event.source, event.id), Original(event=event, entry=entry))
        else:
            refused = RULES[event.type].refused
            changes = refused(case, verdict) if refused else {}
            decision = Decision(
                event=event,
                outcome=REJECTED,
                reason=str(verdict.reason),
                detail=verdict.detail,
                woken=woken,
                notice_no=2 if woken else 1,
            )
        self.facts.update(changes)
        self.changes.update(changes)
        self._see(event, decision)
        if self.by_name:
            self.wake(lock_name(("seen", event.source, event.id)))
            # What a refusal changes is only counted: nobody waits for that, and a batch may have many refused rows.
            for key in changes if isinstance(verdict, Accepted) else ():
                self.wake(lock_name(key))
        return decision

    def _see(self, event: Event, decision: Decision) -> None:
        """The event's id is used up with this outcome."""
        self.facts.put(
            ("seen", event.source, event.id),
            Seen(
                source=event.source,
                id=event.id,
                type=event.type,
                sm3=event.sm3,
                outcome=str(decision.outcome),
                reason=decision.reason,
                entry_id=decision.entry.id if decision.entry else "",
                clearing_date=decision.clearing_date,
                late=decision.late,
                waits_for=decision.waits_for,
                announced=decision.notice_no,
            ),
        )

    # -- waiting -------------------------------------------------------------------------------------------

    def _wait(self, waiter: _Waiter) -> None:
        key = (waiter.event.source, waiter.event.id)
        self.waiters[key] = waiter
        self.by_name.setdefault(waiter.waits_for, {})[key] = None

    def _wait_no_more(self, key: tuple[str, str]) -> _Waiter:
        waiter = self.waiters.pop(key)
        others = self.by_name.get(waiter.waits_for)
        if others is not None:
            others.pop(key, None)
            if not others:
                del self.by_name[waiter.waits_for]
        return waiter

    def _line_up(self, waiter: _Waiter) -> None:
        """What waits stands in its lines from its arrival on."""
        event, verdict = waiter.event, waiter.parked
        self._leave(waiter)
        if verdict is None or not verdict.in_line:
            return
        rule = RULES[event.type]
        if rule.line is not None and (key := rule.line(event, self.facts)) is not None:
            waiter.line = lock_name(key)
            self._stand(waiter, key, adds=rule.adds)
        if rule.feeds is not None and (key := rule.feeds(event, self.facts)) is not None:
            waiter.feeds = lock_name(key)
            self._stand(waiter, key, adds=True)

    def _stand(self, waiter: _Waiter, key: Key, *, adds: bool) -> None:
        """At its place in one line."""
        event = waiter.event
        line: list[Place] = list(self.facts.get(*key) or ())
        bisect.insort(line, Place(waiter.place, event.source, event.id, waiter.waits_for, adds))
        self.facts.put(key, tuple(line))

    def _leave(self, waiter: _Waiter) -> None:
        """Out of the lines in which it stands."""
        event, rule = waiter.event, RULES[waiter.event.type]
        for of in (rule.line, rule.feeds):
            key = of(event, self.facts) if of is not None else None
            if key is not None and (line := self.facts.get(*key)):
                at = bisect.bisect_left(line, (waiter.place,))
                if at < len(line) and (line[at].source, line[at].id) == (event.source, event.id):
                    self.facts.put(key, line[:at] + line[at + 1 :])

    def wake(self, name: str) -> None:
        """What waits for this name is decided again, the first to arrive first.

        It waits no more from here on: a thousand that wait for one stay, which each of them changes, are not gone
        through a thousand times.
        """
        for key in self.by_name.pop(name, ()):
            heapq.heappush(self.ready, (self.waiters[key].order, key))

    def drain(self) -> None:
        """Decide again all that is ready, in order of arrival, with what that makes ready in turn."""
        while self.ready:
            _, key = heapq.heappop(self.ready)
            if key not in self.waiters:
                continue  # has waited too long itself, and was ended since
            waiter = self._wait_no_more(key)
            self.touched.add(key)
            case, verdict = judge(
                waiter.event, self.facts, self.context, order=waiter.place, waiting=self.by_name
            )
            if isinstance(verdict, Parked):
                since = waiter.since
                if since is None and verdict.key[0] != DAY:
                    since = self.context.open_day
                name = lock_name(verdict.key)
                again = replace(waiter, waits_for=name, since=since, parked=verdict, line="", feeds="")
                self._wait(again)
                self._line_up(again)
                seen: Seen | None = self.facts.get("seen", *key)
                if seen is not None:
                    self.facts.put(("seen", *key), replace(seen, waits_for=again.waits_for))
            else:
                self._leave(waiter)
                self.woken.append(self._settle(case, verdict, woken=True))

    def expire(self, key: tuple[str, str]) -> None:
        """What has waited too long is rejected."""
        if key not in self.waiters:
            return
        waiter = self._wait_no_more(key)
        self.touched.add(key)
        self._leave(waiter)
        case = Case(waiter.event, self.facts, self.context, None)
        detail = f"{case.name}: {waiter.waits_for} did not come by the cut of the last day it could wait"
        self.woken.append(self._settle(case, Rejected(Reason.NEVER_ARRIVED, detail), woken=True))

    # -- the end -------------------------------------------------------------------------------------------

    def folded(self) -> Folded:
        """The batch as it is to be recorded."""
        parked = {
            key: Parking(
                waiter.event,
                waiter.waits_for,
                waiter.since,
                self._limit_days(waiter),
                waiter.parked.detail if waiter.parked else "",
                waiter.arrival,
                waiter.line,
                waiter.feeds,
            )
            for key, waiter in self.waiters.items()
            if key in self.touched
        }
        changes = {key: fact for key, fact in self.changes.items() if key[0] not in VIRTUAL}
        return Folded(self.decisions, self.woken, parked, changes)

    def _limit_days(self, waiter: _Waiter) -> int:
        kind = waiter.waits_for.split("/", 1)[0]
        if kind == DAY:
            return 0
        return (
            self.context.depends_days_max
            if kind == DEPENDENCY and _depends(waiter)
            else self.context.park_days_max
        )


def _depends(waiter: _Waiter) -> bool:
    """Whether it waits for another settlement to be paid, rather than for a claim to be advanced."""
    return waiter.event.type == "reimbursement.submitted"


def repeated(event: Event, seen: Seen) -> Decision:
    """The outcome of an id that was used before: the first outcome again, or id_reused for other content."""
    if event.sm3 == seen.sm3:
        return Decision(
            event=event,
            outcome=DUPLICATE,
            reason=seen.reason,
            detail=f"first outcome: {seen.outcome}",
            clearing_date=seen.clearing_date,
            late=seen.late,
            waits_for=seen.waits_for,
            notice_no=seen.announced,
            first=seen,
        )
    detail = (
        f"{event.type} {event.source}/{event.id}: the id was used by a {seen.type} with other content "
        f"(digest {seen.sm3.hex()[:8]}, this one {event.sm3.hex()[:8]}); "
        "send it under a new id"
    )
    return Decision(event=event, outcome=REJECTED, reason=str(Reason.ID_REUSED), detail=detail)
