"""What the README says is so: its commands run, its settings are the table's, its first screen is one."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path

import pytest

from clearing.settings import table_markdown
from tests.console.conftest import ROOT, clearing

README = (ROOT / "README.md").read_text(encoding="utf-8")
FIRST_SCREEN_LINES = 40


def commands() -> list[tuple[str, str]]:
    """(command, what is shown below it) of every console block, in order."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"^```console\n(.*?)^```", README, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return [(command, "\n".join(shown)) for command, shown in found]


def pattern(shown: str) -> str:
    """What is shown as a pattern: … is anything; a line of … is any lines; blanks at line ends do not count."""
    lines = [r"(?:.*\n)*?" if line.strip() == "…" else _line(line) for line in shown.splitlines()]
    return "".join(lines)


def _line(line: str) -> str:
    return ".*?".join(re.escape(part) for part in line.rstrip().split("…")) + r"[^\S\n]*\n"


def test_every_command_of_the_readme_gives_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The console blocks run from the first to the last in one folder, as a reader would."""
    (tmp_path / "fixtures").symlink_to(ROOT / "fixtures")
    monkeypatch.chdir(tmp_path)
    url = os.environ.get("CLEARING_DATABASE_URL", "embedded:.clearing")
    ran = 0
    for command, shown in commands():
        words = shlex.split(command)
        if words[0] == "export":
            url = words[1].partition("=")[2]
            continue
        assert words[0] == "clearing", command
        said = clearing(url, *words[1:])
        assert said.code == 0, (command, said)
        out = "".join(f"{line.rstrip()}\n" for line in said.out.splitlines() if line.strip())
        assert re.fullmatch(pattern(shown), out), (command, said.out)
        ran += 1
    assert ran > 15
    shutil.rmtree(tmp_path / "out")


def test_the_settings_table_is_the_one_of_the_code() -> None:
    """Between the markers stands exactly what the settings say of themselves."""
    found = re.search(r"<!-- settings: .*?-->\n(.*?)\n<!-- end of settings -->", README, re.DOTALL)
    assert found is not None
    assert found[1] == table_markdown()


def test_the_first_screen_gets_a_newcomer_to_the_demo() -> None:
    """Both commands and where to go next stand in the first forty lines."""
    screen = "\n".join(README.splitlines()[:FIRST_SCREEN_LINES])
    for wanted in ("make demo", "make test", "居民健康卡", "银医平台", "non-custodial", "demo/"):
        assert wanted in screen


def test_every_file_the_readme_links_to_is_there() -> None:
    """Relative links lead to files, anchors to headings."""
    headings = {
        re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).strip().replace(" ", "-")
        for line in README.splitlines()
        if line.startswith("#")
    }
    for target in re.findall(r"\]\(([^)]+)\)", README):
        if target.startswith("#"):
            assert target[1:] in headings, target
        elif "://" not in target:
            assert (ROOT / target).exists(), target
