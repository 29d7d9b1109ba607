"""What the books come to over a day or month: sums for reports, read-only. 统计查询

Nothing here is on the way of an event, and nothing writes. An id begins with its day, so a range of days is a
range of the primary key; balances are sums of what each day moved, so any past date can be asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.ledger.accounts import HOSPITAL, NETWORK_PAID, PHARMACY
from clearing.ledger.entry import Entry
from clearing.reports.figures import Active, Claim, Flow, Held, Layer, Returned
from clearing.store.entries import COLUMNS, of_row
from clearing.store.session import driver

_ONE_DAY: Final = timedelta(days=1)
_PAYABLE: Final = [HOSPITAL, PHARMACY, NETWORK_PAID]
"""What institutions are owed, by whichever route."""

_FLOWS: Final = """
    SELECT e.institution, e.bank, e.app_area, e.type, count(*), count(*) FILTER (WHERE e.late),
        sum(e.amount_fen)::bigint, sum(p.received)::bigint, sum(p.paid)::bigint, sum(p.fee)::bigint,
        sum(p.deposit)::bigint, sum(p.cards)::bigint
    FROM entry e CROSS JOIN LATERAL (
        SELECT
            coalesce(sum(-fen) FILTER (WHERE leg = 'G' AND fen < 0 AND code = ANY($3)), 0) AS received,
            coalesce(sum(fen) FILTER (WHERE leg = 'G' AND fen > 0 AND code = ANY($3)), 0) AS paid,
            coalesce(sum(-fen) FILTER (WHERE code = '2060'), 0) AS fee,
            coalesce(sum(-fen) FILTER (WHERE code = '9011'), 0) AS deposit,
            coalesce(sum(-fen) FILTER (WHERE code = '1010'), 0) AS cards
        FROM (
            SELECT account, left(account, 4) AS code, fen, leg
            FROM unnest(e.accounts, e.fens, string_to_array(e.legs, NULL)) AS u(account, fen, leg)
        ) AS posting
    ) AS p
    WHERE e.id >= $1::uuid AND e.id < $2::uuid AND e.type NOT IN ('day.roll_up', 'day.net')
        AND ($4::text IS NULL OR $4 IN (e.institution, e.bank, e.payer, e.partner))
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
# A card is used when its holder does something with it; what others pay into it is no use.
_ACTIVE: Final = """
    SELECT coalesce(m.area, ''), coalesce(m.level, ''), coalesce(e.bank, ''), coalesce(e.app_area, ''),
        grouping(m.area, m.level, e.bank, e.app_area), count(DISTINCT e.card)
    FROM entry e LEFT JOIN unnest($3::text[], $4::text[], $5::text[]) AS m(institution, area, level)
        ON m.institution = e.institution
    WHERE e.id >= $1::uuid AND e.id < $2::uuid AND e.card <> '' AND (
        starts_with(e.type, 'payment.') OR starts_with(e.type, 'deposit.') OR starts_with(e.type, 'discharge.')
        OR starts_with(e.type, 'topup.') OR starts_with(e.type, 'premium.') OR e.type = 'arrears.paid'
    )
    GROUP BY GROUPING SETS ((m.area), (m.level), (e.bank), (e.app_area), ())
"""
_SETS: Final = {0b0111: "area", 0b1011: "level", 0b1101: "bank", 0b1110: "app_area", 0b1111: "all"}
"""What PostgreSQL's grouping() says of each set: a bit a column that is not in it."""
_HELD: Final = """
    WITH open AS (
        SELECT account, -sum(fen)::bigint AS fen FROM balance
        WHERE starts_with(account, '9011.') AND clearing_date <= $1 GROUP BY account HAVING sum(fen) <> 0
    )
    SELECT split_part(o.account, '.', 2), coalesce(c.bank, ''), count(*), sum(o.fen)::bigint
    FROM open o
    LEFT JOIN stay s ON s.institution = split_part(o.account, '.', 2)
        AND s.admission_no = substr(o.account, length('9011..') + length(split_part(o.account, '.', 2)) + 1)
    LEFT JOIN card c ON c.token = s.card
    GROUP BY 1, 2 ORDER BY 1, 2
"""
_LAYERS: Final = """
    SELECT account, clearing_date, sum(fen)::bigint FROM balance
    WHERE left(account, 4) = $1 AND clearing_date <= $2
    GROUP BY 1, 2 HAVING sum(fen) <> 0 ORDER BY 1, 2
"""
_CLAIMS: Final = """
    SELECT s.payer, s.institution, s.kind, s.advanced_fen, e.clearing_date,
        CASE WHEN s.settled AND s.last_date <= $2 THEN s.last_date END
    FROM settlement s JOIN entry e ON e.source = s.discharge[1] AND e.event_id = s.discharge[2]
    WHERE s.advanced_fen > 0 AND e.clearing_date <= $2 AND NOT (s.settled AND s.last_date < $1)
    UNION ALL
    SELECT o.payer, split_part(advanced.account, '.', 3), '', advanced.fen, o.clearing_date, NULL
    FROM entry c JOIN entry o ON o.id = c.original_id
        CROSS JOIN LATERAL unnest(o.accounts, o.fens) AS advanced(account, fen)
    WHERE c.id >= $3::uuid AND c.type = 'discharge.cancelled' AND o.clearing_date <= $2
        AND starts_with(advanced.account, '9020.') AND advanced.fen > 0
    ORDER BY 1, 2, 5
"""
# What came back by a day's end and has been paid again or given back since: an id begins with its day.
_RETURNED: Final = """
    WITH since AS (
        SELECT DISTINCT original_id AS id, original_date AS submitted FROM entry
        WHERE id >= $2::uuid AND type IN ('payout.repaid', 'payout.given_back') AND original_date <= $1
    ), told AS (
        SELECT s.id, e.clearing_date, e.batch, e.type, e.text, e.payer, back.fen
        FROM since s
        JOIN entry e ON s.id = CASE WHEN e.type = 'reimbursement.submitted' THEN e.id ELSE e.original_id END
        CROSS JOIN LATERAL unnest(e.accounts, e.fens) AS back(account, fen)
        WHERE e.id >= (SELECT (to_char(min(submitted), 'YYYYMMDD') || repeat('0', 24))::uuid FROM since)
            AND e.id < $2::uuid AND starts_with(back.account, '2030.')
    )
    SELECT payer,
        CASE (array_agg(type ORDER BY clearing_date DESC, batch DESC) FILTER (WHERE fen < 0))[1]
            WHEN 'payout.returned' THEN 'RETURNED' ELSE 'REJECTED' END,
        (array_agg(text ORDER BY clearing_date DESC, batch DESC) FILTER (WHERE fen < 0))[1],
        -sum(fen)::bigint, max(clearing_date) FILTER (WHERE fen < 0)
    FROM told GROUP BY id, payer HAVING sum(fen) < 0 ORDER BY payer, id
"""
_OF_INSTITUTIONS: Final = f"""
    SELECT {", ".join(COLUMNS)} FROM entry
    WHERE id >= $1::uuid AND id < $2::uuid AND type NOT IN ('day.roll_up', 'day.net')
        AND (institution = ANY($3::text[]) OR (type = 'correction.approved' AND accounts && $4::text[]))
    ORDER BY id
"""  # noqa: S608 - our own column names


