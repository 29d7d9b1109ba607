"""Many entries column by column: what a day's files are made of. 凭证列

A day has millions of entries and its files show a few fields of each twice. Values that stand under each other are
taken together, in a frame that is worked on outside the interpreter's lock; an `Entry` is only made of one that
needs a closer look.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import polars as pl

from clearing.ledger.entry import Entry, Leg, Posting, Status

BETWEEN: Final = "\x1f"
"""Between the accounts of an entry; no name holds a control character."""
SCHEMA: Final[dict[str, pl.DataType]] = {
    "id": pl.String(), "clearing_date": pl.Date(), "type": pl.String(), "source": pl.String(),
    "event_id": pl.String(), "accounts": pl.String(), "fens": pl.List(pl.Int64()), "legs": pl.String(),
    "occurred_at": pl.Datetime("us", "UTC"), "late": pl.Boolean(), "amount_fen": pl.Int64(),
    "status": pl.String(), "institution": pl.String(), "bank": pl.String(), "payer": pl.String(),
    "route": pl.String(), "partner": pl.String(), "bank_ref": pl.String(), "bank_date": pl.Date(),
    "order_no": pl.String(), "receipt_no": pl.String(), "admission_no": pl.String(), "terminal": pl.String(),
    "access": pl.String(), "card": pl.String(), "card_last4": pl.String(), "app_area": pl.String(),
    "original_id": pl.String(), "original_date": pl.Date(), "text": pl.String(),
}  # fmt: skip
"""Fields as in `Entry`; of its postings the accounts (with BETWEEN between them), what each moves (debit positive,
credit negative) and why it stands there, a letter each."""
_LEGS: Final = {leg.value: leg for leg in Leg}


class EntryColumns:
    """Entries in some order, as a frame with the columns of `SCHEMA`."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> EntryColumns:
        """Entries as columns."""
        rows = list(entries)
        of_postings: dict[str, list[Any]] = {
            "accounts": [BETWEEN.join([account for account, _, _ in one.postings]) for one in rows],
            "fens": [[fen for _, fen, _ in one.postings] for one in rows],
            "legs": ["".join([leg for _, _, leg in one.postings]) for one in rows],
        }
        columns = {
            name: of_postings[name] if name in of_postings else [getattr(one, name) for one in rows]
            for name in SCHEMA
        }
        return cls(pl.DataFrame(columns, schema=SCHEMA))

    def __len__(self) -> int:
        return self.frame.height

    def entries(self, at: Sequence[int] | None = None) -> list[Entry]:
        """Some of them, or all, as values, each checked as it is made."""
        frame = self.frame if at is None else self.frame[list(at)]
        return list(map(_entry, frame.iter_rows(named=True)))


def _entry(values: dict[str, Any]) -> Entry:
    names, fens, legs = values.pop("accounts").split(BETWEEN), values.pop("fens"), values.pop("legs")
    postings = tuple(map(Posting, names, fens, map(_LEGS.__getitem__, legs)))
    return Entry(**values | {"postings": postings, "status": Status(values["status"])})
