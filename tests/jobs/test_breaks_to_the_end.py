"""The story `breaks-to-the-end`, played as its folder tells it: breaks found, ended by people, the day signed."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from clearing.jobs.propose import Wanted
from clearing.jobs.reconcile import reconcile_day
from clearing.jobs.resolve import approve, assign, resolve
from clearing.jobs.sign import Pen, sign, signed
from clearing.jobs.verify import verify
from clearing.jobs.worklist import break_show
from clearing.ledger.money import yuan
from clearing.reconciliation.life import Leg
from messages import fen_of
from tests.conftest import DatabaseServer
from tests.jobs.day_folders import held
from tests.jobs.reconciled_story import (
    FIRST,
    OPEN_DAY,
    SECOND,
    STORY,
    break_of,
    desk,
    people,
    reconcile,
    story_books,
)
from tests.jobs.running import Books


async def does(the: Books, said: dict[str, Any]) -> None:
    """One line of `people.jsonl`."""
    person = desk(the, said["as"])
    if said["do"] == "sign":
        await sign(person, date.fromisoformat(said["day"]), said["member"], Pen())
        return
    found = await break_of(the, said["code"])
    if said["do"] == "assign":
        await assign(person, found, to=said["to"], why=said["why"])
    elif said["do"] == "resolve":
        legs = tuple(Leg(account, side, fen_of(amount)) for account, side, amount in said.get("legs", ()))
        await resolve(person, found, Wanted(ending=said["end"], why=said["why"], legs=legs))
    else:
        await approve(person, found)


async def test_the_story_ends_as_its_folder_says(
    database_server: DatabaseServer, tmp_path: Path, *, golden: bool
) -> None:
    """Every break in its last state, the items on 1091 and 2091, the signatures, and open breaks day by day."""
    async with story_books(database_server) as the:
        rolls = {f"{SECOND}": (await reconcile(the, SECOND))["open"]}
        for said in people():
            await does(the, said)
        await the.close(OPEN_DAY)
        empty = tmp_path / "STM_BX.csv"
        empty.write_text((STORY[0] / "statements" / "STM_BX.csv").read_text().splitlines()[0] + "\n")
        last = await reconcile_day(the.engine, the.settings, the.members, OPEN_DAY, {"BX": empty}, {})
        shown = {
            code: await break_show(the.engine, await break_of(the, code))
            for code in ("AMT-001", "SID-010", "SID-110", "DUP-003", "SID-101")
        }
        told = await signed(desk(the, "ann"), FIRST)
        found = {
            "breaks": {
                code: {name: one[name] for name in ("state", "ending", "label", "owner")}
                | {"event": any(each["event"] for each in one["proposals"])}
                for code, one in shown.items()
            },
            "balances": {
                account: yuan(fen) for account, fen in (await the.balances()).items() if account[1:3] == "09"
            },
            "days": {
                f"{day}": state
                for day, state in await the.rows(
                    "SELECT clearing_date, state FROM day WHERE clearing_date <= :day ORDER BY 1", day=SECOND
                )
            },
            "signed_by": [one["member"] for one in told["members"] if one["approved"]],
            "open": rolls | {f"{OPEN_DAY}": last["open"]},
        }
        held(STORY[-1] / "expected" / "breaks.json", found, golden=golden)
        assert (await verify(the.engine, the.members))["ok"]
