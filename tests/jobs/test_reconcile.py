"""A day against its partners' files, on the real books: the worked days, and what is wrong in them on purpose."""

# ruff: noqa: E501 - aligned tables and sentences of behaviour are read, not wrapped

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from clearing.errors import UsageError
from clearing.jobs import resolve
from clearing.jobs.desk import Desk as OfPerson
from clearing.jobs.propose import Wanted
from clearing.jobs.reconcile import reconcile_day
from clearing.jobs.worklist import break_show, breaks_list
from clearing.store import breaks
from clearing.store.breaks import Asked
from clearing.store.session import transaction
from tests.conftest import DatabaseServer
from tests.jobs.running import DAYS, Books, books, prepare, settings_of, worked_lines, worked_members

NINTH, TENTH, ELEVENTH, TWELFTH = (date(2026, 3, number) for number in (9, 10, 11, 12))
CARD = "tok_P1_B1_0001"


async def _three_days(url: str) -> None:
    """The worked days taken in and closed."""
    await prepare(url)
    async with books(url, settings_of(), worked_members()) as the:
        for day in (NINTH, TENTH, ELEVENTH):
            await the.ingest(worked_lines(day.day))
            await the.close(day)


@pytest.fixture
async def the(database_server: DatabaseServer) -> AsyncIterator[Books]:
    """Books in which the three worked days are filed and nothing is reconciled."""
    url = database_server.create(database_server.template("reconcile", _three_days))
    async with books(url, settings_of(), worked_members()) as found:
        yield found
    database_server.drop(url)


