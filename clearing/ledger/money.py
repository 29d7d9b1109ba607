"""Fen in, fen out: rounding and splitting that add up. 金额

Inside, money is an `int` of fen. Rounding is half-up per transaction, never half-even, so that a bank that
computes a fee on paper gets our figure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from messages.fields import amount_text as yuan

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["half_up", "split", "yuan"]


def half_up(numerator: int, denominator: int) -> int:
    """Round the fraction to a whole number, halves away from zero.

    In:      a positive denominator; the numerator may be negative.
    Out:     fen, when the fraction is in fen.
    """
    quotient, rest = divmod(abs(numerator), denominator)
    rounded = quotient + (1 if 2 * rest >= denominator else 0)
    return rounded if numerator >= 0 else -rounded


def split(amount_fen: int, shares: Sequence[int]) -> tuple[int, ...]:
    """Split an amount by shares so that the parts add up to it: largest remainder, ties in listed order.

    In:      shares >= 0 with a positive sum; the amount may be negative (parts mirror those of its absolute).
    Out:     as many parts as shares, in their order, fen.
    """
    if len(shares) == 1:
        return (amount_fen,)
    total = sum(shares)
    sign = -1 if amount_fen < 0 else 1
    whole = [divmod(abs(amount_fen) * share, total) for share in shares]
    parts = [quotient for quotient, _ in whole]
    left = abs(amount_fen) - sum(parts)
    for index in sorted(range(len(shares)), key=lambda i: -whole[i][1])[:left]:
        parts[index] += 1
    return tuple(sign * part for part in parts)
