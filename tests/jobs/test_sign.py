"""Signing a day on real books, and sealing it away: three people a member, then nothing of it moves."""

# ruff: noqa: E501, S608 - aligned tables are read, not wrapped; our own names in queries

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from clearing.errors import UsageError
from clearing.files.public_keys import public_key
from clearing.jobs.again import Order, new_version
from clearing.jobs.archive import archive, check_archive
from clearing.jobs.judge import Arrived
from clearing.jobs.keys import make_pair, write_pair
from clearing.jobs.propose import Wanted
from clearing.jobs.report_files import send_reports
from clearing.jobs.resolve import approve, assign, resolve
from clearing.jobs.settle import settle
from clearing.jobs.sign import Pen, sign, sign_text, signed
from clearing.jobs.take_file import take_file
from clearing.jobs.take_lines import Site
from clearing.jobs.verify import verify
from clearing.jobs.worklist import breaks_list
from clearing.ledger.seal_terms import ED25519, SM2_SM3, Algorithm, Seal, TrustedKey
from clearing.reconciliation.life import STATES
from clearing.store.breaks import Asked
from clearing.store.session import transaction
from tests.conftest import DatabaseServer
from tests.jobs.reconciled_story import FIRST, SECOND, STORY, break_of, desk, reconcile, story_books
from tests.jobs.running import Books

MEMBERS = ("BX", "H1", "PLAT")
PEOPLE = ("ann", "bob", "cat")


@pytest.fixture
async def the(database_server: DatabaseServer) -> AsyncIterator[Books]:
    """Books in which both days of the story are reconciled."""
    async with story_books(database_server) as found:
        yield found


async def owned(the: Books) -> None:
    """Every open break is somebody's."""
    for one in await breaks_list(the.engine, Asked(states=[s for s in STATES if s != "AUTO_CLEARED"])):
        await assign(desk(the, "lee"), one["id"], to="ann")


async def all_sign(the: Books, day: date, members: tuple[str, ...] = MEMBERS) -> dict[str, Any]:
    """Three people of each member sign a day."""
    told: dict[str, Any] = {}
    for member in members:
        for person in PEOPLE:
            told = await sign(desk(the, f"{person}-{member}"), day, member, Pen())
    return told


async def refused(the: Books, statement: str) -> str:
    """The state with which the database refuses something to its owner."""
    with pytest.raises(DBAPIError) as caught:
        async with transaction(the.engine) as conn:
            await conn.execute(text("RESET ROLE"))
            await conn.execute(text(statement))
    return str(getattr(caught.value.orig, "sqlstate", ""))


# fmt: off
FROZEN = [
    "INSERT INTO reconciliation_run OVERRIDING SYSTEM VALUE SELECT * FROM reconciliation_run WHERE clearing_date = '2026-09-22'",
    "UPDATE day SET state = 'reconciled' WHERE clearing_date = '2026-09-22'",
    "UPDATE day SET state = 'signed' WHERE clearing_date = '2026-09-21'",
    "UPDATE sign_off SET person = 'eve'",
    "DELETE FROM sign_duty",
    "INSERT INTO file SELECT (jsonb_populate_record(f, '{\"name\": \"X\", \"version\": 9}')).* FROM file f WHERE clearing_date = '2026-09-22' LIMIT 1",
    "INSERT INTO sign_off SELECT (jsonb_populate_record(s, '{\"member\": \"H9\"}')).* FROM sign_off s LIMIT 1",
    "INSERT INTO archive VALUES ('2026-09-21', '', '', now())",
]
# fmt: on

# ---------------------------------------------------------------- signing


async def test_a_day_is_signed_when_all_members_with_activity_have(the: Books) -> None:
    """Who has not is named; the last approval signs the day; its open breaks live on."""
    await owned(the)
    assert (await signed(desk(the, "ann"), FIRST))["waiting"] == list(MEMBERS)
    told = await all_sign(the, FIRST, ("H1", "BX"))
    assert (told["state"], told["waiting"], told["open"]) == ("reconciled", ["PLAT"], 4)
    told = await all_sign(the, FIRST, ("PLAT",))
    assert (told["state"], told["waiting"]) == ("signed", [])
    roles = {
        one["member"]: [one[role]["by"] for role in ("prepared", "reviewed", "approved")]
        for one in told["members"]
    }
    assert roles == {member: [f"{person}-{member}" for person in PEOPLE] for member in MEMBERS}
    assert (await verify(the.engine, the.members))["ok"]
    found = await break_of(the, "AMT-001")
    await resolve(desk(the, "ann"), found, Wanted(ending="ADJUST", why="slips compared"))
    assert (await approve(desk(the, "bob"), found))["state"] == "RESOLVED"
    assert (await reconcile(the, SECOND))["open"]["before"] == 5


