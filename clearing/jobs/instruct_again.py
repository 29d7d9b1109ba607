"""A settlement that failed is instructed again under a new id, linked to the old. 重新清算指令"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from clearing.day.working_days import working_day_after
from clearing.errors import UsageError
from clearing.jobs.tries import in_transaction
from clearing.ledger.entry import entry_id
from clearing.ledger.facts import lock_name
from clearing.store import facts, instructions, locks

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from clearing.jobs.gather import Names
    from clearing.ledger.facts import Instruction
    from clearing.ledger.members import Members


async def instruct_again(
    engine: AsyncEngine, members: Members, id_: str, *, today: date, by: str
) -> Instruction:
    """Take the place of a failed instruction with a new one of the same sum. 重新指令

    In:      the id of an instruction that a bank said FAILED of; `today` at the platform; who does it.
    Out:     the new one, WAITING for today or the next working day; the old one is REPLACED, so a late
             confirmation of it is refused. The books do not move: the sum stays in transit until it is confirmed.
    Writes:  instruction, instruction_again, in one transaction.
    Again:   UsageError: the first one is REPLACED then, the new one goes its own way.
    Raises:  UsageError when there is no such instruction or it has not failed; WorldFailed.
    """

    async def work(conn: AsyncConnection, _: Names) -> Instruction:
        key = ("instruction", id_)
        await locks.lock(conn, [lock_name(key)], day=True)
        old: Instruction | None = (await facts.read(conn, [key])).get(key)
        if old is None or old.state != "FAILED":
            raise UsageError(
                f"instruction {id_}: expected one that has FAILED, got {old.state if old else 'none of that id'}. "
                "See: clearing positions DATE"
            )
        new = replace(
            old,
            id=entry_id(old.clearing_date, f"{members.platform.code}/{old.clearing_date}/again/{old.id}"),
            state="WAITING",
            value_date=working_day_after(today - timedelta(days=1)),
            replaces=old.id,
        )
        await instructions.take_place(conn, new, by)
        return new

    return await in_transaction(engine, f"instruction {id_}", work)
