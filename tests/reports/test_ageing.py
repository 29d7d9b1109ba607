"""Ages: which bucket a day is in, and what is left when the oldest goes first."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.reports.ageing import LONG, SHORT, About, Items, aged, in_ages, oldest_first
from clearing.reports.figures import Layer


@pytest.mark.parametrize(("days", "place"), [
    (0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (7, 3), (8, 4), (30, 4), (31, 5), (4000, 5),
])  # fmt: skip
def test_each_age_has_one_bucket(days: int, place: int) -> None:
    """D0 D1 D2–3 D4–7 D8–30 >30, each border on its side."""
    assert in_ages([(days, 100)], SHORT) == [100 if at == place else 0 for at in range(6)]


@pytest.mark.parametrize(("moved", "left"), [
    #  what each day moved       what is left
    ([],                         []),
    ([100, 50],                  [(1, 100), (2, 50)]),
    ([100, -30],                 [(1, 70)]),
    ([100, 50, -120],            [(2, 30)]),
    ([100, 50, -150],            []),
    ([100, -130],                [(2, -30)]),
    ([-30, 100],                 [(2, 70)]),
    ([100, 50, -120, 10],        [(2, 30), (4, 10)]),
])  # fmt: skip
def test_a_credit_takes_the_oldest_debits_first(moved: list[int], left: list[tuple[int, int]]) -> None:
    """What came before it was debited stands negative until it is met."""
    layers = [Layer("9030.F1.H1", date(2026, 3, day), fen) for day, fen in enumerate(moved, 1)]
    assert oldest_first(layers) == [(date(2026, 3, day), fen) for day, fen in left]


@given(st.lists(st.integers(-1000, 1000).filter(bool), max_size=20))
def test_nothing_is_lost_between_layers(moved: list[int]) -> None:
    """What is left adds up to the balance, has one sign, and stands in order of day."""
    layers = [Layer("9030.F1.H1", date(2026, 3, 1 + day), fen) for day, fen in enumerate(moved)]
    left = oldest_first(layers)
    assert sum(fen for _, fen in left) == sum(moved)
    assert len({fen > 0 for _, fen in left}) <= 1
    assert sorted(day for day, _ in left) == [day for day, _ in left]


def test_a_difference_to_the_account_is_marked() -> None:
    """Items of 1.00 beside a balance of 1.50 leave 0.50, and so does a balance without any item."""
    about = About("claims", "垫付账龄", ("付款方", "医院"), LONG, "")
    items: Items = {("F1", "H1"): [(40, 100)], ("F1", "H3"): [(1, 5)]}
    table = aged(
        about, items, {("F1", "H1"): 150, ("F1", "H2"): 7, ("F1", "H3"): 5, ("F1", "H4"): 0}, lambda _: ""
    )
    assert [(row[2], row[4], row[6], row[11], row[12]) for row in table.rows] == [
        ("H1", 100, 100, 50, 40),
        ("H2", 0, 0, 7, None),
        ("H3", 5, 0, 0, 1),
    ]
    assert table.marks == {0: frozenset({11}), 1: frozenset({11})}
    assert table.columns[11].code == "difference"
