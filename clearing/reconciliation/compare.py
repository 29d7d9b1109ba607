"""What differs inside one item: every difference, not the first. 逐项比对"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from clearing.reconciliation.fund_list import codes_of_list
from clearing.reconciliation.items import Item, Node, Rank, Side, partner_worth, row_group
from clearing.reconciliation.rows import SIGN, AnyRow, HisRow, LedgerRow, StatementRow, on_a_list, worth

PaidOut: TypeAlias = tuple[str, str]
"""(bank, its reference) of a payout that our books have."""


@dataclass(frozen=True, slots=True)
class View:
    """One side of an item as one row: its leading row, or the sum of its group."""

    row: AnyRow
    status: str
    """SUCC, FAIL, REVD or UNKNOWN."""
    amount_fen: int
    sign: int
    grouped: bool = False
    bank_fen: int = 0
    """Ledger only: signed worth with the bank, over all rows and days of the item."""
    his_fen: int = 0

    @property
    def alive(self) -> bool:
        """Whether money moved on this side."""
        return self.status == "SUCC" or bool(self.bank_fen or self.his_fen)


def codes_of(
    item: Item, vector: str, card_of: Mapping[str, str], paid_out: Collection[PaidOut] = ()
) -> set[str]:
    """All codes of an item but those of its passing from day to day.

    In:      an item after all passes; its presence vector; aliases of cards; (bank, reference) of payouts.
    Out:     codes in no order; empty for a clean match and where no money moved on any side.
    Source:  contract "Reconciliation", pass 6 and the table of codes.
    """
    if item.duplicate and not item.old:
        return _duplicate(item)
    if item.ambiguous:
        return {"AMB-001"}
    codes: set[str] = set()
    for nodes in _parts(item):
        codes |= _codes_of_part(nodes, vector, card_of)
        if _own_reversal(nodes, paid_out):
            codes = {"FND-004" if code.startswith("STA") else code for code in codes}
    if codes_wanted(item) and item.weak and not item.crossed:
        codes.add("IDN-002")
    return codes


def codes_wanted(item: Item) -> bool:
    """Whether money moved anywhere in the item; what moved none is no break."""
    return any(view.alive for nodes in _parts(item) for view in views(nodes).values())


def _duplicate(item: Item) -> set[str]:
    node = item.nodes[0]
    if isinstance(node.row, LedgerRow):
        return {"DUP-001"} if node.row.bank_fen or node.row.institution_fen else set()
    return {"DUP-002"} if node.side == "B" else {"DUP-003"}


def _parts(item: Item) -> Sequence[Sequence[Node]]:
    """An original and a part refund of another day are compared each by itself."""
    if any(_is_pair(item.of(side)) for side in ("L", "B", "H")):
        return [item.nodes]
    undo = [node for node in item.nodes if node.undo]
    rest = [node for node in item.nodes if not node.undo]
    return [part for part in (rest, undo) if part] if _spans(rest, undo) else [item.nodes]


def _spans(rest: Sequence[Node], undo: Sequence[Node]) -> bool:
    """Whether one side has both an original and an undo; what one side calls otherwise does not count."""
    return bool({node.side for node in rest} & {node.side for node in undo})


def _is_pair(nodes: Sequence[Node]) -> bool:
    """Whether a side's live rows are one original and its whole undo, or were collapsed."""
    if any(node.nil for node in nodes):
        return all(node.nil or node.rank is not Rank.LIVE for node in nodes)
    live = [node for node in nodes if node.rank >= Rank.UNKNOWN]
    if {node.undo for node in live} != {True, False} or len(live) != len(("original", "undo")):
        return False
    one, other = live[0].row, live[1].row
    return one.amount_fen == other.amount_fen and one.direction != other.direction


def views(nodes: Sequence[Node]) -> dict[Side, View]:
    """The present sides of a part of an item, each as one row."""
    found: dict[Side, View] = {}
    undo_of_partner: bool | None = None
    for side in ("B", "H", "L"):
        own = [node for node in nodes if node.side == side]
        if own:
            found[side] = _view(own, undo=undo_of_partner)
            undo_of_partner = found[side].row.undo if undo_of_partner is None else undo_of_partner
    return found


