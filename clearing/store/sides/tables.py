"""Entries and partners' files into tables, set-wise, and only where nothing is odd about them. 成批读入

A file in which anything is not as plain as can be (quotes, spaces around a cell, an amount in another form, a
wrong line) is not read here at all: `read_file` says so, and the line parser of the pure room decides, with its
messages. So there is one opinion about what is sound, and a fast way for what plainly is.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterable, Sequence
from datetime import date, time
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import duckdb

from clearing.ledger.money import yuan as _yuan
from clearing.reconciliation.partner_files import Balance, Totals
from clearing.reconciliation.rows import BANK_UNDO, PartnerRow, StatementRow
from clearing.reconciliation.statements import (
    EXPORT_COLUMNS,
    EXPORT_MORE,
    STATEMENT_COLUMNS,
    STATEMENT_MORE,
    STATUSES,
    TRADE_TYPES,
    TYPES,
)
from clearing.reconciliation.trailers import trailers

Side: TypeAlias = Literal["B", "H"]

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

TABLE: Final[dict[Side, str]] = {"B": "bank", "H": "his"}
_KNOWN: Final = (
    "id", "bank_ref", "order_no", "receipt_no", "admission_no", "original_ref", "original_order",
    "original_receipt", "original_admission",
)  # fmt: skip
_CHUNK: Final = 1 << 24
_TAIL: Final = 1 << 16
_SECRET_DIGITS: Final = 13
_PLAIN: Final = "[!-&(-~]*"
"""Printable ASCII without space and apostrophe: needs no trimming and carries no guard."""
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


class _Shape(NamedTuple):
    """What the bytes of a file look like, told without looking at cells."""

    header: list[str]
    rows: int
    crlf: bool
    totals: Totals | None
    balance: Balance | None


class FileRead(NamedTuple):
    """Where the rows of one file are."""

    side: Side
    partner: str
    name: str
    first: int
    """Rowid of its first row."""
    path: Path | None
    """The file, where it was read here; each row of it is a line."""
    shape: _Shape | None
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
        shape = _shape(path, side)
        if shape is None:
            return None
        try:
            self.con.execute(_insert(side, path, shape, self.cutover), [len(self.files), partner, day])
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
        shape = _Shape([*header], len(rows), crlf=False, totals=None, balance=None)
        sql = _insert(side, path, shape, self.cutover, quote='"')
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


# ---------------------------------------------------------------- numbers for names


def hashed(text: str) -> str:
    """A cell as a number, NULL where it is empty."""
    return f"CASE WHEN {text} = '' THEN NULL ELSE hash({text}) END"


def token(kind: str, scope: str, text: str) -> str:
    """A token of `clean.tokens` as a number; that two may share one only sends more rows to the passes."""
    empty = f"{text} = ''" + (f" OR {scope} = ''" if kind == "n" else "")
    return f"CASE WHEN {text} IS NULL OR {empty} THEN NULL ELSE hash('{kind}', {scope}, {text}) END"


def second(text: str) -> str:
    """A second, independent number of a key: rows are joined by 128 bits of it."""
    return f"hash(concat('2', {text}))"


def number_key(institution: str, trade: str, number: str) -> str:
    """A number in an institution, as the key of one trade type."""
    return f"CASE WHEN {institution} = '' OR {number} = '' THEN NULL ELSE hash({institution}, {trade}, {number}) END"


# ---------------------------------------------------------------- how a file looks


def _shape(path: Path, side: Side) -> _Shape | None:
    """Header, count of rows and trailers of a file that is as plain as can be; None for any other."""
    newlines = returns = 0
    decoder = codecs.getincrementaldecoder("utf-8")()
    tail = b""
    with path.open("rb") as file:
        head = file.readline()
        file.seek(0)
        while chunk := file.read(_CHUNK):
            if b'"' in chunk or b"\0" in chunk:
                return None
            newlines += chunk.count(b"\n")
            returns += chunk.count(b"\r")
            if not chunk.isascii():
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError:
                    return None
            elif decoder.getstate()[0]:
                return None
            tail = (tail + chunk)[-_TAIL:]
    if decoder.getstate()[0] or not head.endswith(b"\n") or returns not in (0, newlines):
        return None
    header = _header(head.decode("utf-8", "replace"), side)
    end = _trailers(tail)
    if header is None or end is None:
        return None
    totals, balance, lines = end
    rows = newlines + (not tail.endswith(b"\n")) - 1 - lines
    return _Shape(header, rows, bool(returns), totals, balance)


def _header(line: str, side: Side) -> list[str] | None:
    names = line.removeprefix("\ufeff").rstrip("\r\n").split(",")
    needed, more = (STATEMENT_COLUMNS, STATEMENT_MORE) if side == "B" else (EXPORT_COLUMNS, EXPORT_MORE)
    plain = len(set(names)) == len(names) and set(needed) <= set(names) <= {*needed, *more}
    return names if plain else None


def _trailers(tail: bytes) -> tuple[Totals | None, Balance | None, int] | None:
    """What the lines that begin with # at the end say, and how many they are; None where they are not sound."""
    lines = tail.decode("utf-8", "replace").splitlines()
    marked = [line for line in lines if line.startswith("#")]
    if marked and lines[-len(marked) :] != marked:
        return None
    said = trailers([line.split(",") for line in marked])
    return None if said is None else (*said, len(marked))


# ---------------------------------------------------------------- cells to values


