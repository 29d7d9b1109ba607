"""One file of a partner: kept, judged, what it says taken, answered; all of it or nothing. 单个来文

The bytes are kept first, with their digests, in a transaction of their own; then the file is judged, what it says
is taken and the ACK is written together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from clearing.files.faults import FAULTS_MAX, Fault, Faults
from clearing.files.layout import FileName, load_layout
from clearing.files.outgoing import file_of
from clearing.files.parse import Row
from clearing.files.records import BadLine, VerdictLine
from clearing.files.verdict import verdict_lines
from clearing.jobs.answers import answers_of, faults_of
from clearing.jobs.judge import Arrived, Judged, judge, name_of
from clearing.jobs.orders import keep_made, orders_of
from clearing.jobs.own_events import take_made
from clearing.jobs.seal import sealer_of
from clearing.jobs.tries import in_transaction
from clearing.ledger.outcomes import Outcome
from clearing.store import days, files, payments, statements, verdicts
from clearing.store.session import transaction
from clearing.store.verdicts import Known, Verdict
from messages import Malformed

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from clearing.ledger.members import Members
    from clearing.settings import Settings

ACCEPTED: Final = ("ACPT", "PART")
HELD: Final = "HELD"
IGNORED: Final = "IGNORED"
"""The same bytes again: nothing is done, nothing is said."""


class Received(NamedTuple):
    """What became of one file."""

    partner: str
    file: str
    type: str
    verdict: str
    """ACPT, PART, RJCT, HELD for a file before it, or IGNORED; FAILED for an inbox that cannot be had."""
    records: int = 0
    taken: int = 0
    posted: int = 0
    """Events that its lines became and that moved the books."""
    refused: int = 0
    """Events that the books refused; see `clearing trace`."""
    ack: str = ""
    faults: tuple[Fault, ...] = ()
    message: str = ""
    """What it waits for, or why the inbox failed."""


class Site(NamedTuple):
    """What every file is taken with."""

    engine: AsyncEngine
    settings: Settings
    members: Members
    now: datetime


async def take_file(site: Site, arrived: Arrived, *, partial: bool = False, profile: str = "P") -> Received:
    """Keep one file, judge it, take what it says, and write the ACK. 单个来文

    In:      `partial`: whether good lines are taken of a file with bad ones; the profile of the ACK.
    Writes, Again: as `receive`.
    """
    said = name_of(arrived.name)
    async with transaction(site.engine) as conn:
        day = said.date if said else await days.first_uncut(conn)
        number = await statements.keep(
            conn,
            kind=said.type if said else "",
            partner=arrived.partner,
            day=day,
            name=arrived.name,
            content=arrived.content,
            manifest=arrived.manifest,
        )

    async def work(conn: AsyncConnection, known: frozenset[str]) -> Received:
        return await _judged(conn, site, arrived, number, known, partial=partial, profile=profile)

    return await in_transaction(site.engine, arrived.name, work)


async def _judged(
    conn: AsyncConnection,
    site: Site,
    arrived: Arrived,
    number: int,
    busy: frozenset[str],
    *,
    partial: bool,
    profile: str,
) -> Received:
    await verdicts.one_at_a_time(conn)
    sealer = sealer_of(site.settings, site.members)
    read = judge(arrived, site.members, sealer, await days.first_uncut(conn))
    kind = read.said.type if read.said else ""
    before = await verdicts.known(conn, arrived.partner)
    mine = next((one for one in before if one.file == number), None)
    if (mine is not None and mine.verdict != HELD) or _again(arrived, read.said, number, before):
        return Received(arrived.partner, arrived.name, kind, IGNORED)
    faults = [*read.faults, *_same_name(arrived, number, before)]
    faults += await _against_orders(conn, arrived, read)
    if faults and not (partial and _lines_only(read, faults)):
        rows: tuple[Row, ...] = ()
    else:
        bad = {one.line for one in faults}
        rows = tuple(row for row in read.rows if row.line not in bad)
    taken = len(rows) if read.rows else 0 if faults else read.records
    verdict = "ACPT" if not faults else "PART" if taken else "RJCT"
    if verdict in ACCEPTED and read.said is not None and _gap(read.said, before):
        if mine is None:
            await verdicts.add(conn, Verdict(number, HELD, read.records, 0, (), ""), site.now)
        said = f"number {read.said.seq - 1:03d} of {kind} of {read.said.date} has not come"
        return Received(arrived.partner, arrived.name, kind, HELD, read.records, message=said)
    ack = "" if kind == "ACK" else await _ack(conn, site, arrived, read, taken, faults, profile)
    kept = [(one.line, one.field, one.column, one.expected, one.got, one.code) for one in faults]
    await verdicts.add(conn, Verdict(number, verdict, read.records, taken, kept, ack), site.now)
    posted = refused = 0
    if kind in {"PYR", "RTN"} and rows and read.said is not None:
        posted, refused = await _answered(conn, site, read.said, rows, busy)
    elif kind == "ACK" and verdict == "ACPT":
        await _acknowledged(conn, arrived.partner, number, rows)
    return Received(
        arrived.partner, arrived.name, kind, verdict, read.records, taken, posted, refused, ack, tuple(faults)
    )


def _same_name(arrived: Arrived, number: int, before: Sequence[Known]) -> list[Fault]:
    """The same name with other bytes: a correction is the next version, never the same name."""
    faults = Faults(arrived.name)
    for one in before:
        if one.name == arrived.name and one.file != number:
            got = hashlib.sha256(arrived.content).hexdigest()
            faults.add(
                "FIL-003", f"the bytes {one.sha256.hex()[:16]}… that came under this name", f"{got[:16]}…"
            )
    return faults.found


def _again(arrived: Arrived, said: FileName | None, number: int, before: Sequence[Known]) -> bool:
    """Whether the very bytes were taken as another version of the same file.

    Empty files of two days, or of two numbers, are the same bytes and two files.
    """
    if said is None:
        return False
    digest = hashlib.sha256(arrived.content).digest()
    same = [one for one in before if one.sha256 == digest and one.file != number and one.verdict != "RJCT"]
    return any((other := name_of(one.name)) is not None and other[:-1] == said[:-1] for one in same)


def _gap(said: FileName, before: Sequence[Known]) -> bool:
    """Whether the file before this one is missing: numbers go without gaps in (type, date)."""
    if said.seq == 1:
        return False
    wanted = said.seq - 1
    names = (name_of(one.name) for one in before if one.verdict in ACCEPTED)
    return not any(
        one is not None and (one.type, one.date, one.seq) == (said.type, said.date, wanted) for one in names
    )


def _lines_only(read: Judged, faults: Sequence[Fault]) -> bool:
    """Whether all that is wrong is wrong with single detail lines, of a type whose lines stand for themselves."""
    return bool(read.rows) and len(faults) < FAULTS_MAX and all(one.line in read.details for one in faults)


async def _against_orders(conn: AsyncConnection, arrived: Arrived, read: Judged) -> tuple[Fault, ...]:
    if not read.rows or read.said is None:
        return ()
    if read.said.type == "ACK":
        return await _of_ours(conn, arrived, read.rows)
    orders = await payments.lines(conn, [row.record.pay_id for row in read.rows])
    given = {
        line.pay_id: line
        for name in sorted({one.file for one in orders.values()})
        for line in await orders_of(conn, name)
    }
    found = faults_of(arrived.name, arrived.partner, read.rows, orders, given)
    return tuple(replace(one, field=read.fields.get(one.column, 0)) for one in found)


async def _of_ours(conn: AsyncConnection, arrived: Arrived, rows: Sequence[Row]) -> tuple[Fault, ...]:
    """An ACK names a file that we have for its sender, and the digest of its bytes."""
    faults = Faults(arrived.name)
    for row in rows:
        line = row.record
        if not isinstance(line, VerdictLine):
            continue
        ours = await files.get(conn, line.file)
        if ours is None or ours.receiver != arrived.partner:
            wanted = f"a file of ours to {arrived.partner}"
            faults.add("FMT-010", wanted, line.file, line=row.line, column="file")
        elif line.sha256 != ours.sha256.hex():
            wanted = f"{ours.sha256.hex()[:16]}…"
            faults.add("FMT-012", wanted, f"{line.sha256[:16]}…", line=row.line, column="sha256")
    return tuple(faults.found)


# ---------------------------------------------------------------- what a file says


async def _answered(
    conn: AsyncConnection, site: Site, said: FileName, rows: Sequence[Row], busy: frozenset[str]
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
    await payments.answer(conn, found.answers, site.now)
    if not found.events:
        return 0, 0
    made = await take_made(conn, site.settings, site.members, found.events, busy)
    outcomes = [Outcome.REJECTED if isinstance(one, Malformed) else one.outcome for one in made]
    return outcomes.count(Outcome.POSTED), outcomes.count(Outcome.REJECTED)


async def _acknowledged(conn: AsyncConnection, partner: str, number: int, rows: Sequence[Row]) -> None:
    head = rows[0].record
    bad = [row.record for row in rows[1:] if isinstance(row.record, BadLine)]
    told = [(one.at_line, one.at_field, one.column, one.expected, one.got, one.code) for one in bad]
    said = Verdict(number, head.verdict, head.records, head.taken, told, "")
    await verdicts.acknowledge(conn, head.file, partner, number, said)


async def _ack(  # noqa: PLR0917 - the file, what was found, and how to say it
    conn: AsyncConnection,
    site: Site,
    arrived: Arrived,
    read: Judged,
    taken: int,
    faults: Sequence[Fault],
    profile: str,
) -> str:
    """Render and keep the ACK, ready to be delivered, and give its name."""
    day = read.said.date if read.said else await days.first_uncut(conn)
    layout = load_layout(profile)
    await payments.one_at_a_time(conn)
    seq = await payments.next_seq(conn, day, profile, "ACK", arrived.partner)
    lines = verdict_lines(
        arrived.name,
        size=len(read.plain or arrived.content),
        sha256=hashlib.sha256(read.plain or arrived.content).hexdigest(),
        records=read.records,
        taken=taken,
        faults=faults,
    )
    name = FileName("ACK", site.members.platform.code, arrived.partner, day, seq, 1)
    made = file_of(name, lines, layout, site.members.clock)
    await keep_made(conn, sealer_of(site.settings, site.members), [made], layout)
    return made.name
