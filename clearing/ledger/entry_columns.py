"""Many entries column by column: what a day's files are made of. 凭证列

A day has millions of entries and its files show a few fields of each twice. Values that stand under each other are
taken together; an `Entry` is only made of one that needs a closer look.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from clearing.ledger.entry import Entry, Leg, Posting, Status


class EntryColumns(NamedTuple):
    """Entries in some order; fields as in `Entry`, one value an entry."""

    id: Sequence[str]
    clearing_date: Sequence[date]
    type: Sequence[str]
    source: Sequence[str]
    event_id: Sequence[str]
    accounts: Sequence[tuple[str, ...]]
    """Of the postings."""
    fens: Sequence[tuple[int, ...]]
    """Of the postings: debit positive, credit negative."""
    legs: Sequence[str]
    """Of the postings, a letter each."""
    occurred_at: Sequence[datetime]
    late: Sequence[bool]
    amount_fen: Sequence[int]
    status: Sequence[str]
    institution: Sequence[str]
    bank: Sequence[str]
    payer: Sequence[str]
    route: Sequence[str]
    partner: Sequence[str]
    bank_ref: Sequence[str]
    bank_date: Sequence[date | None]
    order_no: Sequence[str]
    receipt_no: Sequence[str]
    admission_no: Sequence[str]
    terminal: Sequence[str]
    access: Sequence[str]
    card: Sequence[str]
    card_last4: Sequence[str]
    app_area: Sequence[str]
    original_id: Sequence[str]
    original_date: Sequence[date | None]
    text: Sequence[str]

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> EntryColumns:
        """Entries as columns."""
        rows = list(entries)
        of_postings: dict[str, Sequence[Any]] = {
            "accounts": [tuple([account for account, _, _ in one.postings]) for one in rows],
            "fens": [tuple([fen for _, fen, _ in one.postings]) for one in rows],
            "legs": ["".join([leg for _, _, leg in one.postings]) for one in rows],
        }
        return cls(
            *(
                of_postings[name] if name in of_postings else [getattr(one, name) for one in rows]
                for name in cls._fields
            )
        )

    def entry(self, at: int) -> Entry:
        """One of them as a value, checked as it is made."""
        values: dict[str, Any] = dict(zip(self._fields, (column[at] for column in self), strict=True))
        parts = (values.pop(name) for name in _OF_POSTINGS)
        postings = tuple(Posting(account, fen, Leg(leg)) for account, fen, leg in zip(*parts, strict=True))
        return Entry(**values | {"postings": postings, "status": Status(values["status"])})


_OF_POSTINGS: Final = ("accounts", "fens", "legs")
