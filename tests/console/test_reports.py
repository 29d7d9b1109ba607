"""`clearing report`: which files come, in which form, and what is said when there is nothing to report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.console.conftest import Clearing, day_folder

TENTH = "2026-03-10"


@pytest.fixture(scope="module")
def reconciled(three_days: Clearing) -> Clearing:
    """The three worked days, the second of them reconciled with its files."""
    folder = day_folder(TENTH) / "statements"
    words = [
        f"--{'bank' if path.stem[:3] == 'STM' else 'his'}={path.stem[4:]}={path}"
        for path in sorted(folder.iterdir())
    ]
    said = three_days("reconcile", TENTH, *words)
    assert said.code == 0, said.err
    return three_days


def test_a_date_alone_means_the_mismatch_report(reconciled: Clearing, tmp_path: Path) -> None:
    """`report DATE` and `report mismatch DATE` write the same files, options before or after the date."""
    short = reconciled("report", TENTH, "--out", str(tmp_path), "--format", "csv,json", "--json")
    assert short.code == 0, short.err
    names = [Path(path).name for path in short.json["files"]]
    assert names == ["RHC_MIS_PLAT_ALL_20260310_001.csv", "RHC_MIS_PLAT_ALL_20260310_001.json"]
    first = {name: (tmp_path / name).read_bytes() for name in names}
    for words in (("mismatch", TENTH, "--out", str(tmp_path)), ("--out", str(tmp_path), TENTH)):
        assert reconciled("report", *words, "--format", "csv,json").out.split() == short.json["files"]
        assert {name: (tmp_path / name).read_bytes() for name in names} == first
    assert json.loads(first[names[1]])["verdict"] == "平"


def test_reports_are_sent_as_files_like_the_others(reconciled: Clearing, tmp_path: Path) -> None:
    """One a partner, listed, shown, written out and checked; sent once a run."""
    said = reconciled("report", TENTH, "--send", "--json")
    assert said.code == 0, said.err
    names = said.json["sent"]
    assert "RHC_MIS_PLAT_B1_20260310_001_V1.csv" in names
    assert reconciled("report", TENTH, "--send", "--json").json == {"date": TENTH, "files": [], "sent": []}
    listed = reconciled("files", "list", TENTH, "--json").json["files"]
    assert [one["name"] for one in listed if one["type"] == "MIS"] == sorted(names)
    shown = reconciled("files", "show", names[0], "--json").json
    assert (shown["type"], shown["versions"]) == ("MIS", [names[0]])
    assert reconciled("files", "write", TENTH, "--out", str(tmp_path)).code == 0
    path = tmp_path / shown["receiver"] / names[0]
    assert reconciled("files", "check", str(path)).out.startswith(f"{names[0]}: sound")
    path.write_bytes(path.read_bytes().replace(b"cover", b"Cover", 1))
    wrong = reconciled("files", "check", str(path))
    assert (wrong.code, "FMT-012" in wrong.out) == (2, True)
    assert reconciled("report", TENTH).code == 2
    assert reconciled("verify").code == 0


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("day", TENTH), ["RHC_DAY_PLAT_ALL_20260310.json"]),
        (("month", "2026-03"), ["RHC_MON_PLAT_ALL_202603.json"]),
        (("journal", TENTH, "--institution", "H2"), ["RHC_JNL_PLAT_H2_20260310.json"]),
        (("journal", TENTH), [f"RHC_JNL_PLAT_{code}_20260310.json" for code in ("H1", "H2", "H3", "R1")]),
    ],
    ids=["day", "month", "one journal", "all journals"],
)
def test_each_report_is_written_and_named(
    reconciled: Clearing, tmp_path: Path, words: tuple[str, ...], names: list[str]
) -> None:
    """One object on stdout names the files, and they are there and sound."""
    said = reconciled("report", *words, "--out", str(tmp_path), "--format", "json", "--json")
    assert said.code == 0, said.err
    assert said.json["date"] == words[1]
    assert [Path(path).name for path in said.json["files"]] == names
    assert all("sm3" in json.loads(Path(path).read_bytes()) for path in said.json["files"])


def test_the_accounts_to_begin_with_can_be_given_back(reconciled: Clearing, tmp_path: Path) -> None:
    """What `report accounts` prints is a file that `report journal` takes, with the same vouchers."""
    mine = tmp_path / "accounts.toml"
    mine.write_text(reconciled("report", "accounts").out, encoding="utf-8")
    assert "hospital" in reconciled("report", "accounts", "--json").json
    written = []
    for more in ((), ("--accounts", str(mine))):
        said = reconciled(
            "report", "journal", TENTH, "--out", str(tmp_path), "--institution", "H1", *more, "--json"
        )
        assert said.code == 0, said.err
        written.append([Path(path).read_bytes() for path in said.json["files"]])
    assert written[0] == written[1]


WRONG = {
    "report 2026-03-09 --out {tmp}": "never reconciled",
    "report nonsense --out {tmp}": "expected a date such as 2026-03-10, or day, month, journal, accounts",
    "report day 2027-01-01 --out {tmp}": "never opened",
    "report month 2026-3 --out {tmp}": "expected a month such as 2026-03",
    "report month 2027-01 --out {tmp}": "none of its days was opened",
    "report day 2026-03-10 --out {tmp} --format docx": "expected a format of xlsx, pdf, csv, json, got docx",
    "report journal 2026-03-10 --out {tmp} --institution B1": "expected hospitals or pharmacies in force, got B1",
    "report journal 2026-03-10 --out {tmp} --accounts {tmp}/none.toml": "clearing report accounts",
}


@pytest.mark.parametrize("words", WRONG, ids=str)
def test_what_cannot_be_reported_is_said_and_nothing_is_written(
    reconciled: Clearing, tmp_path: Path, words: str
) -> None:
    """The message names what was wrong, stdout and the folder stay empty, the exit code is 2."""
    said = reconciled(*words.format(tmp=tmp_path).split())
    assert said.code == 2, said
    assert WRONG[words] in " ".join(said.err.split())
    assert said.out == ""
    assert list(tmp_path.iterdir()) == []
