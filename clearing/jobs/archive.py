"""Sealing a signed day away: its rows as JSON and Parquet, its files as they are, and a manifest over all. 归档

    <archive>/2026-03-10/manifest.json         every file with rows, bytes, SHA-256 and SM3; the day's root and report
                         entries.jsonl  entries.parquet   and so on, the same rows twice
                         files/          statements/      bytes as they were sent and as they came

The manifest names the SM3 of the manifest of the day sealed before, and its own SM3 is kept in the database. A folder
that was changed, or a database that was, are told apart from each other by anybody who holds a member's sign-off.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeAlias

from clearing.day.states import State
from clearing.errors import UsageError, on_disk
from clearing.jobs.sign import signature_holds
from clearing.reconciliation.report import digest
from clearing.store import archiving, breaks, days, locks, signing
from clearing.store.archive_sets import DATASETS, Dataset
from clearing.store.session import transaction
from clearing.store.signing import StoredArchive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from clearing.ledger.members import Members

Json: TypeAlias = dict[str, Any]

MANIFEST: Final = "manifest.json"
ARCHIVE_LOCK: Final = 7212
"""Class of the advisory lock that lets one process at a time seal days: each names the one sealed before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One file of an archive."""

    name: str
    bytes: int
    rows: int | None
    """None of bytes as they were sent or came."""
    sha256: str
    sm3: str


async def archive(engine: AsyncEngine, members: Members, day: date, out: Path) -> Json:
    """Seal a signed day away. 归档

    In:      the folder of all archives.
    Out:     date, folder, sm3 of the manifest, files.
    Writes:  out/<date>/, whole or not at all; archive (the seal, once).
    Again:   the same bytes; a folder that stands there and is sound is left as it is. Of two at once one waits:
             rows that another one is still writing would be sealed as they then are, for ever.
    Raises:  UsageError when the day is not signed, or a folder of it stands there and is not what was sealed;
             WorldFailed for the disk.
    """
    async with locks.alone(engine, ARCHIVE_LOCK, "archive", wait=True):
        target = out / day.isoformat()
        with on_disk(target):
            sm3, files = await _sealed(engine, members, day, target)
        return {"date": day.isoformat(), "folder": f"{target}", "sm3": sm3.hex(), "files": files}


async def _sealed(engine: AsyncEngine, members: Members, day: date, target: Path) -> tuple[bytes, int]:
    """Write a day's folder, keep its seal, and put it where it belongs: the seal, and how many files it is over."""
    partly = target.with_name(f"{target.name}.tmp")
    # One snapshot: workers go on meanwhile.
    snapshot = engine.execution_options(isolation_level="REPEATABLE READ")
    shutil.rmtree(partly, ignore_errors=True)
    partly.mkdir(parents=True)
    async with transaction(snapshot) as conn:
        manifest = await _written(conn, members, day, partly)
    sealed = _manifest_bytes(manifest)
    sm3 = _sm3(sealed)
    _put(partly / MANIFEST, sealed)
    await asyncio.to_thread(_settle, partly)
    async with transaction(engine) as conn:
        before = await signing.archived(conn, day)
        if before is not None and before.sm3 != sm3:
            raise UsageError(
                f"day {day}: its archive was sealed as {before.sm3.hex()[:16]}, these rows give "
                f"{sm3.hex()[:16]}. Nothing was put into {target.parent}. "
                "Next: clearing verify --archive with the folder sealed then"
            )
        await signing.seal(conn, StoredArchive(clearing_date=day, sm3=sm3, manifest=sealed))
    await asyncio.to_thread(_placed, partly, target, sm3, manifest["files"])
    return sm3, len(manifest["files"])


async def _written(conn: AsyncConnection, members: Members, day: date, folder: Path) -> Json:
    """Every file of the archive but its manifest, and what the manifest says."""
    found = await days.get(conn, day)
    if found is None or found.state != State.SIGNED or found.root is None:
        state = found.state if found else "never opened"
        raise UsageError(f"day {day}: expected it signed, {state} found. Next: clearing day sign {day}")
    run = await breaks.last_run(conn, day)
    if run is None:
        raise UsageError(f"day {day}: it was signed without a reconciliation. Next: clearing verify")
    made = []
    for dataset in DATASETS:
        made += await _dataset(conn, dataset, day, folder)
    async for kept in archiving.bytes_of(conn, day):
        await _copied(folder / kept.name, kept.parts)
        made.append(_described(folder, kept.name, None))
    stands = await signing.archived(conn, day)
    before = await signing.archived_before(conn, day)
    previous = {"day": before.clearing_date.isoformat(), "sm3": before.sm3.hex()} if before else None
    return {
        "day": day.isoformat(),
        "platform": members.platform.code,
        "root": found.root.hex(),
        "run": run.id,
        "report": digest(run.report),
        "previous": json.loads(stands.manifest)["previous"] if stands else previous,
        "files": {
            one.name: {"bytes": one.bytes, "rows": one.rows, "sha256": one.sha256, "sm3": one.sm3}
            for one in made
        },
    }


async def _dataset(conn: AsyncConnection, dataset: Dataset, day: date, folder: Path) -> list[Written]:
    """One set of rows, as JSON and as Parquet."""
    lines, parquet = folder / f"{dataset.name}.jsonl", folder / f"{dataset.name}.parquet"
    rows = 0
    with lines.open("wb") as file:
        async for line in archiving.rows_of(conn, dataset, day):
            file.write(line + b"\n")
            rows += 1
        _durable(file)
    archiving.write_parquet(dataset, lines, parquet)
    return [_described(folder, lines.name, rows), _described(folder, parquet.name, rows)]


