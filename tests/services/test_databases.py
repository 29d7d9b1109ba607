"""The databases are real ones, and opening them does what it says."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from clearing.errors import WorldFailed
from clearing.store.database import Database, open_database
from tests.conftest import DatabaseServer


async def value(database: Database, query: str) -> object:
    """What a query of one value gives."""
    async with database.engine.connect() as connection:
        return (await connection.execute(text(query))).scalar_one()


async def test_the_embedded_server_is_postgresql_18_and_durable(database_url: str) -> None:
    """The default database keeps what it acknowledged."""
    async with open_database(database_url) as database:
        assert database.server_version[0] == 18
        assert [
            await value(database, f"SHOW {name}")
            for name in ("fsync", "synchronous_commit", "max_locks_per_transaction")
        ] == ["on", "on", "1024"]


async def test_a_plain_server_is_reached_by_url_and_its_password_is_never_shown(
    plain_server: DatabaseServer,
) -> None:
    """A PostgreSQL of somebody else's is named by host, port and database only."""
    url = plain_server.create()
    async with open_database(url.replace("postgresql://", "postgresql+asyncpg://")) as database:
        assert database.server_version[0] >= 15
        password = url.split(":")[2].split("@")[0]
        assert password not in repr(database)
        assert password not in database.how
        assert await value(database, "SELECT current_user") == "clearing"
    plain_server.drop(url)


async def test_a_server_that_is_too_old_is_refused(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the first odd statement, but the opening says that the server must be upgraded."""
    monkeypatch.setattr("clearing.store.database.VERSION_MIN", 99)
    with pytest.raises(WorldFailed, match=r"PostgreSQL 99 or later expected, 18\.\d+ found"):
        async with open_database(database_url):
            pass


def test_a_template_is_prepared_once_and_copied(database_server: DatabaseServer) -> None:
    """Tests of one schema copy it instead of building it again."""
    prepared: list[str] = []

    async def prepare(url: str) -> None:
        prepared.append(url)
        async with open_database(url) as database, database.engine.begin() as connection:
            await connection.execute(text("CREATE TABLE copied (n integer)"))

    for _ in range(2):
        url = database_server.create(database_server.template("of this test", prepare))
        database_server.drop(url)
    assert len(prepared) == 1
