"""What people do with breaks, on real books: two people, money by corrections alone, runs that go on meanwhile."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from clearing.errors import UsageError
from clearing.jobs.propose import Wanted
from clearing.jobs.reconcile import reconcile_day
from clearing.jobs.resolve import approve, assign, close, reject, reopen, resolve
from clearing.jobs.verify import verify
from clearing.jobs.worklist import break_show, breaks_list
from clearing.reconciliation.life import Leg
from clearing.store.breaks import Asked
from tests.conftest import DatabaseServer
from tests.jobs.reconciled_story import FIRST, OPEN_DAY, SECOND, STORY, break_of, desk, reconcile, story_books
from tests.jobs.running import Books, until

ROOT = Path(__file__).parents[2]
APPROVES = """
import asyncio, sys
from tests.jobs.reconciled_story import approving
asyncio.run(approving(*sys.argv[1:]))
"""
BACK = (Leg("1010.BX", "D", 1800), Leg("1091.H1", "C", 1800))


@pytest.fixture
async def the(database_server: DatabaseServer) -> AsyncIterator[Books]:
    """Books in which both days of the story are reconciled."""
    async with story_books(database_server) as found:
        yield found


def life(shown: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """(state, end, maker, checker) of each step."""
    return [(one["state"], one["ending"], one["maker"], one["checker"]) for one in shown["steps"]]


async def steps_and_entries(the: Books) -> tuple[int, int, int, int]:
    """How much there is of what a decision writes."""
    tables = ("break_step", "break_proposal", "break_approval", "entry")
    one, two, three, four = [await the.one(f"SELECT count(*) FROM {table}") for table in tables]  # noqa: S608
    return one, two, three, four


# ---------------------------------------------------------------- the usual way


async def test_a_shortage_goes_to_1091_when_a_second_person_agrees(the: Books) -> None:
    """Assigned, proposed, approved: the derived legs stand on the open day with the break's id, once."""
    found = await break_of(the, "AMT-001")
    await assign(desk(the, "lee"), found[:14], to="ann")
    digest = bytes(range(32))
    await resolve(desk(the, "ann"), found, Wanted(ending="ADJUST", why="slips compared", evidence=digest))
    assert (await the.balances()).get("1091.H1") is None
    shown = await approve(desk(the, "bob"), found, why="seen")
    assert life(shown) == [
        ("ASSIGNED", "", "lee", ""),
        ("PENDING_APPROVAL", "ADJUST", "ann", ""),
        ("RESOLVED", "ADJUST", "ann", "bob"),
    ]
    assert [one["evidence"] for one in shown["steps"]] == ["", digest.hex(), digest.hex()]
    assert (shown["owner"], shown["ending"], shown["due"], shown["overdue"]) == ("ann", "ADJUST", "", False)
    ((day, accounts, fens, body),) = await the.rows(
        "SELECT e.clearing_date, e.accounts, e.fens, convert_from(v.raw, 'UTF8')::jsonb -> 'data' FROM entry e "
        "JOIN event v ON v.source = e.source AND v.id = e.event_id WHERE e.type = 'correction.approved'"
    )
    assert (day, accounts, fens) == (OPEN_DAY, ["1091.H1", "1010.BX"], [1800, -1800])
    assert (body["break_id"], body["approval"]) == (found, {"maker": "ann", "checker": "bob"})
    assert body["evidence"] == f"SM3 {digest.hex()}"
    assert (await verify(the.engine, the.members))["ok"]


async def test_an_overage_goes_to_2091_and_back_to_the_card(the: Books) -> None:
    """A bank line that names no hospital has no legs of its own: they are given."""
    found = await break_of(the, "SID-010")
    with pytest.raises(UsageError, match="expected an institution for whom it is held"):
        await resolve(desk(the, "ann"), found, Wanted(ending="ADJUST", why="nobody claims it"))
    legs = (Leg("1010.BX", "D", 2500), Leg("2091.H1", "C", 2500))
    await resolve(desk(the, "ann"), found, Wanted(ending="ADJUST", why="nobody claims it", legs=legs))
    await approve(desk(the, "bob"), found)
    assert (await the.balances())["2091.H1"] == -2500
    await reopen(desk(the, "cat"), found, why="the bank gives the card back")
    back = tuple(Leg(leg.account, "DC"[leg.side == "D"], leg.amount_fen) for leg in legs)
    await resolve(desk(the, "cat"), found, Wanted(ending="REFUND", why="given back", legs=back))
    await approve(desk(the, "bob"), found)
    assert "2091.H1" not in await the.balances()
    shown = await close(desk(the, "bob"), found, why="seen at the bank")
    assert (shown["state"], shown["ending"], len(shown["proposals"])) == ("CLOSED", "REFUND", 2)


