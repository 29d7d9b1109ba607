"""How fast files are made and read here: one large file, and the close of a large day. 文件测速

one file      TXN lines rendered with all digests, then checked against its manifest, piece by piece
close         the `file` step of a day of payments between 10 banks and 200 hospitals, one profile a member:
              entries read, lines rendered, digests taken, parts stored, all in its one transaction
COPY TO       the same entries sent by the server and thrown away: what reading them costs at the least

Each three times: the median, the lowest and the highest. What makes up the lines of the one file is not timed; what
makes them into bytes is, with the digests.
"""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from clearing.files.layout import load_layout
from clearing.jobs import close
from clearing.jobs.bench.large_day import DAY, fill, members_file
from clearing.jobs.bench.machine import cpu_now, high_water_mb, machine, median
from clearing.jobs.bench.one_file import Timed, one_file
from clearing.jobs.collector import many_objects
from clearing.jobs.setup import document_of, init
from clearing.ledger.members import Members
from clearing.ledger.members_file import load_members
from clearing.store import embedded, entries
from clearing.store.database import Database, open_database
from clearing.store.files import StoredFile
from clearing.store.session import transaction

if TYPE_CHECKING:
    from clearing.settings import Settings

RUNS: Final = 3


async def _close(
    database: Database, settings: Settings, members: Members, cluster: Path
) -> tuple[list[Timed], list[Timed], dict[str, Any]]:
    """The file step of the day and COPY TO of its entries, by turns; every file step but the last is undone."""
    await close.cut(database.engine, settings, members, DAY)
    await close.net(database.engine, members, DAY)
    copied, closed, more = [], [], {}
    _forget_high_water()
    for run in range(RUNS):
        async with transaction(database.engine) as conn:
            began, before = time.perf_counter(), cpu_now(cluster)
            more["copy_bytes"] = await entries.sent_out(conn, DAY)
            copied.append(Timed(time.perf_counter() - began, cpu_now(cluster).since(before)))
        began, before = time.perf_counter(), cpu_now(cluster)
        if run < RUNS - 1:
            await close.preview(database.engine, settings, members, DAY, _nothing)
        else:
            filed = await close.file(database.engine, settings, members, DAY)
            more |= {"files": filed.files, "lines": filed.lines}
        closed.append(Timed(time.perf_counter() - began, cpu_now(cluster).since(before)))
    return closed, copied, {**more, "memory_mb": high_water_mb() or None}


async def _nothing(_file: StoredFile, _parts: AsyncIterator[bytes]) -> None:
    """What is done with a file of a step that is undone."""


def _forget_high_water() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


async def bench_files(
    settings: Settings,
    count: int = 1_000_000,
    *,
    profile: str = "P",
    directory: Path | None = None,
    told: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Measure one file of `count` lines, and the close of a day of `count` entries. 文件测速

    In:      `settings` for rules, not for the database: that is an embedded one of its own below `directory`
             (default: the working directory), removed at the end.
    Out:     {"machine", "measurements": [a row each]}; a line's rate is lines a second.
    Writes:  nothing that stays.
    Again:   the same lines, other figures.
    """
    layout = load_layout(profile)
    members_bytes = members_file(profile)
    members = load_members(document_of(members_bytes))
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=directory or Path.cwd()) as folder:
        place = Path(folder)
        async with _books(place / "database", members_bytes) as (database, cluster):
            ran_on = machine(f"PostgreSQL {database.server_version[0]}.{database.server_version[1]}", None)
            told(f"books with {count} entries")
            await fill(database, count)
            told("the close's file step")
            closed, copied, more = await _close(database, settings, members, cluster)
        told(f"one TXN file of {count} lines")  # after the day, whose memory is looked at
        with many_objects():
            one = [one_file(layout, count, place, members) for _ in range(RUNS)]
    return {
        "machine": ran_on,
        "conditions": {"profile": profile, "fsync": "on", "runs": RUNS},
        "measurements": _rows(one, closed, copied, more, count),
    }


@contextlib.asynccontextmanager
async def _books(directory: Path, members_bytes: bytes) -> AsyncIterator[tuple[Database, Path]]:
    server = embedded.acquire(directory)
    try:
        async with open_database(server.dsn("postgres")) as database:
            await init(database.engine, members_bytes, DAY)
            yield database, server.cluster
    finally:
        embedded.release(directory)


def _rows(
    one: list[dict[str, Any]], closed: list[Timed], copied: list[Timed], more: dict[str, Any], count: int
) -> list[dict[str, Any]]:
    def row(what: str, lines_: int, runs: Sequence[Timed], **of: Any) -> dict[str, Any]:  # noqa: ANN401
        cpu, times = median([run.cpu for run in runs]), [run.seconds for run in runs]
        used = [None if side is None else round(side / lines_ * 1e6, 2) for side in cpu]
        seconds = statistics.median(times)
        return {
            "what": what,
            "lines": lines_,
            "seconds": round(seconds, 2),
            "lines_per_second": round(lines_ / seconds),
            "lines_per_second_range": [round(lines_ / max(times)), round(lines_ / min(times))],
            "python_us": used[0],
            "database_us": used[1],
            **of,
        }

    size, lines_ = one[0]["bytes"], more["lines"]
    ratios = [made.seconds / sent.seconds for made, sent in zip(closed, copied, strict=True)]
    return [
        row("one file rendered", count, [run["render"] for run in one], bytes=size),
        row("one file checked", count, [run["parse"] for run in one], bytes=size),
        row(
            "close, file step", lines_, closed,
            files=more["files"], memory_mb=more["memory_mb"], times_copy=round(statistics.median(ratios), 1),
        ),
        row("COPY TO", count, copied, bytes=more["copy_bytes"]),
    ]  # fmt: skip


def table(result: dict[str, Any]) -> Table:
    """The measurements as people read them. 测速表"""
    on = result["machine"]
    shown = Table(
        title="Files made and read 文件测速",
        caption=f"{on['cores']} cores, {on['python']}, {on['database']}; load before {on['load_before']}; "
        f"median of {RUNS} runs",
        title_justify="left",
        caption_justify="left",
    )
    shown.add_column("what")
    names: Sequence[str] = (
        "lines",
        "seconds",
        "lines/s",
        "range",
        "Python µs",
        "database µs",
        "× COPY",
        "MB",
    )
    for name in names:
        shown.add_column(name, justify="right")
    for row in result["measurements"]:
        cells = (row["python_us"], row["database_us"], row.get("times_copy"), row.get("memory_mb"))
        shown.add_row(
            row["what"],
            f"{row['lines']:,}",
            f"{row['seconds']:,.2f}",
            f"{row['lines_per_second']:,}",
            "–".join(f"{one // 1000}" for one in row["lines_per_second_range"]) + " k",
            *("" if cell is None else f"{cell:,.1f}" for cell in cells),
        )
    return shown
