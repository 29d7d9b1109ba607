"""The measurement of matching, on a small day: it finds what was planted, and says how long everything took."""

from __future__ import annotations

from pathlib import Path

from clearing.jobs.bench.reconcile import BARE, COUNT, OURS, bench_reconcile, table
from clearing.store.sides.bench_day import KINDS


def test_a_measured_day_has_exactly_the_planted_breaks(tmp_path: Path) -> None:
    """Ten of ten, each under its code, beside both joins; nothing is left in the folder."""
    found = bench_reconcile(2_000, repeats=1, directory=tmp_path)
    assert [row["what"] for row in found["measurements"]] == [COUNT, BARE, OURS]
    assert sum(found["found"][code] for code in KINDS) == 10
    assert found["times_the_join"] > 0
    assert table(found).row_count == 3
    assert list(tmp_path.iterdir()) == []
