"""What must hold in the stored books, asked of the database table by table. 账务核验

Two kinds of question, each one statement that gives its first fault and how many there are:

    AMOUNTS  a sum of the books against what it stands for: (where, expected fen, got fen, how many differ)
    FLAWS    rows that contradict each other: (where, expected, got, how many)

and walks over the rows for what SQL cannot compute (SM3, our own names). Nothing here trusts a constraint, a
trigger or a function of the database: whoever changes history as a superuser can change those too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from typing import Final, NamedTuple
from uuid import UUID

from pydantic_core import from_json
from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.ledger.accounts import ITEM_CODES, POSITION_CODES
from clearing.store.files import parts
from clearing.store.session import driver


class Gap(NamedTuple):
    """A sum that is not what it stands for."""

    where: str
    expected_fen: int
    got_fen: int
    """Debit positive, both."""
    faults: int
    """How many differ; this is the first."""


class Flaw(NamedTuple):
    """Rows that contradict each other."""

    where: str
    expected: str
    got: str
    faults: int
    """How many do; this is the first."""


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


def _first(*selects: str) -> str:
    """The first fault of several selects of (where, expected, got), and how many there are."""
    return (
        "SELECT place, expected, got, count(*) OVER () FROM ("  # noqa: S608 - our own statements
        + " UNION ALL ".join(selects)
        + ") AS fault(place, expected, got) ORDER BY 1, 2 LIMIT 1"
    )


_GROWN: Final = ("event", "woken", "repeat", "quarantine", "entry")

FLAWS: Final = {
    "outcomes": _first(
        """
        SELECT 'event ' || e.source || '/' || e.id, 'parked, waiting or decided once',
            CASE WHEN p.id IS NULL THEN 'neither' ELSE 'both' END
        FROM event e
        LEFT JOIN parked p ON p.source = e.source AND p.id = e.id
        LEFT JOIN woken w ON w.source = e.source AND w.id = e.id
        WHERE e.outcome = 'parked' AND (p.id IS NULL) = (w.id IS NULL)
        """,
        """
        SELECT 'parked ' || p.source || '/' || p.id, 'an event that was parked',
            coalesce(e.outcome, 'no event')
        FROM parked p LEFT JOIN event e ON e.source = p.source AND e.id = p.id
        WHERE e.outcome IS DISTINCT FROM 'parked'
        """,
        """
        SELECT 'woken ' || w.source || '/' || w.id, 'an event that was parked',
            coalesce(e.outcome, 'no event')
        FROM woken w LEFT JOIN event e ON e.source = w.source AND e.id = w.id
        WHERE e.outcome IS DISTINCT FROM 'parked'
        """,
        """
        SELECT 'repeat ' || r.source || '/' || r.id, 'an event of that id', 'no event'
        FROM repeat r LEFT JOIN event e ON e.source = r.source AND e.id = r.id WHERE e.id IS NULL
        """,
        *(
            f"""
            SELECT '{table} ' || source || '/' || id,
                'an entry when posted, a date when posted or noted, a reason when rejected',
                outcome || ', ' || CASE WHEN entry_id IS NULL THEN 'no entry' ELSE 'an entry' END || ', '
                || coalesce(clearing_date::text, 'no date') || ', '
                || CASE reason WHEN '' THEN 'no reason' ELSE reason END
            FROM {table}
            WHERE (outcome = 'posted') <> (entry_id IS NOT NULL)
                OR (outcome IN ('posted', 'noted')) <> (clearing_date IS NOT NULL)
                OR (outcome = 'rejected') <> (reason <> '')
                OR outcome NOT IN ('posted', 'noted', 'rejected', 'parked')
            """  # noqa: S608 - our own tables
            for table in ("event", "woken")
        ),
    ),
    "entries": _first(
        """
        SELECT 'entry ' || replace(id::text, '-', ''), 'its date ' || clearing_date || ' first',
            left(id::text, 8)
        FROM entry WHERE left(id::text, 8) <> to_char(clearing_date, 'YYYYMMDD')
        """,
        """
        SELECT 'entry ' || replace(id::text, '-', ''), 'as many accounts as amounts and letters, none zero',
            cardinality(accounts) || ' accounts, ' || cardinality(fens) || ' amounts, ' || length(legs)
            || ' letters'
        FROM entry WHERE cardinality(accounts) <> cardinality(fens) OR length(legs) <> cardinality(fens)
            OR 0 = ANY (fens) OR cardinality(fens) = 0
        """,
        # An entry belongs to the outcome that names it; those of the end of a day to no event.
        """
        SELECT 'entry ' || replace(n.id::text, '-', ''),
            'the outcome of ' || n.source || '/' || n.event_id || ', of the same day',
            CASE WHEN e.id IS NULL THEN 'no such event'
                ELSE 'it names '
                    || coalesce(replace(coalesce(w.entry_id, e.entry_id)::text, '-', ''), 'no entry')
                    || ', day ' || coalesce(coalesce(w.clearing_date, e.clearing_date)::text, 'none') END
        FROM entry n
        LEFT JOIN event e ON e.source = n.source AND e.id = n.event_id
        LEFT JOIN woken w ON w.source = n.source AND w.id = n.event_id
        WHERE n.type NOT IN ('day.roll_up', 'day.net')
            AND ((coalesce(w.entry_id, e.entry_id) = n.id) IS NOT TRUE
                OR (coalesce(w.clearing_date, e.clearing_date) = n.clearing_date) IS NOT TRUE)
        """,
        """
        SELECT 'entry ' || replace(n.id::text, '-', ''), 'a name of the end of ' || n.clearing_date,
            n.event_id
        FROM entry n WHERE n.type IN ('day.roll_up', 'day.net')
            AND NOT starts_with(n.event_id, n.clearing_date || CASE n.type
                WHEN 'day.net' THEN '/net/' ELSE '/roll_up/' END)
        """,
        *(
            f"""
            SELECT '{table} ' || o.source || '/' || o.id,
                'entry ' || replace(o.entry_id::text, '-', ''), 'no such entry'
            FROM {table} o LEFT JOIN entry n ON n.id = o.entry_id
            WHERE o.entry_id IS NOT NULL AND n.id IS NULL
            """  # noqa: S608 - our own tables
            for table in ("event", "woken")
        ),
    ),
    "batches": _first(
        *(
            f"""
            SELECT '{table} of batch ' || g.batch, 'a batch of that number', 'none'
            FROM (SELECT DISTINCT batch FROM {table}) AS g LEFT JOIN batch b ON b.id = g.batch
            WHERE b.id IS NULL
            """  # noqa: S608 - our own tables
            for table in _GROWN
        ),
        """
        SELECT 'batch ' || b.id, b.records || ' records', coalesce(sum(of.rows), 0) || ' with an outcome'
        FROM batch b LEFT JOIN (
            SELECT batch, count(*) AS rows FROM event GROUP BY batch
            UNION ALL SELECT batch, count(*) FROM repeat GROUP BY batch
            UNION ALL SELECT batch, count(*) FROM quarantine GROUP BY batch
        ) AS of ON of.batch = b.id
        GROUP BY b.id, b.records HAVING b.records <> coalesce(sum(of.rows), 0)
        """,
        """
        SELECT stream || '[' || partition || '] batch ' || id,
            coalesce('position ' || before::text, 'the first batch'),
            coalesce('position ' || position_from, 'none')
        FROM (
            SELECT *, lag(position_to) OVER (PARTITION BY stream, partition ORDER BY id) AS before FROM batch
        ) AS link WHERE position_from IS DISTINCT FROM before
        """,
        """
        SELECT s.name || '[' || s.partition || ']', 'position ' || coalesce(max(b.position_to)::text, 'none'),
            'position ' || s.position
        FROM stream s LEFT JOIN batch b ON b.stream = s.name AND b.partition = s.partition
        GROUP BY s.name, s.partition, s.position HAVING max(b.position_to) IS DISTINCT FROM s.position
        """,
        """
        SELECT b.stream || '[' || b.partition || ']', 'a stream of that name', 'none'
        FROM (SELECT DISTINCT stream, partition FROM batch) AS b
        LEFT JOIN stream s ON s.name = b.stream AND s.partition = b.partition WHERE s.name IS NULL
        """,
    ),
    "stays": _first(
        """
        SELECT 'stay ' || institution || '.' || admission_no, 'deposit 0 or more, 0 once closed',
            lower(state) || ', ' || deposit_fen || ' fen'
        FROM stay WHERE deposit_fen < 0 OR (state <> 'OPEN' AND deposit_fen <> 0)
        """,
        """
        SELECT 'stay ' || institution || '.' || admission_no, 'arrears 0 or more', arrears_fen || ' fen'
        FROM stay WHERE arrears_fen < 0
        """,
    ),
    "instructions": _first(
        """
        SELECT 'instruction ' || i.id, 'its entry of ' || i.amount_fen || ' fen',
            coalesce(n.amount_fen || ' fen', 'no entry')
        FROM instruction i LEFT JOIN entry n ON n.id = i.id::uuid
        WHERE i.kind = 'INTER_BANK' AND i.replaces = '' AND n.amount_fen IS DISTINCT FROM i.amount_fen
        """,
    ),
    "orders": _first(
        """
        SELECT 'orders to ' || coalesce(d.bank, f.receiver), coalesce(d.rows, 0) || ' rows, ' || coalesce(d.fen, 0)
            || ' fen as dispatched', coalesce(f.rows, 0) || ' rows, ' || coalesce(f.fen, 0) || ' fen in PAY files'
        FROM (SELECT bank, sum(rows) AS rows, sum(total_fen) AS fen FROM dispatch GROUP BY bank) d
        FULL JOIN (SELECT receiver, sum(records) AS rows, sum(amount_total_fen) AS fen FROM file
            WHERE type = 'PAY' GROUP BY receiver) f ON f.receiver = d.bank
        WHERE (coalesce(d.rows, 0), coalesce(d.fen, 0)) <> (coalesce(f.rows, 0), coalesce(f.fen, 0))
        """,
        """
        SELECT 'order ' || l.pay_id, 'a payout of ' || l.amount_fen || ' fen that is out',
            coalesce(p.state || ' at attempt ' || p.attempt || ', ' || p.amount_fen || ' fen', 'no payout')
        FROM pay_line l LEFT JOIN payout p ON p.source = split_part(l.pay_id, '/', 1)
            AND p.id = split_part(l.pay_id, '/', 2)
        WHERE l.kind = 'PAYOUT' AND (p.id IS NULL OR p.amount_fen <> l.amount_fen
            OR p.attempt < split_part(l.pay_id, '/', 3)::integer
            OR p.attempt = split_part(l.pay_id, '/', 3)::integer AND p.state IN ('HELD', 'ACCEPTED', 'WITHDRAWN'))
        """,
        """
        SELECT 'order ' || l.pay_id, 'an instruction of ' || l.amount_fen || ' fen',
            coalesce(i.amount_fen || ' fen', 'no instruction')
        FROM pay_line l LEFT JOIN instruction i ON i.id = l.pay_id
        WHERE l.kind <> 'PAYOUT' AND i.amount_fen IS DISTINCT FROM l.amount_fen
        """,
    ),
}
"""Check → its statement. 一致性核验"""


async def prepare(conn: AsyncConnection) -> None:
    """Let this transaction join whole tables: here reading it all is right, elsewhere it is switched off."""
    raw = await driver(conn)
    await raw.execute("SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on")


async def gap(conn: AsyncConnection, name: str) -> Gap | None:
    """The first sum of a check of AMOUNTS that differs, None when all hold."""
    row = await (await driver(conn)).fetchrow(AMOUNTS[name])
    return None if row is None else Gap(*row)


async def flaw(conn: AsyncConnection, name: str) -> Flaw | None:
    """The first fault of a check of FLAWS, None when there is none."""
    row = await (await driver(conn)).fetchrow(FLAWS[name])
    return None if row is None else Flaw(*row)


# ---------------------------------------------------------------- walks

_ROWS_AT_ONCE: Final = 2000
_BYTES_AT_ONCE: Final = 8 * 1024 * 1024


class NamedEntry(NamedTuple):
    """What the id of an entry is made of."""

    id: UUID
    clearing_date: date
    source: str
    event_id: str
    type: str


async def entry_names(conn: AsyncConnection) -> AsyncIterator[NamedEntry]:
    """Every entry's id and what it is derived from, as they lie."""
    raw = await driver(conn)
    async for row in raw.cursor(
        "SELECT id, clearing_date, source, event_id, type FROM entry", prefetch=_ROWS_AT_ONCE
    ):
        yield NamedEntry(*row)


