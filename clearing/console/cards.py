"""`cards`: one card, how many there are, and a partner's snapshot beside ours. 卡册"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, tzinfo
from typing import Annotated, Any, Final

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.console.edge import Books, Json, a_date, answer, books, perform
from clearing.console.look import Rows
from clearing.console.show import grouped, last4, local, table, yuan
from clearing.errors import UsageError
from clearing.jobs.snapshot import STAGES
from clearing.ledger.facts import Alias
from clearing.ledger.rules.cards import BEFORE_END
from clearing.store import days, payout_lists, registry
from clearing.store.session import transaction

cards_app = typer.Typer(no_args_is_help=True, help="Cards as the registry knows them 卡册.")

_COLUMNS: Final = {
    # column of the table of counts: states
    "issued 办卡": ("ISSUED", "ACTIVE"),
    "frozen 冻结": ("FROZEN_DEBIT", "FROZEN_ALL"),
    "lost 挂失": ("LOST",),
    "replaced 补换卡": ("REPLACED",),
    "ended 注销": ("CANCELLED", "TERMINATED", "DECEASED"),
    "unknown": ("UNKNOWN",),
}

At = Annotated[
    date | None,
    typer.Option("--date", parser=a_date, metavar="DATE", help="At the end of this clearing date; else now."),
]


# ---------------------------------------------------------------- show


@cards_app.command("show")
def show(
    token: Annotated[
        str, typer.Argument(metavar="TOKEN", help="The card's token, or any other number of it.")
    ],
    as_json: Json = False,
) -> None:
    """One card: registrations, states, other numbers, replacements, held payouts 卡详情."""

    async def work() -> tuple[dict[str, Any], tzinfo]:
        async with books() as the, transaction(the.engine) as conn:
            return await shown(conn, token), the.members.clock.zone

    found, zone = perform(work)
    if as_json:
        answer(found)
    else:
        _tables(found, zone)


async def shown(conn: AsyncConnection, number: str) -> dict[str, Any]:
    """The shape of `clearing cards show --json`: numbers in full, instants in UTC.

    Raises:  UsageError when no card has that number.
    """
    alias = (await registry.aliases(conn, [number])).get(number)
    token = alias.card if alias else number
    card = (await registry.cards(conn, [token])).get(token)
    if card is None:
        raise UsageError(f"card {last4(number)}: no card has this number. See: clearing quarantine list")
    line = await registry.line_of(conn, card.root or token)
    same_person = await registry.cards_of_person(conn, card.person)
    held = await payout_lists.payouts(conn, state="HELD", card=token)
    return {
        "token": token,
        "asked": {"token": number, "kind": alias.kind} if alias else None,
        "state": card.state,
        **{
            name: getattr(card, name) or None
            for name in (
                *("bank", "person", "guardian", "card_class", "account_class", "area", "issuer"),
                *("issue_mode", "replaced_by"),
            )
        },
        "replaces": sorted({one.token for one in (*line, *same_person) if one.replaced_by == token}),
        "registrations": [one._asdict() | {"at": one.at.isoformat()} for one in card.registrations],
        "missing": [stage for stage in STAGES if not card.has(stage)],
        "states": [one._asdict() | {"at": one.at.isoformat()} for one in card.steps],
        "changes": [one._asdict() | {"at": one.at.isoformat()} for one in card.changes],
        "aliases": [
            {
                "token": one.token,
                "kind": one.kind,
                "institution": one.institution or None,
                "since": _since(one),
            }
            for one in await registry.aliases_of(conn, [token])
        ],
        "other_live_cards": [
            {"token": one.token, "bank": one.bank, "state": one.state}
            for one in same_person
            if one.token != token and one.state in BEFORE_END
        ],
        "held_payouts": [
            {
                "payout": f"{row.payout.source}/{row.payout.id}",
                "payer": row.payout.payer,
                "amount": yuan(row.payout.amount_fen),
                "submitted": f"{row.submitted}",
            }
            for row in held
        ],
    }


def _since(alias: Alias) -> str | None:
    since: datetime | None = alias.cards[-1].since
    return since.isoformat() if since else None


def _tables(found: dict[str, Any], zone: tzinfo) -> None:
    def at(one: dict[str, Any]) -> str:
        return local(datetime.fromisoformat(one["at"]), zone)

    asked = f" (asked by its {found['asked']['kind']} number)" if found["asked"] else ""
    print(f"card {last4(found['token'])}  {found['state']}  bank {found['bank'] or 'unknown'}{asked}")
    print(
        f"person {last4(found['person'] or '')}  class {found['card_class']}, account {found['account_class']}"
        + "".join(f"  {name} {found[name]}" for name in ("area", "issuer", "issue_mode") if found[name])
    )
    if found["guardian"]:
        print(f"guardian {last4(found['guardian'])}")
    if found["replaces"]:
        print(f"replaces {', '.join(map(last4, found['replaces']))}")
    if found["replaced_by"]:
        print(f"replaced by {last4(found['replaced_by'])}")
    if found["missing"]:
        print(f"not registered: {' '.join(found['missing'])}")
    print()
    table(
        "Registrations 登记",
        ["where", "bank", "institution", "at"],
        ([one["stage"], one["bank"], one["institution"], at(one)] for one in found["registrations"]),
    )
    table(
        "States 状态",
        ["state", "before", "from"],
        ([one["state"], one["before"], at(one)] for one in found["states"]),
    )
    for name, title, columns in (
        ("changes", "Changes 卡变更", ["name", "value", "at"]),
        ("aliases", "Other numbers 别名", ["kind", "token", "institution"]),
        ("other_live_cards", "Other live cards of the person 一人多卡", ["token", "bank", "state"]),
        ("held_payouts", "Held payouts 待发代付", ["payout", "payer", "amount", "submitted"]),
    ):
        if found[name]:
            table(title, columns, ([_cell(one, column, zone) for column in columns] for one in found[name]))


def _cell(row: dict[str, Any], column: str, zone: tzinfo) -> str:
    value = row[column] or ""
    if column == "token" or (column == "value" and row["name"] in {"person", "guardian"}):
        return last4(value)
    if column == "amount":
        return grouped(value)
    return local(datetime.fromisoformat(value), zone) if column == "at" else str(value)


# ---------------------------------------------------------------- counts


@cards_app.command("counts")
def counts(day: At = None, rows_max: Rows = 20, as_json: Json = False) -> None:
    """Cards by area, bank and state; unfinished ones; persons with two 卡统计.

    States are those of the date, area and bank are as they are now. --rows limits the lists, never the counts.
    """

    async def work() -> registry.Census:
        async with books() as the, transaction(the.engine) as conn:
            before = await instant_after(conn, the, day) or datetime.max.replace(tzinfo=UTC)
            return await registry.census(conn, before, rows_max)

    counted, missing, several = perform(work)
    if as_json:
        answer(
            {
                "date": f"{day}" if day else None,
                "cards": sum(one.cards for one in counted),
                "counts": [one._asdict() for one in counted],
                "missing": {
                    stage: {
                        "cards": next((one.of_stage for one in missing if one.stage == stage), 0),
                        "listed": [
                            {"token": one.token, "bank": one.bank, "state": one.state}
                            for one in missing
                            if one.stage == stage
                        ],
                    }
                    for stage in STAGES
                },
                "several": {
                    "persons": several[0].persons if several else 0,
                    "listed": [
                        {
                            "person": one.person,
                            "cards": [{"token": t, "bank": b, "state": s} for t, b, s in one.cards],
                        }
                        for one in several
                    ],
                },
            }
        )
        return
    table(
        f"Cards at the end of {day} 卡统计" if day else "Cards 卡统计",
        ["area", "bank", *_COLUMNS, "cards"],
        _counted(counted),
        right=[*_COLUMNS, "cards"],
    )
    table(
        f"Unfinished: {_of_stages(missing)} 未完成登记" if missing else "Unfinished 未完成登记",
        ["lacks", "card", "bank", "state"],
        ([one.stage, last4(one.token), one.bank, one.state] for one in missing),
    )
    table(
        f"Persons with more than one live card: {several[0].persons} 一人多卡" if several else "一人多卡",
        ["person", "cards"],
        ([last4(one.person), ", ".join(f"{last4(t)} {b} {s}" for t, b, s in one.cards)] for one in several),
    )


async def instant_after(conn: AsyncConnection, the: Books, day: date | None) -> datetime | None:
    """The first instant after a clearing date; None for now.

    Raises:  UsageError when that day was never opened.
    """
    if day is None:
        return None
    await days.opened(conn, day)
    return the.members.clock.cut_to(day)


def _counted(counted: Iterable[registry.CardCount]) -> list[list[str]]:
    places: dict[tuple[str, str], dict[str, int]] = {}
    for one in counted:
        places.setdefault((one.area, one.bank), {})[one.state] = one.cards
    rows = [
        (area or "-", bank, [sum(found.get(one, 0) for one in states) for states in _COLUMNS.values()])
        for (area, bank), found in places.items()
    ]
    rows.append(
        ("all", "", [sum(column) for column in zip(*(numbers for _, _, numbers in rows), strict=True)])
    )
    return [[area, bank, *map(str, numbers), str(sum(numbers))] for area, bank, numbers in rows]


def _of_stages(missing: Iterable[registry.Unregistered]) -> str:
    return ", ".join(
        f"{n} without {stage}" for stage, n in {one.stage: one.of_stage for one in missing}.items()
    )
