"""The golden files of the small day. `python -m tests.files.golden` writes them; the diff is reviewed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from clearing.files.layout import load_layout
from clearing.files.manifest import write_manifest
from tests.files.small_day import files, manifest_for

FOLDER = Path(__file__).parents[2] / "fixtures" / "files" / "small-day"
WRITTEN_AT = datetime(2026, 3, 10, 16, 30, tzinfo=UTC)
ALSO_IN = {"P": None, "H": ("B1", "R1"), "B": ("B1",), "F": ("B2",), "N": ("F1",), "X": ("B1", "R1")}
"""Whose files are kept in each profile, None for everybody's: one of each shape is enough to look at."""


def golden() -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every golden file, manifests after their files."""
    for profile, receivers in ALSO_IN.items():
        for name, file in files(layout=load_layout(profile)).items():
            if receivers is None or file.receiver in receivers:
                yield name, file.content
                yield f"{name}.ok", write_manifest(manifest_for(file, run_id="golden", created_at=WRITTEN_AT))


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    for name, content in golden():
        (FOLDER / name).write_bytes(content)
