"""Settlement instructions that banks were given as orders and have not carried out, as of a day. 未达清算指令"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clearing.reconciliation.standing import OpenPayout
from clearing.store.facts import event_of
from clearing.store.session import DriverRow, driver

if TYPE_CHECKING:
    from datetime import date

    from sqlalchemy.ext.asyncio import AsyncConnection

_ORDERS: Final = """
    SELECT l.pay_id, l.bank, l.amount_fen, l.bank_ref, l.bank_date, l.reason_code, i.state,
        CASE WHEN l.answered_at <= y.cut_at THEN l.result ELSE '' END AS result
    FROM pay_line l JOIN dispatch d ON d.id = l.dispatch JOIN instruction i ON i.id = l.pay_id
    JOIN day y ON y.clearing_date = $1
    WHERE l.kind <> 'PAYOUT' AND d.at <= y.cut_at AND i.state <> 'REPLACED'
        AND (l.result IN ('', 'U', 'AGAIN', 'F', 'R') OR l.answered_at > y.cut_at)
    ORDER BY l.pay_id
"""
_TOLD: Final = """
    SELECT v.type, v.raw FROM batch b JOIN event v ON v.batch = b.id
    LEFT JOIN woken w ON w.source = v.source AND w.id = v.id
    WHERE v.type IN ('settlement.confirmed', 'settlement.failed') AND b.at > $2
        AND coalesce(w.outcome, v.outcome) IN ('posted', 'noted')
        AND coalesce(w.clearing_date, v.clearing_date) <= $1
    ORDER BY v.batch, v.no
"""
_FIRST_OF: Final = """
    SELECT min(d.at) FROM pay_line l JOIN dispatch d ON d.id = l.dispatch WHERE l.pay_id = ANY($1::text[])
"""
_ANSWERS: Final = {"F": "REJECTED", "R": "RETURNED"}


async def open_orders(conn: AsyncConnection, day: date) -> list[OpenPayout]:
    """Settlement instructions given to banks before a day's cut and not carried out by then. 未达清算指令

    Out:     what a bank has said by message counts as what it says in a file.
    """
    raw = await driver(conn)
    found = [_order(row) for row in await raw.fetch(_ORDERS, day)]
    settled = [one.name for one, state in found if state in {"CONFIRMED", "FAILED"}]
    said: dict[str, tuple[str, str]] = {}
    if settled:
        since = await raw.fetchval(_FIRST_OF, settled)
        for row in await raw.fetch(_TOLD, day, since):
            data: Any = event_of(row["raw"], row["type"]).data
            said[data.instruction] = (row["type"], getattr(data, "reason", ""))
    told: list[OpenPayout] = []
    for one, _ in found:
        type_, reason = said.get(one.name, ("", ""))
        if type_ == "settlement.failed" and one.state == "SENT":
            told.append(one._replace(state="REJECTED", reason=reason))
        elif type_ != "settlement.confirmed" or one.state == "RETURNED":
            told.append(one)
    return told


def _order(row: DriverRow) -> tuple[OpenPayout, str]:
    """An order as its bank has answered it in files, and what has become of its instruction since."""
    return OpenPayout(
        payer=row["bank"],
        name=row["pay_id"],
        state=_ANSWERS.get(row["result"], "SENT"),
        bank=row["bank"],
        bank_ref=row["bank_ref"],
        entry_id=row["pay_id"],
        fen=row["amount_fen"],
        since=row["bank_date"],
        reason=row["reason_code"],
    ), row["state"]
