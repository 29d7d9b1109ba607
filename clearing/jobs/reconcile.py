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
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from pydantic import TypeAdapter

from clearing.day.states import State
from clearing.errors import UsageError
from clearing.jobs.report import break_show, breaks_list, write_report
from clearing.jobs.setup import with_settings
from clearing.reconciliation.breaks import AUTO_CLEARED, CODES, CONFIRMED, OPEN, SUSPECT, Break, OpenItem
from clearing.reconciliation.ledger_side import LedgerRow, NotedTopup, RejectedUse, ledger_rows
from clearing.reconciliation.reconciled import EARLIER_DAYS_MAX, Reconciled, as_json, reconcile
from clearing.reconciliation.report import Report, report
from clearing.reconciliation.rows import HisRow, PartnerRow, StatementRow, fingerprint_text
from clearing.reconciliation.statements import (
    ParsedExport,
    ParsedStatement,
    Refused,
    known_keys,
    parse_export,
    parse_statement,
)
from clearing.reconciliation.totals import SeenFile, gate
from clearing.reconciliation.unposted import noted_topup, open_timeout, original_named, rejected_uses
from clearing.store import breaks, days, entries, facts, reconciling, statements
from clearing.store.breaks import StoredBreak, StoredRun
from clearing.store.session import transaction

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from clearing.ledger.members import Members, MembersOn
    from clearing.settings import Settings

MAKER: Final = "reconcile"
"""Who makes the steps that no person makes."""
BANKS: Final = frozenset({"bank", "network", "channel"})
INSTITUTIONS: Final = frozenset({"hospital", "pharmacy"})
MACHINE: Final = frozenset({OPEN, SUSPECT, CONFIRMED, AUTO_CLEARED})
"""States that a run may change; any other one is a person's."""
ENDED: Final = frozenset({"RESOLVED", "CLOSED"})
_CLOSED_DAYS: Final = frozenset({State.CUT, State.NETTED, State.FILED, State.RECONCILED, State.SIGNED})
_DIGEST_BYTES: Final = 16
_GC_OBJECTS: Final = 1_000_000
"""Matching makes many small objects that all live to its end: looking through them again and again is waste."""

_OPEN_ITEMS: Final = TypeAdapter(tuple[OpenItem, ...])
_WAITING: Final = TypeAdapter(tuple[StatementRow | HisRow, ...])
_REPORT: Final = TypeAdapter(Report)
_ROWS: Final[dict[str, TypeAdapter[Any]]] = {
    "L": TypeAdapter(tuple[LedgerRow, ...]),
    "B": TypeAdapter(tuple[StatementRow, ...]),
    "H": TypeAdapter(tuple[HisRow, ...]),
}

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
             day, those of an earlier run too.
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
    given = _given(members.on(day), banks, his)
    async with transaction(engine) as conn:
        await _closed(conn, day)
    async with transaction(engine) as conn:
        for one in given:
            await statements.keep(
                conn, kind=one.kind, partner=one.partner, day=day, name=one.name, content=one.content
            )
    async with transaction(engine) as conn:
        await reconciling.one_at_a_time(conn)
        before = await _before(conn, day)
        with _many_objects():
            ours = await _ledger_side(conn, members, day)
            files = _parsed(members, day, given, ours, before)
            sides = Sides(day=day, ours=ours, given=given, files=files, before=before)
            return await _recorded(conn, sides, await _reconciled(conn, sides))


# ---------------------------------------------------------------- files


def _given(members: MembersOn, banks: Mapping[str, Path], his: Mapping[str, Path]) -> list[Given]:
    """The files' bytes, once every partner is known to be one."""
    if not banks and not his:
        raise UsageError("reconcile: expected a file, got none. Next: --bank CODE=FILE or --his CODE=FILE")
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


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}. Next: name a file") from error


