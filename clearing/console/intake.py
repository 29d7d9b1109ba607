"""`ingest`, `worker`: events in. 入账"""

from __future__ import annotations

import contextlib
import itertools
import logging
import sys
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from clearing.console.edge import Json, answer, books, perform, progress, say
from clearing.console.show import table
from clearing.errors import UsageError
from clearing.jobs.ingest_file import ingest_lines
from clearing.jobs.patience import patiently

STDIN = "-"


def ingest(
    files: Annotated[list[Path], typer.Argument(help="JSON Lines, one event a line; - reads stdin.")],
    as_json: Json = False,
) -> None:
    """Take events from files, through the same door as the worker 文件入账."""

    async def work() -> dict[str, Any]:
        with contextlib.ExitStack() as opened:
            streams = [_opened(opened, file) for file in files]  # all are there, or nothing is taken
            counts = [_lines(file) for file in files]
            total = None if None in counts else sum(filter(None, counts))
            async with books() as the:
                with progress("taking events", total) as told:
                    lines = itertools.chain.from_iterable(streams)
                    return await ingest_lines(the.engine, the.settings, the.members, lines, told=told)

    found = perform(work, fast=True)
    if as_json:
        answer(found)
    else:
        told_totals(found)


def _opened(stack: contextlib.ExitStack, file: Path) -> BinaryIO:
    if f"{file}" == STDIN:
        return sys.stdin.buffer
    try:
        return stack.enter_context(file.open("rb"))
    except OSError as error:
        raise UsageError(
            f"{file}: {error.strerror}. Nothing was taken. Next: name a file that is there"
        ) from error


def _lines(file: Path) -> int | None:
    """How many events a file has, for the bar; None for a pipe, or when nobody sees a bar."""
    if not sys.stderr.isatty() or not file.is_file():
        return None
    with file.open("rb") as opened:
        return sum(1 for line in opened if line.strip())


def told_totals(found: dict[str, Any]) -> None:
    """Say what a run came to."""
    rows = [
        [name, found[name]] for name in ("posted", "noted", "duplicate", "rejected", "parked", "malformed")
    ]
    table(
        f"{found['taken']:,} events taken in {found['seconds']:.2f} s",
        ["outcome", "events"],
        rows,
        right=["events"],
    )
    if found["woken"]:
        print(f"{found['woken']} parked earlier were decided")
    if found["reasons"]:
        table("Rejected 拒绝", ["reason", "events"], found["reasons"].items(), right=["events"])
        print("see: clearing rejected DATE")
    if found["malformed"]:
        print("see: clearing quarantine list")


def worker(
    create_topics: Annotated[
        bool, typer.Option("--create-topics", help="Create missing topics first.")
    ] = False,
    until_idle: Annotated[bool, typer.Option("--until-idle", hidden=True)] = False,
    as_json: Json = False,
) -> None:
    """Consume from Kafka until stopped; any number of them, one consumer group 消费."""

    async def work() -> dict[str, Any]:
        from clearing.jobs import consume, topics  # noqa: PLC0415 - the Kafka client, for this command only

        async with books(patient=True) as the:
            if create_topics:
                for name in await patiently(lambda: topics.create_topics(the.settings)):
                    say(f"topic {name} created")
            say(
                f"worker: {the.how}; Kafka {the.settings.kafka_bootstrap}. SIGTERM or Ctrl-C ends it after its batch"
            )
            totals = await consume.work(the.engine, the.settings, the.members, until_idle=until_idle)
            return totals.as_json(0.0)

    found = perform(work, fast=True, level=logging.INFO)
    if as_json:
        answer(found)
    else:
        told_totals(found)
