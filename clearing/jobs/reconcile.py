"""A day against its partners: files kept, rows matched, breaks stored, the day marked reconciled. 对账

    keep       every byte that came, before anybody reads it, in a transaction of its own
    parse      all files, every error of all of them; one that is refused stops the run and nothing is stored
    gather     our side of the day, what earlier days left open or waiting, what they have taken in
    reconcile  the pure room
    record     the run, its breaks under ids that stay, the day's state: one transaction

Running a day again replaces what it had found. When that changes what it hands on, the days after it that were
run must be run again, and the answer names them.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from pydantic import TypeAdapter

from clearing.day.states import State
from clearing.errors import UsageError
from clearing.jobs.judge import plain_of
from clearing.jobs.reconcile_breaks import Run, save_breaks
from clearing.jobs.reconcile_ours import our_side
from clearing.jobs.seal import sealer_of
from clearing.jobs.setup import with_settings
from clearing.jobs.statements import read_statement
from clearing.reconciliation.breaks import AUTO_CLEARED, CODES, OpenItem
from clearing.reconciliation.ledger_side import LedgerRow
from clearing.reconciliation.life import ENDED_BY_PEOPLE, FOUND_BY_A_RUN
from clearing.reconciliation.reconciled import Reconciled, as_json, reconcile
from clearing.reconciliation.report import Report, report
from clearing.reconciliation.rows import HisRow, PartnerRow, StatementRow, fingerprint_text
from clearing.reconciliation.statements import (
    ParsedExport,
    ParsedStatement,
    Refused,
    known_keys,
    parse_export,
)
from clearing.reconciliation.totals import SeenFile, gate
from clearing.store import breaks, days, reconciling, statements
from clearing.store.breaks import StoredBreak, StoredRun
from clearing.store.session import transaction

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from clearing.ledger.members import Members, MembersOn
    from clearing.settings import Settings

BANKS: Final = frozenset({"bank", "network", "channel"})
INSTITUTIONS: Final = frozenset({"hospital", "pharmacy"})
_CLOSED_DAYS: Final = frozenset({State.CUT, State.NETTED, State.FILED, State.RECONCILED, State.SIGNED})
_DIGEST_BYTES: Final = 16
_GC_OBJECTS: Final = 1_000_000
"""Matching makes many small objects that all live to its end: looking through them again and again is waste."""

_OPEN_ITEMS: Final = TypeAdapter(tuple[OpenItem, ...])
_WAITING: Final = TypeAdapter(tuple[StatementRow | HisRow, ...])
_REPORT: Final = TypeAdapter(Report)

Json: TypeAlias = dict[str, Any]


class Given(NamedTuple):
    """One file as it was given."""

    kind: str
    """STM or HIS."""
    partner: str
    name: str
    content: bytes

    @property
    def sha256(self) -> str:
        """Hex."""
        return hashlib.sha256(self.content).hexdigest()


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
class Files:
    """The files of a run, parsed."""

    statements: Mapping[str, ParsedStatement]
    exports: Mapping[str, ParsedExport]

    def of(self, given: Given) -> ParsedStatement | ParsedExport:
        """What a given file was read as."""
        return (self.statements if given.kind == "STM" else self.exports)[given.partner]

    def rows(self) -> Iterator[PartnerRow]:
        """Every row of every file."""
        for statement in self.statements.values():
            yield from statement.rows
        for export in self.exports.values():
            yield from export.rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """All that one run is made of."""

    day: date
    ours: tuple[LedgerRow, ...]
    given: Sequence[Given]
    files: Files
    before: Before


async def reconcile_day(  # noqa: PLR0917 - the books, the day, and its two kinds of files
    engine: AsyncEngine,
    settings: Settings,
    members: Members,
    day: date,
    banks: Mapping[str, Path],
    his: Mapping[str, Path],
) -> Json:
    """Match a day with its partners' files and keep what was found. 日对账

    In:      a cut day; statements by bank, network or channel, exports by hospital or pharmacy: all files of the
             day, those of an earlier run too. None named: those that were received for the day.
    Out:     the shape of `clearing reconcile --json`, and besides: `state` of the day, `missing` (partners that
             have rows of the day and no file here), `rerun` (later days to be run again), `open` (roll-forward).
    Writes:  statement_file; reconciliation_run, break_, break_step; day, when it is filed, nothing is missing,
             every residual is 0.00 and nothing of class X is open.
    Again:   over the same files the same breaks under the same ids, in the states people have brought them to;
             over other files the day's list anew, what is gone ends as FILE_CORRECTED. A reconciled day stays so.
    Raises:  UsageError for an unknown partner, a day that is not cut, a file that is refused (every error, and
             nothing but its bytes is stored); NotBalanced when the proof has a residual: nothing is stored.
    """
    members = with_settings(members, settings)
    by_hand = _given(members.on(day), banks, his)
    async with transaction(engine) as conn:
        await _closed(conn, day)
        given = by_hand or await _received(conn, settings, members, day)
    async with transaction(engine) as conn:
        for one in by_hand:
            await statements.keep(
                conn, kind=one.kind, partner=one.partner, day=day, name=one.name, content=one.content
            )
    async with transaction(engine) as conn:
        await reconciling.one_at_a_time(conn)
        before = await _before(conn, day)
        with _many_objects():
            ours = await our_side(conn, members, day)
            seen = await reconciling.inputs_seen(conn, day, [one.sha256 for one in given])
            known = known_keys(ours, before.items)
            files = _parsed(members, day, given, seen, known)
            sides = Sides(day=day, ours=ours, given=given, files=files, before=before)
            return await _recorded(conn, sides, await _reconciled(conn, sides))


# ---------------------------------------------------------------- files


def _given(members: MembersOn, banks: Mapping[str, Path], his: Mapping[str, Path]) -> list[Given]:
    """The files' bytes, once every partner is known to be one."""
    faults = [
        f"--{option} {code}: expected the code of a {' or '.join(sorted(kinds))}, "
        f"got {'a ' + kind if (kind := members.kind(code)) else 'no member'}"
        for option, kinds, codes in (("bank", BANKS, banks), ("his", INSTITUTIONS, his))
        for code in codes
        if members.kind(code) not in kinds
    ]
    if faults:
        raise UsageError("reconcile refused, nothing was taken in:\n  " + "\n  ".join(faults))
    found = [("STM", code, path) for code, path in banks.items()]
    found += [("HIS", code, path) for code, path in his.items()]
    return [Given(kind, code, path.name, _bytes(path)) for kind, code, path in sorted(found)]


