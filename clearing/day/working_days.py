"""Working days: weekends, holidays and the weekends that are worked for them (调休). 工作日

The calendar knows the years that the State Council has announced. A date beyond them is an error, not a guess.
"""

from __future__ import annotations

from datetime import date

import chinese_calendar

from clearing.errors import UsageError
from clearing.ledger.business_day import ONE_DAY


def is_working_day(day: date) -> bool:
    """Whether banks settle on a date. 工作日

    Raises:  UsageError beyond the years of the calendar.
    """
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError as error:
        raise UsageError(
            f"day {day}: the working-day calendar does not know {day.year}. "
            "Next: upgrade the package chinesecalendar"
        ) from error


def working_day_after(day: date, count: int = 1) -> date:
    """The `count`-th working day after a date; the date itself does not count.

    In:      a count above zero.
    Raises:  UsageError beyond the years of the calendar.
    """
    at = day
    for _ in range(count):
        at += ONE_DAY
        while not is_working_day(at):
            at += ONE_DAY
    return at


def working_days_between(first: date, last: date) -> int:
    """How many working days come after `first`, up to and with `last`; 0 when it is not later. 工作日数

    Raises:  UsageError beyond the years of the calendar.
    """
    return sum(is_working_day(first + ONE_DAY * number) for number in range(1, (last - first).days + 1))
