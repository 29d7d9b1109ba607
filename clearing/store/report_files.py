"""Which run each mismatch report that went to a member is of. 分户差错报告"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import insert, select

from clearing.store.delivery_tables import file_report
from clearing.store.job_tables import file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from sqlalchemy.ext.asyncio import AsyncConnection


class ReportFile(NamedTuple):
    """A MIS file and its runs; meanings as in `delivery_tables.file_report`."""

    file: str
    run: int
    before: int


async def add(conn: AsyncConnection, made: Sequence[ReportFile]) -> None:
    """Keep which run files are of.

    Writes:  file_report.
    Again:   refused by the name.
    """
    if made:
        await conn.execute(insert(file_report), [one._asdict() for one in made])


async def of_day(conn: AsyncConnection, day: date) -> dict[str, ReportFile]:
    """The reports that were made of a day, by file."""
    joined = select(file_report).join(file, file.c.name == file_report.c.file)
    rows = await conn.execute(joined.where(file.c.clearing_date == day))
    return {one.file: one for one in (ReportFile(*row) for row in rows)}


async def days(conn: AsyncConnection) -> list[date]:
    """The days of which there are such files, oldest first."""
    query = select(file.c.clearing_date).where(file.c.type == "MIS").distinct()
    return list((await conn.execute(query.order_by(file.c.clearing_date))).scalars())