@dataclass(frozen=True)
class Desk:
    """Where the partners' files lie, as they are or changed."""

    folder: Path

    def paths(self, day: date) -> dict[str, Path]:
        """The day's files by name, `STM_B1` or `HIS_H1`."""
        found = DAYS / f"{day}-worked-day" / "statements"
        return {path.stem: path for path in sorted(found.iterdir())} if found.is_dir() else {}

    def put(self, name: str, text: str | bytes) -> Path:
        """A file of its own."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def changed(self, day: date, name: str, *edits: tuple[str, str], version: str = "") -> Path:
        """A day's file with lines edited: (part of a line, its new text); an empty part adds, an empty text drops."""
        lines = self.paths(day)[name].read_text().splitlines()[:-1]  # without #TOTAL
        for part, text in edits:
            if not part:
                lines.append(text)
                continue
            (at,) = [number for number, line in enumerate(lines) if part in line]
            lines[at : at + 1] = [text] if text else []
        return self.put(f"{day}/{name}{version}.csv", "\n".join(lines) + "\n")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A folder for files."""
    return Desk(tmp_path)


async def run(
    the: Books, day: date, files: Mapping[str, Path | list[Path]], now: datetime | None = None
) -> dict[str, Any]:
    """Reconcile a day with files named `STM_<code>` and `HIS_<code>`."""
    banks = {name[4:]: path for name, path in files.items() if name.startswith("STM")}
    his = {name[4:]: path for name, path in files.items() if name.startswith("HIS")}
    return await reconcile_day(the.engine, the.settings, the.members, day, banks, his, now=now)


def brief(found: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """(code, bank reference or order, vector, state) of the breaks listed."""
    return sorted(
        (one["code"], one["keys"]["bank_ref"] or one["keys"]["order_no"], one["vector"], one["state"])
        for one in found["breaks"]
    )


async def counts(the: Books) -> tuple[int, int, int]:
    """Kept files, runs, breaks."""
    return (
        await the.one("SELECT count(*) FROM statement_file"),
        await the.one("SELECT count(*) FROM reconciliation_run"),
        await the.one("SELECT count(*) FROM break_"),
    )


# ---------------------------------------------------------------- the worked days


@pytest.mark.parametrize("day", [NINTH, TENTH, ELEVENTH], ids=str)
async def test_a_worked_day_comes_out_as_its_folder_says(
    the: Books, desk: Desk, day: date, *, golden: bool
) -> None:
    """Every row has its counterpart; only the time-out left open is a break. The day is marked reconciled."""
    found = await run(the, day, desk.paths(day))
    assert (found.pop("run"), found.pop("refused")) == ("1", [])
    assert {line["residual"] for line in found["proof"].values()} == {"0.00"}
    path = DAYS / f"{day}-worked-day" / "expected" / "reconciliation.json"
    if golden:
        path.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    assert found == json.loads(path.read_text(encoding="utf-8"))
    assert await the.one("SELECT state FROM day WHERE clearing_date = :day", day=day) == "reconciled"


async def test_the_days_one_after_the_other(the: Books, desk: Desk) -> None:
    """Nothing is carried from a day that came out; each run is kept with its inputs and their digests."""
    codes = []
    for day in (NINTH, TENTH, ELEVENTH):
        found = await run(the, day, desk.paths(day))
        codes.append([one["code"] for one in found["breaks"]])
        assert found["missing"] == found["rerun"] == []
    assert codes == [[], [], ["STA-001"]]
    inputs = await the.one("SELECT inputs FROM reconciliation_run WHERE clearing_date = :day", day=NINTH)
    assert [(one["kind"], one["partner"], one["rows"]) for one in inputs] == [
        ("HIS", "H1", 2), ("STM", "B1", 2), ("STM", "B2", 2)
    ]  # fmt: skip


# ---------------------------------------------------------------- planted differences

# fmt: off
PLANTED: dict[str, list[tuple[str, str]]] = {
    "STM_B1": [
        # what stands there                                  what is given instead
        ("BR00000011", ""),
        ("BR00000009", "BR00000009,,2026-03-10,09:20:01,PAY,D,45.00,SUCC,tok_P1_B1_0001,"),
        ("BR00000012", "BR00000012,,2026-03-10,10:00:01,PAY,D,2000.10,SUCC,tok_P3_B1_0001,"),
        ("BR00000025", "BR00000025,,2026-03-10,13:59:42,PAYOUT,D,4321.00,SUCC,tok_P5_B1_0001,"),
        ("BR00000033", "BR00000033,,2026-03-10,16:40:01,PAY,D,5.00,SUCC,tok_P1_B1_0001,"),
        ("13:59:43,PAYOUT,C,38.20", "BR00000026,,2026-03-09,13:59:43,PAYOUT,C,38.20,SUCC,tok_P1_B1_0001,"),
        ("09:00:01,REFUND", "BR00000008,,2026-03-10,09:00:01,REFUND,C,28.50,FAIL,tok_P1_B1_0001,BR00000001"),
        ("", "BR00000018,,2026-03-10,11:10:05,PREMIUM,D,1200.00,SUCC,tok_P5_B1_0001,"),
        ("", "BR90000010,,2026-03-10,12:00:00,PAY,D,25.00,SUCC,,"),
        ("", "BR90000011,,2026-03-10,12:01:00,PAY,D,60.00,SUCC,,"),
    ],
    "STM_B2": [
        ("BR00000024", ""),
        ("BR00000010", "BR00000010,,2026-03-10,09:30:01,PAY,D,10.00,FAIL,tok_P2_B2_0001,"),
    ],
    "STM_T1": [("BR00000017", "BR00000017,,2026-03-10,10:59:58,TOPUP,D,500.00,SUCC,tok_OTHER_0001,")],
    "HIS_H1": [
        ("H1-1001", "H1-1001,,ARREARS,R,128.50,SUCC,2026-03-10,08:31:02,,"),
        ("H1-1004", ""),
        ("BR00000007", ""),
        ("", "A42,,DISCHARGE,P,1590.00,SUCC,2026-03-10,15:10:09,BR00000015,"),
        ("", "H1-9001,,OPD,R,60.00,SUCC,2026-03-10,12:01:05,BR90000011,"),
    ],
    "HIS_H2": [
        ("BR00000013", ""),
        ("A31", "A31,,DISCHARGE,R,644.61,SUCC,2026-03-10,15:00:02,BR00000014,"),
        ("", "H2-9001,,OPD,R,12.00,SUCC,2026-03-10,12:00:00,,"),
    ],
}
FOUND = [
    # code      key           vector    state
    ("AMT-001", "BR00000009", "L1B1H1", "OPEN"),
    ("AMT-002", "BR00000012", "L1B1H1", "OPEN"),
    ("AMT-003", "BR00000014", "L1B1H1", "OPEN"),
    ("CUT-001", "BR00000026", "L1B1H-", "AUTO_CLEARED"),
    ("DIR-001", "BR00000025", "L1B1H-", "OPEN"),
    ("DUP-002", "BR00000018", "L0B1H-", "OPEN"),
    ("DUP-003", "BR00000015", "L0B0H1", "OPEN"),
    ("IDN-001", "BR00000017", "L1B1H-", "OPEN"),
    ("IDN-002", "BR00000005", "L1B1H1", "AUTO_CLEARED"),
    ("SID-001", "H2-9001",    "L0B0H1", "OPEN"),
    ("SID-010", "BR90000010", "L0B1H-", "SUSPECT"),
    ("SID-011", "BR90000011", "L0B1H1", "OPEN"),
    ("SID-100", "BR00000024", "L1B0H0", "SUSPECT"),
    ("SID-101", "BR00000011", "L1B0H1", "SUSPECT"),
    ("SID-110", "BR00000013", "L1B1H0", "OPEN"),
    ("STA-001", "BR00000033", "L1B1H0", "OPEN"),
    ("STA-002", "BR00000010", "L1B1H1", "OPEN"),
    ("STA-003", "BR00000006", "L1B1H1", "OPEN"),
    ("STA-004", "BR00000008", "L1B1H1", "SUSPECT"),
]
# fmt: on


async def test_one_of_each_code_is_found_and_nothing_else(the: Books, desk: Desk) -> None:
    """Each planted difference gives its code, once; the proof still comes out at zero."""
    await run(the, NINTH, desk.paths(NINTH))
    files = desk.paths(TENTH) | {name: desk.changed(TENTH, name, *edits) for name, edits in PLANTED.items()}
    found = await run(the, TENTH, files)
    assert brief(found) == FOUND
    assert {line["residual"] for line in found["proof"].values()} == {"0.00"}
    assert found["state"] == "reconciled"
    for line in found["proof"].values():
        assert cents(line["ledger"]) - cents(line["other"]) == cents(line["explained"])
    assert found["open"] == {"before": 0, "new": 19, "cleared": 2, "after": 17}


def cents(text: str) -> int:
    """Signed fen of yuan text."""
    return int(text.replace(".", ""))


async def test_a_fee_and_a_group_that_differ(the: Books, desk: Desk) -> None:
    """The bank's fee is held against the entry's, the sum of a group against its one payment."""
    lines = desk.paths(TENTH)["STM_B1"].read_text().splitlines()[:-1]
    text = "\n".join([f"{lines[0]},fee,group", *(f"{line},," for line in lines[1:])])
    text = text.replace("D,45.60,SUCC,tok_P1_B1_0001,,,", "D,45.60,SUCC,tok_P1_B1_0001,,0.20,")
    whole = "BR00000005,,2026-03-10,08:31:01,PAY,D,128.50,SUCC,tok_P1_B1_0001,,,"
    parts = [
        f"BR00000005,,2026-03-10,08:31:0{no},PAY,D,{yuan},SUCC,,,,G1"
        for no, yuan in ((1, "100.00"), (2, "28.00"))
    ]
    assert whole in text
    path = desk.put("STM_B1.csv", text.replace(whole, "\n".join(parts)) + "\n")
    found = await run(the, TENTH, desk.paths(TENTH) | {"STM_B1": path})
    assert brief(found) == [
        ("FEE-001", "BR00000009", "L1B1H1", "OPEN"),
        ("GRP-001", "BR00000005", "L1B1H1", "OPEN"),
    ]


async def test_a_wrong_total_stops_the_day(the: Books, desk: Desk) -> None:
    """TOT-001 is of class X: listed, no part of the proof, and the day is not marked reconciled until it is gone."""
    text = desk.paths(TENTH)["STM_B2"].read_text()
    wrong = desk.put("STM_B2.csv", text.replace("#TOTAL,9,", "#TOTAL,8,"))
    found = await run(the, TENTH, desk.paths(TENTH) | {"STM_B2": wrong})
    assert [(one["code"], one["differences"]) for one in found["breaks"]] == [("TOT-001", {})]
    assert "its rows are 9" in found["breaks"][0]["detail"]
    assert found["state"] == "filed"
    right = desk.put("STM_B2_V2.csv", text)
    again = await run(the, TENTH, desk.paths(TENTH) | {"STM_B2": right})
    assert (again["breaks"], again["state"]) == ([], "reconciled")


async def test_a_partner_whose_file_has_not_come(the: Books, desk: Desk) -> None:
    """Rules about it do not apply, it is named, FIL-001 once it was due, and the day waits for it."""
    files = {name: path for name, path in desk.paths(TENTH).items() if name not in ("STM_B2", "HIS_R1")}
    before = await run(the, TENTH, files, now=datetime.fromisoformat("2026-03-11T04:59:59+08:00"))
    assert (before["breaks"], before["missing"], before["state"]) == ([], ["B2", "R1"], "filed")
    found = await run(the, TENTH, files, now=datetime.fromisoformat("2026-03-11T05:00:00+08:00"))
    assert sorted((one["code"], one["bank"] or one["institution"]) for one in found["breaks"]) == [
        ("FIL-001", "B2"),
        ("FIL-001", "R1"),
    ]
    assert (found["missing"], found["state"]) == (["B2", "R1"], "filed")
    whole = await run(the, TENTH, desk.paths(TENTH))
    assert (whole["breaks"], whole["state"]) == ([], "reconciled")
    shown = [await break_show(the.engine, one["id"]) for one in found["breaks"]]
    assert {(one["state"], one["steps"][-1]["ending"]) for one in shown} == {
        ("AUTO_CLEARED", "FILE_CORRECTED")
    }


async def test_a_run_with_statements_alone_misses_no_export(the: Books, desk: Desk) -> None:
    """A side from which nothing came is left out: its files are named as missing, not as breaks."""
    files = {name: path for name, path in desk.paths(TENTH).items() if name.startswith("STM")}
    found = await run(the, TENTH, files)
    assert (found["breaks"], found["missing"], found["state"]) == ([], ["H1", "H2", "R1"], "filed")


async def test_a_side_in_several_files_is_one_side(the: Books, desk: Desk) -> None:
    """A statement in two parts matches as one; the second without the first is held, FIL-003, until that comes."""
    header, *lines = desk.paths(TENTH)["STM_B1"].read_text().splitlines()[:-1]
    name = "RHC_STM_B1_PLAT_20260310_{}_V1.csv"
    one, two = (
        desk.put(name.format(number), "\n".join([header, *part]) + "\n")
        for number, part in (("001", lines[:5]), ("002", lines[5:]))
    )
    others = {name: path for name, path in desk.paths(TENTH).items() if name != "STM_B1"}
    gap = await run(the, TENTH, others | {"STM_B1": [two]})
    assert [(found["code"], found["bank"]) for found in gap["breaks"]] == [("FIL-003", "B1")]
    assert "expected file 001 of B1 before it, got none; held" in gap["breaks"][0]["detail"]
    whole = await run(the, TENTH, others | {"STM_B1": [two, one, one]})
    assert (whole["breaks"], whole["state"]) == ([], "reconciled")
    assert (
        len(await the.one("SELECT inputs FROM reconciliation_run ORDER BY id DESC LIMIT 1"))
        == len(others) + 2
    )


# ---------------------------------------------------------------- again


async def test_run_twice_gives_the_same(the: Books, desk: Desk) -> None:
    """The same inputs give the same breaks under the same ids; what a person has brought one to stays."""
    files = desk.paths(TENTH) | {"STM_B1": desk.changed(TENTH, "STM_B1", *PLANTED["STM_B1"])}
    first = await run(the, TENTH, files)
    async with transaction(the.engine) as conn:
        await breaks.step(conn, first["breaks"][0]["id"], "ASSIGNED", maker="ann", why="looks")
    second = await run(the, TENTH, files)
    assert (first.pop("run"), second.pop("run")) == ("1", "2")
    assert second["breaks"][0]["state"] == "ASSIGNED"
    assert (await break_show(the.engine, first["breaks"][0]["id"]))["state"] == "ASSIGNED"
    second["breaks"][0]["state"] = first["breaks"][0]["state"]
    assert second == first
    assert (await counts(the))[1:] == (2, len(first["breaks"]))


async def test_a_corrected_file_takes_the_place_of_the_old_one(the: Books, desk: Desk) -> None:
    """Under a new name the day is run again: what was only in the old file ends as FILE_CORRECTED, and comes back with it."""
    bad = desk.paths(TENTH) | {"STM_B1": desk.changed(TENTH, "STM_B1", ("BR00000011", ""))}
    first = await run(the, TENTH, bad)
    (gone,) = first["breaks"]
    good = desk.paths(TENTH) | {"STM_B1": desk.changed(TENTH, "STM_B1", version="_V2")}
    second = await run(the, TENTH, good)
    assert (second["breaks"], second["open"]["after"]) == ([], 0)
    shown = await break_show(the.engine, gone["id"])
    assert (shown["state"], [step["ending"] for step in shown["steps"]]) == (
        "AUTO_CLEARED",
        ["FILE_CORRECTED"],
    )
    third = await run(
        the, TENTH, bad | {"STM_B1": desk.changed(TENTH, "STM_B1", ("BR00000011", ""), version="_V3")}
    )
    assert [(one["id"], one["state"]) for one in third["breaks"]] == [(gone["id"], "SUSPECT")]
    assert (await break_show(the.engine, gone["id"]))["state"] == "SUSPECT"


async def test_other_bytes_under_a_used_name_are_refused(the: Books, desk: Desk) -> None:
    """A file is never replaced in silence: FIL-003, and the run that stood still stands."""
    await run(the, TENTH, desk.paths(TENTH))
    other = desk.paths(TENTH) | {"STM_B1": desk.changed(TENTH, "STM_B1", ("BR00000011", ""))}
    with pytest.raises(UsageError, match=r"STM_B1\.csv: expected a new name for other content.*FIL-003"):
        await run(the, TENTH, other)
    assert await counts(the) == (7, 1, 0)


async def test_the_file_of_another_day_is_refused(the: Books, desk: Desk) -> None:
    """Yesterday's bytes again, with a row that would count today: FIL-003 instead of a repeat of every line."""
    row = "BR90000077,,2026-03-10,23:30:00,PAY,D,5.50,SUCC,,"
    path = desk.changed(TENTH, "STM_B1", ("", row))
    await run(the, TENTH, desk.paths(TENTH) | {"STM_B1": path})
    with pytest.raises(
        UsageError,
        match=r"expected a file of 2026-03-11, got the bytes of STM_B1\.csv, taken in for 2026-03-10",
    ):
        await run(the, ELEVENTH, desk.paths(ELEVENTH) | {"STM_B1": path})
    assert (await counts(the))[1:] == (1, 0)


