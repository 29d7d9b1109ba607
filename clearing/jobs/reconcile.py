"""A day against its partners: files kept, rows matched, breaks stored, the day marked reconciled. 对账

    keep       every byte that came, before anybody reads it, in a transaction of its own
    gather     our side of the day, what earlier days left open or waiting, what they have taken in
    read       all files, every error of all of them; one that is refused is a break, the others go on
    split      what agrees in everything is counted set-wise (`reconcile_sides`), the rest goes through the passes
    reconcile  the pure room
    record     the run, its breaks under ids that stay, the day's state: one transaction

Running a day again replaces what it had found. When that changes what it hands on, the days after it that were
run must be run again, and the answer names them.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pydantic import TypeAdapter

from clearing.day.states import State
from clearing.errors import UsageError
from clearing.jobs.collector import many_objects
from clearing.jobs.judge import plain_of
from clearing.jobs.reconcile_breaks import Run, save_breaks
from clearing.jobs.reconcile_files import GivenFile, behind_a_gap, given_file, given_files, told, used_before
from clearing.jobs.reconcile_ours import OtherRows, other_rows
from clearing.jobs.reconcile_sides import Given, Rest, TakenFiles, rest_of, take_file
from clearing.jobs.seal import sealer_of
from clearing.jobs.setup import with_settings
from clearing.reconciliation.breaks import AUTO_CLEARED, CODES, OpenItem
from clearing.reconciliation.ledger_side import LedgerRow
from clearing.reconciliation.life import ENDED_BY_PEOPLE, FOUND_BY_A_RUN
from clearing.reconciliation.partner_files import Refused, missing_file
from clearing.reconciliation.reconciled import Reconciled, as_json, reconcile
from clearing.reconciliation.report import Report, report
from clearing.reconciliation.rows import HisRow, PartnerRow, StatementRow, fingerprint_text
from clearing.reconciliation.statements import known_keys
from clearing.store import breaks, days, entries, reconciling, statements
from clearing.store.breaks import StoredBreak, StoredRun
from clearing.store.session import transaction
from clearing.store.sides import rest
from clearing.store.sides.tables import SideTables
from clearing.store.sides.taken import taken_rows

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from clearing.ledger.members import Members
    from clearing.settings import Settings

_CLOSED_DAYS: Final = frozenset({State.CUT, State.NETTED, State.FILED, State.RECONCILED, State.SIGNED})
"""Matching makes many small objects that all live to its end: looking through them again and again is waste."""
_LARGE_BYTES: Final = 1 << 26
"""From here on a day's scratch database lies on the disk."""
_ONE_DAY: Final = timedelta(days=1)

_OPEN_ITEMS: Final = TypeAdapter(tuple[OpenItem, ...])
_WAITING: Final = TypeAdapter(tuple[StatementRow | HisRow, ...])
_REPORT: Final = TypeAdapter(Report)

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What earlier days hand on to this one."""

    items: tuple[OpenItem, ...]
    ended: frozenset[str]
    """Ids of breaks that people have ended since the day before."""
    waiting: tuple[PartnerRow, ...]
    last: StoredRun | None
    """The run of this same day that stood until now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """All that one run is made of."""

    day: date
    given: Sequence[GivenFile]
    ours: tuple[LedgerRow, ...]
    """Our rows that go through the passes."""
    rest: Rest
    refused: Sequence[Refused]
    """Files that were not taken, and those that should be there and are not."""
    missing: frozenset[str]
    before: Before


