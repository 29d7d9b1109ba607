"""Settlement instructions of closed days. 清算指令"""

from __future__ import annotations

from datetime import date

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.ledger.facts import Instruction
from clearing.store.kinds import KINDS
from clearing.store.session import driver

_KIND = KINDS["instruction"]
_COLUMNS = ", ".join(_KIND.hints)


async def of_day(conn: AsyncConnection, day: date) -> list[Instruction]:
    """A day's instructions: in-bank ones by account and bank, then inter-bank ones, largest first."""
    rows = await (await driver(conn)).fetch(
        f"SELECT {_COLUMNS} FROM instruction WHERE clearing_date = $1 "  # noqa: S608 - our own column names
        "ORDER BY kind = 'INTER_BANK', CASE kind WHEN 'INTER_BANK' THEN '' ELSE creditor END, "
        "CASE kind WHEN 'INTER_BANK' THEN -amount_fen ELSE 0 END, debtor, kind DESC, id",
        day,
    )
    return [_KIND.of_row(row) for row in rows]