async def test_every_open_break_must_be_somebodys(the: Books) -> None:
    """A member is held up by breaks that concern it, the platform by all."""
    for code in ("AMT-001", "SID-110", "DUP-003"):
        await assign(desk(the, "lee"), await break_of(the, code), to="ann")
    await sign(desk(the, "ann"), FIRST, "H1", Pen())
    for member in ("BX", "PLAT"):
        with pytest.raises(UsageError, match=r"every open break to be somebody's, 1 is nobody's"):
            await sign(desk(the, "ann"), FIRST, member, Pen())


async def test_one_person_takes_one_step(the: Books) -> None:
    """Nobody signs twice for a member, and what is not due is refused."""
    await owned(the)
    await sign(desk(the, "ann"), FIRST, "H1", Pen())
    with pytest.raises(UsageError, match="ann has prepared it; it is to be reviewed by somebody else"):
        await sign(desk(the, "ann"), FIRST, "H1", Pen())
    with pytest.raises(UsageError, match="expected one of BX H1 PLAT"):
        await sign(desk(the, "ann"), FIRST, "H9", Pen())
    with pytest.raises(UsageError, match="expected it reconciled, open found"):
        await sign(desk(the, "ann"), FIRST.replace(day=23), "H1", Pen())


async def test_another_run_makes_the_signatures_void(the: Books, tmp_path: Path) -> None:
    """What was signed of the old report does not count for the new one."""
    await owned(the)
    told = await all_sign(the, FIRST, ("H1",))
    path = tmp_path / "STM_BX_V2.csv"
    lines = (STORY[0] / "statements" / "STM_BX.csv").read_text().replace("102.00", "120.00").splitlines()[:-1]
    path.write_text("\n".join(lines) + "\n")
    await reconcile(the, FIRST, {"STM_BX": path})
    again = await signed(desk(the, "ann"), FIRST)
    assert (again["waiting"], again["report"] == told["report"]) == (list(MEMBERS), False)


async def test_a_signed_day_is_frozen(the: Books, tmp_path: Path) -> None:
    """No run, file or state of it can be made by anybody, nor a run before it that would change what it had."""
    await owned(the)
    await all_sign(the, SECOND)
    with pytest.raises(UsageError, match="it is signed, its reconciliation stands"):
        await reconcile(the, SECOND)
    with pytest.raises(UsageError, match="it is signed, and never moves again"):
        await sign(desk(the, "dan"), SECOND, "H1", Pen())
    assert (await reconcile(the, FIRST))["rerun"] == []
    lacking = tmp_path / "HIS_H1_V2.csv"
    lacking.write_text((STORY[0] / "statements" / "HIS_H1.csv").read_text().splitlines()[0] + "\n")
    with pytest.raises(UsageError, match="hand on other breaks to 2026-09-22, which is signed"):
        await reconcile(the, FIRST, {"HIS_H1": lacking})
    for statement in FROZEN:
        assert await refused(the, statement) == "23001", statement


async def test_the_order_and_the_people_are_the_databases_too(the: Books) -> None:
    """Approved before prepared, one person twice, another root or report: refused to the owner."""
    await owned(the)
    await sign(desk(the, "ann"), FIRST, "H1", Pen())
    made = "INSERT INTO sign_off SELECT (jsonb_populate_record(s, '{}')).* FROM sign_off s"
    for change in (
        {"role": "approved", "person": "bob"},
        {"role": "reviewed", "person": "Ann"},
        {"role": "reviewed", "person": "bob", "root": "\\x00"},
        {"role": "reviewed", "person": "bob", "report": "\\x" + "00" * 32},
        {"role": "reviewed", "person": "bob", "run": 99},
        {"role": "prepared", "person": "bob", "member": "H7"},
    ):
        assert await refused(the, made.format(json.dumps(change))) == "23001", change


# ---------------------------------------------------------------- signatures


