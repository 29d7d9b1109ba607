"""`reconcile`: the other side's view of a day. 对账"""

from __future__ import annotations

import sys
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

import typer

from clearing.console.breaks import break_table
from clearing.console.edge import Day, Json, answer, books, named_files, perform
from clearing.console.show import grouped, table
from clearing.day.states import State
from clearing.errors import NotBalanced, UsageError
from clearing.reconciliation.codes import CODES
from clearing.reconciliation.life import OVER


def reconcile(
    day: Day,
    bank: Annotated[
        list[str] | None,
        typer.Option("--bank", metavar="CODE=FILE", help="Statement of a bank, network or channel."),
    ] = None,
    his: Annotated[
        list[str] | None,
        typer.Option(
            "--his",
            metavar="CODE=FILE",
            help="Export of a hospital or pharmacy, its list of deposits (DEP), a fund's or insurer's list (NRC).",
        ),
    ] = None,
    partial: Annotated[
        bool,
        typer.Option("--partial", help="Take the good lines of a file with bad ones; FIL-004 a bad line."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Match a day with its partners' files, store the breaks, prove the sums 对账.

    Without --bank and --his it takes the statements and exports that `receive` has taken for the day.
    """

    async def work() -> dict[str, Any]:
        from clearing.jobs.reconcile import reconcile_day  # noqa: PLC0415 - for this command only

        banks, exports = named_files(bank or (), "--bank"), named_files(his or (), "--his")
        async with books() as the:
            return await reconcile_day(
                the.engine, the.settings, the.members, day, banks, exports, partial=partial
            )

    found = perform(work)
    if as_json:
        answer(found)
    else:
        _tell(day, found)
    for error in found["refused"]:
        print(error, file=sys.stderr)
    lines = (*found["proof"].values(), *found["balances"].values())
    if any(Decimal(line["residual"]) for line in lines) or any(
        one["code"] == "LED-001" and one["state"] not in OVER for one in found["breaks"]
    ):
        raise typer.Exit(NotBalanced.exit_code)
    if found["refused"]:
        raise typer.Exit(UsageError.exit_code)


def _tell(day: date, found: dict[str, Any]) -> None:
    print(f"{day}  run {found['run']}: {found['matched']:,} matched, {len(found['breaks'])} breaks")
    break_table(found["breaks"])
    columns = ["partner", "ledger", "other", "explained", "residual"]
    proof = (
        [partner, *(grouped(line[name]) for name in columns[1:])] for partner, line in found["proof"].items()
    )
    table("Proof 平账证明", columns, proof)
    columns[0] = "balance"
    balances = (
        [name, *(grouped(line[each]) for each in columns[1:])] for name, line in found["balances"].items()
    )
    table("Balances 余额核对", columns, balances)
    roll = found["open"]
    print(
        f"open 未清  {roll['before']} before + {roll['new']} new - {roll['cleared']} cleared = {roll['after']} after"
    )
    if found["missing"]:
        print(f"no file of 缺  {' '.join(found['missing'])}")
    if found["rerun"]:
        print(f"these days have to be run again 重跑  {' '.join(found['rerun'])}")
    print(f"{day} is {found['state']}. Next: {_next(day, found)}")


def _next(day: date, found: dict[str, Any]) -> str:
    if found["state"] == State.RECONCILED:
        return f"clearing breaks list --open; clearing report {day} --out DIR; clearing day sign {day}"
    if found["state"] in (State.CUT, State.NETTED):
        return f"clearing close {day}, and reconcile again"
    wrong = sorted({one["code"] for one in found["breaks"] if CODES[one["code"]].break_class == "X"})
    if "LED-001" in wrong:
        return "clearing verify: the books contradict themselves; call a person"
    why = f"mended files for {' '.join(wrong)}" if wrong else "the files that are missing"
    return f"clearing reconcile {day} with {why}, and all files of the day beside them"
