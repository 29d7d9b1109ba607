"""The clearing files in which an entry is a line of its own. 所在文件"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

from clearing.files.check import read_lines
from clearing.store import files, views

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from clearing.files.parse import Row
    from clearing.jobs.trace_orders import Step


async def files_of_entry(conn: AsyncConnection, day: date, entry_id: str) -> list[Step]:
    """A step for each file of a day that has a line of this entry, or of the instruction of this id. 所在文件

    Out:     without files that name it only as what another line undoes or corrects: those are that line's.
    """
    found = await views.files_with(conn, day, entry_id)
    layouts = await files.layouts_by_digest(conn, {one.layout for one in found})
    return [
        {
            "step": "file",
            "name": one.name,
            "type": one.type,
            "receiver": one.receiver,
            "profile": one.profile,
        }
        for one in found
        if not _original_only(read_lines(one.name, one.around, layouts[one.layout]).rows, entry_id)
    ]


def _original_only(rows: Iterable[Row], entry_id: str) -> bool:
    """Whether lines name an entry, and all of them as their original."""
    said = {
        name
        for row in rows
        for name, value in zip(row.record._fields, row.record, strict=True)
        if value == entry_id
    }
    return said == {"original_entry_id"}
