"""Payouts and their batches as people look at them, beside the accounts that they stand on: read-only. 代付查询"""

from __future__ import annotations

from datetime import date
from typing import Final, NamedTuple, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.ledger.accounts import PAYOUTS_IN_PROCESS, RETURNED_FUNDS
from clearing.ledger.facts import Payout, PayoutBatch
from clearing.store.kinds import KINDS, columns
from clearing.store.session import DriverRow, driver

_PAYOUT, _BATCH = KINDS["payout"], KINDS["batch"]


class PayoutRow(NamedTuple):
    """A payout and the clearing date of its submission."""

    payout: Payout
    submitted: date


class TieOut(NamedTuple):
    """An account of payouts beside what its payouts make."""

    account: str
    payouts_fen: int
    """Sum of the payouts that stand on it, positive."""
    balance_fen: int
    """Of the account over all payers asked for, debit positive."""

    @property
    def difference_fen(self) -> int:
        """What the payouts make less what the account owes: 0 when the books hold."""
        return self.payouts_fen + self.balance_fen


class PayoutTotals(NamedTuple):
    """Payouts by state, and what they make beside their accounts."""

    states: dict[str, tuple[int, int]]
    """State to (count, fen)."""
    accounts: list[TieOut]


ON_ACCOUNT: Final = {
    PAYOUTS_IN_PROCESS: ("HELD", "ACCEPTED", "SENT"),
    RETURNED_FUNDS: ("REJECTED", "RETURNED"),
}
"""Account to the states whose payouts stand on it."""

_LISTED: Final = f"""
    SELECT {columns(_PAYOUT, "p")}, e.clearing_date AS submitted
    FROM payout p JOIN entry e ON e.source = p.source AND e.event_id = p.id
    WHERE ($1::text IS NULL OR p.state = $1) AND ($2::text IS NULL OR p.payer = $2)
        AND ($3::text IS NULL OR p.batch_id = $3) AND ($4::date IS NULL OR e.clearing_date = $4)
        AND ($5::text IS NULL OR p.card = $5)
    ORDER BY e.clearing_date, p.source, p.id LIMIT $6
"""  # noqa: S608 - our own column names
_BATCHES: Final = f"""
    SELECT {columns(_BATCH, "b")} FROM payout_batch b
    WHERE ($1::text IS NULL OR b.payer = $1) AND ($2::text IS NULL OR b.batch_id = $2)
        AND ($3::date IS NULL OR b.last_date = $3)
    ORDER BY b.state, b.last_date DESC, b.payer, b.batch_id LIMIT $4
"""  # noqa: S608 - our own column names
# One statement, so one moment: both sides of the tie-out are of the same books.
_TIE_OUT: Final = """
    SELECT '' AS code, state, count(*) AS payouts, sum(amount_fen)::bigint AS fen FROM payout
    WHERE $1::text IS NULL OR payer = $1 GROUP BY state
    UNION ALL
    SELECT split_part(account, '.', 1), '', 0, sum(fen)::bigint FROM balance
    WHERE split_part(account, '.', 1) = ANY($2::text[])
        AND ($1::text IS NULL OR split_part(account, '.', 2) = $1) GROUP BY 1
"""


async def payouts(
    conn: AsyncConnection,
    *,
    state: str | None = None,
    payer: str | None = None,
    batch: str | None = None,
    submitted: date | None = None,
    card: str | None = None,
    rows_max: int = 100,
) -> list[PayoutRow]:
    """Payouts by state, payer, batch, card, or clearing date of their submission, oldest first. 代付清单"""
    rows = await (await driver(conn)).fetch(_LISTED, state, payer, batch, submitted, card, rows_max)
    return [PayoutRow(_payout(row), row["submitted"]) for row in rows]


def _payout(row: DriverRow) -> Payout:
    return cast("Payout", _PAYOUT.of_row({name: row[name] for name in _PAYOUT.hints}))


async def batches(
    conn: AsyncConnection,
    *,
    payer: str | None = None,
    batch: str | None = None,
    day: date | None = None,
    rows_max: int = 100,
) -> list[PayoutBatch]:
    """Batches of payouts, those not released first; `day` is the last that they changed on. 代付批次"""
    rows = await (await driver(conn)).fetch(_BATCHES, payer, batch, day, rows_max)
    return [cast("PayoutBatch", _BATCH.of_row(row)) for row in rows]


async def totals(conn: AsyncConnection, payer: str | None = None) -> PayoutTotals:
    """All payouts, or a payer's, by state, beside the accounts that they stand on. 代付余额核对

    Out:     an account each for 2030 and 2035, also when nothing stands on it; both sides of one moment.
    """
    rows = await (await driver(conn)).fetch(_TIE_OUT, payer, list(ON_ACCOUNT))
    states = {row["state"]: (row["payouts"], row["fen"]) for row in rows if row["state"]}
    kept = {row["code"]: row["fen"] for row in rows if row["code"]}
    accounts = [
        TieOut(code, sum(states[one][1] for one in on_it if one in states), kept.get(code, 0))
        for code, on_it in sorted(ON_ACCOUNT.items())
    ]
    return PayoutTotals(dict(sorted(states.items())), accounts)
