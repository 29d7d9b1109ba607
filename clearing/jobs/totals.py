"""What a run came to, record by record. 合计"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from clearing.ledger.outcomes import PARKED, REJECTED
from messages import Malformed

if TYPE_CHECKING:
    from clearing.jobs.ingest import Taken


@dataclass(slots=True)
class Totals:
    """What a run came to: each record once, by the outcome it has at the end of the run."""

    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    woken: int = 0
    """Events parked in earlier runs and decided in this one."""
    parked_max: int | None = None
    """How many parked events are remembered, to be counted once when they are woken: all of a file's, not all of a
    worker's, which runs for years and may not be who wakes them."""
    _parked_here: dict[tuple[str, str], None] = field(default_factory=dict)
    """What this run has parked, the oldest first."""

    def add(self, taken: Taken) -> None:
        """Count one batch."""
        for one in taken.outcomes:
            if isinstance(one, Malformed):
                self.counts["malformed"] += 1
                continue
            self.counts[str(one.outcome)] += 1
            if one.outcome is REJECTED:
                self.reasons[one.reason] += 1
            elif one.outcome is PARKED:
                self._parked_here[one.event.source, one.event.id] = None
                if self.parked_max is not None and len(self._parked_here) > self.parked_max:
                    del self._parked_here[next(iter(self._parked_here))]
        for one in taken.woken:
            key = (one.event.source, one.event.id)
            if key in self._parked_here:
                del self._parked_here[key]
                self.counts["parked"] -= 1
                self.counts[str(one.outcome)] += 1
                if one.outcome is REJECTED:
                    self.reasons[one.reason] += 1
            else:
                self.woken += 1

    def as_json(self, seconds: float) -> dict[str, Any]:
        """The shape that `clearing ingest --json` prints."""
        names = ("posted", "noted", "duplicate", "rejected", "parked", "malformed")
        counts = {name: self.counts[name] for name in names}
        return {
            "taken": sum(counts.values()),
            **counts,
            "woken": self.woken,
            "seconds": round(seconds, 3),
            "reasons": dict(sorted(self.reasons.items())),
        }
