"""An embedded directory is shared by processes, survives kills, and is refused when it is not ours."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from clearing.errors import ClearingError, UsageError, WorldFailed
from clearing.store import embedded
from clearing.store.database import open_database

# Opens a directory, says so, and goes when its input ends.
USER = """
import asyncio, sys
from clearing.store.database import open_database
async def main():
    async with open_database(sys.argv[1]) as database:
        print(database.how, flush=True)
        await asyncio.to_thread(sys.stdin.read)
asyncio.run(main())
"""


def user(directory: Path) -> subprocess.Popen[str]:
    """Start a process that has the directory open."""
    process = subprocess.Popen(
        [sys.executable, "-c", USER, f"embedded:{directory}"],
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stdout.readline().startswith("embedded PostgreSQL 18.")
    return process


def postmaster(directory: Path) -> int | None:
    """The running server's process, None if there is none."""
    file = directory / "postgres" / "postmaster.pid"
    return int(file.read_text().splitlines()[0]) if file.exists() else None


def test_processes_share_a_server_and_the_last_one_stops_it(tmp_path: Path) -> None:
    """Two workers and an ingest may use one directory at the same time."""
    first, second = user(tmp_path), user(tmp_path)
    server = postmaster(tmp_path)
    assert server
    first.communicate()
    assert postmaster(tmp_path) == server
    second.communicate()
    assert postmaster(tmp_path) is None
    assert (first.returncode, second.returncode) == (0, 0)


def test_many_may_open_a_new_directory_at_once(tmp_path: Path) -> None:
    """The first makes the cluster, the others wait for it and join."""
    code = [sys.executable, "-c", USER, f"embedded:{tmp_path}"]
    started = [
        subprocess.Popen(code, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(3)
    ]
    for process in started:
        said, _ = process.communicate()
        assert said.startswith("embedded PostgreSQL 18.")
        assert process.returncode == 0
    assert postmaster(tmp_path) is None


def test_a_killed_user_is_no_longer_counted(tmp_path: Path) -> None:
    """A worker killed with SIGKILL does not keep the server running after the others have left."""
    killed, left = user(tmp_path), user(tmp_path)
    killed.kill()
    killed.communicate()
    left.communicate()
    assert postmaster(tmp_path) is None


async def test_what_was_committed_is_there_after_the_server_was_killed(tmp_path: Path) -> None:
    """A power cut loses nothing that was acknowledged, and the next start recovers by itself."""
    url = f"embedded:{tmp_path}"
    async with open_database(url) as database:
        async with database.engine.begin() as connection:
            await connection.execute(text("CREATE TABLE kept AS SELECT 1 AS n"))
        server = embedded.acquire(tmp_path)
        embedded._pg_ctl(server.cluster, "-m", "immediate", "-w", "stop")
        embedded.release(tmp_path)
    for _ in range(2):
        async with open_database(url) as database, database.engine.connect() as connection:
            assert (await connection.execute(text("SELECT n FROM kept"))).scalar_one() == 1


async def test_who_has_it_open_starts_a_server_that_died(tmp_path: Path) -> None:
    """Nobody else watches over it: a worker that has it open goes on after its server was killed."""
    async with open_database(f"embedded:{tmp_path}") as database:
        async with database.engine.begin() as connection:
            await connection.execute(text("CREATE TABLE kept AS SELECT 1 AS n"))
        server = postmaster(tmp_path)
        assert server
        os.kill(server, signal.SIGKILL)
        async with asyncio.timeout(300):
            while True:  # until the killed server's processes have gone too
                with contextlib.suppress(DBAPIError, OSError, WorldFailed):
                    async with database.engine.connect() as connection:
                        found = await connection.execute(text("SELECT n FROM kept"))
                        assert found.scalar_one() == 1
                    if postmaster(tmp_path) != server:
                        break
    assert postmaster(tmp_path) is None


@pytest.mark.parametrize("name", ["long-" * 30, "a + b & 100% of #1, O'Brien's 银行"], ids=["long", "odd"])
@pytest.mark.parametrize("temporary", ["t", "long-" * 30], ids=["", "long temporary folder"])
async def test_any_path_gets_a_socket_that_can_be_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, temporary: str
) -> None:
    """Neither the kernel's limit on a socket's path nor the signs of settings and URLs are the user's concern."""
    (tmp_path / temporary).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / temporary))
    directory = tmp_path / name
    async with open_database(f"embedded:{directory}") as database, database.engine.connect() as connection:
        assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1
        server = embedded.acquire(directory)
        embedded.release(directory)
        assert server.socket_directory.stat().st_mode & 0o777 == 0o700
    server.socket_directory.rmdir()


