from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.ledger.business_day import BusinessClock

START = datetime(2010, 1, 1, tzinfo=UTC)
CLOCK = BusinessClock(ZoneInfo("Asia/Shanghai"), time(23, 0))


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2026-03-10T22:59:59.999999+08:00", date(2026, 3, 10)),
        ("2026-03-10T23:00:00+08:00", date(2026, 3, 11)),
        ("2026-03-10T23:59:59+08:00", date(2026, 3, 11)),
        ("2026-03-11T00:00:00+08:00", date(2026, 3, 11)),
        ("2026-03-10T14:59:59+00:00", date(2026, 3, 10)),
        ("2026-03-10T15:00:00+00:00", date(2026, 3, 11)),
        ("2026-12-31T23:00:00+08:00", date(2027, 1, 1)),
        ("2028-02-28T23:00:00+08:00", date(2028, 2, 29)),
    ],
)
def test_the_cutover_begins_the_next_day(instant: str, day: date) -> None:
    """The instant of the cutover belongs to the day that it begins, whatever offset it was written in."""
    assert CLOCK.date_of(datetime.fromisoformat(instant)) == day


@given(st.integers(0, 10**9).map(lambda seconds: START + timedelta(seconds=seconds / 2)), st.times())
def test_a_day_is_what_lies_between_its_cuts(instant: datetime, cutover: time) -> None:
    """Every instant lies from the first cut of its day on and before the second, which are one day apart."""
    clock = BusinessClock(ZoneInfo("Asia/Shanghai"), cutover)
    day = clock.date_of(instant)
    assert clock.cut_from(day) <= instant < clock.cut_to(day)
    assert clock.cut_to(day) - clock.cut_from(day) == timedelta(days=1)
    assert clock.date_of(clock.cut_from(day)) == day
