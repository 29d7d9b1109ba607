"""What is still to come of a day, in order of time; what is far off waits on disk. 待发队列

A province has begun more at noon than memory should hold: each visit, stay and payout is written down whole when it
begins, hours before its last record arrives. Only the minutes at hand are kept in memory.
"""

from __future__ import annotations

import pickle
import shutil
import tempfile
import weakref
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Generic, TypeVar

T = TypeVar("T")

MINUTE: Final = 60
AT_HAND: Final = 2
"""Minutes ahead that stay in memory."""
KEPT: Final = 32
"""Of each minute further off so many are gathered before they are written out together."""


class Agenda(Generic[T]):
    """Things with a moment, given back in order of moment and number."""

    def __init__(self) -> None:
        self._minutes: defaultdict[int, list[tuple[int, int, T]]] = defaultdict(list)
        self._written: set[int] = set()
        """Minutes of which a part is on disk."""
        self._reached = 0
        """The minute that has come."""
        self._folder: Path | None = None

    def add(self, second: int, number: int, thing: T) -> None:
        """One more; `number` orders those of one second, and none has it twice.

        Writes:  a file of a temporary folder now and then, gone when it is read or the agenda is.
        """
        minute = second // MINUTE
        of_minute = self._minutes[minute]
        of_minute.append((second, number, thing))
        if len(of_minute) >= KEPT and minute > self._reached + AT_HAND:
            with self._file(minute).open("ab") as file:
                pickle.dump(of_minute, file, pickle.HIGHEST_PROTOCOL)
            self._written.add(minute)
            of_minute.clear()

    def before(self, second: int) -> Iterator[T]:
        """Take out what is due before a moment, in order; nothing may be added meanwhile."""
        last = (second - 1) // MINUTE
        for minute in sorted({one for one in (*self._minutes, *self._written) if one <= last}):
            self._reached = minute
            due = sorted([*self._read(minute), *self._minutes.pop(minute, [])], key=_when)
            for at, number, thing in due:
                if at < second:
                    yield thing
                else:
                    self._minutes[minute].append((at, number, thing))
        self._reached = max(self._reached, last)

    def _read(self, minute: int) -> Iterator[tuple[int, int, T]]:
        if minute not in self._written:
            return
        self._written.remove(minute)
        path = self._file(minute)
        with path.open("rb") as file:
            while file.peek(1):
                yield from pickle.load(file)  # noqa: S301 - see the import
        path.unlink()

    def _file(self, minute: int) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="clearing-generate-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return self._folder / f"{minute}"


def _when(one: tuple[int, int, object]) -> tuple[int, int]:
    return one[0], one[1]
