"""Books for the jobs, each a copy of one prepared database, as many as a test asks for; and a server for files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import DatabaseServer
from tests.jobs.payout_round import Round
from tests.jobs.reconcile_desk import Desk, three_days
from tests.jobs.running import FIRST_DAY, Books, books, prepare, settings_of, worked_lines, worked_members
from tests.services.sftp_server import SftpServer, sftp_server


@pytest.fixture
def blank(database_server: DatabaseServer) -> Iterator[Callable[[], str]]:
    """Makes databases with the schema and nothing in it, and gives their URLs."""
    made: list[str] = []

    def create() -> str:
        made.append(database_server.create(database_server.template("jobs", prepare)))
        return made[-1]

    yield create
    for url in made:
        database_server.drop(url)


@pytest.fixture
async def ninth(blank: Callable[[], str]) -> AsyncIterator[Books]:
    """Books with the first worked day closed."""
    async with books(blank(), settings_of(), worked_members(), FIRST_DAY) as opened:
        await opened.ingest(worked_lines(9))
        await opened.close(FIRST_DAY)
        yield opened


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SftpServer]:
    """An OpenSSH server that can all that ours can: where platform and partners meet."""
    with sftp_server(tmp_path_factory.mktemp("sftp")) as found:
        yield found


@pytest.fixture
def round_(the: Books, server: SftpServer, tmp_path: Path) -> Round:
    """A round of its own on that server, over the module's books."""
    return Round(the, server, server.root / tmp_path.name)


@pytest.fixture
async def filed(database_server: DatabaseServer) -> AsyncIterator[Books]:
    """Books in which the three worked days are filed and nothing is reconciled."""
    url = database_server.create(database_server.template("reconcile", three_days))
    async with books(url, settings_of(), worked_members()) as found:
        yield found
    database_server.drop(url)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A folder for files."""
    return Desk(tmp_path)
