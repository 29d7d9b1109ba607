"""What a file says of itself: counts, sums, the hash total; the same for writer and checker. 合计"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import compress
from typing import Any, Final, Literal

from clearing.files.columns_out import Values
from clearing.files.layout import Layout
from clearing.files.records import CARRIED, MODELS, Carried, SumLine, TxnLine

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


def hash_sum(keys: Sequence[str]) -> int:
    """The sum of what many ids add, as `hash_part`; of ids of the books all at once."""
    try:
        digits = bytes.fromhex("".join([key[-ID_DIGITS:] for key in keys]))
        return sum(struct.unpack(f">{len(keys)}I", digits))
    except (ValueError, struct.error):  # others, such as a layout takes that calls its ids text
        return sum(map(hash_part, keys))


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

    def add(self, model: type[Any], columns: Sequence[Values]) -> None:
        """Count lines of one kind.

        In:      their record model, the values by field; a field that their layout does not have is None throughout
                 and counts nothing.
        """
        self.records += len(columns[0])
        fields: dict[str, Values] = dict(zip(model._fields, columns, strict=True))
        if model is TxnLine:
            self._add_carried(fields, TXN)
            self.fee_fen += _sum(fields["fee_fen"])
            self.net_fen += _sum(fields["settle_fen"])
            netted = [mode == "N" for mode in fields["settle_mode"]]
            ways, amounts = (list(compress(fields[one], netted)) for one in ("direction", "amount_fen"))
            in_fen = _sum(compress(amounts, [way == "R" for way in ways]))
            self.in_fen += in_fen
            self.out_fen += _sum(amounts) - in_fen
        elif model is SumLine:
            self.in_fen += _sum(fields["in_fen"])
            self.out_fen += _sum(fields["out_fen"])
            self.fee_fen += _sum(fields["fee_fen"])
            self.net_fen += _sum(fields["net_fen"])
        else:
            self._add_carried(fields, CARRIED[model])

    def _add_carried(self, fields: Mapping[str, Values], carried: Carried) -> None:
        key, amount, way = carried
        if key:
            self.hash_total = (self.hash_total + hash_sum(list(filter(None, fields[key])))) % HASH_MODULUS
        if not amount:
            return
        amounts = fields[amount]
        fen = in_fen = _sum(amounts)
        self.amount_fen += fen
        if way == "direction":
            in_fen = _sum(compress(amounts, [GIVES.get(one or "R") == "in" for one in fields[way]]))
        elif way == "out":
            in_fen = 0
        if way:
            self.in_fen += in_fen
            self.out_fen += fen - in_fen
            self.net_fen += 2 * in_fen - fen


def _sum(values: Iterable[Any]) -> int:
    """The sum of amounts, of which some may not be there."""
    return sum(filter(None, values))


TXN: Final = Carried("entry_id", "amount_fen")
"""What lines of TXN carry besides the sums of their own."""
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