def _parsed(
    members: Members, day: date, given: Sequence[Given], ours: Sequence[LedgerRow], before: Before
) -> Files:
    """All files as rows.

    Raises:  UsageError with every error of every file: nothing is imported, of the sound ones either.
    """
    known = known_keys(ours, before.items)
    inputs = before.last.inputs if before.last else ()
    seen = [SeenFile(one["partner"], one["file"], one["sha256"]) for one in inputs]
    refused: list[Refused] = []
    banks: dict[str, ParsedStatement] = {}
    exports: dict[str, ParsedExport] = {}
    for one in given:
        gated = gate(one.partner, one.name, one.sha256, seen)
        if isinstance(gated, Refused):
            refused.append(gated)
            continue
        said: Json = {
            "partner": one.partner, "file": one.name, "day": day, "clock": members.clock, "known": known
        }  # fmt: skip
        if one.kind == "STM":
            statement = parse_statement(one.content, **said)
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
            + "\n  ".join(lines)
        )
    return Files(statements=banks, exports=exports)


# ---------------------------------------------------------------- our side


async def _closed(conn: AsyncConnection, day: date) -> None:
    """A day that still takes entries cannot be reconciled.

    Raises:  UsageError.
    """
    found = await days.get(conn, day)
    if found is None or State(found.state) not in _CLOSED_DAYS:
        state = found.state if found else "never opened"
        raise UsageError(f"day {day}: expected it cut, {state} found. Next: clearing close {day}")


async def _before(conn: AsyncConnection, day: date) -> Before:
    run = await breaks.run_before(conn, day)
    items = _OPEN_ITEMS.validate_python(run.open_after) if run else ()
    stored = await breaks.of_ids(conn, [item.id for item in items])
    return Before(
        items=tuple(_as_people_left(item, stored.get(item.id)) for item in items),
        waiting=_WAITING.validate_python(run.waiting) if run else (),
        last=await breaks.last_run(conn, day),
    )


def _as_people_left(item: OpenItem, stored: StoredBreak | None) -> OpenItem:
    """An open item in the state to which somebody has brought it; a later run's state does not count here."""
    if stored is None or stored.state in MACHINE:
        return item
    return replace(item, found=replace(item.found, state=stored.state))


async def _ledger_side(conn: AsyncConnection, members: Members, day: date) -> tuple[LedgerRow, ...]:
    """Our rows of the day, from what was decided up to its cut and nothing later."""
    todays = [entry async for entry in entries.entries_of(conn, day)]
    ids = {entry.id for entry in todays}
    named = {entry.original_id for entry in todays if entry.original_id} - ids
    originals = await entries.of_ids(conn, named)
    on = members.on(day)
    unposted = await _unposted(conn, members, day)
    timeouts = [
        open_timeout(one.event, one.entry_id, one.clearing_date, on)
        for one in await reconciling.open_timeouts(conn, day)
    ]
    return ledger_rows(
        day,
        todays,
        originals=originals.values(),
        rejected=[one for one in unposted if isinstance(one, RejectedUse)],
        timeouts=timeouts,
        noted_topups=[one for one in unposted if isinstance(one, NotedTopup)],
    )


async def _unposted(conn: AsyncConnection, members: Members, day: date) -> list[RejectedUse | NotedTopup]:
    """What was refused or only noted on the day and on the days whose rows may still come."""
    first = day - timedelta(days=EARLIER_DAYS_MAX)
    found = await reconciling.unposted(conn, members.clock, first, day)
    named = {key for one in found if (key := original_named(one.event)) is not None}
    known = await facts.read(conn, [("original", *key) for key in named])
    topups: dict[tuple[str, str], NotedTopup] = {}
    uses: list[RejectedUse | NotedTopup] = []
    for one in found:
        original = known.get(("original", *(original_named(one.event) or ())))
        if one.outcome == "rejected":
            on = members.on(one.clearing_date)
            uses.extend(rejected_uses(one.event, one.name, one.clearing_date, on, original))
            continue
        event = one.event if one.event.type == "topup.made" else original.event if original else None
        if event is not None and (original is None or original.entry is None):
            topups.setdefault((event.source, event.id), noted_topup(event, one.clearing_date))
    return [*uses, *topups.values()]


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
    model = report(found, "", sides.files.statements, sides.files.exports)
    number = await breaks.add_run(
        conn,
        day,
        _inputs(sides),
        found.matched,
        told["proof"],
        open_after=open_after,
        waiting=waiting,
        taken=taken,
        report=_REPORT.dump_python(model, mode="json"),
    )
    states = await _save_breaks(conn, found, Run(number, day, last.id if last else 0, changed))
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