def _ids(first: date, last: date) -> tuple[str, str]:
    """Entries of these days, both included, have ids from the one on and below the other."""
    return f"{first:%Y%m%d}{'0' * 24}", f"{last + _ONE_DAY:%Y%m%d}{'0' * 24}"


async def flows(conn: AsyncConnection, first: date, last: date, member: str | None = None) -> list[Flow]:
    """What happened from one clearing date to another, both included, without the entries of their ends. 发生额

    In:      `member`: with this institution, bank, payer, channel or network alone; None for all.
    """
    rows = await (await driver(conn)).fetch(_FLOWS, *_ids(first, last), _PAYABLE, member)
    return [Flow(*row) for row in rows]


async def active(
    conn: AsyncConnection, first: date, last: date, places: Sequence[tuple[str, str, str]]
) -> list[Active]:
    """How many cards their holders used, by area, level, bank, application area and in all. 活跃卡

    In:      (institution, area, level) of every institution; what is at none has neither.
    Out:     in order; a card that was used in two areas counts in both, and once in all.
    """
    columns = [list(column) for column in zip(*places, strict=True)] or [[], [], []]
    rows = await (await driver(conn)).fetch(_ACTIVE, *_ids(first, last), *columns)
    return sorted(Active(_SETS[kind], "".join(keys), cards) for *keys, kind, cards in rows)


async def deposits_held(conn: AsyncConnection, day: date) -> list[Held]:
    """Deposits held at the end of a clearing date by hospital and the bank of the stay's card. 预交金余额"""
    return [Held(*row) for row in await (await driver(conn)).fetch(_HELD, day)]


async def layers(conn: AsyncConnection, code: str, day: date) -> list[Layer]:
    """What each account of a code moved day by day up to a clearing date, in order of account and day. 分日发生"""
    return [Layer(*row) for row in await (await driver(conn)).fetch(_LAYERS, code, day)]


async def claims(conn: AsyncConnection, first: date, last: date) -> list[Claim]:
    """Advanced claims that were open at the end of `last`, or were settled from `first` to `last`. 垫付

    Out:     as they stood then: one whose discharge was called back since is open, of a kind that nobody knows now.
    """
    _, after = _ids(first, last)
    return [Claim(*row) for row in await (await driver(conn)).fetch(_CLAIMS, first, last, after)]


async def returned_then(conn: AsyncConnection, day: date) -> list[Returned]:
    """Payouts that waited at their payers at the end of a day, and do so no more or for another reason. 退票"""
    _, after = _ids(day, day)
    return [Returned(*row) for row in await (await driver(conn)).fetch(_RETURNED, day, after)]


async def of_institutions(conn: AsyncConnection, day: date, institutions: Sequence[str]) -> list[Entry]:
    """A day's entries of these institutions, and corrections on their payables, in order of id. 机构凭证"""
    payables = [f"{code}.{one}" for code in (HOSPITAL, PHARMACY) for one in institutions]
    rows = await (await driver(conn)).fetch(_OF_INSTITUTIONS, *_ids(day, day), list(institutions), payables)
    return [of_row(row) for row in rows]
