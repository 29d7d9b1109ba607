"""`breaks list`, `breaks show`: the work list and one break; what people do with one is in `resolve`. 差错清单"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final

import typer

from clearing.console.edge import Json, a_date, answer, books, expect_known, perform
from clearing.console.show import grouped, last4, table, yuan
from clearing.errors import UsageError
from clearing.reconciliation.codes import CODES
from clearing.reconciliation.life import OVER, STATES
from clearing.store.breaks import Asked

ID_SHOWN: Final = 14
"""How much of a break's id a table shows: the day and six digits, which every command takes too."""
SIDE_COLUMNS: Final = ("side", "where", "at", "kind", "dir", "amount", "status", "reference")

breaks_app = typer.Typer(no_args_is_help=True, help="Breaks that reconciliation found, and their lives 差错.")

BreakId = Annotated[str, typer.Argument(metavar="ID", help="The id, or how it begins.")]


def break_table(found: list[dict[str, Any]]) -> None:
    """Breaks in the shape of `reconcile --json`, as a table in order of code."""
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
            for one in sorted(
                found, key=lambda one: (one["code"], one["bank"], one["institution"], one["id"])
            )
        ),
    )


def work_table(found: list[dict[str, Any]]) -> None:
    """The work list: whose they are and by when instead of what they are called."""
    table(
        "Breaks 差错",
        ["id", "code", "bank", "inst.", "amount", "difference", "state", "owner", "due", "days"],
        (
            [
                one["id"][:ID_SHOWN],
                one["code"],
                one["bank"],
                one["institution"],
                grouped(one["amount"]),
                grouped(one["difference"]),
                one["state"],
                one["owner"] or "-",
                f"{one['due'][5:]}{' !' if one['overdue'] else ''}",
                one["age_days"],
            ]
            for one in found
        ),
        right=["days"],
    )


def chinese(code: str) -> str:
    """The code's Chinese name."""
    known = CODES.get(code)
    return known.chinese if known else ""


OfDate = Annotated[
    date | None, typer.Option("--date", parser=a_date, metavar="DATE", help="Found on this date.")
]
OfState = Annotated[list[str] | None, typer.Option("--state", help=" ".join(STATES))]
OfCode = Annotated[str | None, typer.Option("--code", help="The lead code, or how it begins: SID.")]
OfBank = Annotated[str | None, typer.Option("--bank", help="Of this bank, network or channel.")]
OfInstitution = Annotated[str | None, typer.Option("--institution", help="Of this one.")]
OfOwner = Annotated[str | None, typer.Option("--owner", help="Whose they are; - for nobody's.")]


def asked_of(  # noqa: PLR0917 - what may be asked of breaks
    day: date | None,
    states: list[str] | None,
    code: str | None,
    bank: str | None,
    institution: str | None,
    owner: str | None,
) -> Asked:
    """What is asked of breaks, as options say it.

    Raises:  UsageError for a code with which none begins.
    """
    if code and not any(one.startswith(code.upper()) for one in CODES):
        raise UsageError(f"--code {code}: expected a code or how it begins, such as SID-101 or SID")
    return Asked(
        day=day,
        states=states,
        code=code.upper() if code else None,
        bank=bank,
        institution=institution,
        owner="" if owner == "-" else owner,
    )


