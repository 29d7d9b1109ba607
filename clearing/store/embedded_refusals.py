"""Why an embedded server cannot be opened, in our words: no room, no right, its own words. 内嵌数据库"""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from clearing.errors import WorldFailed

MAJOR = 18
"""The PostgreSQL of the wheel."""
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_ROOM_BYTES_MIN = 65_536  # with less a server cannot even say why it ends
_LOG_END_BYTES = 16_384


@contextlib.contextmanager
def world(directory: Path) -> Iterator[None]:
    """What the disk refuses, in our words."""
    try:
        yield
    except OSError as error:
        where, said = error.filename or directory, error.strerror or type(error).__name__
        if error.errno in _NO_ROOM:
            raise _no_room(directory, f"{where}: {said}") from error
        raise WorldFailed(
            f"embedded database in {directory}: expected a directory that {account(os.geteuid())} may write, "
            f"got {where}: {said}. Next: give that account the right to it, or name another directory in "
            "CLEARING_DATABASE_URL"
        ) from error


def _no_room(directory: Path, said: str) -> WorldFailed:
    """The disk is full: it passes when somebody makes room, so its cause says so to whoever can wait."""
    failed = WorldFailed(
        f"embedded database in {directory}: expected room on its disk, got {_free_bytes(directory) // 1_000_000} MB "
        f"free ({said}). Next: make room there and run again"
    )
    failed.__cause__ = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return failed


def _free_bytes(directory: Path) -> int:
    found = os.statvfs(next(one for one in (directory, *directory.parents) if one.exists()))
    return found.f_bavail * found.f_frsize


def account(uid: int) -> str:
    """An account's name, its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a container's account need not have a name
        return f"uid {uid}"


def gave_up(directory: Path, what: str, told: str) -> WorldFailed:
    """Why a program of the server's ended, from its own words."""
    full = [line for line in told.splitlines() if any(os.strerror(code) in line for code in _NO_ROOM)]
    if full or _free_bytes(directory) < _ROOM_BYTES_MIN:
        return _no_room(directory, f"{what}: {full[0].strip() if full else _last_lines(told)}")
    return WorldFailed(
        f"embedded database in {directory}: {what}: expected PostgreSQL {MAJOR} to run there, got {_why(told)}. "
        "Next: mend that, or restore the directory from a backup"
    )


def end_of(log: Path, start: int) -> str:
    """What a log says at its end, from a place on: before it stands why an earlier start failed."""
    with log.open("rb") as file:
        file.seek(max(start, log.stat().st_size - _LOG_END_BYTES))
        return file.read().decode(errors="replace")


def _why(told: str) -> str:
    """The last thing that a server gave up for; its last lines only say that it did, to clients too."""
    lines = [line for line in told.splitlines() if "the database system is" not in line]
    causes = [line for line in lines if "FATAL: " in line or "PANIC: " in line]
    return causes[-1] if causes else _last_lines(told)


def _last_lines(text: str) -> str:
    return " | ".join(text.strip().splitlines()[-4:]) or "no word why"
