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
    SELECT l.pay_id, l.bank, l.amount_fen, l.bank_ref, l.bank_date, l.reason_code, d.clearing_date, i.state,
        CASE WHEN l.answered_date <= $1 THEN l.result ELSE '' END AS result
    FROM pay_line l JOIN dispatch d ON d.id = l.dispatch JOIN instruction i ON i.id = l.pay_id
    WHERE l.kind <> 'PAYOUT' AND d.clearing_date <= $1
        AND (l.result IN ('', 'U', 'AGAIN', 'F', 'R') OR l.answered_date > $1)
        AND NOT EXISTS (
            SELECT FROM instruction n JOIN instruction_again a ON a.id = n.id
            WHERE n.replaces = l.pay_id AND a.clearing_date <= $1
        )
    ORDER BY l.pay_id
"""
# The words of the index `ix_event_payout`.
_TOLD: Final = """
    SELECT v.type, v.raw FROM event v LEFT JOIN woken w ON w.source = v.source AND w.id = v.id
    WHERE (v.type LIKE 'payout.%' OR v.type LIKE 'settlement.%')
        AND v.type IN ('settlement.confirmed', 'settlement.failed')
        AND v.batch > coalesce((SELECT max(cut_batch) FROM day WHERE clearing_date < $2), 0)
        AND coalesce(w.outcome, v.outcome) IN ('posted', 'noted')
        AND coalesce(w.clearing_date, v.clearing_date) <= $1
    ORDER BY coalesce(w.batch, v.batch), coalesce(w.no, v.no)
"""
_SETTLED: Final = frozenset({"CONFIRMED", "FAILED", "REPLACED"})
"""States of an instruction of which its bank may have said by message what it did."""
_ANSWERS: Final = {"F": "REJECTED", "R": "RETURNED"}


async def open_orders(conn: AsyncConnection, day: date) -> list[OpenPayout]:
    """Settlement instructions given to banks before a day's cut and not carried out by then. 未达清算指令

    In:      a day that is cut. What was before its cut is told by the books' own order, not by clocks.
    Out:     what a bank has said by message counts as what it says in a file.
    """
    raw = await driver(conn)
    rows = await raw.fetch(_ORDERS, day)
    sent = [row["clearing_date"] for row in rows if row["state"] in _SETTLED]
    said: dict[str, tuple[str, str]] = {}
    if sent:
        for row in await raw.fetch(_TOLD, day, min(sent)):
            data: Any = event_of(row["raw"], row["type"]).data
            said[data.instruction] = (row["type"], getattr(data, "reason", ""))
    told: list[OpenPayout] = []
    for one in map(_order, rows):
        type_, reason = said.get(one.name, ("", ""))
        if type_ == "settlement.failed" and one.state == "SENT":
            told.append(one._replace(state="REJECTED", reason=reason))
        elif type_ != "settlement.confirmed" or one.state == "RETURNED":
            told.append(one)
    return told


def _order(row: DriverRow) -> OpenPayout:
    """An order as its bank had answered it in files."""
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
    )