async def test_an_earlier_day_run_again_says_which_days_follow(the: Books, desk: Desk) -> None:
    """Over the same files nothing follows and what a later day has cleared stays; over others the later days are named."""
    lacking = desk.paths(TENTH) | {"STM_B2": desk.changed(TENTH, "STM_B2", ("BR00000024", ""))}
    late = desk.paths(ELEVENTH) | {"STM_B2": desk.changed(ELEVENTH, "STM_B2", ("", LATE))}
    (opened,) = (await run(the, TENTH, lacking))["breaks"]
    await run(the, ELEVENTH, late)
    same = await run(the, TENTH, lacking)
    assert (same["rerun"], [one["id"] for one in same["breaks"]]) == ([], [opened["id"]])
    assert (await break_show(the.engine, opened["id"]))["state"] == "AUTO_CLEARED"
    other = await run(
        the, TENTH, lacking | {"STM_B1": desk.changed(TENTH, "STM_B1", ("BR00000011", ""), version="_V2")}
    )
    assert other["rerun"] == ["2026-03-11"]
    assert (await break_show(the.engine, opened["id"]))["state"] == "SUSPECT"
    again = await run(the, ELEVENTH, late)
    assert (again["rerun"], again["open"]["before"]) == ([], 2)
    assert (await break_show(the.engine, opened["id"]))["state"] == "AUTO_CLEARED"


