"""The program `clearing`: every command, in the order in which a day needs them. 命令行"""

from __future__ import annotations

import io
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

import clearing
from clearing.console import (
    again,
    bench,
    breaks,
    cards,
    checks,
    compare,
    days,
    demo,
    edge,
    exchange,
    files,
    generate,
    intake,
    keys,
    layouts,
    look,
    orders,
    partners,
    payouts,
    positions,
    reference,
    rejected,
    reports,
    resolve,
    signing,
    trace,
    watch,
)


class Program(TyperGroup):
    """The program: with `--json` a wrong word on the command line, too, is answered with one object."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer's own copy of click
        """See whether a machine asks."""
        edge.for_machine.set("--json" in args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - as above
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except TyperException as error:
            edge.no_answer(f"{error.format_message()}", error.exit_code)
            raise


app = typer.Typer(
    cls=Program,
    name="clearing",
    help="A clearing engine between banks and hospitals 银医清算.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"max_content_width": 110},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"clearing {clearing.__version__}")
        raise typer.Exit


@app.callback()
def clearing_program(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """A clearing engine between banks and hospitals 银医清算."""


app.command("demo")(demo.demo)
app.command("init")(reference.init)
app.add_typer(reference.members_app, name="members")
app.command("ingest")(intake.ingest)
app.command("worker")(intake.worker)
days.day_app.command("sign")(signing.sign_day)
days.day_app.command("archive")(signing.archive_day)
app.add_typer(days.day_app, name="day")
app.command("close")(days.close)
app.command("balances")(look.balances)
app.command("exposure")(positions.exposure)
app.command("instruct-again")(positions.instruct_again)
app.command("positions")(positions.positions)
files.files_app.command("show")(again.show_file)
files.files_app.command("again")(again.make_again)
files.files_app.command("uses")(again.send_uses)
app.add_typer(files.files_app, name="files")
app.add_typer(layouts.layout_app, name="layout")
app.command("deliver")(exchange.deliver_files)
app.command("receive")(exchange.receive_files)
app.add_typer(keys.keys_app, name="keys")
app.command("reconcile")(partners.reconcile)
app.add_typer(reports.report_app, name="report")
breaks.breaks_app.command("assign")(resolve.assign_break)
breaks.breaks_app.command("resolve")(resolve.resolve_break)
breaks.breaks_app.command("approve")(resolve.approve_break)
breaks.breaks_app.command("reject")(resolve.reject_break)
breaks.breaks_app.command("reopen")(resolve.reopen_break)
breaks.breaks_app.command("close")(resolve.close_break)
app.add_typer(breaks.breaks_app, name="breaks")
app.add_typer(look.entries_app, name="entries")
app.command("trace")(trace.trace_way)
app.command("sources")(look.sources)
app.command("rejected")(rejected.rejected)
app.command("watchlist")(watch.watchlist)
cards.cards_app.command("compare")(compare.compare_snapshot)
app.add_typer(cards.cards_app, name="cards")
payouts.payouts_app.command("orders")(orders.list_orders)
app.add_typer(payouts.payouts_app, name="payouts")
app.add_typer(checks.quarantine_app, name="quarantine")
app.command("verify")(checks.verify)
app.command("generate")(generate.generate)
app.add_typer(bench.bench_app, name="bench")


def main() -> None:
    """The entry point: run the command that was asked for and leave with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8")  # the tables are Chinese in any locale
    try:
        app()
    except Exception as error:  # noqa: BLE001 - the last place: a code and a line, no traceback
        sys.exit(edge.failed(error))
