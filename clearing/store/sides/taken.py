"""Every row of a day's files as a digest, so that it is known again on any later day. 已取行

A digest is 16 bytes of SHA-256 over `rows.fingerprint_text`, which SQL and the pure room write alike.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from clearing.reconciliation.rows import fingerprint_text
from clearing.store.sides.plain_files import source_of_file
from clearing.store.sides.tables import FileRead, SideTables

_AMOUNT: Final = "TRY_CAST(replace(amount, '.', '') AS BIGINT)::VARCHAR"
_DIGITS: Final = 32


def taken_rows(tables: SideTables, run: int) -> Path:
    """A file of (run, digest) over every row of every file that was taken. 已取行

    Writes:  taken.csv in the tables' folder.
    """
    path = tables.folder / "taken.csv"
    files = tables.all("SELECT DISTINCT file FROM bank UNION SELECT DISTINCT file FROM his")
    taken = {number for (number,) in files}
    with path.open("w", encoding="ascii") as file:
        for number, one in enumerate(tables.files):
            if number not in taken:
                continue
            if one.path is None:
                for row in one.rows:
                    digest = hashlib.sha256(fingerprint_text(row).encode()).hexdigest()[:_DIGITS]
                    file.write(f"{run},{digest}\n")
                continue
            cursor = tables.con.execute(_query(one), [run, one.partner])
            while found := cursor.fetchmany(100_000):
                file.writelines(f"{line}\n" for (line,) in found)
    return path


def _query(one: FileRead) -> str:
    if one.path is None or one.shape is None:
        raise ValueError("a file that the line parser has read")
    here = frozenset(one.shape.header)

    def more(name: str) -> str:
        return f'"{name}"' if name in here else "''"

    if one.side == "B":
        fee = f"coalesce(abs(TRY_CAST(replace({more('fee')}, '.', '') AS BIGINT))::VARCHAR, '')"
        cells = [
            "'B'", "$2", "bank_ref", "platform_ref", "bank_date", "type", "direction", _AMOUNT, "status", "card",
            "original_bank_ref", more("institution"), fee, more("group"),
        ]  # fmt: skip
    else:
        cells = [
            "'H'", "$2", "order_no", "platform_ref", "trade_type", "direction", _AMOUNT, "status", "his_date",
            "bank_ref", "original_order_no", more("bank"), more("card"), more("group"),
        ]  # fmt: skip
    text = f"concat_ws('|', {', '.join(cells)})"
    return f"SELECT $1 || ',' || left(sha256({text}), {_DIGITS}) FROM {source_of_file(one.path, one.shape)}"  # noqa: S608 - our own words