def _described(folder: Path, name: str, rows: int | None) -> Written:
    sha256, sm3, size = hashlib.sha256(), hashlib.new("sm3"), 0
    for part in _parts(folder / name):
        sha256.update(part)
        sm3.update(part)
        size += len(part)
    return Written(name=name, bytes=size, rows=rows, sha256=sha256.hexdigest(), sm3=sm3.hexdigest())


def _parts(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            yield part


def _manifest_bytes(manifest: Json) -> bytes:
    return json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"


def _sm3(content: bytes) -> bytes:
    return hashlib.new("sm3", content).digest()


def _put(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        _durable(file)


async def _copied(path: Path, parts: AsyncIterator[bytes]) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        async for part in parts:
            file.write(part)
        _durable(file)


def _durable(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _settle(folder: Path) -> None:
    """Make all of a folder durable: what a library wrote, and the names."""
    for path in (*folder.rglob("*"), folder):
        _sync(path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _placed(partly: Path, target: Path, sm3: bytes, files: dict[str, Json]) -> None:
    """Put a whole folder where it belongs; one that stands there stays when all of it is the same."""
    if target.exists():
        kept = target / MANIFEST
        if (
            not kept.is_file()
            or _sm3(kept.read_bytes()) != sm3
            or next(_folder_faults(target, files), None) is not None
        ):
            raise UsageError(
                f"{target}: stands there and is not what was sealed. Next: move it away, then run again"
            )
        shutil.rmtree(partly)
        return
    partly.replace(target)
    _sync(target.parent)


# ---------------------------------------------------------------- checking a folder


async def check_archive(engine: AsyncEngine, folder: Path) -> list[str]:
    """Compare an archive with its own manifest, with itself, and with the database. 归档核验

    In:      the folder of one day, or of all.
    Out:     every fault as a sentence; none when all of it holds.
    Writes:  nothing but a folder of its own that is gone afterwards.
    Raises:  UsageError when there is no archive there.
    """
    found = await asyncio.to_thread(_archives, folder)
    if not found:
        raise UsageError(f"{folder}: expected an archive with a {MANIFEST}, found none")
    return [fault for one in found for fault in await _checked(engine, one)]


def _archives(folder: Path) -> list[Path]:
    if (folder / MANIFEST).is_file():
        return [folder]
    return [path.parent for path in sorted(folder.glob(f"????-??-??/{MANIFEST}"))]


async def _checked(engine: AsyncEngine, folder: Path) -> list[str]:
    content = (folder / MANIFEST).read_bytes()
    try:
        manifest = json.loads(content)
        day = date.fromisoformat(manifest["day"])
        listed: dict[str, Json] = dict(manifest["files"])
    except (ValueError, KeyError, TypeError):
        return [f"{folder / MANIFEST}: expected a manifest, got something else"]
    faults = list(_folder_faults(folder, listed))
    async with transaction(engine) as conn:
        sealed = await signing.archived(conn, day)
        if sealed is None:
            return [*faults, f"day {day}: the database knows no archive of it"]
        if sealed.sm3 != _sm3(content):
            faults.append(
                f"{folder / MANIFEST}: expected SM3 {sealed.sm3.hex()[:16]} as sealed, got {_sm3(content).hex()[:16]}"
            )
        run = await breaks.last_run(conn, day)
        steps = await signing.of_run(conn, run.id) if run else []
        faults += [
            f"day {day}: the {one.role} signature of {one.member} does not fit"
            for one in steps
            if not signature_holds(one)
        ]
        faults += await _database_faults(conn, day, listed)
        now = await days.get(conn, day)
        if now is None or now.root is None or now.root.hex() != manifest.get("root"):
            faults.append(f"day {day}: its root is not the one in the archive")
    return faults


def _folder_faults(folder: Path, listed: dict[str, Json]) -> Iterator[str]:
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {MANIFEST}
    for name in sorted(there - listed.keys()):
        yield f"{folder / name}: is not in the manifest"
    for name, said in sorted(listed.items()):
        if name not in there:
            yield f"{folder / name}: is in the manifest and not in the folder"
            continue
        made = _described(folder, name, None)
        if (made.sha256, made.sm3) != (said["sha256"], said["sm3"]):
            yield f"{folder / name}: expected SM3 {said['sm3'][:16]}, got {made.sm3[:16]}"
    for dataset in DATASETS:
        lines, parquet = folder / f"{dataset.name}.jsonl", folder / f"{dataset.name}.parquet"
        if lines.exists() and parquet.exists() and _differ(dataset, lines, parquet):
            yield f"{parquet}: says something else than {lines.name}"


def _differ(dataset: Dataset, lines: Path, parquet: Path) -> bool:
    try:
        return archiving.parquet_differs(dataset, lines, parquet)
    except archiving.UNREADABLE:
        return True


async def _database_faults(conn: AsyncConnection, day: date, listed: dict[str, Json]) -> list[str]:
    """Where the rows and bytes of the database now give other digests than the archive has."""
    faults = []
    for dataset in DATASETS:
        sm3 = hashlib.new("sm3")
        async for line in archiving.rows_of(conn, dataset, day):
            sm3.update(line + b"\n")
        if sm3.hexdigest() != listed.get(f"{dataset.name}.jsonl", {}).get("sm3"):
            faults.append(f"day {day}: the database has other {dataset.name} than the archive")
    async for kept in archiving.bytes_of(conn, day):
        sm3 = hashlib.new("sm3")
        async for part in kept.parts:
            sm3.update(part)
        if sm3.hexdigest() != listed.get(kept.name, {}).get("sm3"):
            faults.append(f"day {day}: the database has other bytes of {kept.name} than the archive")
    return faults
