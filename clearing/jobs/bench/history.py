"""Earlier days in the books: one small day's rows, told again for every day before the measured one. 历史账簿

A day of the past has its own dates, ids, references, cards and settlements. So the tables and indexes are as large
as those of so many days, and as ordered: an entry's id begins with its day, and what a source counts grows in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ARRAY, Date, DateTime, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from clearing.jobs.bench.ways import DAY
from clearing.jobs.generate import Plan, Sent, generate_day
from clearing.jobs.ingest_file import ingest_lines
from clearing.store.database import Database, connect
from clearing.store.tables import metadata

if TYPE_CHECKING:
    from sqlalchemy import Column

    from clearing.ledger.members import Members
    from clearing.settings import Settings

SEEDED: Final = 20_000
"""Events of the day that the others are copied from."""
GROWN: Final = (
    "batch", "event", "entry", "order_no", "bank_ref", "card", "alias",
    "payout", "settlement", "undo", "premium", "stay",
)  # fmt: skip
"""What a day adds to and later days look things up in."""
_NO_DAY: Final = "990310"
"""Stands in the copied day's ids where `DAY` has its digits: no other day has these."""
_ROUNDS_FROM: Final = 990311
"""Stand so in the ids of a day that is measured behind a history, one number a round."""


async def fill(database: Database, settings: Settings, members: Members, seed: int, entries: int) -> None:
    """Fill empty books with so many entries, all but one day's of days before `DAY`.

    Writes:  `GROWN`: a day through the engine, then its rows under the names of each earlier day, oldest first;
             stream, as if all of it had been told: nobody is measured telling the past.
    """
    few = min(SEEDED, entries // 2)
    seeded = generate_day(Plan(), members, DAY, few, seed + 1).events()
    await ingest_lines(database.engine, settings, members, [_named(one, _NO_DAY).value for one in seeded])
    connection = await connect(database.dsn)
    try:
        made = await connection.fetchval("SELECT count(*) FROM entry")
        batches = await connection.fetchval("SELECT max(id) FROM batch")
        for table in GROWN:
            await connection.execute(f"CREATE TEMP TABLE copied_{table} AS TABLE {table}")
        copies = [await connection.prepare(_copy_of(table)) for table in GROWN]
        days = max(0, entries // made - 1)
        for number in range(1, days + 1):
            back = days + 1 - number
            async with connection.transaction():
                for copy in copies:
                    await copy.fetch(back, f"{DAY - timedelta(back):%y%m%d}", number * batches)
        await connection.execute(_NUMBERED)
        await connection.execute(_ANNOUNCED)
        for table in GROWN:
            await connection.execute(f"VACUUM ANALYZE {table}")
    finally:
        await connection.close()


def another(day: Sequence[Sent], number: int) -> list[Sent]:
    """The same day with other ids, for books that have it already under its own."""
    return [_named(one, str(_ROUNDS_FROM + number)) for one in day]


def _named(one: Sent, digits: str) -> Sent:
    """A record of `DAY` with other ids: what it uses up does not meet the day's own."""
    own = f"{DAY:%y%m%d}"
    return one._replace(
        key=one.key.replace(own, digits), value=one.value.replace(own.encode(), digits.encode())
    )


def _copy_of(table: str) -> str:
    """The statement that adds the copied day's rows as those of an earlier day.

    In:      $1 how many days earlier, $2 that day's digits, $3 how many batches there are before its first.
    """
    columns = metadata.tables[table].columns
    names = ", ".join(f'"{one.name}"' for one in columns)
    values = ", ".join(map(_of_that_day, columns))
    that = "(SELECT $1::integer AS back, $2::text AS digits, $3::bigint AS batches) AS that"
    return (
        f"INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE "  # noqa: S608 - our tables
        f"SELECT {values} FROM copied_{table}, {that}"
    )


def _of_that_day(column: Column[Any]) -> str:
    name = f'"{column.name}"'
    if column.name == "batch" or (column.table.name, column.name) == ("batch", "id"):
        return f"{name} + that.batches"
    match column.type:
        case Text():
            return f"replace({name}, '{_NO_DAY}', that.digits)"
        case ARRAY(item_type=Text()):
            return f"replace({name}::text, '{_NO_DAY}', that.digits)::text[]"
        case JSONB():
            return f"replace({name}::text, '{_NO_DAY}', that.digits)::jsonb"
        case Date():
            return f"{name} - that.back"
        case DateTime():
            return f"{name} - make_interval(days => that.back)"
        case Uuid():  # an entry's id: the digits of its day, then what looks drawn by lot
            day = f"to_date(left({name}::text, 8), 'YYYYMMDD') - that.back"
            return f"(to_char({day}, 'YYYYMMDD') || substr(md5({name}::text || that.digits), 9))::uuid"
        case _:
            return name


_NUMBERED: Final = "SELECT setval(pg_get_serial_sequence('batch', 'id'), (SELECT max(id) FROM batch))"
# Else the workers would read back a copied batch of thousands of outcomes and send their notices.
_ANNOUNCED: Final = """UPDATE stream s SET announced = (
    SELECT coalesce(max(b.id), 0) FROM batch b WHERE b.stream = s.name AND b.partition = s.partition)"""
