"""A partner's snapshot of cards and terminals in any layout: compared by name, and taken from an inbox."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from clearing.files.layout import load_layout
from clearing.files.manifest import Manifest, write_manifest
from clearing.files.names import FileName
from clearing.files.outgoing import RenderedFile, file_of
from clearing.files.records import CardLine, TerminalLine
from tests.console.conftest import Clearing, Said, clearing, day_folder
from tests.files.test_types import CLOCK

DAY = date(2026, 3, 9)
CARDS = [
    CardLine("tok_P1_B1_0001", "B1", "LOST", "", ""),
    CardLine("tok_P3_B1_0001", "B1", "ACTIVE", "", ""),
    CardLine("tok_other_0001", "B1", "ACTIVE", "990001", "HOSPITAL BANK"),
]
TERMINALS = [TerminalLine("0a0b0c0d0e01", "99000000000000000001", "H1", "IN_USE")]


@pytest.fixture(scope="module")
def opened(module_database_url: str) -> Clearing:
    """The program on books with the first worked day taken in."""

    def run(*words: str, **more: Any) -> Said:  # noqa: ANN401 - as `clearing`
        return clearing(module_database_url, *words, **more)

    members = str(day_folder("2026-03-09") / "members.toml")
    assert run("init", "--members", members, "--open-day", "2026-03-09").code == 0
    assert run("ingest", str(day_folder("2026-03-09") / "events.jsonl")).code == 0
    return run


def made(profile: str, *lines: Any, sender: str = "B1", seq: int = 1) -> RenderedFile:  # noqa: ANN401
    """A snapshot in a layout."""
    tagged = [("C" if isinstance(line, CardLine) else "M", line) for line in lines]
    return file_of(FileName("REG", sender, "PLAT", DAY, seq, 1), tagged, load_layout(profile), CLOCK)


@pytest.mark.parametrize("profile", "PHBFN")
def test_a_snapshot_in_any_layout_is_compared(opened: Clearing, tmp_path: Path, profile: str) -> None:
    """Its name says the layout, whose it is and of which day; cards and terminals may stand in one file."""
    file = made(profile, *CARDS, *TERMINALS)
    (tmp_path / file.name).write_bytes(file.content)
    said = opened("cards", "compare", str(tmp_path / file.name), "--date", "2026-03-09", "--json")
    assert said.code == 0, said.err
    found = said.json
    assert (found["from"], found["kind"], found["theirs"]) == ("B1", "cards and terminals", 4)
    told = {one["number"]: (one["what"], one["theirs"]) for one in found["differences"]}
    assert told["tok_P1_B1_0001"] == ("differs", {"state": "LOST"})
    assert told["tok_other_0001"] == (
        "only_theirs",
        {"bank": "B1", "state": "ACTIVE", "area": "990001", "registrations": "BANK HOSPITAL"},
    )
    assert told["0a0b0c0d0e01"][0] == "only_theirs"
    assert "tok_P3_B1_0001" not in told
    assert "3 cards of B1" in opened("cards", "compare", str(tmp_path / file.name)).out


def test_a_fault_in_a_layout_is_told_with_line_and_field(opened: Clearing, tmp_path: Path) -> None:
    """What the layout refuses and what a snapshot may not say stand together; a card number is not repeated."""
    bad = [CardLine("6222020200112230", *CARDS[0][1:]), CARDS[1]._replace(registrations="SHOP"), CARDS[2]]
    file = made("P", *bad)
    path = tmp_path / file.name
    path.write_bytes(file.content.replace(b"|B1|ACTIVE|990001|", b"|B1|GONE|990001|"))
    said = opened("cards", "compare", str(path))
    assert (said.code, said.out) == (2, "")
    assert f"{file.name}:4 field 5 state: expected one of UNKNOWN ISSUED" in said.err
    assert f"{file.name}:2 field 3 token: expected a card token, got a card number" in said.err
    assert 'expected some of BANK PLATFORM HOSPITAL, got "SHOP"' in said.err
    assert "6222020200112230" not in said.err


def test_a_snapshot_in_an_inbox_is_judged_and_compared_by_name(opened: Clearing, tmp_path: Path) -> None:
    """It gets its ACK; of one with a fault nothing is taken, even there where good lines may be taken."""
    folder = tmp_path / "in"
    folder.mkdir()
    plain = b"token,bank,state,area,registrations\ntok_P1_B1_0001,B1,LOST,,\n#TOTAL,1\n"
    sound, bad = made("P", *CARDS), made("P", *[CARDS[0]._replace(area="99")], seq=2)
    for name, content, records, hash_total in (
        (sound.name, sound.content, sound.records, sound.hash_total),
        (bad.name, bad.content, bad.records, bad.hash_total),
        ("RHC_REG_B1_PLAT_20260309_001_V2.csv", plain, 0, 0),
    ):
        manifest = Manifest(
            file=name,
            bytes=len(content),
            records=records,
            amount_total="0.00",
            hash_total=hash_total,
            sha256=hashlib.sha256(content).hexdigest(),
            sm3=hashlib.new("sm3", content).hexdigest(),
            run_id="r",
            created_at=datetime(2026, 3, 9, tzinfo=UTC),
        )
        (folder / name).write_bytes(content)
        (folder / f"{name}.ok").write_bytes(write_manifest(manifest))
    partners = tmp_path / "partners.toml"
    inbox = (
        f'[[inbox]]\npartner = "B1"\npartial = true\nplace = {{ kind = "directory", folder = "{folder}" }}\n'
    )
    partners.write_text(inbox, encoding="utf-8")
    said = opened("receive", "--json", CLEARING_PARTNERS=str(partners))
    told = {one["file"]: (one["verdict"], one["taken"]) for one in said.json["files"]}
    assert told == {
        sound.name: ("ACPT", 3), bad.name: ("RJCT", 0), "RHC_REG_B1_PLAT_20260309_001_V2.csv": ("ACPT", 1),
    }, json.dumps(said.json, indent=1)  # fmt: skip
    assert said.code == 2
    found = opened("cards", "compare", sound.name, "--json", CLEARING_PARTNERS=str(partners)).json
    assert (found["theirs"], found["kind"]) == (3, "cards")
    nowhere = opened("cards", "compare", "RHC_REG_B1_PLAT_20260309_009_V1.txt")
    assert (nowhere.code, "none of that name was received" in nowhere.err) == (2, True)
