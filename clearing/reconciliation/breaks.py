"""Breaks: what they carry from day to day. 差错

A break's id comes from the day and the keys of its leading row, so that the same inputs give the same ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from clearing.ledger.entry import entry_id
from clearing.reconciliation.codes import OPEN, STANDING, UNPROVEN
from clearing.reconciliation.rows import AnyRow, HisRow, LedgerRow, StatementRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """One item that does not match, as it stands after one run. 差错单"""

    id: str
    """The day it was first found (8 digits), then 24 hex digits of SM3."""
    opened: date
    code: str
    """The leading code."""
    codes: tuple[str, ...]
    """All differences, the leading one first."""
    vector: str
    """Presence of ledger, bank and HIS: `L1B0H1`; `-` where a side does not apply."""
    amount_fen: int
    """Unsigned: the ledger's, else the bank's, else the HIS's."""
    difference_fen: int
    """The bank's difference, else the HIS's."""
    differences: tuple[tuple[str, int], ...]
    """(partner, ledger minus partner) of this day, fen, by partner; () where money is no question."""
    bank_ref: str = ""
    order_no: str = ""
    entry_id: str = ""
    bank: str = ""
    """The bank, network or channel concerned."""
    institution: str = ""
    state: str = OPEN
    new: bool = True
    """False where an earlier day has found it."""
    joined: tuple[str, ...] = ()
    """Ids of younger breaks that this one has taken up; they end with this run."""
    detail: str = ""
    """What a wrong total or a refused file says."""
    ledger_rows: tuple[LedgerRow, ...] = ()
    bank_rows: tuple[StatementRow, ...] = ()
    his_rows: tuple[HisRow, ...] = ()

    def rows(self) -> tuple[AnyRow, ...]:
        """Its rows of all sides."""
        return (*self.ledger_rows, *self.bank_rows, *self.his_rows)

    @property
    def proven(self) -> bool:
        """Whether it is part of the proof: a wrong total, a refused file, books out of balance are not."""
        return not self.code.startswith(UNPROVEN)

    @property
    def standing(self) -> bool:
        """Whether it says what stands at the day's end: its differences prove a balance, not what moved."""
        return self.code.startswith(STANDING)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenItem:
    """A break that is open after a day, with its rows of all days, for the days that follow. 未达账项"""

    found: Break
    """As last listed; its rows are those of all days."""
    sums: tuple[tuple[str, int], ...]
    """(partner, differences of all days so far), fen."""
    ended: bool = False
    """People had ended it before an earlier run: it is open no more, only watched for rows that come late."""

    @property
    def id(self) -> str:
        """The break's id."""
        return self.found.id


def break_id(day: date, name: str) -> str:
    """The id of a break: its day, then SM3 over the name of its leading row."""
    return entry_id(day, f"break/{day}/{name}")
