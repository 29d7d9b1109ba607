"""Which rows are sealed away of a signed day, one query a set. 归档数据集

Only what never changes after the signing is read: rows that only grow, bounded by the day itself or by the cuts
before and after it.
"""

# ruff: noqa: S608 - our own queries and column names

from __future__ import annotations

from typing import Final, NamedTuple


class Dataset(NamedTuple):
    """One set of rows."""

    name: str
    columns: dict[str, str]
    """Column → its type in Parquet, in order."""
    query: str
    """$1 is the day; every column is text, a number, a truth value, or an array of these."""


# Batches between two cuts: what the day's root is over.
_WINDOW: Final = """
    window_ AS (
        SELECT coalesce((SELECT cut_batch FROM day WHERE clearing_date = $1::date - 1), 0) AS after, cut_batch AS upto
        FROM day WHERE clearing_date = $1::date
    ), taken AS MATERIALIZED (
        SELECT b.* FROM batch b, window_ w WHERE b.id > w.after AND b.id <= w.upto
    ), run_ AS (
        SELECT * FROM reconciliation_run WHERE clearing_date = $1::date ORDER BY id DESC LIMIT 1
    )
"""
# The day's own files, which its signing freezes; of those that come when they come (orders, questions, notices,
# verdicts, reports, uses asked for again) those kept while it was open, whatever date they bear.
_FILES: Final = """
    kept AS (
        SELECT * FROM file
        WHERE CASE WHEN clearing_file_of_day(type, seq) THEN clearing_date ELSE made_on END = $1::date
    )
"""
_AT: Final = """'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'"""


def _instant(column: str) -> str:
    return f"to_char({column} AT TIME ZONE 'UTC', {_AT})"


def _hex(column: str) -> str:
    return f"replace({column}::text, '-', '')"


