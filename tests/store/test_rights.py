"""An ordinary user owns the books of a shared server: no superuser is needed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.engine import make_url

from clearing.errors import WorldFailed
from clearing.store.database import connect, open_database
from clearing.store.migrations import upgrade
from clearing.store.record import record
from clearing.store.session import transaction
from tests.conftest import DatabaseServer
from tests.store.made import batch, posted

OWNER = "ordinary_owner"


@pytest.fixture(params=["database_server", "plain_server"])
async def owned(request: pytest.FixtureRequest) -> AsyncIterator[tuple[DatabaseServer, str]]:
    """A server, and the URL of a new database on it that an ordinary user owns."""
    server: DatabaseServer = request.getfixturevalue(request.param)
    url = make_url(server.create())
    admin = await connect(server.admin_url)
    await admin.execute(f"CREATE ROLE {OWNER} LOGIN PASSWORD 'for-tests'")
    await admin.execute(f'ALTER DATABASE "{url.database}" OWNER TO {OWNER}')
    yield server, url.set(username=OWNER, password="for-tests").render_as_string(hide_password=False)  # noqa: S106
    server.drop(url.render_as_string(hide_password=False))
    await admin.execute(f"DROP ROLE {OWNER}")
    await admin.close()


async def test_an_ordinary_user_is_told_what_an_administrator_must_run(
    owned: tuple[DatabaseServer, str],
) -> None:
    """Who may not make the role, or is no member of it, gets the statement that helps, and then it works."""
    server, url = owned
    async with open_database(url) as database:
        with pytest.raises(WorldFailed, match="GRANT clearing_app TO"):
            await upgrade(database.engine)
    admin = await connect(server.admin_url)
    known = await admin.fetchval("SELECT true FROM pg_roles WHERE rolname = 'clearing_app'")
    if not known:
        await admin.execute("CREATE ROLE clearing_app NOLOGIN")
    await admin.execute(f"GRANT clearing_app TO {OWNER}")
    await admin.close()
    async with open_database(url) as database:
        await upgrade(database.engine)
        async with transaction(database.engine) as conn:
            assert (await record(conn, batch([posted("P1")])))[0] == 1


async def test_a_user_who_may_make_roles_needs_no_help(owned: tuple[DatabaseServer, str]) -> None:
    """With CREATEROLE the first upgrade makes the role and joins it, where the server has none yet."""
    server, url = owned
    admin = await connect(server.admin_url)
    await admin.execute(f"ALTER ROLE {OWNER} CREATEROLE")
    known = await admin.fetchval("SELECT true FROM pg_roles WHERE rolname = 'clearing_app'")
    if (
        known
    ):  # made by another test, so by somebody else: on PostgreSQL 16 and later only that one may grant it
        await admin.execute(f"GRANT clearing_app TO {OWNER} WITH ADMIN OPTION")
    await admin.close()
    async with open_database(url) as database:
        await upgrade(database.engine)
        async with transaction(database.engine) as conn:
            assert (await record(conn, batch([posted("P1")])))[0] == 1
