"""What is sealed away of a signed day, row by row as JSON; and the same rows as Parquet. 归档取数

The same day gives the same bytes for ever: `archive_sets` says which rows.
"""

# ruff: noqa: S608 - our own queries and column names

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

import duckdb
from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.store import files
from clearing.store.archive_sets import DATASETS, FILES_OF_DAY, Dataset
from clearing.store.session import driver

_CHUNK: Final = 2000
_OBJECT_BYTES_MAX: Final = 1 << 30
"""The largest row of JSON: a run's report of a big day is one."""


UNREADABLE: Final = (duckdb.Error,)
"""What reading a file raises that is no Parquet, or has other columns."""


class KeptFile(NamedTuple):
    """One file and its bytes, read as they are used."""

    name: str
    parts: AsyncIterator[bytes]


_STATEMENTS: Final = next(one.query for one in DATASETS if one.name == "statements")
_STATEMENT: Final = "SELECT content FROM statement_file WHERE id = $1"


async def rows_of(conn: AsyncConnection, dataset: Dataset, day: date) -> AsyncIterator[bytes]:
    """The rows of one day as JSON, one line each without its line end, in a fixed order. 归档行

    In:      a connection in a transaction.
    """
    raw = await driver(conn)
    text = f"SELECT row_to_json(one)::text AS line FROM ({dataset.query}) AS one"
    async for row in raw.cursor(text, day, prefetch=_CHUNK):
        yield row["line"].encode()


async def bytes_of(conn: AsyncConnection, day: date) -> AsyncIterator[KeptFile]:
    """The files that went out of a day, and those of partners that its reconciliation read, one after the other."""
    raw = await driver(conn)
    for row in await raw.fetch(FILES_OF_DAY, day):
        yield KeptFile(f"files/{row['name']}", files.parts(conn, row["name"]))
    for row in await raw.fetch(_STATEMENTS, day):
        name = f"statements/{row['kind']}_{row['partner']}_{row['id']}_{Path(row['name']).name}"
        yield KeptFile(name, _statement(conn, row["id"]))


async def _statement(conn: AsyncConnection, number: int) -> AsyncIterator[bytes]:
    yield await (await driver(conn)).fetchval(_STATEMENT, number)


def write_parquet(dataset: Dataset, lines: Path, target: Path) -> None:
    """Write rows of JSON as Parquet, in their order. 列存

    Writes:  `target`.
    Again:   the same bytes, by the same version of the writer.
    """
    with duckdb.connect(":memory:", config={"threads": "1"}) as database:
        columns = ", ".join(f"'{name}': '{kind}'" for name, kind in dataset.columns.items())
        database.execute(
            f"COPY (SELECT * FROM read_json(?, format = 'newline_delimited', columns = {{{columns}}}, "
            f"maximum_object_size = {_OBJECT_BYTES_MAX})) TO '{_quoted(target)}' (FORMAT parquet, COMPRESSION zstd)",
            [f"{lines}"],
        )


def parquet_differs(dataset: Dataset, lines: Path, parquet: Path) -> bool:
    """Whether a Parquet file says anything else than rows of JSON do, or in another order. 列存核验"""
    with duckdb.connect(":memory:", config={"threads": "1"}) as database:
        columns = ", ".join(f"'{name}': '{kind}'" for name, kind in dataset.columns.items())
        (found,) = database.execute(
            f"""
            WITH said AS (
                SELECT row_number() OVER () AS row_, * FROM read_json(?, format = 'newline_delimited',
                    columns = {{{columns}}}, maximum_object_size = {_OBJECT_BYTES_MAX})
            ), kept AS (SELECT row_number() OVER () AS row_, * FROM read_parquet(?))
            SELECT count(*) FROM (
                (SELECT * FROM said EXCEPT ALL SELECT * FROM kept)
                UNION ALL (SELECT * FROM kept EXCEPT ALL SELECT * FROM said))
            """,
            [f"{lines}", f"{parquet}"],
        ).fetchone() or (0,)
        return bool(found)


def _quoted(path: Path) -> str:
    return f"{path}".replace("'", "''")