# ---------------------------------------------------------------- refused

LINE = "BR00000001,,2026-03-09,09:10:01,PAY,D,100.00,SUCC,,\n"
HEADER = "bank_ref,platform_ref,bank_date,bank_time,type,direction,amount,status,card,original_bank_ref\n"
# fmt: off
BAD: list[tuple[str, str | bytes, str]] = [
    ("wrong column",  HEADER.replace("amount", "sum") + LINE,                  r'B1\.csv:1 field 7 header: expected one of .*, got "sum" \[FMT-002\] \[FIL-002\]'),
    ("one decimal",   HEADER + LINE.replace("100.00", "100.0"),                r'B1\.csv:2 field 7 amount: expected two decimals, no sign, got "100.0" \[FMT-006\]'),
    ("wrong day",     HEADER + LINE.replace("2026-03-09", "2026-02-09").replace("0001", "0777"), r"expected rows of clearing date 2026-03-09 .*2026-02-09: this looks like another day's file"),
    ("not UTF-8",     (HEADER + LINE.replace("PAY", "缴费")).encode("gb18030"), r"B1\.csv:2 encoding: expected UTF-8, got byte 0x"),
    ("empty",         b"",                                                     r"B1\.csv:1 header: expected a header row, got an empty file"),
]
# fmt: on


