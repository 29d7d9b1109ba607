"""Reports of stored runs, written as files."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from python_calamine import CalamineWorkbook

from clearing.errors import UsageError
from clearing.jobs.reports import FORMATS, mismatch_document, write_report
from clearing.store import breaks
from clearing.store.session import transaction
from tests.conftest import DatabaseServer
from tests.jobs.reconcile_desk import ELEVENTH, PLANTED, TENTH, Desk, run
from tests.jobs.reconciled_story import FIRST, story_books
from tests.jobs.running import Books
from tests.jobs.test_sign import MEMBERS, all_sign, owned
from tests.reports.reading import pages


@pytest.fixture
def the(filed: Books) -> Books:
    """Books in which the three worked days are filed and nothing is reconciled."""
    return filed


async def test_a_stored_run_is_written_in_four_formats(the: Books, desk: Desk, tmp_path: Path) -> None:
    """All say the run's breaks and sums; written again they are the same bytes; nothing else is left there."""
    files = desk.paths(TENTH) | {name: desk.changed(TENTH, name, *edits) for name, edits in PLANTED.items()}
    found = await run(the, TENTH, files)
    out = tmp_path / "out"
    paths = await write_report(the.engine, the.members, TENTH, out)
    assert [path.name for path in paths] == [f"RHC_MIS_PLAT_ALL_20260310_001.{one}" for one in FORMATS]
    assert sorted(out.iterdir()) == sorted(paths)
    before = {path.suffix[1:]: path.read_bytes() for path in paths}
    said = json.loads(before["json"])
    ids = {one["id"] for one in found["breaks"]}
    assert {row["id"] for row in said["tables"]["detail"]["rows"]} == ids
    assert said["cover"]["breaks"] == len(ids)
    assert said["verdict"] == "不平"
    lines = list(csv.reader(io.StringIO(before["csv"].decode("utf-8-sig"))))
    assert {line[1] for line in lines if line[0] == "detail"} == ids
    book = CalamineWorkbook.from_filelike(io.BytesIO(before["xlsx"]))
    assert {row[0] for row in book.get_sheet_by_name("差错明细 detail").to_python()[1:-1]} == ids
    assert {row["partner"]: row["other"] for row in said["tables"]["bridge"]["rows"]} == {
        code: line["other"] for code, line in found["proof"].items()
    }
    assert said["tables"]["bridge"]["totals"]["residual"] == "0.00"
    await write_report(the.engine, the.members, TENTH, out)
    assert {path.suffix[1:]: path.read_bytes() for path in paths} == before


async def test_a_member_gets_its_own_lines_and_nobody_elses(the: Books, desk: Desk, tmp_path: Path) -> None:
    """Every break of the whole is told to those it concerns, each with its rows and our own alone."""
    files = desk.paths(TENTH) | {name: desk.changed(TENTH, name, *edits) for name, edits in PLANTED.items()}
    found = await run(the, TENTH, files)
    codes = {name[4:] for name in files}
    told: dict[str, set[str]] = {}
    for code in codes:
        (path,) = await write_report(the.engine, the.members, TENTH, tmp_path, ["json"], member=code)
        assert path.name == f"RHC_MIS_PLAT_{code}_20260310_001.json"
        said = json.loads(path.read_bytes())
        tables = {name: one["rows"] for name, one in said["tables"].items()}
        assert {row["partner"] for row in (*tables["bridge"], *tables["files"])} == {code}
        assert {row["bank"] for row in tables["detail"]} | {
            row["institution"] for row in tables["detail"]
        } >= {code}
        for row in tables["detail"]:
            partners = {row[f"{side}_partner"] for side in "BH"} - {"", None}
            assert partners <= {code}, row
        told[code] = {row["id"] for row in tables["detail"]}
        assert said["cover"]["breaks"] == len(told[code])
        assert said["tables"]["bridge"]["totals"]["residual"] == "0.00"
        assert said["tables"]["summary"]["totals"]["count"] == len(told[code])
        before, new, gone, after = (
            tables["roll_forward"][0][f"count_{name}"] for name in ("before", "new", "cleared", "after")
        )
        assert before + new - gone == after == said["cover"]["open"]
    for one in found["breaks"]:
        concerned = {one["bank"], one["institution"], *one["differences"]} & codes
        assert {code for code, ids in told.items() if one["id"] in ids} >= concerned
    with pytest.raises(UsageError, match="expected the code of a"):
        await write_report(the.engine, the.members, TENTH, tmp_path, ["json"], member="CP")


async def test_what_people_did_since_is_told_and_the_digest_stays(the: Books, desk: Desk) -> None:
    """A person's step is listed with the time of the platform's place; the machine's own steps are not."""
    files = desk.paths(TENTH) | {"STM_B1": desk.changed(TENTH, "STM_B1", *PLANTED["STM_B1"])}
    found = await run(the, TENTH, files)
    before = await mismatch_document(the.engine, the.members, TENTH)
    async with transaction(the.engine) as conn:
        await breaks.step(conn, found["breaks"][0]["id"], "ASSIGNED", maker="li", why="the bank is asked")
    after = await mismatch_document(the.engine, the.members, TENTH)
    (row,) = next(one for one in after.tables if one.code == "adjustments").rows
    assert (row[0], row[3], row[5], row[8]) == (
        found["breaks"][0]["id"],
        "ASSIGNED",
        "li",
        "the bank is asked",
    )
    assert after.digest == before.digest


async def test_the_same_content_has_the_same_digest_in_another_run(the: Books, desk: Desk) -> None:
    """Reconciled again over the same files, the report is the same to whoever signs it."""
    await run(the, ELEVENTH, desk.paths(ELEVENTH))
    first = await mismatch_document(the.engine, the.members, ELEVENTH)
    await run(the, ELEVENTH, desk.paths(ELEVENTH))
    second = await mismatch_document(the.engine, the.members, ELEVENTH)
    assert first.digest == second.digest


async def test_a_report_needs_a_run_and_a_format(the: Books, tmp_path: Path) -> None:
    """A day that was never reconciled, or a format nobody knows, is said so."""
    with pytest.raises(UsageError, match="never reconciled"):
        await write_report(the.engine, the.members, TENTH, tmp_path)
    with pytest.raises(UsageError, match="expected a format of xlsx, pdf, csv, json, got ods"):
        await write_report(the.engine, the.members, TENTH, tmp_path, ["ods"])


async def test_who_has_signed_stands_on_the_report(database_server: DatabaseServer) -> None:
    """Each member with its three people and the time; the platform's own on the cover; the digest stays."""
    async with story_books(database_server) as the:
        before = await mismatch_document(the.engine, the.members, FIRST)
        assert [one.name for one in before.signers] == ["", "", ""]
        await owned(the)
        await all_sign(the, FIRST)
        after = await mismatch_document(the.engine, the.members, FIRST)
    assert [one.name for one in after.signers] == ["ann-PLAT", "bob-PLAT", "cat-PLAT"]
    rows = next(one for one in after.tables if one.code == "sign_offs").rows
    assert [(row[0], row[2], row[4], row[6]) for row in rows] == [
        (member, f"ann-{member}", f"bob-{member}", f"cat-{member}") for member in MEMBERS
    ]
    assert after.digest == before.digest
    cover = pages(after)[0]
    assert all(one in cover for one in ("cat-BX", "cat-H1", "cat-PLAT"))
    root = next(str(one.value) for one in after.facts if one.code == "root")
    assert re.fullmatch("[0-9a-f]{64}", root)
    done = next(one for one in after.tables if one.code == "adjustments")
    assert {row[3] for row in done.rows} == {"ASSIGNED"}
