"""A run means the same on every machine: whatever the shell says, and whichever tests ran before in its process."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.conftest import OURS
from tests.console.conftest import ROOT

CONSTANTS = range(10_000_001, 10_000_400)


def drawn() -> list[int]:
    """The numbers that a derandomized test is given."""
    found: list[int] = []

    @hypothesis.settings(hypothesis.settings.get_profile("every day"), max_examples=300)
    @hypothesis.given(st.lists(st.integers(0, 20_000_000)))
    def look(numbers: list[int]) -> None:
        found.extend(numbers)

    look()
    return found


def test_examples_are_the_same_whichever_code_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which tests of other files ran before in this process, and what they loaded, draws no other example."""
    before = drawn()
    path = tmp_path / "loaded_meanwhile.py"
    path.write_text(f"NUMBERS = {list(CONSTANTS)}\n", encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    monkeypatch.setitem(sys.modules, path.stem, importlib.util.module_from_spec(spec))
    assert drawn() == before
    assert len(set(before)) > 300


def test_what_the_shell_says_of_the_product_or_the_terminal_reaches_no_test() -> None:
    """Settings, libpq's variables and colours of whoever runs the tests are not there; what speaks to tests is."""
    odd = {
        "CLEARING_CUTOVER": "late", "CLEARING_DATABASE_URL": "postgresql://127.0.0.1:1/books", "COLUMNS": "20",
        "FORCE_COLOR": "1", "PGPORT": "1", "CLEARING_SOAK_SECONDS": "7",
    }  # fmt: skip
    code = f"import os, tests.conftest; print(sorted({{*os.environ}} & {{*{[*odd]!r}}}))"
    said = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in OURS} | odd,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == "['CLEARING_SOAK_SECONDS']"
