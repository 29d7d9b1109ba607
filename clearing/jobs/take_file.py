"""One file of a partner: kept, judged, what it says taken, answered; all of it or nothing. 单个来文

The bytes are kept first, with their digests, in a transaction of their own; then the file is judged, what it says
is taken and the ACK is written together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Final, NamedTuple

from clearing.errors import UsageError
from clearing.files.faults import FAULTS_MAX, Fault, Faults
from clearing.files.layout import Layout
from clearing.files.names import FileName
from clearing.files.outgoing import file_of
from clearing.files.parse import Row
from clearing.files.verdict import verdict_lines
from clearing.jobs.judge import SNAPSHOT, Arrived, Judged, judge, name_of
from clearing.jobs.layouts import known_layouts, reading_layouts, writing_layout
from clearing.jobs.orders import keep_made
from clearing.jobs.seal import sealer_of
from clearing.jobs.take_lines import ACK, RESULTS, Site, acknowledged, against_ours, answered
from clearing.jobs.tries import in_transaction
from clearing.store import days, payments, statements, verdicts
from clearing.store.session import transaction
from clearing.store.verdicts import Known, Verdict

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from clearing.jobs.gather import Names

ACCEPTED: Final = ("ACPT", "PART")
REJECTED: Final = "RJCT"
HELD: Final = "HELD"
IGNORED: Final = "IGNORED"
"""The same bytes again: nothing is done, nothing is said to who sent them."""
CAME_BEFORE: Final = "it came before and was judged; nothing is taken twice"


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
    """What it waits for, why it was ignored, or why the inbox failed."""


class Ruling(NamedTuple):
    """What a person decides about a file that waits for one before it."""

    by: str
    why: str
    take: bool
    """Whether it is taken although a number is missing, or rejected."""


class Terms(NamedTuple):
    """How a file is taken."""

    partial: bool = False
    """Whether good lines are taken of a file with bad ones."""
    profile: str = ""
    """Of the ACK; the partner's own that has ACK, else P, when empty."""
    ruling: Ruling | None = None


async def take_file(site: Site, arrived: Arrived, terms: Terms = Terms()) -> Received:  # noqa: B008 - never changes
    """Keep one file, judge it, take what it says, and write the ACK. 单个来文

    Writes, Again: as `receive`.
    """
    async with transaction(site.engine) as conn:
        today = await days.first_uncut(conn)
        layouts = reading_layouts(site.settings, site.members, arrived.partner, today)
        said = name_of(arrived.name, layouts, arrived.partner)
        number = await statements.keep(
            conn,
            kind=said.type if said else "",
            partner=arrived.partner,
            day=said.date if said else today,
            name=arrived.name,
            content=arrived.content,
            manifest=arrived.manifest,
        )

    async def work(conn: AsyncConnection, known: Names) -> Received:
        return await _judged(conn, _Case(site, arrived, number, layouts, terms), known)

    return await in_transaction(site.engine, arrived.name, work)


class _Case(NamedTuple):
    """One file that is kept, and how it is looked at."""

    site: Site
    arrived: Arrived
    number: int
    """Of the kept file."""
    layouts: Sequence[Layout]
    terms: Terms


async def _judged(conn: AsyncConnection, case: _Case, busy: Names) -> Received:
    site, arrived, number, ruling = case.site, case.arrived, case.number, case.terms.ruling
    await verdicts.one_at_a_time(conn)
    sealer = sealer_of(site.settings, site.members)
    read = judge(arrived, site.members, sealer, await days.first_uncut(conn), case.layouts)
    kind = read.said.type if read.said else ""
    before = await verdicts.known(conn, arrived.partner)
    mine = next((one for one in before if one.file == number), None)
    if (mine is not None and mine.verdict != HELD) or _again(case, read.said, before):
        return Received(arrived.partner, arrived.name, kind, IGNORED, message=CAME_BEFORE)
    found, wrong = await against_ours(conn, arrived.name, arrived.partner, read)
    missing = _missing(case, read.said, before)
    refused = [_rejected(case, missing)] if ruling is not None and not ruling.take else []
    faults = [*read.faults, *_same_name(case, read.said, before), *wrong, *refused]
    rows: Sequence[Row] = ()
    partly = bool(faults) and case.terms.partial and not refused and _lines_only(read, faults)
    if not faults or partly:
        bad = {one.detail for one in faults}
        rows = [row for row in found if row.detail not in bad]
    left_out = len({one.detail for one in faults})
    taken = len(rows) if read.rows else read.records - left_out if partly or not faults else 0
    verdict = "ACPT" if not faults else "PART" if taken else REJECTED
    if verdict in ACCEPTED and missing and ruling is None:
        if mine is None:
            await verdicts.add(conn, Verdict(number, HELD, read.records, 0, (), ""), site.now)
        return Received(arrived.partner, arrived.name, kind, HELD, read.records, message=missing)
    ack = "" if kind == ACK else await _ack(conn, case, read, taken, faults)
    kept = [(one.line, one.field, one.column, one.expected, one.got, one.code) for one in faults]
    by, why = (ruling.by, ruling.why) if ruling else ("", "")
    await verdicts.add(conn, Verdict(number, verdict, read.records, taken, kept, ack, by, why), site.now)
    posted = rejected = 0
    if kind in RESULTS and rows and read.said is not None:
        posted, rejected = await answered(conn, site, read.said, rows, busy)
    elif kind == ACK and verdict == "ACPT":
        await acknowledged(conn, arrived.partner, number, rows)
    return Received(
        arrived.partner,
        arrived.name,
        kind,
        verdict,
        read.records,
        taken,
        posted,
        rejected,
        ack,
        tuple(faults),
    )


