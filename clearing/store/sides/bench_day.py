"""A large synthetic day for the measurements: three files, made by duckdb itself. 测速用日

One bank, one hospital; entries as `copy_entries` writes them, statement and export in their canonical form.
"""

from __future__ import annotations

from datetime import date, time
from pathlib import Path
from typing import Final

import duckdb

from clearing.store.sides.tables import ENTRY_COLUMNS

BANK: Final = "B1"
HOSPITAL: Final = "H1"
CUTOVER: Final = time(23)
ENTRIES: Final = "entries.csv"
STATEMENT: Final = "STM_B1.csv"
EXPORT: Final = "HIS_H1.csv"
KINDS: Final = ("SID-101", "SID-110", "AMT-001", "AMT-003", "STA-002", "SID-011")
"""What one row in two hundred is, in turn."""
_EVERY: Final = 200
_PLANTED_AT: Final = 100

_ROWS: Final = """
    CREATE TABLE made AS SELECT *,
        left(strftime($day, '%Y%m%d') || md5(i::VARCHAR), 32) AS id,
        'BR' || lpad(i::VARCHAR, 10, '0') AS ref, 'H1-' || lpad(i::VARCHAR, 10, '0') AS number,
        CASE kind WHEN 'paid' THEN '' ELSE left(strftime($day, '%Y%m%d') || md5((i - 1)::VARCHAR), 32) END AS o_id,
        CASE kind WHEN 'paid' THEN '' ELSE 'BR' || lpad((i - 1)::VARCHAR, 10, '0') END AS o_ref,
        CASE kind WHEN 'paid' THEN '' ELSE 'H1-' || lpad((i - 1)::VARCHAR, 10, '0') END AS o_number,
        CASE kind WHEN 'part' THEN fen // 2 ELSE fen END AS moved,
        (TIME '07:00:00' + to_seconds((i % 50000)::BIGINT))::VARCHAR AS at,
        CASE WHEN i % 200 = 100 THEN (i // 200) % 6 ELSE -1 END AS planted
    FROM (
        SELECT i, 1000 + hash(i // 33 * 33 + CASE WHEN i % 33 = 32 THEN 31 ELSE i % 33 END) % 900000 AS fen, kind
        FROM (
            SELECT range AS i, CASE WHEN range % 33 = 32 AND range % 200 NOT IN (100, 101) THEN
                CASE WHEN range % 7 = 0 THEN 'void' ELSE 'part' END ELSE 'paid' END AS kind
            FROM range($rows)))
"""


def write(folder: Path, day: date, rows: int) -> dict[str, int]:
    """The three files of a day, and the breaks that it must have.

    Out:     how many breaks of each code, and under `matched` how many matches in which money moved.
    Writes:  the files.
    """
    with duckdb.connect(str(folder / "made.duckdb")) as con:
        con.execute("SET memory_limit = '1GB'")
        con.execute(_ROWS, {"day": day, "rows": rows})
        for name, query in ((ENTRIES, _ENTRIES), (STATEMENT, _STATEMENT), (EXPORT, _EXPORT)):
            cells = f"SELECT nullif(COLUMNS(*)::VARCHAR, '') FROM ({query.format(day=day)})"  # noqa: S608
            con.execute(f"COPY ({cells}) TO '{folder / name}' (HEADER, NULLSTR '')")
        planted = dict(
            con.execute(
                f"SELECT {list(KINDS)}[planted + 1] AS code, count(*) FROM made WHERE planted >= 0 "  # noqa: S608
                "GROUP BY ALL ORDER BY code"
            ).fetchall()
        )
        (matched,) = con.execute(
            "SELECT count(*) FILTER (planted < 0) - 2 * count(*) FILTER (kind = 'void') FROM made"
        ).fetchall()[0]
    (folder / "made.duckdb").unlink()
    return planted | {"matched": matched}


