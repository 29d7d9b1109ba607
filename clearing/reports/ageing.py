"""How old what is open is: items by age, tied to the account they stand on. 账龄"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Final, NamedTuple, TypeAlias

from clearing.reports.figures import Layer
from clearing.reports.table import Cell, Column, Kind, Table

Ages: TypeAlias = Sequence[tuple[str, int | None]]
"""(name, highest number of days); the last has none."""
Items: TypeAlias = dict[tuple[str, str], list[tuple[int, int]]]
"""(days, fen) of each item by two keys, the payer first."""
Name: TypeAlias = Callable[[str], str]
"""A member's name by its code."""

SHORT: Final[Ages] = (("D0", 0), ("D1", 1), ("D2–3", 3), ("D4–7", 7), ("D8–30", 30), (">30", None))
"""For what should be gone in days."""
LONG: Final[Ages] = (
    ("≤30", 30), ("31–60", 60), ("61–90", 90), ("91–180", 180), ("181–365", 365), (">365", None),
)  # fmt: skip
"""For what is settled by the month or year."""


class About(NamedTuple):
    """What a table of ages is of."""

    code: str
    chinese: str
    keys: tuple[str, str]
    ages: Ages
    note: str


def aged(about: About, items: Items, balances: Mapping[tuple[str, str], int], name: Name) -> Table:
    """Items by age and by two keys, beside what the account says. 账龄表

    In:      `balances`: what the account holds for the same keys, fen.
    Out:     in order of keys; a difference to the account is marked; what neither has is absent.
    """
    rows: list[tuple[Cell, ...]] = []
    marks: dict[int, frozenset[int]] = {}
    for key in sorted({*items, *balances}):
        found = items.get(key, [])
        total = sum(fen for _, fen in found)
        difference = balances.get(key, 0) - total
        if not found and not difference:
            continue
        if difference:
            marks[len(rows)] = frozenset({5 + len(about.ages)})
        oldest = max((days for days, _ in found), default=None)
        buckets = in_ages(found, about.ages)
        rows.append((key[0], name(key[0]), key[1], len(found), total, *buckets, difference, oldest))
    return Table(
        code=about.code,
        chinese=about.chinese,
        columns=(
            Column("payer", about.keys[0], width=9),
            Column("payer_name", "名称", width=26),
            Column("of", about.keys[1], width=18),
            Column("count", "笔数", Kind.COUNT, 9, summed=True),
            Column("amount", "金额", Kind.FEN, 17, summed=True),
            *(Column(f"days {age}", f"{age} 天", Kind.FEN, 15, summed=True) for age, _ in about.ages),
            Column("difference", "差异", Kind.FEN, 12, summed=True),
            Column("oldest", "最早（天）", Kind.COUNT, 11),
        ),
        rows=rows,
        marks=marks,
        note=about.note,
    )


def in_ages(items: Iterable[tuple[int, int]], ages: Ages) -> list[int]:
    """The fen of each age."""
    sums = [0] * len(ages)
    for days, fen in items:
        place = next(place for place, (_, most) in enumerate(ages) if most is None or days <= most)
        sums[place] += fen
    return sums


def oldest_first(moved: Iterable[Layer]) -> list[tuple[date, int]]:
    """What is left of an account's debits when every credit takes the oldest ones first. 先进先出

    In:      one account's days in order.
    Out:     (day, fen) of what is left, oldest first; what was credited before it was debited is negative.
    """
    left: deque[tuple[date, int]] = deque()
    for one in moved:
        fen = one.fen
        while fen and left and (left[0][1] > 0) != (fen > 0):
            day, first = left.popleft()
            fen += first
            if fen and (fen > 0) == (first > 0):
                left.appendleft((day, fen))
                fen = 0
        if fen:
            left.append((one.day, fen))
    return list(left)
