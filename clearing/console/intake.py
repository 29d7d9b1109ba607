"""`ingest`, `worker`, `generate`, `bench`: events in. 入账"""

from __future__ import annotations

import contextlib
import itertools
import logging
import sys
import tomllib
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer
from rich.table import Table

from clearing.console.edge import Json, a_date, answer, books, perform, progress, read_file, say, settings_now
from clearing.console.show import page, table
from clearing.errors import MembersRefused, UsageError
from clearing.jobs.ingest_file import ingest_lines
from clearing.jobs.patience import patiently
from clearing.jobs.setup import document_of
from clearing.ledger.members import load_members

bench_app = typer.Typer(help="The measurements of the README, on this machine 测速.")

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


def generate(  # noqa: PLR0917 - the options of a command
    out: Annotated[Path, typer.Option("--out", help="Folder to write to.")],
    day: Annotated[date, typer.Option("--date", parser=a_date, metavar="DATE", help="The day.")],
    events: Annotated[int | None, typer.Option("--events", min=1, help="How many records; 3000.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same day.")] = 1,
    members: Annotated[
        Path | None, typer.Option("--members", help="Members file; a made-up city when left out.")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            "--size", help="county, city, province, one-bank or year-end: members and records of that size."
        ),
    ] = None,
    registered: Annotated[
        int | None, typer.Option("--registered", min=0, help="Cards registered before the day.")
    ] = None,
    breaks: Annotated[
        float | None,
        typer.Option(
            "--breaks", min=0, help="Planted breaks: a count, or below 1 the share of payments; 0.005."
        ),
    ] = None,
    wrong_files: Annotated[
        bool,
        typer.Option("--wrong-files", help="Plant missing, unsound and wrongly totalled files too."),
    ] = False,
    lists: Annotated[
        bool,
        typer.Option("--lists", help="Payers' lists and lists of deposits too, with what is wrong in them."),
    ] = False,
    later: Annotated[
        bool, typer.Option("--later", help="Not the first day of the books: terminals are known already.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a realistic day: events, statements, exports, planted breaks with their list 生成测试日."""

    async def work() -> Any:  # noqa: ANN401 - the generator's summary
        from clearing.jobs import generate as maker  # noqa: PLC0415 - for this command only

        named = maker.SIZES.get(size or "")
        if size is not None and named is None:
            raise UsageError(f"generate: --size {size}: expected one of {', '.join(maker.SIZES)}")
        source: Path | str = members or (maker.members_of(named) if named else maker.CITY)
        try:
            who = load_members(
                tomllib.loads(source) if isinstance(source, str) else document_of(read_file(source))
            )
        except MembersRefused as error:
            raise MembersRefused(f"{members or size}: {error}") from error
        count = events or (named.events if named else 3000)
        plan = named.plan(registered) if named else maker.with_registered(maker.Plan(), registered or 0)
        plan = replace(maker.with_breaks(plan, breaks, wrong_files=wrong_files), later=later)
        if lists and later:
            raise UsageError("generate: --lists needs books that begin on the day. Next: leave --later out")
        plan = maker.with_lists(plan) if lists else plan
        made = maker.generate_day(plan, who, day, count, seed)
        with progress("writing events", count) as told:
            return maker.write(made, out, members_toml=source, progress=lambda _: told(1000))

    found = perform(work)
    told = {
        "date": f"{day}",
        "events": found.events,
        "planted": len(found.planted),
        "members": f"{found.members}",
        "registered": found.registered,
        "refused": len(found.refused),
        "events_file": f"{found.events_file}",
        "statements": {code: f"{path}" for code, path in found.statements.items()},
        "exports": {code: f"{path}" for code, path in found.exports.items()},
        "answers": f"{found.answers}",
        "refusals": f"{found.refusals}",
    } | ({"cards_file": f"{found.cards_file}"} if found.registered else {})
    if found.corrected:
        told["corrected"] = {code: f"{path}" for code, path in found.corrected.items()}
    if found.lists:
        told["lists"] = {code: f"{path}" for code, path in found.lists.items()}
    if as_json:
        answer(told)
        return
    for name in ("date", "events", "members", "cards_file", "events_file", "answers", "refusals"):
        if name in told:
            print(f"{name:<12}{told[name]}")
    print(f"{'statements':<12}{len(found.statements)} in {out / 'statements'}")
    print(f"{'exports':<12}{len(found.exports)} in {out / 'exports'}")
    print(f"next        clearing init --members {found.members} --open-day {day}")


@bench_app.callback(invoke_without_command=True)
def bench_all(context: typer.Context) -> None:
    """The measurements of the README, on this machine 测速."""
    if context.invoked_subcommand is None:
        bench_ingest()


@bench_app.command("ingest")
def bench_ingest(
    events: Annotated[int, typer.Option("--events", min=1000, help="How many events.")] = 50_000,
    seed: Annotated[int, typer.Option("--seed", help="Of the generated day.")] = 7,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="How often each way is measured.")] = 3,
    no_kafka: Annotated[bool, typer.Option("--no-kafka", help="Leave the way through Kafka out.")] = False,
    as_json: Json = False,
) -> None:
    """File → durable and Kafka → durable, beside single transactions and a raw COPY 入账测速."""

    async def work() -> tuple[dict[str, Any], list[Table]]:
        from clearing.jobs.bench import ingest as bench  # noqa: PLC0415 - for this command only

        measured = await bench.bench_ingest(
            settings_now(), events, seed=seed, repeats=repeats, kafka=not no_kafka, told=say
        )
        return measured, [bench.table(measured), bench.stage_table(measured)]

    found, tables = perform(work, fast=True)
    if as_json:
        answer(found)
        return
    for one in tables:
        page().print(one)


