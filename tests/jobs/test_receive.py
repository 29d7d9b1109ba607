"""Files that come in: what is taken, what is refused and how that is told, for statements and exports."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from clearing.errors import UsageError
from clearing.files.check import check_file
from clearing.files.manifest import Manifest, write_manifest
from clearing.jobs.delivery.partners import Partners
from clearing.jobs.receive import receive
from clearing.jobs.reconcile import reconcile_day
from clearing.jobs.take_file import Received
from clearing.store import files, statements, verdicts
from clearing.store.session import transaction
from tests.jobs.running import DAYS, Books

DAY = date(2026, 3, 9)
NOON = datetime(2026, 3, 10, 4, 0, tzinfo=UTC)
STATEMENT = (DAYS / "2026-03-09-worked-day" / "statements" / "STM_B1.csv").read_bytes()
STM = "RHC_STM_B1_PLAT_20260309_001_V1.csv"


def manifest_of(name: str, content: bytes, **other: Any) -> bytes:  # noqa: ANN401 - fields of a manifest
    """A manifest that fits the bytes, but for what is said otherwise."""
    said = {
        "file": name,
        "bytes": len(content),
        "records": 0,
        "amount_total": "0.00",
        "hash_total": 0,
        "sha256": hashlib.sha256(content).hexdigest(),
        "sm3": hashlib.new("sm3", content).hexdigest(),
        "run_id": "r",
        "created_at": NOON,
    }
    return write_manifest(Manifest.model_validate(said | other))


def put(folder: Path, name: str, content: bytes = STATEMENT, **other: Any) -> None:  # noqa: ANN401
    """Put a file and its manifest into an inbox."""
    (folder / name).write_bytes(content)
    (folder / f"{name}.ok").write_bytes(manifest_of(name, content, **other))


@pytest.fixture
def the(ninth: Books) -> Books:
    """Books with the first worked day closed."""
    return ninth


async def taken(the: Books, folder: Path, *partners: str) -> list[Received]:
    """Look into the inboxes, all in one folder."""
    place = {"kind": "directory", "folder": folder}
    said = Partners.model_validate(
        {"inbox": [{"partner": code, "place": place} for code in partners or ("B1",)]}
    )
    return await receive(the.engine, the.settings, the.members, said, now=NOON)


async def acks(the: Books) -> list[tuple[str, str, int]]:
    """(file, verdict, bad lines) of every ACK that is ready to go out, each of them sound."""
    told = []
    for (name,) in await the.rows("SELECT name FROM file WHERE type = 'ACK' ORDER BY name"):
        async with transaction(the.engine) as conn:
            content = await files.content(conn, name)
        checked = check_file(name, content)
        assert checked.sound, checked.faults
        assert checked.parsed is not None
        head, *bad = [row.record for row in checked.parsed.rows]
        told.append((head.file, head.verdict, len(bad)))
    return told


async def test_a_statement_that_came_in_is_what_reconcile_takes(the: Books, tmp_path: Path) -> None:
    """Statements and exports are taken once, acknowledged, and the day is reconciled with them without naming one."""
    source = DAYS / "2026-03-09-worked-day" / "statements"
    put(tmp_path, STM)
    put(tmp_path, "RHC_STM_B2_PLAT_20260309_001_V1.csv", (source / "STM_B2.csv").read_bytes())
    put(tmp_path, "RHC_HIS_H1_PLAT_20260309_001_V1.csv", (source / "HIS_H1.csv").read_bytes())
    for code in ("B1", "B2", "H1"):
        folder = tmp_path / code
        folder.mkdir()
        for file in tmp_path.glob(f"*_{code}_PLAT_*"):
            file.rename(folder / file.name)
    found = [one for code in ("B1", "B2", "H1") for one in await taken(the, tmp_path / code, code)]
    assert [(one.partner, one.type, one.verdict) for one in found] == [
        ("B1", "STM", "ACPT"),
        ("B2", "STM", "ACPT"),
        ("H1", "HIS", "ACPT"),
    ]
    assert [verdict for _, verdict, _ in await acks(the)] == ["ACPT"] * 3
    by_inbox = await reconcile_day(the.engine, the.settings, the.members, DAY, {}, {})
    named = {"B1": source / "STM_B1.csv", "B2": source / "STM_B2.csv"}
    by_name = await reconcile_day(
        the.engine, the.settings, the.members, DAY, named, {"H1": source / "HIS_H1.csv"}
    )
    for told in (by_inbox, by_name):
        told.pop("run")
    assert by_inbox == by_name
    assert by_inbox["matched"] > 0
    assert await taken(the, tmp_path / "B1") == []


async def test_a_side_may_come_in_several_files_each_by_its_last_version(the: Books, tmp_path: Path) -> None:
    """A bank sends its day in two numbered files and corrects both: the day is reconciled with what stands last."""
    head, *rows = [line for line in STATEMENT.decode().splitlines() if not line.startswith("#")]
    half = len(rows) // 2
    parts = {
        "001_V1": rows[:half],
        "002_V1": rows[half:-1],
        "002_V2": rows[half:],
        "001_V2": [],
    }
    for place, lines in parts.items():
        name = STM.replace("001_V1", place)
        content = "".join(f"{line}\n" for line in (head, *lines)).encode()
        put(tmp_path, name, content)
    put(tmp_path, STM.replace("001_V1", "001_V3"), "\n".join((head, *rows[:half], "")).encode() + b"\n")
    assert {one.verdict for one in await taken(the, tmp_path)} == {"ACPT"}
    async with transaction(the.engine) as conn:
        names = [one.name for one, _ in await statements.accepted(conn, DAY)]
    assert names == [STM.replace("001_V1", place) for place in ("001_V3", "002_V2")]
    whole = tmp_path / "whole.csv"
    whole.write_bytes("\n".join((head, *rows, "")).encode())
    by_inbox = await reconcile_day(the.engine, the.settings, the.members, DAY, {}, {})
    by_name = await reconcile_day(the.engine, the.settings, the.members, DAY, {"B1": whole}, {})
    assert by_inbox["matched"] == by_name["matched"] > 0
    assert by_inbox["proof"] == by_name["proof"]


async def test_without_a_file_named_or_received_reconcile_says_so(the: Books) -> None:
    """A day for which nothing came is refused with what helps."""
    with pytest.raises(UsageError, match="clearing receive"):
        await reconcile_day(the.engine, the.settings, the.members, DAY, {}, {})


async def test_an_inbox_that_cannot_be_had_stops_no_other(the: Books, tmp_path: Path) -> None:
    """B2's folder is gone: that is told, and B1's file is taken all the same."""
    put(tmp_path, STM)
    said = Partners.model_validate(
        {
            "inbox": [
                {"partner": "B2", "place": {"kind": "directory", "folder": tmp_path / "gone"}},
                {"partner": "B1", "place": {"kind": "directory", "folder": tmp_path}},
            ]
        }
    )
    found = await receive(the.engine, the.settings, the.members, said, now=NOON)
    assert [(one.partner, one.verdict) for one in found] == [("B2", "FAILED"), ("B1", "ACPT")]
    assert "No such file" in found[0].message


async def test_only_what_has_its_ok_is_looked_at(the: Books, tmp_path: Path) -> None:
    """A file that is still being written, and a manifest without its file, are left alone."""
    (tmp_path / STM).write_bytes(STATEMENT)
    (tmp_path / "RHC_STM_B1_PLAT_20260310_001_V1.csv.ok").write_bytes(b"{}")
    assert await taken(the, tmp_path) == []
    assert await the.one("SELECT count(*) FROM statement_file") == 0
    put(tmp_path, STM)
    assert [one.verdict for one in await taken(the, tmp_path)] == ["ACPT"]


async def test_the_same_name_with_other_bytes_is_refused(the: Books, tmp_path: Path) -> None:
    """The first stays; the second is kept and refused; as the next version it is taken, and that again is ignored."""
    put(tmp_path, STM)
    await taken(the, tmp_path)
    other = STATEMENT + b"\n"
    put(tmp_path, STM, other)
    (refused,) = await taken(the, tmp_path)
    assert (refused.verdict, [one.code for one in refused.faults]) == ("RJCT", ["FIL-003"])
    assert await taken(the, tmp_path) == []
    put(tmp_path, STM.replace("V1", "V2"), other)
    assert [one.verdict for one in await taken(the, tmp_path)] == ["ACPT"]
    put(tmp_path, STM.replace("V1", "V3"), other)
    assert [one.verdict for one in await taken(the, tmp_path)] == ["IGNORED"]
    assert [one[1:] for one in await acks(the)] == [("ACPT", 0), ("RJCT", 1), ("ACPT", 0)]


async def test_bytes_that_change_under_the_manifest_they_had_are_an_alarm(the: Books, tmp_path: Path) -> None:
    """Taken, then mended in place, of the same length and second: refused once, with an ACK that says what to do."""
    put(tmp_path, STM)
    assert [one.verdict for one in await taken(the, tmp_path)] == ["ACPT"]
    lay = (tmp_path / STM).stat().st_mtime_ns
    other = STATEMENT.replace(b".00,", b".01,", 1)
    (tmp_path / STM).write_bytes(other)
    os.utime(tmp_path / STM, ns=(lay, lay))
    (refused,) = await taken(the, tmp_path)
    assert (refused.verdict, refused.taken) == ("RJCT", 0)
    assert {one.code for one in refused.faults} == {"FIL-003", "FMT-012"}
    assert f"that came first; corrected, as {STM.replace('V1', 'V2')}" in " ".join(map(str, refused.faults))
    assert await taken(the, tmp_path) == []
    (tmp_path / STM).write_bytes(STATEMENT)
    assert await taken(the, tmp_path) == [], "what was taken first stands, and was told"
    assert [one[1] for one in await acks(the)] == ["ACPT", "RJCT"]
    async with transaction(the.engine) as conn:
        assert [one.content for one, _ in await statements.accepted(conn, DAY)] == [STATEMENT]


async def test_a_file_that_was_refused_is_mended_as_the_next_version(the: Books, tmp_path: Path) -> None:
    """In place it is refused and told under which name it may come; its manifest alone judges nothing, told once."""
    put(tmp_path, STM, BAD)
    assert [one.verdict for one in await taken(the, tmp_path)] == ["RJCT"]
    put(tmp_path, STM, BAD, run_id="mended")
    (told,) = await taken(the, tmp_path)
    assert (told.verdict, told.ack) == ("IGNORED", "")
    assert "its manifest is another" in told.message
    assert "Next: " in told.message
    assert await taken(the, tmp_path) == []
    put(tmp_path, STM)
    (refused,) = await taken(the, tmp_path)
    (fault,) = refused.faults
    assert (refused.verdict, fault.code) == ("RJCT", "FIL-003")
    assert fault.expected.endswith(f"; corrected, as {STM.replace('V1', 'V2')}")
    put(tmp_path, STM.replace("V1", "V2"))
    assert [one.verdict for one in await taken(the, tmp_path)] == ["ACPT"]
    assert await taken(the, tmp_path) == []


async def test_what_lies_as_it_lay_is_read_twice_and_no_more(the: Books, tmp_path: Path) -> None:
    """Once to take it, once some seconds later, then when it was changed, whatever its length and time say."""
    put(tmp_path, STM)
    await taken(the, tmp_path)
    async with the.engine.begin() as conn:
        await conn.exec_driver_sql("UPDATE inbox_file SET since = since - interval '1 minute'")
    assert await taken(the, tmp_path) == []
    assert await the.rows("SELECT DISTINCT settled FROM inbox_file") == [(True,)]
    async with the.engine.begin() as conn:
        await conn.exec_driver_sql("UPDATE inbox_file SET sha256 = 'not read again'")
    assert await taken(the, tmp_path) == []
    assert await the.rows("SELECT DISTINCT sha256 FROM inbox_file") == [(b"not read again",)]
    lay = (tmp_path / STM).stat().st_mtime_ns
    (tmp_path / STM).write_bytes(STATEMENT.replace(b".00,", b".01,", 1))
    os.utime(tmp_path / STM, ns=(lay, lay))
    assert [one.verdict for one in await taken(the, tmp_path)] == ["RJCT"]


async def test_of_two_files_the_one_judged_last_counts_whatever_the_clock_said(the: Books) -> None:
    """A partner's names say no version, and our clock went back between them: the later one stands, in each list."""
    async with transaction(the.engine) as conn:
        for hours, name in enumerate(("B1 first.csv", "B1 then.csv", "B1 held.csv", "B1 held too.csv")):
            content = name.encode()
            number = await statements.keep(
                conn, kind="STM", partner="B1", day=DAY, name=name, content=content
            )
            said = verdicts.Verdict(number, "HELD" if "held" in name else "ACPT", 0, 0, (), "")
            await verdicts.add(conn, said, NOON - timedelta(hours=hours))
        assert [one.name for one, _ in await statements.accepted(conn, DAY)] == ["B1 then.csv"]
        assert [one.name for one in await verdicts.waiting(conn, "HELD")] == [
            "B1 held.csv",
            "B1 held too.csv",
        ]


