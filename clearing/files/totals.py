"""What a file says of itself: counts, sums, the hash total; the same for writer and checker. 合计"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Final

from clearing.files.records import CARRIED, SumLine, TxnLine

HASH_MODULUS: Final = 10**10
ID_DIGITS: Final = 8
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
        """Count one line of any kind."""
        self.records += 1
        if isinstance(line, TxnLine):
            self._add_txn(line)
        elif isinstance(line, SumLine):
            self.in_fen += line.in_fen
            self.out_fen += line.out_fen
            self.fee_fen += line.fee_fen
            self.net_fen += line.net_fen
        else:
            self._add_carried(line)

    def _add_txn(self, line: TxnLine) -> None:
        self.hash_total = (self.hash_total + hash_part(line.entry_id)) % HASH_MODULUS
        self.amount_fen += line.amount_fen
        self.fee_fen += line.fee_fen
        self.net_fen += line.settle_fen
        if line.settle_mode == "N":
            if line.direction == "R":
                self.in_fen += line.amount_fen
            else:
                self.out_fen += line.amount_fen

    def _add_carried(self, line: object) -> None:
        key, amount, way = CARRIED[type(line)]
        if key:
            self.hash_total = (self.hash_total + hash_part(getattr(line, key))) % HASH_MODULUS
        fen = getattr(line, amount) if amount else 0
        self.amount_fen += fen
        if way == "in":
            self.in_fen += fen
            self.net_fen += fen
        elif way == "out":
            self.out_fen += fen
            self.net_fen -= fen