@breaks_app.command("list")
def list_breaks(  # noqa: PLR0917 - the options of a command
    day: OfDate = None,
    state: OfState = None,
    live: Annotated[bool, typer.Option("--open", help="Those somebody still has to end.")] = False,
    code: OfCode = None,
    bank: OfBank = None,
    institution: OfInstitution = None,
    owner: OfOwner = None,
    age: Annotated[int, typer.Option("--age", min=0, help="Found so many days ago or earlier.")] = 0,
    rows_max: Annotated[int, typer.Option("--rows", min=1, help="How many at most.")] = 500,
    as_json: Json = False,
) -> None:
    """The work list: breaks of all days, or those that are asked for 差错清单."""

    async def work() -> list[dict[str, Any]]:
        from clearing.jobs.worklist import breaks_list  # noqa: PLC0415 - for this command only

        asked = asked_of(day, states_of(state, live=live), code, bank, institution, owner)
        async with books() as the:
            there = await breaks_list(the.engine, asked, age_days_min=age)
            if not there:
                expect_known(the.members, bank=bank, institution=institution)
            return there

    found = perform(work)
    if as_json:
        answer({"breaks": found[:rows_max], "more": max(len(found) - rows_max, 0)})
        return
    work_table(found[:rows_max])
    if len(found) > rows_max:
        print(f"{len(found) - rows_max} more are not shown; see --rows")


def states_of(given: list[str] | None, *, live: bool) -> list[str] | None:
    """The states that are asked for, None for any.

    Raises:  UsageError for one that there is not.
    """
    if given is None or not given:
        return [one for one in STATES if one not in OVER] if live else None
    wanted = [one.upper() for one in given]
    strange = [one for one in wanted if one not in STATES]
    if strange:
        raise UsageError(f"--state {strange[0]}: expected one of {' '.join(STATES)}")
    return [one for one in wanted if not live or one not in OVER]


@breaks_app.command("show")
def show_break(break_id: BreakId, as_json: Json = False) -> None:
    """One break: the sides, what differs, and what became of it 差错明细."""

    async def work() -> dict[str, Any]:
        from clearing.jobs.worklist import break_show  # noqa: PLC0415 - for this command only

        async with books() as the:
            return shown(await break_show(the.engine, break_id))

    found = perform(work)
    if as_json:
        answer(found)
    else:
        _tell(found)


def shown(found: dict[str, Any]) -> dict[str, Any]:
    """A break as it may be shown: no card beyond its last four."""
    return found | {"rows": {side: [_row(one) for one in rows] for side, rows in found["rows"].items()}}


def _tell(found: dict[str, Any]) -> None:
    print(f"{found['id']}  {found['code']} {found['name']}  {found['state']} {found['ending']}".rstrip())
    print(f"{found['meaning']}. First: {found['action']}")
    print(f"usually ends as {' or '.join(found['ends'])}")
    print(f"{found['vector']}  {found['bank']} {found['institution']}  {found['label']}".rstrip())
    due = f"due {found['due']}{' overdue 超期' if found['overdue'] else ''}" if found["due"] else "over"
    working = found["age_working_days"]
    print(
        f"owner {found['owner'] or 'nobody'} (desk: {found['desk']})  {due}  "
        f"{_days(found['age_days'], 'day')} old, {'?' if working is None else _days(working, 'working day')}"
    )
    print(f"amount {grouped(found['amount'])}  codes {', '.join(found['codes'])}")
    for partner, amount in found["differences"].items():
        if Decimal(amount):
            print(f"ledger minus {partner}: {grouped(amount)}")
    if found["detail"]:
        print(found["detail"])
    sides = (line for side in found["rows"] for line in _side(side, found["rows"][side]))
    table("Sides 三方", SIDE_COLUMNS, sides)
    print("keys  " + "  ".join(f"{name} {value}" for name, value in found["keys"].items() if value))
    for one in found["proposals"]:
        agreed = ", ".join(each["checker"] for each in one["approvals"]) or "nobody yet"
        moves = one["event"] or "no money"
        print(f"proposal {one['no']}: {one['ending']} by {one['maker']}, agreed: {agreed} ({moves})")
        for leg in one["legs"]:
            print(f"  {leg['side']}r {leg['account']} {grouped(leg['amount'])}")
    table(
        "Steps 处理",
        ["no", "state", "end", "by", "agreed", "why"],
        (
            [one["no"], one["state"], one["ending"], one["maker"], one["checker"], one["why"]]
            for one in found["steps"]
        ),
    )


def _days(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


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
