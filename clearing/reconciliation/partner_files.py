"""What came from a partner: sound files with their figures and rows, or a refusal. 来文"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Generic, Self, TypeAlias, TypeVar

from clearing.reconciliation.rows import HisRow, PartnerRow, StatementRow, worth

R = TypeVar("R", StatementRow, HisRow)


@dataclass(frozen=True, slots=True)
class Totals:
    """Count of rows, and the sums of successful ones, fen: told by a `#TOTAL` line, or counted."""

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
class SoundFile:
    """One file that was taken, by its figures. 来文"""

    file: str
    sha256: str
    sm3: str
    counted: Totals
    """What its rows add up to."""
    totals: Totals | None = None
    """What its `#TOTAL` line says."""
    balance: Balance | None = None
    bad: tuple[str, ...] = ()
    """Lines that were left out, each with its faults, of a file that may be partly taken."""

    @classmethod
    def of(
        cls,
        file: str,
        data: bytes,
        counted: Totals,
        *,
        totals: Totals | None = None,
        balance: Balance | None = None,
        bad: tuple[str, ...] = (),
    ) -> Self:
        """A file of these bytes, which have both digests taken."""
        digests = {"sha256": hashlib.sha256(data).hexdigest(), "sm3": hashlib.new("sm3", data).hexdigest()}
        return cls(file=file, **digests, counted=counted, totals=totals, balance=balance, bad=bad)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed(Generic[R]):
    """The files of one partner for one day, and their rows. 已解析来文"""

    partner: str
    rows: tuple[R, ...]
    """In order of file and line; without those that were matched beforehand (`Clean`)."""
    files: tuple[SoundFile, ...]


ParsedStatement: TypeAlias = Parsed[StatementRow]
ParsedExport: TypeAlias = Parsed[HisRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A file of which nothing is imported, with every error found. 拒收文件"""

    partner: str
    file: str
    sha256: str
    code: str
    """FIL-001 not there, FIL-002 not sound, FIL-003 a name used again, bytes of another day, or behind a gap."""
    errors: tuple[str, ...]
    of_bank: bool = True
    """False for a hospital's or pharmacy's export, or a list."""
    kind: str = ""
    """NRC or DEP for a list."""


def missing_file(day: date, partner: str, of_bank: bool) -> Refused:  # noqa: FBT001 - a pair of the caller's
    """A file that was due and is not there: FIL-001. 文件未到"""
    what = "statement" if of_bank else "export"
    text = f"{partner}: expected its {what} of {day}, got none by its deadline [FIL-001]"
    return Refused(partner=partner, file="", sha256="", code="FIL-001", errors=(text,), of_bank=of_bank)


def counted(rows: Sequence[PartnerRow]) -> Totals:
    """What rows add up to, as a `#TOTAL` line would say it."""
    sums = [worth(row) for row in rows]
    return Totals(len(rows), sum(fen for fen in sums if fen > 0), -sum(fen for fen in sums if fen < 0))


def together(parts: Iterable[Parsed[R]]) -> Parsed[R]:
    """Several files of one partner as one side of a day. 多文件合并

    In:      one at least, all of one partner.
    """
    first, *more = parts
    return Parsed(
        partner=first.partner,
        rows=tuple(row for one in (first, *more) for row in one.rows),
        files=tuple(file for one in (first, *more) for file in one.files),
    )
