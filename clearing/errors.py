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