@pytest.mark.parametrize(("what", "content", "message"), BAD, ids=[row[0] for row in BAD])
async def test_a_bad_file_is_refused_whole(
    the: Books, desk: Desk, what: str, content: str | bytes, message: str
) -> None:
    """Its bytes are kept, FIL-002 says where and what; the others go on, and a run that had it sound is not lost."""
    assert what
    bad = desk.put("B1.csv", content)
    with pytest.raises(UsageError, match=message) as refused:
        await run(the, NINTH, {"STM_B1": bad})
    assert "1 of 1 files refused, nothing was imported" in str(refused.value)
    assert await counts(the) == (1, 0, 0)
    found = await run(the, NINTH, desk.paths(NINTH) | {"STM_B1": bad})
    (broken,) = found["breaks"]
    assert (broken["code"], broken["bank"], found["state"]) == ("FIL-002", "B1", "filed")
    assert re.search(message.removesuffix(r" \[FIL-002\]"), broken["detail"])
    assert found["proof"].keys() == {"B2", "H1"}
    whole = await run(the, NINTH, desk.paths(NINTH))
    assert (whole["breaks"], whole["state"]) == ([], "reconciled")
    with pytest.raises(UsageError, match="1 of 3 files refused, nothing was imported"):
        await run(the, NINTH, desk.paths(NINTH) | {"STM_B1": bad})


async def test_every_error_of_every_file_is_told_at_once(the: Books, desk: Desk) -> None:
    """Two bad files and three bad cells are one message."""
    one = desk.put("B1.csv", HEADER + LINE.replace("100.00", "100.0").replace("SUCC", "DONE"))
    two = desk.put("B2.csv", HEADER + LINE.replace(",D,", ",X,"))
    with pytest.raises(UsageError) as refused:
        await run(the, NINTH, {"STM_B1": one, "STM_B2": two})
    told = str(refused.value)
    assert told.count("[FIL-002]") == 3
    assert all(
        part in told
        for part in ('got "100.0"', 'got "DONE"', 'B2.csv:2 field 6 direction: expected one of D C, got "X"')
    )


# fmt: off
WRONG: list[tuple[str, date, Callable[[Desk], dict[str, Path]], str]] = [
    ("nobody",        NINTH,   lambda desk: {"STM_B9": desk.paths(NINTH)["STM_B1"]}, "--bank B9: expected the code of a bank or channel or network, got no member"),
    ("a hospital",    NINTH,   lambda desk: {"STM_H1": desk.paths(NINTH)["STM_B1"]}, "--bank H1: .*got a hospital"),
    ("a bank as HIS", NINTH,   lambda desk: {"HIS_B1": desk.paths(NINTH)["HIS_H1"]}, "--his B1: expected the code of a fund or hospital or insurer or pharmacy, got a bank"),
    ("no file",       NINTH,   lambda _:    {},                                      "none is named"),
    ("not there",     NINTH,   lambda desk: {"STM_B1": desk.folder / "none.csv"},    r"none\.csv: cannot be read"),
    ("open day",      TWELFTH, lambda desk: {"STM_B1": desk.paths(NINTH)["STM_B1"]}, "day 2026-03-12: expected it cut, open found"),
    ("no such day",   date(2027, 1, 1), lambda desk: {"STM_B1": desk.paths(NINTH)["STM_B1"]}, "never opened found"),
]
# fmt: on


@pytest.mark.parametrize(("what", "day", "files", "message"), WRONG, ids=[row[0] for row in WRONG])
async def test_what_cannot_be_reconciled_is_not_even_kept(
    the: Books, desk: Desk, *, what: str, day: date, files: Callable[[Desk], dict[str, Path]], message: str
) -> None:
    """A partner, a file or a day that is none: said before anything is written."""
    assert what
    with pytest.raises(UsageError, match=message):
        await run(the, day, files(desk))
    assert await counts(the) == (0, 0, 0)


# ---------------------------------------------------------------- from day to day

LATE = "BR00000024,,2026-03-11,08:00:00,PAY,D,75.00,SUCC,tok_P2_B2_0001,"
"""The bank's line of H1-1004, dated a day later."""


async def test_the_next_day_clears_what_came_late(the: Books, desk: Desk) -> None:
    """The bank has it under its own date: CUT-001 under the old id, cleared by itself, not new."""
    lacking = desk.paths(TENTH) | {"STM_B2": desk.changed(TENTH, "STM_B2", ("BR00000024", ""))}
    (opened,) = (await run(the, TENTH, lacking))["breaks"]
    assert (opened["code"], opened["state"]) == ("SID-101", "SUSPECT")
    late = desk.paths(ELEVENTH) | {"STM_B2": desk.changed(ELEVENTH, "STM_B2", ("", LATE))}
    found = await run(the, ELEVENTH, late)
    cleared = next(one for one in found["breaks"] if one["id"] == opened["id"])
    assert (cleared["code"], cleared["state"], cleared["differences"]["B2"]) == (
        "CUT-001",
        "AUTO_CLEARED",
        "-75.00",
    )
    assert found["open"] == {"before": 1, "new": 1, "cleared": 1, "after": 1}
    shown = await break_show(the.engine, opened["id"])
    assert [(step["state"], step["ending"], step["maker"]) for step in shown["steps"]] == [
        ("AUTO_CLEARED", "LATE_MATCH", "reconcile")
    ]
    assert [row["bank_ref"] for row in shown["rows"]["bank"]] == [
        "BR00000024",
        "BR00000051",
    ]  # with its refund