@pytest.mark.parametrize("algorithm", [ED25519, SM2_SM3])
async def test_a_member_with_keys_approves_with_one(the: Books, tmp_path: Path, algorithm: Algorithm) -> None:
    """By key file or made elsewhere over the text; without one, or by another's, the approval is refused."""
    await owned(the)
    pair, stranger = make_pair(algorithm), make_pair(algorithm)
    mine, theirs = tmp_path / "mine.pem", tmp_path / "theirs.pem"
    write_pair(pair, mine)
    write_pair(stranger, theirs)
    seal = Seal(keys=(TrustedKey(public=pair.public.pem),))
    records = [
        one.model_copy(update={"seal": seal}) if one.code == "H1" else one for one in the.members.records
    ]
    keyed = replace(the, members=replace(the.members, records=tuple(records)))
    await sign(desk(keyed, "ann"), FIRST, "H1", Pen())
    await sign(desk(keyed, "bob"), FIRST, "H1", Pen(key=mine))
    with pytest.raises(UsageError, match="expected a signature by a key of its own, got none"):
        await sign(desk(keyed, "cat"), FIRST, "H1", Pen())
    with pytest.raises(UsageError, match="got one of none of its keys"):
        await sign(desk(keyed, "cat"), FIRST, "H1", Pen(key=theirs))
    with pytest.raises(UsageError, match="no key of its own"):
        await sign(desk(keyed, "cat"), FIRST, "BX", Pen(key=theirs))
    said = await sign_text(desk(keyed, "cat"), FIRST, "H1")
    value = base64.b64encode(pair.sign(said, keyed.settings.sm2_user_id)).decode()
    with pytest.raises(UsageError, match="expected a signature by a key of its own over the text"):
        await sign(desk(keyed, "dan"), FIRST, "H1", Pen(signature=value))
    told = await sign(desk(keyed, "cat"), FIRST, "H1", Pen(signature=value))
    (steps,) = [one for one in told["members"] if one["member"] == "H1"]
    assert [steps[role]["key"] for role in ("prepared", "reviewed", "approved")] == [
        "", pair.public.fingerprint, public_key(pair.public.pem).fingerprint
    ]  # fmt: skip
    assert (await verify(the.engine, the.members))["checks"]["sign_offs"] == "ok"


# ---------------------------------------------------------------- the archive


@pytest.fixture
async def sealed(the: Books, tmp_path: Path) -> tuple[Books, Path]:
    """Books whose first day is signed, and its archive."""
    await owned(the)
    await all_sign(the, FIRST)
    await archive(the.engine, the.members, FIRST, tmp_path)
    return the, tmp_path


async def test_a_signed_day_is_sealed_away(sealed: tuple[Books, Path]) -> None:
    """Rows twice, files as they were, a manifest over all; again the same bytes, also after more has happened."""
    the, out = sealed
    folder = out / FIRST.isoformat()
    manifest = json.loads((folder / "manifest.json").read_text())
    rows = {name: one["rows"] for name, one in manifest["files"].items() if name.endswith(".jsonl")}
    assert (rows["entries.jsonl"], rows["events.jsonl"], rows["sign_offs.jsonl"]) == (8, 10, 9)
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {
        *manifest["files"], "manifest.json"
    }  # fmt: skip
    statement = next(name for name in manifest["files"] if name.startswith("statements/STM"))
    assert (folder / statement).read_bytes() == (STORY[0] / "statements" / "STM_BX.csv").read_bytes()
    total = duckdb.sql(f"SELECT sum(list_sum(fens)), count(*) FROM '{folder}/entries.parquet'").fetchone()
    assert total == (0, 8)
    assert await check_archive(the.engine, out) == []
    await approve_something(the)
    await files_that_come_later(the)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    shutil.rmtree(folder)
    await archive(the.engine, the.members, FIRST, out)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    await archive(the.engine, the.members, FIRST, out)
    assert await check_archive(the.engine, folder) == []


async def files_that_come_later(the: Books) -> None:
    """Orders, reports, verdicts and uses asked for again bear the date of a signed day and are of a later one."""
    world = (the.engine, the.settings, the.members)
    sent = await settle(*world, now=datetime(2026, 9, 22, 3, tzinfo=UTC))
    assert {file for one in sent for file in one.files}, (
        "instructions of the signed day go out after its signing"
    )
    assert await send_reports(*world, FIRST)
    site = Site(*world, datetime(2026, 9, 22, 3, tzinfo=UTC))
    name = f"RHC_STM_BX_PLAT_{FIRST:%Y%m%d}_001_V2.csv"
    late = await take_file(site, Arrived("BX", name, b"too late", None))
    assert (late.verdict, late.ack) == ("RJCT", f"RHC_ACK_PLAT_BX_{FIRST:%Y%m%d}_001_V1.txt")


