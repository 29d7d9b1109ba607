"""What a file says of itself: counts, sums, the hash total; the same for writer and checker. 合计"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clearing.files.lines import PayLine, SumLine, TxnLine

HASH_MODULUS: Final = 10**10
ID_DIGITS: Final = 8


def hash_part(entry_id: str) -> int:
    """What one id adds to the hash total: its last 8 hex digits as a number."""
    return int(entry_id[-ID_DIGITS:], 16)


@dataclass(slots=True)
class Totals:
    """Running sums over the lines of one file; fen."""

    records: int = 0
    hash_total: int = 0
    amount_fen: int = 0
    """Of the lines whose ids make the hash total: D in TXN, N in SUM."""
    in_fen: int = 0
    """Received, lines of mode N."""
    out_fen: int = 0
    """Paid, lines of mode N."""
    fee_fen: int = 0
    """Of all lines, signed."""
    net_fen: int = 0
    """Sum of what is settled: in - out - fee."""

    def add(self, line: TxnLine | SumLine | PayLine) -> None:
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
            self.hash_total = (self.hash_total + hash_part(line.instruction_id)) % HASH_MODULUS
            self.amount_fen += line.amount_fen

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