async def test_a_late_event_is_found_before_and_cleared_when_it_has_come(the: Books, desk: Desk) -> None:
    """The bank and the hospital list the payment of 22:50 in time; our entry is of the next day."""
    row = "BR00000046,,2026-03-10,22:50:01,PAY,D,9.90,SUCC,tok_P5_B1_0001,"
    export = "H1-1099,,OPD,R,9.90,SUCC,2026-03-10,22:50:02,BR00000046,"
    today = {
        "STM_B1": desk.changed(TENTH, "STM_B1", ("", row)),
        "HIS_H1": desk.changed(TENTH, "HIS_H1", ("", export)),
    }
    (opened,) = (await run(the, TENTH, desk.paths(TENTH) | today))["breaks"]
    assert (opened["code"], opened["vector"], opened["amount"]) == ("SID-011", "L0B1H1", "9.90")
    after = {
        "STM_B1": desk.changed(ELEVENTH, "STM_B1", ("BR00000046", "")),
        "HIS_H1": desk.changed(ELEVENTH, "HIS_H1", ("BR00000046", "")),
    }
    found = await run(the, ELEVENTH, desk.paths(ELEVENTH) | after)
    assert [(one["code"], one["state"]) for one in found["breaks"] if one["id"] == opened["id"]] == [
        ("CUT-001", "AUTO_CLEARED")
    ]


async def test_a_row_taken_in_before_is_a_repeat(the: Books, desk: Desk) -> None:
    """A line of yesterday's file stands in today's again, however it ended: DUP-002."""
    await run(the, TENTH, desk.paths(TENTH))
    again = desk.paths(TENTH)["STM_B1"].read_text().splitlines()[1]
    found = await run(
        the, ELEVENTH, desk.paths(ELEVENTH) | {"STM_B1": desk.changed(ELEVENTH, "STM_B1", ("", again))}
    )
    assert [code for code, *_ in brief(found)] == ["DUP-002", "STA-001"]


async def test_a_row_after_the_cutover_waits(the: Books, desk: Desk) -> None:
    """A line of 23:30 makes no break on its calendar date and counts on the next clearing date."""
    row = "BR90000077,,2026-03-10,23:30:00,PAY,D,5.50,SUCC,,"
    first = await run(the, TENTH, desk.paths(TENTH) | {"STM_B1": desk.changed(TENTH, "STM_B1", ("", row))})
    assert first["breaks"] == []
    found = await run(the, ELEVENTH, desk.paths(ELEVENTH))
    assert ("SID-010", "BR90000077", "L0B1H-", "SUSPECT") in brief(found)


async def ended(the: Books, break_id: str, ending: str) -> None:
    """Two people end a break."""
    ann, bob = (
        OfPerson(engine=the.engine, settings=the.settings, members=the.members, person=person)
        for person in ("ann", "bob")
    )
    await resolve.resolve(ann, break_id, Wanted(ending=ending, why="claimed"))
    await resolve.approve(bob, break_id)


async def test_what_people_ended_is_not_carried_for_ever(the: Books, desk: Desk) -> None:
    """An ended break counts as cleared on the next day that is run, a suspect is confirmed; repeated, the day says the same."""
    lacking = {
        "STM_B1": desk.changed(TENTH, "STM_B1", ("BR00000011", "")),
        "STM_B2": desk.changed(TENTH, "STM_B2", ("BR00000024", "")),
    }
    first = await run(the, TENTH, desk.paths(TENTH) | lacking)
    ours, bank = (one["id"] for one in sorted(first["breaks"], key=lambda one: one["bank"]))
    empty = {"STM_B1": desk.put("none.csv", HEADER)}
    for number in (12, 13, 14):
        await the.close(date(2026, 3, number))
    await ended(the, bank, "CLAIM")
    found = await run(the, date(2026, 3, 14), empty)
    assert found["open"] == {"before": 2, "new": 0, "cleared": 1, "after": 1}
    shown = await break_show(the.engine, ours)
    assert (shown["state"], shown["steps"][-1]["state"]) == ("CONFIRMED", "CONFIRMED")
    shown = await break_show(the.engine, bank)
    assert (shown["state"], shown["ending"], shown["steps"][-1]["maker"]) == ("CLOSED", "CLAIM", "reconcile")
    await ended(the, ours, "CLAIM")
    again = await run(the, date(2026, 3, 14), empty)
    assert (again["open"], again["rerun"]) == (found["open"], [])


async def test_two_runs_at_once_follow_each_other(the: Books, desk: Desk) -> None:
    """The same day started twice gives two runs with the same breaks, each stored once."""
    files = desk.paths(TENTH) | {"STM_B1": desk.changed(TENTH, "STM_B1", *PLANTED["STM_B1"])}
    one, two = await asyncio.gather(run(the, TENTH, files), run(the, TENTH, files))
    assert {one.pop("run"), two.pop("run")} == {"1", "2"}
    assert one == two
    assert await counts(the) == (7 - 1, 2, len(one["breaks"]))


# ---------------------------------------------------------------- a day of what the worked days lack


