"""What the database refuses by itself, on both servers."""

from __future__ import annotations

import asyncio
import sys
from datetime import date
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from clearing.store import breaks, days, job_tables, seal_tables, signing
from clearing.store.database import Database, open_database
from clearing.store.entries import COLUMNS, row_of
from clearing.store.migrations import upgrade
from clearing.store.record import record
from clearing.store.session import driver, transaction
from clearing.store.signing import StoredSignOff
from clearing.store.tables import metadata
from tests.conftest import DatabaseServer
from tests.store.made import DAY, NOON, batch, entry, malformed, parked, posted

GROWING = ["event", "woken", "repeat", "quarantine", "entry", "batch", "bank_ref", "file", "file_seal",
           "statement_file", "reconciliation_run", "break_step"]  # fmt: skip


async def refusal(database: Database, statement: str, *, owner: bool = False) -> str:
    """The SQLSTATE with which a statement is refused, as the application or as the owner."""
    with pytest.raises(DBAPIError) as caught:
        async with transaction(database.engine) as conn:
            if owner:
                await conn.execute(text("RESET ROLE"))
            await conn.execute(text(statement))
    return str(getattr(caught.value.orig, "sqlstate", ""))


async def test_the_migrated_schema_is_the_metadata(any_books: Database) -> None:
    """The revisions build exactly the tables, columns, types, keys, indexes and comments of the code."""

    def differences(connection: Connection) -> list[Any]:
        assert job_tables.file.metadata is seal_tables.file_seal.metadata is metadata
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    async with any_books.engine.connect() as conn:
        assert await conn.run_sync(differences) == []


async def test_upgrading_again_and_at_once_does_no_harm(database_server: DatabaseServer) -> None:
    """Several processes that upgrade one new database at once all come out at the same schema."""
    url = database_server.create()
    async with open_database(url) as database:
        await asyncio.gather(*(upgrade(database.engine) for _ in range(3)))
        async with transaction(database.engine) as conn:
            assert (await conn.execute(text("SELECT version_num FROM alembic_version"))).scalars().all() == [
                "0001"
            ]
    database_server.drop(url)


async def test_several_databases_of_one_server_share_the_role(database_server: DatabaseServer) -> None:
    """The role belongs to the server: processes may upgrade new databases of it at the same time."""
    urls = [database_server.create() for _ in range(3)]
    program = (
        "import asyncio, sys\nfrom clearing.store.database import open_database\n"
        "from clearing.store.migrations import upgrade\n"
        "async def one(url):\n    async with open_database(url) as database:\n"
        "        await upgrade(database.engine)\n"
        "asyncio.run(one(sys.argv[1]))"
    )
    running = [await asyncio.create_subprocess_exec(sys.executable, "-c", program, url) for url in urls]
    assert [await one.wait() for one in running] == [0, 0, 0]
    for url in urls:
        database_server.drop(url)


@pytest.mark.parametrize("table", GROWING)
async def test_the_application_may_not_change_history(books: Database, table: str) -> None:
    """Neither update, nor delete, nor truncate is the application's right on a table that only grows."""
    column = await a_column(books, table)
    for statement in changes(table, column):
        assert await refusal(books, statement) == "42501"


async def test_nor_may_the_owner(any_books: Database) -> None:
    """A trigger refuses the same to whoever owns the tables, even when no row would be touched."""
    for table in GROWING:
        column = await a_column(any_books, table)
        for statement in changes(table, column):
            assert await refusal(any_books, statement, owner=True) == "23001", statement


async def a_column(database: Database, table: str) -> str:
    """The name of some column."""
    async with transaction(database.engine) as conn:
        query = text("SELECT attname FROM pg_attribute WHERE attrelid = CAST(:t AS regclass) AND attnum = 2")
        return str((await conn.execute(query, {"t": table})).scalar_one())


def changes(table: str, column: str) -> tuple[str, str, str]:
    """The three ways of changing history."""
    return f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}", f"TRUNCATE {table}"  # noqa: S608


BROKEN: dict[str, list[dict[str, Any]]] = {
    "ck_entry_balanced": [
        {"fens": [10_000, -9_999, 38, -38]},
        {"accounts": ["1010.B1", "2010.H1", "9010.H1", "9011.H1.A"], "fens": [1, -2, 2, -1]},
        {"accounts": ["9010.H1", "2010.H1", "2010.H1", "9011.H1.A"], "fens": [5, -5, 7, -7]},
    ],
    "ck_entry_no_zero": [{"fens": [10_000, -10_000, 0, 0]}],
    "ck_entry_shape": [
        {"fens": [10_000, -10_000]},
        {"legs": "GG"},
        {"accounts": [], "fens": [], "legs": ""},
        {"fens": [10_000, -10_000, None, None]},
    ],
    "ck_entry_id": [{"clearing_date": date(2026, 3, 11)}],
    "uq_entry_source_event_id": [{"id": "20260310" + "f" * 24}],
    "pk_entry": [{"event_id": "another"}],
}


@pytest.mark.parametrize(("name", "change"), [(name, one) for name, all_ in BROKEN.items() for one in all_])
async def test_half_an_entry_cannot_exist(any_books: Database, name: str, change: dict[str, Any]) -> None:
    """Unbalanced in money or memo, with a zero, uneven arrays, another day, or twice: refused by name."""
    good = dict(zip(COLUMNS, row_of(entry("P1")), strict=True)) | {"batch": 1, "no": 0}
    bad = good | change
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the constraint's name is what is checked
        async with transaction(any_books.engine) as conn:
            raw = await driver(conn)
            for row in (good, bad):
                await raw.copy_records_to_table("entry", records=[tuple(row.values())], columns=list(row))
    assert getattr(caught.value, "constraint_name", "") == name


