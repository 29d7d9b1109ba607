"""`entries`, `balances`, `sources`, `trace`: looking into the books. 查询"""

from __future__ import annotations

import re
from datetime import date, datetime, tzinfo
from typing import Annotated, Any, Final

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.console import days
from clearing.console.edge import Day, Json, a_date, answer, books, perform
from clearing.console.show import grouped, last4, local, money, table, yuan
from clearing.errors import UsageError
from clearing.ledger.entry import Entry
from clearing.store import balances as stored_balances
from clearing.store import entries, producers, registry, views
from clearing.store.session import transaction

entries_app = typer.Typer(no_args_is_help=True, help="Entries of the books 记账凭证.")

_ID = re.compile(r"[0-9a-f]{8,32}")

SHOWN: Final = 18
"""Digits of an id in a table: as many as tell a day's entries apart; `entries show` takes them."""

Rows = Annotated[int, typer.Option("--rows", min=1, help="How many at most.")]


@entries_app.command("list")
def list_entries(  # noqa: PLR0917 - the options of a command
    day: Annotated[
        date | None, typer.Option("--date", parser=a_date, metavar="DATE", help="Of this clearing date.")
    ] = None,
    institution: Annotated[
        str | None, typer.Option("--institution", help="Of this hospital or pharmacy.")
    ] = None,
    card: Annotated[str | None, typer.Option("--card", help="Of this card, by any of its numbers.")] = None,
    person: Annotated[str | None, typer.Option("--person", help="Of all cards of this person.")] = None,
    account: Annotated[str | None, typer.Option("--account", help="With a posting on this account.")] = None,
    rows_max: Rows = 100,
    as_json: Json = False,
) -> None:
    """Entries by day, institution, card, person or account 凭证清单.

    An alias finds the entries of every card that it has meant.
    """

    async def work() -> tuple[list[Entry], tzinfo]:
        async with books() as the, transaction(the.engine) as conn:
            found = await views.entries(
                conn,
                day=day,
                cards=await _cards(conn, card, person),
                institution=institution,
                account=account,
                rows_max=rows_max,
            )
            return found, the.members.clock.zone

    found, zone = perform(work)
    if as_json:
        answer({"entries": [_entry(one) for one in found]})
        return
    columns = ["id", "type", "event", "at", "card", "amount", "time"]
    table(
        "Entries 记账凭证",
        columns,
        (
            [
                one.id[:SHOWN],
                one.type,
                f"{one.source}/{one.event_id}",
                one.institution or one.payer,
                last4(one.card_last4 or one.card),
                money(one.amount_fen),
                local(one.occurred_at, zone)[5:16],
            ]
            for one in found
        ),
    )


async def _cards(conn: AsyncConnection, number: str | None, person: str | None) -> set[str] | None:
    """The own tokens of the cards asked for, by number and person both where both are given; None for all."""
    if number is None and person is None:
        return None
    owned = {one.token for one in await registry.cards_of_person(conn, person or "")}
    if number is None:
        return owned
    meant = set(await registry.card_numbers(conn, number))
    return meant if person is None else meant & owned


def _entry(one: Entry) -> dict[str, Any]:
    return {
        "id": one.id,
        "clearing_date": f"{one.clearing_date}",
        "type": one.type,
        "event": f"{one.source}/{one.event_id}",
        "occurred_at": one.occurred_at.isoformat(),
        "late": one.late,
        "amount": yuan(one.amount_fen),
        "institution": one.institution,
        "bank": one.bank,
        "bank_ref": one.bank_ref,
        "order_no": one.order_no,
        "card": last4(one.card_last4 or one.card),
        "original_id": one.original_id or None,
        "postings": [
            {"account": posting.account, "amount": yuan(posting.fen), "leg": posting.leg.value}
            for posting in one.postings
        ],
    }