async def reconcile_day(  # noqa: PLR0917 - the books, the day, and its two kinds of files
    engine: AsyncEngine,
    settings: Settings,
    members: Members,
    day: date,
    banks: Mapping[str, Path | Sequence[Path]],
    his: Mapping[str, Path | Sequence[Path]],
    *,
    now: datetime | None = None,
) -> Json:
    """Match a day with its partners' files and keep what was found. 日对账

    In:      a cut day; statements by bank, network or channel, exports by hospital or pharmacy, one file or
             several each: all files of the day, those of an earlier run too; none named: those that were received
             for the day; `now` for the files' deadline.
    Out:     the shape of `clearing reconcile --json`, and besides: `state` of the day, `missing` (partners that
             have rows of the day and no file here), `rerun` (later days to be run again), `open` (roll-forward).
    Writes:  statement_file; reconciliation_run, taken_row, break_, break_step; day, when it is filed, nothing is
             missing, every residual is 0.00 and nothing of class X is open.
    Again:   over the same files the same breaks under the same ids, in the states people have brought them to;
             over other files the day's list anew, what is gone ends as FILE_CORRECTED. A reconciled day stays so.
    Raises:  UsageError for an unknown partner, a day that is not cut, a name or bytes used before, and for a
             refused file when there is no sound one, or one of its partner in the run that stands (every error,
             nothing but the bytes is stored); NotBalanced when the proof has a residual: nothing is stored.
    """
    members = with_settings(members, settings)
    by_hand = given_files(members.on(day), _lists(banks), _lists(his))
    async with transaction(engine) as conn:
        await _closed(conn, day)
        given = by_hand or await _received(conn, settings, members, day)
    async with transaction(engine) as conn:
        for one in by_hand:
            await statements.keep(
                conn, kind=one.kind, partner=one.partner, day=day, name=one.name, content=one.content
            )
    due = datetime.combine(day + _ONE_DAY, settings.statements_due, members.clock.zone)
    late = (now or datetime.now(UTC)) >= due
    async with transaction(engine) as conn:
        await reconciling.one_at_a_time(conn)
        before = await _before(conn, day)
        with many_objects(), tempfile.TemporaryDirectory(prefix="clearing-reconcile-") as folder:
            tables = SideTables(
                Path(folder),
                cutover=members.clock.cutover,
                large=sum(len(one.content) for one in given) > _LARGE_BYTES,
            )
            with contextlib.closing(tables):
                sides = await _sides(conn, tables, members, given, before, day, late=late)
                found = await _reconciled(conn, sides)
                return await _recorded(conn, tables, sides, found)


def _lists(files: Mapping[str, Path | Sequence[Path]]) -> dict[str, Sequence[Path]]:
    return {code: [found] if isinstance(found, Path) else found for code, found in files.items()}


async def _received(
    conn: AsyncConnection, settings: Settings, members: Members, day: date
) -> list[GivenFile]:
    """The statements and exports of the day that `receive` has taken: of each partner the last."""
    kept = await statements.accepted(conn, day)
    if not kept:
        raise UsageError(
            f"reconcile {day}: no statement or export of this day has been received and none is named. "
            "Next: clearing receive, or --bank CODE=FILE --his CODE=FILE"
        )
    sealer = sealer_of(settings, members)
    return [given_file(one.kind, one.partner, one.name, plain_of(one, sealer)) for one in kept]


# ---------------------------------------------------------------- the sides


async def _sides(  # noqa: PLR0917 - the books, the scratch tables, and all that a run is made of
    conn: AsyncConnection,
    tables: SideTables,
    members: Members,
    given: Sequence[GivenFile],
    before: Before,
    day: date,
    *,
    late: bool,
) -> Sides:
    tables.entries = tables.folder / "entries.csv"
    await reconciling.copy_entries(conn, day, tables.entries)
    others = await other_rows(conn, members, day)
    seen = await reconciling.inputs_seen(conn, day, [one.sha256 for one in given])
    outside_rows = others.rows(day)
    keys = known_keys(outside_rows, before.items)
    wrong = used_before(day, given, seen)
    held = behind_a_gap(given)
    taken = TakenFiles(refused=[*wrong.values(), *held.values()])
    for one in given:
        if one in wrong or one in held:
            continue
        path = tables.folder / f"given-{given.index(one)}.csv"
        path.write_bytes(one.content)
        said = Given(one.kind, one.partner, one.name, path, one.sha256, one.sm3)
        take_file(tables, taken, said, day, members.clock, keys)
    taken.drop_refused(tables)
    stood = {(one["kind"], one["partner"]) for one in before.last.inputs} if before.last else set()
    would_lose = any(("STM" if one.of_bank else "HIS", one.partner) in stood for one in taken.refused)
    if wrong or would_lose or not taken.sound:  # the run that stands knows more: it stays
        raise UsageError(told(day, taken.refused, len(given)))
    open_rows = (row for item in before.items for row in item.found.rows())
    left = rest_of(tables, taken, [*outside_rows, *open_rows, *before.waiting])
    ours = await _ours(conn, tables, left, others, day)
    missing = _missing(day, ours, left, tables)
    lacking = [] if not late else [missing_file(day, *one) for one in sorted(_expected(missing, taken))]
    return Sides(
        day=day,
        given=given,
        ours=ours,
        rest=left,
        refused=[*taken.refused, *lacking],
        missing=frozenset(code for code, _ in missing),
        before=before,
    )


