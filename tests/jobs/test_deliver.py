"""Files on their way to receivers, over a real SFTP server, the real disk and a real object store."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from clearing.errors import UsageError
from clearing.files.layout import load_layout
from clearing.files.manifest import Manifest, read_manifest
from clearing.files.outgoing import RenderedFile
from clearing.jobs.deliver import Delivered, deliver
from clearing.jobs.delivery.partners import Partners, Target, expect_known, load_partners
from clearing.store import files
from clearing.store.session import transaction
from tests.jobs.running import FIRST_DAY, Books, books, settings_of, worked_members
from tests.services.sftp_server import SftpServer, cutting, sftp_server

SMALL = "RHC_SUM_PLAT_B1_20260309_001_V1.txt"
LARGE = "RHC_TXN_PLAT_B1_20260309_001_V1.txt"
LARGE_BYTES = 3_000_000
NOON = datetime(2026, 3, 10, 4, 0, tzinfo=UTC)


def made(name: str, content: bytes) -> RenderedFile:
    """A file of these bytes for B1, as the day's end would have rendered it."""
    return RenderedFile(
        name=name,
        type=name[4:7],
        sender="PLAT",
        receiver="B1",
        clearing_date=FIRST_DAY,
        seq=1,
        version=1,
        profile="P",
        content=content,
        records=1,
        amount_total=100,
        hash_total=7,
        net_fen=0,
        sha256=hashlib.sha256(content).hexdigest(),
        sm3=hashlib.new("sm3", content).hexdigest(),
        replaces="",
    )


@pytest.fixture
async def the(blank: Callable[[], str]) -> AsyncIterator[Books]:
    """Books with one small and one large file for B1."""
    async with books(blank(), settings_of(), worked_members()) as opened:
        async with transaction(opened.engine) as conn:
            some = [made(SMALL, b"H|1|\r\n"), made(LARGE, random.Random(5).randbytes(LARGE_BYTES))]
            await files.keep(conn, some, load_layout("P"), 1)
        yield opened


@pytest.fixture
def place(server: SftpServer, tmp_path: Path) -> dict[str, Any]:
    """A folder of this test on the server."""
    return server.place(folder=str(server.root / tmp_path.name / "{receiver}")).model_dump()


def partners(place: dict[str, Any], **more: Any) -> Partners:  # noqa: ANN401 - fields of a target
    """One target for B1."""
    return Partners(target=(Target.model_validate({"receiver": "B1", "place": place} | more),))


def folder(place: dict[str, Any]) -> Path:
    """Where its files come out on the server."""
    return Path(place["folder"].replace("{receiver}", "B1"))


async def sent(the: Books, to: Partners, *, now: datetime = NOON, **more: Any) -> dict[str, Delivered]:  # noqa: ANN401
    """Deliver, and give what became of each file."""
    return {one.file: one for one in await deliver(the.engine, the.settings, to, now=lambda: now, **more)}


async def results(the: Books) -> list[tuple[Any, ...]]:
    """Every attempt as it is kept."""
    return await the.rows(
        "SELECT file, attempt, result, sent, resumed_from FROM delivery_attempt ORDER BY file, attempt"
    )


async def whole(the: Books, where: Path) -> None:
    """Both files lie there byte for byte with manifests that say so, and nothing else."""
    query = "SELECT name, string_agg(content, '' ORDER BY no) FROM file_part GROUP BY name"
    for name, content in await the.rows(query):
        assert (where / name).read_bytes() == content
        manifest = read_manifest(name, (where / f"{name}.ok").read_bytes())
        assert isinstance(manifest, Manifest)
        assert (manifest.file, manifest.sha256) == (name, hashlib.sha256(content).hexdigest())
    assert len(list(where.iterdir())) == 4


# ---------------------------------------------------------------- SFTP


async def test_files_go_to_an_sftp_server_once(the: Books, place: dict[str, Any]) -> None:
    """Both files arrive, durable and renamed by posix-rename; a second run sends nothing, each try is kept."""
    first = await sent(the, partners(place))
    assert {name: one.result for name, one in first.items()} == {SMALL: "DELIVERED", LARGE: "DELIVERED"}
    await whole(the, folder(place))
    assert await sent(the, partners(place)) == {}
    assert await results(the) == [(SMALL, 1, "DELIVERED", 6, 0), (LARGE, 1, "DELIVERED", LARGE_BYTES, 0)]
    ((receipt, at, sha256),) = await the.rows(
        "SELECT receipt, started_at, sha256 FROM delivery_attempt WHERE file = :name", name=LARGE
    )
    assert receipt == {"durable": True, "renamed": "posix-rename", "bytes": LARGE_BYTES}
    assert at == NOON
    assert sha256 == hashlib.sha256((folder(place) / LARGE).read_bytes()).digest()