async def test_what_was_made_again_is_sealed_with_who_and_why(the: Books, tmp_path: Path) -> None:
    """`file_again` of the day's versions, and of uses in the day on which they were asked for; verify compares them."""
    world = (the.engine, the.settings, the.members)
    order = Order("fin-1", "account of H1 corrected", datetime(2026, 9, 22, 3, tzinfo=UTC))
    await new_version(*world, FIRST, receiver="H1", types=["SUM"], order=order)
    await owned(the)
    await all_sign(the, FIRST)
    with pytest.raises(UsageError, match="frozen"):
        await new_version(*world, FIRST, receiver="H1", order=order)
    await archive(the.engine, the.members, FIRST, tmp_path)
    lines = (tmp_path / FIRST.isoformat() / "files_again.jsonl").read_text().splitlines()
    told = [json.loads(line) for line in lines]
    assert [(one["file"][:22], one["kind"], one["by_whom"], one["why"]) for one in told] == [
        ("RHC_SUM_PLAT_H1_202609", "VERSION", "fin-1", "account of H1 corrected")
    ] * 2
    assert {Path(one["file"]).suffix for one in told} == {".txt", ".csv"}
    assert await check_archive(the.engine, tmp_path) == []
    await the.as_superuser("UPDATE file_again SET why = 'nothing'")
    assert await check_archive(the.engine, tmp_path) == [
        "day 2026-09-21: the database has other files_again than the archive"
    ]


async def approve_something(the: Books) -> None:
    """Life goes on after a day is signed."""
    found = await break_of(the, "AMT-001")
    await resolve(desk(the, "ann"), found, Wanted(ending="ADJUST", why="slips compared"))
    await approve(desk(the, "bob"), found)
    await the.close(FIRST.replace(day=23))


def _edit(name: str, old: bytes, new: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / name
        content = path.read_bytes()
        assert old in content
        path.write_bytes(content.replace(old, new, 1))

    return change


# fmt: off
DAMAGE: list[tuple[str, Callable[[Path], object], str]] = [
    ("an amount",     _edit("entries.jsonl", b"50000", b"50001"),               r"entries\.jsonl: expected SM3 .*|says something else"),
    ("a file",        _edit("statements/STM_BX_2_STM_BX.csv", b"102", b"120"),  r"STM_BX.*expected SM3"),
    ("the manifest",  _edit("manifest.json", b'"run": 1', b'"run": 2'),         r"manifest\.json: expected SM3 .* as sealed"),
    ("one less",      lambda folder: (folder / "woken.jsonl").unlink(),         r"in the manifest and not in the folder"),
    ("one more",      lambda folder: (folder / "more").touch(),                 r"is not in the manifest"),
    ("no parquet",    lambda folder: (folder / "entries.parquet").write_bytes(b"x"), r"entries\.parquet: expected SM3"),
    ("no manifest",   lambda folder: (folder / "manifest.json").write_bytes(b"[]"), r"expected a manifest, got something else"),
]
# fmt: on


async def test_a_changed_archive_is_found(sealed: tuple[Books, Path]) -> None:
    """Whatever was changed, taken away or added is named."""
    the, out = sealed
    for number, (what, change, message) in enumerate(DAMAGE):
        copy = out.parent / f"copy{number}" / FIRST.isoformat()
        shutil.copytree(out / FIRST.isoformat(), copy)
        change(copy)
        faults = await check_archive(the.engine, copy)
        assert faults, what
        assert any(re.search(message, fault) for fault in faults), (what, faults)


async def test_a_changed_database_is_found(sealed: tuple[Books, Path]) -> None:
    """Somebody with all rights rewrites an entry: the archive says so."""
    the, out = sealed
    async with the.engine.begin() as conn:
        await conn.execute(text("ALTER TABLE entry DISABLE TRIGGER USER"))
        await conn.execute(text("UPDATE entry SET institution = 'H2' WHERE clearing_date = '2026-09-21'"))
    faults = await check_archive(the.engine, out)
    assert faults == ["day 2026-09-21: the database has other entries than the archive"]


async def test_only_a_signed_day_is_sealed(the: Books, tmp_path: Path) -> None:
    """Before that its rows may still grow; and a folder with nothing sealed in it is no archive."""
    with pytest.raises(UsageError, match="expected it signed, reconciled found"):
        await archive(the.engine, the.members, FIRST, tmp_path)
    with pytest.raises(UsageError, match="expected an archive"):
        await check_archive(the.engine, tmp_path)


async def test_a_seal_killed_half_way_is_made_again(sealed: tuple[Books, Path]) -> None:
    """What a dead run left is no archive; the next run puts the whole folder there. Another folder is not replaced."""
    the, out = sealed
    folder = out / FIRST.isoformat()
    partly = folder.with_name(f"{folder.name}.tmp")
    folder.replace(partly)
    (partly / "manifest.json").unlink()
    await archive(the.engine, the.members, FIRST, out)
    assert (sorted(path.name for path in out.iterdir()), await check_archive(the.engine, out)) == (
        [folder.name],
        [],
    )
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(UsageError, match="stands there and is not what was sealed"):
        await archive(the.engine, the.members, FIRST, out)