class Said(NamedTuple):
    """A record's bytes, and the digest kept of them."""

    table: str
    """event, repeat: digest of the content; quarantine: of the bytes."""
    where: str
    source: str
    id: str
    raw: bytes
    sm3: bytes


async def records(conn: AsyncConnection) -> AsyncIterator[Said]:
    """Every record whose bytes are kept, as they lie."""
    raw = await driver(conn)
    async for row in raw.cursor(
        "SELECT 'event', 'event ' || source || '/' || id, source, id, raw, sm3 FROM event UNION ALL "
        "SELECT 'repeat', 'repeat ' || source || '/' || id, source, id, raw, sm3 FROM repeat UNION ALL "
        "SELECT 'quarantine', stream || '[' || partition || ']@' || position, source, id, raw, sm3 "
        "FROM quarantine WHERE raw IS NOT NULL",
        prefetch=_ROWS_AT_ONCE,
    ):
        yield Said(*row)


class KeptFile(NamedTuple):
    """A stored file without its bytes."""

    table: str
    key: str
    """Name of a clearing file, number of a partner's."""
    name: str
    length: int
    sha256: bytes
    sm3: bytes


async def files(conn: AsyncConnection) -> list[KeptFile]:
    """Every stored file, ours and the partners', in order of name."""
    rows = await (await driver(conn)).fetch(
        "SELECT 'file', name, name, size, sha256, sm3 FROM file UNION ALL "
        "SELECT 'statement_file', id::text, kind || ' of ' || partner || ' ' || name, octet_length(content), "
        "sha256, sm3 FROM statement_file ORDER BY 1, 3"
    )
    return [KeptFile(*row) for row in rows]


