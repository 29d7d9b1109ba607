"""Under which keys a row can be found, from strict to weak. 勾对键"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from clearing.reconciliation.items import Node
from clearing.reconciliation.rows import SIGN, HisRow, LedgerRow, StatementRow

Key: TypeAlias = tuple[object, ...]
Keys: TypeAlias = Callable[[Node], Iterator[Key]]


def entry_keys(node: Node) -> Iterator[Key]:
    """Our entry id, per partner."""
    row = node.row
    if isinstance(row, LedgerRow):
        for name in filter(None, (row.entry_id, *row.also)):
            yield "B", row.partner, name
            yield "H", row.institution, name
    elif row.platform_ref:
        yield node.side, row.partner, row.platform_ref


def bank_keys(node: Node) -> Iterator[Key]:
    """Partner, date and bank reference."""
    row = node.row
    if isinstance(row, LedgerRow | StatementRow) and row.bank_ref and row.bank_date:
        yield row.partner, row.bank_date, row.bank_ref


def his_keys(node: Node) -> Iterator[Key]:
    """Institution, trade type and the number that this type goes by."""
    row = node.row
    if isinstance(row, HisRow):
        if row.trade_type == "DISCHARGE":
            yield row.partner, "DISCHARGE", row.order_no, row.bank_ref
        elif row.order_no or (row.undo and row.bank_ref):
            yield row.partner, row.trade_type, row.order_no or row.bank_ref
    elif isinstance(row, LedgerRow) and row.institution:
        trade = row.trade_type
        if trade == "DISCHARGE":
            for ref in filter_distinct((row.bank_ref, "")):
                yield row.institution, trade, row.admission_no, ref
        else:
            for number in filter_distinct(_numbers(row, trade)):
                if number:
                    yield row.institution, trade, number


def filter_distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    """Each value once, in order."""
    return tuple(dict.fromkeys(values))


def _numbers(row: LedgerRow, trade: str) -> tuple[str, ...]:
    if trade == "REFUND":
        return (row.order_no, row.receipt_no, row.bank_ref)
    return (row.receipt_no, row.order_no) if trade == "DEP" else (row.order_no,)


def undo_keys(node: Node) -> Iterator[Key]:
    """An undo by its original's id, reference or number."""
    row = node.row
    if not node.undo:
        return
    if isinstance(row, LedgerRow):
        for partner, side in ((row.partner, "B"), (row.institution, "H")):
            if row.original_id:
                yield side, partner, "entry", row.original_id
        if row.original_bank_ref:
            yield "B", row.partner, "ref", row.original_bank_ref
        for number in row.original_keys:
            yield "H", row.institution, "ref", number
    else:
        original = row.original_bank_ref if isinstance(row, StatementRow) else row.original_order_no
        if original:
            yield node.side, row.partner, "ref", original
        if row.platform_ref:
            yield node.side, row.partner, "entry", row.platform_ref


def _money(node: Node) -> tuple[int, int]:
    return (node.row.amount_fen, SIGN[node.row.direction])


def weak_bank_keys(node: Node) -> Iterator[Key]:
    """Bank reference without its date, with equal amount and direction."""
    row = node.row
    if isinstance(row, LedgerRow | StatementRow) and row.bank_ref:
        yield row.partner, row.bank_ref, *_money(node)


def weak_his_ref_keys(node: Node) -> Iterator[Key]:
    """Bank reference in the institution's rows, with equal amount and direction."""
    row = node.row
    if isinstance(row, HisRow) and row.bank_ref:
        yield row.partner, row.bank_ref, *_money(node)
    elif isinstance(row, LedgerRow) and row.institution and row.bank_ref:
        yield row.institution, row.bank_ref, *_money(node)


def weak_order_keys(node: Node) -> Iterator[Key]:
    """Order number whatever the trade type, with equal amount and direction."""
    row = node.row
    if isinstance(row, HisRow) and row.order_no:
        yield row.partner, row.order_no, *_money(node)
    elif isinstance(row, LedgerRow) and row.institution:
        for number in filter_distinct((row.order_no, row.receipt_no, row.admission_no)):
            if number:
                yield row.institution, number, *_money(node)


def reference_keys(node: Node) -> Iterator[Key]:
    """Bank reference alone, between a bank's row and a hospital's, whatever the amount."""
    row = node.row
    if isinstance(row, StatementRow | HisRow) and row.bank_ref:
        yield (row.bank_ref,)


def group_entry_keys(node: Node) -> Iterator[Key]:
    """Entry id or bank reference without a date, per partner, that a group's rows share with a ledger row."""
    yield from (("entry", *key) for key in entry_keys(node))
    row = node.row
    if isinstance(row, LedgerRow):
        if row.bank_ref:
            yield "ref", "B", row.partner, row.bank_ref
            yield "ref", "H", row.institution, row.bank_ref
    elif row.bank_ref:
        yield "ref", node.side, row.partner, row.bank_ref


STRICT_BANK: Final[tuple[Keys, ...]] = (entry_keys, bank_keys, undo_keys)
STRICT_HIS: Final[tuple[Keys, ...]] = (entry_keys, his_keys, undo_keys)
WEAK_BANK: Final[tuple[Keys, ...]] = (weak_bank_keys,)
WEAK_HIS: Final[tuple[Keys, ...]] = (weak_his_ref_keys, weak_order_keys)
