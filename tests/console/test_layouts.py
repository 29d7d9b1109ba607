"""`clearing layout`: a layout proposed for a sample, checked against it line by line, ISO 20022 samples too."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.console.conftest import Clearing

SAMPLE = "0|20260309|3|38850\n1|BR001|20260309|12850|D\n1|BR002|20260309|25000|D\n1|BR003|20260309|1000|C\n"
NAME = "TXN_B1_PLAT_20260309_001_V1.txt"
GOLDEN = Path(__file__).parents[2] / "fixtures" / "files" / "small-day"


def test_a_proposal_reads_its_sample_and_says_what_does_not_fit_another(
    run: Clearing, tmp_path: Path
) -> None:
    """Marks, a count in the head; a wrong amount, date and count each with its place; nothing is overwritten."""
    sample, layout = tmp_path / NAME, tmp_path / "bank.toml"
    sample.write_text(SAMPLE, encoding="utf-8")
    said = run("layout", "describe", str(sample), "--out", str(layout))
    assert (said.code, "head field 3: the number of details" in said.out) == (0, True)
    assert run("layout", "describe", str(sample), "--out", str(layout)).code == 2
    fits = run("layout", "check", str(layout), str(sample), "--json").json
    assert (fits["fits"], fits["lines"], fits["read"], fits["faults"]) == (True, 3, 3, [])
    sample.write_text(
        SAMPLE.replace("25000", "250.0").replace("20260309|1000", "20260399|1000"), encoding="utf-8"
    )
    wrong = run("layout", "check", str(layout), str(sample))
    assert wrong.code == 2
    assert [line.split(": ", 1)[0] for line in wrong.out.splitlines()] == [
        f"{NAME}:3 field 4 c4",
        f"{NAME}:4 field 3 c3",
        NAME,
    ]
    sample.write_text(SAMPLE.replace("1|BR003|20260309|1000|C\n", ""), encoding="utf-8")
    assert "records: expected 2, got" in run("layout", "check", str(layout), str(sample)).out


def test_a_layout_may_be_like_one_that_lies_beside_it(run: Clearing, tmp_path: Path) -> None:
    """Also by a third; what else lies there is passed over; a circle is told as what it is."""
    (golden,) = GOLDEN.glob("RHC_TXN_PLAT_B1_20260310_001_V1.txt")
    sample = tmp_path / golden.name
    sample.write_bytes(golden.read_bytes())
    told = {
        "bank.toml": 'like = "U"\nid = "BANK"\nprofile = "T"\n',
        "union.toml": 'like = "P"\nid = "RHCP0100"\nprofile = "U"\nlenient = ["decimals"]\n',
        "notes.toml": "no TOML",
        "latin.toml": "é",
    }
    for name, text in told.items():
        (tmp_path / name).write_text(text, encoding="latin-1")
    own = run("layout", "check", str(tmp_path / "union.toml"), str(sample), "--json").json
    found = run("layout", "check", str(tmp_path / "bank.toml"), str(sample), "--json").json
    assert (own["fits"], own["read"], found["layout"], found["read"]) == (
        True,
        own["lines"],
        "BANK",
        own["read"],
    )
    (tmp_path / "union.toml").write_text(told["union.toml"].replace('"P"', '"T"'), encoding="utf-8")
    circle = run("layout", "check", str(tmp_path / "bank.toml"), str(sample))
    assert (circle.code, "got U like T like U" in circle.err) == (2, True)


@pytest.mark.parametrize("kind", ["TXN", "RTN", "PYR"])
def test_an_iso_20022_sample_is_checked_by_its_places(run: Clearing, tmp_path: Path, kind: str) -> None:
    """By its name, or under any name when the type is said; what is wrong is told with line and XPath."""
    (path,) = GOLDEN.glob(f"RHC_{kind}_*_20260310_001_V1.xml") if kind != "TXN" else [
        GOLDEN / "RHC_TXN_PLAT_B1_20260310_001_V1.xml"
    ]  # fmt: skip
    fits = run("layout", "check", "X", str(path), "--json").json
    assert (fits["type"], fits["fits"], fits["read"]) == (kind, True, fits["lines"])
    other = tmp_path / "sample.xml"
    other.write_bytes(path.read_bytes())
    named = run("layout", "check", "X", str(other), "--type", kind, "--json").json
    assert (named["read"], named["faults"]) == (fits["read"], [])
    assert "[FMT-010]" in run("layout", "check", "X", str(other)).out
    other.write_bytes(path.read_bytes().replace(b'Ccy="CNY"', b'Ccy="USD"', 1))
    wrong = run("layout", "check", "X", str(other), "--type", kind)
    assert (wrong.code, "expected Ccy CNY" in wrong.out) == (2, True)
