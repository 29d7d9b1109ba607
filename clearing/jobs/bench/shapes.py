"""What the shape of the load does to the rate: one hot hospital, records sent again, a long history. 负载形态测速

    uniform        a generated day as it is, through Kafka with two workers
    hot            the same day, every institution replaced by one: all credits go to one account
    redelivered    three in ten records come a second time
    history        the same day into books that already hold some millions of entries of the days before it

All in one run, taken in turns, each on books of its own; a ratio to the uniform day is what can be compared.
"""

from __future__ import annotations

import contextlib
import random
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import from_json, to_json
from rich.table import Table

from clearing.jobs.bench import history as past
from clearing.jobs.bench.ways import DAY, Told, a_bench
from clearing.jobs.generate import CITY, Plan, Sent, generate_day
from clearing.jobs.setup import with_settings
from clearing.ledger.members import INSTITUTION
from clearing.ledger.members_file import load_members

if TYPE_CHECKING:
    from clearing.ledger.members import Members
    from clearing.settings import Settings

UNIFORM: Final = "uniform"
HOT: Final = "one hot hospital"
AGAIN: Final = "30 % redelivered"
LONG: Final = "long history"
AGAIN_SHARE: Final = 0.3
AGAIN_WITHIN: Final = 2_000
"""A record comes again at most so many records later."""


def one_institution(sent: Sequence[Sent], members: Members, hot: str) -> list[Sent]:
    """The same records with every hospital and pharmacy replaced by one; ids stay unique, they are the day's own."""
    codes = {one.code for one in members.records if one.kind in INSTITUTION}
    return [
        replaced._replace(source=hot if one.source in codes else one.source)
        for one in sent
        for replaced in (one._replace(value=to_json(_renamed(from_json(one.value), codes, hot))),)
    ]


def _renamed(said: Any, codes: set[str], hot: str) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(said, dict):
        return {name: _renamed(part, codes, hot) for name, part in said.items()}
    if isinstance(said, list):
        return [_renamed(part, codes, hot) for part in said]
    return hot if isinstance(said, str) and said in codes else said


def redelivered(sent: Sequence[Sent], seed: int) -> list[Sent]:
    """The records with three in ten sent again somewhat later, as after a producer's retry."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable choice, no secret
    placed = [(number, one) for number, one in enumerate(sent)]
    again = [
        (number + 1 + chance.randrange(AGAIN_WITHIN), one)
        for number, one in placed
        if chance.random() < AGAIN_SHARE
    ]
    return [one for _, one in sorted(placed + again, key=lambda pair: pair[0])]


async def bench_shapes(
    settings: Settings,
    events: int = 30_000,
    *,
    history: int = 1_000_000,
    seed: int = 7,
    repeats: int = 3,
    directory: Path | None = None,
    told: Told = lambda _: None,
) -> dict[str, Any]:
    """Measure the uniform day beside the other shapes. 负载形态测速

    In:      as `bench_ingest`; `history` is how many entries the long history holds, 0 leaves it out.
    Out:     {"machine", "conditions", "measurements": [a row each shape, "of_uniform" its ratio]}.
    Writes:  nothing that stays.
    Again:   the same events, other figures.
    Raises:  NoBroker, InvariantViolated, WorldFailed.
    """
    members = with_settings(load_members(tomllib.loads(CITY.read_text(encoding="utf-8"))), settings)
    day = list(generate_day(Plan(), members, DAY, events, seed).events())
    hot = next(one.code for one in members.records if one.kind == "hospital")
    shapes = {UNIFORM: day, HOT: one_institution(day, members, hot), AGAIN: redelivered(day, seed)}
    async with a_bench(settings, members, directory, told) as bench, contextlib.AsyncExitStack() as stack:
        old = await stack.enter_async_context(bench.books()) if history else None
        if old is not None:
            told(f"books with {history:,} entries of earlier days")
            await past.fill(old, settings, members, seed, history)
        for number in range(repeats):
            for position, (what, sent) in enumerate(shapes.items()):
                told(f"round {number + 1} of {repeats}: {what}")
                await bench.kafka(sent, f"{bench.prefix}-{number}-{position}", what)
            if old is not None:
                told(f"round {number + 1} of {repeats}: {LONG}")
                await bench.kafka(past.another(day, number), f"{bench.prefix}-{number}-h", LONG, old)
    uniform = bench.ways[UNIFORM].median
    return {
        "machine": bench.ran_on,
        "conditions": {"day": f"{DAY}", "seed": seed, "history": history, "fsync": "on"},
        "measurements": [
            one.figures() | {"of_uniform": round(one.median / uniform, 2)} for one in bench.ways.values()
        ],
    }


def table(result: dict[str, Any]) -> Table:
    """The shapes as people read them. 负载形态表"""
    on = result["machine"]
    out = Table(title="The shape of the load 负载形态", title_justify="left")
    for name in ("shape", "events/s", "range", "of uniform", "Python µs", "database µs", "worker MB"):
        out.add_column(name, justify="left" if name == "shape" else "right")
    for row in result["measurements"]:
        out.add_row(
            row["what"],
            f"{row['events_per_second']:,}",
            f"{row['lowest']:,} to {row['highest']:,}",
            f"{row['of_uniform']:.2f}",
            f"{row['python_us'] or 0:,.1f}",
            f"{row['database_us'] or 0:,.1f}",
            f"{row['worker_memory_mb']:,.0f}",
        )
    out.caption = f"{on['cores']} cores, {on['database']}, {on['kafka']}; load before {on['load_before']}"
    out.caption_justify = "left"
    return out
