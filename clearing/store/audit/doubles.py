"""What may be used or done once: references, orders, whole undos, payouts; looked for twice. 重复核验

The facts that keep a second one away could have been taken away by whoever has all rights, or by a fault of ours. So
the entries are asked first, and then whether the facts say the same.
"""

from __future__ import annotations

from typing import Final

# What an entry undoes is named by its entry; facts are kept under the event, of a confirmed time-out the time-out's.
_UNDONE: Final = """
    SELECT o.id, coalesce(t.source, o.source) AS source, coalesce(t.id, o.event_id) AS event_id, o.amount_fen,
        count(*) FILTER (WHERE u.type NOT IN ('payment.refunded', 'premium.refunded')) AS whole,
        coalesce(sum(u.amount_fen) FILTER (WHERE u.type IN ('payment.refunded', 'premium.refunded')), 0)::bigint
            AS part
    FROM entry u JOIN entry o ON o.id = u.original_id
    LEFT JOIN timeout t ON t.confirmed_source = o.source AND t.confirmed_id = o.event_id
    WHERE u.type IN ('payment.refunded', 'premium.refunded', 'payment.voided', 'payment.reversed',
        'deposit.voided', 'discharge.cancelled', 'topup.reversed') AND o.type <> 'payment.timed_out'
    GROUP BY o.id, t.source, o.source, t.id, o.event_id, o.amount_fen
"""
_STANDING: Final = """
    SELECT p.id, p.institution, p.order_no, coalesce(t.source, p.source) AS source,
        coalesce(t.id, p.event_id) AS event_id
    FROM entry p LEFT JOIN timeout t ON t.confirmed_source = p.source AND t.confirmed_id = p.event_id
    WHERE (p.type IN ('payment.made', 'arrears.paid') OR p.type = 'payment.confirmed' AND p.admission_no = '')
        AND NOT EXISTS (SELECT 1 FROM entry u WHERE u.original_id = p.id
            AND u.type IN ('payment.voided', 'payment.reversed'))
"""

DOUBLES: Final = {
    "references": (
        """
        SELECT 'entry ' || replace(e.id::text, '-', ''), 'a reference of ' || e.partner || ' that it has used up',
            coalesce('one of ' || b.source || '/' || b.id, 'one that is free')
        FROM entry e LEFT JOIN bank_ref b ON b.partner = e.partner AND b.bank_date = e.bank_date
            AND b.bank_ref = e.bank_ref
        WHERE e.bank_ref <> '' AND (b.source, b.id) IS DISTINCT FROM (e.source, e.event_id) AND NOT EXISTS (
            SELECT 1 FROM timeout t WHERE t.confirmed_source = e.source AND t.confirmed_id = e.event_id
                AND t.source = b.source AND t.id = b.id)
        """,
    ),
    "undone": (
        f"""
        SELECT 'entry ' || replace(id::text, '-', ''), 'undone once, or refunded up to ' || amount_fen || ' fen',
            whole || ' times, and ' || part || ' fen'
        FROM ({_UNDONE}) AS of WHERE whole > 1 OR part > amount_fen OR whole > 0 AND part > 0
        """,  # noqa: S608 - our own statements
        f"""
        SELECT 'undo of ' || of.source || '/' || of.event_id, whole || ' times whole, ' || part || ' fen',
            coalesce(nullif(u.spent, ''), 'not') || ' as a whole, ' || coalesce(u.refunded_fen, 0) || ' fen'
        FROM ({_UNDONE}) AS of LEFT JOIN undo u ON u.source = of.source AND u.id = of.event_id
        WHERE (whole > 0) <> (coalesce(u.spent, '') <> '') OR part <> coalesce(u.refunded_fen, 0)
        """,  # noqa: S608 - our own statements
    ),
    "paid_once": (
        f"""
        SELECT 'order ' || institution || ' ' || order_no, 'one payment that stands', count(*) || ' of them'
        FROM ({_STANDING}) AS paid GROUP BY institution, order_no HAVING count(*) > 1
        """,  # noqa: S608 - our own statements
        f"""
        SELECT 'order ' || p.institution || ' ' || p.order_no, 'taken by ' || p.source || '/' || p.event_id,
            CASE WHEN coalesce(o.source, '') = '' THEN 'free' ELSE 'by ' || o.source || '/' || o.id END
        FROM ({_STANDING}) AS p LEFT JOIN order_no o ON o.institution = p.institution AND o.order_no = p.order_no
        WHERE (o.source, o.id) IS DISTINCT FROM (p.source, p.event_id)
        """,  # noqa: S608 - our own statements
        """
        SELECT 'payout ' || p.source || '/' || p.id, p.state, coalesce(done.paid, 0) || ' times paid, '
            || coalesce(done.back, 0) || ' times returned'
        FROM payout p JOIN entry s ON s.source = p.source AND s.event_id = p.id
        LEFT JOIN (
            SELECT original_id, count(*) FILTER (WHERE type = 'payout.result') AS paid,
                count(*) FILTER (WHERE type = 'payout.returned') AS back
            FROM entry WHERE type = 'payout.returned'
                OR type = 'payout.result' AND EXISTS (
                    SELECT 1 FROM unnest(accounts) AS a(name) WHERE starts_with(name, '1010.'))
            GROUP BY original_id
        ) AS done ON done.original_id = s.id
        WHERE coalesce(done.paid, 0) - coalesce(done.back, 0) <> (p.state = 'PAID')::integer
        """,
    ),
}
"""Check → its selects of (where, expected, got). 重复核验"""
