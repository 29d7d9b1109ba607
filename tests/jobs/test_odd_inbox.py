"""What lies in a partner's inbox and cannot be taken stops nothing else: each by itself is told."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from clearing.jobs.delivery.partners import Partners
from clearing.jobs.receive import receive
from clearing.jobs.take_file import Received
from clearing.store import statements
from clearing.store.database import open_database
from clearing.store.session import transaction
from tests.jobs.running import Books, books, settings_of, worked_members
from tests.jobs.test_receive import NOON, STATEMENT, STM, acks, manifest_of, put
from tests.services.sftp_server import SftpServer

DAY = date(2026, 3, 9)
GBK = "对账.csv".encode("gbk")
"""A name as many a bank's machine writes it: no UTF-8."""
LARGEST = 1_000_000_000
ODD = Path(STM.replace("20260309", "20260308"))
"""The name of what is odd: before the good file, in order of name."""


@pytest.fixture
async def the(blank: Callable[[], str]) -> AsyncIterator[Books]:
    """Books with an open day."""
    async with books(blank(), settings_of(), worked_members(), DAY) as opened:
        yield opened


async def taken(the: Books, place: dict[str, Any]) -> list[Received]:
    """Look into B1's inbox."""
    said = Partners.model_validate({"inbox": [{"partner": "B1", "place": place}]})
    return await receive(the.engine, the.settings, the.members, said, now=NOON)


def in_gbk(folder: Path) -> None:
    """A file whose name is no UTF-8."""
    (folder / os.fsdecode(GBK)).write_bytes(STATEMENT)
    (folder / os.fsdecode(GBK + b".ok")).write_bytes(b"{}")


def too_large(folder: Path) -> None:
    """A file that no database takes in one piece; it takes no room here."""
    (folder / f"{ODD}.ok").write_bytes(b"{}")
    with (folder / ODD).open("wb") as file:
        file.truncate(LARGEST + 1)


def a_folder(folder: Path) -> None:
    """A folder under a file's name."""
    (folder / f"{ODD}.ok").write_bytes(b"{}")
    (folder / ODD).mkdir()


def a_link(folder: Path) -> None:
    """A link out of the inbox, to what only we may read."""
    secret = folder.parent / f"{folder.name}.secret"
    secret.write_bytes(b"H|nobody's business\n")
    (folder / f"{ODD}.ok").write_bytes(manifest_of(f"{ODD}", secret.read_bytes()))
    (folder / ODD).symlink_to(secret)


WRITTEN = "\\xb6\\xd4\\xd5\\xcb.csv"

# fmt: off
DIRECTORY = [
    ("no UTF-8",  in_gbk,    WRITTEN,   "expected a name in UTF-8"),
    ("too large", too_large, f"{ODD}", "expected at most 1000000000 bytes, got 1000000001"),
    ("a link",    a_link,    f"{ODD}", "symbolic link"),
]
SFTP = [
    ("no UTF-8",  in_gbk,    WRITTEN,   "expected a name in UTF-8"),
    ("too large", too_large, f"{ODD}", "expected at most 1000000000 bytes, got 1000000001"),
    ("a folder",  a_folder,  f"{ODD}", "Next: run again"),
]
# fmt: on


@pytest.mark.parametrize(("what", "lay", "name", "said"), DIRECTORY)
async def test_what_cannot_be_taken_from_a_directory_stops_nothing_else(  # noqa: PLR0917 - a row of the table
    the: Books, tmp_path: Path, what: str, lay: Callable[[Path], None], name: str, said: str
) -> None:
    """The odd file is told by its name, the good one behind it is taken, and nothing of the odd one is kept."""
    folder = tmp_path / "in"
    folder.mkdir()
    lay(folder)
    put(folder, STM)
    found = await taken(the, {"kind": "directory", "folder": folder})
    await told(the, found, what, name, said)


