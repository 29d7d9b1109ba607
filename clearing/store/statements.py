"""Files of partners, kept byte for byte before anyone parses them. 对账单"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any, Final

from pydantic_core import from_json
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.errors import InvariantViolated, UsageError
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
    manifest: bytes | None
    received_at: datetime


BYTES_MAX: Final = 1_000_000_000
"""What the database takes in one value, but for some."""

_SELECT: Final = select(*(statement_file.c[one.name] for one in fields(StatementFile)))
_ADD: Final = """
    WITH added AS (
        INSERT INTO statement_file (kind, partner, clearing_date, name, sha256, sm3, content, manifest)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING id
    )
    SELECT id FROM added UNION ALL
    SELECT id FROM statement_file
    WHERE kind = $1 AND partner = $2 AND clearing_date = $3 AND name = $4 AND sha256 = $5
"""


def expect_size(name: str, length: int) -> None:
    """Let a file pass that can be kept.

    Raises:  UsageError.
    """
    if length > BYTES_MAX:
        raise UsageError(
            f"{name}: expected at most {BYTES_MAX} bytes, got {length}. Next: its sender sends it in several files"
        )


async def keep(
    conn: AsyncConnection,
    *,
    kind: str,
    partner: str,
    day: date,
    name: str,
    content: bytes,
    manifest: bytes | None = None,
) -> int:
    """Keep a file with its digests, and the manifest beside it, and give its number. 保存来文

    Writes:  statement_file.
    Again:   the same bytes under the same name, of the same partner and day, keep their number.
    Raises:  UsageError for more than the database takes.
    """
    expect_size(name, len(content))
    sha256, sm3 = hashlib.sha256(content).digest(), hashlib.new("sm3", content).digest()
    raw = await driver(conn)
    given = (kind, partner, day, name, sha256, sm3, content, manifest)
    number: int | None = await raw.fetchval(_ADD, *given)
    if number is None:  # somebody else kept it while this statement waited, which does not see that yet
        number = await raw.fetchval(_ADD, *given)
    if number is None:
        raise InvariantViolated(f"{name}: it was kept, and is not there")
    return number


async def of_day(conn: AsyncConnection, day: date) -> list[StatementFile]:
    """The files given for a day, in order of arrival."""
    query = _SELECT.where(statement_file.c.clearing_date == day).order_by(statement_file.c.id)
    return [StatementFile(**row) for row in (await conn.execute(query)).mappings()]


async def get(conn: AsyncConnection, number: int) -> StatementFile:
    """One file by its number."""
    row = (await conn.execute(_SELECT.where(statement_file.c.id == number))).mappings().one()
    return StatementFile(**row)


async def named(conn: AsyncConnection, kind: str, name: str) -> StatementFile | None:
    """The newest accepted file of a type and name, None when there is none. 按名取来文"""
    row = await (await driver(conn)).fetchrow(_NAMED, kind, name)
    return StatementFile(**dict(row)) if row else None


_NAMED: Final = f"""
    SELECT {", ".join(f"s.{one.name}" for one in fields(StatementFile))}
    FROM statement_file s JOIN verdict v ON v.file = s.id
    WHERE s.kind = $1 AND s.name = $2 AND v.verdict = 'ACPT' ORDER BY v.number DESC LIMIT 1
"""  # noqa: S608 - our own column names


async def accepted(conn: AsyncConnection, day: date) -> list[tuple[StatementFile, bool]]:
    """The statements, exports and lists of a day that were taken: of each number its last version. 已收对账单

    Out:     by kind, sender and number, each with whether only its good lines were taken; a side may come in several
             files, by any number of senders.
    """
    rows = await (await driver(conn)).fetch(_ACCEPTED, day)
    found = [dict(row) for row in rows]
    return [(StatementFile(**row), partly) for row in found for partly in (row.pop("verdict") == "PART",)]


_ACCEPTED: Final = rf"""
    SELECT DISTINCT ON (s.kind, s.partner, named.number)
        {", ".join(f"s.{one.name}" for one in fields(StatementFile))}, v.verdict
    FROM statement_file s JOIN verdict v ON v.file = s.id CROSS JOIN LATERAL (
        SELECT substring(s.name FROM '_(\d{{3}})_V\d+\.') AS number,
            substring(s.name FROM '_\d{{3}}_V(\d+)\.')::integer AS version
    ) AS named
    WHERE s.clearing_date = $1 AND s.kind IN ('STM', 'HIS', 'NRC', 'DEP') AND v.verdict IN ('ACPT', 'PART')
    ORDER BY s.kind, s.partner, named.number, named.version DESC, v.number DESC
"""  # noqa: S608 - our own column names


async def answers_in_part(conn: AsyncConnection, day: date) -> list[tuple[str, str, str, list[list[Any]]]]:
    """Banks' answers of a day without some lines: (partner, file, sha256 in hex, faults). 部分受理"""
    rows = await (await driver(conn)).fetch(_IN_PART, day)
    return [(row["partner"], row["name"], row["sha256"].hex(), from_json(row["faults"])) for row in rows]


_IN_PART: Final = """
    SELECT s.partner, s.name, s.sha256, v.faults::text AS faults FROM statement_file s
    CROSS JOIN LATERAL (SELECT verdict, faults FROM verdict WHERE file = s.id ORDER BY no DESC LIMIT 1) AS v
    WHERE s.clearing_date = $1 AND s.kind IN ('PYR', 'RTN') AND v.verdict = 'PART' ORDER BY s.partner, s.name
"""
