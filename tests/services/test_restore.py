"""The books dumped, restored into a new server and gone on with: the same bytes, in another environment too."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clearing.store import files
from clearing.store.database import connect, open_database
from clearing.store.session import transaction
from tests.conftest import DatabaseServer, OwnDatabase, _plain_programs
from tests.console.conftest import Said, clearing, day_folder

FIRST, SECOND = "2026-03-09", "2026-03-10"
ELSEWHERE = {"LC_ALL": "C", "LANG": "tr_TR.UTF-8", "TZ": "America/St_Johns", "PYTHONHASHSEED": "4711"}
"""Another language, half an hour off every zone here, other orders of sets."""
PROFILES = {"CLEARING_PROFILES": "P H B F N X"}


def program(name: str) -> str:
    """One of PostgreSQL's programs for people who keep databases."""
    found = _plain_programs() / name
    assert found.exists(), f"no {name} beside the server's programs: apt-get install postgresql-client-15"
    return str(found)


def ran(*words: str, **environment: str) -> str:
    """What a program printed; its own words when it failed."""
    done = subprocess.run(
        words,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, f"{words[0]}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


def elsewhere(url: str, *commands: list[str]) -> str:
    """Commands in a process of their own, on a machine that speaks and counts time otherwise."""
    start = (
        "import sys, json; from clearing.console.cli import app; sys.stdout.reconfigure(encoding='utf-8')\n"
        "for words in json.loads(sys.argv[1]): app(words, standalone_mode=False)"
    )
    settings = {"CLEARING_DATABASE_URL": url, **PROFILES}
    return ran(sys.executable, "-c", start, json.dumps(commands), **settings, **ELSEWHERE)


async def _bytes_of(url: str) -> dict[str, bytes]:
    """Every stored file."""
    async with open_database(url) as database, transaction(database.engine) as conn:
        raw = await connect(url)
        names = [name for (name,) in await raw.fetch("SELECT name FROM file")]
        await raw.close()
        return {name: await files.content(conn, name) for name in names}


def bytes_of(url: str) -> dict[str, bytes]:
    """Every stored file, by its name."""
    return asyncio.run(_bytes_of(url))


async def make_role(url: str) -> None:
    """What a dump of one database does not have."""
    raw = await connect(url)
    await raw.execute("CREATE ROLE clearing_app NOLOGIN")
    await raw.close()


def here(url: str, *words: str, **more: Any) -> Said:  # noqa: ANN401 - as `clearing`
    """One command in this process."""
    said = clearing(url, *words, CLEARING_PROFILES=PROFILES["CLEARING_PROFILES"], **more)
    assert said.code == 0, said.err
    return said


@pytest.fixture
def dumped(plain_server: DatabaseServer, tmp_path: Path) -> Any:  # noqa: ANN401 - (URL, dump)
    """Books on an ordinary server, their first day filed and one file made again, and their dump."""
    url = plain_server.create()
    here(url, "init", "--members", str(day_folder(FIRST) / "members.toml"), "--open-day", FIRST)
    here(url, "ingest", str(day_folder(FIRST) / "events.jsonl"))
    here(url, "close", FIRST)
    here(url, "files", "again", FIRST, "--for", "H1", "--type", "SUM", "--why", "x", "--as", "ann")
    ran(program("pg_dump"), "--no-owner", "--file", str(tmp_path / "books.sql"), url)
    yield url, tmp_path / "books.sql"
    plain_server.drop(url)


def test_restored_books_give_the_same_bytes_and_go_on(
    dumped: tuple[str, Path], own_database: OwnDatabase
) -> None:
    """Rendered again there they are the stored bytes; the next day closed there gives what it gives here."""
    url, dump = dumped
    restored = own_database.url
    asyncio.run(make_role(restored))
    ran(program("psql"), "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--file", str(dump), restored)
    first = bytes_of(url)
    assert bytes_of(restored) == first
    events = str(day_folder(SECOND) / "events.jsonl")
    here(url, "ingest", events)
    here(url, "close", SECOND)
    said = elsewhere(restored, ["verify", "--json"], ["ingest", events], ["close", SECOND])
    assert '"ok": true' in said.splitlines()[0], said
    second = bytes_of(restored)
    assert second == bytes_of(url)
    assert len(second) > len(first) > 0
    assert here(url, "verify", "--json").json["ok"]