async def _ours(
    conn: AsyncConnection, tables: SideTables, left: Rest, others: OtherRows, day: date
) -> tuple[LedgerRow, ...]:
    """Our rows that go through the passes: of entries that are not clean, and of records without one."""
    ids = {entry.id for entry in left.entries}
    named = {entry.original_id for entry in left.entries if entry.original_id} - ids
    originals = rest.entries_named(tables, named)
    originals |= await entries.of_ids(conn, named - originals.keys())
    return others.rows(day, left.entries, originals.values())


def _missing(
    day: date, ours: Iterable[LedgerRow], left: Rest, tables: SideTables
) -> frozenset[tuple[str, bool]]:
    """Partners with whom money moved that day and whose file is not here, and whether each is a bank."""
    banks, institutions = tables.partners()
    for row in ours:
        if row.clearing_date == day:
            banks |= {row.partner} if row.bank_fen else set()
            institutions |= {row.institution} if row.institution and row.institution_fen else set()
    return frozenset(
        {
            *((code, True) for code in banks - left.statements.keys()),
            *((code, False) for code in institutions - left.exports.keys()),
        }
    )


def _expected(missing: Collection[tuple[str, bool]], taken: TakenFiles) -> Iterator[tuple[str, bool]]:
    """Of these, whose file is due: of a side from which anything came at all, and that was not refused.

    A run with statements alone, or exports alone, leaves the other side out: rules about it do not apply.
    """
    refused = {one.partner for one in taken.refused}
    for code, of_bank in missing:
        if taken.partners("STM" if of_bank else "HIS") and code not in refused:
            yield code, of_bank


# ---------------------------------------------------------------- our side


async def _closed(conn: AsyncConnection, day: date) -> None:
    """A day that still takes entries cannot be reconciled.

    Raises:  UsageError.
    """
    found = await days.get(conn, day)
    if found is None or State(found.state) not in _CLOSED_DAYS:
        state = found.state if found else "never opened"
        raise UsageError(f"day {day}: expected it cut, {state} found. Next: clearing close {day}")
    if found.state == State.SIGNED:
        raise UsageError(
            f"day {day}: it is signed, its reconciliation stands. Its open breaks are met again in the runs of later "
            f"days. Next: clearing breaks list --date {day} --open"
        )


async def _not_signed_upon(conn: AsyncConnection, day: date) -> None:
    """What a signed day began with cannot be changed any more.

    Raises:  UsageError when a later day is signed.
    """
    signed = [one for one in await days.every(conn) if one.clearing_date > day and one.state == State.SIGNED]
    if signed:
        raise UsageError(
            f"day {day}: these files would hand on other breaks to {signed[0].clearing_date}, which is signed. "
            "Nothing was stored. Next: give what differs with the files of the first day that is not signed"
        )


async def _before(conn: AsyncConnection, day: date) -> Before:
    run, last = await breaks.run_before(conn, day), await breaks.last_run(conn, day)
    items = _OPEN_ITEMS.validate_python(run.open_after) if run else ()
    stored = await breaks.of_ids(conn, [item.id for item in items])
    ended = frozenset(
        item.id for item in items if item.id in stored and stored[item.id].state in ENDED_BY_PEOPLE
    )
    if last is not None:
        ended &= set(last.closed)  # what was ended since then counts on a later day: this one can be repeated
    return Before(
        items=tuple(_as_people_left(item, stored.get(item.id)) for item in items),
        ended=ended,
        waiting=_WAITING.validate_python(run.waiting) if run else (),
        last=last,
    )


