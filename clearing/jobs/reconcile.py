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
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from clearing.errors import UsageError
from clearing.jobs.collector import many_objects
from clearing.jobs.judge import plain_of
from clearing.jobs.reconcile_before import closed, handed_on_to
from clearing.jobs.reconcile_files import GivenFile, given_file, given_files
from clearing.jobs.reconcile_record import recorded
from clearing.jobs.reconcile_standing import paid_out, standing_of
from clearing.jobs.reconcile_take import Sides, sides_of
from clearing.jobs.seal import sealer_of
from clearing.jobs.setup import with_settings
from clearing.reconciliation.reconciled import Reconciled, reconcile
from clearing.reconciliation.rows import fingerprint_text
from clearing.reconciliation.standing import Standing
from clearing.store import reconciling, statements
from clearing.store.session import transaction
from clearing.store.sides.tables import SideTables

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from clearing.ledger.members import Members
    from clearing.settings import Settings

_LARGE_BYTES: Final = 1 << 26
"""From here on a day's scratch database lies on the disk."""
_ONE_DAY: Final = timedelta(days=1)

Json: TypeAlias = dict[str, Any]


async def reconcile_day(  # noqa: PLR0917 - the books, the day, and its two kinds of files
    engine: AsyncEngine,
    settings: Settings,
    members: Members,
    day: date,
    banks: Mapping[str, Path | Sequence[Path]],
    his: Mapping[str, Path | Sequence[Path]],
    *,
    partial: bool = False,
    now: datetime | None = None,
) -> Json:
    """Match a day with its partners' files and keep what was found. 日对账

    In:      a cut day; statements by bank, network or channel, exports by hospital or pharmacy, one file or
             several each: all files of the day, those of an earlier run too; none named: those that were received
             for the day; `his` takes lists of payers and of deposits too; `partial`: whether the good lines of a
             file with bad ones are taken; `now` for the files' deadline.
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
    by_hand = given_files(members.on(day), _lists(banks), _lists(his), partial=partial)
    async with transaction(engine) as conn:
        await closed(conn, day)
    async with transaction(engine) as conn:
        for one in by_hand:
            await statements.keep(
                conn, kind=one.kind, partner=one.partner, day=day, name=one.name, content=one.content
            )
    due = datetime.combine(day + _ONE_DAY, settings.statements_due, members.clock.zone)
    late = (now or datetime.now(UTC)) >= due
    async with transaction(engine) as conn:
        await reconciling.one_at_a_time(conn)
        # read now that it is our turn: what was received while another run went on stands in this one
        given = by_hand or await _received(conn, settings, members, day)
        before = await handed_on_to(conn, day)
        with many_objects(), tempfile.TemporaryDirectory(prefix="clearing-reconcile-") as folder:
            tables = SideTables(
                Path(folder),
                cutover=members.clock.cutover,
                large=sum(len(one.content) for one in given) > _LARGE_BYTES,
            )
            with contextlib.closing(tables):
                sides = await sides_of(conn, tables, members, given, before, day, late=late)
                found = await _reconciled(
                    conn, sides, await standing_of(conn, settings, members, day, sides.stays)
                )
                return await recorded(conn, tables, sides, found)


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
    return [
        given_file(one.kind, one.partner, one.name, plain_of(one, sealer), partial=part) for one, part in kept
    ]


# ---------------------------------------------------------------- matching


async def _reconciled(conn: AsyncConnection, sides: Sides, standing: Standing) -> Reconciled:
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
        paid_out=await paid_out(conn, left, sides.day),
        standing=standing,
        lists=sides.stays.values(),
        books=sides.books,
    )


def _cards(sides: Sides) -> set[str]:
    return {row.card for row in (*sides.ours, *sides.rest.rows()) if row.card}


def _digest(text: str) -> str:
    """32 hex digits over a row's fingerprint, as `store.sides.taken` gives them: a row is known again by it."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]