def _view(nodes: Sequence[Node], *, undo: bool | None) -> View:
    if any(row_group(node.row) for node in nodes):
        return _group_view(nodes)
    pair = _is_pair(nodes)
    alike = [node for node in nodes if undo is None or node.undo == undo] or nodes
    main = max(alike, key=lambda node: (node.rank, not node.undo, node.today, node.name))
    bank_fen = his_fen = 0
    if not pair:
        for node in nodes:
            if isinstance(node.row, LedgerRow) and not node.nil:
                bank_fen += node.row.bank_fen
                his_fen += node.row.institution_fen if node.row.institution else 0
    row = main.row
    status = "REVD" if pair else row.status
    return View(row, status, row.amount_fen, SIGN[row.direction], bank_fen=bank_fen, his_fen=his_fen)


def _group_view(nodes: Sequence[Node]) -> View:
    total = sum(0 if isinstance(node.row, LedgerRow) else worth(node.row) for node in nodes)
    main = max(nodes, key=lambda node: node.rank).row
    status = "SUCC" if any(node.row.status == "SUCC" for node in nodes) else main.status
    return View(main, status, abs(total), 1 if total >= 0 else -1, grouped=True)


def _codes_of_part(nodes: Sequence[Node], vector: str, card_of: Mapping[str, str]) -> set[str]:
    sides = views(nodes)
    if not any(view.alive for view in sides.values()):
        return set()
    codes = {*_absent(sides, vector), *_statuses(sides)}
    for half in _halves(nodes):
        codes |= _attributes(views(half), card_of)
    if any(on_a_list(view.row) for view in sides.values()):
        return codes_of_list(codes, (view.row for view in sides.values()))
    return codes


def _halves(nodes: Sequence[Node]) -> Sequence[Sequence[Node]]:
    """What is compared attribute by attribute: of an undone pair the original and the undo, each by itself."""
    undo = [node for node in nodes if node.undo]
    rest = [node for node in nodes if not node.undo]
    return [rest, undo] if undo and _spans(rest, undo) else [nodes]


def _statuses(sides: Mapping[Side, View]) -> Iterator[str]:
    """What one side did and another did not."""
    ledger, bank, his = sides.get("L"), sides.get("B"), sides.get("H")
    if ledger is not None:
        if bank is not None:
            yield from _status_at_bank(ledger, bank)
        if his is not None and (ledger.status == "SUCC") != (his.status == "SUCC"):
            yield "STA-003"
    elif bank is not None and his is not None and (bank.status == "SUCC") != (his.status == "SUCC"):
        yield "STA-003"


def _attributes(sides: Mapping[Side, View], card_of: Mapping[str, str]) -> set[str]:
    """In what else the sides differ: amounts, directions, fees, cards, references, dates."""
    ledger, bank, his = sides.get("L"), sides.get("B"), sides.get("H")
    codes: set[str] = set()
    if ledger is not None:
        if bank is not None:
            codes.update(_with_bank(ledger, bank, card_of))
        if his is not None:
            codes.update(_with_his(ledger, his, card_of))
            if bank is not None and codes & {"AMT-001", "AMT-002"}:
                codes.discard("AMT-003")  # the bank differs too: that comes first, the hospital may be right
    elif bank is not None and his is not None:
        codes.update(_between(bank, his, card_of))
    return codes


def _absent(sides: Mapping[Side, View], vector: str) -> Iterator[str]:
    ledger, bank, his = sides.get("L"), sides.get("B"), sides.get("H")
    if ledger is None:
        yield {(True, True): "SID-011", (True, False): "SID-010"}.get(
            (bank is not None, his is not None), "SID-001"
        )
        if isinstance(bank.row if bank else None, StatementRow) and bank and _is_reversal(bank.row):
            yield "STA-003"
        return
    bank_lacks = bank is None and vector[3] == "0" and ledger.bank_fen != 0
    his_lacks = his is None and vector[5] == "0" and ledger.his_fen != 0
    if bank_lacks or his_lacks:
        yield "SID-100" if bank_lacks and his_lacks else "SID-101" if bank_lacks else "SID-110"
        if _is_reversal(ledger.row):
            yield "STA-003"


def _own_reversal(nodes: Sequence[Node], paid_out: Collection[PaidOut]) -> bool:
    """Whether a bank has taken back by itself what it had paid out: a negative entry that the books lack. 银行冲账"""
    ours = [node.row for node in nodes if isinstance(node.row, LedgerRow)]
    theirs = [node.row for node in nodes if isinstance(node.row, StatementRow)]
    taken_back = [row for row in theirs if row.type == "REVERSAL" and row.direction == "D"]
    if ours:
        return bool(taken_back) and all(row.type == "payout.result" for row in ours)
    return bool(taken_back) and all((row.partner, row.original_bank_ref) in paid_out for row in taken_back)


