"""What a measurement ran on, and whose processor time it took. 测速环境"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

PROC: Final = Path("/proc")
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Cpu(NamedTuple):
    """Seconds of processor time; None where this machine does not tell."""

    python: float | None
    """Of the process that takes the events."""
    database: float | None
    """Of all processes of the database's server."""

    def since(self, before: Cpu) -> Cpu:
        """What was used between two looks."""
        return Cpu(_less(self.python, before.python), _less(self.database, before.database))


def _less(now: float | None, before: float | None) -> float | None:
    return None if now is None or before is None else now - before


def high_water_mb() -> float:
    """The most memory this process has held; 0 where the machine does not tell.

    What `getrusage` says is no less than what the process held that started this one.
    """
    try:
        status = (PROC / "self" / "status").read_text(encoding="ascii")
        told = dict(line.split(":", 1) for line in status.splitlines())
        return round(int(told["VmHWM"].split()[0]) / 1024, 1)
    except (OSError, KeyError, ValueError):
        return 0.0


def median(used: Sequence[Cpu]) -> Cpu:
    """The median of each."""
    return Cpu(
        *(statistics.median(known) if (known := _known(part)) else None for part in zip(*used, strict=True))
    )


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def cpu_now(cluster: Path) -> Cpu:
    """Processor time used so far by this process and by the server whose data directory is `cluster`."""
    return Cpu(time.process_time(), server_cpu(cluster))


def server_cpu(cluster: Path) -> float | None:
    """Seconds that a PostgreSQL server and its children have used, ended ones included; Linux only."""
    try:
        postmaster = int((cluster / "postmaster.pid").read_text().split("\n", 1)[0])
        ticks = sum(_stat(postmaster)[1:5])
        for process in PROC.iterdir():
            if process.name.isdigit():
                parent, user, system, *_ = _stat(int(process.name))
                ticks += user + system if parent == postmaster else 0
    except (OSError, ValueError):
        return None
    return ticks / _TICKS


def _stat(process: int) -> tuple[int, ...]:
    """(parent, own user and system ticks, those of its ended children); zeros for one that has just ended."""
    try:
        told = (PROC / str(process) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return (0, 0, 0, 0, 0)
    cells = told.rpartition(")")[2].split()
    return tuple(int(cells[number]) for number in (1, 11, 12, 13, 14))


def machine(database: str, broker: str | None) -> dict[str, Any]:
    """The machine as the result names it."""
    usable = getattr(os, "sched_getaffinity", None)
    return {
        "cores": len(usable(0)) if usable else os.cpu_count(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "database": database,
        "kafka": broker,
        "load_before": round(os.getloadavg()[0], 2),
    }
