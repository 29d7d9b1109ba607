"""The proof: what the two sides differ by is what the items explain, to the fen. 平账证明"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from clearing.errors import NotBalanced
from clearing.ledger.money import yuan


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofLine:
    """One partner's line of one day, signed fen. 证明行"""

    partner: str
    ledger_fen: int
    other_fen: int
    explained_fen: int
    """Sum of the items' differences with the partner."""
    open_before_fen: int = 0
    """Differences of open items with the partner, over all their days, before this run."""
    ended_fen: int = 0
    """Those of items that people have ended since the day before, less those of ended ones that came back."""
    open_after_fen: int = 0

    @property
    def residual_fen(self) -> int:
        """What no item explains: 0, or the run fails."""
        return self.ledger_fen - self.other_fen - self.explained_fen


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceLine:
    """One balance at the day's end beside what it stands for, signed fen. 余额核对行"""

    family: str
    """DEP: deposits of a hospital's stays. FND: payouts of a payer that have not arrived."""
    partner: str
    ledger_fen: int
    """What the accounts say."""
    other_fen: int
    """What the partner's list, or the events themselves, say."""
    explained_fen: int
    """Sum of the differences of what was found."""

    @property
    def residual_fen(self) -> int:
        """What no finding explains: 0, or the run fails."""
        return self.ledger_fen - self.other_fen - self.explained_fen


@dataclass(frozen=True, slots=True)
class RollForward:
    """How many breaks were open, came, went and are open. 差错滚动"""

    before: int
    new: int
    """Found for the first time, and those that people had ended and that came back."""
    cleared: int
    """Cleared by themselves, joined with an older one, ended by people since the day before."""
    after: int


def prove(
    day: date,
    lines: Mapping[str, ProofLine],
    roll: RollForward,
    balances: Mapping[str, BalanceLine] = MappingProxyType({}),
) -> None:
    """Let a day pass only when every line comes out exactly.

    Raises:  NotBalanced naming each partner with its residual, or the counts that do not roll forward.
    Source:  contract "Reconciliation", pass 8.
    """
    faults = list(_faults(lines.values()))
    faults += [
        f"{name}: accounts hold {yuan(line.ledger_fen)}, what they stand for is {yuan(line.other_fen)}, breaks "
        f"explain {yuan(line.explained_fen)}, residual {yuan(line.residual_fen)} "
        f"({'accounts have' if line.residual_fen > 0 else 'the other side has'} more)"
        for name, line in balances.items()
        if line.residual_fen
    ]
    if roll.before + roll.new - roll.cleared != roll.after:
        faults.append(
            f"open breaks do not roll forward: {roll.before} + {roll.new} − {roll.cleared} gives "
            f"{roll.before + roll.new - roll.cleared}, {roll.after} are open"
        )
    if faults:
        raise NotBalanced(
            f"day {day}: reconciliation has no proof; nothing was stored. " + "; ".join(faults) + "."
        )


def _faults(lines: Iterable[ProofLine]) -> Iterable[str]:
    for line in lines:
        if line.residual_fen:
            yield (
                f"{line.partner}: ledger {yuan(line.ledger_fen)} − other {yuan(line.other_fen)} is "
                f"{yuan(line.ledger_fen - line.other_fen)}, items explain {yuan(line.explained_fen)}, "
                f"residual {yuan(line.residual_fen)} "
                f"({'ledger' if line.residual_fen > 0 else 'partner'} has more)"
            )
        rolled = line.open_before_fen + line.explained_fen - line.ended_fen
        if rolled != line.open_after_fen:
            yield (
                f"{line.partner}: open differences {yuan(line.open_before_fen)}, the day's "
                f"{yuan(line.explained_fen)} and {yuan(line.ended_fen)} ended by people give {yuan(rolled)}, "
                f"open items hold {yuan(line.open_after_fen)}"
            )
