"""Settlement instructions of closed days. 清算指令"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from typing import Final, NamedTuple, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.ledger.facts import Instruction
from clearing.store.days import first_uncut
from clearing.store.kinds import KINDS
from clearing.store.session import driver

_KIND = KINDS["instruction"]
_COLUMNS = ", ".join(_KIND.hints)


async def of_day(conn: AsyncConnection, day: date) -> list[Instruction]:
    """A day's instructions as netted: in-bank ones by account and bank, then inter-bank ones, largest first.

    What took the place of a failed one later is no part of the day, whose files are rendered from these.
    """
    rows = await (await driver(conn)).fetch(
        f"SELECT {_COLUMNS} FROM instruction WHERE clearing_date = $1 AND replaces = '' "  # noqa: S608 - our own column names
        "ORDER BY kind = 'INTER_BANK', CASE kind WHEN 'INTER_BANK' THEN '' ELSE creditor END, "
        "CASE kind WHEN 'INTER_BANK' THEN -amount_fen ELSE 0 END, debtor, kind DESC, id",
        day,
    )
    return [_KIND.of_row(row) for row in rows]


_ROOTS = """
    WITH RECURSIVE line AS (
        SELECT id, id AS root, replaces FROM instruction WHERE id = ANY($1::text[])
        UNION ALL SELECT l.id, i.id, i.replaces FROM line l JOIN instruction i ON i.id = l.replaces
    )
    SELECT id, root FROM line WHERE replaces = ''
"""


async def roots(conn: AsyncConnection, ids: Collection[str]) -> dict[str, str]:
    """Instruction → the first one that it stands for, which was netted and has an entry; itself where it is one."""
    return {row["id"]: row["root"] for row in await (await driver(conn)).fetch(_ROOTS, list(ids))}


async def take_place(conn: AsyncConnection, new: Instruction, by: str) -> None:
    """Put an instruction in the place of the one that it replaces, which is REPLACED from now on. 替换指令

    In:      the day held shared in this transaction.
    Writes:  instruction, instruction_again.
    Again:   fails on the key; the caller holds the old one's lock and has looked at its state.
    """
    raw = await driver(conn)
    await raw.execute("UPDATE instruction SET state = 'REPLACED' WHERE id = $1", new.replaces)
    values = _KIND.values(new)
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    await raw.execute(f"INSERT INTO instruction ({_COLUMNS}) VALUES ({places})", *values)  # noqa: S608 - our own
    query = "INSERT INTO instruction_again (id, clearing_date, by_whom) VALUES ($1, $2, $3)"
    await raw.execute(query, new.id, await first_uncut(conn), by)


class Line(NamedTuple):
    """An instruction in its line of replacements, and who put it there."""

    instruction: Instruction
    by: str
    """Empty for the first, which the day's netting made."""
    at: datetime | None


_LINE: Final = f"""
    WITH RECURSIVE back AS (
        SELECT id, replaces FROM instruction WHERE id = $1
        UNION ALL SELECT i.id, i.replaces FROM back b JOIN instruction i ON i.id = b.replaces
    ), line AS (
        SELECT id, 0 AS no FROM back WHERE replaces = ''
        UNION ALL SELECT i.id, l.no + 1 FROM line l JOIN instruction i ON i.replaces = l.id
    )
    SELECT {", ".join(f"i.{name}" for name in _KIND.hints)}, coalesce(a.by_whom, '') AS by_whom, a.at
    FROM line l JOIN instruction i ON i.id = l.id LEFT JOIN instruction_again a ON a.id = l.id ORDER BY l.no
"""  # noqa: S608 - our own column names


async def line_of(conn: AsyncConnection, id_: str) -> list[Line]:
    """An instruction with all that it stands for and all that took its place, the first one first. 指令沿革"""
    rows = await (await driver(conn)).fetch(_LINE, id_)
    return [
        Line(
            cast("Instruction", _KIND.of_row({name: row[name] for name in _KIND.hints})),
            row["by_whom"],
            row["at"],
        )
        for row in rows
    ]


async def starting(conn: AsyncConnection, prefix: str, rows_max: int = 2) -> list[str]:
    """Ids of instructions that begin with these digits, so that people may shorten one."""
    rows = await (await driver(conn)).fetch(
        "SELECT id FROM instruction WHERE starts_with(id, $1) ORDER BY id LIMIT $2", prefix, rows_max
    )
    return [id_ for (id_,) in rows]
