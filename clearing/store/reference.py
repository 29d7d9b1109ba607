"""Reference data: every version that was loaded, and the one in force. 参与方资料"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.errors import UsageError
from clearing.store.job_tables import members


async def add(conn: AsyncConnection, document: Mapping[str, Any], source: bytes, maker: str) -> int:
    """Keep a version of the reference data and give its number; it is in force once approved. 登记

    In:      the whole document, and the bytes of the file it was read from.
    Writes:  members.
    Again:   another version.
    """
    row = {"loaded_by": maker, "approved_by": "", "digest": hashlib.new("sm3", source).digest()}
    statement = members.insert().values(row | {"document": dict(document)}).returning(members.c.id)
    number: int = (await conn.execute(statement)).scalar_one()
    return number


async def approve(conn: AsyncConnection, number: int, checker: str, at: datetime) -> None:
    """Put a version in force; the maker cannot. 复核

    Writes:  members.
    Again:   refused: a version is approved once.
    Raises:  UsageError when there is no such version, it is approved, a newer one is in force, or the checker is
             its maker.
    """
    newer = select(members.c.id).where(members.c.id > number, members.c.approved_by != "").exists()
    other = func.lower(func.btrim(members.c.loaded_by)) != checker.strip().lower()
    waiting = (members.c.id == number) & (members.c.approved_by == "") & other
    changed = await conn.execute(
        members.update().where(waiting, ~newer).values(approved_by=checker, approved_at=at)
    )
    if changed.rowcount != 1:
        raise UsageError(f"members {number}: {checker} cannot approve it: {await _why_not(conn, number)}")


async def _why_not(conn: AsyncConnection, number: int) -> str:
    """Why a version cannot be approved, and what to do."""
    row = (
        await conn.execute(select(members.c.loaded_by, members.c.approved_by).where(members.c.id == number))
    ).one_or_none()
    if row is None:
        return "there is no such version. See: clearing members show"
    if row.approved_by:
        return f"{row.approved_by} has done so before"
    found = await in_force(conn)
    if found is not None and found[0] > number:
        return (
            f"version {found[0]} is newer and in force. Next: clearing members load FILE, then approve that"
        )
    return "they loaded it. Next: let somebody else approve it"


_NEWEST: Final = select(func.max(members.c.id)).where(members.c.approved_by != "").scalar_subquery()


async def number_in_force(conn: AsyncConnection) -> int | None:
    """The number of the newest approved version, None when there is none. 现行版本"""
    return (await conn.execute(select(_NEWEST))).scalar_one_or_none()


async def in_force_of(conn: AsyncConnection, source: bytes) -> int | None:
    """The number of the version in force when it was read from these very bytes, else None."""
    same = members.c.digest == hashlib.new("sm3", source).digest()
    query = select(members.c.id).where(members.c.id == _NEWEST, same)
    return (await conn.execute(query)).scalar_one_or_none()


async def in_force(conn: AsyncConnection) -> tuple[int, dict[str, Any]] | None:
    """The number and document of the newest approved version, None when there is none. 现行资料"""
    row = (
        await conn.execute(select(members.c.id, members.c.document).where(members.c.id == _NEWEST))
    ).one_or_none()
    return None if row is None else (row[0], row[1])


async def version(conn: AsyncConnection, number: int) -> dict[str, Any] | None:
    """The document of one version, in force or not; None when there is none of that number."""
    found = await conn.execute(select(members.c.document).where(members.c.id == number))
    document: dict[str, Any] | None = found.scalar_one_or_none()
    return document
