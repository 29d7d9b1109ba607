"""What was taken and should be looked at: nothing of it is refused, all of it is listed. 关注清单

Read-only, whole sets at a time, for people; nothing here is on the way of an event.
"""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.store.session import driver

DEBITS: Final = ("payment.made", "deposit.paid", "arrears.paid", "discharge.settled", "discharge.cancelled")
"""Types that take money from a card when they post it to a bank or network."""
CHIP: Final = ("CONTACT", "CONTACTLESS")
"""Ways of reading a card for which there is a terminal."""


class StoppedDebit(NamedTuple):
    """A debit that was posted before the platform learned what the card's state was at its time."""

    entry_id: str
    source: str
    id: str
    type: str
    occurred_at: datetime
    institution: str
    bank: str
    card: str
    amount_fen: int
    state: str
    """LOST, FROZEN_ALL … as the card's history says today of the debit's time."""
    since: datetime
    """From when that state holds."""


class OddTerminal(NamedTuple):
    """Debits at a terminal that is not known, or is another institution's, or at none though a chip was read."""

    what: str
    """unknown, other_institution or no_terminal."""
    terminal: str
    institution: str
    belongs_to: str
    """Of a known terminal: its institution."""
    debits: int
    amount_fen: int
    first: str
    """source/id of the first of them."""


class OpenTimeout(NamedTuple):
    """A payment or deposit whose outcome nobody has said."""

    source: str
    id: str
    institution: str
    amount_fen: int
    debited: bool
    occurred_at: datetime


class IdleTombstone(NamedTuple):
    """A reversal that came before its original and did not end it."""

    source: str
    id: str
    outcome: str
    """Of the original; empty while it has not come."""
    reversals: list[str]
    """source/id of each."""
    amounts_fen: list[int]


class HeldForEver(NamedTuple):
    """A payout held for a card that has ended: only its payer can end it, by withdrawal."""

    source: str
    id: str
    payer: str
    card: str
    state: str
    """Of the card."""
    amount_fen: int


class Watchlist(NamedTuple):
    """All of one clearing date; time-outs, tombstones and payouts as they stand now."""

    debits: list[StoppedDebit]
    terminals: list[OddTerminal]
    timeouts: list[OpenTimeout]
    tombstones: list[IdleTombstone]
    payouts: list[HeldForEver]


# A card is looked at when it ever was in such a state; its entries are found by the card's index. A debit posts on
# the bank's or network's side of the books on the left.
_DEBITS: Final = """
    SELECT e.id, e.source, e.event_id, e.type, e.occurred_at, e.institution, e.bank, e.card, e.amount_fen,
        at_time.state, at_time.since
    FROM card c JOIN entry e ON e.card = c.token
    CROSS JOIN LATERAL (
        SELECT s ->> 1 AS state, (s ->> 0)::timestamptz AS since
        FROM jsonb_array_elements(c.steps) WITH ORDINALITY AS steps(s, no)
        WHERE (s ->> 0)::timestamptz <= e.occurred_at ORDER BY no DESC LIMIT 1
    ) AS at_time
    WHERE jsonb_path_exists(c.steps, '$[*][1] ? (@ != "ACTIVE" && @ != "ISSUED")')
        AND e.clearing_date = $1 AND e.type = ANY($2) AND at_time.state NOT IN ('ACTIVE', 'ISSUED')
        AND EXISTS (
            SELECT 1 FROM unnest(e.accounts, e.fens) AS p(account, fen)
            WHERE p.fen > 0 AND (starts_with(p.account, '1010.') OR starts_with(p.account, '1050.')))
    ORDER BY e.occurred_at, e.source, e.event_id
"""
_TERMINALS: Final = """
    WITH used AS (
        SELECT e.terminal, e.institution, e.amount_fen, e.occurred_at, e.source || '/' || e.event_id AS name,
            t.institution AS belongs_to,
            CASE
                WHEN e.terminal = '' THEN 'no_terminal'
                WHEN t.terminal IS NULL OR (t.steps -> 0 ->> 0)::timestamptz > e.occurred_at THEN 'unknown'
                WHEN t.institution <> e.institution THEN 'other_institution'
            END AS what
        FROM entry e LEFT JOIN terminal t ON t.terminal = e.terminal
        WHERE e.clearing_date = $1 AND e.type = ANY($2)
            AND (e.terminal <> '' OR EXISTS (
                SELECT 1 FROM event v WHERE v.source = e.source AND v.id = e.event_id
                    AND position('"read_method"'::bytea IN v.raw) > 0
                    AND regexp_replace(convert_from(v.raw, 'UTF8'), '\\\\.', '_', 'g')::json
                        -> 'data' ->> 'read_method' = ANY($3)))
    )
    SELECT what, terminal, institution, coalesce(belongs_to, ''), count(*), sum(amount_fen)::bigint,
        (array_agg(name ORDER BY occurred_at, name))[1]
    FROM used WHERE what IS NOT NULL GROUP BY 1, 2, 3, 4 ORDER BY 1, 3, 2
"""
_TIMEOUTS: Final = """
    SELECT source, id, institution, amount_fen, debited, occurred_at FROM timeout
    WHERE state = 'OPEN' ORDER BY occurred_at, source, id
"""
_TOMBSTONES: Final = """
    SELECT t.source, t.id, coalesce(w.outcome, e.outcome, '') AS outcome, t.reversals::text, t.amounts_fen
    FROM tombstone t LEFT JOIN event e ON e.source = t.source AND e.id = t.id
    LEFT JOIN woken w ON w.source = e.source AND w.id = e.id
    WHERE coalesce(w.reason, e.reason, '') <> 'reversed_before_arrival' ORDER BY 1, 2
"""
_PAYOUTS: Final = """
    SELECT p.source, p.id, p.payer, p.card, c.steps -> -1 ->> 1 AS state, p.amount_fen
    FROM payout p JOIN card c ON c.token = p.card
    WHERE p.state = 'HELD' AND c.steps -> -1 ->> 1 IN ('CANCELLED', 'TERMINATED', 'DECEASED') ORDER BY 1, 2
"""


async def watchlist(conn: AsyncConnection, day: date) -> Watchlist:
    """All that should be looked at of a clearing date, and of what is open now. 关注清单

    Out:     each list in the order in which it happened; the day's entries are walked over once or twice.
    """
    raw = await driver(conn)
    types = list(DEBITS)
    debits = await raw.fetch(_DEBITS, day, types)
    terminals = await raw.fetch(_TERMINALS, day, types, list(CHIP))
    return Watchlist(
        [StoppedDebit(row[0].hex, *row[1:]) for row in debits],
        [OddTerminal(*row) for row in terminals],
        [OpenTimeout(*row) for row in await raw.fetch(_TIMEOUTS)],
        [_tombstone(row) for row in await raw.fetch(_TOMBSTONES)],
        [HeldForEver(*row) for row in await raw.fetch(_PAYOUTS)],
    )


def _tombstone(row: Any) -> IdleTombstone:  # noqa: ANN401 - a row of a driver without types
    reversals = ["/".join(one) for one in json.loads(row[3])]
    return IdleTombstone(row[0], row[1], row[2], reversals, list(row[4]))
