"""Files that came in and what becomes of them there: held for one that never comes, put away once judged."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from clearing.errors import UsageError
from clearing.files.check import check_file
from clearing.files.faults import Fault
from clearing.jobs.delivery.partners import Partners, SftpPlace
from clearing.jobs.receive import receive, rule, waiting
from clearing.jobs.take_file import Received, Ruling
from clearing.jobs.take_lines import Site
from clearing.store import files, verdicts
from clearing.store.session import transaction
from tests.jobs.running import Books, books, settings_of, worked_members
from tests.jobs.test_receive import DAY, NOON, STATEMENT, STM, put, taken
from tests.services.sftp_server import sftp_server

NAMES = [STM.replace("_001_", f"_00{number}_") for number in range(1, 6)]
EMPTY = STATEMENT.splitlines(keepends=True)[0]


@pytest.fixture
async def the(blank: Callable[[], str]) -> AsyncIterator[Books]:
    """Books with their first day open."""
    async with books(blank(), settings_of(), worked_members(), DAY) as opened:
        yield opened


def inbox(folder: Path, **more: str) -> Partners:
    """B1's inbox in a folder."""
    place = {"kind": "directory", "folder": folder}
    return Partners.model_validate({"inbox": [{"partner": "B1", "place": place, **more}]})


async def look(the: Books, partners: Partners) -> list[tuple[str, str]]:
    """Look into the inbox: (file, verdict)."""
    found = await receive(the.engine, the.settings, the.members, partners, now=NOON)
    assert [one.message for one in found if one.verdict == "FAILED"] == []
    return [(one.file, one.verdict) for one in found]


async def ruled(the: Books, partners: Partners, name: str, *, take: bool) -> list[Received]:
    """A person decides about a held file."""
    site = Site(the.engine, the.settings, the.members, NOON)
    return await rule(site, partners, name, Ruling("ann", "B1 says by telephone that 002 was empty", take))


async def test_a_held_file_is_taken_on_a_persons_word(the: Books, tmp_path: Path) -> None:
    """002 never comes: 003 waits, is listed, is released with a reason, and 004 behind it follows by itself."""
    put(tmp_path, NAMES[0])
    for number in (2, 3):
        put(tmp_path, NAMES[number], EMPTY + b"\n" * number)
    await taken(the, tmp_path)
    found = await waiting(the.engine)
    assert [(one.name, one.partner) for one in found] == [(NAMES[2], "B1"), (NAMES[3], "B1")]
    told = await ruled(the, inbox(tmp_path), NAMES[2], take=True)
    assert [(one.file, one.verdict) for one in told] == [(NAMES[2], "ACPT"), (NAMES[3], "ACPT")]
    assert await waiting(the.engine) == []
    async with transaction(the.engine) as conn:
        last = await verdicts.last_of(conn, found[0].file)
    assert last is not None
    assert (last.verdict, last.by_whom, last.why[:8]) == ("ACPT", "ann", "B1 says ")
    with pytest.raises(UsageError, match="expected the name of one held file, got 0"):
        await ruled(the, inbox(tmp_path), NAMES[2], take=True)


async def test_a_held_file_that_is_rejected_takes_nothing_and_is_answered(the: Books, tmp_path: Path) -> None:
    """Its sender gets an ACK that names the missing number; what waits behind it goes on waiting."""
    for number in (0, 2, 3):
        put(tmp_path, NAMES[number], STATEMENT if not number else EMPTY + b"\n" * number)
    await taken(the, tmp_path)
    (told,) = await ruled(the, inbox(tmp_path), NAMES[2], take=False)
    assert (told.verdict, told.taken, [one.code for one in told.faults]) == ("RJCT", 0, ["FIL-003"])
    assert [one.name for one in await waiting(the.engine)] == [NAMES[3]]
    async with transaction(the.engine) as conn:
        content = await files.content(conn, told.ack)
    parsed = check_file(told.ack, content).parsed
    assert parsed is not None
    head, fault = (row.record for row in parsed.rows)
    assert (head.file, head.verdict) == (NAMES[2], "RJCT")
    assert fault.got == "number 002 of STM of 2026-03-09 has not come"


async def test_judged_files_are_put_away(the: Books, tmp_path: Path) -> None:
    """With an archive the inbox keeps what is held and what has no manifest; a name that is there gets a number."""
    partners = inbox(tmp_path, archive="done")
    put(tmp_path, NAMES[0])
    put(tmp_path, NAMES[2], EMPTY)
    (tmp_path / NAMES[4]).write_bytes(EMPTY)
    assert await look(the, partners) == [(NAMES[0], "ACPT"), (NAMES[2], "HELD")]
    assert here(tmp_path) == sorted([NAMES[2], f"{NAMES[2]}.ok", NAMES[4]])
    assert here(tmp_path / "done") == [NAMES[0], f"{NAMES[0]}.ok"]
    assert (tmp_path / "done" / NAMES[0]).read_bytes() == STATEMENT
    put(tmp_path, NAMES[0], STATEMENT + b"\n")
    put(tmp_path, NAMES[1], EMPTY + b"\n")
    assert await look(the, partners) == [
        (NAMES[0], "RJCT"), (NAMES[1], "ACPT"), (NAMES[2], "ACPT"),
    ]  # fmt: skip
    assert {f"{NAMES[0]}.2", f"{NAMES[0]}.ok.2"} <= set(here(tmp_path / "done"))
    assert await look(the, partners) == []
    assert here(tmp_path) == [NAMES[4]], "003 is judged now and goes with the next look"


async def test_a_move_that_was_cut_off_is_made(the: Books, tmp_path: Path) -> None:
    """The file is away and its manifest is not: it follows."""
    partners = inbox(tmp_path, archive="done")
    put(tmp_path, NAMES[0])
    await look(the, inbox(tmp_path))
    (tmp_path / "done").mkdir()
    (tmp_path / NAMES[0]).rename(tmp_path / "done" / NAMES[0])
    assert await look(the, partners) == []
    assert (here(tmp_path), len(here(tmp_path / "done"))) == ([], 2)


async def test_an_inbox_behind_ssh_is_put_away_too(
    the: Books, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The server moves them: its folder is empty, the archive has the bytes."""
    with sftp_server(tmp_path_factory.mktemp("sftp")) as server:
        place: SftpPlace = server.place(folder=str(server.root))
        said: dict[str, Any] = {"partner": "B1", "archive": "taken", "place": place.model_dump()}
        put(server.root, NAMES[0])
        partners = Partners.model_validate({"inbox": [said]})
        assert await look(the, partners) == [(NAMES[0], "ACPT")]
        assert here(server.root) == []
        assert (server.root / "taken" / NAMES[0]).read_bytes() == STATEMENT
        assert await look(the, partners) == []


def here(folder: Path) -> list[str]:
    """The files of a folder."""
    return sorted(one.name for one in folder.iterdir() if one.is_file())


def test_a_fault_without_a_place_names_the_file() -> None:
    """As it stands in messages."""
    fault = Fault(NAMES[2], 0, 0, "", "the file before it", "none", "FIL-003")
    assert str(fault) == f'{NAMES[2]}: expected the file before it, got "none" [FIL-003]'
