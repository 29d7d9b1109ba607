"""How fast events become durable here: file, Kafka, a loop of single transactions, a raw COPY. 测速

    file → durable     a generated day through `ingest_lines`, the whole engine, fsync on
    Kafka → durable    the same records produced beforehand, taken by two worker processes, notices published
    loop               the same door with a batch of one: eight connections, a transaction an event
    raw COPY           the rows of the file's run once more, into tables made like ours: the server's limit

All in one run on one machine, each measurement on books of its own that begin empty, taken in turns so that a
noisy neighbour meets all of them. Absolute figures are the machine's; ratios can be compared.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from clearing.jobs.bench.ways import COPY, DAY, LOOP, Told, a_bench
from clearing.jobs.generate import CITY, Plan, generate_day
from clearing.jobs.setup import with_settings
from clearing.ledger.members_file import load_members

if TYPE_CHECKING:
    from clearing.settings import Settings

LOOP_SHARE: Final = 5
"""The loop takes a day of a fifth of the events: it is that much slower."""
EVENTS_MIN: Final = 200
"""A day of the synthetic city has at least these."""


async def bench_ingest(
    settings: Settings,
    events: int = 50_000,
    *,
    seed: int = 7,
    repeats: int = 3,
    kafka: bool = True,
    directory: Path | None = None,
    told: Told = lambda _: None,
) -> dict[str, Any]:
    """Measure every way in, beside the two that frame them. 入账测速

    In:      `settings` for batches, brokers and rules, not for the database: that is an embedded one of its
             own below `directory` (default: the working directory), removed at the end. `events` of one
             generated day, 200 or more. `told` hears what begins.
    Out:     {"machine", "conditions", "measurements": [a row each way in], "stages": [a row each stage of the
             file's way], "outcomes"}.
    Writes:  nothing that stays; topics of a prefix of its own on a broker that the settings name.
    Again:   the same events, other figures.
    Raises:  NoBroker when `kafka` and none is to be had; InvariantViolated when a run lost an event or leaves
             books that are not sound; WorldFailed.
    """
    members = with_settings(load_members(tomllib.loads(CITY.read_text(encoding="utf-8"))), settings)
    sent = list(generate_day(Plan(), members, DAY, events, seed).events())
    fewer = max(EVENTS_MIN, events // LOOP_SHARE)
    few = list(generate_day(Plan(), members, DAY, fewer, seed).events())
    async with a_bench(settings, members, directory, told, kafka=kafka) as bench:
        for number in range(repeats):
            told(f"round {number + 1} of {repeats}: file")
            await bench.file(sent)
            if kafka:
                told(f"round {number + 1} of {repeats}: Kafka")
                await bench.kafka(sent, f"{bench.prefix}-{number}")
            told(f"round {number + 1} of {repeats}: a transaction an event")
            await bench.loop(few)
    loop, copy = bench.ways[LOOP].median, bench.ways[COPY].median
    return {
        "machine": bench.ran_on,
        "conditions": {
            "day": f"{DAY}",
            "seed": seed,
            "cards_required": settings.cards_required,
            "batch_events_max": settings.batch_events_max,
            "partitions": settings.kafka_partitions if kafka else None,
            "fsync": "on",
        },
        "measurements": [
            one.figures()
            | {"times_the_loop": round(one.median / loop, 2), "of_raw_copy": round(one.median / copy, 3)}
            for one in bench.ways.values()
        ],
        "stages": bench.stages.rows(),
        "outcomes": bench.outcomes,
    }


# ---------------------------------------------------------------- on a terminal


def table(result: dict[str, Any]) -> Table:
    """The measurements as people read them. 测速表"""
    on = result["machine"]
    shown = Table(
        title="Events until they are durable 入账测速",
        caption=f"{on['cores']} cores, {on['python']}, {on['database']}, {on['kafka'] or 'no Kafka'}; "
        f"load before {on['load_before']}",
        title_justify="left",
        caption_justify="left",
    )
    shown.add_column("way in")
    for name in ("events/s", "range", "× loop", "of COPY", "Python µs", "database µs"):
        shown.add_column(name, justify="right")
    for row in result["measurements"]:
        shown.add_row(
            row["what"],
            f"{row['events_per_second']:,}",
            f"{row['lowest']:,} to {row['highest']:,}",
            f"{row['times_the_loop']:.1f}",
            f"{row['of_raw_copy']:.2f}",
            _cell(row["python_us"]),
            _cell(row["database_us"]),
        )
    return shown


def stage_table(result: dict[str, Any]) -> Table:
    """Where the file's way spends its time, µs an event. 分段耗时"""
    shown = Table(title="File → durable by stage, µs an event", title_justify="left")
    shown.add_column("stage")
    for name in ("all", "Python", "waiting"):
        shown.add_column(name, justify="right")
    for row in result["stages"]:
        shown.add_row(row["stage"], *(_cell(row[name]) for name in ("us", "python_us", "waiting_us")))
    return shown


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:,.1f}"
