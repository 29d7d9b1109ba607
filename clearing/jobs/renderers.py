"""A day's files written on several cores: each writes those of some receivers, all see every entry. 多核出文件

What comes from the database passes through one process: the day may be in a transaction that nobody else can see,
and the files are kept in it. The others get chunks of entries and give back parts of files.
"""

from __future__ import annotations

import asyncio
import marshal
import os
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from itertools import islice
from multiprocessing import connection, get_context, parent_process
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from clearing.errors import WorldFailed
from clearing.files.day_files import DayFiles, Whole
from clearing.files.memo import Memo
from clearing.jobs.collector import look_seldom, many_objects
from clearing.ledger.entry_columns import EntryColumns

if TYPE_CHECKING:
    from clearing.files.draft import Part
    from clearing.ledger.facts import Instruction
    from clearing.ledger.members import Members, MembersOn

PROCESSES_MAX: Final = 4
"""The one that talks to the database hands its chunks to each of the others: more would wait for it."""
SEVERAL_FROM: Final = 50_000
"""Entries of a day from which a second process is worth its start."""
AHEAD: Final = 2
"""Chunks that may wait for a writer: enough that it never waits for them, few enough for memory."""
AT_ONCE: Final = 16
"""Finished files given back at once."""
USUAL_LOADS: Final = {"bank": 1.0, "card_platform": 0.6}
"""How much there is to write for all members of a kind, as a share of what the institutions get together."""
READING: Final = 0.8
"""The same for reading the entries and handing them on."""
DATES: Final = ("clearing_date", "bank_date", "original_date")
_T = TypeVar("_T")


def processes_for(entries: int) -> int:
    """How many processes write a day of so many entries here."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, PROCESSES_MAX) if entries >= SEVERAL_FROM else 1


def shares(members: MembersOn, processes: int) -> list[frozenset[str]]:
    """Receivers in so many groups that have about as much to be written; the first one reads besides."""
    of_kind: dict[str, list[str]] = {}
    for code in sorted(members.by_code):
        kind = members.kind(code)
        of_kind.setdefault(kind if kind in USUAL_LOADS else "", []).append(code)
    loads = [READING if processes > 1 else 0.0, *[0.0] * (processes - 1)]
    found: list[set[str]] = [set() for _ in loads]
    weighed = (
        (USUAL_LOADS.get(kind, 1.0) / len(codes), code) for kind, codes in of_kind.items() for code in codes
    )
    for load, code in sorted(weighed, key=lambda one: (-one[0], one[1])):
        least = loads.index(min(loads))
        loads[least] += load
        found[least].add(code)
    return [frozenset(one) for one in found]


class Writing(NamedTuple):
    """What is the same for all who write a day's files; as `DayFiles` takes it."""

    day: date
    members: Members
    layouts: Any
    more: dict[str, Any]

    def of(self, receivers: frozenset[str]) -> DayFiles:
        """The files of some receivers."""
        return DayFiles(self.day, self.members, self.layouts, receivers=receivers, **self.more)


def _packed(chunk: EntryColumns) -> bytes:
    """Entries for another process: of texts and numbers marshal takes a quarter of what pickle does. 打包"""
    columns: dict[str, Sequence[Any]] = chunk._asdict()
    columns["occurred_at"] = [one.timestamp() for one in chunk.occurred_at]
    for name in DATES:
        numbers = Memo(lambda day: day.toordinal() if day else 0)
        columns[name] = list(map(numbers.__getitem__, columns[name]))
    return marshal.dumps(list(columns.values()), 2)  # 2: the last format that looks for no twins


def _unpacked(packed: bytes) -> EntryColumns:
    columns = dict(zip(EntryColumns._fields, marshal.loads(packed), strict=True))  # noqa: S302 - our own bytes
    columns["occurred_at"] = [datetime.fromtimestamp(one, UTC) for one in columns["occurred_at"]]
    for name in DATES:
        days = Memo(lambda number: date.fromordinal(number) if number else None)
        columns[name] = list(map(days.__getitem__, columns[name]))
    return EntryColumns(**columns)


class _Desk:
    """Where some receivers' files are written: steps come one after another."""

    def __init__(self, made: DayFiles) -> None:
        self._made = made
        self._ended: Iterator[Whole] = iter(())

    def feed(self, chunk: EntryColumns) -> list[Part]:
        return self._made.feed(chunk)

    def end(self, instructions: Sequence[Instruction], value_date: date) -> None:
        self._ended = self._made.end(instructions, value_date)

    def finished(self) -> list[Whole]:
        return list(islice(self._ended, AT_ONCE))


