"""Settlement instructions of closed days out to their banks, on their working day. 清算指令发送"""

from __future__ import annotations

from datetime import date, datetime
from itertools import groupby
from typing import TYPE_CHECKING

from clearing.day.working_days import is_working_day
from clearing.files.lines import instruction_line, sides
from clearing.files.records import PayLine
from clearing.jobs.orders import IN_BANK, INTER_BANK, Bank, Sent, send
from clearing.jobs.tries import in_transaction
from clearing.ledger.facts import lock_name
from clearing.store import entries, instructions, locks, payments
from clearing.store.session import transaction

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from clearing.jobs.gather import Names
    from clearing.ledger.facts import Instruction
    from clearing.ledger.members import Members
    from clearing.settings import Settings


async def settle(engine: AsyncEngine, settings: Settings, members: Members, *, now: datetime) -> list[Sent]:
    """Send the instructions of filed days whose working day has come. 清算指令发送

    In:      `now`, aware: nothing goes out before the hour of `settle_at`, nor on a day that is no working day.
    Out:     one a day, bank and kind.
    Writes:  dispatch, pay_line, file with its parts: one transaction a clearing date.
    Again:   an instruction goes out once.
    Raises:  UsageError beyond the working-day calendar, when there is something to send; WorldFailed,
             InvariantViolated.
    """
    local = now.astimezone(members.clock.zone)
    if local.time() < settings.settle_at:
        return []
    async with transaction(engine) as conn:
        if not await payments.instructions_due(conn, local.date()):
            return []  # payouts go out in a year that the calendar does not know, too
    if not is_working_day(local.date()):
        return []

    async def work(conn: AsyncConnection, _: Names) -> list[Sent]:
        await payments.one_at_a_time(conn)
        await locks.day_shared(conn)
        # What a bank says of one meanwhile, or who instructs it again, waits; what was said before is seen.
        found = {one.id for one in await payments.instructions_due(conn, local.date())}
        await locks.lock(conn, [lock_name(("instruction", id_)) for id_ in found])
        due = [one for one in await payments.instructions_due(conn, local.date()) if one.id in found]
        # One that goes out again has no entry of its own: who pays whom stands in that of the first.
        roots = await instructions.roots(conn, [one.id for one in due if one.kind == IN_BANK])
        rolled = await entries.of_ids(conn, roots.values())
        of = {id_: sides(rolled[root]) for id_, root in roots.items() if root in rolled}
        told: list[Sent] = []
        for (day, code, kind), some in groupby(due, key=_bundle):
            lines = [_settlement_line(one, of.get(one.id, "D"), members) for one in some]
            bank = Bank(settings, members, code, now)
            told.append(await send(conn, bank, (kind, ""), day, lines))
        return told

    return await in_transaction(engine, "settlement instructions", work)


def _bundle(one: Instruction) -> tuple[date, str, str]:
    """What goes out together: instructions of a day to a bank, those to other banks by themselves."""
    return one.clearing_date, one.debtor, INTER_BANK if one.kind == INTER_BANK else IN_BANK


def _settlement_line(instruction: Instruction, side: str, members: Members) -> PayLine:
    inter_bank = instruction.kind == INTER_BANK
    _, said = instruction_line(instruction, "" if inter_bank else side, members, instruction.value_date)
    bank = members.on(instruction.clearing_date).by_code.get(
        instruction.creditor if inter_bank else instruction.debtor
    )
    return PayLine(
        pay_id=instruction.id,
        payer_account=said.payer_account,
        payee_bank=getattr(bank, "cnaps", ""),
        payee_account=said.payee_account,
        payee_name="",
        corporate=True,
        amount_fen=instruction.amount_fen,
        purpose=f"清算 {instruction.clearing_date:%Y%m%d}",
        value_date=instruction.value_date,
        urgent=False,
    )