async def test_a_gap_holds_what_comes_after_it(the: Books, tmp_path: Path) -> None:
    """Number 003 waits for 002 and is taken when that has come, in one look."""
    empty = STATEMENT.splitlines(keepends=True)[0]
    names = [STM.replace("_001_", f"_00{number}_") for number in (1, 2, 3)]
    put(tmp_path, names[0])
    put(tmp_path, names[2], empty + b"\n\n")
    assert [(one.file, one.verdict) for one in await taken(the, tmp_path)] == [
        (names[0], "ACPT"),
        (names[2], "HELD"),
    ]
    assert len(await acks(the)) == 1, "of a held file nothing is said"
    assert await taken(the, tmp_path) == []
    put(tmp_path, names[1], empty + b"\n")
    assert [(one.file, one.verdict) for one in await taken(the, tmp_path)] == [
        (names[1], "ACPT"),
        (names[2], "ACPT"),
    ]
    assert [verdict for _, verdict, _ in await acks(the)] == ["ACPT"] * 3


BAD = STATEMENT.replace(b".00,", b".0,", 1)


@pytest.mark.parametrize(
    ("name", "content", "other", "says"),
    [
        ("STM_B1.csv", STATEMENT, {}, "STM_B1.csv: expected a name like RHC_STM_B1_PLAT_20260131_001_V1.csv"),
        (
            STM.replace("STM", "HIS"),
            STATEMENT,
            {},
            'name: expected HIS from a hospital or pharmacy, got "bank"',
        ),
        (STM.replace("_B1_", "_B2_"), STATEMENT, {}, 'name: expected a file from B1, got "B2" [FMT-010]'),
        (STM.replace("_PLAT_", "_B2_"), STATEMENT, {}, 'name: expected a file to PLAT, got "B2" [FMT-010]'),
        (
            STM.replace("STM", "PAY"),
            STATEMENT,
            {},
            'name: expected a type of PYR RTN ACK REG STM HIS NRC DEP, got "PAY"',
        ),
        (STM, STATEMENT, {"bytes": 7}, "expected 7 bytes as in the manifest"),
        (STM, STATEMENT, {"sm3": "0" * 64}, "expected sm3 0000000000000000… as in the manifest"),
        (STM, b"\xff\xfe", {}, f'{STM}:1 encoding: expected UTF-8, got "byte 0xFF at offset 0" [FMT-001]'),
        (STM, b"", {}, f'{STM}:1 header: expected a header row, got "an empty file" [FMT-002]'),
        (STM, BAD, {}, f"{STM}:2 field 7 amount: expected two decimals, no sign, got"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.endswith(".csv") else "",
)
async def test_what_is_wrong_is_told_with_its_place(  # noqa: PLR0917 - the columns of the table
    the: Books, tmp_path: Path, name: str, content: bytes, other: dict[str, Any], says: str
) -> None:
    """Every kind of fault refuses the file whole, keeps its bytes, and stands in an ACK with line, field, column."""
    put(tmp_path, name, content, **other)
    (refused,) = await taken(the, tmp_path)
    assert (refused.verdict, refused.taken) == ("RJCT", 0)
    assert any(says in str(one) for one in refused.faults), [str(one) for one in refused.faults]
    assert await the.rows("SELECT name, content FROM statement_file") == [(name, content)]
    assert await acks(the) == [(name, "RJCT", len(refused.faults))]
    with pytest.raises(UsageError):
        await reconcile_day(the.engine, the.settings, the.members, DAY, {}, {})


async def test_every_fault_is_told_up_to_a_thousand(the: Books, tmp_path: Path) -> None:
    """A file with more faults than that names the first thousand, each with its line."""
    header, row = STATEMENT.splitlines(keepends=True)[:2]
    put(tmp_path, STM, header + row.replace(b".00,", b".0,") * 1_200)
    (refused,) = await taken(the, tmp_path)
    assert len(refused.faults) == 1_000
    assert [one.line for one in refused.faults[:3]] == [2, 3, 4]
    assert await acks(the) == [(STM, "RJCT", 1_000)]


async def test_a_missing_manifest_field_is_a_fault(the: Books, tmp_path: Path) -> None:
    """A manifest that is no manifest refuses the file; its faults are those of the manifest."""
    put(tmp_path, STM)
    (tmp_path / f"{STM}.ok").write_bytes(b'{"file": "x"}')
    (refused,) = await taken(the, tmp_path)
    assert refused.verdict == "RJCT"
    assert {one.code for one in refused.faults} == {"FMT-011"}
