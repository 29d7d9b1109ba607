"""`breaks`: the work list, and what people do with a break. 差错处理"""

from __future__ import annotations

import getpass
import hashlib
from collections.abc import Awaitable, Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from clearing.console.edge import Books, Json, a_date, answer, books, perform, read_file
from clearing.console.show import grouped, last4, table, yuan
from clearing.errors import UsageError
from clearing.reconciliation.codes import CODES
from clearing.reconciliation.life import ENDS, OVER, STATES, Leg
from clearing.store.breaks import Asked
from messages import fen_of

if TYPE_CHECKING:
    from clearing.jobs.resolve import Desk

ID_SHOWN: Final = 14
"""How much of a break's id a table shows: the day and six digits, which every command takes too."""
SIDE_COLUMNS: Final = ("side", "where", "at", "kind", "dir", "amount", "status", "reference")

breaks_app = typer.Typer(no_args_is_help=True, help="Breaks that reconciliation found, and their lives 差错.")

BreakId = Annotated[str, typer.Argument(metavar="ID", help="The id, or how it begins.")]
Who = Annotated[str, typer.Option("--as", help="Who does it; the account's name when left out.")]
Why = Annotated[str, typer.Option("--why", help="The reason, kept for ever.")]


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


def _work_table(found: list[dict[str, Any]]) -> None:
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


# ---------------------------------------------------------------- to look at


OfDate = Annotated[
    date | None, typer.Option("--date", parser=a_date, metavar="DATE", help="Found on this date.")
]
OfState = Annotated[list[str] | None, typer.Option("--state", help=" ".join(STATES))]
OfCode = Annotated[str | None, typer.Option("--code", help="The lead code, or how it begins: SID.")]
OfBank = Annotated[str | None, typer.Option("--bank", help="Of this bank, network or channel.")]
OfInstitution = Annotated[str | None, typer.Option("--institution", help="Of this one.")]
OfOwner = Annotated[str | None, typer.Option("--owner", help="Whose they are; - for nobody's.")]


def _asked(  # noqa: PLR0917 - what may be asked of breaks
    day: date | None,
    states: list[str] | None,
    code: str | None,
    bank: str | None,
    institution: str | None,
    owner: str | None,
) -> Asked:
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

        asked = _asked(day, _states(state, live=live), code, bank, institution, owner)
        async with books() as the:
            return await breaks_list(the.engine, asked, age_days_min=age)

    found = perform(work)
    if as_json:
        answer({"breaks": found[:rows_max], "more": max(len(found) - rows_max, 0)})
        return
    _work_table(found[:rows_max])
    if len(found) > rows_max:
        print(f"{len(found) - rows_max} more are not shown; see --rows")


def _states(given: list[str] | None, *, live: bool) -> list[str] | None:
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
            return _shown(await break_show(the.engine, break_id))

    found = perform(work)
    if as_json:
        answer(found)
    else:
        _tell(found)


def _shown(found: dict[str, Any]) -> dict[str, Any]:
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
        f"{found['age_days']} days old, {'?' if working is None else working} working days"
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


# ---------------------------------------------------------------- to work on


@breaks_app.command("assign")
def assign_break(  # noqa: PLR0917 - the options of a command
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]…", help="Ids, or how they begin.")] = None,
    to: Annotated[str, typer.Option("--to", help="Who is to work on it; whoever asks when left out.")] = "",
    day: OfDate = None,
    state: OfState = None,
    code: OfCode = None,
    bank: OfBank = None,
    institution: OfInstitution = None,
    owner: OfOwner = None,
    why: Why = "",
    who: Who = "",
    as_json: Json = False,
) -> None:
    """Say who works on a break, on several, or on all of a code, bank or institution 分派."""

    async def work() -> list[dict[str, Any]]:
        from clearing.jobs.resolve import assign, assign_all  # noqa: PLC0415 - for this command only

        asked = _asked(day, _states(state, live=False), code, bank, institution, owner)
        if bool(ids) == (asked != Asked()):
            raise UsageError(
                "breaks assign: expected ids, or what they have in common such as --code SID-101"
            )
        async with books() as the:
            desk = _desk(the, who)
            if ids and len(ids) == 1:
                return [_shown(await assign(desk, ids[0], to=to or desk.person, why=why))]
            return await assign_all(desk, ids or asked, to=to or desk.person, why=why)

    found = perform(work)
    alone = bool(ids) and len(ids or ()) == 1
    if as_json:
        answer(found[0] if alone else {"breaks": found})
    elif alone:
        _stands(found[0])
    else:
        _work_table(found)


