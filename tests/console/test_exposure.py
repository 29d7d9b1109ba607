"""What each bank would owe if the day ended now, beside its cap."""

from __future__ import annotations

from pathlib import Path

from tests.console.conftest import Clearing, day_folder


def test_a_bank_over_its_cap_is_named_before_the_day_is_closed(run: Clearing, tmp_path: Path) -> None:
    """The running net is what the close will come to; a warning says by how much it is over and what to do."""
    members = (day_folder("2026-03-09") / "members.toml").read_text(encoding="utf-8")
    capped = members.replace('code = "B1"\n', 'code = "B1"\nnet_cap = "2000.00"\n', 1)
    (tmp_path / "members.toml").write_text(capped, encoding="utf-8")
    assert run("init", "--members", str(tmp_path / "members.toml"), "--open-day", "2026-03-09").code == 0
    assert (
        run("exposure", "2026-03-10", "--json").json["state"] == "next"
    )  # takes entries before it is opened
    assert run("exposure", "2026-03-11").code == 2
    for day in ("2026-03-09", "2026-03-10"):
        assert run("ingest", str(day_folder(day) / "events.jsonl")).code == 0
        if day == "2026-03-09":
            assert run("close", day).code == 0
    said = run("exposure", "2026-03-10", "--json").json
    assert said == {
        "date": "2026-03-10",
        "state": "open",
        "banks": {
            "B1": {"net": "2120.56", "cap": "2000.00", "over": "120.56"},
            "B2": {"net": "-2120.56", "cap": None, "over": "0.00"},
        },
        "crossings": [],
    }
    told = run("exposure", "2026-03-10")
    assert told.code == 0
    assert "warning: B1 owes 2120.56, cap 2000.00 (120.56 too much)" in told.out + told.err
