"""`bench`: the measurements of the README, on this machine. 测速"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeAlias

import typer
from rich.table import Table

from clearing.console.edge import Json, answer, perform, say, settings_now
from clearing.console.show import page

Measured: TypeAlias = tuple[dict[str, Any], list[Table]]
"""The figures, and the same as people read them."""
bench_app = typer.Typer(help="The measurements of the README, on this machine 测速.")


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

    async def work() -> Measured:
        from clearing.jobs.bench import ingest as bench  # noqa: PLC0415 - for this command only

        measured = await bench.bench_ingest(
            settings_now(), events, seed=seed, repeats=repeats, kafka=not no_kafka, told=say
        )
        return measured, [bench.table(measured), bench.stage_table(measured)]

    _tell(work, as_json=as_json)


@bench_app.command("reconcile")
def bench_reconcile(
    rows: Annotated[int, typer.Option("--rows", min=1000, help="Rows a side.")] = 1_000_000,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="How often each way is measured.")] = 3,
    as_json: Json = False,
) -> None:
    """A day of three large sides matched, named and proven, beside duckdb's bare full outer join 对账测速."""

    async def work() -> Measured:
        from clearing.jobs.bench import reconcile as bench  # noqa: PLC0415 - for this command only

        measured = bench.bench_reconcile(rows, repeats=repeats, told=say)
        return measured, [bench.table(measured)]

    _tell(work, as_json=as_json)


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

    async def work() -> Measured:
        from clearing.jobs.bench import shapes  # noqa: PLC0415 - for this command only

        measured = await shapes.bench_shapes(
            settings_now(), events, history=history, seed=seed, repeats=repeats, told=say
        )
        return measured, [shapes.table(measured)]

    _tell(work, as_json=as_json)


@bench_app.command("latency")
def bench_latency(
    rates: Annotated[
        list[int] | None, typer.Option("--rate", min=1, help="Events a second; again for more.")
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="How long each rate is kept.")] = 20.0,
    as_json: Json = False,
) -> None:
    """From a producer's send to the result at its consumer, at steady rates 时延测速."""

    async def work() -> Measured:
        from clearing.jobs.bench import latency  # noqa: PLC0415 - for this command only

        measured = await latency.bench_latency(
            settings_now(), rates or (200, 1_000), seconds=seconds, told=say
        )
        return measured, [latency.table(measured)]

    _tell(work, as_json=as_json)


@bench_app.command("files")
def bench_files(
    lines: Annotated[
        int, typer.Option("--lines", min=1000, help="Of the file, and entries of the day.")
    ] = 1_000_000,
    profile: Annotated[str, typer.Option("--profile", help="The layout to measure.")] = "P",
    as_json: Json = False,
) -> None:
    """One large file rendered and checked, a large day's close, beside COPY TO 文件测速."""

    async def work() -> Measured:
        from clearing.jobs.bench import files as measure  # noqa: PLC0415 - for this command only

        measured = await measure.bench_files(settings_now(), lines, profile=profile, told=say)
        return measured, [measure.table(measured)]

    _tell(work, as_json=as_json)


def _tell(work: Callable[[], Coroutine[Any, Any, Measured]], *, as_json: bool) -> None:
    found, tables = perform(work, fast=True)
    if as_json:
        answer(found)
        return
    for one in tables:
        page().print(one)
