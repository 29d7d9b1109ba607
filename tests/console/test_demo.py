"""The demo, from the file: one screen, its own folder, planted breaks found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.cells import cell_len

from clearing.console.demo import LINES_MAX, screen
from clearing.console.show import WIDTH
from tests.console.conftest import Said, clearing


def demo(out: Path, *words: str) -> Said:
    """Run a small demo without Kafka."""
    return clearing("embedded:never-used", "demo", "--no-kafka", "--events", "600", "--out", str(out), *words)


def test_the_demo_tells_a_day_on_one_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every planted break is found under its code, the proof and the books hold, and the screen is a screen."""
    monkeypatch.chdir(tmp_path)
    out = Path("demo")
    said = demo(out, "--json")
    assert said.code == 0, said.err
    found = said.json
    assert found["ingest"]["taken"] == 600
    assert found["ingest"]["malformed"] == found["ingest"]["parked"] == 0
    assert found["way"]["kafka"] is False
    assert found["verify"]["ok"] is True
    planted = json.loads((out / "day" / "answers.json").read_text(encoding="utf-8"))
    assert planted
    assert sum(one["planted"] for one in found["planted"]) == len(planted)
    assert all(one["found"] == one["planted"] for one in found["planted"])
    assert {line["residual"] for line in found["proof"].values()} == {"0.00"}
    assert len(list((out / "files").glob("*/*.ok"))) == found["files"]
    assert all(Path(path).exists() for path in found["report"])
    lines = screen(found)
    assert len(lines) <= LINES_MAX
    assert max(map(cell_len, lines)) <= WIDTH
    assert "--no-kafka was given" in "\n".join(lines)


def test_the_demo_makes_its_own_folder_anew_and_touches_no_other(tmp_path: Path) -> None:
    """A folder with the marker is made anew; one without it is refused and left as it is."""
    other = tmp_path / "mine"
    other.mkdir()
    (other / "letter.txt").write_text("mine", encoding="utf-8")
    refused = demo(other)
    assert refused.code == 2
    assert "nothing was touched" in refused.err
    assert (other / "letter.txt").exists()
    own = tmp_path / "demo"
    assert demo(own).code == 0
    (own / "left-over").touch()
    assert demo(own).code == 0
    assert not (own / "left-over").exists()