def _same_name(case: _Case, said: FileName | None, before: Sequence[Known]) -> list[Fault]:
    """The same name with other bytes: a correction is the next version, never the same name."""
    arrived = case.arrived
    faults = Faults(arrived.name)
    for one in before:
        if one.name == arrived.name and one.file != case.number:
            wanted = f"the bytes {one.sha256.hex()[:16]}… that came first{_next_name(case, said, before)}"
            faults.add("FIL-003", wanted, f"{hashlib.sha256(arrived.content).hexdigest()[:16]}…")
    return faults.found


def _next_name(case: _Case, said: FileName | None, before: Sequence[Known]) -> str:
    """Under which name a correction may come, where the layout has versions in its names."""
    name = case.arrived.name
    layout = next((one for one in case.layouts if one.parse_name(name)), None)
    if layout is None or said is None:
        return ""
    others = (name_of(one.name, case.layouts, case.arrived.partner) for one in before)
    version = max(one.version for one in (said, *others) if one is not None and one[:-1] == said[:-1])
    meant = f"{layout.stem(said._replace(version=version + 1))}.{layout.extension}"
    return (
        f"; corrected, as {meant}" if layout.parse_name(meant) not in {None, layout.parse_name(name)} else ""
    )


def _again(case: _Case, said: FileName | None, before: Sequence[Known]) -> bool:
    """Whether the very bytes were taken as another version of the same file.

    Empty files of two days, or of two numbers, are the same bytes and two files.
    """
    if said is None:
        return False
    digest = hashlib.sha256(case.arrived.content).digest()
    same = [
        one for one in before if one.sha256 == digest and one.file != case.number and one.verdict != REJECTED
    ]
    others = (name_of(one.name, case.layouts, case.arrived.partner) for one in same)
    return any(other is not None and other[:-1] == said[:-1] for other in others)


def _missing(case: _Case, said: FileName | None, before: Sequence[Known]) -> str:
    """What is missing before this file, empty for nothing: numbers go without gaps in (type, date)."""
    if said is None or said.seq == 1:
        return ""
    partner = case.arrived.partner
    names = (name_of(one.name, case.layouts, partner) for one in before if one.verdict in ACCEPTED)
    wanted = (said.type, said.date, said.seq - 1)
    if any(one is not None and (one.type, one.date, one.seq) == wanted for one in names):
        return ""
    return f"number {said.seq - 1:03d} of {said.type} of {said.date} has not come"


def _rejected(case: _Case, missing: str) -> Fault:
    """Why a file is rejected that a person gave up waiting for."""
    return Fault(case.arrived.name, 0, 0, "", "the file before it", missing or "none", "FIL-003")


def _lines_only(read: Judged, faults: Sequence[Fault]) -> bool:
    """Whether all that is wrong is wrong with single lines or items, of a type in which each stands for itself."""
    if read.said is not None and read.said.type == SNAPSHOT:
        return False  # a card that is left out of a snapshot is a card that is not there
    return len(faults) < FAULTS_MAX and all(one.detail in read.details for one in faults)


async def _ack(conn: AsyncConnection, case: _Case, read: Judged, taken: int, faults: Sequence[Fault]) -> str:
    """Render and keep the ACK, ready to be delivered, and give its name."""
    site, arrived = case.site, case.arrived
    today = await days.first_uncut(conn)
    day = read.said.date if read.said else today
    layout = ack_layout(site, arrived.partner, today, case.terms.profile)
    await payments.one_at_a_time(conn)
    seq = await payments.next_seq(conn, day, layout.profile, ACK, arrived.partner)
    content = read.plain or arrived.content
    lines = verdict_lines(
        arrived.name,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        records=read.records,
        taken=taken,
        faults=faults,
    )
    name = FileName(ACK, site.members.platform.code, arrived.partner, day, seq, 1)
    made = file_of(name, lines, layout, site.members.clock)
    await keep_made(conn, sealer_of(site.settings, site.members), [made], layout)
    return made.name


def ack_layout(site: Site, partner: str, day: date, profile: str) -> Layout:
    """The layout of an ACK: as the inbox says, else the partner's own that has it, else P.

    Raises:  UsageError when the inbox names a profile without ACK.
    """
    if not profile:
        return writing_layout(site.settings, site.members, partner, day, file_type=ACK, usual="P")
    known = known_layouts(site.settings)
    if profile in known and ACK in known[profile].types:
        return known[profile]
    raise UsageError(
        f"inbox of {partner}: expected a profile with ACK, got {profile!r}. Next: correct partners.toml"
    )