@pytest.mark.parametrize(("what", "lay", "name", "said"), SFTP)
async def test_what_cannot_be_taken_from_a_server_stops_nothing_else(  # noqa: PLR0917 - a row of the table
    the: Books,
    server: SftpServer,
    tmp_path: Path,
    what: str,
    lay: Callable[[Path], None],
    name: str,
    said: str,
) -> None:
    """The same behind SSH, where a folder is listed like a file."""
    folder = server.root / tmp_path.name
    folder.mkdir()
    lay(folder)
    put(folder, STM)
    found = await taken(the, server.place(folder=str(folder)).model_dump())
    await told(the, found, what, name, said)


async def told(the: Books, found: list[Received], what: str, name: str, said: str) -> None:
    """One FAILED by its name, one ACPT."""
    assert sorted((one.file, one.verdict) for one in found) == sorted([(name, "FAILED"), (STM, "ACPT")]), what
    (failed,) = [one for one in found if one.verdict == "FAILED"]
    assert said in failed.message
    assert await the.rows("SELECT name FROM statement_file") == [(STM,)]


async def test_a_name_of_two_lines_is_answered_soundly(the: Books, tmp_path: Path) -> None:
    """A line end and a bar in a name end no line and no field of the ACK."""
    put(tmp_path, "RHC_STM|B1\nD|x.csv")
    (found,) = await taken(the, {"kind": "directory", "folder": tmp_path})
    assert found.verdict == "RJCT"
    assert len(await acks(the)) == 1


async def test_a_manifest_that_is_still_being_written_is_waited_for(the: Books, tmp_path: Path) -> None:
    """Its name is there before its bytes, as by any plain copy: nothing is judged until it stands still."""
    put(tmp_path, STM)
    ok = tmp_path / f"{STM}.ok"
    whole = ok.read_bytes()
    ok.write_bytes(b"")
    assert await looked_at_while_written(the, ok, whole) == []
    ok.write_bytes(whole)
    (found,) = await taken(the, {"kind": "directory", "folder": tmp_path})
    assert found.verdict == "ACPT"


async def test_a_file_that_still_grows_beside_its_manifest_is_waited_for(the: Books, tmp_path: Path) -> None:
    """A client that sends several files at once has the small one done first: no name is used up by half a file."""
    put(tmp_path, STM)
    (tmp_path / STM).write_bytes(STATEMENT[:100])
    assert await looked_at_while_written(the, tmp_path / STM, STATEMENT) == []
    (tmp_path / STM).write_bytes(STATEMENT)
    (found,) = await taken(the, {"kind": "directory", "folder": tmp_path})
    assert found.verdict == "ACPT"


async def looked_at_while_written(the: Books, path: Path, whole: bytes) -> list[Received]:
    """Look into a folder in which a file is being written as long as that takes, and never comes to its end."""
    looking = asyncio.create_task(taken(the, {"kind": "directory", "folder": path.parent}))
    for length in itertools.cycle(range(1, len(whole) // 2)):
        await asyncio.sleep(0.05)
        if looking.done():
            break
        path.write_bytes(whole[:length])
    return await looking


async def test_a_manifest_that_stays_empty_is_refused(the: Books, tmp_path: Path) -> None:
    """A partner that only touches its `.ok` hears what is missing, in the first look."""
    put(tmp_path, STM)
    (tmp_path / f"{STM}.ok").write_bytes(b"")
    (found,) = await taken(the, {"kind": "directory", "folder": tmp_path})
    assert (found.verdict, {one.code for one in found.faults}) == ("RJCT", {"FMT-011"})


async def test_the_same_bytes_kept_by_two_at_once_have_one_number(the: Books) -> None:
    """Who waits for the other's transaction gets the number that the other gave."""
    file = {"kind": "STM", "partner": "B1", "day": DAY, "name": STM, "content": STATEMENT}
    async with open_database(the.url) as other:

        async def again() -> int:
            async with transaction(other.engine) as conn:
                return await statements.keep(conn, **file)  # type: ignore[arg-type]

        async with transaction(the.engine) as conn:
            number = await statements.keep(conn, **file)  # type: ignore[arg-type]
            second = asyncio.create_task(again())
            await asyncio.sleep(0.3)
        assert await second == number