def _as_people_left(item: OpenItem, stored: StoredBreak | None) -> OpenItem:
    """An open item in the state to which somebody has brought it; a later run's state does not count here."""
    if stored is None or stored.state in FOUND_BY_A_RUN:
        return item
    return replace(item, found=replace(item.found, state=stored.state))


# ---------------------------------------------------------------- matching


async def _reconciled(conn: AsyncConnection, sides: Sides) -> Reconciled:
    left, before = sides.rest, sides.before
    early = {fingerprint_text(row) for row in left.rows() if row.clearing_date < sides.day}
    texts = {_digest(text): text for text in early}
    taken = await reconciling.taken_before(conn, sides.day, texts.keys())
    return reconcile(
        sides.day,
        sides.ours,
        left.statements,
        left.exports,
        open_before=before.items,
        waiting_before=before.waiting,
        taken_before={texts[digest] for digest in taken},
        card_of=await reconciling.cards_of(conn, _cards(sides)),
        refused=sides.refused,
        ended=before.ended,
        clean=left.clean,
    )


def _cards(sides: Sides) -> set[str]:
    return {row.card for row in (*sides.ours, *sides.rest.rows()) if row.card}


def _digest(text: str) -> str:
    """32 hex digits over a row's fingerprint, as `store.sides.taken` gives them: a row is known again by it."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


# ---------------------------------------------------------------- what is kept


async def _recorded(conn: AsyncConnection, tables: SideTables, sides: Sides, found: Reconciled) -> Json:
    day, last = sides.day, sides.before.last
    open_after = _OPEN_ITEMS.dump_python(found.open_after, mode="json")
    waiting = _WAITING.dump_python(found.waiting, mode="json")
    inputs = _inputs(sides)
    said = as_json(found, "")
    changed = last is None or _handed_on(last.open_after, last.waiting, last.inputs) != _handed_on(
        open_after, waiting, inputs
    )
    if changed:
        await _not_signed_upon(conn, day)
    model = report(found, "", sides.rest.statements, sides.rest.exports)
    number = await breaks.add_run(
        conn,
        day,
        inputs,
        found.matched,
        said["proof"],
        closed=sides.before.ended,
        open_after=open_after,
        waiting=waiting,
        report=_REPORT.dump_python(model, mode="json"),
        listed=[one.id for one in found.breaks],
        cleared=[one.id for one in found.breaks if one.state == AUTO_CLEARED],
    )
    await reconciling.add_taken(conn, taken_rows(tables, number))
    states = await save_breaks(conn, found, Run(number, day, last, changed, sides.before.ended))
    return said | {
        "run": str(number),
        "breaks": [one | {"state": states[one["id"]]} for one in said["breaks"]],
        "state": await _day_state(conn, day, found, sides.missing),
        "missing": sorted(sides.missing),
        "refused": [error for one in sides.refused if one.file for error in one.errors],
        "rerun": [one.isoformat() for one in await breaks.days_after(conn, day)] if changed else [],
    }


def _handed_on(
    open_after: Iterable[Json], waiting: Sequence[Json], inputs: Iterable[Mapping[str, Any]]
) -> tuple[Any, ...]:
    """What later days are given, but for the states to which people bring breaks."""
    items = [one | {"found": one["found"] | {"state": ""}} for one in open_after]
    return items, list(waiting), sorted(one["sha256"] for one in inputs)


async def _day_state(conn: AsyncConnection, day: date, found: Reconciled, missing: Collection[str]) -> str:
    """The day's state, after it was marked reconciled if it may be."""
    stopped = missing or any(CODES[one.code].break_class == "X" for one in found.breaks)
    now = await days.get(conn, day)
    if now is not None and now.state == State.FILED and not stopped:
        await days.step(conn, day, State.RECONCILED)
        return State.RECONCILED
    return now.state if now else ""


def _inputs(sides: Sides) -> list[Json]:
    """The files of a run that were taken, as they are named in it."""
    kinds = (("HIS", sides.rest.exports.values()), ("STM", sides.rest.statements.values()))
    return [
        {
            "kind": kind,
            "partner": one.partner,
            "file": said.file,
            "rows": said.counted.rows,
            "sha256": said.sha256,
            "sm3": said.sm3,
        }
        for kind, side in kinds
        for one in side
        for said in one.files
    ]
