"""The world failing, and us failing. Outcomes of events are values, not exceptions. 异常

ClearingError                 everything this package raises on purpose
├── UsageError                the person asked for something that cannot be      exit 2
│   └── MembersRefused        the members file contradicts itself                exit 2
├── NotBalanced               books or a proof do not come out at zero           exit 1
├── WorldFailed               database, broker or disk said no; try again        exit 3
│   └── Fenced                another worker moved this stream's position        exit 3
└── InvariantViolated         our own promise is broken: stop, call a person     exit 4
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import ValidationError

_PLAIN: Final = {
    "missing": "is missing",
    "extra_forbidden": "there is no setting of this name; remove it or correct its spelling",
}


class ClearingError(Exception):
    """Base of all errors raised on purpose; the message says where, what, expected, got, next step."""

    exit_code = 4
    retriable = False


class UsageError(ClearingError):
    """What was asked for cannot be done as asked: a wrong file, date, state or argument."""

    exit_code = 2


class MembersRefused(UsageError):
    """The members file is not sound; the message lists every fault with its record."""


class NotBalanced(ClearingError):
    """The books or a proof line have a residual; nothing was moved."""

    exit_code = 1


class WorldFailed(ClearingError):
    """A service or the machine failed; running the same command again is right."""

    exit_code = 3
    retriable = True


class Fenced(WorldFailed):
    """Another worker has moved the stream position since this one loaded it; nothing was written."""


class InvariantViolated(ClearingError):
    """A promise of the books does not hold. Nothing is retried: a person must look."""


@contextlib.contextmanager
def on_disk(where: object) -> Iterator[None]:
    """Say what a disk refuses as one of our errors, with the path that it names, else `where`.

    Raises:  WorldFailed.
    """
    try:
        yield
    except OSError as error:
        raise WorldFailed(
            f"{error.filename or where}: {error.strerror or error}. Next: mend it and run again"
        ) from error


def setting_faults(problem: ValidationError, *, got: bool = False) -> list[str]:
    """Tell every fault of a file that a person wrote: the name as it stands there, and what is wrong. 设置错误

    In:      `got` says what stands there too; not for files that may hold what must not be seen.
    """
    told = []
    for fault in problem.errors(include_url=False):
        where = ".".join(map(str, fault["loc"])) or "record"
        plain = _PLAIN.get(fault["type"])
        value = f", got {fault['input']!r}" if got and plain is None else ""
        told.append(f"{where}: {plain or fault['msg']}{value}")
    return told


def toml_fault(problem: ValueError) -> str:
    """Tell why a file that a person wrote is no TOML: the line and what was expected. TOML 错误"""
    if isinstance(problem, UnicodeDecodeError):
        line = problem.object.count(b"\n", 0, problem.start) + 1
        return f"line {line}: expected UTF-8, got another encoding, perhaps GBK. Next: save it as UTF-8"
    return str(problem)