@entries_app.command("show")
def show_entry(
    entry_id: Annotated[str, typer.Argument(metavar="ID", help="The id, or its first 8 digits and more.")],
    as_json: Json = False,
) -> None:
    """One entry with its postings 凭证."""

    async def work() -> tuple[Entry, tzinfo]:
        async with books() as the, transaction(the.engine) as conn:
            return await _one(conn, entry_id.replace("-", "").lower()), the.members.clock.zone

    found, zone = perform(work)
    if as_json:
        answer(_entry(found))
        return
    print(f"{found.id}  {found.type}  {found.clearing_date}{'  late' if found.late else ''}")
    print(f"event {found.source}/{found.event_id} of {local(found.occurred_at, zone)}")
    named = {
        "institution": found.institution,
        "bank": found.bank,
        "bank_ref": found.bank_ref,
        "order": found.order_no,
    }
    print("  ".join(f"{name} {value}" for name, value in named.items() if value))
    rows = (
        [
            one.account,
            money(one.fen) if one.fen > 0 else "",
            money(-one.fen) if one.fen < 0 else "",
            one.leg.value,
        ]
        for one in found.postings
    )
    table("Postings 分录", ["account", "debit", "credit", "leg"], rows)
    print(f"trace: clearing trace {found.source}/{found.event_id}")


async def _one(conn: AsyncConnection, entry_id: str) -> Entry:
    if not _ID.fullmatch(entry_id):
        raise UsageError(f"entry {entry_id}: expected 8 to 32 hex digits, the clearing date first")
    found = await views.entries_starting(conn, entry_id)
    if len(found) != 1:
        raise UsageError(
            f"entry {entry_id}: {'more than one begins so' if found else 'there is none'}. See: clearing entries list"
        )
    return found[0]


def balances(
    day: Annotated[
        date | None, typer.Option("--date", parser=a_date, metavar="DATE", help="What moved on this date.")
    ] = None,
    as_of: Annotated[
        date | None,
        typer.Option("--as-of", parser=a_date, metavar="DATE", help="As they stood at the end of this date."),
    ] = None,
    account: Annotated[str, typer.Option("--account", help="Accounts that begin so: 2010, 2010.H1.")] = "",
    as_json: Json = False,
) -> None:
    """Account balances, yuan, debit positive: now, at the end of a date, or what a date moved 余额."""
    if day is not None and as_of is not None:
        raise typer.BadParameter("--date is what moved on a date, --as-of what stood after it: one of them")

    async def work() -> dict[str, int]:
        async with books() as the, transaction(the.engine) as conn:
            if (asked := day or as_of) is not None:
                await days.known_day(conn, asked)
            if day is None:
                return await stored_balances.as_of(conn, as_of, account)
            moved = await stored_balances.of_day(conn, day)
            return {name: fen for name, fen in moved.items() if fen and name.startswith(account)}

    found = perform(work)
    if as_json:
        told = {"date": f"{day}" if day else None} | ({"as_of": f"{as_of}"} if as_of else {})
        answer(told | {"accounts": {name: yuan(fen) for name, fen in found.items()}})
        return
    title = (
        f"Moved on {day} 发生额"
        if day
        else f"Balances at the end of {as_of} 余额"
        if as_of
        else "Balances 余额"
    )
    table(title, ["account", "yuan"], ([name, money(fen)] for name, fen in found.items()))


def sources(day: Day, as_json: Json = False) -> None:
    """Producers that number their events, and the numbers missing in a date's 报文序号缺口.

    A listing: nothing is refused for a gap. The date is that of the events' own times. All kept events are read.
    """

    async def work() -> list[producers.Producer]:
        async with books() as the, transaction(the.engine) as conn:
            await days.known_day(conn, day)
            clock = the.members.clock
            return await producers.producers(conn, clock.cut_from(day), clock.cut_to(day))

    found = perform(work)
    if as_json:
        answer(
            {
                "date": f"{day}",
                "sources": [
                    one._asdict() | {"missing": sum(last - first + 1 for first, last in one.gaps)}
                    for one in found
                ],
            }
        )
        return
    table(
        f"Producers' numbers of {day} 报文序号",
        ["source", "came", "first", "last", "missing"],
        (
            [one.source, one.numbers, one.first, one.last, ", ".join(_gap(*gap) for gap in one.gaps)]
            for one in found
        ),
        right=["came", "first", "last"],
    )


def _gap(first: int, last: int) -> str:
    return f"{first}" if first == last else f"{first} to {last}"


