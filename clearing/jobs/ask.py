"""What became of orders whose end is unknown: banks are asked, nothing is sent again. 查询未明代付"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from clearing.files.records import ResultLine
from clearing.jobs.orders import Bank, files_of, orders_of
from clearing.jobs.tries import in_transaction
from clearing.store import days, payments

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from clearing.jobs.gather import Names
    from clearing.ledger.members import Members
    from clearing.settings import Settings


class Asked(NamedTuple):
    """What a bank was asked after."""

    bank: str
    file: str
    rows: int


async def ask(
    engine: AsyncEngine, settings: Settings, members: Members, *, now: datetime, at_once: bool = False
) -> list[Asked]:
    """Ask banks what became of orders whose end is unknown, or of which nothing was heard. 查询未明代付

    The question is a PYR file to the bank that repeats the orders with result U; the answer is one from it. An order
    is never sent again because its end is unknown.

    Writes:  file with its parts, pay_line: one transaction.
    Again:   an order is asked after once in `query_after_minutes`.
    """

    async def work(conn: AsyncConnection, _: Names) -> list[Asked]:
        await payments.one_at_a_time(conn)
        before = now if at_once else now - timedelta(minutes=settings.query_after_minutes)
        told: list[Asked] = []
        day = await days.first_uncut(conn)
        for code, some in groupby(await payments.unanswered(conn, before), key=lambda one: one.bank):
            questions: list[ResultLine] = []
            for name, of_file in groupby(some, key=lambda one: one.file):
                wanted = {one.pay_id for one in of_file}
                questions += [
                    ResultLine(*line, "U", "", None, "", "")
                    for line in await orders_of(conn, name)
                    if line.pay_id in wanted
                ]
            bank = Bank(settings, members, code, now)
            made = await files_of(conn, bank, "PYR", day, questions)
            told += [Asked(code, one.name, one.records) for one in made]
            await payments.asked(conn, [one.pay_id for one in questions], now)
        return told

    return await in_transaction(engine, "questions to banks", work)
