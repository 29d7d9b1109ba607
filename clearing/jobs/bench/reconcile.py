"""How fast a day is matched, beside what no one can beat: duckdb's bare full outer join of the same files. 对账测速

    count  read the three files, join them on bank reference and order number, count and sum
    bare   the same join with its rows written down, as a table of all cells: nothing is named
    ours   the same files from their bytes to every break, the proof and the match rates: `jobs.reconcile_sides`

Both in one run on one machine, in turns, each in a process of its own so that its memory is its own. The day is
synthetic: payments, 3 % part refunds, 0.5 % voids, and 0.5 % of rows that differ in one of six ways; a run counts
only when it finds exactly those.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any, Final
from zoneinfo import ZoneInfo

import duckdb
from rich.table import Table

from clearing.errors import InvariantViolated
from clearing.jobs.bench.machine import high_water_mb, machine
from clearing.jobs.reconcile_sides import EXPORT, STATEMENT, Given, TakenFiles, rest_of, take_file
from clearing.ledger.business_day import BusinessClock
from clearing.reconciliation.ledger_side import ledger_rows
from clearing.reconciliation.reconciled import reconcile
from clearing.store.sides import bench_day, rest
from clearing.store.sides.tables import MEMORY, SideTables

DAY: Final = date(2026, 3, 10)
CLOCK: Final = BusinessClock(ZoneInfo("Asia/Shanghai"), bench_day.CUTOVER)
OURS: Final = "match, name and prove"
BARE: Final = "bare full outer join"
COUNT: Final = "the same, only counted"
TIMES_MAX: Final = 6
"""How many times the bare join's time the whole may take."""

Told = Callable[[str], None]


def bench_reconcile(
    rows: int = 1_000_000, *, repeats: int = 3, directory: Path | None = None, told: Told = lambda _: None
) -> dict[str, Any]:
    """Measure matching beside the bare join. 对账测速

    In:      `rows` a side; files are made in `directory` (default: the working directory) and removed.
    Out:     {"machine", "rows", "measurements": [a row each], "times_the_join", "found": {code: n}}.
    Writes:  nothing that stays.
    Again:   the same rows, other figures.
    Raises:  InvariantViolated when a run does not find exactly the planted differences.
    """
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=directory or Path.cwd()) as name:
        folder = Path(name)
        told(f"writing 3 × {rows:,} rows")
        planted = bench_day.write(folder, DAY, rows)
        ran_on = machine(f"duckdb {duckdb.__version__}", None)
        measured: dict[str, list[dict[str, Any]]] = {COUNT: [], BARE: [], OURS: []}
        for number in range(repeats):
            for what, each in measured.items():
                told(f"round {number + 1} of {repeats}: {what}")
                each.append(_in_a_process(what, folder))
    found = measured[OURS][0]["found"]
    if found != planted:
        raise InvariantViolated(f"bench reconcile: expected breaks {planted}, got {found}")
    lines = [_line(what, rows, each) for what, each in measured.items()]
    return {
        "machine": ran_on,
        "rows": rows,
        "measurements": lines,
        "times_the_join": round(lines[2]["seconds"] / lines[1]["seconds"], 2),
        "times_the_count": round(lines[2]["seconds"] / lines[0]["seconds"], 2),
        "found": found,
    }


def _line(what: str, rows: int, each: list[dict[str, Any]]) -> dict[str, Any]:
    seconds = [one["seconds"] for one in each]
    return {
        "what": what,
        "seconds": round(median(seconds), 2),
        "lowest": round(min(seconds), 2),
        "highest": round(max(seconds), 2),
        "rows_per_second": round(3 * rows / median(seconds)),
        "memory_mb_max": max(one["memory_mb"] for one in each),
    }


def _in_a_process(what: str, folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "clearing.jobs.bench.reconcile", what, str(folder)],
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _count(folder: Path) -> dict[str, int]:
    with duckdb.connect() as con:
        (counts,) = con.execute(bench_day.counted_join(folder)).fetchall()
    return {"rows": counts[0]}


def _bare(folder: Path) -> dict[str, int]:
    path = folder / "joined.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute(f"SET memory_limit = '{MEMORY}'")
        con.execute(bench_day.bare_join(folder))
        (counts,) = con.execute("SELECT count(*) FROM joined").fetchall()
    path.unlink()
    return {"rows": counts[0]}


def _ours(folder: Path) -> dict[str, int]:
    with tempfile.TemporaryDirectory(prefix="run-", dir=folder) as name:
        tables = SideTables(Path(name), cutover=CLOCK.cutover)
        tables.entries = folder / bench_day.ENTRIES
        taken = TakenFiles()
        for kind, partner, file in (
            (STATEMENT, bench_day.BANK, bench_day.STATEMENT),
            (EXPORT, bench_day.HOSPITAL, bench_day.EXPORT),
        ):
            take_file(
                tables, taken, Given(kind, partner, file, folder / file, "", ""), DAY, CLOCK, frozenset()
            )
        left = rest_of(tables, taken, ())
        named = [one.original_id for one in left.entries if one.original_id]
        ours = ledger_rows(DAY, left.entries, originals=rest.entries_named(tables, named).values())
        found = reconcile(DAY, ours, left.statements, left.exports, clean=left.clean)
        tables.close()
    codes = Counter(one.code for one in found.breaks)
    return dict(sorted(codes.items())) | {"matched": found.matched}


def table(result: dict[str, Any]) -> Table:
    """The measurements as people read them. 测速表"""
    on = result["machine"]
    shown = Table(
        title=f"A day of 3 × {result['rows']:,} rows matched 对账测速",
        caption=f"{on['cores']} cores, {on['python']}, {on['database']}; {result['times_the_join']} × the bare join "
        f"(at most {TIMES_MAX})",
        title_justify="left",
        caption_justify="left",
    )
    shown.add_column("what")
    for name in ("seconds", "range", "rows/s", "memory MB"):
        shown.add_column(name, justify="right")
    for row in result["measurements"]:
        shown.add_row(
            row["what"],
            f"{row['seconds']:.2f}",
            f"{row['lowest']:.2f} to {row['highest']:.2f}",
            f"{row['rows_per_second']:,}",
            f"{row['memory_mb_max']:,}",
        )
    return shown


def main() -> None:
    """One measurement, in the process that is started for it."""
    what, folder = sys.argv[1], Path(sys.argv[2])
    began = time.perf_counter()
    found = {OURS: _ours, BARE: _bare, COUNT: _count}[what](folder)
    seconds = time.perf_counter() - began
    memory_mb = round(high_water_mb())
    sys.stdout.write(json.dumps({"seconds": seconds, "memory_mb": memory_mb, "found": found}))


if __name__ == "__main__":
    main()
