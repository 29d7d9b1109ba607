"""`entries`, `balances`, `sources`: looking into the books. 查询"""

from __future__ import annotations

import re
from datetime import date, tzinfo
from typing import Annotated, Any, Final

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.console.edge import Day, Json, a_date, answer, books, expect_known, perform
from clearing.console.show import last4, local, money, table, yuan
from clearing.errors import UsageError
from clearing.ledger.entry import Entry
from clearing.store import balances as stored_balances
from clearing.store import days, producers, registry, views
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
            if not found:
                expect_known(the.members, institution=institution, account=account)
            return found, the.members.clock.zone

    found, zone = perform(work)
    if as_json:
        answer({"entries": [entry_shape(one) for one in found]})
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


def entry_shape(one: Entry) -> dict[str, Any]:
    """An entry as JSON has it. 凭证"""
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
        answer(entry_shape(found))
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
                await days.opened(conn, asked)
            if day is None:
                there = await stored_balances.as_of(conn, as_of, account)
            else:
                moved = await stored_balances.of_day(conn, day)
                there = {name: fen for name, fen in moved.items() if fen and name.startswith(account)}
            if not there:
                expect_known(the.members, account=account)
            return there

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
            await days.opened(conn, day)
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
