"""`report`: what a day or month comes to, as files to work in, to sign and to read by machine. 报表"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperGroup

from clearing.console.edge import Day, Json, answer, books, perform
from clearing.console.show import made

if TYPE_CHECKING:
    from clearing.store.files import StoredFile

USUAL: Final = "mismatch"
"""What `clearing report DATE` is short for."""


class Reports(TyperGroup):
    """`clearing report DATE` without the name of a report is the mismatch report."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer's own copy of click
        """Put the usual report's name before anything that is no report's."""
        if args and args[0] not in self.commands and args[0] != "--help":
            if args[0][:1].isalpha():
                others = ", ".join(name for name in self.commands if name != USUAL)
                raise typer.BadParameter(
                    f"expected a date such as 2026-03-10, or {others}, got {args[0]!r}", ctx
                )
            args = [USUAL, *args]
        return super().parse_args(ctx, args)


report_app = typer.Typer(
    cls=Reports,
    no_args_is_help=True,
    help="Reports as XLSX, PDF, CSV and JSON 报表. `clearing report DATE` is the mismatch report.",
)

Out = Annotated[Path, typer.Option("--out", help="Folder to write to.")]
Of = Annotated[
    str, typer.Option("--member", metavar="CODE", help="For this member alone, with nobody else's lines.")
]
Formats = Annotated[str, typer.Option("--format", help="Which of xlsx, pdf, csv, json.")]
ALL: Final = "xlsx,pdf,csv,json"


def wanted(formats: str) -> list[str]:
    """The formats of a comma-separated list."""
    return [one.strip() for one in formats.split(",")]


def told(period: str, written: list[Path], *, as_json: bool) -> None:
    """Say which files were written."""
    if as_json:
        answer({"date": period, "files": [f"{path}" for path in written]})
    else:
        for path in written:
            print(path)


@report_app.command(USUAL)
def mismatch(  # noqa: PLR0917 - what may be asked
    day: Day,
    out: Annotated[Path | None, typer.Option("--out", help="Folder to write to.")] = None,
    formats: Formats = ALL,
    member: Of = "",
    send: Annotated[
        bool, typer.Option("--send", help="Keep each partner's part as a file, MIS, for `deliver`.")
    ] = False,
    as_json: Json = False,
) -> None:
    """The mismatch report of a reconciled day: written to a folder, or as files to the partners 差错报告.

    What is sent is a file a partner, of the run that stands, as it was found; a later run makes the next version.
    """
    if out is None and not send:
        raise typer.BadParameter("expected --out FOLDER, or --send, got neither")

    async def work() -> tuple[list[Path], list[StoredFile]]:
        from clearing.jobs.report_files import send_reports  # noqa: PLC0415 - for this command only
        from clearing.jobs.reports import write_report  # noqa: PLC0415 - for this command only

        async with books() as the:
            sent = (
                await send_reports(the.engine, the.settings, the.members, day, member=member) if send else []
            )
            written = (
                await write_report(the.engine, the.members, day, out, wanted(formats), member=member)
                if out is not None
                else []
            )
            return written, sent

    written, sent = perform(work)
    if as_json:
        files = {"sent": [one.name for one in sent]} if send else {}
        answer({"date": f"{day}", "files": [f"{path}" for path in written]} | files)
        return
    for path in written:
        print(path)
    if send:
        made("Sent 差错报告", sent, records="breaks")


@report_app.command("day")
def day_reports(day: Day, out: Out, formats: Formats = ALL, member: Of = "", as_json: Json = False) -> None:
    """Positions, deposits, claims, retention, returned funds, cards, areas of a day 日报."""

    async def work() -> list[Path]:
        from clearing.jobs.day_reports import write_day  # noqa: PLC0415 - for this command only

        async with books() as the:
            return await write_day(the.engine, the.members, day, out, wanted(formats), member=member)

    told(f"{day}", perform(work), as_json=as_json)


def a_month(text: str) -> date:
    """A month as the command line takes it: its first day."""
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError as error:
        raise typer.BadParameter(f"expected a month such as 2026-03, got {text!r}") from error


@report_app.command("month")
def month(
    first: Annotated[date, typer.Argument(parser=a_month, metavar="MONTH", help="Month, YYYY-MM.")],
    out: Out,
    formats: Formats = ALL,
    as_json: Json = False,
) -> None:
    """A month by area, level, bank and application area 月度统计."""

    async def work() -> list[Path]:
        from clearing.jobs.day_reports import write_month  # noqa: PLC0415 - for this command only

        async with books() as the:
            return await write_month(the.engine, the.members, first, out, wanted(formats))

    told(f"{first:%Y-%m}", perform(work), as_json=as_json)


@report_app.command("journal")
def journal(  # noqa: PLR0917 - what may be asked
    day: Day,
    out: Out,
    institution: Annotated[
        list[str] | None, typer.Option("--institution", help="Code of a hospital or pharmacy; else all.")
    ] = None,
    accounts: Annotated[
        Path | None, typer.Option("--accounts", metavar="FILE", help="Its own account codes, TOML.")
    ] = None,
    formats: Formats = "xlsx,csv",
    as_json: Json = False,
) -> None:
    """Each institution's day as vouchers in its own chart of accounts, to be imported 医院凭证."""

    async def work() -> list[Path]:
        from clearing.jobs.journal import read_accounts, write_journals  # noqa: PLC0415 - for this command only

        chart = read_accounts(accounts)
        async with books() as the:
            codes = tuple(dict.fromkeys(institution or ()))
            return await write_journals(the.engine, the.members, day, out, chart, codes, wanted(formats))

    told(f"{day}", perform(work), as_json=as_json)


@report_app.command("accounts")
def accounts(as_json: Json = False) -> None:
    """The account codes that hold where no --accounts is given: a file to begin with 科目对照."""
    from clearing.jobs.journal import read_accounts, shipped_accounts  # noqa: PLC0415 - for this command only

    if as_json:
        answer(read_accounts(None))
    else:
        print(shipped_accounts(), end="")