async def test_memo_and_money_each_balance_in_one_entry(any_books: Database) -> None:
    """A deposit's entry, money and memo side by side, is taken, and the view lists its postings in order."""
    accounts, fens = ["1010.B1", "2010.H1", "9010.H1", "9011.H1.A1"], [500, -500, 500, -500]
    row = dict(zip(COLUMNS, row_of(entry("D1")), strict=True)) | {
        "accounts": accounts,
        "fens": fens,
        "legs": "GGMM",
    }
    async with transaction(any_books.engine) as conn:
        values = row | {"batch": 1, "no": 0}
        await (await driver(conn)).copy_records_to_table(
            "entry", records=[tuple(values.values())], columns=list(values)
        )
        found = await conn.execute(text("SELECT account, fen, leg FROM posting ORDER BY no"))
        assert [tuple(row) for row in found] == list(zip(accounts, fens, "GGMM", strict=True))


async def test_an_event_is_kept_once(any_books: Database) -> None:
    """A source and id that are there cannot come in again."""
    async with transaction(any_books.engine) as conn:
        await record(conn, batch([posted("P1")]))
    with pytest.raises(Exception, match="pk_event"):
        async with transaction(any_books.engine) as conn:
            await record(conn, batch([posted("P1")], stream="other"))


async def test_every_outcome_has_its_table(any_books: Database) -> None:
    """The whole hot path works on both servers, with the application's rights."""
    async with transaction(any_books.engine) as conn:
        await record(conn, batch([posted("P1"), parked("P2", "card/x"), malformed()]))
        for table in ("event", "quarantine", "parked", "entry", "batch", "stream"):
            assert (await conn.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one() >= 1  # noqa: S608


BACK = [
    "UPDATE day SET state = 'open' WHERE clearing_date = '2026-03-10'",
    "UPDATE day SET state = 'filed' WHERE clearing_date = '2026-03-10'",
    "UPDATE day SET cut_at = now() WHERE clearing_date = '2026-03-10'",
    "UPDATE day SET root = 'x' WHERE clearing_date = '2026-03-10'",
    "UPDATE day SET clearing_date = '2026-03-09' WHERE clearing_date = '2026-03-10'",
    "INSERT INTO day (clearing_date, state) VALUES ('2026-03-13', 'open')",
    "INSERT INTO day (clearing_date, state) VALUES ('2026-03-12', 'cut')",
]


@pytest.mark.parametrize("statement", BACK)
async def test_a_day_only_goes_forward(any_books: Database, statement: str) -> None:
    """No day goes back, skips a state, changes what its cut wrote, or leaves a gap before it."""
    async with transaction(any_books.engine) as conn:
        await days.open_day(conn, DAY)
        await days.cut(conn, DAY, NOON, root=bytes(32), heads={})
    assert await refusal(any_books, statement) == "23001"


async def test_a_signed_day_never_moves(any_books: Database) -> None:
    """After its last step a day never moves, no day is removed, its steps are kept, and no run comes behind it."""
    async with transaction(any_books.engine) as conn:
        await days.open_day(conn, DAY)
        await days.cut(conn, DAY, NOON, root=bytes(32), heads={})
        for state in days.STATES[2:-1]:
            assert await days.step(conn, DAY, state)
            assert not await days.step(conn, DAY, state)
    assert (
        await refusal(any_books, f"UPDATE day SET state = 'signed' WHERE clearing_date = '{DAY}'") == "23001"  # noqa: S608
    )
    async with transaction(any_books.engine) as conn:
        run = await breaks.add_run(conn, DAY, [], 0, {})
        await signing.add_duties(conn, run, ["PLAT"])
        for role, person in (("prepared", "ann"), ("reviewed", "bob"), ("approved", "cat")):
            await signing.add(
                conn,
                StoredSignOff(
                    run=run, member="PLAT", role=role, clearing_date=DAY, person=person, report=bytes(32),
                    root=bytes(32),
                ),
            )  # fmt: skip
        assert await days.step(conn, DAY, "signed")
        racing = asyncio.create_task(_another_run(any_books))
        waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'")
        async with asyncio.timeout(300):
            while not (racing.done() or await conn.scalar(waits)):
                await asyncio.sleep(0.01)
        assert [state for state, _ in await days.steps(conn, DAY)] == list(days.STATES)
        steps = [one for one in await days.untold(conn) if one.clearing_date == DAY]
        await days.told(conn, [one.id for one in steps])
        assert {one.clearing_date for one in await days.untold(conn)} == {date(2026, 3, 11)}
    with pytest.raises(DBAPIError, match="it is signed, its reconciliation_run stands"):
        await racing
    for change in ("state = 'reconciled'", "cut_at = now()", "root = NULL"):
        statement = f"UPDATE day SET {change} WHERE clearing_date = '{DAY}'"  # noqa: S608
        assert await refusal(any_books, statement) == "23001"
    assert await refusal(any_books, "DELETE FROM day", owner=True) == "23001"
    assert await refusal(any_books, "DELETE FROM day_step", owner=True) == "23001"
    assert await refusal(any_books, "UPDATE day_step SET at = now()") == "42501"


async def _another_run(database: Database) -> None:
    """Reconcile the day once more, while its last signature is given."""
    async with transaction(database.engine) as conn:
        await breaks.add_run(conn, DAY, [], 0, {})


async def test_days_are_cut_in_order(any_books: Database) -> None:
    """The second open day cannot be cut before the first."""
    async with transaction(any_books.engine) as conn:
        await days.open_day(conn, DAY)
        await days.open_day(conn, date(2026, 3, 11))
    assert (
        await refusal(any_books, "UPDATE day SET state = 'cut' WHERE clearing_date = '2026-03-11'") == "23001"
    )