async def test_what_the_receiver_took_away_is_not_sent_again(the: Books, place: dict[str, Any]) -> None:
    """A receiver that empties its folder does not get the files a second time."""
    await sent(the, partners(place))
    for one in folder(place).iterdir():
        one.unlink()
    assert await sent(the, partners(place)) == {}
    assert list(folder(place).iterdir()) == []


async def test_a_connection_cut_in_the_middle_goes_on_from_there(
    the: Books, place: dict[str, Any], server: SftpServer
) -> None:
    """After a cut nothing is visible but a .tmp; the next attempt sends the rest and the bytes are the same."""
    async with cutting(server, LARGE_BYTES // 2) as port:
        server.knows(port)
        cut = await sent(the, partners(place | {"port": port}))
    assert (cut[SMALL].result, cut[LARGE].result) == ("DELIVERED", "FAILED")
    left = (folder(place) / f"{LARGE}.tmp").stat().st_size
    assert 0 < left < LARGE_BYTES
    assert not (folder(place) / LARGE).exists()
    assert not (folder(place) / f"{LARGE}.ok").exists()
    waits = await sent(the, partners(place), now=NOON + timedelta(seconds=59))
    assert [(one.result, one.next_at) for one in waits.values()] == [
        ("WAITING", NOON + timedelta(seconds=60))
    ]
    again = await sent(the, partners(place), now=NOON + timedelta(seconds=60))
    [last] = again.values()
    assert (last.result, last.sent) == ("DELIVERED", LARGE_BYTES - last.resumed_from)
    assert last.resumed_from >= left, "a server may write the last of what had arrived when we have looked"
    await whole(the, folder(place))


async def test_a_partial_file_that_is_not_ours_is_begun_anew(the: Books, place: dict[str, Any]) -> None:
    """A .tmp with other bytes, of a server that filled a hole with zeros, is not gone on with."""
    folder(place).mkdir(parents=True)
    (folder(place) / f"{LARGE}.tmp").write_bytes(bytes(1_000_000))
    done = await sent(the, partners(place))
    assert (done[LARGE].sent, done[LARGE].resumed_from) == (LARGE_BYTES, 0)
    await whole(the, folder(place))


async def test_a_server_without_posix_rename_is_served_too(the: Books, tmp_path: Path) -> None:
    """Where the extension is missing, the protocol's own rename gives the file its name."""
    with sftp_server(tmp_path / "old", "-P", "posix-rename,fsync") as old:
        place = old.place(folder=str(old.root / "in")).model_dump()
        assert {one.result for one in (await sent(the, partners(place))).values()} == {"DELIVERED"}
        await whole(the, old.root / "in")
    receipts = await the.rows(
        "SELECT DISTINCT receipt->>'renamed', receipt->>'durable' FROM delivery_attempt"
    )
    assert receipts == [("rename", "false")]


async def test_a_changed_host_key_is_refused(the: Books, place: dict[str, Any], tmp_path: Path) -> None:
    """Nothing is sent to a host whose key is another than the known one; the message has both fingerprints."""
    with sftp_server(tmp_path / "other") as other:
        wrong = (tmp_path / "known_hosts").write_text(
            f"[127.0.0.1]:{place['port']} " + (other.home / "host.pub").read_text()
        )
        assert wrong
        refused = await sent(the, partners(place | {"known_hosts": tmp_path / "known_hosts"}))
    assert {one.result for one in refused.values()} == {"REFUSED"}
    assert "the host's key has changed: expected ssh-ed25519 SHA256:" in refused[SMALL].message
    assert refused[SMALL].message.count("SHA256:") == 2
    assert refused[SMALL].next_at == NOON + timedelta(seconds=3600)
    assert not folder(place).exists()


async def test_an_unknown_host_is_refused(the: Books, place: dict[str, Any], tmp_path: Path) -> None:
    """A host without a line in known_hosts is refused, and an empty list of hosts knows nobody."""
    (tmp_path / "known_hosts").write_text("")
    refused = await sent(the, partners(place | {"known_hosts": tmp_path / "known_hosts"}))
    assert {one.result for one in refused.values()} == {"REFUSED"}
    assert "unknown host" in refused[SMALL].message
    assert "it shows ssh-ed25519 SHA256:" in refused[SMALL].message
    (tmp_path / "known_hosts").unlink()
    gone = await sent(the, partners(place | {"known_hosts": tmp_path / "known_hosts"}), at_once=True)
    assert "is not there" in gone[SMALL].message


async def test_a_key_that_is_not_ours_is_not_let_in(
    the: Books, place: dict[str, Any], tmp_path: Path
) -> None:
    """The server's refusal is a failure that waits twice as long each time, up to the longest wait."""
    with sftp_server(tmp_path / "other") as other:
        to = partners(place | {"key": other.home / "client"})
        waits, now = [], NOON
        for _ in range(8):
            failed = (await sent(the, to, now=now))[SMALL]
            assert failed.result == "FAILED", failed
            assert failed.next_at is not None
            waits.append((failed.next_at - now).total_seconds())
            now = failed.next_at
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600]


