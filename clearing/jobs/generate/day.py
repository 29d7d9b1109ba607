"""A day of a city, event by event in order of arrival. 生成一日"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import accumulate
from typing import Final

from clearing.errors import UsageError
from clearing.jobs.generate import cards, lives, offices, payments, premiums, schemes, stays
from clearing.jobs.generate.clerk import LONGEST, Clerk, Sent, Step
from clearing.jobs.generate.plan import CLAIMS_AT, EARLIEST, LATEST, OPENING, Plan, begun_by
from clearing.jobs.generate.town import Town, town_of
from clearing.ledger.members import Members

EVENTS_MIN: Final = 100
"""Besides one for each terminal."""
MINUTE: Final = 60
ONE_DAY: Final = timedelta(days=1)
HOUR: Final = 3600
YEAR_END_AT: Final = 9 * 3600 + 30 * 60
"""When the fund sends its second compensation."""
END_OF_DAY: Final = 24 * 3600

Begin = Callable[[Clerk, int], None]


@dataclass(frozen=True, slots=True)
class Generated:
    """A day that can be read as often as one likes, the same each time. 生成的一日"""

    plan: Plan
    members: Members
    town: Town
    day: date
    count: int
    """How many records are sent."""
    seed: int

    def steps(self) -> Iterator[Step]:
        """All that happens, in order of arrival: records, lines at partners, planted breaks."""
        return _steps(self)

    def registrations(self) -> Iterator[Sent]:
        """The cards registered before the day, three records a card: to be taken before its events."""
        clock, before = self.members.clock, self.day - ONE_DAY
        offset = datetime.combine(before, datetime.min.time(), clock.zone).isoformat()[-6:]
        return cards.registrations(self.town, self.plan.registered, f"{before}", offset)

    def events(self) -> Iterator[Sent]:
        """The records alone, in order of arrival: exactly `count`."""
        return (step.sent for step in _steps(self) if step.sent is not None)


def generate_day(plan: Plan, members: Members, day: date, events: int, seed: int) -> Generated:
    """A seeded, realistic day: events, and what banks and hospitals write about them. 生成一日

    In:      members with an issuing bank, a hospital, a second institution and a card platform on `day`;
             `events`: how many records, repeated ones included; at least 100 and one an institution.
    Out:     Generated, made while it is read and never held whole; the same arguments give the same bytes.
             All events lie between 05:00 and 22:57 of `day`, so before a cutover at 23:00.
    Raises:  UsageError for fewer events; MembersRefused when the members cannot make a day.
    """
    town = town_of(members, day, plan)
    least = EVENTS_MIN + len(town.places)
    if events < least:
        raise UsageError(
            f"generate: a day of {len(town.places)} institutions needs {least} events, got {events}"
        )
    return Generated(plan, members, town, day, events, seed)


def _steps(what: Generated) -> Iterator[Step]:
    clerk = Clerk(what.plan, what.members, what.town, what.day, events=what.count, seed=what.seed)
    begins, sums = _beginnings(what.plan, what.town)
    early = what.count * what.plan.cards * what.plan.cards_before_seven
    cards.switch_on_terminals(clerk)
    for second in range(EARLIEST, LATEST, MINUTE):
        if second < OPENING:
            _register_cards(clerk, second, early)
        else:
            _begin_some(clerk, second, early, begins, sums)
        if second == YEAR_END_AT and what.plan.year_end_rows and what.town.fund:
            schemes.year_end(clerk, second)
        _offices(clerk, second)
        yield from clerk.arriving_before(second + MINUTE)
    while clerk.room > 0:
        payments.single(clerk, LATEST)
    yield from clerk.arriving_before(END_OF_DAY)


def _offices(clerk: Clerk, second: int) -> None:
    """What the offices do in the evening: claims, then retention and areas."""
    spare = 0 if clerk.plan.lists else LONGEST  # a day with lists is to have claims to list
    if second == CLAIMS_AT and clerk.room > len(clerk.claims) + spare:
        offices.settle_claims(clerk, second)
    if second == CLAIMS_AT + HOUR and clerk.room > len(clerk.retained) + len(clerk.areas) + LONGEST:
        offices.release_retention(clerk, second)
        offices.settle_areas(clerk, second)


def _register_cards(clerk: Clerk, second: int, early: float) -> None:
    """Cards come evenly until the counters open."""
    target = early * (second - EARLIEST) / (OPENING - EARLIEST)
    while clerk.card_events < target and clerk.room > LONGEST:
        cards.issue(clerk, second + int(clerk.rng.random() * MINUTE))


def _begin_some(
    clerk: Clerk, second: int, early: float, begins: tuple[Begin, ...], sums: tuple[float, ...]
) -> None:
    """As much begins in this minute as the hour's share asks for."""
    rng = clerk.rng
    target = early + (clerk.events - early) * begun_by(second + MINUTE)
    while clerk.scheduled < target and clerk.room > 0:
        at = second + int(rng.random() * MINUTE)
        if clerk.room <= LONGEST:
            payments.single(clerk, at)
        else:
            begins[bisect(sums, rng.random() * sums[-1])](clerk, at)
            if clerk.due("correction", clerk.plan.corrections * 3):
                offices.correction(clerk, at)


def _beginnings(plan: Plan, town: Town) -> tuple[tuple[Begin, ...], tuple[float, ...]]:
    """What can begin in this town, with running sums of the weights."""
    table: tuple[tuple[Begin, float, object], ...] = (
        (payments.visit, plan.visit, town.hospitals.names),
        (payments.purchase, plan.pharmacy, town.pharmacies.names),
        (stays.stay, plan.stay, town.wards.names),
        (schemes.reimbursement, plan.reimbursement, town.fund),
        (schemes.batch, plan.batch, town.fund),
        (schemes.held_for_activation, plan.reimbursement * plan.held, town.fund),
        (lives.spare_terminal, plan.spare_terminal, town.hospitals.names),
        (schemes.top_up, plan.top_up, town.banks),
        (premiums.premium, plan.premium, town.fund),
    )
    chosen = [(begin, weight) for begin, weight, needed in table if needed and weight > 0]
    return tuple(begin for begin, _ in chosen), tuple(accumulate(weight for _, weight in chosen))
