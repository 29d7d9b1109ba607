"""Days as folders: any folder of fixtures/days with members, events and expected figures is a test case.

    fixtures/days/<date>-<story>/  STORY.md  members.toml  events.jsonl  expected/figures.json [open_after.json]

Folders of one story with dates that follow each other are taken in order through one set of books.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from clearing.jobs.close import netting_of
from clearing.jobs.day_reports import day_document
from clearing.ledger.money import yuan
from clearing.store import balances, instructions
from clearing.store.session import transaction
from tests.jobs.running import DAYS, Books

OUTCOMES = ("posted", "noted", "duplicate", "rejected", "parked", "malformed", "taken", "reasons")


@dataclass(frozen=True)
class DayFolder:
    """One day as a folder."""

    path: Path

    @property
    def day(self) -> date:
        """Its clearing date."""
        return date.fromisoformat(self.path.name[:10])

    @property
    def story(self) -> str:
        """What it shows."""
        return self.path.name[11:]

    def lines(self) -> list[bytes]:
        """Its events, in order of arrival."""
        return (self.path / "events.jsonl").read_bytes().splitlines()


def stories(root: Path = DAYS, *, golden: bool = False) -> dict[str, list[DayFolder]]:
    """The cases by the name of their first folder: days of one story, one after the other."""
    needed = ["members.toml", "events.jsonl"] + ([] if golden else ["expected/figures.json"])
    found = [DayFolder(path) for path in root.iterdir() if all((path / name).exists() for name in needed)]
    cases: dict[str, list[DayFolder]] = {}
    last: dict[str, list[DayFolder]] = {}
    for one in sorted(found, key=lambda folder: (folder.story, folder.day)):
        case = last.get(one.story)
        if case is None or case[-1].day + timedelta(days=1) != one.day:
            case = cases[one.path.name] = last[one.story] = []
        case.append(one)
    return cases


async def before_close(the: Books, day: date, counts: dict[str, Any]) -> dict[str, Any]:
    """The figures of a day that are known before it is closed, in yuan."""
    async with transaction(the.engine) as conn:
        sums = await balances.of_day(conn, day)
        netted = await netting_of(conn, the.members, day)
    return {
        "ingest": {name: counts[name] for name in OUTCOMES},
        "positions": {name: yuan(fen) for name, fen in netted.positions.items()},
        "balances_before_roll_up": {name: yuan(fen) for name, fen in sums.items() if fen},
        "bank_net": {bank: yuan(fen) for bank, fen in netted.bank_nets.items()},
        "roll_up": [
            {"bank": one.bank, "account": one.account, "side": one.side, "amount": yuan(one.amount_fen)}
            for one in netted.roll_up
        ],
    }


async def after_close(the: Books, day: date) -> dict[str, Any]:
    """The figures of a day that only its end makes: the instructions between banks."""
    async with transaction(the.engine) as conn:
        every = await instructions.of_day(conn, day)
    return {
        "instructions": [
            {"debtor": one.debtor, "creditor": one.creditor, "amount": yuan(one.amount_fen)}
            for one in every
            if one.kind == "INTER_BANK"
        ]
    }


async def reports_tie(the: Books, day: date) -> None:
    """The day's reports leave no difference to the accounts, nor any institution's vouchers to its position."""
    made = await day_document(the.engine, the.members, day)
    assert {
        one.code: one.totals["difference"] for one in made.tables if "difference" in one.totals
    } == dict.fromkeys(("deposits", "claims", "retention", "returned_funds"), 0)


def held(path: Path, found: dict[str, Any], *, golden: bool) -> None:
    """What was found is what the file expects; with `golden` the file is written instead."""
    if golden:
        path.parent.mkdir(exist_ok=True)
        if not path.exists() or json.loads(path.read_text(encoding="utf-8")) != found:
            path.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        return
    assert found == json.loads(path.read_text(encoding="utf-8")), path


async def open_after(the: Books) -> dict[str, str]:
    """What is open once a story has been closed, in yuan."""
    return {account: yuan(fen) for account, fen in (await the.balances()).items()}