@bench_app.command("reconcile")
def bench_reconcile(
    rows: Annotated[int, typer.Option("--rows", min=1000, help="Rows a side.")] = 1_000_000,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="How often each way is measured.")] = 3,
    as_json: Json = False,
) -> None:
    """A day of three large sides matched, named and proven, beside duckdb's bare full outer join 对账测速."""

    async def work() -> dict[str, Any]:
        from clearing.jobs.bench import reconcile as bench  # noqa: PLC0415 - for this command only

        return bench.bench_reconcile(rows, repeats=repeats, told=say)

    found = perform(work)
    if as_json:
        answer(found)
        return
    from clearing.jobs.bench import reconcile as bench  # noqa: PLC0415 - the same

    page().print(bench.table(found))


@bench_app.command("shapes")
def bench_shapes(
    events: Annotated[int, typer.Option("--events", min=1000, help="How many events.")] = 30_000,
    history: Annotated[
        int, typer.Option("--history", min=0, help="Entries that the long history holds; 0 leaves it out.")
    ] = 1_000_000,
    seed: Annotated[int, typer.Option("--seed", help="Of the generated day.")] = 7,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="How often each shape is measured.")] = 3,
    as_json: Json = False,
) -> None:
    """One hot hospital, records sent again, a long history, beside the uniform day 负载形态测速."""

    async def work() -> tuple[dict[str, Any], Table]:
        from clearing.jobs.bench import shapes  # noqa: PLC0415 - for this command only

        measured = await shapes.bench_shapes(
            settings_now(), events, history=history, seed=seed, repeats=repeats, told=say
        )
        return measured, shapes.table(measured)

    found, shown = perform(work, fast=True)
    answer(found) if as_json else page().print(shown)


@bench_app.command("latency")
def bench_latency(
    rates: Annotated[
        list[int] | None, typer.Option("--rate", min=1, help="Events a second; again for more.")
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="How long each rate is kept.")] = 20.0,
    as_json: Json = False,
) -> None:
    """From a producer's send to the result at its consumer, at steady rates 时延测速."""

    async def work() -> tuple[dict[str, Any], Table]:
        from clearing.jobs.bench import latency  # noqa: PLC0415 - for this command only

        measured = await latency.bench_latency(
            settings_now(), rates or (200, 1_000), seconds=seconds, told=say
        )
        return measured, latency.table(measured)

    found, shown = perform(work, fast=True)
    answer(found) if as_json else page().print(shown)


@bench_app.command("files")
def bench_files(
    lines: Annotated[
        int, typer.Option("--lines", min=1000, help="Of the file, and entries of the day.")
    ] = 1_000_000,
    profile: Annotated[str, typer.Option("--profile", help="The layout to measure.")] = "P",
    as_json: Json = False,
) -> None:
    """One large file rendered and checked, a large day's close, beside COPY TO 文件测速."""

    async def work() -> tuple[dict[str, Any], Table]:
        from clearing.jobs.bench import files as measure  # noqa: PLC0415 - for this command only

        measured = await measure.bench_files(settings_now(), lines, profile=profile, told=say)
        return measured, measure.table(measured)

    found, shown = perform(work, fast=True)
    answer(found) if as_json else page().print(shown)
