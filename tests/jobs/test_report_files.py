"""Each partner's part of the mismatch report as a file: kept, sealed, delivered, verified, in versions."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from clearing.errors import UsageError
from clearing.files.manifest import Manifest, read_manifest
from clearing.jobs.deliver import deliver
from clearing.jobs.delivery.partners import Partners
from clearing.jobs.keys import FILES, make_pair, write_pair
from clearing.jobs.propose import Wanted
from clearing.jobs.report_files import send_reports
from clearing.jobs.resolve import resolve
from clearing.jobs.seal import manifest_bytes
from clearing.jobs.verify import verify
from clearing.ledger.seal_terms import SM2_SM3
from clearing.reports.machine import check_report, name_of
from clearing.store import files
from clearing.store.files import StoredFile
from clearing.store.session import transaction
from tests.conftest import DatabaseServer
from tests.jobs.reconciled_story import FIRST, break_of, desk, reconcile, story_books
from tests.jobs.running import Books
from tests.jobs.test_sign import all_sign, owned

NOW = datetime(2026, 9, 22, 9, tzinfo=UTC)


@pytest.fixture
async def the(database_server: DatabaseServer) -> AsyncIterator[Books]:
    """Books in which both days of the story are reconciled."""
    async with story_books(database_server) as found:
        yield found


async def sent(the: Books, **more: str) -> list[StoredFile]:
    """Send the first day's reports."""
    return await send_reports(the.engine, the.settings, the.members, FIRST, **more)


async def content(the: Books, name: str) -> bytes:
    """A file's bytes."""
    async with transaction(the.engine) as conn:
        return await files.content(conn, name)


def detail(text: bytes) -> list[dict[str, str]]:
    """The rows of the table of breaks."""
    lines = list(csv.reader(io.StringIO(text.decode("utf-8-sig"), newline="")))
    (head,) = [line for line in lines if line[0].startswith("detail ")]
    names = [cell.split(" ")[0] for cell in head]
    return [dict(zip(names, line, strict=True)) for line in lines if line[0] == "detail"]


async def test_each_partner_gets_its_part_once_a_run(the: Books) -> None:
    """Who has to sign gets a file with its own breaks; the same run makes no other; the next run's is version 2."""
    first = await sent(the)
    assert [(one.name, one.receiver, one.type) for one in first] == [
        (f"RHC_MIS_PLAT_{code}_20260921_001_V1.csv", code, "MIS") for code in ("BX", "H1")
    ]
    for one in first:
        text = await content(the, one.name)
        assert check_report(one.name, text) == ()
        rows = [row for row in detail(text) if row["amount"]]
        assert (len(rows), one.records) == (one.records, len({row["id"] for row in rows}))
    both = {one.receiver: detail(await content(the, one.name)) for one in first}
    assert {row["H_partner"] for row in both["BX"]} == {""}, "nothing of the hospital's rows"
    assert {row["code"] for row in both["H1"]} >= {"SID-110", "AMT-001"}
    assert await sent(the) == []
    await reconcile(the, FIRST)
    again = await sent(the, member="H1")
    assert [(one.version, one.replaces) for one in again] == [(2, "RHC_MIS_PLAT_H1_20260921_001_V1")]
    assert [one.receiver for one in await sent(the)] == ["BX"]


async def test_what_was_sent_is_delivered_signed_and_verified(the: Books, tmp_path: Path) -> None:
    """As every file: manifest, signature, `.ok`, whatever profiles a target asks for; made again the same bytes."""
    keys = tmp_path / "keys"
    keys.mkdir()
    write_pair(make_pair(SM2_SM3), keys / FILES[SM2_SM3])
    the = the.set(keys=keys)
    (one,) = await sent(the, member="BX")
    place = {"kind": "directory", "folder": f"{tmp_path}/out"}
    target = {"receiver": "BX", "types": ["MIS"], "profiles": ["X"], "place": place}
    said = Partners.model_validate({"target": [target]})
    done = await deliver(the.engine, the.settings, said, now=lambda: NOW)
    assert [(each.file, each.result) for each in done] == [(one.name, "DELIVERED")]
    manifest = read_manifest(one.name, (tmp_path / "out" / f"{one.name}.ok").read_bytes())
    assert isinstance(manifest, Manifest)
    assert (manifest.records, manifest.signature is not None) == (one.records, True)
    assert check_report(one.name, (tmp_path / "out" / one.name).read_bytes(), manifest) == ()
    await resolve(
        desk(the, "ann"), await break_of(the, "AMT-001"), Wanted(ending="ADJUST", why="slips compared")
    )
    assert (await verify(the.engine, the.members))["ok"], "what people do since is not in it"
    await the.as_superuser("UPDATE file_part SET content = content || '\\x0a' WHERE name LIKE 'RHC_MIS%'")
    checks = (await verify(the.engine, the.members))["checks"]
    assert checks["reports"].startswith(f"file {one.name}: its bytes, expected what its run's report gives")


async def test_any_byte_of_a_report_that_is_changed_is_found(the: Books) -> None:
    """By its manifest, each of them; lines that do not come to their totals without one too."""
    (one,) = await sent(the, member="BX")
    text = await content(the, one.name)
    manifest = read_manifest(one.name, manifest_bytes(one, run_id="r", created_at=NOW))
    assert isinstance(manifest, Manifest)
    for at in range(len(text)):
        assert check_report(one.name, text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :], manifest), at
    row = next(line for line in text.splitlines(keepends=True) if line.startswith(b"detail,"))
    (fault, *_) = check_report(one.name, text.replace(row, b""))
    assert str(fault).startswith(f"{one.name} breaks: expected {one.records - 1}, got")
    for other in (b"", b"\xff", b'a,"b', text.replace(b"cover,", b"cover;")):
        assert check_report(one.name, other)
    assert name_of("RHC_TXN_PLAT_BX_20260921_001_V1.csv") is None


async def test_a_signed_day_may_still_be_told(the: Books) -> None:
    """The run stands for good, so its report may go out after the last signature; who gives no files has none."""
    await owned(the)
    await all_sign(the, FIRST)
    assert [one.version for one in await sent(the)] == [1, 1]
    with pytest.raises(UsageError, match="expected the code of a bank"):
        await sent(the, member="PLAT")
    with pytest.raises(UsageError, match="was never reconciled"):
        await send_reports(the.engine, the.settings, the.members, FIRST.replace(day=23))