async def test_an_event_that_has_moved_the_money_is_named(the: Books) -> None:
    """A refund by the hospital ends the break; an event that moved nothing does not."""
    found = await break_of(the, "SID-110")
    for event, message in (
        ("H1/H1-77", "it never came"),
        ("BX/BX-01", "it was noted"),
    ):
        with pytest.raises(UsageError, match=message):
            await resolve(desk(the, "ann"), found, Wanted(ending="REFUND", why="given back", event=event))
    await resolve(desk(the, "ann"), found, Wanted(ending="REFUND", why="given back", event="H1/H1-5"))
    before = await steps_and_entries(the)
    shown = await approve(desk(the, "bob"), found)
    assert shown["proposals"][0]["event"] == "H1/H1-5"
    assert (await steps_and_entries(the))[3] == before[3]


# ---------------------------------------------------------------- two people


async def test_the_maker_cannot_approve_nor_anybody_twice(the: Books) -> None:
    """A write-off waits for two others; up to the setting's limit."""
    found = await break_of(the, "AMT-001")
    wanted = Wanted(ending="WRITE_OFF", why="not worth asking")
    with pytest.raises(UsageError, match=r"at most 17\.99 expected, got 18\.00 \(0\.01 too much\)"):
        await resolve(desk(the.set(write_off_fen_max=1799), "ann"), found, wanted)
    await resolve(desk(the, "ann"), found, wanted)
    with pytest.raises(UsageError, match="ann proposed it"):
        await approve(desk(the, "ann"), found)
    first = await approve(desk(the, "bob"), found)
    assert (first["state"], first["proposals"][0]["approvals_needed"]) == ("PENDING_APPROVAL", 2)
    with pytest.raises(UsageError, match="bob has approved it"):
        await approve(desk(the, "bob"), found)
    second = await approve(desk(the, "eve"), found)
    assert (second["state"], [one["checker"] for one in second["proposals"][0]["approvals"]]) == (
        "RESOLVED",
        ["bob", "eve"],
    )


async def test_a_refused_proposal_begins_again(the: Books) -> None:
    """Rejected, the break is its owner's again; the old approvals count for nothing in the next proposal."""
    found = await break_of(the, "AMT-001")
    await resolve(desk(the, "ann"), found, Wanted(ending="WRITE_OFF", why="not worth asking"))
    await approve(desk(the, "bob"), found)
    await reject(desk(the, "eve"), found, why="ask the bank first")
    with pytest.raises(UsageError, match="got REOPENED"):
        await approve(desk(the, "eve"), found)
    again = await resolve(desk(the, "ann"), found, Wanted(ending="WRITE_OFF", why="the bank says no"))
    assert (again["proposals"][1]["approvals"], again["owner"]) == ([], "ann")
    await approve(desk(the, "bob"), found)
    assert (await approve(desk(the, "eve"), found))["state"] == "RESOLVED"


async def test_the_same_again_changes_nothing(the: Books) -> None:
    """Assigning to the same person and proposing the same way leave no second step; approving twice is refused."""
    found = await break_of(the, "AMT-001")
    wanted = Wanted(ending="ADJUST", why="slips compared")
    for _ in range(2):
        await assign(desk(the, "lee"), found, to="ann")
    for _ in range(2):
        await resolve(desk(the, "ann"), found, wanted)
    await approve(desk(the, "bob"), found)
    before = await steps_and_entries(the)
    assert before[:3] == (3 + 1, 1, 1)  # and the one that a run has cleared
    with pytest.raises(UsageError, match="expected one that waits for approval, got RESOLVED"):
        await approve(desk(the, "bob"), found)
    assert await steps_and_entries(the) == before


async def test_two_approvals_at_once_end_it_once(the: Books) -> None:
    """Of two people who agree in the same moment one ends the break, the other is told that it has ended."""
    found = await break_of(the, "AMT-001")
    await resolve(desk(the, "ann"), found, Wanted(ending="ADJUST", why="slips compared"))
    done = await asyncio.gather(
        *(approve(desk(the, person), found) for person in ("bob", "eve")), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in done) == ["UsageError", "dict"]
    assert await the.one("SELECT count(*) FROM entry WHERE type = 'correction.approved'") == 1


# ---------------------------------------------------------------- refusals


async def test_a_correction_that_the_books_refuse_is_told_to_its_proposer(the: Books) -> None:
    """Accounts that are not open to corrections, unequal legs, no account at all: nothing is stored."""
    found = await break_of(the, "AMT-001")
    before = await steps_and_entries(the)
    for legs, message in (
        ((Leg("3020.H1", "D", 5), Leg("1010.BX", "C", 5)), "rejected account_not_allowed"),
        ((Leg("1091.H1", "D", 5), Leg("1010.BX", "C", 4)), "rejected unbalanced"),
        ((Leg("cash", "D", 5), Leg("1010.BX", "C", 5)), "cannot be read"),
    ):
        with pytest.raises(UsageError, match=message):
            await resolve(desk(the, "ann"), found, Wanted(ending="ADJUST", why="tries", legs=legs))
    assert await steps_and_entries(the) == before