class Run(NamedTuple):
    """A run while its breaks are stored."""

    number: int
    day: date
    last: int
    """The run of this day that stood until now; 0 for none."""
    changed: bool
    """Whether it hands on other things than that one did."""


async def _save_breaks(conn: AsyncConnection, found: Reconciled, run: Run) -> dict[str, str]:
    """Store what the run says of breaks, each step of one that was known, and give every listed one's state."""
    listed = {one.id: one for one in found.breaks}
    untouched = {item.id: item.found for item in found.open_after if item.id not in listed}
    joined = {younger: one.id for one in found.breaks for younger in one.joined}
    known = {one.id: one for one in await breaks.of_day(conn, run.day)}
    known |= await breaks.of_ids(conn, [*(listed.keys() - known), *untouched, *joined])
    states = {one.id: _state(one, known.get(one.id)) for one in found.breaks}
    renewed = [
        _stored(one, run, known.get(one.id), states[one.id])
        for one in found.breaks
        if _ours_to_say(known.get(one.id), run)
    ]
    for one in untouched.values():
        stored = known.get(one.id)
        if stored is not None and stored.state in MACHINE and _ours_to_say(stored, run):
            again = replace(_stored(one, run, stored, one.state), last_run=stored.last_run)
            renewed += [again] if again != stored else []
    await breaks.save(conn, renewed)
    for after in renewed:
        earlier = known.get(after.id)
        if earlier is not None and earlier.state != after.state:
            why = f"run {run.number} of {run.day}: {' '.join(after.codes)}"
            ending = "LATE_MATCH" if after.state == AUTO_CLEARED else ""
            await breaks.step(conn, after.id, after.state, maker=MAKER, why=why, ending=ending)
    for stored in known.values():
        if (
            stored.state in MACHINE - {AUTO_CLEARED}
            and stored.id not in listed
            and stored.id not in untouched
        ):
            whole = joined.get(stored.id)
            await breaks.step(
                conn,
                stored.id,
                AUTO_CLEARED,
                maker=MAKER,
                why=f"run {run.number} of {run.day}: "
                + (f"one with {whole}" if whole else "not found any more"),
                ending="LATE_MATCH" if whole else "FILE_CORRECTED",
            )
    return states


def _ours_to_say(stored: StoredBreak | None, run: Run) -> bool:
    """Whether this run may change a break: not where a later day has gone on from what stays as it was."""
    return stored is None or run.changed or stored.last_run <= run.last


def _state(found: Break, stored: StoredBreak | None) -> str:
    """What a run makes of a break's state: what a person has brought it to stays, unless it clears by itself."""
    if stored is None or stored.state in MACHINE:
        return found.state
    return found.state if found.state == AUTO_CLEARED and stored.state not in ENDED else stored.state


def _stored(found: Break, run: Run, before: StoredBreak | None, state: str) -> StoredBreak:
    rows = {"L": found.ledger_rows, "B": found.bank_rows, "H": found.his_rows}
    return StoredBreak(
        id=found.id,
        first_run=before.first_run if before else run.number,
        last_run=run.number,
        clearing_date=found.opened,
        code=found.code,
        codes=list(found.codes),
        vector=found.vector,
        amount_fen=found.amount_fen,
        difference_fen=found.difference_fen,
        differences=dict(found.differences),
        keys={"bank_ref": found.bank_ref, "order_no": found.order_no, "entry_id": found.entry_id},
        bank=found.bank,
        institution=found.institution,
        state=state,
        detail=found.detail,
        rows={side: _ROWS[side].dump_python(each, mode="json") for side, each in rows.items()},
    )


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


__all__ = ["break_show", "breaks_list", "reconcile_day", "write_report"]
"""All that the console needs of a reconciliation."""
