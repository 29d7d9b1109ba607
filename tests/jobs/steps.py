"""The steps at which a process can die: the engine's own functions at their seams, by name. 故障点"""

from __future__ import annotations

import inspect
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import asyncpg
from aiokafka import AIOKafkaProducer

from clearing.jobs import (
    close,
    consume,
    dispatch,
    ingest,
    ingest_file,
    orders,
    positions,
    take_file,
    take_lines,
)
from clearing.jobs.delivery.folders import Directory
from clearing.jobs.outflow import Outflow
from clearing.jobs.publish import Publisher
from clearing.store import days, deliveries, files, locks, payments, put, verdicts


class Step(NamedTuple):
    """A call of the engine at which a process can die."""

    owner: Any
    name: str
    when: str
    """before, after, or halfway: of a COPY, when half of its rows are on their way."""
    nth: int = 1
    """Which call, unless the test asks for another one."""


WORKER: Final = {
    "records decoded": Step(positions, "decoded", "after"),
    "facts read": Step(ingest, "gather", "after"),
    "in the middle of a COPY": Step(asyncpg.Connection, "copy_records_to_table", "halfway"),
    "all written, not committed": Step(ingest, "record_all", "after"),
    "committed, nothing told": Step(consume, "take", "after"),
    "some notices sent": Step(AIOKafkaProducer, "send_batch", "after"),
    "notices sent, not remembered": Step(Publisher, "_send", "after"),
    "before the group's commit": Step(Outflow, "_commit_offsets", "before"),
    "after the group's commit": Step(Outflow, "_commit_offsets", "after"),
}
INGEST: Final = {
    "lines decoded": Step(ingest_file, "_placed", "after"),
    "facts read": Step(ingest, "gather", "after"),
    "in the middle of a COPY": Step(asyncpg.Connection, "copy_records_to_table", "halfway"),
    "all written, not committed": Step(ingest, "record_all", "after"),
    "committed, nothing said": Step(ingest_file, "take", "after"),
}
CUT: Final = {
    "the day is held": Step(locks, "day_exclusive", "after"),
    "facts of what waits read": Step(close, "gather", "after"),
    "ends of waiting written": Step(close, "record", "after"),
    "cut, not committed": Step(days, "cut", "after"),
    "cut and committed": Step(close, "cut", "after"),
}
NET: Final = {
    "positions netted": Step(close, "netting_of", "after"),
    "in the middle of a COPY": Step(asyncpg.Connection, "copy_records_to_table", "halfway"),
    "entries of the close written": Step(close, "_record_close", "after"),
    "netted, not committed": Step(days, "step", "after"),
    "netted and committed": Step(close, "net", "after"),
}
FILE: Final = {
    "some files kept": Step(files, "add_parts", "after"),
    "all files kept, not signed": Step(files, "add", "after"),
    "files sealed": Step(close, "seal_files", "after"),
    "filed, not committed": Step(days, "step", "after"),
    "filed and committed": Step(close, "file", "after"),
}
DELIVER: Final = {
    "an attempt noted, not committed": Step(deliveries, "begin", "after"),
    "a file half written": Step(os, "fsync", "before"),
    "a file without its name": Step(Directory, "write", "after"),
    "a file without its manifest": Step(Directory, "rename", "after"),
    "a manifest without its name": Step(Directory, "write", "after", 4),
    "delivered, not noted": Step(deliveries, "end", "before", 3),
}
DISPATCH: Final = {
    "payouts sent, no file yet": Step(dispatch, "take_own", "after"),
    "files rendered and kept": Step(files, "keep", "after"),
    "files sealed": Step(orders, "seal_files", "after"),
    "all written, not committed": Step(payments, "add_lines", "after"),
    "one bank done, not the other": Step(payments, "due", "before", 2),
}
RECEIVE: Final = {
    "bytes kept, not judged": Step(take_file, "judge", "before"),
    "judged, no ACK yet": Step(take_file, "judge", "after"),
    "ACK kept": Step(verdicts, "add", "before"),
    "answers noted, no event yet": Step(payments, "answer", "after"),
    "events taken, not committed": Step(take_lines, "take_made", "after"),
    "one file done, not the other": Step(take_file, "judge", "before", 2),
}
STEPS: Final = {
    "worker": WORKER,
    "ingest": INGEST,
    "cut": CUT,
    "net": NET,
    "file": FILE,
    "deliver": DELIVER,
    "dispatch": DISPATCH,
    "receive": RECEIVE,
}


def die_at(step: Step, nth: int, by: signal.Signals) -> None:
    """Wrap the step's function so that this process gets the signal at its nth call: killed, or stopped there."""
    original: Callable[..., Any] = getattr(step.owner, step.name)
    calls = 0
    if step.when == "halfway":
        put.ROWS_TOGETHER_MAX = 0  # type: ignore[misc]  # as large batches are written

    def mortal(when: str) -> None:
        nonlocal calls
        if when == step.when:
            calls += 1
            if calls == nth:
                os.kill(os.getpid(), by)

    async def waited(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever the engine's function takes
        mortal("before")
        if step.when == "halfway":
            named["records"] = half(list(named["records"]), mortal)
        found = await original(*given, **named)
        mortal("after")
        return found

    def called(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - the same
        mortal("before")
        found = original(*given, **named)
        mortal("after")
        return found

    setattr(step.owner, step.name, waited if inspect.iscoroutinefunction(original) else called)


def half(rows: list[Any], mortal: Callable[[str], None]) -> Iterator[Any]:
    """The rows of a COPY, which the driver takes when the server waits for them."""
    for number, row in enumerate(rows):
        if number == len(rows) // 2:
            mortal("halfway")
        yield row
