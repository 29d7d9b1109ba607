"""Each partner's part of the mismatch report as a file of ours: kept, sealed, delivered, in versions. 差错文件

A file is of one run of the day as that found things: what people do with breaks afterwards is not in it, so that it
can be made again. When the day is run again, the next file is the next version and names the one before.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from clearing.day.signing import who_signs
from clearing.files.names import FileName
from clearing.jobs.reports import PARTNERS, has_part, model_of, never_reconciled, open_items
from clearing.jobs.seal import seal_files, sealer_of
from clearing.jobs.setup import members_of_version
from clearing.jobs.tries import in_transaction
from clearing.reconciliation.report import Report, digest
from clearing.reconciliation.report_member import concerned, named, report_of
from clearing.reports.machine import EXTENSION, MIS, file_id, totals_of
from clearing.reports.mismatch import mismatch
from clearing.reports.text import as_csv
from clearing.store import breaks, days, files, payments, reference, report_files, signing
from clearing.store.files import StoredFile
from clearing.store.report_files import ReportFile

if TYPE_CHECKING:
    from datetime import date

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from clearing.jobs.gather import Names
    from clearing.ledger.members import Members
    from clearing.reconciliation.breaks import OpenItem
    from clearing.reconciliation.report_detail import DetailLine
    from clearing.settings import Settings
    from clearing.store.breaks import StoredRun

T = TypeVar("T")


async def send_reports(
    engine: AsyncEngine, settings: Settings, members: Members, day: date, *, member: str = ""
) -> list[StoredFile]:
    """Keep each partner's part of the report of the run that stands as a file, ready to be delivered. 发送差错报告

    In:      `member`: this one's alone; else of all who have to sign the day or are named by a break.
    Out:     what was made, by receiver.
    Writes:  file, file_part, file_report, file_seal: one transaction.
    Again:   nothing while the same run stands; after another one, the next version.
    Raises:  UsageError when the day was never reconciled, or for a member that gives no files.
    """

    async def work(conn: AsyncConnection, _: Names) -> list[StoredFile]:
        await payments.one_at_a_time(conn)
        run = await breaks.last_run(conn, day)
        if run is None:
            raise never_reconciled(day)
        before = await breaks.run_before(conn, day)
        in_force = await reference.in_force(conn)
        parts = await _parts(conn, members, run, before)
        if member:
            has_part(members.on(day), day, member)
        codes = [member] if member else await _receivers(conn, run, parts)
        newest = {one.receiver: one for one in await files.of_day(conn, day) if one.type == MIS}
        of = await report_files.of_day(conn, day)
        made: list[StoredFile] = []
        for code in codes:
            last = newest.get(code)
            if last is not None and of[last.name].run == run.id:
                continue
            name = FileName(MIS, members.platform.code, code, day, 1, last.version + 1 if last else 1)
            replaces = last.name.removesuffix(f".{EXTENSION}") if last else ""
            one, content = _file(parts, code, name, replaces, in_force[0] if in_force else 0)
            await files.add_parts(conn, files.in_parts(one.name, content))
            made.append(one)
        await files.add(conn, made)
        runs = [ReportFile(one.name, run.id, before.id if before else 0) for one in made]
        await report_files.add(conn, runs)
        await seal_files(conn, sealer_of(settings, members), made)
        return made

    return await in_transaction(engine, f"reports of {day}", work)


class _Parts(NamedTuple):
    """What the parts of one run's report are made of."""

    members: Members
    model: Report
    sm3: str
    root: str
    was: Mapping[str, Sequence[OpenItem]]
    """Open before, by whom they concern; a province has thousands of receivers."""
    still: Mapping[str, Sequence[OpenItem]]
    lines: Mapping[str, Sequence[DetailLine]]


async def _parts(conn: AsyncConnection, members: Members, run: StoredRun, before: StoredRun | None) -> _Parts:
    model = model_of(run)
    found = await days.get(conn, model.day)
    was, still = open_items(run, before)
    return _Parts(
        members,
        model,
        digest(run.report),
        found.root.hex() if found and found.root else "",
        _by_code(was, named),
        _by_code(still, named),
        _by_code(model.detail, concerned),
    )


def _by_code(items: Iterable[T], whom: Callable[[T], Iterable[str]]) -> dict[str, list[T]]:
    found: dict[str, list[T]] = defaultdict(list)
    for one in items:
        for code in whom(one):
            found[code].append(one)
    return dict(found)


async def _receivers(conn: AsyncConnection, run: StoredRun, parts: _Parts) -> list[str]:
    """Who has to sign the day, and who is named by a break besides."""
    on, platform = parts.members.on(parts.model.day), parts.members.platform.code
    accounts = await signing.accounts_of(conn, parts.model.day)
    signers = who_signs(accounts, run.proof, on, platform=platform)
    others = {code for code in parts.lines if on.kind(code) in PARTNERS}
    return sorted(others | {code for code in signers if on.kind(code) in PARTNERS})


def _file(parts: _Parts, code: str, name: FileName, replaces: str, number: int) -> tuple[StoredFile, bytes]:
    """A member's part as a file, and its bytes."""
    own = replace(parts.model, detail=tuple(parts.lines.get(code, ())))
    model = report_of(own, code, parts.was.get(code, ()), parts.still.get(code, ()))
    on = parts.members.on(model.day)
    platform = parts.members.platform
    called = on.by_code[code].name if code in on.by_code else ""
    document = mismatch(
        model,
        sm3=parts.sm3,
        member=f"{code} {called}".rstrip(),
        root=parts.root,
        signs=code,
        platform=platform.name or platform.code,
    )
    content, totals = as_csv(document), totals_of(model)
    stored = StoredFile(
        name=f"{file_id(name)}.{EXTENSION}",
        clearing_date=name.date,
        type=name.type,
        receiver=name.receiver,
        seq=name.seq,
        version=name.version,
        profile="",
        layout=b"",
        members=number,
        size=len(content),
        records=totals.records,
        amount_total_fen=totals.amount_fen,
        hash_total=f"{totals.hash_total}",
        sha256=hashlib.sha256(content).digest(),
        sm3=hashlib.new("sm3", content).digest(),
        replaces=replaces,
    )
    return stored, content


# ---------------------------------------------------------------- made again


async def reports_differing(conn: AsyncConnection, members: Members) -> list[str]:
    """The reports that the runs they are of do not give again, byte for byte. 重新生成比对

    In:      members for the clock; names and accounts are those of the version that each was made with.
    """
    found: list[str] = []
    for day in await report_files.days(conn):
        of = await report_files.of_day(conn, day)
        stored = [one for one in await files.of_day(conn, day) if one.type == MIS]
        for (run, before, number), some in _together(stored, of).items():
            then = await members_of_version(conn, number, members)
            stands = await breaks.run(conn, run)
            earlier = await breaks.run(conn, before)
            parts = await _parts(conn, then, stands, earlier) if stands else None
            for one in some:
                name = FileName(MIS, then.platform.code, one.receiver, day, one.seq, one.version)
                made = _file(parts, one.receiver, name, one.replaces, number)[1] if parts else None
                if made is None or made != await files.content(conn, one.name):
                    found.append(one.name)
    return found


def _together(
    stored: Sequence[StoredFile], of: dict[str, ReportFile]
) -> dict[tuple[int, int, int], list[StoredFile]]:
    """Files by the runs and reference data they were made of; one that says none by none."""
    found: dict[tuple[int, int, int], list[StoredFile]] = defaultdict(list)
    for one in stored:
        said = of.get(one.name, ReportFile(one.name, 0, 0))
        found[said.run, said.before, one.members].append(one)
    return found
