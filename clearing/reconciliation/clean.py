"""What may be matched in bulk, beside the passes, and why the two do not disturb each other. 成批勾对

Nearly every row of a day has exactly one counterpart a side and agrees with it in everything. Such rows need no
pass, only to be counted and summed; a database does that for a million in seconds (`store.sides`). All others go
through the passes. Both together come to what the passes alone would find, because:

1. Passes join rows over keys alone (`keys.py`, the originals' names in `matching.py`, groups, exact repeats).
   `tokens` names every key of a row, coarser than any pass does: without dates, types and amounts. Rows that
   share no token are never looked at together, so what becomes of a set of rows that is closed under "shares a
   token" depends on nothing outside of it. (A bank's and a hospital's row without one of ours are also met by
   their bare reference, and groups by their name: such rows never go the quick way.)
2. A set goes the quick way only as a whole: no token of its rows is one of a row that does not, be that a row of
   today, one that waited, one of a break still open, or one of ours that made no entry. Where one is found, its
   whole set goes to the passes, and so on until nothing changes.
3. Inside a quick set each of our rows stands alone under its bank reference and under its number with the
   institution, has exactly one row of each side whose file is given, and agrees with it in every attribute. The
   strict keys join these, and no later pass takes up a row that has its counterparts. Rows of one stay, and a
   part refund with what it refunds, share tokens but no strict key.
4. An original and its whole undo collapse into one nil item on every side. They go the quick way when all sides
   that apply name the same original for the same amount, and nothing else names it; they are no match that
   moved money. Where the sides name different ones, the set goes to the passes.
5. Rows of the quick way have no code, difference or old break, so they give no break and no open item. What is
   left of them is in `Clean`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from clearing.reconciliation.rows import AnyRow, LedgerRow, StatementRow


class CleanLine(NamedTuple):
    """Matches of one institution with one bank, network or channel."""

    institution: str
    partner: str
    matched: int
    matched_fen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Clean:
    """Rows that agree in everything, by what they add up to. 相符合计"""

    lines: tuple[CleanLine, ...] = ()
    """Matches in which money moved."""
    ledger_fen: Mapping[str, int] = field(default_factory=dict)
    """Signed worth of our rows by partner, institutions too."""
    other_fen: Mapping[str, int] = field(default_factory=dict)
    """Signed worth of the partners' rows."""
    lacking: frozenset[str] = frozenset()
    """Institutions for whose rows of the day, clean or not, a statement is not given."""


NOTHING: Final = Clean()


class Token(NamedTuple):
    """One name under which a row could be met, coarser than any key."""

    kind: str
    """e: an entry's id; r: a bank reference at a partner; n: a number in an institution."""
    scope: str
    """The partner or institution that gave it; empty for an entry's id."""
    text: str


def tokens(row: AnyRow) -> Iterator[Token]:
    """Every name under which some pass could bring this row together with another. 关联键"""
    if isinstance(row, LedgerRow):
        for name in (row.entry_id, *row.also, row.original_id):
            yield from _token("e", "", name)
        for ref in (row.bank_ref, row.original_bank_ref):
            yield from _token("r", row.partner, ref)
        if row.institution:
            numbers = (row.order_no, row.receipt_no, row.admission_no, row.bank_ref, *row.original_keys)
            for number in numbers:
                yield from _token("n", row.institution, number)
        return
    yield from _token("e", "", row.platform_ref)
    if isinstance(row, StatementRow):
        for ref in (row.bank_ref, row.original_bank_ref):
            yield from _token("r", row.partner, ref)
    else:
        for number in (row.order_no, row.bank_ref, row.original_order_no):
            yield from _token("n", row.partner, number)


def _token(kind: str, scope: str, text: str) -> Iterator[Token]:
    if text:
        yield Token(kind, scope, text)
