"""What must hold in the stored books, asked of the database table by table. 账务核验

Two kinds of question, each one statement that gives its first fault and how many there are:

    AMOUNTS  a sum of the books against what it stands for: (where, expected fen, got fen, how many differ)
    FLAWS    rows that contradict each other: (where, expected, got, how many)

and walks over the rows for what SQL cannot compute (SM3, our own names). Nothing here trusts a constraint, a
trigger or a function of the database: whoever changes history as a superuser can change those too.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.store.audit.amounts import AMOUNTS
from clearing.store.audit.flaws import FLAWS
from clearing.store.audit.walks import (
    CutDay,
    KeptFile,
    NamedEntry,
    Said,
    SignedFile,
    content,
    cut_days,
    entry_names,
    filed_days,
    files,
    has_link,
    records,
    signed_files,
)
from clearing.store.session import driver

__all__ = [
    "AMOUNTS",
    "FLAWS",
    "CutDay",
    "Flaw",
    "Gap",
    "KeptFile",
    "NamedEntry",
    "Said",
    "SignedFile",
    "content",
    "cut_days",
    "entry_names",
    "filed_days",
    "files",
    "flaw",
    "gap",
    "has_link",
    "prepare",
    "records",
    "signed_files",
]


class Gap(NamedTuple):
    """A sum that is not what it stands for."""

    where: str
    expected_fen: int
    got_fen: int
    """Debit positive, both."""
    faults: int
    """How many differ; this is the first."""


class Flaw(NamedTuple):
    """Rows that contradict each other."""

    where: str
    expected: str
    got: str
    faults: int
    """How many do; this is the first."""


async def prepare(conn: AsyncConnection) -> None:
    """Let this transaction join whole tables: here reading it all is right, elsewhere it is switched off."""
    raw = await driver(conn)
    await raw.execute("SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on")


async def gap(conn: AsyncConnection, name: str) -> Gap | None:
    """The first sum of a check of AMOUNTS that differs, None when all hold."""
    row = await (await driver(conn)).fetchrow(AMOUNTS[name])
    return None if row is None else Gap(*row)


async def flaw(conn: AsyncConnection, name: str) -> Flaw | None:
    """The first fault of a check of FLAWS, None when there is none."""
    row = await (await driver(conn)).fetchrow(FLAWS[name])
    return None if row is None else Flaw(*row)