_ENTRIES: Final = f"""
    SELECT {", ".join(f"v.{name}" for name in ENTRY_COLUMNS)} FROM (
        SELECT m.id, DATE '{{day}}' AS clearing_date, 'H1' AS source, 'E' || m.i AS event_id,
            'payment.' || CASE m.kind WHEN 'paid' THEN 'made' WHEN 'void' THEN 'voided' ELSE 'refunded' END AS type,
            '1010.B1;2010.H1' AS accounts, 'GG' AS legs,
            CASE m.kind WHEN 'paid' THEN m.moved || ';-' || m.moved ELSE '-' || m.moved || ';' || m.moved END AS fens,
            1773104400000000 + m.i AS occurred_us, 'H1' AS institution, 'B1' AS bank, 'B1' AS partner,
            m.ref AS bank_ref, DATE '{{day}}' AS bank_date, m.number AS order_no, '' AS receipt_no,
            '' AS admission_no, 'tok_B1_' || (m.i % 100000) AS card, m.o_id AS original_id,
            m.o_ref AS original_ref, m.o_number AS original_order, '' AS original_receipt,
            '' AS original_admission
        FROM made m
        WHERE m.planted <> 5) v
"""  # noqa: S608 - our own names
_STATEMENT: Final = """
    SELECT m.ref AS bank_ref, '' AS platform_ref, DATE '{day}' AS bank_date, m.at AS bank_time,
        CASE m.kind WHEN 'paid' THEN 'PAY' WHEN 'void' THEN 'VOID' ELSE 'REFUND' END AS "type",
        CASE m.kind WHEN 'paid' THEN 'D' ELSE 'C' END AS direction,
        printf('%.2f', (m.moved - CASE WHEN m.planted = 2 THEN 100 ELSE 0 END) / 100) AS amount,
        CASE WHEN m.planted = 4 THEN 'FAIL' ELSE 'SUCC' END AS status, 'tok_B1_' || (m.i % 100000) AS card,
        m.o_ref AS original_bank_ref
    FROM made m
    WHERE m.planted <> 0
"""
_EXPORT: Final = """
    SELECT m.number AS order_no, '' AS platform_ref,
        CASE m.kind WHEN 'paid' THEN 'OPD' ELSE 'REFUND' END AS trade_type,
        CASE m.kind WHEN 'paid' THEN 'R' ELSE 'P' END AS direction,
        printf('%.2f', (m.moved + CASE WHEN m.planted = 3 THEN 100 ELSE 0 END) / 100) AS amount,
        'SUCC' AS status, DATE '{day}' AS his_date, m.at AS his_time, m.ref AS bank_ref,
        m.o_number AS original_order_no
    FROM made m
    WHERE m.planted <> 1
"""


def counted_join(folder: Path) -> str:
    """The join that only counts: what a database needs to bring the three files together at all."""
    return f"""
        SELECT count(*), count(l.id), count(b.bank_ref), count(h.order_no), sum(b.amount), sum(h.amount),
            count(*) FILTER (b.amount <> h.amount), min(l.bank_date), min(b.bank_date), min(h.his_date)
        {_joined(folder)}"""


def bare_join(folder: Path) -> str:
    """The join with its rows written down, all cells of all three sides."""
    return f"""
        CREATE TABLE joined AS SELECT l.*, b.* RENAME (bank_ref AS b_bank_ref, platform_ref AS b_platform_ref,
            bank_date AS b_bank_date, type AS b_type, card AS b_card), h.* RENAME (order_no AS h_order_no,
            platform_ref AS h_platform_ref, direction AS h_direction, amount AS h_amount, status AS h_status,
            bank_ref AS h_bank_ref)
        {_joined(folder)}"""


def _joined(folder: Path) -> str:
    def file(name: str, columns: dict[str, str]) -> str:
        said = ", ".join(f"'{column}': '{kind}'" for column, kind in columns.items())
        return f"read_csv('{folder / name}', header = true, auto_detect = false, columns = {{{said}}})"

    bank = {
        "bank_ref": "VARCHAR", "platform_ref": "VARCHAR", "bank_date": "DATE", "bank_time": "TIME",
        "type": "VARCHAR", "direction": "VARCHAR", "amount": "DECIMAL(15,2)", "status": "VARCHAR",
        "card": "VARCHAR", "original_bank_ref": "VARCHAR",
    }  # fmt: skip
    his = {
        "order_no": "VARCHAR", "platform_ref": "VARCHAR", "trade_type": "VARCHAR", "direction": "VARCHAR",
        "amount": "DECIMAL(15,2)", "status": "VARCHAR", "his_date": "DATE", "his_time": "TIME",
        "bank_ref": "VARCHAR", "original_order_no": "VARCHAR",
    }  # fmt: skip
    return f"""
        FROM {file(ENTRIES, ENTRY_COLUMNS)} l
        FULL OUTER JOIN {file(STATEMENT, bank)} b ON b.bank_ref = l.bank_ref AND b.bank_date::VARCHAR = l.bank_date
        FULL OUTER JOIN {file(EXPORT, his)} h ON h.order_no = l.order_no"""