async def test_what_is_no_step_is_said_so(the: Books) -> None:
    """A cleared break is not assigned, an open one not approved, closed, rejected or reopened."""
    cleared, found = await break_of(the, "SID-101"), await break_of(the, "AMT-001")
    with pytest.raises(UsageError, match=r"can become ASSIGNED, got AUTO_CLEARED\. It can become REOPENED"):
        await assign(desk(the, "ann"), cleared, to="ann")
    for step in (reject, reopen, close):
        with pytest.raises(UsageError, match="got OPEN"):
            await step(desk(the, "ann"), found, why="no")
    with pytest.raises(UsageError, match="waits for approval, got OPEN"):
        await approve(desk(the, "bob"), found)
    with pytest.raises(UsageError, match="there is none"):
        await assign(desk(the, "ann"), "nothing", to="ann")
    with pytest.raises(UsageError, match="more than one begins so"):
        await assign(desk(the, "ann"), "2026", to="ann")
    with pytest.raises(UsageError, match="expected no card number"):
        await assign(desk(the, "ann"), found, to="ann", why="card 4111 1111 1111 1111")
    with pytest.raises(UsageError, match="--as"):
        desk(the, " ")


# ---------------------------------------------------------------- runs meanwhile


async def test_a_run_clears_what_somebody_works_on(the: Books, tmp_path: Path) -> None:
    """A break that waits for approval and clears by itself is cleared, and cannot be approved any more."""
    found = await break_of(the, "SID-010")
    legs = (Leg("1010.BX", "D", 2500), Leg("2091.H1", "C", 2500))
    await resolve(desk(the, "ann"), found, Wanted(ending="ADJUST", why="nobody claims it", legs=legs))
    await reconcile(the, SECOND, {"STM_BX": _with_reversal(tmp_path)})
    shown = await break_show(the.engine, found)
    assert life(shown)[-1] == ("AUTO_CLEARED", "LATE_MATCH", "reconcile", "")
    with pytest.raises(UsageError, match="got AUTO_CLEARED"):
        await approve(desk(the, "bob"), found)


def _with_reversal(folder: Path) -> Path:
    """The second day's statement with a line by which the bank takes its own line R9 back."""
    lines = (STORY[1] / "statements" / "STM_BX.csv").read_text().splitlines()[:-1]
    lines.append("R9X,,2026-09-22,10:00:00,REVERSAL,C,25.00,SUCC,,R9")
    path = folder / "STM_BX_V2.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


async def test_what_had_moved_money_comes_back_when_it_clears_after_all(the: Books, tmp_path: Path) -> None:
    """Its correction has to be taken back, so a run reopens it; once that is done, another run leaves it alone."""
    found = await break_of(the, "SID-010")
    legs = (Leg("1010.BX", "D", 2500), Leg("2091.H1", "C", 2500))
    await resolve(desk(the, "ann"), found, Wanted(ending="ADJUST", why="nobody claims it", legs=legs))
    await approve(desk(the, "bob"), found)
    await reconcile(the, SECOND, {"STM_BX": _with_reversal(tmp_path)})
    shown = await break_show(the.engine, found)
    assert (shown["state"], shown["owner"]) == ("REOPENED", "ann")
    assert "it had ended as ADJUST" in shown["steps"][-1]["why"]
    back = tuple(Leg(leg.account, "DC"[leg.side == "D"], leg.amount_fen) for leg in legs)
    await resolve(desk(the, "ann"), found, Wanted(ending="ADJUST", why="taken back", legs=back))
    await approve(desk(the, "bob"), found)
    await reconcile(the, SECOND, {"STM_BX": _with_reversal(tmp_path)})
    assert (await break_show(the.engine, found))["state"] == "RESOLVED"
    assert "2091.H1" not in await the.balances()


async def test_what_had_moved_money_comes_back_when_its_file_was_wrong(the: Books, tmp_path: Path) -> None:
    """The corrected file has the right amount: the break is gone, its correction is not, so it is reopened."""
    found = await break_of(the, "AMT-001")
    await resolve(desk(the, "ann"), found, Wanted(ending="ADJUST", why="slips compared"))
    await approve(desk(the, "bob"), found)
    path = tmp_path / "STM_BX_V2.csv"
    lines = (STORY[0] / "statements" / "STM_BX.csv").read_text().replace("102.00", "120.00").splitlines()[:-1]
    path.write_text("\n".join(lines) + "\n")
    await reconcile(the, FIRST, {"STM_BX": path})
    assert (await break_show(the.engine, found))["state"] == "REOPENED"
    await resolve(desk(the, "ann"), found, Wanted(ending="REVERSE", why="the file was wrong", legs=BACK))
    await approve(desk(the, "bob"), found)
    await reconcile(the, FIRST, {"STM_BX": path})
    assert (await break_show(the.engine, found))["state"] == "RESOLVED"