async def test_a_folder_nobody_may_write_to_fails(the: Books, tmp_path: Path) -> None:
    """A read-only server says so, the attempt is kept as failed, and what comes after it is not tried."""
    with sftp_server(tmp_path / "read-only", "-R") as server:
        failed = await sent(the, partners(server.place().model_dump()))
        assert list(server.root.iterdir()) == []
    assert [(one.file, one.result) for one in failed.values()] == [(SMALL, "FAILED"), (LARGE, "WAITING")]
    assert "Permission denied" in failed[SMALL].message
    assert await results(the) == [(SMALL, 1, "FAILED", 0, 0)]


@pytest.mark.parametrize("kind", ["sftp", "directory"])
async def test_a_full_disk_fails_and_nothing_is_visible(
    the: Books, place: dict[str, Any], tmp_path: Path, kind: str
) -> None:
    """A disk that takes no more byte: no file appears under its name, and later it goes through."""
    there = place if kind == "sftp" else {"kind": "directory", "folder": tmp_path / "{receiver}"}
    where = folder(there | {"folder": str(there["folder"])})
    where.mkdir(parents=True)
    (where / f"{SMALL}.tmp").symlink_to("/dev/full")
    failed = await sent(the, partners(there))
    assert failed[SMALL].result == "FAILED"
    assert not (where / SMALL).exists()
    (where / f"{SMALL}.tmp").unlink()
    await sent(the, partners(there), at_once=True)
    await whole(the, where)


async def test_other_bytes_under_the_name_are_refused(the: Books, place: dict[str, Any]) -> None:
    """Nothing is overwritten; the other file goes out all the same."""
    folder(place).mkdir(parents=True)
    (folder(place) / SMALL).write_bytes(b"H|2|\r\n")
    told = await sent(the, partners(place))
    assert (told[SMALL].result, told[LARGE].result) == ("REFUSED", "DELIVERED")
    assert "stands there with other bytes" in told[SMALL].message
    assert (folder(place) / SMALL).read_bytes() == b"H|2|\r\n"


async def test_a_clock_that_ran_ahead_keeps_no_file_waiting(the: Books, tmp_path: Path) -> None:
    """Failed when the clock said next year: once it is right again the file is tried, not in a year."""
    (tmp_path / "B1").write_text("no folder")
    there = partners({"kind": "directory", "folder": tmp_path / "{receiver}"})
    failed = await sent(the, there, now=NOON + timedelta(days=365))
    assert failed[SMALL].result == "FAILED"
    (tmp_path / "B1").unlink()
    assert {one.result for one in (await sent(the, there)).values()} == {"DELIVERED"}
    await whole(the, tmp_path / "B1")


# ---------------------------------------------------------------- killed on the way


async def test_killed_after_the_manifest_it_is_found_there(the: Books, place: dict[str, Any]) -> None:
    """An attempt whose process died before it could say so ends as BROKEN, and the next finds all in place."""
    await sent(the, partners(place))
    async with the.engine.begin() as conn:
        await conn.exec_driver_sql("ALTER TABLE delivery_attempt DISABLE TRIGGER ALL")
        await conn.exec_driver_sql(
            "UPDATE delivery_attempt SET result = 'STARTED', ended_at = NULL, receipt = NULL"
        )
        await conn.exec_driver_sql("ALTER TABLE delivery_attempt ENABLE TRIGGER ALL")
    again = await sent(the, partners(place))
    assert {(one.result, one.attempt, one.sent) for one in again.values()} == {("ALREADY", 2, 0)}
    assert [row[1:3] for row in await results(the)] == [(1, "BROKEN"), (2, "ALREADY")] * 2


async def test_an_attempt_that_has_ended_stays(the: Books, place: dict[str, Any]) -> None:
    """The record of what was delivered cannot be rewritten, nor a file delivered as new a second time."""
    await sent(the, partners(place))
    for statement in (
        "UPDATE delivery_attempt SET result = 'FAILED'",
        "DELETE FROM delivery_attempt",
        """INSERT INTO delivery_attempt (file, target, place, attempt, result, bytes, sent, resumed_from, sha256,
        message) SELECT file, target, place, 9, result, bytes, 0, 0, sha256, '' FROM delivery_attempt""",
    ):
        with pytest.raises(DBAPIError):
            await the.rows(statement)