_desk: _Desk
"""Of a process that only writes."""


def _begin(writing: Writing, receivers: frozenset[str]) -> None:
    global _desk  # noqa: PLW0603 - the one thing that such a process is for
    threading.Thread(target=_end_with_parent, daemon=True).start()
    look_seldom()
    _desk = _Desk(writing.of(receivers))


def _end_with_parent() -> None:
    """A parent that was killed tells nobody: without it there is nothing to do here."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _feed(packed: bytes) -> list[Part]:
    return _desk.feed(_unpacked(packed))


def _end(instructions: Sequence[Instruction], value_date: date) -> None:
    _desk.end(instructions, value_date)


def _finished() -> list[Whole]:
    return _desk.finished()


class _Writer:
    """A desk, here or elsewhere, and what it has been asked for; of it only one thing is done at a time."""

    def __init__(
        self,
        pool: Executor,
        feed: Callable[[Any], list[Part]],
        end: Callable[[Sequence[Instruction], date], None],
        finished: Callable[[], list[Whole]],
    ) -> None:
        self._pool = pool
        self._feed, self._end, self._finished = feed, end, finished
        self._asked: deque[Future[list[Part]]] = deque()

    def feed(self, chunk: EntryColumns | bytes) -> None:
        self._asked.append(self._pool.submit(self._feed, chunk))

    async def parts(self, waiting: int) -> list[Part]:
        """The full parts of what is done, once no more than so many chunks wait."""
        found: list[Part] = []
        while self._asked and (len(self._asked) > waiting or self._asked[0].done()):
            given: list[Part] = await _of(self._asked.popleft())
            found += given
        return found

    async def end(self, instructions: Sequence[Instruction], value_date: date) -> None:
        await _of(self._pool.submit(self._end, instructions, value_date))

    async def finished(self) -> AsyncIterator[Whole]:
        asked = self._pool.submit(self._finished)
        while some := await _of(asked):
            asked = self._pool.submit(self._finished)  # the next ones are made while these are kept
            for one in some:
                yield one


async def _of(asked: Future[_T]) -> _T:
    try:
        return await asyncio.wrap_future(asked)
    except BrokenProcessPool as error:
        raise WorldFailed(
            "a process that wrote files was ended by someone else, perhaps for want of memory. No file was kept. "
            "Next: run again, with fewer processes (CLEARING_FILE_PROCESSES)"
        ) from error


class Renderers:
    """All who write a day's files: feed → parts, end → files. The same bytes on any number of cores."""

    def __init__(self, here: _Writer, elsewhere: Sequence[_Writer]) -> None:
        self._here = here
        self._elsewhere = elsewhere
        self._writers = [here, *elsewhere]

    async def feed(self, chunk: EntryColumns) -> list[Part]:
        """Hand on the next entries.

        Out:     parts of files that became full, of these entries or of some before.
        Raises:  as `DayFiles.feed`; WorldFailed when a process was ended.
        """
        packed = _packed(chunk) if self._elsewhere else b""
        for one in self._elsewhere:
            one.feed(packed)
        self._here.feed(chunk)
        return [part for one in self._writers for part in await one.parts(AHEAD)]

    async def end(self, instructions: Sequence[Instruction], value_date: date) -> list[Part]:
        """Say that there are no more entries; gives the full parts that were still under way.

        Raises:  as `feed` and `DayFiles.end`.
        """
        found = [part for one in self._writers for part in await one.parts(0)]
        await asyncio.gather(*(one.end(instructions, value_date) for one in self._writers))
        return found

    async def finished(self) -> AsyncIterator[Whole]:
        """Every file, some receivers' after the others'."""
        for one in self._writers:
            async for whole in one.finished():
                yield whole


@contextmanager
def renderers(writing: Writing, processes: int) -> Iterator[Renderers]:
    """Begin to write a day's files with so many processes, this one counted. 出文件进程"""
    first, *others = shares(writing.members.on(writing.day), processes)
    with many_objects(), ExitStack() as stack:
        here = ThreadPoolExecutor(1)
        pools = [ProcessPoolExecutor(1, get_context("spawn"), _begin, (writing, one)) for one in others]
        for pool in (here, *pools):
            stack.callback(pool.shutdown, cancel_futures=True)
        desk = _Desk(writing.of(first))
        yield Renderers(
            _Writer(here, desk.feed, desk.end, desk.finished),
            [_Writer(pool, _feed, _end, _finished) for pool in pools],
        )