async def test_a_path_that_a_shell_would_read_is_refused(tmp_path: Path) -> None:
    """PostgreSQL's starter would run what stands in it."""
    with pytest.raises(UsageError, match=r"expected a path without .* got '\$'\. Next: name another"):
        async with open_database(f"embedded:{tmp_path}/$HOME"):
            pass
    assert list(tmp_path.iterdir()) == []


async def test_variables_that_are_meant_for_other_servers_lead_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has PGPORT and its like set opens the same books as who has not."""
    async with open_database(f"embedded:{tmp_path}"):
        odd = {
            "PGPORT": "1",
            "PGHOST": "nowhere",
            "PGSSLMODE": "verify-full",
            "PGUSER": "x",
            "PGDATABASE": "x",
        }
        for name, value in odd.items():
            monkeypatch.setenv(name, value)
        user(tmp_path).communicate()
    async with open_database(f"embedded:{tmp_path}") as database, database.engine.connect() as connection:
        assert (await connection.execute(text("SHOW port"))).scalar_one() == "5432"
    assert postmaster(tmp_path) is None


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("PG_VERSION", "15\n", "some other PostgreSQL's own directory"),
        ("postgres/PG_VERSION", "16\n", "PostgreSQL 18 expected, 16 found"),
        ("postgres/notes.txt", "mine", "PostgreSQL 18 expected, no cluster found"),
    ],
)
async def test_a_directory_that_is_not_ours_is_left_alone(
    tmp_path: Path, file: str, content: str, message: str
) -> None:
    """We never write into a directory somebody else made."""
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(content)
    with pytest.raises(WorldFailed, match=message):
        async with open_database(f"embedded:{tmp_path}"):
            pass
    assert (tmp_path / file).read_text() == content
    assert not (tmp_path / "postgres.new").exists()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://u:geheim@127.0.0.1:1/books", r"at 127\.0\.0\.1:1/books: cannot connect"),
        ("postgresql://u:geheim@127.0.0.1:1/books?sslmode=never", r"127\.0\.0\.1:1/books: cannot connect"),
        ("mysql://u:geheim@127.0.0.1/books", r"embedded:DIR, got mysql:"),
        ("no url at all", "got no URL"),
    ],
)
async def test_a_database_that_cannot_be_opened_is_named_without_its_password(url: str, message: str) -> None:
    """The message says where we tried, never with what secret."""
    with pytest.raises(ClearingError, match=message) as refused:
        async with open_database(url):
            pass
    assert "geheim" not in str(refused.value)


async def test_a_full_disk_is_the_world_failing(tmp_path: Path) -> None:
    """A cluster that cannot be made leaves nothing half made, and the message says why."""
    full = tmp_path / "full"
    full.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(full)], check=False, capture_output=True
    )
    if mounted.returncode:  # not root: a directory we may not write to is the nearest thing
        full.chmod(0o500)
    try:
        with pytest.raises(WorldFailed, match=r"No space left on device|Permission denied"):
            async with open_database(f"embedded:{full}"):
                pass
        assert not (full / "postgres").exists()
    finally:
        subprocess.run(["umount", str(full)], check=False, capture_output=True)