def _is_reversal(row: AnyRow) -> bool:
    """A reversal proper (冲正), as told from a void or refund."""
    if isinstance(row, LedgerRow):
        return row.type.endswith("reversed")
    return isinstance(row, StatementRow) and row.type == "REVERSAL"


def _status_at_bank(ledger: View, bank: View) -> Iterator[str]:
    ours = ledger.row
    if not isinstance(ours, LedgerRow) or ours.noted:
        return
    refunded = ours.type.endswith(".refunded")
    if ledger.status in ("FAIL", "UNKNOWN") and bank.status == "SUCC":
        yield "STA-004" if refunded else "STA-001"
    elif ledger.status == "REVD" and bank.status == "SUCC":
        yield "STA-003"
    elif bank.status != "SUCC" and (ledger.status == "SUCC" or ledger.bank_fen):
        yield "STA-004" if refunded else "STA-002"


def _with_bank(ledger: View, bank: View, card_of: Mapping[str, str]) -> Iterator[str]:
    ours, theirs = ledger.row, bank.row
    if not isinstance(ours, LedgerRow) or not isinstance(theirs, StatementRow) or ours.noted:
        return
    yield from _sums(ledger, bank, "AMT-001", "AMT-002")
    if ours.fee_fen is not None and theirs.fee_fen is not None and ours.fee_fen != theirs.fee_fen:
        yield "FEE-001"
    if _other_card(ours.card, theirs.card, card_of) or _differ(ours.institution, theirs.institution):
        yield "IDN-001"
    if _differ(ours.bank_ref, theirs.bank_ref) and not bank.grouped:
        yield "IDN-001"
    if ours.bank_date is not None and ours.bank_date != theirs.bank_date:
        yield "CUT-002" if ours.undo else "CUT-001"


def _with_his(ledger: View, his: View, card_of: Mapping[str, str]) -> Iterator[str]:
    ours, theirs = ledger.row, his.row
    if not isinstance(ours, LedgerRow) or not isinstance(theirs, HisRow):
        return
    yield from _sums(ledger, his, "AMT-003", "AMT-003")
    bank_differs = bool(theirs.bank) and theirs.bank not in (ours.bank, ours.partner)
    if (
        _other_card(ours.card, theirs.card, card_of)
        or bank_differs
        or _differ(ours.bank_ref, theirs.bank_ref)
    ):
        yield "IDN-001"


def _between(bank: View, his: View, card_of: Mapping[str, str]) -> Iterator[str]:
    """A bank's and a hospital's row without one of ours."""
    yield from _sums(bank, his, "AMT-003", "AMT-003")
    theirs, other = bank.row, his.row
    if (
        isinstance(theirs, StatementRow)
        and isinstance(other, HisRow)
        and _other_card(theirs.card, other.card, card_of)
    ):
        yield "IDN-001"


def _sums(one: View, other: View, more: str, less: str) -> Iterator[str]:
    if one.grouped or other.grouped:
        if one.sign * one.amount_fen != other.sign * other.amount_fen:
            yield "GRP-001"
        return
    if one.sign != other.sign:
        yield "DIR-001"
    if one.amount_fen != other.amount_fen:
        yield more if one.amount_fen > other.amount_fen else less


def _differ(one: str, other: str) -> bool:
    return bool(one) and bool(other) and one != other


def _other_card(one: str, other: str, card_of: Mapping[str, str]) -> bool:
    return _differ(card_of.get(one, one), card_of.get(other, other))


def worth_today(item: Item) -> dict[str, tuple[int, int]]:
    """Partner → (ledger, other) signed fen of the item's rows of today."""
    found: dict[str, tuple[int, int]] = {}

    def add(partner: str, ledger: int, other: int) -> None:
        before = found.get(partner, (0, 0))
        found[partner] = (before[0] + ledger, before[1] + other)

    for node in item.nodes:
        row = node.row
        if not isinstance(row, LedgerRow):
            add(row.partner, 0, partner_worth(node))
        elif node.today:
            add(row.partner, row.bank_fen, 0)
            if row.institution:
                add(row.institution, row.institution_fen, 0)
    return found
