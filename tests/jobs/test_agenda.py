"""What is still to come of a generated day, in memory and on disk."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clearing.jobs.generate.agenda import KEPT, Agenda

seconds = st.integers(0, 6 * 60 - 1)


@given(st.lists(st.tuples(seconds, st.lists(seconds, max_size=3 * KEPT)), max_size=6))
def test_what_was_put_down_comes_back_in_order_of_time(days: list[tuple[int, list[int]]]) -> None:
    """Whatever is written out in between: all that is due before a moment, by second, then as it was put down."""
    agenda: Agenda[tuple[int, int]] = Agenda()
    kept: list[tuple[int, int]] = []
    number = now = 0
    for ahead, told in days:
        for second in told:
            number += 1
            at = max(second, now)
            agenda.add(at, number, (at, number))
            kept.append((at, number))
        now = max(now, ahead)
        due = sorted(one for one in kept if one[0] < now)
        assert list(agenda.before(now)) == due
        kept = [one for one in kept if one[0] >= now]
    assert list(agenda.before(24 * 3600)) == sorted(kept)


def test_few_of_many_are_in_memory() -> None:
    """Of a day written down in its first minute only a handful a minute stays in memory."""
    agenda: Agenda[int] = Agenda()
    for number in range(100_000):
        agenda.add(number % 86_400, number, number)
    assert sum(len(of_minute) for of_minute in agenda._minutes.values()) <= 1440 * KEPT
    assert len(list(agenda.before(86_400))) == 100_000