async def _received(conn: AsyncConnection, settings: Settings, members: Members, day: date) -> list[Given]:
    """The statements and exports of the day that `receive` has taken: of each partner the last."""
    kept = await statements.accepted(conn, day)
    if not kept:
        raise UsageError(
            f"reconcile {day}: no statement or export of this day has been received and none is named. "
            "Next: clearing receive, or --bank CODE=FILE --his CODE=FILE"
        )
    sealer = sealer_of(settings, members)
    return [Given(one.kind, one.partner, one.name, plain_of(one, sealer)) for one in kept]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}. Next: name a file") from error


def _parsed(
    members: Members,
    day: date,
    given: Sequence[Given],
    seen: Sequence[reconciling.Input],
    known: Collection[str],
) -> Files:
    """All files as rows.

    Raises:  UsageError with every error of every file: nothing is imported, of the sound ones either.
    """
    refused: list[Refused] = []
    banks: dict[str, ParsedStatement] = {}
    exports: dict[str, ParsedExport] = {}
    for one in given:
        twice = _taken_in(day, one, seen)
        if twice is not None:
            refused.append(twice)
            continue
        said: Json = {
            "partner": one.partner, "file": one.name, "day": day, "clock": members.clock, "known": known
        }  # fmt: skip
        if one.kind == "STM":
            statement = read_statement(one.content, **said)
            if isinstance(statement, Refused):
                refused.append(statement)
            else:
                banks[one.partner] = statement
        else:
            export = parse_export(one.content, **said)
            if isinstance(export, Refused):
                refused.append(export)
            else:
                exports[one.partner] = export
    if refused:
        lines = [f"{error} [{one.code}]" for one in refused for error in one.errors]
        raise UsageError(
            f"reconcile {day}: {len(refused)} of {len(given)} files refused, nothing was imported:\n  "
            + "\n  ".join(line.replace("[FIL-003] [FIL-003]", "[FIL-003]") for line in lines)
        )
    return Files(statements=banks, exports=exports)


def _taken_in(day: date, given: Given, seen: Sequence[reconciling.Input]) -> Refused | None:
    """A name used for other bytes on this day, or bytes that stand for another day; its own may come again."""
    here = [one for one in seen if one.clearing_date == day]
    gated = gate(
        given.partner, given.name, given.sha256, [SeenFile(one.partner, one.file, one.sha256) for one in here]
    )
    if isinstance(gated, Refused):
        return gated
    same = (given.partner, given.sha256)
    other = next(
        (one for one in seen if one.clearing_date != day and (one.partner, one.sha256) == same), None
    )
    if other is None or gated == "again":
        return None
    had = f"{other.file}, taken in for {other.clearing_date}"
    text = f"{given.name}: expected a file of {day}, got the bytes of {had}"
    return Refused(
        partner=given.partner, file=given.name, sha256=given.sha256, code="FIL-003", errors=(text,)
    )


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


