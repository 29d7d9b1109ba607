"""`breaks assign`, `resolve`, `approve` …: what people do with a break. 差错处理"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clearing.console.edge import Books, Json, answer, books, perform, read_file, whoami
from clearing.console.show import grouped
from clearing.errors import UsageError
from clearing.reconciliation.life import ENDS, Leg
from clearing.store.breaks import Asked
from messages import fen_of

if TYPE_CHECKING:
    from clearing.jobs.desk import Desk

from clearing.console.breaks import (
    ID_SHOWN,
    BreakId,
    OfBank,
    OfCode,
    OfDate,
    OfInstitution,
    OfOwner,
    OfState,
    asked_of,
    shown,
    states_of,
    work_table,
)

Who = Annotated[str, typer.Option("--as", help="Who does it; the account's name when left out.")]
Why = Annotated[str, typer.Option("--why", help="The reason, kept for ever.")]


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

        asked = asked_of(day, states_of(state, live=False), code, bank, institution, owner)
        if bool(ids) == (asked != Asked()):
            raise UsageError(
                "breaks assign: expected ids, or what they have in common such as --code SID-101"
            )
        async with books() as the:
            desk = _desk(the, who)
            if ids and len(ids) == 1:
                return [shown(await assign(desk, ids[0], to=to or desk.person, why=why))]
            return await assign_all(desk, ids or asked, to=to or desk.person, why=why)

    found = perform(work)
    alone = bool(ids) and len(ids or ()) == 1
    if as_json:
        answer(found[0] if alone else {"breaks": found})
    elif alone:
        _stands(found[0])
    else:
        work_table(found)


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
        from clearing.jobs.propose import Wanted  # noqa: PLC0415 - for this command only
        from clearing.jobs.resolve import resolve  # noqa: PLC0415 - for this command only

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


def approve_break(break_id: BreakId, why: Why = "", who: Who = "", as_json: Json = False) -> None:
    """Agree to how a break is to end; its proposer cannot 复核."""

    async def work(desk: Desk) -> dict[str, Any]:
        from clearing.jobs.resolve import approve  # noqa: PLC0415 - for this command only

        return await approve(desk, break_id, why=why)

    _at_the_desk(who, work, as_json=as_json)


def reject_break(break_id: BreakId, why: Why, who: Who = "", as_json: Json = False) -> None:
    """Refuse how a break is to end, or take one's own proposal back 退回."""

    async def work(desk: Desk) -> dict[str, Any]:
        from clearing.jobs.resolve import reject  # noqa: PLC0415 - for this command only

        return await reject(desk, break_id, why=why)

    _at_the_desk(who, work, as_json=as_json)


def reopen_break(break_id: BreakId, why: Why, who: Who = "", as_json: Json = False) -> None:
    """Take up a break again that had ended or cleared by itself 重开."""

    async def work(desk: Desk) -> dict[str, Any]:
        from clearing.jobs.resolve import reopen  # noqa: PLC0415 - for this command only

        return await reopen(desk, break_id, why=why)

    _at_the_desk(who, work, as_json=as_json)


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
            return shown(await work(_desk(the, who)))

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
    from clearing.jobs.desk import Desk  # noqa: PLC0415 - for these commands only

    person = who or whoami()
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
