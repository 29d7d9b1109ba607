"""Rows that contradict each other: outcomes, entries, batches, stays, instructions, orders. 一致性核验"""

from __future__ import annotations

from typing import Final

from clearing.store.audit.doubles import DOUBLES


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
        SELECT 'parked ' || source || '/' || id, 'a day to wait from, unless it waits for a day',
            waits_for || ' from ' || coalesce(since::text, 'none')
        FROM parked WHERE (since IS NULL) <> starts_with(waits_for, 'day/')
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
        SELECT 'entry ' || replace(n.id::text, '-', ''),
            'batch ' || coalesce(d.cut_batch, 0) || ' at most, the last before ' || d.clearing_date || ' was cut',
            'batch ' || n.batch
        FROM entry n JOIN day d ON d.clearing_date = n.clearing_date AND d.state <> 'open'
        WHERE n.type NOT IN ('day.roll_up', 'day.net') AND n.batch > coalesce(d.cut_batch, 0)
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
        SELECT s.name || '[' || s.partition || ']', 'notices sent up to a batch it has', 'up to batch ' || s.announced
        FROM stream s WHERE s.announced > (
            SELECT coalesce(max(b.id), 0) FROM batch b WHERE b.stream = s.name AND b.partition = s.partition)
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
    **{name: _first(*selects) for name, selects in DOUBLES.items()},
}
"""Check → its statement. 一致性核验"""
