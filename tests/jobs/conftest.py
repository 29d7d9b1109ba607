"""Books for the jobs, each a copy of one prepared database, as many as a test asks for; and a server for files."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.conftest import DatabaseServer
from tests.jobs.running import prepare
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


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SftpServer]:
    """An OpenSSH server that can all that ours can: where platform and partners meet."""
    with sftp_server(tmp_path_factory.mktemp("sftp")) as found:
        yield found