async def test_a_suspect_that_nothing_clears_is_confirmed(the: Books, tmp_path: Path) -> None:
    """More than three days old it is CONFIRMED by the next run; that moves no money."""
    found = await break_of(the, "SID-010")
    entries = await the.one("SELECT count(*) FROM entry WHERE type NOT LIKE 'day.%'")
    for number in (23, 24, 25):
        await the.close(FIRST.replace(day=number))
    path = tmp_path / "HIS_H1.csv"
    path.write_text((STORY[1] / "statements" / "HIS_H1.csv").read_text().splitlines()[0] + "\n")
    told = await reconcile_day(the.engine, the.settings, the.members, FIRST.replace(day=25), {}, {"H1": path})
    shown = await break_show(the.engine, found)
    assert (shown["state"], life(shown)) == ("CONFIRMED", [("CONFIRMED", "", "reconcile", "")])
    assert told["open"] == {"before": 4, "new": 0, "cleared": 0, "after": 4}
    assert await the.one("SELECT count(*) FROM entry WHERE type NOT LIKE 'day.%'") == entries


async def test_a_person_and_a_run_at_once_do_not_lose_each_other(the: Books) -> None:
    """While people assign, a run of the same day goes on: every step is kept and follows the one before."""
    ids = [one["id"] for one in await breaks_list(the.engine, Asked(states=["OPEN", "SUSPECT"]))]
    await asyncio.gather(
        reconcile(the, FIRST),
        *(assign(desk(the, "lee"), one, to="ann") for one in ids),
        reconcile(the, SECOND),
    )
    listed = await breaks_list(the.engine, Asked(owner="ann"))
    assert [(one["id"], one["state"]) for one in listed] == [(one, "ASSIGNED") for one in ids]


# ---------------------------------------------------------------- killed


async def test_an_approval_killed_before_its_commit_leaves_nothing_and_is_made_again(the: Books) -> None:
    """The process dies before its commit: there is no approval and no entry; the next run makes both."""
    found = await break_of(the, "AMT-001")
    await resolve(desk(the, "ann"), found, Wanted(ending="ADJUST", why="slips compared"))
    before = await steps_and_entries(the)
    async with the.engine.connect() as holder:
        # The row of the jobs' stream is the last thing that posting waits for.
        await holder.execute(text("SELECT 1 FROM stream WHERE name = 'jobs' FOR UPDATE"))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", APPROVES, the.url, found, cwd=ROOT
        )
        await _waits(the)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        await holder.rollback()
    assert await steps_and_entries(the) == before
    assert (await approve(desk(the, "bob"), found))["state"] == "RESOLVED"
    assert (await the.balances())["1091.H1"] == 1800
    assert (await verify(the.engine, the.members))["ok"]


async def _waits(the: Books) -> None:
    """Until somebody waits for a row."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    await until(lambda: the.one(query), "somebody to wait for a row")


# ---------------------------------------------------------------- the list


async def test_the_work_list_is_asked_by_what_people_look_for(the: Books) -> None:
    """By state, code, bank, institution, owner and age; with desk, term, label and age in both kinds of days."""
    await assign(desk(the, "lee"), await break_of(the, "DUP-003"), to="ann")

    async def codes(asked: Asked, **more: int) -> list[str]:
        return sorted(one["code"] for one in await breaks_list(the.engine, asked, **more))

    assert await codes(Asked()) == ["AMT-001", "CUT-001", "DUP-003", "SID-010", "SID-110"]
    assert await codes(Asked(states=["AUTO_CLEARED", "SUSPECT"])) == ["CUT-001", "SID-010"]
    assert await codes(Asked(code="SID")) == ["SID-010", "SID-110"]
    assert await codes(Asked(bank="BX", institution="H1")) == ["AMT-001", "CUT-001", "SID-110"]
    assert await codes(Asked(owner="ann")) == ["DUP-003"]
    assert await codes(Asked(owner="", states=["OPEN"])) == ["AMT-001", "SID-110"]
    assert await codes(Asked(), age_days_min=2) == await codes(Asked())
    assert await codes(Asked(), age_days_min=3) == []
    (shortage,) = await breaks_list(the.engine, Asked(code="AMT"))
    asked = ("desk", "label", "age_days", "age_working_days", "due", "overdue", "owner")
    assert [shortage[name] for name in asked] == ["bank", "银行 BX 短款 18.00", 2, 2, "2026-09-24", False, ""]