def trace(
    event: Annotated[str, typer.Argument(metavar="SOURCE/ID", help="The event: its sender and id.")],
    as_json: Json = False,
) -> None:
    """An event's whole way: record, outcome, entry, files, breaks 全程追踪."""

    async def work() -> tuple[list[dict[str, Any]], tzinfo]:
        source, slash, event_id = event.partition("/")
        if not slash or not source or not event_id:
            raise UsageError(f"trace {event}: expected SOURCE/ID such as H1/H1-0029")
        async with books() as the, transaction(the.engine) as conn:
            return await chain_of(conn, source, event_id), the.members.clock.zone

    found, zone = perform(work)
    if as_json:
        answer(found)
        return
    table("", ["step", "what", "where"], ([one["step"], _what(one, zone), _where(one)] for one in found))


async def chain_of(conn: AsyncConnection, source: str, event_id: str) -> list[dict[str, Any]]:
    """An event's way as a list of steps, in order.

    Raises:  UsageError when no such event came.
    """
    row = await views.event(conn, source, event_id)
    if row is None:
        raise UsageError(f"trace {source}/{event_id}: no such event came. See: clearing quarantine list")
    chain: list[dict[str, Any]] = [
        {
            "step": "record",
            "stream": row["stream"],
            "partition": row["partition"],
            "position": row["position"],
            "batch": row["batch"],
            "at": row["at"].isoformat(),
            "type": row["type"],
            "occurred_at": row["occurred_at"].isoformat(),
        },
        _outcome(row, row["batch"]),
    ]
    last = row
    later = await views.woken(conn, source, event_id)
    if later is not None:
        chain.append(_outcome(later, later["batch"]))
        last = later
    if last["entry_id"] is not None:
        chain += await _books(conn, last["entry_id"].hex)
    chain += [
        {
            "step": "repeat",
            **{name: one[name] for name in ("outcome", "reason", "stream", "position", "batch")},
        }
        for one in await views.repeats(conn, source, event_id)
    ]
    return chain


def _outcome(row: views.Row, batch: int) -> dict[str, Any]:
    return {
        "step": "outcome",
        "outcome": row["outcome"],
        "reason": row["reason"],
        "detail": row["detail"],
        "waits_for": row.get("waits_for", ""),
        "clearing_date": f"{row['clearing_date']}" if row["clearing_date"] else None,
        "late": row["late"],
        "batch": batch,
    }


async def _books(conn: AsyncConnection, entry_id: str) -> list[dict[str, Any]]:
    made = (await entries.of_ids(conn, [entry_id]))[entry_id]
    before = await entries.of_ids(conn, [made.original_id]) if made.original_id else {}
    lines = await views.files_with(conn, made.clearing_date, entry_id)
    found = await views.breaks_with(conn, entry_id, made.bank_ref, f"{made.source}/{made.event_id}")
    return [
        {"step": "entry", **_entry(made)},
        *(
            {
                "step": "original",
                "id": one.id,
                "event": f"{one.source}/{one.event_id}",
                "type": one.type,
                "clearing_date": f"{one.clearing_date}",
            }
            for one in before.values()
        ),
        *({"step": "file", **one} for one in lines),
        *(
            {
                "step": "break",
                "id": one["id"],
                "code": one["code"],
                "vector": one["vector"],
                "amount": yuan(one["amount_fen"]),
                "state": one["state"],
            }
            for one in found
        ),
    ]


def _what(one: dict[str, Any], zone: tzinfo) -> str:
    match one["step"]:
        case "record":
            return f"{one['type']} of {local(datetime.fromisoformat(one['occurred_at']), zone)}"
        case "outcome" | "repeat":
            return " ".join(filter(None, (one["outcome"], one["reason"], one.get("detail", ""))))
        case "entry":
            return "  ".join(f"{p['account']} {grouped(p['amount'])}" for p in one["postings"])
        case "original":
            return f"{one['type']} of {one['clearing_date']}"
        case "file":
            return f"{one['type']} for {one['receiver']}"
        case _:
            return f"{one['code']} {one['vector']} {grouped(one['amount'])} {one['state']}"


def _where(one: dict[str, Any]) -> str:
    match one["step"]:
        case "record" | "repeat":
            return f"{one['stream']}[{one.get('partition', 0)}]@{one['position']} batch {one['batch']}"
        case "outcome":
            return f"day {one['clearing_date']}" if one["clearing_date"] else one["waits_for"]
        case "file":
            return str(one["name"])
        case "original":
            return str(one["event"])
        case _:
            return str(one["id"])
