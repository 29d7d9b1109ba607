"""One clearing date against its partners: the way in, and all that comes out. 日对账"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from clearing.reconciliation.breaks import Break, OpenItem
from clearing.reconciliation.proof import ProofLine, RollForward
from clearing.reconciliation.rows import HisRow, LedgerRow, PartnerRow, StatementRow
from clearing.reconciliation.statements import ParsedExport, ParsedStatement, Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """An item without any difference. 勾对"""

    ledger_rows: tuple[LedgerRow, ...]
    bank_rows: tuple[StatementRow, ...]
    his_rows: tuple[HisRow, ...]
    moved: bool
    """Whether money moved: only these count as matched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What one run over one clearing date found. 对账结果"""

    day: date
    matches: tuple[Match, ...]
    breaks: tuple[Break, ...]
    """New ones and those of earlier days that this day touched, by id."""
    proof: Mapping[str, ProofLine]
    """By partner: every bank, network, channel and institution whose file was given."""
    roll: RollForward
    open_after: tuple[OpenItem, ...]
    """Replaces the day's open list; give it to the next day as `open_before`."""
    waiting: tuple[PartnerRow, ...]
    """Rows of later dates; give them to the days that follow as `waiting_before`."""
    taken: frozenset[str]
    """`fingerprint_text` of every row of the day's files; part of later days' `taken_before`."""

    @property
    def matched(self) -> int:
        """Items without a code in which money moved."""
        return sum(match.moved for match in self.matches)


def reconcile(
    day: date,
    ledger_rows: Iterable[LedgerRow],
    statements: Mapping[str, ParsedStatement],
    exports: Mapping[str, ParsedExport],
    *,
    open_before: Sequence[OpenItem] = (),
    waiting_before: Iterable[PartnerRow] = (),
    taken_before: Collection[str] = frozenset(),
    card_of: Mapping[str, str] | None = None,
    refused: Iterable[Refused] = (),
) -> Reconciled:
    """Match one clearing date with its partners' files, name every difference and prove the sums. 对账

    In:      `ledger_rows` as the function of that name gives them; parsed files by bank, network or channel and
             by institution; `open_before`: all breaks open after the day before (those found up to 3 days ago
             are matched, older ones stay); `waiting_before`: rows of earlier files that belong to `day` or later;
             `taken_before`: `fingerprint_text` of rows of earlier days' files; `card_of`: alias to card token;
             `refused`: files that were not sound, to be listed.
    Out:     see `Reconciled`; the same inputs in any order give the same result.
    Raises:  NotBalanced when the proof has a residual.
    Source:  contract "Reconciliation".
    """
    raise NotImplementedError


def as_json(reconciled: Reconciled, run: str) -> dict[str, Any]:
    """The object that the `reconcile` command prints: yuan as text, differences ledger minus other side."""
    raise NotImplementedError
