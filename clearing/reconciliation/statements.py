"""Partners' files: bytes to rows, or every error at once. 对账单解析

A file is taken whole or not at all. Columns are found by the names in the header row, in any order. Messages
say file, line, field, what was expected and what stands there; a card number is never repeated in one.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final, Generic, TypeAlias, TypeVar

from clearing.ledger.business_day import BusinessClock
from clearing.ledger.money import yuan
from clearing.reconciliation.rows import SIGN, HisRow, LedgerRow, StatementRow
from messages.sensitive import is_card_number

ERRORS_MAX: Final = 1000

STATEMENT_COLUMNS: Final = (
    "bank_ref", "platform_ref", "bank_date", "bank_time", "type", "direction", "amount", "status", "card",
    "original_bank_ref",
)  # fmt: skip
STATEMENT_MORE: Final = ("institution", "fee", "group")
EXPORT_COLUMNS: Final = (
    "order_no", "platform_ref", "trade_type", "direction", "amount", "status", "his_date", "his_time", "bank_ref",
    "original_order_no",
)  # fmt: skip
EXPORT_MORE: Final = ("bank", "card", "group")
TYPES: Final = ("PAY", "VOID", "REVERSAL", "REFUND", "TOPUP", "PREMIUM", "PAYOUT", "RETURN", "FEE", "OTHER")
TRADE_TYPES: Final = ("OPD", "ARREARS", "DEP", "DISCHARGE", "REFUND")
STATUSES: Final = ("SUCC", "FAIL", "REVD")

_AMOUNT: Final = re.compile(r"\d{1,13}\.\d{2}")
_SIGNED: Final = re.compile(r"-?\d{1,13}\.\d{2}")
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME: Final = re.compile(r"\d{2}:\d{2}:\d{2}")
_BOM: Final = b"\xef\xbb\xbf"

R = TypeVar("R", StatementRow, HisRow)


@dataclass(frozen=True, slots=True)
class Totals:
    """The `#TOTAL` line: count of rows, and the sums of successful ones, fen."""

    rows: int
    in_fen: int
    """D in a statement, R in an export."""
    out_fen: int


@dataclass(frozen=True, slots=True)
class Balance:
    """The `#BALANCE` line, signed fen."""

    opening_fen: int
    closing_fen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed(Generic[R]):
    """A sound file. 已解析文件"""

    partner: str
    file: str
    sha256: str
    sm3: str
    rows: tuple[R, ...]
    totals: Totals | None = None
    balance: Balance | None = None


ParsedStatement: TypeAlias = Parsed[StatementRow]
ParsedExport: TypeAlias = Parsed[HisRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A file of which nothing is imported, with every error found. 拒收文件"""

    partner: str
    file: str
    sha256: str
    code: str
    """FIL-002 not sound, FIL-003 sent again under the same name with other bytes."""
    errors: tuple[str, ...]


def parse_statement(
    data: bytes, *, partner: str, file: str, day: date, clock: BusinessClock, known: Collection[str] = ()
) -> ParsedStatement | Refused:
    """Rows of a bank's, network's or channel's canonical statement, or every error in it. 银行对账单

    In:      the file's bytes, UTF-8 with or without BOM; `known`: keys that may bring a row of another date here
             (`known_keys`); a file without a row of `day` or a known key is of a wrong day.
    Out:     Parsed, rows in file order with line numbers; Refused with up to 1 000 messages.
    Source:  contract "Clearing files", coming in.
    """
    raise NotImplementedError


def parse_export(
    data: bytes, *, partner: str, file: str, day: date, clock: BusinessClock, known: Collection[str] = ()
) -> ParsedExport | Refused:
    """Rows of a hospital's or pharmacy's canonical export, or every error in it; see `parse_statement`. HIS导出"""
    raise NotImplementedError
