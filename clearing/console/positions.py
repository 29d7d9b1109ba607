"""`positions`, `exposure`, `instruct-again`: what a day comes to between members. 头寸"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, tzinfo
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.console.edge import Books, Day, Json, answer, books, perform, say, whoami
from clearing.console.show import grouped, table, yuan
from clearing.day.exposure import Exposure, exposures, running_nets
from clearing.day.netting import INTER_BANK, Netted
from clearing.jobs import close as closing
from clearing.jobs import instruct_again as settling
from clearing.ledger.accounts import BANK, code_of, owner_of
from clearing.ledger.business_day import ONE_DAY
from clearing.ledger.facts import Instruction
from clearing.store import balances as stored_balances
from clearing.store import crossings, days, instructions
from clearing.store.session import transaction


def _yuan(fens: Mapping[str, int]) -> dict[str, str]:
    return {name: yuan(fen) for name, fen in fens.items()}


def positions(day: Day, as_json: Json = False) -> None:
    """Member positions before roll-up, the roll-up, bank nets and instructions 头寸."""

    async def work() -> dict[str, Any]:
        async with books() as the, transaction(the.engine) as conn:
            return await positions_of(conn, the, day)

    found = perform(work)
    if as_json:
        answer(found)
        return
    banks = {(one["account"], one["side"]): one["bank"] for one in found["roll_up"]}
    rows = [
        [name, amount, next((bank for (account, _), bank in banks.items() if account == name), "")]
        for name, amount in found["positions"].items()
    ]
    print(
        f"{day}  {found['state']}; debit positive: a positive position is paid in, a negative one is received"
    )
    table("Positions 头寸", ["account", "yuan", "rolls up to"], ([a, grouped(b), c] for a, b, c in rows))
    table(
        "Bank nets 轧差净额",
        ["bank", "yuan"],
        ([bank, grouped(net)] for bank, net in found["bank_net"].items()),
    )
    table(
        "Instructions between banks 清算指令",
        ["pays", "receives", "amount", "value date", "state", "id"],
        (
            [
                one["debtor"],
                one["creditor"],
                grouped(one["amount"]),
                one["value_date"],
                one["state"],
                one["id"],
            ]
            for one in found["instructions"]
        ),
    )


async def positions_of(conn: AsyncConnection, the: Books, day: date) -> dict[str, Any]:
    """The shape of `clearing positions --json`; worked out from the books as they stand."""
    known = await days.opened(conn, day)
    netted = await closing.netting_of(conn, the.members, day)
    stored = {one.id: one for one in await instructions.of_day(conn, day)}
    value_date = closing.value_date(day)
    return {
        "date": f"{day}",
        "state": known.state,
        "positions": _yuan(netted.positions),
        "roll_up": [
            {"bank": one.bank, "account": one.account, "side": one.side, "amount": yuan(one.amount_fen)}
            for one in netted.roll_up
        ],
        "bank_net": {bank: yuan(netted.bank_nets.get(bank, 0)) for bank in sorted(_moved(netted))},
        "instructions": [
            _instruction(stored.get(one.id, one), value_date)
            for one in netted.instructions
            if one.kind == INTER_BANK
        ],
    }


def instruct_again(
    instruction: Annotated[str, typer.Argument(help="Id of an instruction that has FAILED.")],
    who: Annotated[str, typer.Option("--as", help="Who does it; the account's name when left out.")] = "",
    as_json: Json = False,
) -> None:
    """Instruct a settlement that failed again, under a new id linked to the old 重新指令."""

    async def work() -> Instruction:
        async with books() as the:
            today = datetime.now(the.members.clock.zone).date()
            by = who or whoami()
            return await settling.instruct_again(the.engine, the.members, instruction, today=today, by=by)

    new = perform(work)
    if as_json:
        answer(_instruction(new, new.value_date) | {"replaces": new.replaces})
    else:
        print(f"{new.id}  {yuan(new.amount_fen)} for {new.value_date}, in place of {new.replaces}")


def exposure(day: Day, as_json: Json = False) -> None:
    """What each bank would have to pay if the day ended now, and who is over its net cap 日间敞口."""

    async def work() -> tuple[str, tuple[Exposure, ...], list[dict[str, Any]]]:
        async with books() as the, transaction(the.engine) as conn:
            state, members = await _state_of(conn, day), the.members.on(day)
            totals = await stored_balances.before_close(conn, day, memo=False)
            nets = running_nets(totals, await stored_balances.held(conn, day), members)
            zone = the.members.clock.zone
            crossed = [_crossing(one, zone) for one in await crossings.of_day(conn, day)]
            return state, exposures(nets, members), crossed

    state, found, crossed = perform(work)
    rows = {
        one.bank: {
            "net": yuan(one.net_fen),
            "cap": None if one.cap_fen is None else yuan(one.cap_fen),
            "over": yuan(one.over_fen),
        }
        for one in found
    }
    if as_json:
        answer({"date": f"{day}", "state": state, "banks": rows, "crossings": crossed})
        return
    print(f"{day}  {state}; a positive net is paid in, as if the day ended now")
    told = [
        [
            one.bank,
            grouped(yuan(one.net_fen)),
            "none" if one.cap_fen is None else grouped(yuan(one.cap_fen)),
            grouped(yuan(one.over_fen)),
        ]
        for one in found
    ]
    table(
        "Exposure 日间敞口",
        ["bank", "net", "cap", "over the cap"],
        told,
        right=["net", "cap", "over the cap"],
    )
    if crossed:
        table(
            "Warnings that workers sent 敞口预警",
            ["bank", "net cap", "net", "cap", "seen"],
            (
                [
                    one["bank"],
                    one["level"],
                    grouped(one["net"]),
                    grouped(one["cap"]) if one["cap"] else "none",
                    one["at"],
                ]
                for one in crossed
            ),
            right=["net", "cap"],
        )
    for one in found:
        if one.over_fen:
            say(
                f"warning: {one.bank} owes {yuan(one.net_fen)}, cap {yuan(one.cap_fen or 0)} "
                f"({yuan(one.over_fen)} too much). Next: ask {one.bank} for cover, or stop what it pays"
            )


async def _state_of(conn: AsyncConnection, day: date) -> str:
    """The state of a day; the one after the open day takes entries before it is opened."""
    every = await days.every(conn)
    if every and day == every[-1].clearing_date + ONE_DAY:
        return "next"
    return (await days.opened(conn, day)).state


def _crossing(one: crossings.StoredCrossing, zone: tzinfo) -> dict[str, Any]:
    return {
        "bank": one.bank,
        "level": "OVER" if one.over else "WITHIN",
        "net": yuan(one.net_fen),
        "cap": None if one.cap_fen is None else yuan(one.cap_fen),
        "at": one.at.astimezone(zone).isoformat(timespec="seconds"),
    }


def _moved(netted: Netted) -> set[str]:
    """Every bank with a position or a line of the roll-up, also when its net is 0.00."""
    own = {owner_of(name) for name in netted.positions if code_of(name) == BANK}
    return own | {one.bank for one in netted.roll_up}


def _instruction(one: Instruction, value_date: date) -> dict[str, Any]:
    return {
        "id": one.id,
        "debtor": one.debtor,
        "creditor": one.creditor,
        "amount": yuan(one.amount_fen),
        "value_date": f"{getattr(one, 'value_date', None) or value_date}",
        "state": one.state,
    }
