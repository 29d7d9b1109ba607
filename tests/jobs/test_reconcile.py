"""A day against its partners' files, on the real books: the worked days, and what is wrong in them on purpose."""

# ruff: noqa: E501 - aligned tables and sentences of behaviour are read, not wrapped

from __future__ import annotations

import asyncio
import json
from datetime import date, datetime

import pytest

from clearing.errors import UsageError
from clearing.jobs import resolve
from clearing.jobs.desk import Desk as OfPerson
from clearing.jobs.propose import Wanted
from clearing.jobs.worklist import break_show, breaks_list
from clearing.store.breaks import Asked
from tests.jobs.reconcile_desk import (
    ELEVENTH,
    HEADER,
    LATE,
    NINTH,
    PLANTED,
    TENTH,
    Desk,
    brief,
    counts,
    run,
)
from tests.jobs.running import DAYS, Books


@pytest.fixture
def the(filed: Books) -> Books:
    """Books in which the three worked days are filed and nothing is reconciled."""
    return filed


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
    ("SID-001", "H2-9001", "L0B0H1", "OPEN"),
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


# ---------------------------------------------------------------- from day to day


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
