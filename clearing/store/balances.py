"""Balances: the lanes' shares summed, and the same from the entries to compare. 余额"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.store.session import driver

_OF_DAY: Final = (
    "SELECT account, sum(fen)::bigint FROM balance WHERE clearing_date = $1 GROUP BY account ORDER BY account"
)
_AS_OF: Final = """
    SELECT account, sum(fen)::bigint FROM balance
    WHERE ($1::date IS NULL OR clearing_date <= $1) AND starts_with(account, $2)
    GROUP BY account HAVING sum(fen) <> 0 ORDER BY account
"""
# An id begins with its day, so entries of a range of days are a range of the primary key.
_REPLAY: Final = """
    WITH kept AS (
        SELECT clearing_date, account, sum(fen)::bigint AS fen FROM balance
        WHERE $1::date IS NULL OR clearing_date = $1 GROUP BY 1, 2
    ), replayed AS (
        SELECT clearing_date, account, sum(fen)::bigint AS fen FROM posting
        WHERE $1::date IS NULL OR clearing_date = $1 GROUP BY 1, 2
    )
    SELECT clearing_date, account, coalesce(kept.fen, 0), coalesce(replayed.fen, 0)
    FROM kept FULL JOIN replayed USING (clearing_date, account)
    WHERE coalesce(kept.fen, 0) <> coalesce(replayed.fen, 0) ORDER BY 1, 2
"""


async def of_day(conn: AsyncConnection, day: date) -> dict[str, int]:
    """What each account moved on one clearing date, fen, debit positive; zeros are in. 当日发生额"""
    return dict(await (await driver(conn)).fetch(_OF_DAY, day))


async def as_of(conn: AsyncConnection, day: date | None = None, prefix: str = "") -> dict[str, int]:
    """Each account's balance over the clearing dates up to `day` (None: all), fen, signed, no zeros. 余额"""
    return dict(await (await driver(conn)).fetch(_AS_OF, day, prefix))


async def before(conn: AsyncConnection, day: date, prefix: str) -> dict[str, int]:
    """Each account's balance over the clearing dates before `day`, fen, signed, no zeros. 期初余额"""
    return await as_of(conn, day - timedelta(days=1), prefix)


async def differing(conn: AsyncConnection, day: date | None = None) -> list[tuple[date, str, int, int]]:
    """Where the balances kept are not the sum of the entries: (date, account, kept, replayed). 余额重算

    In:      a clearing date, or None for all.
    Out:     () when the books hold; anything else is an invariant broken.
    """
    raw = await driver(conn)
    # The one join of everything with everything: here reading it all is right.
    await raw.execute("SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on")
    return [tuple(row) for row in await raw.fetch(_REPLAY, day)]


# A bank that holds for others is named by the other posting of the roll-up's line.
# A line has its entry's id, here and below: only lines are walked over, not the entries of all days.
_HELD: Final = """
    SELECT split_part(held.account, '.', 2), split_part(bank.account, '.', 2), sum(held.fen)::bigint
    FROM instruction i JOIN entry e ON e.id = i.id::uuid,
        unnest(e.accounts, e.fens) AS held(account, fen), unnest(e.accounts) AS bank(account)
    WHERE starts_with(i.creditor, '3020.') AND i.replaces = '' AND i.clearing_date < $1
        AND starts_with(held.account, '3020.') AND starts_with(bank.account, '1010.')
    GROUP BY 1, 2 HAVING sum(held.fen) <> 0
"""
_CARRIED: Final = """
    SELECT split_part(i.creditor, '.', 2), i.debtor,
        sum(CASE WHEN e.id IS NULL THEN -i.amount_fen ELSE i.amount_fen END)::bigint
    FROM instruction i LEFT JOIN entry e ON e.id = i.id::uuid
    WHERE i.kind = 'CARRY' AND i.replaces = '' AND i.clearing_date < $1 GROUP BY 1, 2
"""
_BEFORE_CLOSE: Final = """
    SELECT account, (kept.fen - coalesce(closing.fen, 0))::bigint
    FROM (
        SELECT account, sum(fen) AS fen FROM balance WHERE clearing_date = $1 {only} GROUP BY 1
    ) AS kept
    LEFT JOIN (
        SELECT p.account, sum(p.fen) AS fen
        FROM instruction i JOIN entry e ON e.id = i.id::uuid, unnest(e.accounts, e.fens) AS p(account, fen)
        WHERE i.clearing_date = $1 AND i.replaces = '' GROUP BY 1
    ) AS closing USING (account)
    WHERE kept.fen <> coalesce(closing.fen, 0) ORDER BY account
"""


async def before_close(conn: AsyncConnection, day: date, *, memo: bool = True) -> dict[str, int]:
    """What each account moved on a clearing date without the entries of its end, fen, no zeros. 归集前发生额

    In:      `memo`: with the memo accounts, of which there are as many as stays.
    """
    # as text, not as a parameter: the key's index then leaves out what is not asked
    query = _BEFORE_CLOSE.format(only="" if memo else "AND account < '9'")
    return dict(await (await driver(conn)).fetch(query, day))


async def held(conn: AsyncConnection, day: date) -> dict[tuple[str, str], int]:
    """What stands at 3020 before a day's roll-up, by (owner, bank that holds it), fen, debit positive. 代管"""
    rows = await (await driver(conn)).fetch(_HELD, day)
    return {(owner, bank): fen for owner, bank, fen in rows}


async def carried(conn: AsyncConnection, day: date) -> dict[tuple[str, str], int]:
    """What a bank has advanced to a negative hospital and not had back, by (hospital, bank), fen. 垫付头寸"""
    rows = await (await driver(conn)).fetch(_CARRIED, day)
    return {(hospital, bank): fen for hospital, bank, fen in rows if fen}
