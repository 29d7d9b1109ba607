"""Commands whose embedded server cannot start: exit code 3 and what to do; a worker waits where waiting helps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clearing.errors import WorldFailed
from clearing.store import embedded
from tests.console.conftest import FIXTURES, clearing, day_folder
from tests.services.small_disk import SmallDisk, small_disk

MEMBERS = f"{day_folder('2026-03-09') / 'members.toml'}"
INIT = ("init", "--members", MEMBERS, "--open-day", "2026-03-09")
NOWHERE = "127.0.0.1:1"
COMMANDS = [
    ("balances", "--json"),
    ("ingest", f"{FIXTURES / 'days' / '2026-03-09-worked-day' / 'events.jsonl'}"),
    ("close", "2026-03-09"),
    ("receive",),
    ("worker", "--json"),
]
"""One that looks, one that takes, one that closes, one with partners, and the one that never ends by itself."""
PATIENCE_SECONDS = 180


@pytest.fixture(scope="module")
def disk() -> Iterator[SmallDisk]:
    """Books on a small disk; nobody has them open."""
    with small_disk(120) as found:
        assert clearing(f"embedded:{found.path}/db", *INIT).code == 0
        yield found


def refused(url: str, words: tuple[str, ...], *parts: str) -> None:
    """It ended as the world failing; the message has all its parts, and nothing else is said."""
    said = clearing(url, *words, CLEARING_KAFKA_BOOTSTRAP=NOWHERE)
    told = said.json["error"] if "--json" in words else ""
    assert (said.code, told or said.out) == (3, said.err.strip() if told else ""), said
    assert said.err.startswith(f"embedded database in {url.removeprefix('embedded:')}: "), said.err
    for part in ("expected", "Next: ", *parts):
        assert part in said.err, (part, said.err)
    assert "Traceback" not in said.err
    assert len(said.err.strip().splitlines()) == 1, said.err


@pytest.mark.parametrize("words", [*COMMANDS, ("members", "load", MEMBERS)], ids=lambda words: words[0])
def test_only_init_makes_books(tmp_path: Path, words: tuple[str, ...]) -> None:
    """In a folder without books every other command says how to come to some, and leaves nothing there."""
    said = clearing(f"embedded:{tmp_path}/db", *words, CLEARING_KAFKA_BOOTSTRAP=NOWHERE)
    assert said.code == 2, said
    for part in (f"{tmp_path}/db", "clearing init --members FILE --open-day DATE", "CLEARING_DATABASE_URL"):
        assert part in said.err, said.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_data_of_another_version_is_refused(disk: SmallDisk, words: tuple[str, ...]) -> None:
    """Which version made it, which is expected, and how to go on; a worker ends too, since waiting helps nobody."""
    version = disk.path / "db" / "postgres" / "PG_VERSION"
    version.write_text("15\n")
    try:
        refused(
            f"embedded:{disk.path}/db", words, "made by PostgreSQL 18 expected, 15 found", "dump it there"
        )
    finally:
        version.write_text("18\n")


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_folder_that_nobody_may_write_is_refused(disk: SmallDisk, words: tuple[str, ...]) -> None:
    """Who may not write what, and two ways on; a worker ends too."""
    disk.read_only()
    try:
        refused(
            f"embedded:{disk.path}/db", words, "Read-only file system", "start.lock", "CLEARING_DATABASE_URL"
        )
    finally:
        disk.read_only(yes=False)


def test_a_folder_of_another_account_is_named_with_ours(disk: SmallDisk) -> None:
    """Another account's folder: whose right is missing, and where."""
    closed = disk.path / "closed"
    closed.mkdir(mode=0o700)
    mine = os.geteuid()
    os.seteuid(65534)
    try:
        with pytest.raises(WorldFailed) as failed:
            embedded.acquire(closed / "db")
    finally:
        os.seteuid(mine)
    assert "expected a directory that nobody may write" in str(failed.value)
    assert "Permission denied" in str(failed.value)


@pytest.mark.parametrize("words", COMMANDS[:-1], ids=lambda words: words[0])
def test_a_full_disk_is_said_with_what_is_free(disk: SmallDisk, words: tuple[str, ...]) -> None:
    """The server cannot start: the disk is named, how much is free, what the server said; with room it is done."""
    disk.fill()
    try:
        refused(
            f"embedded:{disk.path}/db", words, "expected room on its disk, got 0 MB free", "make room there"
        )
    finally:
        disk.empty()
    if words[0] == "balances":
        assert clearing(f"embedded:{disk.path}/db", *words).code == 0


def test_books_that_find_no_room_to_be_made_leave_none_taken() -> None:
    """A cluster half made is cleared away: the next run has the room that it took."""
    with small_disk(20) as disk:
        refused(f"embedded:{disk.path}/db", INIT, "cannot be made", "No space left on device")
        assert [one.name for one in (disk.path / "db").iterdir()] == ["start.lock"]


def test_a_damaged_folder_is_said_with_the_words_of_this_start(disk: SmallDisk) -> None:
    """A file of the server's is gone: what it says now, not what an earlier start failed of."""
    control = disk.path / "db" / "postgres" / "global" / "pg_control"
    content = control.read_bytes()
    disk.fill()
    refused(f"embedded:{disk.path}/db", COMMANDS[0], "0 MB free")
    disk.empty()
    control.unlink()
    try:
        refused(f"embedded:{disk.path}/db", COMMANDS[0], "does not start", "pg_control", "restore")
    finally:
        owner = (disk.path / "db" / "postgres").stat()
        control.write_bytes(content)
        os.chown(control, owner.st_uid, owner.st_gid)


def test_a_worker_waits_until_there_is_room(disk: SmallDisk, tmp_path: Path) -> None:
    """It says why it waits, starts the server by itself when there is room, and ends when it is told to."""
    disk.fill()
    log = tmp_path / "worker.log"
    with log.open("w") as stderr:
        worker = subprocess.Popen(
            [sys.executable, "-c", "from clearing.console.cli import main; main()", "worker"],
            env=os.environ | {
                "CLEARING_DATABASE_URL": f"embedded:{disk.path}/db",
                "CLEARING_KAFKA_BOOTSTRAP": NOWHERE,
            },
            cwd=tmp_path, stdout=stderr, stderr=stderr,
        )  # fmt: skip
        try:
            says(worker, log, "trying again", "expected room on its disk")
            disk.empty()
            says(worker, log, "worker: embedded PostgreSQL")
            worker.send_signal(signal.SIGTERM)
            worker.wait(PATIENCE_SECONDS)
        finally:
            worker.kill()
            worker.wait()
    assert "Traceback" not in log.read_text()


def says(worker: subprocess.Popen[bytes], log: Path, *words: str) -> None:
    """Wait until a line of the log has all these words."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not any(all(word in line for word in words) for line in log.read_text().splitlines()):
        assert worker.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.1)
