"""What the shape of the load does to the rate: one hot hospital, records sent again, a long history. 负载形态测速

    uniform        a generated day as it is, through Kafka with two workers
    hot            the same day, every institution replaced by one: all credits go to one account
    redelivered    three in ten records come a second time
    history        the same day into books that already hold some millions of entries

All in one run, taken in turns, each on books of its own; a ratio to the uniform day is what can be compared.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import from_json, to_json
from rich.table import Table

from clearing.jobs.bench.ways import DAY, Told, a_bench
from clearing.jobs.generate import CITY, Plan, Sent, generate_day
from clearing.jobs.ingest_file import ingest_lines
from clearing.jobs.setup import with_settings
from clearing.ledger.members import INSTITUTION, load_members
from clearing.store.database import Database, connect

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
SEEDED: Final = 20_000
"""Events of the day that a history is copied from."""


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
    async with a_bench(settings, members, directory, told) as bench:
        lived = History(settings, members, seed, history)
        for number in range(repeats):
            for position, (what, sent) in enumerate(shapes.items()):
                told(f"round {number + 1} of {repeats}: {what}")
                await bench.kafka(sent, f"{bench.prefix}-{number}-{position}", what)
            if history:
                told(f"round {number + 1} of {repeats}: {LONG}, {history:,} entries")
                await bench.kafka(day, f"{bench.prefix}-{number}-h", LONG, lived.fill)
    uniform = bench.ways[UNIFORM].median
    return {
        "machine": bench.ran_on,
        "conditions": {"day": f"{DAY}", "seed": seed, "history": history, "fsync": "on"},
        "measurements": [
            one.figures() | {"of_uniform": round(one.median / uniform, 2)} for one in bench.ways.values()
        ],
    }


class History:
    """Earlier days in the books: one small day's rows, copied under other dates and ids until there are enough."""

    def __init__(self, settings: Settings, members: Members, seed: int, entries: int) -> None:
        self._settings = settings
        self._members = members
        self._seed = seed
        self._entries = entries

    async def fill(self, database: Database) -> None:
        """Fill books that are empty.

        Writes:  event, entry, order_no, bank_ref: a seed day through the engine, then its rows under other names;
                 stream, as if all of it had been told: nobody is measured telling the past.
        """
        few = min(SEEDED, self._entries // 2)
        seeded = list(generate_day(Plan(), self._members, DAY, few, self._seed + 1).events())
        lines = [_elsewhere(one) for one in seeded]
        await ingest_lines(database.engine, self._settings, self._members, lines)
        connection = await connect(database.dsn)
        try:
            made = await connection.fetchval("SELECT count(*) FROM entry")
            copies = max(0, self._entries // max(1, made) - 1)
            for statement in _COPIES:
                await connection.execute(statement, copies)
            await connection.execute(_ANNOUNCED)
            await connection.execute("CHECKPOINT")
            for table in ("event", "entry", "order_no", "bank_ref"):
                await connection.execute(f"ANALYZE {table}")
        finally:
            await connection.close()


def _elsewhere(one: Sent) -> bytes:
    """The record of a day with other numbers: what it uses up does not meet the measured day's."""
    return one.value.replace(b"260310", b"250310")


# The copies keep their day, with which an entry's id begins: what counts is how much there is to look things up
# in. Their ids and references are new, so the indexes are as large and as scattered as those of so many days.
_COPIES: Final = (
    """INSERT INTO event SELECT source, id || '-' || k, type, sm3, outcome, reason, detail,
           (left(entry_id::text, 9) || substr(md5(entry_id::text || k), 9))::uuid, clearing_date, late,
           waits_for, occurred_at, raw, position, batch, no
       FROM event, generate_series(1, $1::integer) AS k WHERE outcome <> 'parked'""",
    """INSERT INTO entry SELECT (left(id::text, 9) || substr(md5(id::text || k), 9))::uuid, clearing_date, type,
           source, event_id || '-' || k, accounts, fens, legs, occurred_at, late, amount_fen, status, institution,
           bank, payer, route, partner,
           bank_ref || '-' || k, bank_date, order_no || '-' || k, receipt_no, admission_no, terminal, access, card,
           card_last4, app_area, original_id, original_date, text, batch, no
       FROM entry, generate_series(1, $1::integer) AS k""",
    """INSERT INTO order_no SELECT institution, order_no || '-' || k, source, id || '-' || k
       FROM order_no, generate_series(1, $1::integer) AS k""",
    """INSERT INTO bank_ref SELECT partner, bank_date, bank_ref || '-' || k, source, id || '-' || k
       FROM bank_ref, generate_series(1, $1::integer) AS k""",
)

# Else the workers would read back a copied batch of a hundred thousand outcomes and send their notices.
_ANNOUNCED: Final = """UPDATE stream s SET announced = (
    SELECT coalesce(max(b.id), 0) FROM batch b WHERE b.stream = s.name AND b.partition = s.partition)"""


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
