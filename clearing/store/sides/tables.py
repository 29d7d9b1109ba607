"""Entries and partners' files into tables, set-wise, and only where nothing is odd about them. 成批读入

A file in which anything is not as plain as can be (quotes, spaces around a cell, an amount in another form, a
wrong line) is not read here at all: `read_file` says so, and the line parser of the pure room decides, with its
messages. So there is one opinion about what is sound, and a fast way for what plainly is.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from datetime import date, time
from pathlib import Path
from typing import Any, Final, NamedTuple

import duckdb

from clearing.ledger.money import yuan as _yuan
from clearing.reconciliation.partner_files import Balance, Totals
from clearing.reconciliation.rows import PartnerRow, StatementRow
from clearing.reconciliation.statements import EXPORT_COLUMNS, EXPORT_MORE, STATEMENT_COLUMNS, STATEMENT_MORE
from clearing.store.sides.plain_files import TABLE, Shape, Side, insertion, shape_of

MEMORY: Final = "1500MB"
"""What duckdb may hold; beyond it spills into the run's folder."""
ENTRY_COLUMNS: Final = {
    "id": "VARCHAR", "clearing_date": "DATE", "type": "VARCHAR", "source": "VARCHAR", "event_id": "VARCHAR",
    "accounts": "VARCHAR", "fens": "VARCHAR", "legs": "VARCHAR", "occurred_us": "BIGINT",
    "institution": "VARCHAR", "bank": "VARCHAR", "partner": "VARCHAR", "bank_ref": "VARCHAR",
    "bank_date": "VARCHAR", "order_no": "VARCHAR", "receipt_no": "VARCHAR", "admission_no": "VARCHAR",
    "card": "VARCHAR", "original_id": "VARCHAR", "original_ref": "VARCHAR", "original_order": "VARCHAR",
    "original_receipt": "VARCHAR", "original_admission": "VARCHAR",
}  # fmt: skip
"""Columns of the file of entries that `store.reconciling.copy_entries` writes; accounts and fens joined by `;`."""
SEPARATOR: Final = ";"

_KNOWN: Final = (
    "id", "bank_ref", "order_no", "receipt_no", "admission_no", "original_ref", "original_order",
    "original_receipt", "original_admission",
)  # fmt: skip
_TABLES: Final = """
    CREATE TABLE bank (
        file INTEGER, k UBIGINT, k2 UBIGINT, t_platform UBIGINT, t_original UBIGINT, fen BIGINT, taken BOOLEAN,
        on_date DATE, undo BOOLEAN, card UBIGINT, institution UBIGINT, fee BIGINT, plain BOOLEAN, succ BOOLEAN,
        of_day BOOLEAN, ok BOOLEAN);
    CREATE TABLE his (
        file INTEGER, k UBIGINT, k2 UBIGINT, t_platform UBIGINT, t_original UBIGINT, fen BIGINT, taken BOOLEAN,
        undo BOOLEAN, card UBIGINT, bank UBIGINT, t_order UBIGINT, t_ref UBIGINT, plain BOOLEAN, succ BOOLEAN,
        of_day BOOLEAN, ok BOOLEAN);
"""


class ReadFile(NamedTuple):
    """A partner's file after it was read into its table."""

    counted: Totals
    totals: Totals | None
    balance: Balance | None
    of_day: bool
    """Whether any row belongs to the day by its own date, or there is none at all."""


class FileRead(NamedTuple):
    """Where the rows of one file are."""

    side: Side
    partner: str
    name: str
    first: int
    """Rowid of its first row."""
    path: Path | None
    """The file, where it was read here; each row of it is a line."""
    shape: Shape | None
    rows: Sequence[PartnerRow]
    """Its rows, where the line parser has read it."""


