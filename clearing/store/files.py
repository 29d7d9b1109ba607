"""Clearing files as they were rendered: bytes with their digests. 清算文件"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from datetime import date
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.store.job_tables import file
from clearing.store.session import driver


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """One version of one file."""

    name: str
    clearing_date: date
    type: str
    receiver: str
    seq: int
    version: int
    profile: str
    content: bytes
    records: int
    amount_total_fen: int
    hash_total: str
    sha256: bytes
    sm3: bytes
    replaces: str = ""


_COLUMNS: Final = [one.name for one in fields(StoredFile)]
_SELECT: Final = select(*(file.c[name] for name in _COLUMNS))
_ORDER: Final = (file.c.type, file.c.receiver, file.c.seq, file.c.version)


async def add(conn: AsyncConnection, made: Sequence[StoredFile]) -> None:
    """Keep rendered files. 保存文件

    Writes:  file.
    Again:   refused by the name: a corrected file is a new version.
    """
    raw = await driver(conn)
    await raw.copy_records_to_table("file", records=[astuple(one) for one in made], columns=_COLUMNS)


async def of_day(conn: AsyncConnection, day: date) -> list[StoredFile]:
    """Every version of a day's files, in order of type, receiver, sequence and version."""
    rows = await conn.execute(_SELECT.where(file.c.clearing_date == day).order_by(*_ORDER))
    return [StoredFile(**row) for row in rows.mappings()]


async def get(conn: AsyncConnection, name: str) -> StoredFile | None:
    """One file by name."""
    row = (await conn.execute(_SELECT.where(file.c.name == name))).mappings().one_or_none()
    return None if row is None else StoredFile(**row)