@breaks_app.command("resolve")
def resolve_break(  # noqa: PLR0917 - the options of a command
    break_id: BreakId,
    end: Annotated[
        str, typer.Option("--end", help=" ".join(one.code for one in ENDS.values() if one.approvals))
    ],
    why: Why,
    leg: Annotated[
        list[str] | None,
        typer.Option(
            "--leg",
            metavar="ACCOUNT:SIDE:AMOUNT",
            help="A line to post, 1091.H1:D:18.00; for ADJUST derived when left out.",
        ),
    ] = None,
    event: Annotated[str, typer.Option("--event", help="SOURCE/ID of the event that moved the money.")] = "",
    evidence: Annotated[
        Path | None, typer.Option("--evidence", help="The documents; their SM3 is kept, not they.")
    ] = None,
    who: Who = "",
    as_json: Json = False,
) -> None:
    """Say how a break is to end; somebody else has to approve it 申请处理."""

    async def work(desk: Desk) -> dict[str, Any]:
        from clearing.jobs.resolve import Wanted, resolve  # noqa: PLC0415 - for this command only

        digest = hashlib.new("sm3", read_file(evidence)).digest() if evidence else None
        legs = tuple(_leg(one) for one in leg or ())
        wanted = Wanted(ending=end.upper(), why=why, evidence=digest, legs=legs, event=event)
        return await resolve(desk, break_id, wanted)

    _at_the_desk(who, work, as_json=as_json)


def _leg(text: str) -> Leg:
    """A line of a correction as the command line takes it.

    Raises:  UsageError.
    """
    account, _, rest = text.partition(":")
    side, _, amount = rest.partition(":")
    expected = f"--leg {text}: expected ACCOUNT:SIDE:AMOUNT such as 1091.H1:D:18.00"
    if not account or side.upper() not in ("D", "C"):
        raise UsageError(expected)
    try:
        return Leg(account, side.upper(), fen_of(amount))
    except ValueError as error:
        raise UsageError(expected) from error


@breaks_app.command("approve")
def approve_break(break_id: BreakId, why: Why = "", who: Who = "", as_json: Json = False) -> None:
    """Agree to how a break is to end; its proposer cannot 复核."""

    async def work(desk: Desk) -> dict[str, Any]:
        from clearing.jobs.resolve import approve  # noqa: PLC0415 - for this command only

        return await approve(desk, break_id, why=why)

    _at_the_desk(who, work, as_json=as_json)


@breaks_app.command("reject")
def reject_break(break_id: BreakId, why: Why, who: Who = "", as_json: Json = False) -> None:
    """Refuse how a break is to end, or take one's own proposal back 退回."""

    async def work(desk: Desk) -> dict[str, Any]:
        from clearing.jobs.resolve import reject  # noqa: PLC0415 - for this command only

        return await reject(desk, break_id, why=why)

    _at_the_desk(who, work, as_json=as_json)


@breaks_app.command("reopen")
def reopen_break(break_id: BreakId, why: Why, who: Who = "", as_json: Json = False) -> None:
    """Take up a break again that had ended or cleared by itself 重开."""

    async def work(desk: Desk) -> dict[str, Any]:
        from clearing.jobs.resolve import reopen  # noqa: PLC0415 - for this command only

        return await reopen(desk, break_id, why=why)

    _at_the_desk(who, work, as_json=as_json)


@breaks_app.command("close")
def close_break(break_id: BreakId, why: Why, who: Who = "", as_json: Json = False) -> None:
    """Close a resolved break; the next reconciliation does it else 结案."""

    async def work(desk: Desk) -> dict[str, Any]:
        from clearing.jobs.resolve import close  # noqa: PLC0415 - for this command only

        return await close(desk, break_id, why=why)

    _at_the_desk(who, work, as_json=as_json)


def _at_the_desk(who: str, work: Callable[[Desk], Awaitable[dict[str, Any]]], *, as_json: bool) -> None:
    """Do something with a break as somebody, and say where it stands then."""

    async def done() -> dict[str, Any]:
        async with books() as the:
            return _shown(await work(_desk(the, who)))

    found = perform(done)
    if as_json:
        answer(found)
    else:
        _stands(found)


def _stands(found: dict[str, Any]) -> None:
    """Where a break stands now, and what comes next."""
    print(f"{found['id']}  {found['code']} {found['name']}  {found['state']} {found['ending']}".rstrip())
    print(_next(found))


def _desk(the: Books, who: str) -> Desk:
    from clearing.jobs.resolve import Desk  # noqa: PLC0415 - for these commands only

    person = who or getpass.getuser()
    return Desk(engine=the.engine, settings=the.settings, members=the.members, person=person)


def _next(found: dict[str, Any]) -> str:
    short = found["id"][:ID_SHOWN]
    if found["state"] == "PENDING_APPROVAL":
        last = found["proposals"][-1]
        missing = last["approvals_needed"] - len(last["approvals"])
        lines = [f"  {leg['side']}r {leg['account']} {grouped(leg['amount'])}\n" for leg in last["legs"]]
        return (
            f"{''.join(lines)}waits for {missing} other {'person' if missing == 1 else 'people'}. "
            f"Next: clearing breaks approve {short} --as SOMEBODY"
        )
    if found["state"] == "RESOLVED":
        event = found["proposals"][-1]["event"]
        return f"moved by {event}. See: clearing trace {event}" if event else "no money moved"
    if found["state"] == "ASSIGNED":
        ends = " or ".join(found["ends"])
        return f"owner {found['owner']}. Next: clearing breaks resolve {short} --end END --why TEXT (usually {ends})"
    return f"owner {found['owner'] or 'nobody'}"
