"""Who has to sign a day, who has, and the seal of its archive. 签署"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.store.job_tables import reconciliation_run
from clearing.store.session import driver
from clearing.store.sign_tables import archive, sign_duty, sign_off
from clearing.store.tables import day as day_table


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSignOff:
    """One step of one member's sign-off; meanings as in `sign_tables.sign_off`."""

    run: int
    member: str
    role: str
    clearing_date: date
    person: str
    report: bytes
    root: bytes
    alg: str = ""
    signer: bytes = b""
    user_id: str = ""
    signature: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredArchive:
    """The seal of one day's archive; meanings as in `sign_tables.archive`."""

    clearing_date: date
    sm3: bytes
    manifest: bytes
    at: datetime | None = None


_SIGN_OFF: Final = select(*(sign_off.c[one.name] for one in fields(StoredSignOff)))
_ARCHIVE: Final = select(*(archive.c[one.name] for one in fields(StoredArchive)))
_ACCOUNTS: Final = "SELECT DISTINCT account FROM balance WHERE clearing_date = $1 ORDER BY account"


async def accounts_of(conn: AsyncConnection, day: date) -> list[str]:
    """The accounts that moved on a day, those whose movements cancel out too. 当日科目"""
    return [row["account"] for row in await (await driver(conn)).fetch(_ACCOUNTS, day)]


async def duties(conn: AsyncConnection, run: int) -> list[str]:
    """Who has to sign a run, by code; none while nobody has begun. 应签方"""
    query = select(sign_duty.c.member).where(sign_duty.c.run == run).order_by(sign_duty.c.member)
    return list((await conn.execute(query)).scalars())


async def add_duties(conn: AsyncConnection, run: int, members: Sequence[str]) -> None:
    """Note who has to sign a run.

    Writes:  sign_duty.
    Again:   nothing.
    """
    await conn.execute(
        insert(sign_duty).on_conflict_do_nothing(), [{"run": run, "member": code} for code in members]
    )


async def of_run(conn: AsyncConnection, run: int) -> list[StoredSignOff]:
    """Every step that was taken of a run's sign-off, oldest first. 签署"""
    query = _SIGN_OFF.where(sign_off.c.run == run).order_by(sign_off.c.at, sign_off.c.member)
    return [StoredSignOff(**row) for row in (await conn.execute(query)).mappings()]


async def add(conn: AsyncConnection, step: StoredSignOff) -> None:
    """Keep a step of a sign-off. 签署

    Writes:  sign_off.
    Again:   refused: each step is taken once, by somebody else than the others.
    """
    row = {name: value for name, value in asdict(step).items() if name != "at"}
    await conn.execute(sign_off.insert().values(row | {"at": func.clock_timestamp()}))


async def every(
    conn: AsyncConnection,
) -> AsyncIterator[tuple[StoredSignOff, Mapping[str, Any], bytes | None]]:
    """Every step of every sign-off with the report of its run and the root of its day, for checking. 签署核验"""
    query = (
        _SIGN_OFF.add_columns(reconciliation_run.c.report.label("said"), day_table.c.root.label("day_root"))
        .join(reconciliation_run, reconciliation_run.c.id == sign_off.c.run)
        .join(day_table, day_table.c.clearing_date == sign_off.c.clearing_date)
        .order_by(sign_off.c.run, sign_off.c.at)
    )
    for row in (await conn.execute(query)).mappings():
        values = dict(row)
        said, root = values.pop("said"), values.pop("day_root")
        yield StoredSignOff(**values), said, root


_NOT_ALL: Final = """
    SELECT d.clearing_date FROM day d, LATERAL (
        SELECT max(id) AS id FROM reconciliation_run r WHERE r.clearing_date = d.clearing_date) AS run
    WHERE d.state = 'signed' AND (
        NOT EXISTS (SELECT 1 FROM sign_duty u WHERE u.run = run.id)
        OR EXISTS (SELECT 1 FROM sign_duty u WHERE u.run = run.id AND 3 <> (
            SELECT count(DISTINCT lower(btrim(s.person))) FROM sign_off s
            WHERE s.run = u.run AND s.member = u.member)))
    ORDER BY 1
"""


async def not_all(conn: AsyncConnection) -> list[date]:
    """Signed days that lack the three people of somebody who has to sign."""
    return [row["clearing_date"] for row in await (await driver(conn)).fetch(_NOT_ALL)]


async def archived(conn: AsyncConnection, day: date) -> StoredArchive | None:
    """The seal of a day's archive, None while it has none. 归档"""
    row = (await conn.execute(_ARCHIVE.where(archive.c.clearing_date == day))).mappings().one_or_none()
    return None if row is None else StoredArchive(**row)


async def archived_before(conn: AsyncConnection, day: date) -> StoredArchive | None:
    """The seal of the last day before this one that was sealed. 前一归档"""
    query = _ARCHIVE.where(archive.c.clearing_date < day).order_by(archive.c.clearing_date.desc())
    row = (await conn.execute(query.limit(1))).mappings().one_or_none()
    return None if row is None else StoredArchive(**row)


async def seal(conn: AsyncConnection, sealed: StoredArchive) -> None:
    """Keep the seal of a signed day's archive. 归档

    Writes:  archive.
    Again:   nothing.
    """
    row = {name: value for name, value in asdict(sealed).items() if name != "at"}
    await conn.execute(insert(archive).values(row).on_conflict_do_nothing())
