"""Weekends, holidays, and the weekends that are worked for them."""

from __future__ import annotations

from datetime import date

import pytest

from clearing.day.working_days import is_working_day, working_day_after, working_days_between
from clearing.errors import UsageError

# fmt: off
DAYS = [
    # date              working   why
    (date(2026, 3, 10), True,     "a Tuesday"),
    (date(2026, 3, 14), False,    "a Saturday"),
    (date(2026, 2, 14), True,     "a Saturday worked for the Spring Festival"),
    (date(2026, 2, 17), False,    "the Spring Festival, a Tuesday"),
]
BETWEEN = [
    # after             up to              working days
    (date(2026, 3, 10), date(2026, 3, 10), 0),
    (date(2026, 3, 10), date(2026, 3, 11), 1),
    (date(2026, 3, 13), date(2026, 3, 16), 1),   # a weekend between
    (date(2026, 2, 13), date(2026, 2, 14), 1),   # 调休
    (date(2026, 2, 14), date(2026, 2, 24), 1),   # the Spring Festival between
    (date(2026, 3, 10), date(2026, 3, 9),  0),
]
# fmt: on


@pytest.mark.parametrize(("day", "working", "why"), DAYS, ids=[row[2] for row in DAYS])
def test_a_date_is_worked_or_not(day: date, *, working: bool, why: str) -> None:
    """Holidays are free on any weekday, and a weekend may be worked for them."""
    assert is_working_day(day) is working, why


@pytest.mark.parametrize(("first", "last", "count"), BETWEEN)
def test_working_days_are_counted_after_the_first(first: date, last: date, count: int) -> None:
    """The first date does not count, the last one does when it is worked."""
    assert working_days_between(first, last) == count


def test_the_nth_working_day_after_a_date() -> None:
    """Three working days after a Friday are the Wednesday; one after a free day is the next worked one."""
    assert working_day_after(date(2026, 3, 13), 3) == date(2026, 3, 18)
    assert working_day_after(date(2026, 2, 14)) == date(2026, 2, 24)


def test_a_year_that_nobody_has_announced_is_an_error() -> None:
    """Beyond the calendar nothing is guessed."""
    with pytest.raises(UsageError, match="does not know 2099"):
        is_working_day(date(2099, 1, 5))
