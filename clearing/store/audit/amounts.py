"""Sums of the books against what they stand for: accounts, stays, payouts, claims, positions. 金额核验"""

from __future__ import annotations

from typing import Final

from clearing.ledger.accounts import ITEM_CODES, POSITION_CODES

_NETTED: Final = "SELECT clearing_date FROM day WHERE state IN ('netted', 'filed', 'reconciled', 'signed')"


def _list(codes: frozenset[str]) -> str:
    return ", ".join(f"'{code}'" for code in sorted(codes))


def _against(expected: str, *codes: str) -> str:
    """Accounts of these codes, all days, against `expected`: a SELECT of (account, fen), repeats added."""
    return f"""
        WITH expected AS (
            SELECT account, sum(fen)::bigint AS fen FROM ({expected}) AS each(account, fen) GROUP BY account
        ), kept AS (
            SELECT account, sum(fen)::bigint AS fen FROM balance
            WHERE left(account, 4) IN ({_list(frozenset(codes))}) GROUP BY account
        )
        SELECT account, coalesce(expected.fen, 0), coalesce(kept.fen, 0), count(*) OVER ()
        FROM expected FULL JOIN kept USING (account)
        WHERE coalesce(expected.fen, 0) <> coalesce(kept.fen, 0) ORDER BY 1 LIMIT 1
    """  # noqa: S608 - our own statements and codes


AMOUNTS: Final = {
    "balances": """
        WITH kept AS (
            SELECT clearing_date, account, sum(fen)::bigint AS fen FROM balance GROUP BY 1, 2
        ), replayed AS (
            SELECT clearing_date, account, sum(fen)::bigint AS fen
            FROM entry, LATERAL unnest(accounts, fens) AS line(account, fen) GROUP BY 1, 2
        )
        SELECT clearing_date || ' ' || account, coalesce(replayed.fen, 0), coalesce(kept.fen, 0),
            count(*) OVER ()
        FROM kept FULL JOIN replayed USING (clearing_date, account)
        WHERE coalesce(kept.fen, 0) <> coalesce(replayed.fen, 0) ORDER BY clearing_date, account LIMIT 1
    """,
    "entries_balanced": """
        SELECT 'entry ' || replace(id::text, '-', '') || CASE WHEN money <> 0 THEN ' money' ELSE ' memo' END,
            0, CASE WHEN money <> 0 THEN money ELSE memo END, count(*) OVER ()
        FROM entry, LATERAL (
            SELECT coalesce(sum(fen) FILTER (WHERE account COLLATE "C" < '9'), 0)::bigint AS money,
                coalesce(sum(fen) FILTER (WHERE account COLLATE "C" >= '9'), 0)::bigint AS memo
            FROM unnest(accounts, fens) AS line(account, fen)
        ) AS sums
        WHERE money <> 0 OR memo <> 0 ORDER BY id LIMIT 1
    """,
    "groups_zero": """
        SELECT clearing_date || CASE WHEN memo THEN ' memo' ELSE ' money' END, 0, sum(fen)::bigint,
            count(*) OVER ()
        FROM (SELECT clearing_date, account COLLATE "C" >= '9' AS memo, fen FROM balance) AS line
        GROUP BY clearing_date, memo HAVING sum(fen) <> 0 ORDER BY clearing_date, memo LIMIT 1
    """,
    "payouts": _against(
        """
        SELECT '2035.' || payer, -amount_fen FROM payout WHERE state IN ('HELD', 'ACCEPTED', 'SENT')
        UNION ALL SELECT '2030.' || payer, -amount_fen FROM payout WHERE state IN ('REJECTED', 'RETURNED')
        """,
        "2030",
        "2035",
    ),
    # Only DIRECT time-outs that the bank had debited stand in the books: they have an entry.
    "timeouts": _against(
        """
        SELECT '2050.' || t.institution, -t.amount_fen
        FROM timeout t JOIN entry e ON e.source = t.source AND e.event_id = t.id
        WHERE t.state = 'OPEN' AND t.debited AND e.type = 'payment.timed_out'
        """,
        "2050",
    ),
    "deposits": _against(
        """
        SELECT '9011.' || institution || '.' || admission_no, -deposit_fen FROM stay
        UNION ALL SELECT '9010.' || institution, deposit_fen FROM stay
        """,
        "9010",
        "9011",
    ),
    "arrears": _against(
        """
        SELECT '9041.' || institution || '.' || admission_no, -arrears_fen FROM stay
        UNION ALL SELECT '9040.' || institution, arrears_fen FROM stay
        """,
        "9040",
        "9041",
    ),
    "claims": _against(
        """
        SELECT '9020.' || payer || '.' || institution, advanced_fen FROM settlement
        WHERE advanced_fen <> 0 AND NOT settled
        UNION ALL SELECT '9021.' || payer || '.' || institution, -advanced_fen FROM settlement
        WHERE advanced_fen <> 0 AND NOT settled
        """,
        "9020",
        "9021",
    ),
    "retention": _against(
        """
        SELECT '9030.' || payer || '.' || institution, retained_fen FROM retention
        UNION ALL SELECT '9031.' || payer || '.' || institution, -retained_fen FROM retention
        """,
        "9030",
        "9031",
    ),
    "areas": _against(
        """
        SELECT '9050.' || treat_area || '.' || insured_area, open_fen FROM area_pair
        UNION ALL SELECT '9051.' || treat_area || '.' || insured_area, -open_fen FROM area_pair
        """,
        "9050",
        "9051",
    ),
    "in_transit": _against(
        """
        SELECT '3010.' || debtor, amount_fen FROM instruction
        WHERE kind = 'INTER_BANK' AND state IN ('WAITING', 'FAILED')
        UNION ALL SELECT '3010.' || creditor, -amount_fen FROM instruction
        WHERE kind = 'INTER_BANK' AND state IN ('WAITING', 'FAILED')
        """,
        "3010",
    ),
    "held": f"""
        SELECT clearing_date || ' 3020.' || owner, -items, held, count(*) OVER () FROM (
            SELECT clearing_date, split_part(account, '.', 2) AS owner,
                coalesce(sum(fen) FILTER (WHERE left(account, 4) <> '3020'), 0)::bigint AS items,
                coalesce(sum(fen) FILTER (WHERE left(account, 4) = '3020'), 0)::bigint AS held
            FROM balance
            WHERE left(account, 4) IN ({_list(ITEM_CODES)}, '3020') AND clearing_date IN ({_NETTED})
            GROUP BY 1, 2
        ) AS owned WHERE items + held <> 0 ORDER BY clearing_date, owner LIMIT 1
    """,  # noqa: S608 - codes of our chart
    "positions": f"""
        SELECT clearing_date || ' ' || account, 0, sum(fen)::bigint, count(*) OVER () FROM balance
        WHERE left(account, 4) IN ({_list(POSITION_CODES)}) AND clearing_date IN ({_NETTED})
        GROUP BY clearing_date, account HAVING sum(fen) <> 0 ORDER BY clearing_date, account LIMIT 1
    """,  # noqa: S608 - codes of our chart
}
"""Check → its statement. 金额核验"""
