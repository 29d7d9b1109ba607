"""The passes, in their order: which rows are one item. 勾对

collapse → exact repeats → strict keys → noted top-ups → earlier days → originals of undos → groups
→ weak keys → once more what has become unique → what is left with several candidates.
A row is claimed at most once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from clearing.reconciliation import keys
from clearing.reconciliation.items import (
    Item,
    Node,
    Rank,
    Side,
    link,
    merge,
    row_group,
    sorted_nodes,
)
from clearing.reconciliation.joining import candidates, join, join_near, without_ledger
from clearing.reconciliation.rows import HisRow, LedgerRow, StatementRow, fingerprint_text


class _Pool:
    """The nodes of a run that may be claimed, by side and age."""

    def __init__(self, today: Iterable[Node], old: Iterable[Node]) -> None:
        today, old = list(today), list(old)
        self.today: dict[Side, list[Node]] = {side: [] for side in ("L", "B", "H")}
        self.old: dict[Side, list[Node]] = {side: [] for side in ("L", "B", "H")}
        self.noted: list[Node] = []
        self.grouped: list[Node] = []
        for node in today:
            row = node.row
            if isinstance(row, LedgerRow) and row.noted:
                self.noted.append(node)
            elif row_group(row):
                self.grouped.append(node)
            elif not (isinstance(row, StatementRow) and row.type == "FEE"):
                self.today[node.side].append(node)
        for node in old:
            item = node.item
            if not (item.ambiguous or item.duplicate or item.grouped):
                self.old[node.side].append(node)


def match(today: Sequence[Node], old: Sequence[Node], taken_before: Collection[str]) -> list[Item]:
    """Join the rows of one day, and those of earlier days still open, into items.

    In:      nodes of the day's rows of all sides; nodes of open breaks that are young enough (`reopened`).
    Out:     every item that has a row of today, in canonical order; each node in exactly one.
    Source:  contract "Reconciliation", passes 3 to 5.
    """
    today, old = sorted_nodes(today), sorted_nodes(old)
    for node in today:
        if node.side != "L" and node.today and fingerprint_text(node.row) in taken_before:
            node.item.duplicate = True
    rest = [node for node in today if not node.item.duplicate]
    collapse(rest)
    _set_repeats_aside(rest)
    rest = [node for node in rest if not node.item.duplicate]
    pool = _Pool(rest, old)
    _strict(pool.today, pool.today)
    _noted(pool)
    _earlier_days(pool)
    _originals(rest, old)
    _groups(pool, old)
    _weak(pool)
    _strict(pool.today, pool.today)
    _earlier_days(pool)
    _weak(pool)
    _ambiguous(pool)
    _late_repeats(rest)
    return list({id(node.item): node.item for node in today}.values())


def collapse(nodes: Sequence[Node]) -> None:
    """Make an original and its whole undo of the same day one nil item, which keeps the keys of both."""
    originals: dict[keys.Key, list[Node]] = {}
    for node in nodes:
        if not node.undo and node.rank in (Rank.LIVE, Rank.UNKNOWN, Rank.NIL) and not row_group(node.row):
            for key in _own_names(node):
                originals.setdefault(key, []).append(node)
    for undo in nodes:
        if not undo.undo or undo.rank is not Rank.LIVE or row_group(undo.row):
            continue
        found = next(
            (one for key in _original_names(undo) for one in originals.get(key, ()) if _undoes(undo, one)),
            None,
        )
        if found is not None:
            merge(found.item, undo.item)
            for node in (found, undo):
                node.nil, node.rank = True, Rank.NIL


def _own_names(node: Node) -> Iterable[keys.Key]:
    row = node.row
    if isinstance(row, LedgerRow):
        return [(row.partner, name) for name in (row.entry_id, *row.also) if name]
    name = row.bank_ref if isinstance(row, StatementRow) else row.order_no
    return [(node.side, row.partner, name)] if name else []


def _original_names(node: Node) -> Iterable[keys.Key]:
    row = node.row
    if isinstance(row, LedgerRow):
        return [(row.partner, row.original_id)] if row.original_id else []
    name = row.original_bank_ref if isinstance(row, StatementRow) else row.original_order_no
    return [(node.side, row.partner, name)] if name else []


def _undoes(undo: Node, original: Node) -> bool:
    one, other = undo.row, original.row
    if (
        original.nil
        or one.amount_fen != other.amount_fen
        or one.direction == other.direction
        or one.clearing_date != other.clearing_date
    ):
        return False
    if isinstance(one, LedgerRow) and isinstance(
        other, LedgerRow
    ):  # not where the debit counts on another day
        return one.bank_fen + other.bank_fen == 0 == one.institution_fen + other.institution_fen
    return True


def _set_repeats_aside(nodes: Sequence[Node]) -> None:
    seen: set[str] = set()
    for node in nodes:
        if node.nil:
            continue
        text = fingerprint_text(node.row)
        if text in seen:
            node.item.duplicate = True
        seen.add(text)


def _late_repeats(nodes: Sequence[Node]) -> None:
    """A row that repeats a collapsed one was live until now: nothing has claimed it, so it is surplus."""
    collapsed = {fingerprint_text(node.row) for node in nodes if node.nil}
    for node in nodes:
        if not node.nil and len(node.item.nodes) == 1 and fingerprint_text(node.row) in collapsed:
            node.item.duplicate = True


def _strict(left: dict[Side, list[Node]], right: dict[Side, list[Node]]) -> None:
    for name in keys.STRICT_BANK:
        join(left["L"], right["B"], name)
    for name in keys.STRICT_HIS:
        join(left["L"], right["H"], name)


def _near(left: dict[Side, list[Node]], right: dict[Side, list[Node]], *, weak: bool) -> None:
    for name in keys.WEAK_BANK:
        join_near(left["L"], right["B"], name, weak=weak)
    for name in keys.WEAK_HIS:
        join_near(left["L"], right["H"], name, weak=weak)


def _noted(pool: _Pool) -> None:
    """A noted top-up makes every row it matches nil, on either direction."""
    if not pool.noted:
        return
    by_key: dict[keys.Key, Node] = {}
    for node in pool.noted:
        row = node.row
        for key in keys.bank_keys(node):
            by_key.setdefault(key, node)
        if isinstance(row, LedgerRow) and row.entry_id:
            by_key.setdefault((row.partner, row.entry_id), node)
    for node in pool.today["B"]:
        if node.free("L") and node.item.nodes == [node]:
            found = next((by_key[key] for key in keys.bank_keys(node) if key in by_key), None)
            found = found or _topup_taken_back(pool, node)
            if found is not None:
                _make_nil(link(found, node))
    join_near(_unmatched(pool.noted), pool.today["B"], keys.weak_bank_keys, weak=False)
    for node in pool.noted:
        _make_nil(node.item)


def _topup_taken_back(pool: _Pool, node: Node) -> Node | None:
    """The noted top-up that a line of a later day gives back whole."""
    row = node.row
    if not isinstance(row, StatementRow) or not row.undo or not row.original_bank_ref:
        return None
    wanted = (row.partner, row.original_bank_ref, row.amount_fen)
    for noted in pool.noted:
        ours = noted.row
        if isinstance(ours, LedgerRow) and (ours.partner, ours.bank_ref, ours.amount_fen) == wanted:
            return noted
    return None


def _unmatched(nodes: Iterable[Node]) -> list[Node]:
    return [node for node in nodes if len(node.item.nodes) == 1]


def _make_nil(item: Item) -> None:
    for node in item.nodes:
        node.nil = True


def _earlier_days(pool: _Pool) -> None:
    for left, right in ((pool.today, pool.old), (pool.old, pool.today)):
        _strict(left, right)
        _near(left, right, weak=False)
        join_near(without_ledger(left["B"]), without_ledger(right["H"]), keys.reference_keys, weak=False)


def _originals(today: Sequence[Node], old: Sequence[Node]) -> None:
    """Let an undo, or a confirmation, join the open break of what it names."""
    targets: dict[keys.Key, dict[int, Item]] = {}
    for node in old:
        if not node.undo:
            for key in _target_names(node):
                targets.setdefault(key, {})[id(node.item)] = node.item
    if not targets:
        return
    for node in today:
        if node.item.old or not (node.undo or _confirms(node)):
            continue
        for key in _wanted_names(node):
            found = {id(one.nodes[0].item): one.nodes[0].item for one in targets.get(key, {}).values()}
            if len(found) == 1:
                target = next(iter(found.values()))
                if not (target.duplicate and node.item.of("L")):
                    merge(target, node.item).undo_joined = True
                    break


def _confirms(node: Node) -> bool:
    return isinstance(node.row, LedgerRow) and node.row.type == "payment.confirmed"


def _target_names(node: Node) -> Iterable[keys.Key]:
    row = node.row
    if isinstance(row, LedgerRow):
        yield from (("entry", name) for name in (row.entry_id, *row.also) if name)
        yield from (
            ("his", row.institution, name)
            for name in (row.order_no, row.receipt_no, row.admission_no)
            if name
        )
    elif isinstance(row, HisRow) and row.order_no:
        yield "his", row.partner, row.order_no
    if not isinstance(row, HisRow) and row.bank_ref:
        yield "ref", row.partner, row.bank_ref


def _wanted_names(node: Node) -> Iterable[keys.Key]:
    row = node.row
    if isinstance(row, LedgerRow):
        yield "entry", row.original_id
        yield "ref", row.partner, row.original_bank_ref
        yield from (("his", row.institution, name) for name in row.original_keys)
        return
    yield "entry", row.platform_ref
    if isinstance(row, StatementRow):
        yield "ref", row.partner, row.original_bank_ref
    else:
        yield "his", row.partner, row.original_order_no


def _groups(pool: _Pool, old: Sequence[Node]) -> None:
    """Rows of one group stand together: with the ledger row they share a key with, and with like groups."""
    units: dict[tuple[str, str, str], list[Node]] = {}
    for node in pool.grouped:
        units.setdefault((node.side, node.row.partner, row_group(node.row)), []).append(node)
    if not units:
        return
    for nodes in units.values():
        for node in nodes[1:]:
            merge(nodes[0].item, node.item)
        nodes[0].item.grouped = True
    for node in old:
        unit = units.get((node.side, node.row.partner, row_group(node.row)))
        if unit is not None:
            merge(node.item, unit[0].item)
    heads: dict[Side, list[Node]] = {"L": [], "B": [], "H": []}
    for nodes in units.values():
        heads[nodes[0].side].append(_spokesman(nodes))
    ledger = [*pool.today["L"], *pool.old["L"]]
    shared = {
        id(head): _shared(units[head.side, head.row.partner, row_group(head.row)])
        for head in (*heads["B"], *heads["H"])
    }

    def group_keys(node: Node) -> Iterable[keys.Key]:
        found = keys.group_entry_keys(node)
        return found if node.side == "L" else (key for key in found if key in shared[id(node)])

    join(ledger, heads["B"], lambda node: iter(group_keys(node)))
    join(ledger, heads["H"], lambda node: iter(group_keys(node)))
    join(heads["B"], heads["H"], lambda node: iter([(row_group(node.row),)]))


def _spokesman(nodes: Sequence[Node]) -> Node:
    """The row that answers for its group: a live one where there is one."""
    return max(nodes, key=lambda node: node.rank)


def _shared(nodes: Sequence[Node]) -> set[keys.Key]:
    return set.intersection(*(set(keys.group_entry_keys(node)) for node in nodes))


def _weak(pool: _Pool) -> None:
    _near(pool.today, pool.today, weak=True)
    join_near(
        without_ledger(pool.today["B"]), without_ledger(pool.today["H"]), keys.reference_keys, weak=False
    )


def _ambiguous(pool: _Pool) -> None:
    """Whatever still shares a key with several others becomes one item for a person to look at."""
    ledger, bank, his = pool.today["L"], pool.today["B"], pool.today["H"]
    found = [
        *(list(candidates(ledger, bank, name, strict=True)) for name in keys.STRICT_BANK),
        *(list(candidates(ledger, his, name, strict=True)) for name in keys.STRICT_HIS),
        *(list(candidates(ledger, bank, name, strict=False)) for name in keys.WEAK_BANK),
        *(list(candidates(ledger, his, name, strict=False)) for name in keys.WEAK_HIS),
        list(candidates(without_ledger(bank), without_ledger(his), keys.reference_keys, strict=False)),
    ]
    for bucket in (nodes for each in found for nodes in each):
        if len({id(node.item) for node in bucket}) == 1:
            continue
        for node in bucket[1:]:
            merge(bucket[0].item, node.item)
        bucket[0].item.ambiguous = True
