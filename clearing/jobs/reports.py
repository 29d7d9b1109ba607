"""Reports written as files: one document, up to four renderings. 报表输出"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import TypeAdapter

from clearing.errors import UsageError, WorldFailed, on_disk
from clearing.jobs.reconcile_breaks import MAKER
from clearing.jobs.reconcile_files import BANKS, INSTITUTIONS, PAYERS
from clearing.reconciliation.breaks import OpenItem
from clearing.reconciliation.report import Report, digest
from clearing.reconciliation.report_member import report_of
from clearing.reports.mismatch import mismatch
from clearing.reports.mismatch_detail import Done
from clearing.reports.paper import as_paper, fonts
from clearing.reports.sign_offs import SignOff
from clearing.reports.table import Document
from clearing.reports.text import as_csv, as_json
from clearing.reports.workbook import as_workbook
from clearing.store import breaks, days, signing
from clearing.store.session import transaction

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from clearing.ledger.members import Members, MembersOn
    from clearing.store.breaks import StoredRun

_REPORT: Final = TypeAdapter(Report)
_OPEN_ITEMS: Final = TypeAdapter(tuple[OpenItem, ...])
PARTNERS: Final = BANKS | INSTITUTIONS | PAYERS
"""Kinds of members that have a part of their own of a mismatch report: those that give files."""

RENDERINGS: Final[Mapping[str, Callable[[Document], bytes]]] = {
    "xlsx": as_workbook,
    "pdf": as_paper,
    "csv": as_csv,
    "json": as_json,
}
"""Format → the document's bytes."""
FORMATS: Final = tuple(RENDERINGS)


def never_reconciled(day: date) -> UsageError:
    """Why there is no report of a day."""
    return UsageError(
        f"day {day}: it was never reconciled, so there is nothing to report. Next: clearing reconcile {day}"
    )


async def mismatch_document(engine: AsyncEngine, members: Members, day: date, member: str = "") -> Document:
    """The mismatch report of the run of a day that stands, with what people have done since. 差错报告

    In:      `member`: of this one alone, with nobody else's lines; empty for the whole.
    Raises:  UsageError when the day was never reconciled, or for a member that has no side in it.
    """
    async with transaction(engine) as conn:
        run = await breaks.last_run(conn, day)
        if run is None:
            raise never_reconciled(day)
        model = model_of(run)
        if member:
            model = await _of_member(conn, members, model, run, member)
        steps = await breaks.steps_by_people(conn, [one.id for one in model.detail], MAKER)
        duties, signed = await signing.duties(conn, run.id), await signing.of_run(conn, run.id)
        duties = [one for one in duties if member in {"", one}]
        closed = await days.get(conn, day)
    zone = members.clock.zone
    names = {one.code: one.name for one in members.on(day).by_code.values()}
    return mismatch(
        model,
        sm3=digest(run.report),
        member=f"{member} {names.get(member, '')}".rstrip(),
        root=closed.root.hex() if closed and closed.root else "",
        sign_offs=[
            SignOff(
                code,
                names.get(code, ""),
                {
                    one.role: (one.person, f"{one.at.astimezone(zone):%Y-%m-%d %H:%M:%S}" if one.at else "")
                    for one in signed
                    if one.member == code
                },
                next((one.alg for one in signed if one.member == code and one.alg), ""),
            )
            for code in duties
        ],
        signs=member or members.platform.code,
        platform=members.platform.name or members.platform.code,
        done=[
            Done(
                one.break_id,
                one.state,
                one.ending,
                one.maker,
                one.checker,
                one.why,
                f"{one.at.astimezone(zone):%Y-%m-%d %H:%M:%S}",
            )
            for one in steps
        ],
    )


async def _of_member(
    conn: AsyncConnection, members: Members, model: Report, run: StoredRun, code: str
) -> Report:
    """The part of a report that one member may have."""
    has_part(members.on(model.day), model.day, code)
    before = await breaks.run_before(conn, model.day)
    return report_of(model, code, *open_items(run, before))


def model_of(run: StoredRun) -> Report:
    """The report of a run as it was stored, with its number."""
    return replace(_REPORT.validate_python(run.report), run=str(run.id))


def open_items(run: StoredRun, before: StoredRun | None) -> tuple[tuple[OpenItem, ...], tuple[OpenItem, ...]]:
    """The breaks that were open after the run before, and after this one."""
    was = _OPEN_ITEMS.validate_python(before.open_after) if before else ()
    return was, _OPEN_ITEMS.validate_python(run.open_after)


def has_part(on: MembersOn, day: date, code: str) -> None:
    """Let those have a part of a report that give files.

    Raises:  UsageError for a code of anybody else.
    """
    if on.kind(code) not in PARTNERS:
        got = on.kind(code) or "no member"
        raise UsageError(
            f"report {day} --member {code}: expected the code of a {', '.join(sorted(PARTNERS))}, got {got}"
        )


async def write_report(
    engine: AsyncEngine,
    members: Members,
    day: date,
    out: Path,
    formats: Sequence[str] = FORMATS,
    *,
    member: str = "",
) -> list[Path]:
    """Write the mismatch report of a day into a directory, one file a format. 写差错报告

    In:      `members` give the platform's code, which stands in the names; `member`: of this one alone.
    Out:     the files, in the order of `formats`.
    Writes:  out/RHC_MIS_<platform>_<member or ALL>_<date>_<run>.<format>: whole or not at all.
    Again:   the same bytes under the same name while nobody has done more with a break; another run of the
             day has another name.
    Raises:  UsageError for an unknown format or a day that was never reconciled; WorldFailed for the disk, or
             for PDF without a Chinese font.
    """
    possible(formats)
    document = await mismatch_document(engine, members, day, member)
    run = next(int(str(one.value)) for one in document.facts if one.code == "run")
    stem = f"RHC_MIS_{members.platform.code}_{member or 'ALL'}_{day:%Y%m%d}_{run:03d}"
    return await write_document(document, out, stem, formats)


def possible(formats: Sequence[str]) -> None:
    """Refuse what cannot be written before anything is.

    Raises:  UsageError for an unknown format; WorldFailed for PDF without a Chinese font.
    """
    strange = [one for one in formats if one not in RENDERINGS]
    if strange:
        raise UsageError(f"report: expected a format of {', '.join(RENDERINGS)}, got {', '.join(strange)}")
    if "pdf" in formats:
        fonts()


def possible_here() -> list[str]:
    """The formats that this machine can write: PDF needs a Chinese font."""
    try:
        fonts()
    except WorldFailed:
        return [one for one in FORMATS if one != "pdf"]
    return list(FORMATS)


async def write_document(document: Document, out: Path, stem: str, formats: Sequence[str]) -> list[Path]:
    """Write a document into a directory, one file a format.

    Writes:  out/<stem>.<format>: whole or not at all.
    Again:   the same bytes under the same names.
    Raises:  WorldFailed for the disk.
    """
    written: list[Path] = []
    for one in dict.fromkeys(formats):
        target = out / f"{stem}.{one}"
        with on_disk(target):
            # Setting a thousand pages takes seconds: beside the loop, not in it.
            await asyncio.to_thread(_put, target, RENDERINGS[one], document)
        written.append(target)
    return written


def _put(target: Path, rendering: Callable[[Document], bytes], document: Document) -> None:
    """Render, write beside it, make durable, rename."""
    content = rendering(document)
    target.parent.mkdir(parents=True, exist_ok=True)
    partly = target.with_name(f"{target.name}.tmp")
    with partly.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partly.replace(target)
