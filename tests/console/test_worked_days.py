"""The worked days through the commands: every figure as expected."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.console.conftest import Clearing, day_folder

DAYS = ("2026-03-09", "2026-03-10", "2026-03-11")


def expected(day: str, name: str = "figures") -> Any:  # noqa: ANN401 - JSON
    """What the day's folder expects."""
    return json.loads((day_folder(day) / "expected" / f"{name}.json").read_text(encoding="utf-8"))


def test_ingest_close_and_positions_give_the_expected_figures_day_by_day(worked: Clearing) -> None:
    """Ingest totals, positions before and after the close, roll-up, bank nets and instructions are exact."""
    for day in DAYS:
        figures = expected(day)
        taken = worked("ingest", "--json", str(day_folder(day) / "events.jsonl")).json
        assert {name: taken[name] for name in figures["ingest"]} == figures["ingest"]
        live = worked("positions", day, "--json").json
        assert live["state"] == "open"
        assert worked("close", day).code == 0
        filed = worked("positions", day, "--json").json
        assert filed["state"] == "filed"
        for found in (live, filed):
            assert found["date"] == day
            assert found["positions"] == figures["positions"]
            assert found["roll_up"] == figures["roll_up"]
            assert found["bank_net"] == figures["bank_net"]
            paid = [
                {name: one[name] for name in ("debtor", "creditor", "amount")}
                for one in found["instructions"]
            ]
            assert paid == figures["instructions"]
        assert [one["state"] for one in filed["instructions"]] == ["WAITING"]
        assert all(len(one["id"]) == 32 and one["value_date"] > day for one in filed["instructions"])


def test_what_stays_open_after_the_last_day(three_days: Clearing) -> None:
    """Balances over all days are what the folder says; zero balances are left out."""
    assert three_days("balances", "--json").json == {
        "date": None,
        "accounts": expected("2026-03-11", "open_after"),
    }


def test_balances_of_a_date_include_the_entries_of_its_end(three_days: Clearing) -> None:
    """After the roll-up only items and memo accounts are left of a day, and 1010 is settled through 3010."""
    moved = three_days("balances", "--date", "2026-03-10", "--json").json
    assert moved["date"] == "2026-03-10"
    assert moved["accounts"]["3010.B1"] == "2120.56"
    assert not any(name.startswith(("1010", "2010")) for name in moved["accounts"])


def test_balances_by_prefix(three_days: Clearing) -> None:
    """--account takes the accounts that begin so."""
    found = three_days("balances", "--account", "9020", "--json").json["accounts"]
    assert found == {"9020.F1.H1": "5390.00"}


def test_day_show(three_days: Clearing) -> None:
    """State, entries and late ones of a day; the last one is open and holds no late event."""
    found = three_days("day", "show", "2026-03-11", "--json").json
    assert found.keys() >= {"date", "state", "entries", "late"}
    assert (found["date"], found["state"]) == ("2026-03-11", "filed")
    assert found["late"] == 1
    assert three_days("day", "show", "2026-03-12", "--json").json["state"] == "open"


def test_closing_again_changes_nothing(three_days: Clearing) -> None:
    """A closed day says that every step was done before, and exits 0."""
    again = three_days("close", "2026-03-10", "--json")
    assert again.code == 0
    assert again.json["done"] == {"cut": False, "net": False, "file": False}


def test_the_same_file_again_is_all_duplicates(three_days: Clearing) -> None:
    """Every event ends as duplicate; nothing is posted."""
    before = three_days("balances", "--json").json
    taken = three_days("ingest", "--json", str(day_folder("2026-03-11") / "events.jsonl")).json
    assert taken["duplicate"] == taken["taken"] == 24
    assert three_days("balances", "--json").json == before


def test_trace_is_the_whole_way_as_a_list(three_days: Clearing) -> None:
    """Record, outcome, entry, three receivers' files in two profiles, and the record that came again."""
    chain = three_days("trace", "H1/H1-0029", "--json").json
    assert [one["step"] for one in chain] == ["record", "outcome", "entry", *["file"] * 6, "repeat"]
    entry = chain[2]
    assert entry["card"] == "****0001"
    shown = three_days("entries", "show", entry["id"][:16], "--json").json
    assert shown["postings"] == entry["postings"]


def test_trace_of_a_rejected_event(three_days: Clearing) -> None:
    """A rejected event has an outcome with its reason and no entry."""
    record, outcome = three_days("trace", "H1/H1-0076", "--json").json
    assert record["type"] == "payment.made"
    assert (outcome["outcome"], outcome["reason"]) == ("rejected", "card_not_allowed")
    assert outcome["clearing_date"] is None


def test_entries_are_listed_by_what_they_carry(three_days: Clearing) -> None:
    """By day and institution, by card, by account; no card is shown beyond its last four characters."""
    for words in (("--institution", "H1"), ("--card", "tok_P1_B1_0001"), ("--account", "2010.H1")):
        said = three_days("entries", "list", "--date", "2026-03-10", *words, "--json")
        assert said.json["entries"]
        assert {one["clearing_date"] for one in said.json["entries"]} == {"2026-03-10"}
        assert "tok_" not in said.out


def test_files_are_written_checked_and_found_again(three_days: Clearing, tmp_path: Any) -> None:  # noqa: ANN401
    """Every stored file is written with its manifest and found sound; a changed byte is found."""
    listed = three_days("files", "list", "2026-03-10", "--json").json["files"]
    written = three_days("files", "write", "2026-03-10", "--out", str(tmp_path), "--json").json
    assert written["written"] == len(listed)
    assert three_days("files", "write", "2026-03-10", "--out", str(tmp_path), "--json").json[
        "already"
    ] == len(listed)
    one = next(each for each in listed if each["receiver"] == "H2" and each["type"] == "TXN")
    path = tmp_path / "H2" / one["name"]
    assert three_days("files", "check", str(path), "--json").json["sound"]
    path.write_bytes(path.read_bytes().replace(b"H2", b"H3", 1))
    changed = three_days("files", "check", str(path), "--json")
    assert changed.code == 2
    assert changed.json["faults"]


def test_verify_is_clean(three_days: Clearing) -> None:
    """Every check says ok."""
    found = three_days("verify", "--json")
    assert found.code == 0
    assert found.json["ok"] is True
    assert set(found.json["checks"].values()) == {"ok"}


@pytest.mark.parametrize(
    "words",
    [
        ("members", "show"),
        ("day", "show", "2026-03-10"),
        ("balances",),
        ("positions", "2026-03-10"),
        ("files", "list", "2026-03-10"),
        ("breaks", "list"),
        ("entries", "list", "--date", "2026-03-10"),
        ("quarantine", "list"),
        ("trace", "H1/H1-0029"),
        ("verify",),
    ],
    ids=" ".join,
)
def test_json_is_one_value_and_tables_fit_a_pipe(three_days: Clearing, words: tuple[str, ...]) -> None:
    """With --json stdout is one JSON value and nothing else; without it lines fit what a pipe has room for."""
    said = three_days(*words, "--json")
    assert said.code == 0, said.err
    assert said.json is not None
    assert said.err == ""
    told = three_days(*words)
    assert told.code == 0, told.err
    assert max(map(len, told.out.splitlines()), default=0) <= 160
