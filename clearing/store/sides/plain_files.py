"""A partner's file that is as plain as can be: told by its bytes, read into its table by one statement. 规整文件"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence
from datetime import time
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

from clearing.reconciliation.partner_files import Balance, Totals
from clearing.reconciliation.rows import BANK_UNDO
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
from clearing.store.sides.hashing import hashed, number_key, second, token

Side: TypeAlias = Literal["B", "H"]

TABLE: Final[dict[Side, str]] = {"B": "bank", "H": "his"}
_CHUNK: Final = 1 << 24
_TAIL: Final = 1 << 16
_SECRET_DIGITS: Final = 13
_PLAIN: Final = "[!-&(-~]*"
"""Printable ASCII without space and apostrophe: needs no trimming and carries no guard."""


class Shape(NamedTuple):
    """What the bytes of a file look like, told without looking at cells."""

    header: list[str]
    rows: int
    crlf: bool
    totals: Totals | None
    balance: Balance | None


# ---------------------------------------------------------------- how a file looks


def shape_of(path: Path, side: Side) -> Shape | None:
    """Header, count of rows and trailers of a file that is as plain as can be; None for any other. 规整判断"""
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
    return Shape(header, rows, bool(returns), totals, balance)


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


def source_of_file(path: Path, shape: Shape, *, quote: str = "") -> str:
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


def insertion(side: Side, path: Path, shape: Shape, cutover: time, quote: str = "") -> str:
    """The statement that reads a file into its table.

    In:      values of the statement are the file's number, its partner's code and the day.
    """
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
