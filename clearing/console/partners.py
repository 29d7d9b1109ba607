"""`reconcile`, `breaks`: the other side's view of a day. 对账"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final

import typer

from clearing.console.edge import Day, Json, a_date, answer, books, named_files, perform
from clearing.console.show import grouped, last4, table, yuan
from clearing.errors import NotBalanced, UsageError
from clearing.reconciliation.breaks import CODES

ID_SHOWN: Final = 14
"""How much of a break's id a table shows: the day and six digits, which `breaks show` takes too."""

SIDE_COLUMNS: Final = ("side", "where", "at", "kind", "dir", "amount", "status", "reference")

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


def break_table(found: list[dict[str, Any]]) -> None:
    """Breaks in the shape of `reconcile --json`, as a table."""
    table(
        "Breaks 差错",
        ["id", "code", "名称", "vector", "bank", "inst.", "amount", "difference", "state"],
        (
            [
                one["id"][:ID_SHOWN],
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
            shown = await break_show(the.engine, ids[0])
            return shown | {
                "rows": {side: [_row(one) for one in rows] for side, rows in shown["rows"].items()}
            }

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
    table(
        "Sides 三方",
        SIDE_COLUMNS,
        (line for side in found["rows"] for line in _side(side, found["rows"][side])),
    )
    print("keys  " + "  ".join(f"{name} {value}" for name, value in found["keys"].items() if value))
    table(
        "Steps 处理",
        ["no", "state", "by", "why"],
        ([s["no"], s["state"], s["maker"], s["why"]] for s in found["steps"]),
    )


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """One row of a side as it may be shown: yuan for fen, the last four of a card."""
    shown = {
        name.removesuffix("_fen"): yuan(value) if name.endswith("_fen") and value is not None else value
        for name, value in row.items()
    }
    return shown | {"card": last4(row.get("card") or "")}


def _side(side: str, rows: list[dict[str, Any]]) -> Iterator[list[str]]:
    """The rows of one side, file and line where it is a partner's."""
    for row in rows:
        date_, time_ = (
            (row.get(f"{house}_date") for house in ("bank", "his")),
            row.get("bank_time") or row.get("his_time"),
        )
        where = f"{row['file']}:{row['line']}" if "file" in row else f"{row['source']}/{row['event_id']}"
        yield [
            f"{side} {row['partner']}",
            where,
            " ".join(filter(None, (next(filter(None, date_), ""), time_))),
            row.get("type") or row.get("trade_type") or "",
            row["direction"],
            grouped(row["amount"]),
            row["status"],
            row["bank_ref"] or row.get("order_no") or "",
        ]
