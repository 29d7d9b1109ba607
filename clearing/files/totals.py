"""What a file says of itself: counts, sums, the hash total; the same for writer and checker. 合计"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

from clearing.files.layout import Layout
from clearing.files.records import CARRIED, MODELS, SumLine, TxnLine

HASH_MODULUS: Final = 10**10
ID_DIGITS: Final = 8
GIVES: Final[Mapping[str, Literal["in", "out"]]] = {"R": "in", "P": "out", "CREDIT": "in", "DEBIT": "out"}
"""Direction of a line → the head's sum that its amount adds to."""
HEX_ID: Final = re.compile("[0-9a-f]{32}|[0-9a-f]{64}")
"""An id of the books, or a digest."""


def hash_part(key: str) -> int:
    """What one id adds to the hash total: its last 8 hex digits as a number.

    In:      an id of the books; of any other text, such as a payout's id, the SM3 of its UTF-8 bytes counts.
    """
    digits = key if HEX_ID.fullmatch(key) else hashlib.new("sm3", key.encode()).hexdigest()
    return int(digits[-ID_DIGITS:], 16)


@dataclass(slots=True)
class Totals:
    """Running sums over the lines of one file; fen."""

    records: int = 0
    hash_total: int = 0
    amount_fen: int = 0
    """Of the lines whose ids make the hash total."""
    in_fen: int = 0
    """Received; in TXN only lines of mode N."""
    out_fen: int = 0
    """Paid; in TXN only lines of mode N."""
    fee_fen: int = 0
    """Of all lines, signed."""
    net_fen: int = 0
    """Sum of what is settled: in - out - fee."""

    def add(self, line: Any) -> None:  # noqa: ANN401  (a line of any kind)
        """Count one line of any kind; a field that its layout does not have counts nothing."""
        self.records += 1
        kind = type(line)
        if kind is TxnLine:
            self._add_txn(line)
        elif kind is SumLine:
            self.in_fen += line.in_fen or 0
            self.out_fen += line.out_fen or 0
            self.fee_fen += line.fee_fen or 0
            self.net_fen += line.net_fen or 0
        else:
            self._add_carried(line)

    def _add_txn(self, line: TxnLine) -> None:
        amount_fen = line.amount_fen or 0
        if line.entry_id:
            self.hash_total = (self.hash_total + int(line.entry_id[-ID_DIGITS:], 16)) % HASH_MODULUS
        self.amount_fen += amount_fen
        self.fee_fen += line.fee_fen or 0
        self.net_fen += line.settle_fen or 0
        if line.settle_mode == "N":
            if line.direction == "R":
                self.in_fen += amount_fen
            else:
                self.out_fen += amount_fen

    def _add_carried(self, line: object) -> None:
        key, amount, way = CARRIED[type(line)]
        text = getattr(line, key) if key else ""
        if text:
            self.hash_total = (self.hash_total + hash_part(text)) % HASH_MODULUS
        fen = (getattr(line, amount) or 0) if amount else 0
        self.amount_fen += fen
        if way == "direction":
            way = GIVES[getattr(line, way) or "R"]
        if way == "in":
            self.in_fen += fen
            self.net_fen += fen
        elif way == "out":
            self.out_fen += fen
            self.net_fen -= fen


_TXN: Final[Mapping[str, frozenset[str]]] = {
    "hash_total": frozenset({"entry_id"}),
    "amount_fen": frozenset({"amount_fen"}),
    "in_fen": frozenset({"amount_fen", "settle_mode", "direction"}),
    "out_fen": frozenset({"amount_fen", "settle_mode", "direction"}),
    "fee_fen": frozenset({"fee_fen"}),
    "net_fen": frozenset({"settle_fen"}),
}
_SUM: Final[Mapping[str, frozenset[str]]] = {
    name: frozenset({name}) for name in ("in_fen", "out_fen", "fee_fen", "net_fen")
}


def needed(model: type[Any]) -> Mapping[str, frozenset[str]]:
    """Total → the fields of a line of this model that make it."""
    if model is TxnLine:
        return _TXN
    if model is SumLine:
        return _SUM
    key, amount, way = CARRIED[model]
    found = {"hash_total": frozenset({key})} if key else {}
    if amount:
        found["amount_fen"] = frozenset({amount})
    if way:
        fields = frozenset({amount, "direction"} if way == "direction" else {amount})
        found |= dict.fromkeys(("in_fen", "out_fen", "net_fen"), fields)
    return found


@cache
def _comparable(models: tuple[tuple[type[Any], frozenset[str]], ...]) -> frozenset[str]:
    every = frozenset(_TXN)
    return frozenset(
        total for total in every if all(needed(one).get(total, frozenset()) <= has for one, has in models)
    )


def comparable(layout: Layout, file_type: str) -> frozenset[str]:
    """The totals that a file's own lines tell: those whose every field is a column of the layout."""
    return _comparable(
        tuple(
            (MODELS[file_type, record.tag], frozenset(column.key for column in record.columns))
            for record in layout.records(file_type)
        )
    )
