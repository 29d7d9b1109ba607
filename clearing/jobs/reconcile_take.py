"""All that one run is made of: the files taken or refused, our rows, what is missing. 对账取数"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from clearing.errors import UsageError
from clearing.files.faults import Fault
from clearing.jobs.reconcile_files import PAYERS, GivenFile, behind_a_gap, told, used_before
from clearing.jobs.reconcile_ours import OtherRows, other_rows
from clearing.jobs.reconcile_sides import LIST, Given, Rest, TakenFiles, kind_of, rest_of, take_file
from clearing.jobs.reconcile_standing import books_differ
from clearing.reconciliation.lists import StayList
from clearing.reconciliation.partner_files import Refused, missing_file
from clearing.reconciliation.rows import LedgerRow
from clearing.reconciliation.statements import known_keys
from clearing.store import entries, reconciling, statements
from clearing.store.sides import rest

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from clearing.jobs.reconcile_before import Before
    from clearing.ledger.members import Members, MembersOn
    from clearing.store.sides.tables import SideTables


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
    stays: Mapping[str, StayList]
    """Lists of deposits by hospital."""
    payers: frozenset[str]
    """Funds and insurers whose list is here."""
    books: Sequence[str]
    """Where the books contradict themselves."""


async def sides_of(  # noqa: PLR0917 - the books, the scratch tables, and all that a run is made of
    conn: AsyncConnection,
    tables: SideTables,
    members: Members,
    given: Sequence[GivenFile],
    before: Before,
    day: date,
    *,
    late: bool,
) -> Sides:
    """Read what was given, split off what agrees, and say what is missing. 取数

    In:      `late`: whether the deadline of the day's files has passed.
    Writes:  scratch tables.
    Raises:  UsageError when nothing sound is left, or a partner of the run that stands would be lost.
    """
    tables.entries = tables.folder / "entries.csv"
    await reconciling.copy_entries(conn, day, tables.entries)
    listed = any(one.kind == LIST for one in given)
    others = await other_rows(conn, members, day, with_lists=listed)
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
        said = Given(one.kind, one.partner, one.name, path, one.sha256, one.sm3, one.partial)
        take_file(tables, taken, said, day, members.clock, keys)
    taken.drop_refused(tables)
    stood = {(one["kind"], one["partner"]) for one in before.last.inputs} if before.last else set()
    would_lose = any((kind_of(one), one.partner) in stood for one in taken.refused)
    if wrong or would_lose or not taken.sound:  # the run that stands knows more: it stays
        raise UsageError(told(day, taken.refused, len(given)))
    open_rows = (row for item in before.items for row in item.found.rows())
    left = rest_of(tables, taken, [*outside_rows, *open_rows, *before.waiting])
    ours = await _ours(conn, tables, left, others, day)
    missing = _missing(day, ours, left, tables)
    lacking = (
        []
        if not late
        else [missing_file(day, *one) for one in sorted(_expected(members.on(day), missing, taken))]
    )
    return Sides(
        day=day,
        given=given,
        ours=ours,
        rest=left,
        refused=[*taken.refused, *lacking, *await _answers_in_part(conn, day)],
        missing=frozenset(code for code, _ in missing),
        before=before,
        stays=taken.stays,
        payers=frozenset(taken.partners(LIST)),
        books=await books_differ(conn, tables, members.on(day), day),
    )


async def _answers_in_part(conn: AsyncConnection, day: date) -> list[Refused]:
    """The bad lines of banks' answers that were taken without them, each a break of its own: FIL-004. 行级错误"""
    found: list[Refused] = []
    for partner, name, sha256, faults in await statements.answers_in_part(conn, day):
        lines: dict[object, list[str]] = {}
        for line, field, column, expected, got, code in faults:
            lines.setdefault(line, []).append(str(Fault(name, line, field, column, expected, got, code)))
        found += [
            Refused(partner=partner, file=name, sha256=sha256, code="FIL-004", errors=tuple(texts))
            for texts in lines.values()
        ]
    return found


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


def _expected(
    members: MembersOn, missing: Collection[tuple[str, bool]], taken: TakenFiles
) -> Iterator[tuple[str, bool]]:
    """Of these, whose file is due: of a side from which anything came at all, and that was not refused.

    A run with statements alone, or exports alone, leaves the other side out: rules about it do not apply.
    """
    refused = {one.partner for one in taken.refused}
    for code, of_bank in missing:
        kinds = ("STM",) if of_bank else (LIST,) if members.kind(code) in PAYERS else ("HIS",)
        if taken.partners(*kinds) and code not in refused:
            yield code, of_bank
