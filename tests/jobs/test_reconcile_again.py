"""A day reconciled again, with corrected files, and what is refused before anything is written."""

# ruff: noqa: E501 - aligned tables and sentences of behaviour are read, not wrapped

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from clearing.errors import UsageError
from clearing.jobs.worklist import break_show
from clearing.store import breaks
from clearing.store.session import transaction
from tests.jobs.reconcile_desk import (
    ELEVENTH,
    HEADER,
    LATE,
    NINTH,
    PLANTED,
    TENTH,
    TWELFTH,
    Desk,
    counts,
    run,
)
from tests.jobs.running import Books


@pytest.fixture
def the(filed: Books) -> Books:
    """Books in which the three worked days are filed and nothing is reconciled."""
    return filed


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
    ("no such day",   date(2027, 1, 1), lambda desk: {"STM_B1": desk.paths(NINTH)["STM_B1"]}, "was never opened; there are"),
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
