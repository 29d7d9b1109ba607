"""Commands on a full disk: exit code 3, what is full and what to do next; run again with room they are done."""

from __future__ import annotations

import asyncio
import functools
from pathlib import Path
from typing import Any

from clearing.files.manifest import MANIFEST_SUFFIX
from clearing.jobs.generate import CITY
from tests.conftest import OwnDatabase
from tests.console.conftest import Clearing, Said, clearing
from tests.jobs.running import FIRST_DAY, a_day, values
from tests.jobs.test_full_disk import FULL, on_disk
from tests.services.small_disk import small_disk

EVENTS = 500
DAY = f"{FIRST_DAY}"


def events(folder: Path) -> Path:
    """A generated day in a file."""
    file = folder / "events.jsonl"
    file.write_bytes(b"\n".join(values(a_day(EVENTS, 33))) + b"\n")
    return file


def opened(url: str, **settings: Any) -> Clearing:  # noqa: ANN401 - settings of a command
    """The program on new books with the city's members."""
    run = functools.partial(clearing, url, **settings)
    assert run("init", "--members", f"{CITY}", "--open-day", DAY).code == 0
    return run


def refused(said: Said) -> None:
    """It ended as the world failing, said what is full and what to do next, and nothing else."""
    assert said.code == 3, said
    assert FULL in said.out + said.err
    assert "Next:" in said.out + said.err
    assert "Traceback" not in said.err


def lying(folder: Path) -> dict[str, bytes]:
    """What a reader of the folder finds, without the manifests, which say when they were made."""
    return {
        f"{one.relative_to(folder)}": one.read_bytes()
        for one in folder.rglob("*")
        if one.is_file() and one.suffix not in {MANIFEST_SUFFIX, ".tmp"} and one.name != "filler"
    }


def test_what_a_full_database_refuses_is_done_by_running_it_again(
    own_database: OwnDatabase, database_url: str, tmp_path: Path
) -> None:
    """Events and the end of a day: nothing is half done, and the files are those of books that were never full."""
    file = events(tmp_path)
    quiet = opened(database_url)
    assert quiet("ingest", f"{file}").code == 0
    assert quiet("close", DAY).code == 0
    assert quiet("files", "write", DAY, "--out", f"{tmp_path / 'quiet'}").code == 0
    with small_disk(64) as disk:
        run = opened(asyncio.run(on_disk(own_database, disk)))
        disk.fill()
        refused(run("ingest", f"{file}"))
        disk.empty()
        assert run("ingest", f"{file}", "--json").json["taken"] == EVENTS
        disk.fill()
        refused(run("close", DAY))
        assert run("verify").code == 0
        disk.empty()
        assert run("close", DAY).code == 0
        assert run("verify").code == 0
        assert run("files", "write", DAY, "--out", f"{tmp_path / 'full'}").code == 0
        own_database.kill()
    assert lying(tmp_path / "full") == lying(tmp_path / "quiet") != {}


def test_files_that_find_no_room_are_whole_or_not_there(database_url: str, tmp_path: Path) -> None:
    """Written by hand, delivered or as a report: a reader never finds a part, and with room again all of it."""
    run = opened(database_url, CLEARING_PARTNERS=f"{tmp_path / 'partners.toml'}")
    assert run("ingest", f"{events(tmp_path)}").code == 0
    assert run("close", DAY).code == 0
    assert run("files", "write", DAY, "--out", f"{tmp_path / 'wanted'}").code == 0
    assert run("report", "day", DAY, "--out", f"{tmp_path / 'reports'}", "--format", "csv").code == 0
    wanted, reports = lying(tmp_path / "wanted"), lying(tmp_path / "reports")
    with small_disk(8) as disk:
        (tmp_path / "partners.toml").write_text(
            f'[[target]]\nreceiver = "*"\nplace = {{kind = "directory", folder = "{disk.path}/in/{{receiver}}"}}\n'
        )
        for words, folder, all_of_it in (
            (["files", "write", DAY, "--out", f"{disk.path}/out"], "out", wanted),
            (["deliver", "--now"], "in", wanted),
            (["report", "day", DAY, "--out", f"{disk.path}/reports", "--format", "csv"], "reports", reports),
        ):
            disk.fill(leave_bytes=4096)
            refused(run(*words))
            found = lying(disk.path / folder)
            assert found.items() < all_of_it.items(), folder
            disk.empty()
            assert run(*words).code == 0, folder
            assert lying(disk.path / folder) == all_of_it
            assert not list(disk.path.rglob("*.tmp"))
