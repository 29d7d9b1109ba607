"""A generated city through the real command line and the real database: what was planted is what is found."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clearing.jobs.generate import BREAK_KINDS, FILE_KINDS
from tests.console.conftest import Clearing
from tests.soaking import SEED, size

DAY, NEXT = "2026-03-10", "2026-03-11"
Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class City:
    """One generated day of the city, as its files."""

    day: str
    made: dict[str, Any]

    @property
    def answers(self) -> list[dict[str, Any]]:
        """What was planted."""
        found: list[dict[str, Any]] = json.loads(Path(self.made["answers"]).read_text(encoding="utf-8"))
        return found

    def files(self, *, corrected: bool = False) -> list[str]:
        """All partners' files as `reconcile` takes them; with `corrected`, the sound ones for the wrong."""
        mended = self.made.get("corrected", {}) if corrected else {}
        sides = (("--bank", self.made["statements"]), ("--his", self.made["exports"]))
        places = {"--his": self.made["exports_of"], "--bank": self.made["statements_of"]}
        return [
            word
            for option, paths in sides
            for code in places[option]
            if (path := mended.get(code) or paths.get(code))
            for word in (option, f"{code}={path}")
        ]


def city(run: Clearing, out: Path, day: str, events: int, *more: str) -> City:
    """Make a day, book it and close it."""
    made = run(
        "generate",
        "--date",
        day,
        "--events",
        str(events),
        "--seed",
        str(SEED),
        "--out",
        str(out),
        "--json",
        *more,
    )
    assert made.code == 0, made.err
    said = made.json
    mended = said.get("corrected", {})
    banks = sorted({*said["statements"], *(code for code in mended if code.startswith("B"))})
    places = sorted({*said["exports"], *(code for code in mended if not code.startswith("B"))})
    said |= {"statements_of": banks, "exports_of": places}
    if day == DAY:
        assert run("init", "--members", said["members"], "--open-day", day).code == 0
    taken = run("ingest", said["events_file"], "--json")
    assert taken.code == 0, taken.err
    assert (taken.json["malformed"], taken.json["rejected"]) == (0, said["refused"])
    closed = run("close", day, "--json")
    assert closed.code == 0, closed.err
    return City(day, said)


def planted(answers: list[dict[str, Any]]) -> Counter[Key]:
    """Answers by code, reference, number and amount; of a file by its partner."""
    return Counter(
        (one["code"], one["keys"]["bank_ref"], one["keys"]["order_no"] or (one["partner"] if one["file"] else ""),
         one["amount"])
        for one in answers
    )  # fmt: skip


def named(breaks: list[dict[str, Any]]) -> Counter[Key]:
    """Breaks in the same form."""
    return Counter(
        (one["code"], one["keys"]["bank_ref"],
         (one["institution"] or one["bank"]) if one["code"] in FILE_KINDS else one["keys"]["order_no"], one["amount"])
        for one in breaks
    )  # fmt: skip


def residuals(found: dict[str, Any]) -> set[str]:
    """What the proof lines leave over, each of them."""
    return {line["residual"] for line in found["proof"].values()}


def test_exactly_the_planted_breaks_of_a_city_day_are_found(run: Clearing, tmp_path: Path) -> None:
    """Precision and recall are 1.0 over every kind; mended files end what was wrong with files, and tomorrow
    clears what the banks dated tomorrow.
    """
    events = size(1500, 200_000)
    share = str(size(len(BREAK_KINDS), 0) or 0.005)
    one = city(run, tmp_path / "one", DAY, events, "--breaks", share, "--wrong-files")
    kinds = {answer["kind"] for answer in one.answers}
    assert kinds == {*BREAK_KINDS, *FILE_KINDS}

    done = run("reconcile", DAY, *one.files(), "--json")
    assert done.code == 2, "the refused files are told, the others are taken"
    assert named(done.json["breaks"]) == planted(one.answers)
    assert residuals(done.json) == {"0.00"}
    assert done.json["state"] == "filed", "a day with a wrong file is not reconciled"

    again = run("reconcile", DAY, *one.files(corrected=True), "--json")
    assert again.code == 0, again.err
    lines = [answer for answer in one.answers if not answer["file"]]
    assert named(again.json["breaks"]) == planted(lines)
    assert residuals(again.json) == {"0.00"}
    assert (again.json["state"], again.json["missing"], again.json["refused"]) == ("reconciled", [], [])
    ids = {found["id"] for found in done.json["breaks"] if found["code"] not in FILE_KINDS}
    assert {found["id"] for found in again.json["breaks"]} == ids
    gone = run("breaks", "list", "--json", "--rows", "100000").json["breaks"]
    assert {found["ending"] for found in gone if found["code"] in FILE_KINDS} == {"FILE_CORRECTED"}

    two = city(run, tmp_path / "two", NEXT, 300, "--breaks", "0", "--later")
    next_day = run("reconcile", NEXT, *two.files(), "--json")
    assert next_day.code == 0, next_day.err
    crossed = Counter(found["code"] for found in next_day.json["breaks"] if found["id"] in ids)
    assert crossed == Counter(answer["next_day"] for answer in lines if answer["next_day"])
    assert [found for found in next_day.json["breaks"] if found["id"] not in ids] == []
    assert residuals(next_day.json) == {"0.00"}
