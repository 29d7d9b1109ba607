"""Rows on their way to becoming items: which belong together, and which may still be joined. 勾对单元

A node is one row in one run, an item the nodes that matches have joined. Both are scratch values of a run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, Literal, TypeAlias

from clearing.reconciliation.breaks import OpenItem
from clearing.reconciliation.rows import AnyRow, HisRow, LedgerRow, StatementRow, fingerprint_text, worth

Side: TypeAlias = Literal["L", "B", "H"]
_RANK_OF: Final = {"SUCC": 3, "UNKNOWN": 2, "REVD": 1, "FAIL": 0}


class Rank(IntEnum):
    """How alive a row is; where a key has several rows the most alive one is looked at first."""

    FAILED = 0
    NIL = 1
    """Reversed, or one of a pair of an original and its whole undo."""
    UNKNOWN = 2
    LIVE = 3


@dataclass(eq=False, slots=True)
class Node:
    """One row of one side in one run."""

    side: Side
    row: AnyRow
    rank: Rank
    name: str
    """Canonical text of the row: the order of work, whatever the order of input."""
    today: bool = True
    """False for a row of an item that was open before."""
    nil: bool = False
    """Worth nothing: collapsed with its undo, or matched to a noted top-up."""
    linked: set[Side] = field(default_factory=set)
    """Sides on which it has its counterpart."""
    item: Item = field(init=False)

    @property
    def undo(self) -> bool:
        """Whether it takes something back."""
        return self.row.undo

    def free(self, side: Side) -> bool:
        """Whether a counterpart on that side is still wanted."""
        return side not in self.linked


@dataclass(eq=False, slots=True)
class Item:
    """Nodes that belong together."""

    nodes: list[Node]
    old: list[OpenItem] = field(default_factory=list)
    """Breaks of earlier days that it continues."""
    weak: bool = False
    grouped: bool = False
    ambiguous: bool = False
    undo_joined: bool = False
    """An undo or a confirmation has joined the open break of its original."""
    duplicate: bool = False
    crossed: bool = False
    """Rows of different days were joined in this run."""

    def of(self, side: Side) -> list[Node]:
        """Its nodes of one side."""
        return [node for node in self.nodes if node.side == side]


def node_of(row: AnyRow, *, today: bool = True) -> Node:
    """A fresh node in an item of its own."""
    side: Side = "L" if isinstance(row, LedgerRow) else "B" if isinstance(row, StatementRow) else "H"
    name = fingerprint_text(row)
    if isinstance(row, LedgerRow):
        name = f"{name}|{row.source}|{row.event_id}|{row.entry_id}"
    else:
        name = f"{name}|{row.file}|{row.line:09d}"
    node = Node(side, row, Rank(_RANK_OF[row.status]), name, today)
    node.item = Item([node])
    return node


def reopened(item: OpenItem) -> list[Node]:
    """The nodes of an open break, with their links as they stood: a failed row does not block a later one."""
    found = item.found
    rows: tuple[AnyRow, ...] = (*found.ledger_rows, *found.bank_rows, *found.his_rows)
    nodes = [node_of(row, today=False) for row in rows]
    whole = Item(nodes, old=[item], grouped=any(row_group(row) for row in rows))
    whole.ambiguous = found.code == "AMB-001"
    whole.duplicate = found.code.startswith("DUP")
    for node in nodes:
        node.item = whole
        node.linked = {
            other.side
            for other in nodes
            if other.side != node.side and other.undo == node.undo and other.rank is Rank.LIVE
        }
    return nodes


def row_group(row: AnyRow) -> str:
    """The group that a partner's row names; empty for none."""
    return "" if isinstance(row, LedgerRow) else row.group


def merge(one: Item, other: Item) -> Item:
    """Make two items one; the larger takes up the smaller."""
    if one is other:
        return one
    if len(one.nodes) < len(other.nodes):
        one, other = other, one
    for node in other.nodes:
        node.item = one
    one.nodes.extend(other.nodes)
    one.crossed |= bool(one.old) or bool(other.old)
    one.old.extend(other.old)
    one.weak |= other.weak
    one.grouped |= other.grouped
    one.ambiguous |= other.ambiguous
    one.undo_joined |= other.undo_joined
    one.duplicate |= other.duplicate
    return one


def link(one: Node, other: Node) -> Item:
    """Join two counterparts; a failed row leaves the other side free for a later one."""
    item = merge(one.item, other.item)
    if other.rank is not Rank.FAILED:
        one.linked.add(other.side)
    if one.rank is not Rank.FAILED:
        other.linked.add(one.side)
    alike = [node for node in item.nodes if node.undo == one.undo and node.rank is not Rank.FAILED]
    if len(alike) == len({node.side for node in alike}):  # one row a side: all are counterparts of each other
        for node in alike:
            node.linked.update(each.side for each in alike if each is not node)
    return item


def partner_worth(node: Node) -> int:
    """What a bank or HIS node of this run moved, signed fen; rows of earlier days have counted there."""
    row = node.row
    return 0 if node.nil or not node.today or isinstance(row, LedgerRow) else worth(row)


def sorted_nodes(nodes: Iterable[Node]) -> list[Node]:
    """Nodes in canonical order, so that the order of input does not matter."""
    return sorted(nodes, key=lambda node: node.name)


__all__ = [
    "HisRow",
    "Item",
    "Node",
    "Rank",
    "Side",
    "link",
    "merge",
    "node_of",
    "partner_worth",
    "reopened",
    "row_group",
    "sorted_nodes",
]
