"""Payers' lists, deposits and transfers on the command line: what is planted is found, damage stops the day."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from clearing.jobs.generate import LIST_KINDS
from tests.console.conftest import Said, clearing
from tests.soaking import SEED, size

DAY = "2026-03-10"
EVENTS = size(1600, 60_000)


def files(made: dict[str, Any], *, lists: bool = True) -> list[str]:
    """All partners' files of a generated day as `reconcile` takes them."""
    sides = [("--bank", made["statements"]), ("--his", made["exports"])]
    sides += [("--his", made["lists"])] if lists else []
    return [
        word for option, paths in sides for code, path in paths.items() for word in (option, f"{code}={path}")
    ]


def keyed(rows: list[dict[str, Any]]) -> Counter[tuple[str, ...]]:
    """Answers, or breaks, by code, reference, number and amount."""
    return Counter(
        (one["code"], one["keys"]["bank_ref"], one["keys"]["order_no"], one["amount"]) for one in rows
    )


@dataclass(frozen=True)
class City:
    """A generated day with lists, closed; every test leaves its books as it found them."""

    url: str
    made: dict[str, Any]

    def run(self, *words: str) -> Said:
        """The program on its books."""
        return clearing(self.url, *words)

    @property
    def breaks(self) -> list[dict[str, Any]]:
        """All breaks that are kept."""
        found: list[dict[str, Any]] = self.run("breaks", "list", "--json", "--rows", "100000").json["breaks"]
        return found


@pytest.fixture(scope="module")
def city(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> City:
    """A generated day with lists, closed."""
    out = tmp_path_factory.mktemp("city")
    told = clearing(module_database_url, "generate", "--date", DAY, "--events", f"{EVENTS}", "--seed", f"{SEED}",
                    "--lists", "--out", f"{out}", "--json")  # fmt: skip
    assert told.code == 0, told.err
    found = City(module_database_url, told.json)
    assert found.run("init", "--members", found.made["members"], "--open-day", DAY).code == 0
    taken = found.run("ingest", found.made["events_file"], "--json").json
    assert (taken["malformed"], taken["rejected"]) == (0, found.made["refused"])
    assert found.run("close", DAY, "--json").code == 0
    return found


def damage(url: str, statement: str) -> None:
    """Change the books as a superuser, past every trigger."""

    async def work() -> None:
        superuser = await asyncpg.connect(url)
        await superuser.execute("SET session_replication_role = replica")
        assert await superuser.execute(statement) != "UPDATE 0"
        await superuser.close()

    asyncio.run(work())


def test_a_residual_stops_the_day(city: City) -> None:
    """A balance that no break explains: exit 1, nothing is stored, the day is not reconciled."""
    before = city.breaks
    where = "account = '2035.F1' AND lane = (SELECT min(lane) FROM balance WHERE account = '2035.F1')"
    damage(city.url, f"UPDATE balance SET fen = fen - 1 WHERE {where}")  # noqa: S608 - the test's own words
    done = city.run("reconcile", DAY, *files(city.made), "--partial", "--json")
    damage(city.url, f"UPDATE balance SET fen = fen + 1 WHERE {where}")  # noqa: S608 - the test's own words
    assert done.code == 1
    assert "FND F1" in done.err
    assert "residual 0.01 (accounts have more)" in done.err
    assert city.run("day", "show", DAY, "--json").json["state"] == "filed"
    assert city.breaks == before


def test_books_that_contradict_themselves_are_a_break(city: City) -> None:
    """A balance that is not its entries': LED-001, exit 1, and the day is not reconciled."""
    where = "account = '1010.B1' AND lane = (SELECT min(lane) FROM balance WHERE account = '1010.B1')"
    damage(city.url, f"UPDATE balance SET fen = fen + 5 WHERE {where}")  # noqa: S608 - the test's own words
    done = city.run("reconcile", DAY, *files(city.made, lists=False), "--json")
    damage(city.url, f"UPDATE balance SET fen = fen - 5 WHERE {where}")  # noqa: S608 - the test's own words
    assert done.code == 1
    (found,) = (one for one in done.json["breaks"] if one["code"] == "LED-001")
    assert "1010.B1: entries give" in found["detail"]
    assert done.json["state"] == "filed"


def test_exactly_what_is_planted_in_lists_and_transfers_is_found(city: City) -> None:
    """Precision and recall are 1.0 for every kind; proofs and balances leave nothing."""
    answers = json.loads(Path(city.made["answers"]).read_text(encoding="utf-8"))
    assert {one["kind"] for one in answers} >= set(LIST_KINDS)
    done = city.run("reconcile", DAY, *files(city.made), "--partial", "--json")
    assert done.code == 0, done.err
    assert keyed(done.json["breaks"]) == keyed(answers)
    lines = {**done.json["proof"], **done.json["balances"]}
    assert {line["residual"] for line in lines.values()} == {"0.00"}
    assert {"F1", "FND F1", "FND I1"} <= lines.keys()
    assert any(name.startswith("DEP ") for name in lines)
    assert (done.json["state"], done.json["missing"]) == ("reconciled", [])
    (gone,) = (one for one in city.breaks if one["code"] == "LED-001")
    assert (gone["state"], gone["ending"]) == ("AUTO_CLEARED", "FILE_CORRECTED"), (
        "the books were mended since"
    )


def test_a_break_says_what_each_side_has_of_it(city: City) -> None:
    """`breaks show` tells a person why a transfer did not arrive and what was cut of a claim."""
    for code, said in (("FND-002", "did not pay it"), ("NRC-002", "cut"), ("DEP-001", "books hold")):
        found = next(one for one in city.breaks if one["code"] == code)
        assert said in city.run("breaks", "show", found["id"]).out