def source_of_file(path: Path, shape: _Shape, *, quote: str = "") -> str:
    """A partner's file, as a table to select from: its lines but the trailers, in order.

    One thread reads it: several put rows into a table in another order than the lines have (duckdb 1.5), and a
    row's place is how its line is found again.
    """
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in shape.header)
    ending = r"\r\n" if shape.crlf else r"\n"
    first = shape.header[0]
    marked = "" if quote else f""" WHERE "{first}" IS NULL OR "{first}" NOT LIKE '#%'"""
    return (
        f"(SELECT * FROM read_csv('{path}', header = true, auto_detect = false, delim = ',', quote = '{quote}', "  # noqa: S608
        f"escape = '{quote}', nullstr = '\\N', null_padding = {not quote}, new_line = '{ending}', "
        f"parallel = false, columns = {{{columns}}}){marked})"
    )


def _insert(side: Side, path: Path, shape: _Shape, cutover: time, quote: str = "") -> str:
    here = frozenset(shape.header)
    values = (_bank_values if side == "B" else _his_values)(here, cutover)
    whole = " AND ".join(f'"{name}" IS NOT NULL' for name in shape.header)
    return (
        f"INSERT INTO {TABLE[side]} SELECT $1, {values} AND {whole} "  # noqa: S608 - our own words
        f"FROM {source_of_file(path, shape, quote=quote)}"
    )


def _more(here: frozenset[str], names: Sequence[str]) -> list[str]:
    """Columns that may be absent, as cells."""
    return [f'"{name}"' if name in here else "''" for name in names]


def _bank_values(here: frozenset[str], cutover: time) -> str:
    institution, fee, group = _more(here, STATEMENT_MORE)
    texts = ("bank_ref", "platform_ref", "card", "original_bank_ref", institution, group)
    fee_ok = f"({fee} = '' OR regexp_full_match({fee}, '-?[0-9]{{1,13}}[.][0-9]{{2}}'))"
    of_day = f"coalesce({_belongs('bank_date', 'bank_time', cutover)} = $3, false)"
    return f"""
        {token("r", "$2", "bank_ref")}, {second("bank_ref")}, {token("e", "''", "platform_ref")},
        {token("r", "$2", "original_bank_ref")}, {_fen("amount")}, direction = 'D', {_date("bank_date")},
        type IN {_in(sorted(BANK_UNDO))}, {hashed("card")}, {hashed(institution)}, abs({_fen(fee)}),
        status = 'SUCC' AND {group} = '' AND type <> 'FEE' AND {of_day}, status = 'SUCC', {of_day},
        {_good("bank_date", "bank_time", texts)} AND {fee_ok}
        AND type IN {_in(TYPES)} AND direction IN ('D', 'C')"""


def _his_values(here: frozenset[str], cutover: time) -> str:
    bank, card, group = _more(here, EXPORT_MORE)
    texts = ("order_no", "platform_ref", "bank_ref", "original_order_no", bank, card, group)
    number = "CASE WHEN order_no = '' AND trade_type = 'REFUND' THEN bank_ref ELSE order_no END"
    of_day = f"coalesce({_belongs('his_date', 'his_time', cutover)} = $3, false)"
    return f"""
        {number_key("$2", "trade_type", f"({number})")}, {second(number)}, {token("e", "''", "platform_ref")},
        {token("n", "$2", "original_order_no")}, {_fen("amount")}, direction = 'R',
        trade_type = 'REFUND', {hashed(card)}, {hashed(bank)}, {token("n", "$2", "order_no")},
        {token("n", "$2", "bank_ref")}, status = 'SUCC' AND {group} = '' AND {of_day}, status = 'SUCC', {of_day},
        {_good("his_date", "his_time", texts)}
        AND trade_type IN {_in(TRADE_TYPES)} AND direction IN ('R', 'P')"""


def _good(day: str, at: str, texts: Sequence[str]) -> str:
    """Whether every cell is in the one plain form that the line parser takes as it stands."""
    every = ", ".join(texts)
    card = next((text for text in texts if text.strip('"') == "card"), "''")
    short = f"length(concat({every})) <= 64"
    each = " AND ".join(f"length({text}) <= 64" for text in texts)
    return f"""
        coalesce({_date(day)}::VARCHAR = {day} AND ({at} = '' OR {_time(at)}::VARCHAR = {at}), false)
        AND regexp_full_match(amount, '[0-9]{{1,13}}[.][0-9]{{2}}') AND status IN {_in(STATUSES)}
        AND regexp_full_match(concat({every}), '{_PLAIN}') AND ({short} OR ({each}))
        AND (length({card}) < {_SECRET_DIGITS} OR NOT regexp_full_match({card}, '[0-9_-]*'))"""


def _date(column: str) -> str:
    return f"TRY_CAST({column} AS DATE)"


def _time(column: str) -> str:
    return f"TRY_CAST(nullif({column}, '') AS TIME)"


def _fen(column: str) -> str:
    return f"TRY_CAST(replace({column}, '.', '') AS BIGINT)"


def _belongs(day: str, at: str, cutover: time) -> str:
    late = f"coalesce({_time(at)} >= TIME '{cutover.isoformat()}', false)"
    return f"({_date(day)} + CASE WHEN {late} THEN 1 ELSE 0 END)::DATE"


def _in(values: Iterable[str]) -> str:
    return "(" + ", ".join(f"'{value}'" for value in values) + ")"
