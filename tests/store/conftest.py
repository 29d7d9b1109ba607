"""A database with the schema of this release, fresh for each test: copied from one prepared once.

books        on the embedded PostgreSQL
any_books    on the embedded one and on the plain server, one after the other
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from clearing.store.database import Database, open_database
from clearing.store.migrations import upgrade
from tests.conftest import DatabaseServer


async def _prepare(url: str) -> None:
    async with open_database(url) as database:
        await upgrade(database.engine)


async def _books(server: DatabaseServer) -> AsyncIterator[Database]:
    url = server.create(server.template("store", _prepare))
    async with open_database(url) as database:
        yield database
    server.drop(url)


@pytest.fixture
async def books(database_server: DatabaseServer) -> AsyncIterator[Database]:
    """Fresh books on the embedded server."""
    async for database in _books(database_server):
        yield database


@pytest.fixture(params=["database_server", "plain_server"])
async def any_books(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """Fresh books, on each of the two servers."""
    async for database in _books(request.getfixturevalue(request.param)):
        yield database
