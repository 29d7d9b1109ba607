"""Payment orders to banks: what is due, what went out, what the banks said of it. 代付指令"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Final, NamedTuple, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.ledger.facts import Instruction, Payout
from clearing.store.days import first_uncut
from clearing.store.kinds import KINDS, columns
from clearing.store.session import driver

_DISPATCH: Final = 7206
"""Class of the advisory lock that lets one dispatch write at a time; 7201 to 7205 are others'."""

_PAYOUT, _INSTRUCTION = KINDS["payout"], KINDS["instruction"]


class DuePayout(NamedTuple):
    """A payout that may go out, and the record of its submission where that names a payee of its own."""

    payout: Payout
    raw: bytes | None


class PayLineRow(NamedTuple):
    """A payment order; meanings as in `delivery_tables.pay_line`."""

    pay_id: str
    pay_ref: str
    kind: str
    bank: str
    amount_fen: int
    dispatch: int
    file: str
    sent: int
    result: str = ""
    bank_ref: str = ""
    bank_date: date | None = None
    reason_code: str = ""
    answered_at: datetime | None = None
    asked_at: datetime | None = None


class Dispatched(NamedTuple):
    """One dispatch as it is kept."""

    kind: str
    window: str
    bank: str
    at: datetime
    files: int
    rows: int
    total_fen: int


async def one_at_a_time(conn: AsyncConnection) -> None:
    """Keep other dispatches away until this transaction ends. 发送锁"""
    await (await driver(conn)).fetchval("SELECT pg_advisory_xact_lock($1, 0)", _DISPATCH)


# ---------------------------------------------------------------- what is due

# A batch's rows go out when the whole of it has been released; R12 alone goes out again by itself.
_DUE: Final = f"""
    SELECT {columns(_PAYOUT, "p")},
        CASE WHEN p.attempt = 1 AND position('"payee"'::bytea IN e.raw) > 0 THEN e.raw END AS raw
    FROM payout p JOIN event e ON e.source = p.source AND e.id = p.id
    LEFT JOIN payout_batch b ON b.payer = p.payer AND b.batch_id = p.batch_id
    LEFT JOIN pay_line l ON l.pay_id = p.source || '/' || p.id || '/' || p.attempt
    WHERE p.bank = $1 AND ((p.state = 'ACCEPTED' AND l.pay_id IS NULL AND (p.batch_id = '' OR b.state = 'RELEASED'))
        OR (p.state = 'SENT' AND l.result = 'AGAIN'))
    ORDER BY p.payer, p.batch_id, p.row_no, p.source, p.id LIMIT $2
"""  # noqa: S608 - our own column names
_BANKS: Final = """
    SELECT DISTINCT bank FROM payout WHERE state = 'ACCEPTED'
    UNION SELECT bank FROM pay_line WHERE result = 'AGAIN' AND kind = 'PAYOUT' ORDER BY 1
"""


async def banks_due(conn: AsyncConnection) -> list[str]:
    """Banks that have payouts to be sent, in order of code. 待发银行"""
    return [bank for (bank,) in await (await driver(conn)).fetch(_BANKS)]


async def due(conn: AsyncConnection, bank: str, rows_max: int) -> list[DuePayout]:
    """A bank's payouts that may go out now: accepted and, in a batch, released; or to go out again. 待发代付"""
    rows = await (await driver(conn)).fetch(_DUE, bank, rows_max)
    return [
        DuePayout(cast("Payout", _PAYOUT.of_row({n: row[n] for n in _PAYOUT.hints})), row["raw"])
        for row in rows
    ]


# The step of `files` is what makes a day's instructions known to their banks; a replaced or confirmed one is over.
_SETTLE: Final = f"""
    SELECT {columns(_INSTRUCTION, "i")} FROM instruction i
    JOIN day d ON d.clearing_date = i.clearing_date AND d.state IN ('filed', 'reconciled', 'signed')
    LEFT JOIN pay_line l ON l.pay_id = i.id
    WHERE i.state = 'WAITING' AND i.value_date <= $1 AND l.pay_id IS NULL
    ORDER BY i.clearing_date, i.debtor, i.kind = 'INTER_BANK', i.id
"""  # noqa: S608 - our own column names