async def content(conn: AsyncConnection, kept: KeptFile) -> AsyncIterator[bytes]:
    """A stored file's bytes in parts, so that a large one is never held whole."""
    if kept.table == "file":
        async for part in parts(conn, kept.name):
            yield part
        return
    raw = await driver(conn)
    for start in range(0, kept.length, _BYTES_AT_ONCE):
        yield await raw.fetchval(
            "SELECT substring(content FROM $2 FOR $3) FROM statement_file WHERE id::text = $1",
            kept.key,
            start + 1,
            _BYTES_AT_ONCE,
        )


class SignedFile(NamedTuple):
    """A signed file's figures, and the signature over them."""

    name: str
    length: int
    records: int
    amount_total_fen: int
    hash_total: str
    sha256: bytes
    sm3: bytes
    replaces: str
    signer: bytes
    user_id: str
    value: str


async def signed_files(conn: AsyncConnection) -> AsyncIterator[SignedFile]:
    """Every file that was signed, in order of name."""
    raw = await driver(conn)
    async for row in raw.cursor(
        "SELECT f.name, size, records, amount_total_fen, hash_total, sha256, sm3, replaces, "
        "signer, user_id, value FROM file f JOIN file_seal s ON s.name = f.name WHERE alg <> '' ORDER BY f.name",
        prefetch=_ROWS_AT_ONCE,
    ):
        yield SignedFile(*row)


