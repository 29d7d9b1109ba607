"""Where the time of the file's way goes: the engine's own functions, each timed from outside. 分段计时

The functions are wrapped while a measurement runs and put back after it: the hot path itself knows nothing of
it. Each wrapper is entered a few times a batch, never once an event. A stage's time is its own: what a stage
called by it took is that one's. Decoding runs in a thread beside the rest, so stages add up to more than the
time that passed, and what a stage waits is for the database or for the interpreter.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from types import ModuleType
from typing import Any, Final

from clearing.jobs import ingest, ingest_file
from clearing.store import chain, facts, put, record

Function = Callable[..., Any]

BEGIN: Final = "begin"
COMMIT: Final = "commit"
REST: Final = "rest"

WRAPPED: Final[tuple[tuple[ModuleType | type, str, str], ...]] = (
    (ingest_file, "_next", "decode"),
    (ingest, "gather", "needs"),
    (facts, "look", "lock and read"),
    (ingest, "decide", "decide"),
    (ingest, "ends_of", "outcomes"),
    (ingest, "record_all", "move positions"),
    (record, "collect", "make rows"),
    (chain, "seal", "digest"),
    (put.Puts, "write", "write"),
)
"""(owner, function, stage): what is left of `record_all` is the position, balances and what is gathered to write."""
TRANSACTION: Final = (ingest, "transaction")
"""What opens and commits."""


class _Clocks(threading.local):
    """Which stages a thread is in, and its last look at the clocks."""

    def __init__(self) -> None:
        self.inside: list[str] = []
        self.at = (0.0, 0.0)


class Stages:
    """Processor and waiting time by stage, added up over all batches while `timed`."""

    def __init__(self) -> None:
        self.cpu: defaultdict[str, float] = defaultdict(float)
        self.wall: defaultdict[str, float] = defaultdict(float)
        self.events = 0
        self._clocks = _Clocks()

    @contextlib.contextmanager
    def timed(self, events: int) -> Iterator[None]:
        """Time the engine's functions while the block runs; one task alone, or their times would mix."""
        self.events += events
        before = [(module, name, getattr(module, name)) for module, name, _ in WRAPPED]
        opened = getattr(*TRANSACTION)
        for (module, name, stage), (_, _, function) in zip(WRAPPED, before, strict=True):
            setattr(module, name, self._wrapped(function, stage))
        setattr(*TRANSACTION, self._transaction(opened))
        self._enter(REST)
        try:
            yield
        finally:
            self._leave()
            setattr(*TRANSACTION, opened)
            for module, name, function in before:
                setattr(module, name, function)

    def rows(self) -> list[dict[str, Any]]:
        """One row a stage, longest first, µs an event: all, of the processor in Python, waiting."""
        events = max(self.events, 1)
        return [
            {
                "stage": stage,
                "us": round(wall / events * 1e6, 1),
                "python_us": round(self.cpu[stage] / events * 1e6, 1),
                "waiting_us": round(max(0.0, wall - self.cpu[stage]) / events * 1e6, 1),
            }
            for stage, wall in sorted(self.wall.items(), key=lambda item: -item[1])
        ]

    # -- the clock -----------------------------------------------------------------------------------------

    def _enter(self, stage: str) -> None:
        self._charge()
        self._clocks.inside.append(stage)

    def _leave(self) -> None:
        self._charge()
        self._clocks.inside.pop()

    def _charge(self) -> None:
        """What has passed in this thread since its last look was the innermost stage's."""
        clocks = self._clocks
        now = (time.perf_counter(), time.thread_time())
        if clocks.inside:
            self.wall[clocks.inside[-1]] += now[0] - clocks.at[0]
            self.cpu[clocks.inside[-1]] += now[1] - clocks.at[1]
        clocks.at = now

    def _wrapped(self, function: Function, stage: str) -> Function:
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def waited(*args: object, **named: object) -> object:
                self._enter(stage)
                try:
                    return await function(*args, **named)
                finally:
                    self._leave()

            return waited

        @functools.wraps(function)
        def called(*args: object, **named: object) -> object:
            self._enter(stage)
            try:
                return function(*args, **named)
            finally:
                self._leave()

        return called

    def _transaction(self, opened: Function) -> Function:
        @contextlib.asynccontextmanager
        async def begun_and_committed(engine: object, **limits: int) -> AsyncIterator[object]:
            self._enter(BEGIN)
            try:
                async with opened(engine, **limits) as conn:
                    self._leave()
                    try:
                        yield conn
                    finally:
                        self._enter(COMMIT)
            finally:
                self._leave()

        return begun_and_committed
