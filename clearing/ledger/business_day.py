"""The business day: which clearing date an instant belongs to. 清算日

A clearing date starts at the cutover of the calendar day before and ends, exclusive, at its own cutover.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class BusinessClock:
    """The platform's time zone and cutover; it reads no clock, it only converts."""

    zone: tzinfo
    cutover: time

    def date_of(self, instant: datetime) -> date:
        """The calendar date in the business zone, plus one from the cutover on.

        In:      an aware datetime.
        Source:  contract "Clearing date of an event".
        """
        local = instant.astimezone(self.zone)
        day = local.date()
        return day + ONE_DAY if local.time() >= self.cutover else day

    def cut_from(self, day: date) -> datetime:
        """The first instant of a clearing date, UTC."""
        return self.cut_to(day - ONE_DAY)

    def cut_to(self, day: date) -> datetime:
        """The first instant after a clearing date, UTC."""
        return datetime.combine(day, self.cutover, self.zone).astimezone(UTC)