DATASETS: Final = (
    Dataset(
        "entries",
        {
            "id": "VARCHAR", "clearing_date": "DATE", "type": "VARCHAR", "source": "VARCHAR",
            "event_id": "VARCHAR", "accounts": "VARCHAR[]", "fens": "BIGINT[]", "legs": "VARCHAR",
            "occurred_at": "VARCHAR", "late": "BOOLEAN", "amount_fen": "BIGINT", "status": "VARCHAR",
            "institution": "VARCHAR", "bank": "VARCHAR", "payer": "VARCHAR", "route": "VARCHAR",
            "partner": "VARCHAR", "bank_ref": "VARCHAR", "bank_date": "DATE", "order_no": "VARCHAR",
            "receipt_no": "VARCHAR", "admission_no": "VARCHAR", "terminal": "VARCHAR", "access": "VARCHAR",
            "card": "VARCHAR", "card_last4": "VARCHAR", "app_area": "VARCHAR", "original_id": "VARCHAR",
            "original_date": "DATE", "text": "VARCHAR", "batch": "BIGINT", "no": "BIGINT",
        },
        f"""
        SELECT {_hex("id")} AS id, clearing_date, type, source, event_id, accounts, fens, legs,
            {_instant("occurred_at")} AS occurred_at, late, amount_fen, status, institution, bank, payer, route,
            partner, bank_ref, bank_date, order_no, receipt_no, admission_no, terminal, access, card, card_last4,
            app_area, {_hex("original_id")} AS original_id, original_date, text, batch, no
        FROM entry WHERE clearing_date = $1::date ORDER BY entry.id
        """,
    ),
    Dataset(
        "events",
        {
            "source": "VARCHAR", "id": "VARCHAR", "type": "VARCHAR", "sm3": "VARCHAR", "outcome": "VARCHAR",
            "reason": "VARCHAR", "detail": "VARCHAR", "entry_id": "VARCHAR", "clearing_date": "DATE",
            "late": "BOOLEAN", "waits_for": "VARCHAR", "occurred_at": "VARCHAR", "raw": "VARCHAR",
            "position": "BIGINT", "batch": "BIGINT", "no": "BIGINT",
        },
        f"""
        WITH {_WINDOW}, mine AS (
            SELECT e.source, e.id FROM event e JOIN taken t ON t.id = e.batch
            UNION SELECT e.source, e.id FROM entry n JOIN event e ON e.source = n.source AND e.id = n.event_id
                WHERE n.clearing_date = $1::date
        )
        SELECT e.source, e.id, e.type, encode(e.sm3, 'hex') AS sm3, e.outcome, e.reason, e.detail,
            {_hex("e.entry_id")} AS entry_id, e.clearing_date, e.late, e.waits_for,
            {_instant("e.occurred_at")} AS occurred_at, convert_from(e.raw, 'UTF8') AS raw, e.position, e.batch, e.no
        FROM mine m JOIN event e ON e.source = m.source AND e.id = m.id ORDER BY e.batch, e.no
        """,
    ),
    Dataset(
        "woken",
        {
            "source": "VARCHAR", "id": "VARCHAR", "outcome": "VARCHAR", "reason": "VARCHAR", "detail": "VARCHAR",
            "entry_id": "VARCHAR", "clearing_date": "DATE", "late": "BOOLEAN", "batch": "BIGINT", "no": "BIGINT",
        },
        f"""
        WITH {_WINDOW}
        SELECT w.source, w.id, w.outcome, w.reason, w.detail, {_hex("w.entry_id")} AS entry_id, w.clearing_date,
            w.late, w.batch, w.no
        FROM woken w JOIN taken t ON t.id = w.batch ORDER BY w.batch, w.no
        """,
    ),
    Dataset(
        "repeats",
        {
            "source": "VARCHAR", "id": "VARCHAR", "outcome": "VARCHAR", "reason": "VARCHAR", "sm3": "VARCHAR",
            "raw_base64": "VARCHAR", "position": "BIGINT", "batch": "BIGINT", "no": "BIGINT",
        },
        f"""
        WITH {_WINDOW}
        SELECT r.source, r.id, r.outcome, r.reason, encode(r.sm3, 'hex') AS sm3,
            translate(encode(r.raw, 'base64'), E'\\n', '') AS raw_base64, r.position, r.batch, r.no
        FROM repeat r JOIN taken t ON t.id = r.batch ORDER BY r.batch, r.no
        """,
    ),
    Dataset(
        "quarantine",
        {
            "where": "VARCHAR", "what": "VARCHAR", "source": "VARCHAR", "id": "VARCHAR", "type": "VARCHAR",
            "sm3": "VARCHAR", "length": "BIGINT", "raw_base64": "VARCHAR", "stream": "VARCHAR",
            "position": "BIGINT", "batch": "BIGINT", "no": "BIGINT",
        },
        f"""
        WITH {_WINDOW}
        SELECT q.where_ AS "where", q.what, q.source, q.id, q.type, encode(q.sm3, 'hex') AS sm3, q.length,
            translate(encode(q.raw, 'base64'), E'\\n', '') AS raw_base64, q.stream, q.position, q.batch, q.no
        FROM quarantine q JOIN taken t ON t.id = q.batch ORDER BY q.batch, q.no
        """,
    ),
    Dataset(
        "digests",
        {
            "batch": "BIGINT", "stream": "VARCHAR", "partition": "BIGINT", "records": "BIGINT",
            "previous": "VARCHAR", "digest": "VARCHAR", "at": "VARCHAR",
        },
        f"""
        WITH {_WINDOW}, sealed AS (
            SELECT * FROM taken
            UNION SELECT b.* FROM batch b JOIN entry e ON e.batch = b.id WHERE e.clearing_date = $1::date
        )
        SELECT id AS batch, stream, partition, records, encode(previous, 'hex') AS previous,
            encode(digest, 'hex') AS digest, {_instant("at")} AS at
        FROM sealed ORDER BY sealed.id
        """,
    ),
    Dataset(
        "files",
        {
            "name": "VARCHAR", "type": "VARCHAR", "receiver": "VARCHAR", "seq": "BIGINT", "version": "BIGINT",
            "profile": "VARCHAR", "records": "BIGINT", "amount_total_fen": "BIGINT", "hash_total": "VARCHAR",
            "bytes": "BIGINT", "sha256": "VARCHAR", "sm3": "VARCHAR", "replaces": "VARCHAR", "layout": "VARCHAR",
            "members": "BIGINT", "alg": "VARCHAR", "key_id": "VARCHAR", "signature": "VARCHAR",
            "clearing_date": "DATE",
        },
        f"""
        WITH {_FILES}
        SELECT f.name, f.type, f.receiver, f.seq, f.version, f.profile, f.records, f.amount_total_fen, f.hash_total,
            f.size AS bytes, encode(f.sha256, 'hex') AS sha256, encode(f.sm3, 'hex') AS sm3, f.replaces,
            encode(f.layout, 'hex') AS layout, f.members, s.alg, s.key_id, s.value AS signature,
            f.clearing_date
        FROM kept f LEFT JOIN file_seal s ON s.name = f.name ORDER BY f.name
        """,
    ),
    Dataset(
        "files_again",
        {
            "file": "VARCHAR", "kind": "VARCHAR", "source": "VARCHAR", "first_no": "BIGINT", "last_no": "BIGINT",
            "at": "VARCHAR", "by_whom": "VARCHAR", "why": "VARCHAR",
        },
        f"""
        WITH {_FILES}
        SELECT a.file, a.kind, a.source, a.first_no, a.last_no, {_instant("a.at")} AS at, a.by_whom, a.why
        FROM kept f JOIN file_again a ON a.file = f.name ORDER BY a.file
        """,
    ),
    Dataset(
        "statements",
        {
            "id": "BIGINT", "kind": "VARCHAR", "partner": "VARCHAR", "name": "VARCHAR", "bytes": "BIGINT",
            "sha256": "VARCHAR", "sm3": "VARCHAR",
        },
        f"""
        WITH {_WINDOW}
        SELECT f.id, f.kind, f.partner, f.name, octet_length(f.content) AS bytes,
            encode(f.sha256, 'hex') AS sha256, encode(f.sm3, 'hex') AS sm3
        FROM statement_file f, run_ r WHERE f.clearing_date = $1::date AND EXISTS (
            SELECT 1 FROM jsonb_array_elements(r.inputs) AS one
            WHERE one ->> 'sha256' = encode(f.sha256, 'hex') AND one ->> 'partner' = f.partner) ORDER BY f.id
        """,
    ),
    Dataset(
        "reconciliation",
        {
            "run": "BIGINT", "matched": "BIGINT", "inputs": "JSON", "proof": "JSON", "report": "JSON",
            "open_after": "JSON", "listed": "VARCHAR[]", "cleared": "VARCHAR[]",
        },
        f"""
        WITH {_WINDOW}
        SELECT id AS run, matched, inputs, proof, report, open_after, listed, cleared FROM run_
        """,
    ),
    Dataset(
        "sign_offs",
        {
            "member": "VARCHAR", "role": "VARCHAR", "person": "VARCHAR", "report": "VARCHAR", "root": "VARCHAR",
            "alg": "VARCHAR", "signer": "VARCHAR", "user_id": "VARCHAR", "signature": "VARCHAR", "at": "VARCHAR",
        },
        f"""
        WITH {_WINDOW}
        SELECT s.member, s.role, s.person, encode(s.report, 'hex') AS report, encode(s.root, 'hex') AS root, s.alg,
            encode(s.signer, 'hex') AS signer, s.user_id, s.signature, {_instant("s.at")} AS at
        FROM sign_off s JOIN run_ r ON r.id = s.run ORDER BY s.at, s.member
        """,
    ),
)  # fmt: skip

FILES_OF_DAY: Final = f"WITH {_FILES} SELECT name FROM kept ORDER BY name"
