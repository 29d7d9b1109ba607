"""Joining two sides under one key: unique on both, or not at all. 逐键勾对

Every function costs one walk over its nodes; buckets are small because keys are nearly unique.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from clearing.ledger.business_day import ONE_DAY
from clearing.reconciliation.items import Node, Rank, Side, link
from clearing.reconciliation.keys import Key, Keys
from clearing.reconciliation.rows import HisRow, StatementRow


def join(left: Sequence[Node], right: Sequence[Node], keys: Keys) -> None:
    """Link nodes of two sides that a strict key names alone on both."""
    for ours, theirs in _buckets(left, right, keys):
        _pick(ours, theirs)


def join_near(left: Sequence[Node], right: Sequence[Node], keys: Keys, *, weak: bool) -> None:
    """Link nodes of two sides that a weak key names alone on both, dates at most one day apart."""
    for ours, theirs in _buckets(left, right, keys):
        for one, others in near(ours, theirs):
            if len(others) == 1 and len(_near_to(others[0], ours)) == 1 and _wanted(one, others[0]):
                link(one, others[0]).weak |= weak


def near(ours: Sequence[Node], theirs: Sequence[Node]) -> Iterator[tuple[Node, list[Node]]]:
    """Each of our nodes with the candidates near it; rows that moved nothing only where all are such."""
    ours, theirs = _alive(ours), _alive(theirs)
    by_date: dict[date, list[Node]] = {}
    for node in theirs:
        by_date.setdefault(node.row.day, []).append(node)
    for one in ours:
        day = one.row.day
        found = [
            other
            for at in (day - ONE_DAY, day, day + ONE_DAY)
            for other in by_date.get(at, ())
            if _wanted(one, other)
        ]
        if found:
            yield one, found


def candidates(
    left: Sequence[Node], right: Sequence[Node], keys: Keys, *, strict: bool
) -> Iterator[list[Node]]:
    """What is still free on both sides under one key: each list is more than a match could decide."""
    for ours, theirs in _buckets(left, right, keys):
        one = [node for node in ours if node.rank >= Rank.UNKNOWN]
        other = [node for node in theirs if node.rank >= Rank.UNKNOWN]
        if strict:
            if one and other:
                yield [*one, *other]
        else:
            for node, found in near(one, other):
                yield [node, *found]


def without_ledger(nodes: Iterable[Node]) -> list[Node]:
    """Nodes whose item has no ledger row."""
    return [node for node in nodes if not node.item.of("L")]


def _buckets(
    left: Sequence[Node], right: Sequence[Node], keys: Keys
) -> Iterator[tuple[list[Node], list[Node]]]:
    """Free nodes of both sides under each key that both sides have; judged when its turn comes."""
    if not left or not right:
        return
    left_side, right_side = left[0].side, right[0].side
    by_key = _by_key(_free(right, left_side), keys)
    ours_by_key = _by_key(_free(left, right_side), keys)
    for key, ours in ours_by_key.items():
        if key not in by_key:
            continue
        free = _free(ours, right_side), _free(by_key[key], left_side)
        if free[0] and free[1]:
            yield free


def _by_key(nodes: Iterable[Node], keys: Keys) -> dict[Key, list[Node]]:
    found: dict[Key, list[Node]] = {}
    for node in nodes:
        for key in keys(node):
            found.setdefault(key, []).append(node)
    return found


def _free(nodes: Iterable[Node], side: Side) -> list[Node]:
    return [node for node in nodes if node.free(side)]


def _pick(ours: list[Node], theirs: list[Node]) -> None:
    """Like with like first: a nil pair never stands in the way of a live row; then the most alive of each."""
    for rank in (Rank.LIVE, Rank.NIL):
        one = [node for node in ours if node.rank is rank]
        other = [node for node in theirs if node.rank is rank]
        if len(one) == len(other) == 1:
            link(one[0], other[0])
            ours, theirs = _rest(ours, one[0]), _rest(theirs, other[0])
    if ours and theirs:
        one, other = _top(ours), _top(theirs)
        if len(one) == len(other) == 1:
            link(one[0], other[0])


def _rest(nodes: list[Node], taken: Node) -> list[Node]:
    return [node for node in nodes if node is not taken]


def _top(nodes: list[Node]) -> list[Node]:
    highest = max(node.rank for node in nodes)
    return [node for node in nodes if node.rank is highest]


def _alive(nodes: Sequence[Node]) -> Sequence[Node]:
    return [node for node in nodes if node.rank >= Rank.UNKNOWN] or nodes


def _near_to(one: Node, others: Sequence[Node]) -> list[Node]:
    return [
        other
        for other in _alive(others)
        if abs(other.row.day - one.row.day) <= ONE_DAY and _wanted(one, other)
    ]


def _wanted(one: Node, other: Node) -> bool:
    """Both free for each other, and where one names the other's partner it is that one."""
    if not one.free(other.side) or not other.free(one.side):
        return False
    bank, his = (one.row, other.row) if one.side == "B" else (other.row, one.row)
    if isinstance(bank, StatementRow) and isinstance(his, HisRow):
        return bank.institution in ("", his.partner) and his.bank in ("", bank.partner)
    return True