def event(event_id: str, type_: str, hour: int, **data: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of a body
    """An event of the twelfth; its source is the first part of its id."""
    source = event_id.partition("-")[0]
    when = f"2026-03-12T{hour:02d}:00:00+08:00"
    return {"specversion": "1.0", "id": event_id, "source": source, "type": type_, "time": when, "data": data}


def named(event_id: str) -> dict[str, str]:
    """The event that another one names."""
    return {"source": event_id.partition("-")[0], "id": event_id}


def ref(number: int, day: int = 12) -> dict[str, str]:
    """A bank reference of its day."""
    return {"bank_ref": f"BR12{number:04d}", "bank_date": f"2026-03-{day}"}


P3 = {"card": "tok_P3_B1_0001", "bank": "B1"}
P5 = {"card": "tok_P5_B1_0001", "bank": "B1"}
BOTH = {"maker": "op-01", "checker": "op-02"}
EVENTS = [
    event(
        "H1-1201",
        "payment.confirmed",
        8,
        original=named("H1-0089"),
        bank_ref="BR00000043",
        bank_date="2026-03-11",
    ),
    event("B1-1202", "topup.made", 9, **P5, amount="100.00", method="COUNTER", **ref(2)),
    event("B1-1203", "topup.made", 9, **P5, amount="50.00", method="COUNTER", **ref(3)),
    event("B1-1204", "topup.reversed", 10, original=named("B1-1203"), amount="50.00"),
    event("B2-1205", "topup.made", 9, **P5, amount="70.00", method="NETBANK", payer_bank="B2", **ref(5)),
    event(
        "T1-1206",
        "payment.made",
        9,
        **P5,
        institution="H1",
        amount="33.00",
        purpose="OUTPATIENT",
        order_no="H1-1201",
        route="CHANNEL",
        **ref(6),
    ),
    event(
        "T1-1207",
        "payment.refunded",
        10,
        original=named("T1-1206"),
        **P5,
        institution="H1",
        amount="3.00",
        route="CHANNEL",
        **ref(7),
    ),
    event(
        "H2-1206",
        "admission.registered",
        8,
        **P5,
        institution="H2",
        admission_no="A61",
        admitted_at="2026-03-12T08:00:00+08:00",
    ),
    event(
        "H2-1207",
        "deposit.paid",
        9,
        **P5,
        institution="H2",
        admission_no="A61",
        amount="500.00",
        receipt_no="D-61-1",
        **ref(8),
    ),
    event(
        "H2-1208",
        "discharge.settled",
        10,
        **P5,
        institution="H2",
        admission_no="A61",
        total="600.00",
        deposit_used="500.00",
        top_up="100.00",
        refund="0.00",
        **ref(9),
    ),
    event("H2-1216", "discharge.cancelled", 11, original=named("H2-1208"), **P5, **ref(16)),
    event(
        "H2-1209",
        "admission.registered",
        8,
        **P3,
        institution="H2",
        admission_no="A60",
        admitted_at="2026-03-12T08:00:00+08:00",
    ),
    event(
        "H2-1210",
        "deposit.paid",
        9,
        **P3,
        institution="H2",
        admission_no="A60",
        amount="400.00",
        receipt_no="D-60-1",
        **ref(10),
    ),
    event(
        "H2-1211",
        "deposit.voided",
        10,
        original=named("H2-1210"),
        **P3,
        institution="H2",
        admission_no="A60",
        amount="400.00",
        **ref(11),
    ),
    event(
        "H1-1212",
        "payment.made",
        12,
        **P3,
        institution="H1",
        amount="12.00",
        purpose="OUTPATIENT",
        order_no="H1-1202",
        **ref(12),
    ),
    event(
        "H1-1212",
        "payment.made",
        12,
        **P3,
        institution="H1",
        amount="13.00",
        purpose="OUTPATIENT",
        order_no="H1-1203",
        **ref(13),
    ),
    event("H1-1214", "payment.timed_out", 13, **P3, institution="H1", amount="15.00", order_no="H1-1204"),
    event(
        "H1-1215",
        "payment.timed_out",
        13,
        **P5,
        institution="H1",
        amount="16.00",
        order_no="H1-1205",
        route="UNIONPAY",
        **ref(15),
    ),
]
# fmt: off
TWELVE = {
    "STM_B1": [
        "BR120002,,2026-03-12,09:00:00,TOPUP,C,100.00,SUCC,tok_P5_B1_0001,",
        "BR120003,,2026-03-12,09:00:00,TOPUP,C,50.00,SUCC,tok_P5_B1_0001,",
        "BR129999,,2026-03-12,10:00:00,REVERSAL,D,50.00,SUCC,tok_P5_B1_0001,BR120003",
        "BR120005,,2026-03-12,09:00:00,TOPUP,C,70.00,SUCC,tok_P5_B1_0001,",
        "BR120008,,2026-03-12,09:00:00,PAY,D,500.00,SUCC,tok_P5_B1_0001,",
        "BR120009,,2026-03-12,10:00:00,PAY,D,100.00,SUCC,tok_P5_B1_0001,",
        "BR120016,,2026-03-12,11:00:00,VOID,C,100.00,SUCC,tok_P5_B1_0001,BR120009",
        "BR120010,,2026-03-12,09:00:00,PAY,D,400.00,SUCC,tok_P3_B1_0001,",
        "BR120011,,2026-03-12,10:00:00,VOID,C,400.00,SUCC,tok_P3_B1_0001,BR120010",
        "BR120012,,2026-03-12,12:00:00,PAY,D,12.00,SUCC,tok_P3_B1_0001,",
    ],
    "STM_B2": ["BR120005,,2026-03-12,09:00:00,TOPUP,D,70.00,SUCC,,"],
    "STM_T1": [
        "BR120006,,2026-03-12,09:00:00,PAY,D,33.00,SUCC,tok_P5_B1_0001,",
        "BR120007,,2026-03-12,10:00:00,REFUND,C,3.00,SUCC,tok_P5_B1_0001,BR120006",
    ],
    "STM_CUP": [],
    "HIS_H1": [
        "H1-1103,,OPD,R,70.00,SUCC,2026-03-12,08:00:00,BR00000043,",
        "H1-1201,,OPD,R,33.00,SUCC,2026-03-12,09:00:00,BR120006,",
        ",,REFUND,P,3.00,SUCC,2026-03-12,10:00:00,BR120007,H1-1201",
        "H1-1202,,OPD,R,12.00,SUCC,2026-03-12,12:00:00,BR120012,",
    ],
    "HIS_H2": [
        "D-61-1,,DEP,R,500.00,SUCC,2026-03-12,09:00:00,BR120008,",
        "A61,,DISCHARGE,R,100.00,SUCC,2026-03-12,10:00:00,BR120009,",
        ",,REFUND,P,100.00,SUCC,2026-03-12,11:00:00,BR120016,A61",
        "D-60-1,,DEP,R,400.00,SUCC,2026-03-12,09:00:00,BR120010,",
        ",,REFUND,P,400.00,SUCC,2026-03-12,10:00:00,BR120011,D-60-1",
    ],
}
# fmt: on


async def _twelfth(the: Books, desk: Desk, **more: list[str]) -> dict[str, Any]:
    """The eleventh reconciled, the twelfth taken in, closed and reconciled, with lines added to its files."""
    await run(the, ELEVENTH, desk.paths(ELEVENTH))
    await the.ingest(json.dumps(one).encode() for one in EVENTS)
    await the.close(TWELFTH)
    files = {}
    for name, lines in TWELVE.items():
        header = (
            desk.paths(TENTH)["STM_B1" if name.startswith("STM") else "HIS_H1"].read_text().splitlines()[0]
        )
        files[name] = desk.put(f"twelfth/{name}.csv", "\n".join([header, *lines, *more.get(name, [])]) + "\n")
    return await run(the, TWELFTH, files)


async def test_channels_networks_top_ups_and_a_confirmation_a_day_late(the: Books, desk: Desk) -> None:
    """All match; the time-out of yesterday clears under its old id when the hospital has the money too."""
    found = await _twelfth(the, desk)
    outcomes = await the.rows(
        "SELECT id, outcome FROM event WHERE id LIKE '%-12__' AND outcome NOT IN ('posted', 'noted')"
    )
    assert outcomes == []
    assert brief(found) == [("CUT-001", "BR00000043", "L1B1H1", "AUTO_CLEARED")]
    assert found["open"] == {"before": 1, "new": 0, "cleared": 1, "after": 0}
    assert (found["matched"], found["state"], found["missing"]) == (6, "reconciled", [])


async def test_what_a_partner_did_for_records_that_made_no_entry(the: Books, desk: Desk) -> None:
    """Money taken for a rejected record or an open time-out is STA-001; a noted top-up taken back a day later is nil."""
    await _twelfth(the, desk)
    more = {
        "STM_B1": [
            "BR120013,,2026-03-12,12:00:00,PAY,D,13.00,SUCC,,",
            "BR129014,,2026-03-12,13:00:00,PAY,D,15.00,SUCC,,",
        ],
        "STM_CUP": ["BR120015,,2026-03-12,13:00:00,PAY,D,16.00,SUCC,,"],
        "HIS_H1": ["H1-1204,,OPD,R,15.00,SUCC,2026-03-12,13:00:00,BR129014,"],
    }
    files = {}
    for name, lines in TWELVE.items():
        header = (
            desk.paths(TENTH)["STM_B1" if name.startswith("STM") else "HIS_H1"].read_text().splitlines()[0]
        )
        files[name] = desk.put(
            f"twelfth/{name}_V2.csv", "\n".join([header, *lines, *more.get(name, [])]) + "\n"
        )
    found = await run(the, TWELFTH, files)
    assert [(code, key, vector) for code, key, vector, _ in brief(found)] == [
        ("CUT-001", "BR00000043", "L1B1H1"),
        ("SID-010", "BR129014", "L0B1H-"),
        ("STA-001", "BR120013", "L1B1H0"),
        ("STA-001", "BR120015", "L1B1H0"),
        ("STA-003", "BR129014", "L1B0H1"),
    ]


# ---------------------------------------------------------------- the work list


async def test_the_work_list(the: Books, desk: Desk) -> None:
    """Breaks by day and state, one with its rows and steps; an id that is none is said so."""
    files = desk.paths(TENTH) | {"STM_B1": desk.changed(TENTH, "STM_B1", *PLANTED["STM_B1"])}
    found = await run(the, TENTH, files)
    listed = await breaks_list(the.engine)
    assert listed == await breaks_list(the.engine, Asked(day=TENTH))
    assert [{name: one[name] for name in found["breaks"][0]} for one in listed] == found["breaks"]
    assert await breaks_list(the.engine, Asked(day=ELEVENTH)) == []
    suspects = await breaks_list(the.engine, Asked(states=["SUSPECT"]))
    assert suspects == await breaks_list(the.engine, Asked(day=TENTH, states=["SUSPECT"]))
    assert {one["code"] for one in suspects} == {"SID-101", "SID-010", "STA-004"}
    shown = await break_show(the.engine, suspects[0]["id"])
    assert shown["rows"].keys() == {"ledger", "bank", "his"}
    with pytest.raises(UsageError, match="there is none"):
        await break_show(the.engine, "none")
