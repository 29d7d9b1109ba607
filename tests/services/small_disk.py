"""A small disk of a test's own, to be filled."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class SmallDisk:
    """A file system of some megabytes."""

    path: Path

    def fill(self, leave_bytes: int = 0) -> None:
        """Write until only so much is left."""
        found = os.statvfs(self.path)
        with (self.path / "filler").open("wb") as filler, contextlib.suppress(OSError):
            for _ in range((found.f_bavail * found.f_frsize - leave_bytes) // 4096):
                filler.write(bytes(4096))
            filler.flush()

    def read_only(self, yes: bool = True) -> None:  # noqa: FBT001, FBT002 - a switch
        """Let nobody write, root neither; or everybody again."""
        mode = "ro" if yes else "rw"
        subprocess.run(["mount", "-o", f"remount,{mode}", str(self.path)], check=True)

    def empty(self) -> None:
        """Make room again."""
        (self.path / "filler").unlink()


@contextlib.contextmanager
def small_disk(megabytes: int) -> Iterator[SmallDisk]:
    """Mount one in memory, where every account may look, and unmount it at the end."""
    path = Path(tempfile.mkdtemp(prefix="clearing-disk-"))
    path.chmod(0o755)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "clearing-test", str(path)]
    done = subprocess.run(mount, check=False, text=True, capture_output=True)
    if done.returncode:
        path.rmdir()
        pytest.fail(
            f"no small disk to fill: {done.stderr.strip()}. Run the tests as root of the machine or of a "
            "namespace (unshare --map-root-user --mount make test)",
            pytrace=False,
        )
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)
        path.rmdir()
