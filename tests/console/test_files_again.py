"""A day's files made again: a new version with its history, uses of cards by number; both delivered and verified."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clearing.files.check import check_file
from clearing.files.manifest import Manifest, read_manifest
from clearing.files.parse import Parsed
from tests.console.conftest import Clearing, Said, clearing, day_folder

DAY = "2026-03-09"
NEW_ACCOUNT = ("99010000000000001", "99010000000000099")


@pytest.fixture
def filed(run: Clearing, tmp_path: Path) -> Clearing:
    """The program on books whose first day is filed, with folders to deliver to."""
    members = str(day_folder(DAY) / "members.toml")
    assert run("init", "--members", members, "--open-day", DAY).code == 0
    assert run("ingest", str(day_folder(DAY) / "events.jsonl")).code == 0
    assert run("close", DAY).code == 0
    partners = tmp_path / "partners.toml"
    place = f'place = {{ kind = "directory", folder = "{tmp_path}/out/{{receiver}}" }}'
    partners.write_text(f'[[target]]\nreceiver = "*"\n{place}\n', encoding="utf-8")

    def with_partners(*words: str, **more: Any) -> Said:  # noqa: ANN401 - as `clearing`
        return run(*words, CLEARING_PARTNERS=str(partners), **more)

    return with_partners


def sound(folder: Path, name: str) -> Parsed:
    """A file that was delivered, checked with its manifest."""
    manifest = read_manifest(name, (folder / f"{name}.ok").read_bytes())
    assert isinstance(manifest, Manifest)
    checked = check_file(name, (folder / name).read_bytes(), manifest)
    assert [str(one) for one in checked.faults] == []
    assert checked.parsed is not None
    return checked.parsed


def verified(run: Clearing) -> None:
    """All that verify checks is sound, rendering again among it."""
    checks = run("verify", "--json").json["checks"]
    assert {name: said for name, said in checks.items() if said != "ok"} == {}


def test_a_corrected_account_comes_as_version_2(filed: Clearing, tmp_path: Path) -> None:
    """SUM names the new account, head and manifest what it replaces; V1 stays, both are delivered and verified."""
    assert filed("deliver", "--json").code == 0
    text = (day_folder(DAY) / "members.toml").read_text(encoding="utf-8")
    assert NEW_ACCOUNT[0] in text
    (tmp_path / "members.toml").write_text(text.replace(*NEW_ACCOUNT), encoding="utf-8")
    number = filed("members", "load", str(tmp_path / "members.toml"), "--as", "ann", "--json").json["version"]
    assert filed("members", "approve", str(number), "--as", "bob").code == 0
    why = ("--why", "settlement account of H1 corrected", "--as", "ann")
    made = filed("files", "again", DAY, "--for", "H1", "--type", "SUM", *why, "--json")
    assert made.code == 0, made.err
    names = [one["name"] for one in made.json["files"]]
    assert names == [f"RHC_SUM_PLAT_H1_20260309_001_V2.{end}" for end in ("txt", "csv")]
    before, after = (f"RHC_SUM_PLAT_H1_20260309_001_V{n}" for n in (1, 2))
    assert {one["file"] for one in filed("deliver", "--json").json["files"]} == set(names)
    out = tmp_path / "out" / "H1"
    old, new = sound(out, f"{before}.txt"), sound(out, f"{after}.txt")
    assert (new.head["reprocessed"], new.head["replaces"]) == (True, before)
    accounts = [[row.record.payee_account for row in one.rows if row.tag == "N"] for one in (old, new)]
    assert accounts == [[NEW_ACCOUNT[0]], [NEW_ACCOUNT[1]]]
    verified(filed)
    shown = filed("files", "show", f"{after}.txt", "--json").json
    assert (shown["version"], shown["replaces"]) == (2, before)
    assert shown["versions"] == [f"{before}.txt", f"{after}.txt"]
    assert (shown["again"]["by_whom"], shown["again"]["why"]) == ("ann", "settlement account of H1 corrected")
    assert [one["result"] for one in shown["deliveries"]] == ["DELIVERED"]
    assert filed("files", "again", DAY, "--for", "H1", *why).code == 0
    listed = [one["name"] for one in filed("files", "list", DAY, "--json").json["files"]]
    assert {f"{before[:-1]}{n}.txt" for n in (1, 2, 3)} <= set(listed)
    assert "RHC_TXN_PLAT_H1_20260309_001_V2.txt" in listed
    verified(filed)


def test_uses_are_asked_for_again_by_number(filed: Clearing, tmp_path: Path) -> None:
    """A file of its own with the lines that were sent, each with its number; more than there are is refused."""
    whole = "RHC_SWP_PLAT_CP_20260309_001_V1.txt"
    assert filed("deliver", "--json").code == 0
    out = tmp_path / "out" / "CP"
    every = [row.record for row in sound(out, whole).rows]
    assert [one.use_no for one in every] == list(range(1, len(every) + 1))
    assert len(every) == 2
    why = ("--why", "lost on their side", "--as", "ann")
    assert filed("files", "uses", DAY, "--from", "1", "--to", "2", *why, "--json").code == 0
    assert filed("files", "uses", DAY, "--from", "2", *why, "--json").code == 0
    assert filed("deliver", "--json").code == 0
    for seq, wanted in ((2, every), (3, every[1:])):
        again = sound(out, whole.replace("_001_", f"_00{seq}_"))
        assert [row.record for row in again.rows] == wanted
    verified(filed)
    said = filed("files", "uses", DAY, "--from", "2", "--to", "3", *why)
    assert (said.code, "expected numbers from 1 to 2" in said.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("again", DAY, "--for", "NOBODY"), "expected a receiver that has files, got none"),
        (("again", DAY, "--for", "B1", "--type", "DEP"), "expected ERR, SUM, TXN, got DEP"),
        (("again", "2026-03-10", "--for", "B1"), "expected one that is filed and not signed, got open"),
        (("uses", DAY, "--from", "3", "--to", "2"), "expected at most 100000 in order, from 1 on"),
        (("uses", DAY, "--from", "1", "--for", "B1"), "expected CP, got B1"),
        (("show", "RHC_TXN.txt"), "expected a file of ours, got none"),
    ],
    ids=["nobody", "a type it does not get", "a day that is open", "numbers", "no card platform", "no file"],
)
def test_what_cannot_be_made_again_is_said(
    three_days_filed: Clearing, words: tuple[str, ...], says: str
) -> None:
    """Exit code 2, and what there is instead."""
    reason = () if words[0] == "show" else ("--why", "x")
    said = three_days_filed("files", *words, *reason)
    assert (said.code, said.out) == (2, "")
    assert says in said.err


@pytest.fixture(scope="module")
def three_days_filed(module_database_url: str) -> Clearing:
    """The program on books with one filed day."""

    def run(*words: str, **more: Any) -> Said:  # noqa: ANN401 - as `clearing`
        return clearing(module_database_url, *words, **more)

    members = str(day_folder(DAY) / "members.toml")
    assert run("init", "--members", members, "--open-day", DAY).code == 0
    assert run("ingest", str(day_folder(DAY) / "events.jsonl")).code == 0
    assert run("close", DAY).code == 0
    return run
