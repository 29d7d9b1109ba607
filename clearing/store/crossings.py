"""Which banks went over their net cap, and when. 日间敞口预警"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.store.session import driver


class StoredCrossing(NamedTuple):
    """One crossing as it is kept; meanings as in `day_tables.crossing`."""

    clearing_date: date
    bank: str
    no: int
    over: bool
    net_fen: int
    cap_fen: int | None
    at: datetime


_COLUMNS = "clearing_date, bank, no, over, net_fen, cap_fen, at"


async def of_day(conn: AsyncConnection, day: date) -> list[StoredCrossing]:
    """A day's crossings, by bank and number. 当日预警"""
    rows = await (await driver(conn)).fetch(
        f"SELECT {_COLUMNS} FROM crossing WHERE clearing_date = $1 ORDER BY bank, no",  # noqa: S608 - our own
        day,
    )
    return [StoredCrossing(*row) for row in rows]


async def untold(conn: AsyncConnection) -> list[StoredCrossing]:
    """The crossings of which members have not been told, by day, bank and number. 待发预警"""
    rows = await (await driver(conn)).fetch(
        f"SELECT {_COLUMNS} FROM crossing WHERE NOT announced ORDER BY clearing_date, bank, no"  # noqa: S608 - our own
    )
    return [StoredCrossing(*row) for row in rows]


async def add(conn: AsyncConnection, rows: Sequence[tuple[date, str, int, bool, int, int | None]]) -> None:
    """Keep crossings: (day, bank, no, over, net, cap). 记录预警

    Writes:  crossing.
    Again:   nothing: a number stands for ever, also when another worker saw it a moment before.
    """
    await (await driver(conn)).executemany(
        "INSERT INTO crossing (clearing_date, bank, no, over, net_fen, cap_fen, announced) "
        "VALUES ($1, $2, $3, $4, $5, $6, false) ON CONFLICT DO NOTHING",
        rows,
    )


async def told(conn: AsyncConnection, done: Collection[StoredCrossing]) -> None:
    """Remember that members were told of these.

    Writes:  crossing.
    Again:   the same.
    """
    await (await driver(conn)).executemany(
        "UPDATE crossing SET announced = true WHERE clearing_date = $1 AND bank = $2 AND no = $3",
        [(one.clearing_date, one.bank, one.no) for one in done],
    )