async def test_two_runs_at_once_deliver_once(the: Books, place: dict[str, Any]) -> None:
    """A target that another run works for is left to it."""
    both = await asyncio.gather(*(sent(the, partners(place)) for _ in range(2)))
    assert sorted(len(one) for one in both) == [0, 2]
    assert [row[2] for row in await results(the)] == ["DELIVERED", "DELIVERED"]


# ---------------------------------------------------------------- object store and directory


async def test_files_go_to_an_object_store(the: Books, tmp_path: Path) -> None:
    """Objects appear whole, the manifest last; other bytes under the name are refused."""
    there = tmp_path / "bucket" / "B1"
    there.mkdir(parents=True)
    url = {"kind": "store", "url": f"file://{tmp_path}/bucket/{{receiver}}"}
    (there / SMALL).write_bytes(b"other")
    told = await sent(the, partners(url))
    assert (told[SMALL].result, told[LARGE].result) == ("REFUSED", "DELIVERED")
    (there / SMALL).unlink()
    assert (await sent(the, partners(url), at_once=True))[SMALL].result == "DELIVERED"
    await whole(the, there)
    assert await sent(the, partners(url), at_once=True) == {}


async def test_a_target_takes_what_it_asks_for(the: Books, tmp_path: Path) -> None:
    """Types, profiles, a first date and the receiver say what a target gets; * gets everything."""
    place = {"kind": "directory", "folder": tmp_path / "{receiver}"}
    assert set(await sent(the, partners(place, types=["SUM"], name="sums"))) == {SMALL}
    assert await sent(the, partners(place, profiles=["H"], name="csv")) == {}
    assert await sent(the, partners(place, since="2026-03-10", name="later")) == {}
    assert await sent(the, partners(place, receiver="B2", name="other")) == {}
    assert await sent(the, partners(place), day=FIRST_DAY + timedelta(days=1)) == {}
    everyone = await sent(the, partners(place, receiver="*", name="archive"), day=FIRST_DAY)
    assert {name: one.result for name, one in everyone.items()} == {SMALL: "ALREADY", LARGE: "DELIVERED"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[target]]\nreceiver = "B1"\n', "target.0.place: is missing"),
        ('[[target]]\nreceiver = "b1"\nplace = {kind = "directory", folder = "x"}', "target.0.receiver"),
        (
            '[[target]]\nreceiver = "B1"\nplace = {kind = "sftp", host = "h", user = "u", key = "k"}',
            "target.0.place.sftp.known_hosts: is missing",
        ),
        ('[[target]]\nreceiver = "B1"\nplace = {kind = "ftp"}', "'directory', 'sftp', 'store'"),
        ('[[target]]\nreceiver = "*"\nplace = {kind = "directory", folder = "x"}\n' * 2, "* twice"),
        ("[[target]", "expected TOML"),
    ],
)
def test_a_wrong_partners_file_is_refused(tmp_path: Path, text: str, says: str) -> None:
    """Every fault is named with its key; a place without known_hosts cannot be written down."""
    file = tmp_path / "partners.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as refused:
        load_partners(file)
    assert says in str(refused.value)
    with pytest.raises(UsageError, match="CLEARING_PARTNERS"):
        load_partners(tmp_path / "nothing.toml")


def test_partners_that_would_never_match_are_refused(tmp_path: Path) -> None:
    """A misspelt receiver, type, profile or sender is named: else nothing would go out, and nobody would see it."""
    file = tmp_path / "partners.toml"
    place = 'place = {kind = "directory", folder = "x"}\n'
    target = '[[target]]\nreceiver = "B1"\ntypes = ["TXN", "MIS"]\nprofiles = ["P"]\n'
    sound = f'{target}{place}[[inbox]]\npartner = "B1"\n{place}'
    layouts = {name: load_layout(name) for name in ("P", "H")}
    file.write_text(sound)
    expect_known(load_partners(file), file, {"B1"}, layouts)
    for right, wrong, says in (
        ('receiver = "B1"', 'receiver = "B9"', "target B9 receiver: expected a member's code or *, got B9"),
        ('"TXN"', '"TNX"', "got TNX"),
        ('"P"', '"Q"', "target B1 profiles: expected some of P H, got Q"),
        ('partner = "B1"', 'partner = "B9"', "inbox of B9: expected a member's code, got B9"),
    ):
        file.write_text(sound.replace(right, wrong))
        with pytest.raises(UsageError) as refused:
            expect_known(load_partners(file), file, {"B1"}, layouts)
        assert says in str(refused.value)