async def instructions_due(conn: AsyncConnection, on: date) -> list[Instruction]:
    """Instructions of filed days whose value date has come and that did not go out. 待发清算指令"""
    return [
        cast("Instruction", _INSTRUCTION.of_row(row)) for row in await (await driver(conn)).fetch(_SETTLE, on)
    ]


async def dispatched(conn: AsyncConnection, kind: str, window: str) -> set[str]:
    """The banks for which a window has been worked off."""
    query = 'SELECT bank FROM dispatch WHERE kind = $1 AND "window" = $2'
    return {bank for (bank,) in await (await driver(conn)).fetch(query, kind, window)}


# ---------------------------------------------------------------- what goes out


async def add_dispatch(conn: AsyncConnection, one: Dispatched) -> int:
    """Keep a dispatch and give its number.

    In:      the day held shared in this transaction, so that it is before a cut or behind it.
    Writes:  dispatch.
    Again:   refused by (kind, window, bank).
    """
    number: int = await (await driver(conn)).fetchval(
        'INSERT INTO dispatch (kind, "window", bank, at, files, rows, total_fen, clearing_date) '
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id",
        *one,
        await first_uncut(conn),
    )
    return number


_SENT: Final = """
    INSERT INTO pay_line
        (pay_id, pay_ref, kind, bank, amount_fen, dispatch, file, sent, result, bank_ref, reason_code)
    SELECT u.pay_id, u.pay_ref, $2, $3, u.fen, $4, u.file, 1, '', '', ''
    FROM unnest($1::text[], $5::text[], $6::text[], $7::bigint[]) AS u(pay_id, pay_ref, file, fen)
    ON CONFLICT (pay_id) DO UPDATE SET dispatch = $4, file = excluded.file, sent = pay_line.sent + 1, result = '',
        bank_ref = '', bank_date = NULL, reason_code = ''
        WHERE pay_line.result = 'AGAIN'
    RETURNING pay_id
"""


async def add_lines(
    conn: AsyncConnection, kind: str, bank: str, dispatch: int, lines: Sequence[tuple[str, str, str, int]]
) -> int:
    """Keep the orders of a dispatch, and give how many may go out.

    In:      (pay_id, pay_ref, file, fen) of each.
    Out:     fewer than there are when a bank has answered one since it was found to be due.
    Writes:  pay_line.
    Again:   refused: an order goes out again only where the bank said that it was busy.
    """
    ids, refs, files, fens = zip(*lines, strict=True)
    kept = await (await driver(conn)).fetch(_SENT, ids, kind, bank, dispatch, refs, files, fens)
    return len(kept)


# ---------------------------------------------------------------- what the banks said


async def lines(conn: AsyncConnection, pay_ids: Collection[str]) -> dict[str, PayLineRow]:
    """Orders by the id that was asked, their own or its short form; locked to the end of the transaction. 指令

    Out:     unknown ones are absent.
    """
    rows = await (await driver(conn)).fetch(_NAMED, list(pay_ids))
    found = [PayLineRow(*row) for row in rows]
    return {one.pay_ref: one for one in found} | {one.pay_id: one for one in found}


_NAMED: Final = f"""
    SELECT {", ".join(PayLineRow._fields)} FROM pay_line
    WHERE pay_id = ANY($1::text[]) OR pay_ref = ANY($1::text[]) ORDER BY pay_id FOR UPDATE
"""  # noqa: S608 - our own column names


class Answer(NamedTuple):
    """What a bank said of one order."""

    pay_id: str
    result: str
    bank_ref: str
    bank_date: date | None
    reason_code: str


_ANSWERED: Final = """
    UPDATE pay_line l SET result = u.result, bank_ref = u.bank_ref, bank_date = u.bank_date,
        reason_code = u.reason_code, answered_at = $6, answered_date = $7
    FROM unnest($1::text[], $2::text[], $3::text[], $4::date[], $5::text[])
        AS u(pay_id, result, bank_ref, bank_date, reason_code)
    WHERE l.pay_id = u.pay_id
"""


