"""The real command line on the real embedded PostgreSQL, in this process."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from clearing.console.cli import app

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "fixtures"


def day_folder(day: str) -> Path:
    """The folder of one worked day."""
    return FIXTURES / "days" / f"{day}-worked-day"


@dataclass(frozen=True)
class Said:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever the command says
        """Stdout as one JSON value; anything else beside it fails."""
        return json.loads(self.out)


Clearing = Callable[..., Said]


def clearing(url: str, *words: str, stdin: bytes = b"", **settings: str) -> Said:
    """Run one command on a database."""
    environment = {"CLEARING_DATABASE_URL": url, "COLUMNS": "100", **settings}
    result = CliRunner().invoke(app, list(words), input=stdin, env=environment)
    return Said(result.exit_code, result.stdout, result.stderr)


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """A command points the log at its own stderr; that is gone after it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def run(database_url: str) -> Clearing:
    """The program on an empty database of this test."""
    return lambda *words, **more: clearing(database_url, *words, **more)


@pytest.fixture
def worked(run: Clearing) -> Clearing:
    """The program on books that have been opened with the worked day's members."""
    said = run(
        "init", "--members", str(day_folder("2026-03-09") / "members.toml"), "--open-day", "2026-03-09"
    )
    assert said.code == 0, said.err
    return run


@pytest.fixture(scope="module")
def three_days(module_database_url: str) -> Clearing:
    """The program on books that hold the three worked days, each closed."""

    def run(*words: str, **more: Any) -> Said:  # noqa: ANN401 - as `clearing`
        return clearing(module_database_url, *words, **more)

    members = str(day_folder("2026-03-09") / "members.toml")
    assert run("init", "--members", members, "--open-day", "2026-03-09").code == 0
    for day in ("2026-03-09", "2026-03-10", "2026-03-11"):
        taken = run("ingest", "--json", str(day_folder(day) / "events.jsonl"))
        assert taken.code == 0, taken.err
        closed = run("close", day, "--json")
        assert closed.code == 0, closed.err
    return run