class CutDay(NamedTuple):
    """What the cut of a day noted."""

    clearing_date: date
    root: bytes
    heads: dict[str, bytes]
    """`stream/partition` → head of its chain."""


async def cut_days(conn: AsyncConnection) -> list[CutDay]:
    """Every day that is cut, oldest first; one without root or heads has b"" and {}."""
    rows = await (await driver(conn)).fetch(
        "SELECT clearing_date, root, heads::text FROM day WHERE state <> 'open' ORDER BY 1"
    )
    return [CutDay(day, root or b"", _heads(heads)) for day, root, heads in rows]


async def filed_days(conn: AsyncConnection) -> list[date]:
    """Every day that has its files, oldest first."""
    rows = await (await driver(conn)).fetch(
        "SELECT clearing_date FROM day WHERE state IN ('filed', 'reconciled', 'signed') ORDER BY 1"
    )
    return [day for (day,) in rows]


def _heads(stored: str | None) -> dict[str, bytes]:
    if stored is None:
        return {}
    return {name: bytes.fromhex(digest) for name, digest in from_json(stored)}


async def has_link(conn: AsyncConnection, chain: str, digest: bytes) -> bool:
    """Whether a chain (`stream/partition`) has a batch with this digest."""
    stream, _, partition = chain.rpartition("/")
    found: bool = await (await driver(conn)).fetchval(
        "SELECT EXISTS (SELECT 1 FROM batch WHERE stream = $1 AND partition = $2 AND digest = $3)",
        stream,
        int(partition),
        digest,
    )
    return found
