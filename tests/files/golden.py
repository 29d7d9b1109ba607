"""The golden files of the small day. `python -m tests.files.golden` writes them; the diff is reviewed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clearing.files.layout import load_layout
from clearing.files.manifest import write_manifest
from clearing.files.names import FileName
from clearing.files.outgoing import file_of
from tests.files.small_day import DAY, files, manifest_for
from tests.files.test_iso20022 import CLOCK, SMALL
from tests.files.test_types import SMALL as EXCHANGED

FOLDER = Path(__file__).parents[2] / "fixtures" / "files" / "small-day"
WRITTEN_AT = datetime(2026, 3, 10, 16, 30, tzinfo=UTC)
ALSO_IN = {
    "P": None,
    "H": ("B1", "CP", "F1", "H1", "R1"),
    "B": ("B1",),
    "F": ("B2",),
    "N": ("CP", "F1", "H1"),
    "X": ("B1", "R1"),
}
"""Whose files are kept in each profile, None for everybody's: one of each type and shape is enough to look at."""


def golden() -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every golden file, manifests after their files."""
    for profile, receivers in ALSO_IN.items():
        for name, file in files(layout=load_layout(profile)).items():
            if receivers is None or file.receiver in receivers:
                yield name, file.content
                yield f"{name}.ok", write_manifest(manifest_for(file, run_id="golden", created_at=WRITTEN_AT))
    for kind in ("PAY", "PYR", "RTN", "NTF"):
        yield between(kind, "X", [("D", line) for line in SMALL[kind]])
    for profile in ALSO_IN:
        for kind, tagged in EXCHANGED.items():
            if profile != "X" and kind in load_layout(profile).types:
                yield between(kind, profile, tagged)


def between(kind: str, profile: str, lines: list[tuple[str, Any]]) -> tuple[str, bytes]:
    """Name and bytes of a file between the platform and a bank, whoever sends its type."""
    sender, receiver = ("B1", "PLAT") if kind in {"PYR", "RTN", "REG"} else ("PLAT", "B1")
    file = file_of(FileName(kind, sender, receiver, DAY, 1, 1), lines, load_layout(profile), CLOCK)
    return file.name, file.content


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    for name, content in golden():
        (FOLDER / name).write_bytes(content)
