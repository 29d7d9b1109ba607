"""`payouts orders`: payment orders that went out, and what the banks said of each. 代付指令"""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Annotated, Any, Final

import typer

from clearing.console.edge import Json, answer, books, perform
from clearing.console.look import Rows
from clearing.console.show import money, table
from clearing.jobs.orders import order_shape
from clearing.store import payments
from clearing.store.payments import SentOrder
from clearing.store.session import transaction

SAID: Final = {
    "": "no answer",
    "U": "unknown",
    "AGAIN": "goes again",
    "S": "paid",
    "F": "not paid",
    "R": "came back",
}
OPEN: Final = ("", "U", "AGAIN")
"""Answers after which something is still to come."""


def list_orders(
    pay_id: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="One order, by its id or its short form in ISO 20022."),
    ] = None,
    bank: Annotated[str | None, typer.Option("--bank", help="Given to this bank.")] = None,
    is_open: Annotated[bool, typer.Option("--open", help="Only those whose end is not known.")] = False,
    rows_max: Rows = 100,
    as_json: Json = False,
) -> None:
    """Payment orders: when each went out, in which file, what its bank said, when it was asked 代付指令.

    What a bank does not know, or does not answer, `payouts dispatch` asks it about; it is never sent again blindly.
    """

    async def work() -> tuple[list[SentOrder], tzinfo]:
        async with books() as the, transaction(the.engine) as conn:
            found = await payments.listed(
                conn, bank=bank, results=OPEN if is_open else None, pay_id=pay_id, rows_max=rows_max
            )
            return found, the.members.clock.zone

    found, zone = perform(work)
    if as_json:
        answer({"orders": [_shape(one) for one in found]})
        return

    def at(instant: datetime | None) -> str:
        return f"{instant.astimezone(zone):%m-%d %H:%M}" if instant else ""

    table(
        "Orders 代付指令",
        ["order", "bank", "amount", "sent", "said", "reference", "asked"],
        (
            [
                one.pay_id,
                one.bank,
                money(one.amount_fen),
                at(sent),
                f"{SAID[one.result]} {one.reason_code}".strip(),
                one.bank_ref,
                at(one.asked_at),
            ]
            for one, sent in found
        ),
    )


def _shape(one: SentOrder) -> dict[str, Any]:
    return order_shape(one) | {"file": one.order.file}