async def answer(conn: AsyncConnection, answers: Sequence[Answer], at: datetime) -> None:
    """Keep what a bank said of its orders.

    In:      the day held shared in this transaction.
    Writes:  pay_line.
    Again:   the same.
    """
    if answers:
        columns_ = map(list, zip(*answers, strict=True))
        await (await driver(conn)).execute(_ANSWERED, *columns_, at, await first_uncut(conn))


_OPEN: Final = f"""
    SELECT {", ".join(f"l.{name}" for name in PayLineRow._fields)}
    FROM pay_line l JOIN dispatch d ON d.id = l.dispatch
    WHERE ((l.result = 'U' AND coalesce(l.asked_at, l.answered_at) <= $1)
        OR (l.result = '' AND coalesce(l.asked_at, d.at) <= $1))
        AND ($2::text IS NULL OR l.bank = $2)
    ORDER BY l.bank, l.file, l.pay_id
"""  # noqa: S608 - our own column names


async def unanswered(conn: AsyncConnection, before: datetime, bank: str | None = None) -> list[PayLineRow]:
    """Orders whose end is unknown, or of which nothing was heard or asked since an instant. 未明指令"""
    return [PayLineRow(*row) for row in await (await driver(conn)).fetch(_OPEN, before, bank)]


_LISTED: Final = f"""
    SELECT {", ".join(f"l.{name}" for name in PayLineRow._fields)}, d.at
    FROM pay_line l JOIN dispatch d ON d.id = l.dispatch
    WHERE ($1::text IS NULL OR l.bank = $1) AND ($2::text[] IS NULL OR l.result = ANY($2::text[]))
        AND ($3::text IS NULL OR l.pay_id = $3 OR l.pay_ref = $3)
    ORDER BY d.id, l.pay_id LIMIT $4
"""  # noqa: S608 - our own column names


class SentOrder(NamedTuple):
    """An order and when it went out last."""

    order: PayLineRow
    at: datetime


async def listed(
    conn: AsyncConnection,
    *,
    bank: str | None = None,
    results: Collection[str] | None = None,
    pay_id: str | None = None,
    rows_max: int = 100,
) -> list[SentOrder]:
    """Orders of a bank, with these answers, or of one id (its short form too), oldest first. 代付指令清单"""
    rows = await (await driver(conn)).fetch(
        _LISTED, bank, None if results is None else list(results), pay_id, rows_max
    )
    return [SentOrder(PayLineRow(*row[:-1]), row[-1]) for row in map(tuple, rows)]


async def asked(conn: AsyncConnection, pay_ids: Collection[str], at: datetime) -> None:
    """Note that the bank was asked about these orders.

    Writes:  pay_line.
    Again:   the later instant stands.
    """
    await (await driver(conn)).execute(
        "UPDATE pay_line SET asked_at = $2 WHERE pay_id = ANY($1::text[])", list(pay_ids), at
    )


async def dispatches(conn: AsyncConnection, rows_max: int = 100) -> list[Dispatched]:
    """The newest dispatches. 发送批次"""
    query = 'SELECT kind, "window", bank, at, files, rows, total_fen FROM dispatch ORDER BY id DESC LIMIT $1'
    return [Dispatched(*row) for row in await (await driver(conn)).fetch(query, rows_max)]


async def next_seq(conn: AsyncConnection, day: date, profile: str, file_type: str, receiver: str) -> int:
    """The next number of a receiver's files of a type and day, without gaps; under `one_at_a_time`. 文件序号"""
    query = (
        "SELECT coalesce(max(seq), 0) + 1 FROM file WHERE clearing_date = $1 AND profile = $2 AND type = $3 "
        "AND receiver = $4"
    )
    found: int = await (await driver(conn)).fetchval(query, day, profile, file_type, receiver)
    return found
