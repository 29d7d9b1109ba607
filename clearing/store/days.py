"""The days and how far each is closed. 清算日状态"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Final, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.errors import UsageError
from clearing.store.session import driver
from clearing.store.tables import batch
from clearing.store.tables import day as days

STATES: Final = ("open", "cut", "netted", "filed", "reconciled", "signed")


class Day(NamedTuple):
    """One day."""

    clearing_date: date
    state: str
    cut_at: datetime | None
    root: bytes | None
    """SM3 over the heads of all chains at the cut."""


class Told(NamedTuple):
    """A state that a day has reached, to be told."""

    id: int
    clearing_date: date
    state: str
    at: datetime
    """When it was reached."""
    root: bytes | None
    """As of the day."""


# A batch holds the cutover's lock before it gets its number, so numbers part the days; instants would not: a batch
# that waits for the cut has begun before it, and a clock may be set back.
_LAST_BATCH: Final = select(func.coalesce(func.max(batch.c.id), 0)).scalar_subquery()
_DAY: Final = select(days.c.clearing_date, days.c.state, days.c.cut_at, days.c.root)


async def first_uncut(conn: AsyncConnection) -> date:
    """The open day that has not been cut: one look into an index of one row. 未切首日

    Raises:  UsageError when no day has been opened.
    """
    return known(
        await (await driver(conn)).fetchval("SELECT min(clearing_date) FROM day WHERE state = 'open'")
    )


def known(found: date | None) -> date:
    """The open day that was found.

    Raises:  UsageError when there is none.
    """
    if found is None:
        raise UsageError("day: none is open. Next: clearing init --members FILE --open-day DATE")
    return found


async def get(conn: AsyncConnection, day: date, *, lock: bool = False) -> Day | None:
    """One day, None when it was never opened; locked to the end of the transaction if wanted."""
    query = _DAY.where(days.c.clearing_date == day)
    row = (await conn.execute(query.with_for_update() if lock else query)).one_or_none()
    return None if row is None else Day(*row)


async def opened(conn: AsyncConnection, day: date, *, lock: bool = False) -> Day:
    """A day that was opened; locked to the end of the transaction if wanted.

    Raises:  UsageError that says which days there are.
    """
    found = await get(conn, day, lock=lock)
    if found is None:
        there = [one.clearing_date for one in await every(conn)]
        raise UsageError(
            f"day {day}: was never opened; there are {there[0]} to {there[-1]}. "
            "A day opens when the one before it is cut"
            if there
            else f"day {day}: was never opened, nor was any. Next: clearing init --members FILE --open-day DATE"
        )
    return found


async def every(conn: AsyncConnection) -> list[Day]:
    """All days, oldest first."""
    return [Day(*row) for row in await conn.execute(_DAY.order_by(days.c.clearing_date))]


async def open_day(conn: AsyncConnection, day: date) -> None:
    """Open a day: the first of all, or the one after the last. 开日

    Writes:  day.
    Again:   a day that is there is left as it is.
    """
    await (await driver(conn)).execute(
        "INSERT INTO day (clearing_date, state) SELECT $1, 'open' "
        "WHERE NOT EXISTS (SELECT 1 FROM day WHERE clearing_date = $1)",
        day,
    )


async def entries(conn: AsyncConnection, day: date) -> tuple[int, int]:
    """How many entries a day has, and how many of them came late, without those of its end. 凭证数"""
    row = await (await driver(conn)).fetchrow(
        "SELECT count(*), count(*) FILTER (WHERE late) FROM entry "
        "WHERE clearing_date = $1 AND type NOT IN ('day.roll_up', 'day.net')",
        day,
    )
    return (row[0], row[1])


async def steps(conn: AsyncConnection, day: date) -> list[tuple[str, datetime]]:
    """(state, when) of every state that a day has passed, in order. 日状态历史"""
    rows = await (await driver(conn)).fetch(
        "SELECT state, at FROM day_step WHERE clearing_date = $1 ORDER BY id", day
    )
    return [tuple(row) for row in rows]


async def untold(conn: AsyncConnection) -> list[Told]:
    """The states reached of which members have not been told, in the order of the steps. 待通知日"""
    rows = await (await driver(conn)).fetch(
        "SELECT s.id, s.clearing_date, s.state, s.at, d.root FROM day_step s JOIN day d USING (clearing_date) "
        "WHERE NOT s.announced ORDER BY s.id"
    )
    return [Told(*row) for row in rows]


async def told(conn: AsyncConnection, numbers: Collection[int]) -> None:
    """Remember that members were told of these steps.

    Writes:  day_step.
    Again:   the same.
    """
    await (await driver(conn)).execute(
        "UPDATE day_step SET announced = true WHERE id = ANY($1::bigint[])", list(numbers)
    )


async def step(conn: AsyncConnection, day: date, state: str) -> bool:
    """Bring a day to the next state, and say whether it was not there yet. 状态推进

    Writes:  day.
    Again:   False, and nothing is written.
    Raises:  UsageError when the day is not in the state before, or already past this one.
    """
    before = STATES[STATES.index(state) - 1]
    raw = await driver(conn)
    found = await raw.fetchval("SELECT state FROM day WHERE clearing_date = $1 FOR UPDATE", day)
    if found == state:
        return False
    if found != before or state == "open":
        raise UsageError(f"day {day}: {before} expected before {state}, {found or 'never opened'} found")
    await raw.execute("UPDATE day SET state = $2 WHERE clearing_date = $1", day, state)
    return True


async def cut(
    conn: AsyncConnection, day: date, at: datetime, root: bytes, heads: Mapping[str, bytes]
) -> None:
    """Cut a day, note the heads of all chains and their root, and open the next. 日切

    In:      the cutover lock held exclusive in this transaction (`locks.day_exclusive`); heads by the chain's
             name, `stream/partition`, and the root over them.
    Writes:  day, two rows.
    Again:   refused by the day's trigger; ask for its state first.
    """
    named = [[name, digest.hex()] for name, digest in sorted(heads.items())]
    await conn.execute(
        days.update()
        .where(days.c.clearing_date == day)
        .values(state="cut", cut_at=at, cut_batch=_LAST_BATCH, root=root, heads=named)
    )
    await (await driver(conn)).execute(
        "INSERT INTO day (clearing_date, state) SELECT $1::date + 1, 'open' "
        "WHERE NOT EXISTS (SELECT 1 FROM day WHERE clearing_date = $1::date + 1)",
        day,
    )
