"""`reconcile`, `report`, `breaks`: the other side's view of a day. 对账"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from clearing.console.edge import Day, Json, a_date, answer, books, named_files, perform
from clearing.console.show import table
from clearing.errors import NotBalanced, UsageError
from clearing.reconciliation.breaks import CODES

breaks_app = typer.Typer(no_args_is_help=True, help="Breaks that reconciliation found 差错.")


def reconcile(
    day: Day,
    bank: Annotated[
        list[str] | None,
        typer.Option("--bank", metavar="CODE=FILE", help="Statement of a bank, network or channel."),
    ] = None,
    his: Annotated[
        list[str] | None, typer.Option("--his", metavar="CODE=FILE", help="Export of a hospital or pharmacy.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Match a day with its partners' files, store the breaks, prove the sums 对账."""

    async def work() -> dict[str, Any]:
        from clearing.jobs.reconcile import reconcile_day  # noqa: PLC0415 - for this command only

        banks, exports = named_files(bank or (), "--bank"), named_files(his or (), "--his")
        if not banks and not exports:
            raise UsageError(
                f"reconcile {day}: no file given. Next: --bank B1=STM_B1.csv --his H1=HIS_H1.csv"
            )
        async with books() as the:
            return await reconcile_day(the.engine, the.settings, the.members, day, banks, exports)

    found = perform(work)
    if as_json:
        answer(found)
    else:
        _tell(day, found)
    if any(Decimal(line["residual"]) for line in found["proof"].values()):
        raise typer.Exit(NotBalanced.exit_code)


def _tell(day: date, found: dict[str, Any]) -> None:
    print(f"{day}  run {found['run']}: {found['matched']:,} matched, {len(found['breaks'])} breaks")
    break_table(found["breaks"])
    columns = ["partner", "ledger", "other", "explained", "residual"]
    proof = (
        [partner, *(grouped(line[name]) for name in columns[1:])] for partner, line in found["proof"].items()
    )
    table("Proof 平账证明", columns, proof)


def grouped(amount: str) -> str:
    """Yuan text with thousands."""
    return f"{Decimal(amount):,.2f}"


def break_table(found: list[dict[str, Any]]) -> None:
    """Breaks in the shape of `reconcile --json`, as a table."""
    table(
        "Breaks 差错",
        ["id", "code", "名称", "vector", "bank", "inst.", "amount", "difference", "state"],
        (
            [
                one["id"],
                one["code"],
                chinese(one["code"]),
                one["vector"],
                one["bank"],
                one["institution"],
                grouped(one["amount"]),
                grouped(one["difference"]),
                one["state"],
            ]
            for one in found
        ),
    )


def chinese(code: str) -> str:
    """The code's Chinese name."""
    known: Any = CODES.get(code)
    return str(getattr(known, "chinese", known) or "")


def report(
    day: Day,
    out: Annotated[Path, typer.Option("--out", help="Folder to write to.")],
    formats: Annotated[str, typer.Option("--format", help="csv, json or both.")] = "csv,json",
    as_json: Json = False,
) -> None:
    """Write the mismatch report of a reconciled day 差错报告."""

    async def work() -> list[Path]:
        from clearing.jobs.reconcile import write_report  # noqa: PLC0415 - for this command only

        wanted = [one.strip() for one in formats.split(",")]
        async with books() as the:
            return await write_report(the.engine, the.members, day, out, wanted)

    written = perform(work)
    if as_json:
        answer({"date": f"{day}", "files": [f"{path}" for path in written]})
    else:
        for path in written:
            print(path)


@breaks_app.command("list")
def list_breaks(
    day: Annotated[
        date | None, typer.Option("--date", parser=a_date, metavar="DATE", help="Found on this date.")
    ] = None,
    state: Annotated[str | None, typer.Option("--state", help="OPEN, SUSPECT, AUTO_CLEARED…")] = None,
    rows_max: Annotated[int, typer.Option("--rows", min=1, help="How many at most.")] = 500,
    as_json: Json = False,
) -> None:
    """Breaks of all days or one, in one state or all 差错清单."""

    async def work() -> list[dict[str, Any]]:
        from clearing.jobs.report import breaks_list  # noqa: PLC0415 - for this command only

        async with books() as the:
            return await breaks_list(the.engine, day=day, states=[state.upper()] if state else None)

    found = perform(work)
    if as_json:
        answer({"breaks": found[:rows_max], "more": max(len(found) - rows_max, 0)})
        return
    break_table(found[:rows_max])
    if len(found) > rows_max:
        print(f"{len(found) - rows_max} more are not shown; see --rows")


@breaks_app.command("show")
def show_break(
    break_id: Annotated[str, typer.Argument(metavar="ID", help="The id, or how it begins.")],
    as_json: Json = False,
) -> None:
    """One break: the sides, what differs, and what became of it 差错明细."""

    async def work() -> dict[str, Any]:
        from clearing.jobs.report import break_show, breaks_list  # noqa: PLC0415 - for this command only

        async with books() as the:
            ids = [one["id"] for one in await breaks_list(the.engine) if one["id"].startswith(break_id)]
            if len(ids) != 1:
                raise UsageError(
                    f"break {break_id}: {'more than one begins so' if ids else 'there is none'}. "
                    "See: clearing breaks list"
                )
            return await break_show(the.engine, ids[0])

    found = perform(work)
    if as_json:
        answer(found)
        return
    print(f"{found['id']}  {found['code']} {found['name']}  {found['state']}")
    print(f"{found['meaning']}. Default: {found['handling']}")
    print(f"{found['vector']}  {found['bank']} {found['institution']}".rstrip())
    print(f"amount {grouped(found['amount'])}  codes {', '.join(found['codes'])}")
    for partner, amount in found["differences"].items():
        if Decimal(amount):
            print(f"ledger minus {partner}: {grouped(amount)}")
    print("keys  " + "  ".join(f"{name} {value}" for name, value in found["keys"].items() if value))
    table(
        "Steps 处理",
        ["no", "state", "by", "why"],
        ([s["no"], s["state"], s["maker"], s["why"]] for s in found["steps"]),
    )
