from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from hypothesis import given
from hypothesis import strategies as st

from clearing.ledger.money import half_up, split, yuan

fen = st.integers(-(10**15), 10**15)
shares = st.lists(st.integers(0, 10**6), min_size=1, max_size=6).filter(any)


@given(fen, st.integers(1, 10**9))
def test_halves_are_rounded_away_from_zero(numerator: int, denominator: int) -> None:
    """Rounding is half-up on both sides of zero, as Decimal does it with that mode."""
    expected = (Decimal(numerator) / Decimal(denominator)).quantize(Decimal(1), ROUND_HALF_UP)
    if abs(numerator) < 10**12:  # within Decimal's own 28 digits
        assert half_up(numerator, denominator) == int(expected)
    assert half_up(-numerator, denominator) == -half_up(numerator, denominator)


def test_a_half_is_not_rounded_to_even() -> None:
    """0.5 and 2.5 fen are 1 and 3."""
    assert (half_up(1, 2), half_up(5, 2), half_up(-1, 2)) == (1, 3, -1)


@given(fen, shares)
def test_parts_of_a_split_add_up_and_are_within_one_fen_of_fair(amount: int, weights: list[int]) -> None:
    """The parts make the amount, each is its exact share rounded down or up, and no share of 0 gets anything."""
    parts = split(amount, weights)
    assert sum(parts) == amount
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part * sum(weights) - amount * weight) < sum(weights)
        assert weight or not part


@given(fen, shares)
def test_a_negative_split_mirrors_the_positive_one(amount: int, weights: list[int]) -> None:
    """What is given back is what was taken, part by part."""
    assert split(-amount, weights) == tuple(-part for part in split(amount, weights))


def test_ties_go_to_the_first_listed() -> None:
    """One fen between two equal shares goes to the first."""
    assert split(1, [1, 1]) == (1, 0)
    assert split(100, [1, 1, 1]) == (34, 33, 33)
    assert yuan(-5) == "-0.05"