@contextlib.contextmanager
def _many_objects() -> Iterator[None]:
    """Let the collector look less often while the day is in memory."""
    usual = gc.get_threshold()
    gc.set_threshold(_GC_OBJECTS, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


async def _reconciled(conn: AsyncConnection, sides: Sides) -> Reconciled:
    files, before = sides.files, sides.before
    texts = {_digest(text): text for text in map(fingerprint_text, files.rows())}
    taken = await reconciling.taken_before(conn, sides.day, texts.keys())
    return reconcile(
        sides.day,
        sides.ours,
        files.statements,
        files.exports,
        open_before=before.items,
        waiting_before=before.waiting,
        taken_before={texts[digest] for digest in taken},
        card_of=await reconciling.cards_of(conn, _cards(sides.ours, files)),
        ended=before.ended,
    )


def _cards(ours: Iterable[LedgerRow], files: Files) -> set[str]:
    return {row.card for row in (*ours, *files.rows()) if row.card}


def _digest(text: str) -> bytes:
    """16 bytes of SM3 over a row's fingerprint: enough to know it again among all rows there will ever be."""
    return hashlib.new("sm3", text.encode()).digest()[:_DIGEST_BYTES]


# ---------------------------------------------------------------- what is kept


async def _recorded(conn: AsyncConnection, sides: Sides, found: Reconciled) -> Json:
    day, last = sides.day, sides.before.last
    open_after = _OPEN_ITEMS.dump_python(found.open_after, mode="json")
    waiting = _WAITING.dump_python(found.waiting, mode="json")
    taken = sorted(map(_digest, found.taken))
    told = as_json(found, "")
    changed = last is None or _handed_on(last.open_after, last.waiting, last.taken) != _handed_on(
        open_after, waiting, taken
    )
    if changed:
        await _not_signed_upon(conn, day)
    model = report(found, "", sides.files.statements, sides.files.exports)
    number = await breaks.add_run(
        conn,
        day,
        _inputs(sides),
        found.matched,
        told["proof"],
        closed=sides.before.ended,
        open_after=open_after,
        waiting=waiting,
        taken=taken,
        report=_REPORT.dump_python(model, mode="json"),
        listed=[one.id for one in found.breaks],
        cleared=[one.id for one in found.breaks if one.state == AUTO_CLEARED],
    )
    states = await save_breaks(conn, found, Run(number, day, last, changed, sides.before.ended))
    missing = sorted(_missing(sides))
    return told | {
        "run": str(number),
        "breaks": [one | {"state": states[one["id"]]} for one in told["breaks"]],
        "state": await _day_state(conn, day, found, missing),
        "missing": missing,
        "rerun": [one.isoformat() for one in await breaks.days_after(conn, day)] if changed else [],
    }


def _handed_on(
    open_after: Iterable[Json], waiting: Sequence[Json], taken: Sequence[bytes]
) -> tuple[Any, ...]:
    """What later days are given, but for the states to which people bring breaks."""
    items = [one | {"found": one["found"] | {"state": ""}} for one in open_after]
    return items, list(waiting), list(taken)


def _missing(sides: Sides) -> set[str]:
    """Partners with whom money moved that day and whose file is not here."""
    found: set[str] = set()
    for row in sides.ours:
        if row.clearing_date == sides.day:
            found.update({row.partner} if row.bank_fen else ())
            found.update({row.institution} if row.institution and row.institution_fen else ())
    return found - {*sides.files.statements, *sides.files.exports}


async def _day_state(conn: AsyncConnection, day: date, found: Reconciled, missing: Collection[str]) -> str:
    """The day's state, after it was marked reconciled if it may be."""
    stopped = missing or any(CODES[one.code].break_class == "X" for one in found.breaks)
    now = await days.get(conn, day)
    if now is not None and now.state == State.FILED and not stopped:
        await days.step(conn, day, State.RECONCILED)
        return State.RECONCILED
    return now.state if now else ""


def _inputs(sides: Sides) -> list[Json]:
    """The files of a run, as they are named in it."""
    return [
        {
            "kind": one.kind,
            "partner": one.partner,
            "file": one.name,
            "rows": len(sides.files.of(one).rows),
            "sha256": one.sha256,
            "sm3": hashlib.new("sm3", one.content).hexdigest(),
        }
        for one in sides.given
    ]
