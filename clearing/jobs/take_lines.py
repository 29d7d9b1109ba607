"""What the lines of a partner's file mean: held against our orders and files, then taken. 来文明细

Everything here happens in the transaction in which the file is judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from clearing.files.faults import Fault, Faults
from clearing.files.parse import Row
from clearing.files.records import BadLine, VerdictLine
from clearing.jobs.answers import answers_of, faults_of
from clearing.jobs.notify import notify
from clearing.jobs.orders import orders_of
from clearing.jobs.own_events import take_made
from clearing.ledger.outcomes import Outcome
from clearing.store import files, locks, payments, verdicts
from clearing.store.payments import PayLineRow
from clearing.store.verdicts import Verdict
from messages import Malformed

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from clearing.files.names import FileName
    from clearing.jobs.gather import Names
    from clearing.jobs.judge import Judged
    from clearing.ledger.members import Members
    from clearing.settings import Settings

RESULTS = ("PYR", "RTN")
ACK = "ACK"


class Site(NamedTuple):
    """What every file is taken with."""

    engine: AsyncEngine
    settings: Settings
    members: Members
    now: datetime


async def against_ours(
    conn: AsyncConnection, name: str, partner: str, read: Judged
) -> tuple[Sequence[Row], tuple[Fault, ...]]:
    """The lines of a file held against what we have: orders that were given, files that were sent. 勾对

    Out:     the lines with what follows from their orders (our own id, an amount that was not repeated), and the
             faults that only we can see.
    """
    if not read.rows or read.said is None or read.said.type not in (*RESULTS, ACK):
        return read.rows, ()
    if read.said.type == ACK:
        return read.rows, await _of_ours(conn, name, partner, read.rows)
    orders = await payments.lines(conn, [row.record.pay_id for row in read.rows])
    rows = [named(row, orders) for row in read.rows]
    orders = {one.pay_id: one for one in orders.values()}
    given = {
        line.pay_id: line
        for name in sorted({one.file for one in orders.values()})
        for line in await orders_of(conn, name)
    }
    found = faults_of(name, partner, rows, orders, given)
    return rows, tuple(replace(one, field=read.fields.get(one.column, 0)) for one in found)


def named(row: Row, orders: Mapping[str, PayLineRow]) -> Row:
    """A line under our own id of its order: a bank may know it by the short one, and repeat less of it."""
    line = row.record
    order = orders.get(line.pay_id)
    if order is None:
        return row
    amount_fen = order.amount_fen if line.amount_fen is None else line.amount_fen
    return row._replace(record=line._replace(pay_id=order.pay_id, amount_fen=amount_fen))


async def _of_ours(conn: AsyncConnection, name: str, partner: str, rows: Sequence[Row]) -> tuple[Fault, ...]:
    """An ACK names a file that we have for its sender, and the digest of its bytes."""
    faults = Faults(name)
    for row in rows:
        line = row.record
        if not isinstance(line, VerdictLine):
            continue
        ours = await files.get(conn, line.file)
        if ours is None or ours.receiver != partner:
            wanted = f"a file of ours to {partner}"
            faults.add("FMT-010", wanted, line.file, line=row.line, column="file")
        elif line.sha256 != ours.sha256.hex():
            wanted = f"{ours.sha256.hex()[:16]}…"
            faults.add("FMT-012", wanted, f"{line.sha256[:16]}…", line=row.line, column="sha256")
    return tuple(faults.found)


async def answered(
    conn: AsyncConnection, site: Site, said: FileName, rows: Sequence[Row], busy: Names
) -> tuple[int, int]:
    """Take what a bank says of its orders; gives how many events moved the books, and how many were refused."""
    orders = await payments.lines(conn, [row.record.pay_id for row in rows])
    found = answers_of(
        rows,
        orders,
        site.members,
        bank=said.sender,
        day=said.date,
        tries_max=site.settings.pay_tries_max,
        env=site.settings.env,
    )
    await locks.day_shared(conn)
    await payments.answer(conn, found.answers, site.now)
    if not found.events:
        return 0, 0
    made = await take_made(conn, site.settings, site.members, found.events, busy)
    entries = [one.entry for one in made if not isinstance(one, Malformed) and one.entry is not None]
    await notify(conn, site.settings, site.members, entries)
    outcomes = [Outcome.REJECTED if isinstance(one, Malformed) else one.outcome for one in made]
    return outcomes.count(Outcome.POSTED), outcomes.count(Outcome.REJECTED)


async def acknowledged(conn: AsyncConnection, partner: str, number: int, rows: Sequence[Row]) -> None:
    """Keep what a partner says of a file of ours."""
    head = rows[0].record
    bad = [row.record for row in rows[1:] if isinstance(row.record, BadLine)]
    told = [(one.at_line, one.at_field, one.column, one.expected, one.got, one.code) for one in bad]
    said = Verdict(number, head.verdict, head.records, head.taken, told, "")
    await verdicts.acknowledge(conn, head.file, partner, number, said)
