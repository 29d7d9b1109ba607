"""The demo, from the file: one screen, its own folder, planted breaks found."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from rich.cells import cell_len

from clearing.console.demo import LINES_MAX, screen
from clearing.console.show import WIDTH
from clearing.jobs.broker import Broker
from tests.console.conftest import Said, clearing

PATIENCE_SECONDS = 120


def demo(out: Path, *words: str) -> Said:
    """Run a small demo without Kafka."""
    return clearing("embedded:never-used", "demo", "--no-kafka", "--events", "600", "--out", str(out), *words)


def test_the_demo_tells_a_day_on_one_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every planted break is found under its code, the proof and the books hold, and the screen is a screen."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [".venv/bin/clearing"])
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
    books = "embedded:demo/.clearing"
    assert clearing(books, "breaks", "show", found["look_at"]["break"]).code == 0
    assert found["look_at"]["break"] in clearing(books, "trace", found["look_at"]["event"]).out


def test_a_broker_that_is_named_is_used_and_left_as_it_was(broker: Broker, tmp_path: Path) -> None:
    """The events go through topics of the demo's own, with the figures of the file's way, and none stays."""
    prefix = f"bankside{secrets.token_hex(4)}"
    said = clearing(
        "embedded:never-used",
        *("demo", "--events", "600", "--json", "--out", str(tmp_path / "kafka")),
        CLEARING_KAFKA_BOOTSTRAP=broker.bootstrap,
        CLEARING_KAFKA_PREFIX=prefix,
    )
    assert said.code == 0, said.err
    by_file = demo(tmp_path / "file", "--json").json
    assert said.json["way"]["kafka"] is True
    assert said.json["way"]["notices"] >= 600
    assert said.json["verify"]["ok"] is True
    for name in ("positions", "bank_net", "planted", "proof"):
        assert said.json[name] == by_file[name]
    asyncio.run(gone(broker.bootstrap, prefix))


async def gone(bootstrap: str, prefix: str) -> None:
    """Wait until no topic begins so: a busy broker names one for a moment after it is gone."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while any(name.startswith(prefix) for name in await admin.list_topics()):
                await asyncio.sleep(0.1)
    finally:
        await admin.close()


def test_a_named_broker_that_does_not_answer_is_no_reason_for_another(tmp_path: Path) -> None:
    """The world failed: the demo says so and does not quietly take the file."""
    words = ("demo", "--events", "300", "--out", str(tmp_path / "demo"))
    said = clearing("embedded:never-used", *words, CLEARING_KAFKA_BOOTSTRAP="127.0.0.1:1")
    assert said.code == 3
    assert "does not answer" in said.err


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
