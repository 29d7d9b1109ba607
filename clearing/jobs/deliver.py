"""Stored files out to receivers: bytes copied, never rendered again, every attempt recorded. 文件交付

A file goes to every target that `partners.toml` has for its receiver, oldest day first. The database says what a
target has got, so that a run goes on where the last one stood, whoever killed that.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from clearing.errors import ClearingError, InvariantViolated, UsageError, WorldFailed
from clearing.jobs.delivery.folders import Directory
from clearing.jobs.delivery.partners import Partners, Place, Target
from clearing.jobs.delivery.places import Putter, opened, where
from clearing.jobs.delivery.placing import Put, put
from clearing.jobs.seal import manifest_bytes, wire
from clearing.store import deliveries, files, locks
from clearing.store.deliveries import TARGET_LOCK, Due
from clearing.store.session import transaction

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from clearing.settings import Settings

WAITING: Final = "WAITING"
"""Its next attempt is not due yet."""
AT_ONCE: Final = 6
"""Targets that are worked for side by side: each needs two of the process's connections to the database, and memory
for a file."""

Now: TypeAlias = Callable[[], datetime]


class Written(NamedTuple):
    """What writing a day to a directory did."""

    written: int
    already: int
    """Files that stood there, whole and the same."""


class Delivered(NamedTuple):
    """What became of one file at one target in this run."""

    file: str
    receiver: str
    target: str
    place: str
    attempt: int
    result: str
    """DELIVERED, ALREADY, FAILED, REFUSED, or WAITING for its next attempt."""
    bytes: int = 0
    sent: int = 0
    resumed_from: int = 0
    message: str = ""
    next_at: datetime | None = None


# ---------------------------------------------------------------- to a directory, by hand


async def write_files(engine: AsyncEngine, day: date, out: Path) -> Written:
    """Write a day's stored files into a directory, one folder a receiver.

    Writes:  out/<receiver>/<name> and <name>.ok.
    Again:   files that stand there are left; one that is there with other bytes is refused.
    Raises:  UsageError when the day has no files yet, or a file of that name differs; WorldFailed for the disk.
    """
    async with transaction(engine) as conn:
        stored = await files.of_day(conn, day)
    if not stored:
        raise UsageError(f"day {day}: it has no files yet. Next: clearing close {day}")
    done: list[Put] = []
    for one in stored:
        async with transaction(engine) as conn:
            content, manifest = await _checked(conn, one, datetime.now(UTC))
        done.append(await put(Directory(out / one.receiver), one.name, content, manifest))
    already = sum(one.already for one in done)
    return Written(len(done) - already, already)


async def _checked(conn: AsyncConnection, one: files.StoredFile, now: datetime) -> tuple[bytes, bytes]:
    """A stored file's bytes as they go out, and its manifest.

    Raises:  InvariantViolated when its bytes are not those that were stored.
    """
    content = b"".join([part async for part in wire(one, files.parts(conn, one.name))])
    return content, manifest_bytes(one, run_id=one.sm3.hex()[:16], created_at=now)


# ---------------------------------------------------------------- to the receivers' targets


async def deliver(
    engine: AsyncEngine,
    settings: Settings,
    partners: Partners,
    *,
    day: date | None = None,
    at_once: bool = False,
    now: Now = lambda: datetime.now(UTC),
) -> list[Delivered]:
    """Bring every file that a target has not got to it; targets side by side. 交付

    In:      all days, or one; `at_once` also tries what waits for its next attempt.
    Out:     by target and file; failures and refusals are told, not raised.
    Writes:  delivery_attempt; the files and their manifests at the targets.
    Again:   what a target has got is not sent again; what was cut off is gone on with; a target that another
             process works for is left to it.
    Raises:  InvariantViolated when a stored file is not what was stored.
    """
    room = asyncio.Semaphore(AT_ONCE)

    async def to_target(target: Target) -> list[Delivered]:
        async with room:
            return await _to_target(_Run(engine, settings, target, now), day, at_once=at_once)

    done = await asyncio.gather(*map(to_target, partners.target), return_exceptions=True)
    for one in done:  # the others have their files by now
        if isinstance(one, BaseException):
            raise one
    return [one for some in done if not isinstance(some, BaseException) for one in some]


class _Run(NamedTuple):
    engine: AsyncEngine
    settings: Settings
    target: Target
    now: Now


async def _to_target(run: _Run, day: date | None, *, at_once: bool) -> list[Delivered]:
    engine, target, now = run.engine, run.target, run.now
    async with locks.alone(engine, TARGET_LOCK, target.name) as mine:
        if not mine:
            return []
        async with transaction(engine) as conn:
            await deliveries.end_broken(conn, target.name, now())
            found = await deliveries.due(
                conn,
                target.name,
                receiver=target.receiver,
                types=target.types,
                profiles=target.profiles,
                since=target.since,
                day=day,
            )
        told: list[Delivered] = []
        due: dict[str, list[Due]] = defaultdict(list)
        for one in found:
            if at_once or _has_come(run, one):
                due[one.receiver].append(one)
            else:
                told.append(_said(target, one, "", WAITING)._replace(next_at=one.next_at))
        for receiver, some in due.items():
            told += await _to_place(run, target.place_of(receiver), some)
        return told


def _has_come(run: _Run, one: Due) -> bool:
    """Whether it is time for its next attempt. One farther off than we wait was set by a clock that ran ahead."""
    longest = timedelta(seconds=run.settings.delivery_retry_seconds_max)
    return one.next_at is None or not run.now() < one.next_at <= run.now() + longest


async def _to_place(run: _Run, place: Place, due: Sequence[Due]) -> list[Delivered]:
    """The files of one receiver by one connection; what stops that stops the rest of them until next time."""
    told: list[Delivered] = []
    try:
        async with opened(place, run.settings.sftp_timeout_seconds) as putter:
            for one in due:
                if told and told[-1].result in {"FAILED", WAITING}:
                    told.append(_said(run.target, one, putter.where, WAITING))
                else:
                    told.append(await _one(run, putter, one))
    except (UsageError, WorldFailed) as error:  # the connection itself: each file that waits hears of it
        told += [await _unreached(run, place, one, error) for one in due[len(told) :]]
    return told


async def _one(run: _Run, putter: Putter, due: Due) -> Delivered:
    async with transaction(run.engine) as conn:
        stored = await files.get(conn, due.name)
        if stored is None:
            raise InvariantViolated(f"file {due.name}: it was stored, and is not there any more")
        content, manifest = await _checked(conn, stored, run.now())
        number = await deliveries.begin(
            conn,
            due,
            target=run.target.name,
            place=putter.where,
            at=run.now(),
            length=len(content),
            sha256=stored.sha256,
            manifest=manifest,
        )
    said = _said(run.target, due, putter.where, "")._replace(bytes=len(content), attempt=due.attempts + 1)
    try:
        done = await putter.put(due.name, content, manifest)
    except (UsageError, WorldFailed) as error:
        return await _ended(run, number, _failure(run, due, said, error))
    said = said._replace(
        result="ALREADY" if done.already else "DELIVERED", sent=done.sent, resumed_from=done.resumed_from
    )
    return await _ended(run, number, said, done)


async def _unreached(run: _Run, place: Place, due: Due, error: ClearingError) -> Delivered:
    """Record that a file's place could not be had at all."""
    async with transaction(run.engine) as conn:
        stored = await files.get(conn, due.name)
        number = await deliveries.begin(
            conn,
            due,
            target=run.target.name,
            place=where(place),
            at=run.now(),
            length=stored.size if stored else 0,
            sha256=stored.sha256 if stored else b"",
            manifest=b"",
        )
    said = _said(run.target, due, where(place), "")._replace(attempt=due.attempts + 1)
    return await _ended(run, number, _failure(run, due, said, error))


async def _ended(run: _Run, number: int, said: Delivered, done: Put | None = None) -> Delivered:
    async with transaction(run.engine) as conn:
        await deliveries.end(
            conn,
            number,
            at=run.now(),
            result=said.result,
            sent=said.sent,
            resumed_from=said.resumed_from,
            receipt=done.receipt if done else None,
            message=said.message,
            next_at=said.next_at,
        )
    return said


def _failure(run: _Run, due: Due, said: Delivered, error: ClearingError) -> Delivered:
    """A failure is tried again after a while that doubles; a refusal only after the longest: a person must act."""
    first, longest = run.settings.delivery_retry_seconds, run.settings.delivery_retry_seconds_max
    refused = not error.retriable
    # 2**30 seconds are 34 years: doubling further says nothing
    seconds = longest if refused else min(longest, first * 2 ** min(due.attempts, 30))
    return said._replace(
        result="REFUSED" if refused else "FAILED",
        message=str(error),
        next_at=run.now() + timedelta(seconds=seconds),
    )


def _said(target: Target, due: Due, where: str, result: str) -> Delivered:
    return Delivered(due.name, due.receiver, target.name, where, due.attempts, result)
