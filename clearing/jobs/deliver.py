"""Stored files out to a directory: bytes copied, never rendered again. 文件交付

A receiver looks only for `name.ok`. The file is written as `name.tmp`, made durable, renamed; then its manifest,
the same way. Whoever reads finds a whole file or none.
"""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from clearing.errors import InvariantViolated, UsageError, WorldFailed
from clearing.files.manifest import manifest_of, write_manifest
from clearing.store import files
from clearing.store.session import transaction

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine


class Written(NamedTuple):
    """What one delivery did."""

    written: int
    already: int
    """Files that stood there, whole and the same."""


async def write_files(engine: AsyncEngine, day: date, out: Path) -> Written:
    """Write a day's stored files into a directory, one folder a receiver.

    Writes:  out/<receiver>/<name> and <name>.ok.
    Again:   files that stand there are left; one that is there with other bytes is refused.
    Raises:  UsageError when the day has no files yet, or a file of that name differs; WorldFailed for the disk.
    """
    written = already = 0
    try:
        async with transaction(engine) as conn:
            stored = await files.of_day(conn, day)
            if not stored:
                raise UsageError(f"day {day}: it has no files yet. Next: clearing close {day}")
            for one in stored:
                content = await files.content(conn, one.name)
                if hashlib.sha256(content).digest() != one.sha256:
                    raise InvariantViolated(
                        f"file {one.name}: its stored bytes do not give its stored digest. Nothing was written of it"
                    )
                if _deliver(out / one.receiver, one, content):
                    written += 1
                else:
                    already += 1
    except OSError as error:
        raise WorldFailed(
            f"{error.filename or out}: {error.strerror or error}. Next: mend it and run again"
        ) from error
    return Written(written, already)


def _deliver(directory: Path, one: files.StoredFile, content: bytes) -> bool:
    directory.mkdir(parents=True, exist_ok=True)
    target, ok = directory / one.name, directory / f"{one.name}.ok"
    if target.exists() and target.read_bytes() != content:
        raise UsageError(
            f"{target}: stands there with other bytes; nothing is overwritten. Next: write to an empty directory"
        )
    if target.exists() and ok.exists():
        return False
    manifest = manifest_of(
        one.name,
        content,
        records=one.records,
        amount_total_fen=one.amount_total_fen,
        hash_total=int(one.hash_total),
        replaces=one.replaces,
        run_id=one.sm3.hex()[:16],
        created_at=datetime.now(UTC),
    )
    _put(target, content)
    _put(ok, write_manifest(manifest))
    return True


def _put(target: Path, content: bytes) -> None:
    """Write, make durable, rename, make the rename durable."""
    partly = target.with_name(target.name + ".tmp")
    with partly.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partly.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