class SideTables:
    """One run's scratch database; close it, or the folder cannot go.

    Rows are kept narrow: keys and cells as numbers (`hashed`, `token`), for joining and comparing only; what goes
    through the passes is read again from the files.
    """

    def __init__(self, folder: Path, *, cutover: time, large: bool = True) -> None:
        """Open it: on disk for a large day; one that is not costs a database's file more than it is worth."""
        self.folder = folder
        self.cutover = cutover
        self.con = duckdb.connect(str(folder / "sides.duckdb") if large else ":memory:")
        self.con.execute(f"SET memory_limit = '{MEMORY}'")
        self.con.execute(f"SET temp_directory = '{folder / 'spill'}'")
        self.con.execute("SET autoinstall_known_extensions = false")
        self.con.execute("PRAGMA disable_checkpoint_on_shutdown")
        self.con.execute(_TABLES)
        self.entries: Path | None = None
        self.files: list[FileRead] = []

    def close(self) -> None:
        """Let go of the database."""
        self.con.close()

    def all(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Every row of a query."""
        return self.con.execute(sql, values).fetchall()

    def one(self, sql: str, *values: object) -> Any:  # noqa: ANN401 - whatever the column holds
        """The first value of a query."""
        row = self.con.execute(sql, values).fetchone()
        return row[0] if row else None

    def source_of_entries(self) -> str:
        """The file of entries, as a table to select from."""
        columns = ", ".join(f"'{name}': '{kind}'" for name, kind in ENTRY_COLUMNS.items())
        return (
            f"read_csv('{self.entries}', header = true, auto_detect = false, "
            f"delim = ',', quote = '\"', escape = '\"', nullstr = '\\N', "
            f"columns = {{{columns}}})"
        )

    def read_file(self, side: Side, path: Path, *, partner: str, name: str, day: date) -> ReadFile | None:
        """A partner's file into its table, or None when the line parser must look at it. 读来文

        In:      `path` of the bytes as they came, which stays while the tables do; `name` is how the partner
                 calls it.
        Writes:  bank or his; nothing where it gives None.
        """
        shape = shape_of(path, side)
        if shape is None:
            return None
        try:
            self.con.execute(insertion(side, path, shape, self.cutover), [len(self.files), partner, day])
        except duckdb.Error:
            self._drop(side)
            return None
        counted, good, of_day = self._counted(side)
        if not good or counted.rows != shape.rows:
            self._drop(side)
            return None
        self.files.append(FileRead(side, partner, name, self._first(side), path, shape, ()))
        return ReadFile(counted, shape.totals, shape.balance, of_day)

    def add_rows(self, side: Side, rows: Sequence[PartnerRow], *, partner: str, name: str, day: date) -> None:
        """Rows that the line parser made of a file, into their table. 行入表"""
        path = self.folder / f"rows-{len(self.files)}.csv"
        header = (*STATEMENT_COLUMNS, *STATEMENT_MORE) if side == "B" else (*EXPORT_COLUMNS, *EXPORT_MORE)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(_cells(row) for row in rows)
        shape = Shape([*header], len(rows), crlf=False, totals=None, balance=None)
        sql = insertion(side, path, shape, self.cutover, quote='"')
        self.con.execute(sql, [len(self.files), partner, day])
        path.unlink()
        self.files.append(FileRead(side, partner, name, self._first(side), None, None, rows))

    def sums_of_entries(self) -> dict[str, int]:
        """What the day's entries move on each account, those of its end included, fen, no zeros. 凭证合计"""
        return dict(
            self.all(
                f"""SELECT account, sum(fen)::BIGINT FROM (
                    SELECT unnest(string_split(accounts, '{SEPARATOR}')) AS account,
                        unnest(string_split(fens, '{SEPARATOR}'))::BIGINT AS fen FROM {self.source_of_entries()})
                GROUP BY account HAVING sum(fen) <> 0"""  # noqa: S608 - our own names
            )
        )

    def keys_of_entries(self) -> frozenset[str]:
        """Every id, reference and number of the day's entries."""
        names = ", ".join(_KNOWN)
        found = self.all(f"SELECT DISTINCT unnest([{names}]) FROM {self.source_of_entries()}")  # noqa: S608 - our own names
        return frozenset(key for (key,) in found if key)

    def forget(self) -> None:
        """Let the last file go."""
        last = self.files.pop()
        self._drop(last.side)

    def forget_partner(self, side: Side, partner: str) -> None:
        """Let all rows of a partner's files go; their places stay."""
        numbers = [
            number for number, one in enumerate(self.files) if (one.side, one.partner) == (side, partner)
        ]
        self.con.execute(f"DELETE FROM {TABLE[side]} WHERE file IN (SELECT unnest(?::INTEGER[]))", [numbers])  # noqa: S608 - one of two names

    def partners(self) -> tuple[set[str], set[str]]:
        """Banks, networks and channels, and institutions, with whom plain entries of the day moved money."""
        banks = self.all("SELECT DISTINCT partner FROM ours WHERE plain")
        institutions = self.all("SELECT DISTINCT institution FROM ours WHERE plain AND institution <> ''")
        return {code for (code,) in banks}, {code for (code,) in institutions}

    def _first(self, side: Side) -> int:
        """Rowid of the first row of the file that was read just now; places of rows that went are not used again."""
        query = f"SELECT coalesce(min(rowid), 0) FROM {TABLE[side]} WHERE file = ?"  # noqa: S608 - one of two names
        found: int = self.one(query, len(self.files))
        return found

    def _counted(self, side: Side) -> tuple[Totals, bool, bool]:
        rows, in_fen, out_fen, good, of_day = self.all(
            f"""SELECT count(*), coalesce(sum(fen) FILTER (succ AND taken), 0)::BIGINT,
                coalesce(sum(fen) FILTER (succ AND NOT taken), 0)::BIGINT,
                coalesce(bool_and(ok), true), count(*) = 0 OR bool_or(of_day)
            FROM {TABLE[side]} WHERE file = ?""",  # noqa: S608 - one of two names
            len(self.files),
        )[0]
        return Totals(rows, in_fen, out_fen), bool(good), bool(of_day)

    def _drop(self, side: Side) -> None:
        self.con.execute(f"DELETE FROM {TABLE[side]} WHERE file = ?", [len(self.files)])  # noqa: S608 - the same


def _cells(row: PartnerRow) -> Iterable[object]:
    """One row as a canonical line with all columns."""
    if isinstance(row, StatementRow):
        return (
            row.bank_ref, row.platform_ref, row.bank_date, row.bank_time or "", row.type, row.direction,
            _yuan(row.amount_fen), row.status, row.card, row.original_bank_ref, row.institution,
            "" if row.fee_fen is None else _yuan(row.fee_fen), row.group,
        )  # fmt: skip
    return (
        row.order_no, row.platform_ref, row.trade_type, row.direction, _yuan(row.amount_fen), row.status,
        row.his_date, row.his_time or "", row.bank_ref, row.original_order_no, row.bank, row.card, row.group,
    )  # fmt: skip
