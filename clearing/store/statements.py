"""Files of partners, kept byte for byte before anyone parses them. 对账单"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.store.job_tables import statement_file
from clearing.store.session import driver


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementFile:
    """One file as it came."""

    id: int
    kind: str
    partner: str
    clearing_date: date
    name: str
    sha256: bytes
    sm3: bytes
    content: bytes
    received_at: datetime


_SELECT: Final = select(*(statement_file.c[one.name] for one in fields(StatementFile)))
_ADD: Final = """
    WITH added AS (
        INSERT INTO statement_file (kind, partner, clearing_date, name, sha256, sm3, content)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING id
    )
    SELECT id FROM added UNION ALL
    SELECT id FROM statement_file WHERE kind = $1 AND partner = $2 AND clearing_date = $3 AND sha256 = $5
"""


async def keep(
    conn: AsyncConnection, *, kind: str, partner: str, day: date, name: str, content: bytes
) -> int:
    """Keep a file with its digests and give its number. 保存来文

    Writes:  statement_file.
    Again:   the same bytes of the same partner and day keep their number.
    """
    sha256, sm3 = hashlib.sha256(content).digest(), hashlib.new("sm3", content).digest()
    number: int = await (await driver(conn)).fetchval(_ADD, kind, partner, day, name, sha256, sm3, content)
    return number


async def of_day(conn: AsyncConnection, day: date) -> list[StatementFile]:
    """The files given for a day, in order of arrival."""
    query = _SELECT.where(statement_file.c.clearing_date == day).order_by(statement_file.c.id)
    return [StatementFile(**row) for row in (await conn.execute(query)).mappings()]
