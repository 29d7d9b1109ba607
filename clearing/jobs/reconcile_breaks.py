"""What a run makes of the breaks that are kept: new ones, renewed ones, and those that are gone. 差错入库

People bring a break further than a run does: what they have made of it stays, unless it clears by itself. What they
have ended comes back to them when a run clears it after all and their ending had moved money.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import TypeAdapter

from clearing.reconciliation.breaks import Break
from clearing.reconciliation.codes import AUTO_CLEARED
from clearing.reconciliation.life import CLOSED, ENDED_BY_PEOPLE, FOUND_BY_A_RUN, REOPENED, RESOLVED, way
from clearing.reconciliation.reconciled import Reconciled
from clearing.reconciliation.rows import HisRow, LedgerRow, StatementRow
from clearing.store import breaks, proposals
from clearing.store.breaks import StoredBreak, StoredRun

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

MAKER: Final = "reconcile"
"""Who makes the steps that no person makes."""

_ROWS: Final[dict[str, TypeAdapter[Any]]] = {
    "L": TypeAdapter(tuple[LedgerRow, ...]),
    "B": TypeAdapter(tuple[StatementRow, ...]),
    "H": TypeAdapter(tuple[HisRow, ...]),
}


class Run(NamedTuple):
    """A run while its breaks are stored."""

    number: int
    day: date
    last: StoredRun | None
    """The run of this day that stood until now."""
    changed: bool
    """Whether it hands on other things than that one did."""
    ended: frozenset[str]
    """Breaks of earlier days that people have ended since the day before."""


class Step(NamedTuple):
    """Where a run brings a break that was known."""

    state: str
    why: str
    ending: str = ""


async def save_breaks(conn: AsyncConnection, found: Reconciled, run: Run) -> dict[str, str]:
    """Store what a run says of breaks, each step of one that was known, and give every listed one's state. 保存差错

    Writes:  break_, break_step.
    Again:   the same rows; no step where no state changes.
    """
    listed = {one.id: one for one in found.breaks}
    untouched = {item.id: item.found for item in found.open_after if item.id not in listed}
    joined = {younger: one.id for one in found.breaks for younger in one.joined}
    known = {one.id: one for one in await breaks.of_day(conn, run.day, lock=True)}
    known |= await breaks.of_ids(conn, [*(listed.keys() - known), *untouched, *joined, *run.ended], lock=True)
    moved = await proposals.moved_money(
        conn, [one.id for one in known.values() if one.state in ENDED_BY_PEOPLE]
    )
    steps: dict[str, Step] = {}
    for stored in known.values():
        if stored.id in listed:
            step = _listed(listed[stored.id], stored, run, moved)
        elif stored.id in untouched:
            step = _untouched(untouched[stored.id], stored, run)
        else:
            step = _gone(stored, run, moved, joined.get(stored.id, ""))
        if step is not None:
            steps[stored.id] = step
    await _take(conn, known, steps)
    await breaks.save(conn, _renewed(listed, untouched, known, run))
    states = {one.id: one.state for one in found.breaks} | {one.id: one.state for one in known.values()}
    states |= {break_id: step.state for break_id, step in steps.items()}
    return {break_id: states[break_id] for break_id in listed}


async def _take(conn: AsyncConnection, known: Mapping[str, StoredBreak], steps: Mapping[str, Step]) -> None:
    for break_id, step in sorted(steps.items()):
        for state in way(known[break_id].state, step.state):
            ending = step.ending if state == step.state else ""
            await breaks.step(conn, break_id, state, maker=MAKER, why=step.why, ending=ending)


def _ours_to_say(stored: StoredBreak, run: Run) -> bool:
    """Whether this run may change a break: not where a later day has gone on from what stays as it was."""
    return run.changed or run.last is None or stored.last_run <= run.last.id


def _listed(found: Break, stored: StoredBreak, run: Run, moved: frozenset[str]) -> Step | None:
    """What a run that lists a break makes of its state: what a person has brought it to stays, unless it clears."""
    why = f"run {run.number} of {run.day}: {' '.join(found.codes)}"
    cleared = found.state == AUTO_CLEARED
    ending = "LATE_MATCH" if cleared else ""
    if stored.state in ENDED_BY_PEOPLE:
        return _met_again(stored, run, moved, why=why, cleared=cleared)
    if stored.state in FOUND_BY_A_RUN:
        mine = stored.state != found.state and _ours_to_say(stored, run)
        return Step(found.state, why, ending) if mine else None
    if not cleared or (run.last is not None and stored.id in run.last.cleared):
        return None  # what a person has reopened since, the same match does not clear again
    return Step(AUTO_CLEARED, why, ending)


def _met_again(
    stored: StoredBreak, run: Run, moved: frozenset[str], *, why: str, cleared: bool
) -> Step | None:
    """A break that people had ended, listed by a run for the first time since."""
    before = () if run.last is None else run.last.cleared if cleared else run.last.listed
    if stored.id in before:
        return None
    if cleared and stored.id not in moved:
        return Step(CLOSED, why, stored.ending) if stored.state == RESOLVED else None
    return Step(REOPENED, f"{why}; it had ended as {stored.ending}")


def _untouched(found: Break, stored: StoredBreak, run: Run) -> Step | None:
    """A break of an earlier day that this one has no row for: it grows older, or people have ended it."""
    if stored.id in run.ended and stored.state == RESOLVED:
        return Step(CLOSED, f"run {run.number} of {run.day}: counted as cleared", stored.ending)
    if stored.state in FOUND_BY_A_RUN and stored.state != found.state and _ours_to_say(stored, run):
        return Step(found.state, f"run {run.number} of {run.day}: {' '.join(found.codes)}")
    return None


def _gone(stored: StoredBreak, run: Run, moved: frozenset[str], whole: str) -> Step | None:
    """A break that the run does not list: joined with an older one, ended by people, or not found any more."""
    if stored.id in run.ended:
        why = f"run {run.number} of {run.day}: counted as cleared"
        return Step(CLOSED, why, stored.ending) if stored.state == RESOLVED else None
    why = f"run {run.number} of {run.day}: {f'one with {whole}' if whole else 'not found any more'}"
    if stored.state in ENDED_BY_PEOPLE:
        was = run.last is not None and stored.id in run.last.listed
        return (
            Step(REOPENED, f"{why}; it had ended as {stored.ending}") if was and stored.id in moved else None
        )
    if stored.state == AUTO_CLEARED:
        return None
    return Step(AUTO_CLEARED, why, "LATE_MATCH" if whole else "FILE_CORRECTED")


def _renewed(
    listed: Mapping[str, Break],
    untouched: Mapping[str, Break],
    known: Mapping[str, StoredBreak],
    run: Run,
) -> list[StoredBreak]:
    """The rows that this run may write: not where a later day has gone on from what stays as it was."""
    rows = []
    for one in listed.values():
        stored = known.get(one.id)
        if stored is None or _ours_to_say(stored, run):
            rows.append(_stored(one, run.number, stored, run.number))
    for one in untouched.values():
        stored = known.get(one.id)
        if stored is not None and _ours_to_say(stored, run):
            again = _stored(one, stored.last_run, stored, run.number)
            rows += [] if replace(again, state=stored.state) == stored else [again]
    return rows


def _stored(found: Break, last_run: int, before: StoredBreak | None, number: int) -> StoredBreak:
    rows = {"L": found.ledger_rows, "B": found.bank_rows, "H": found.his_rows}
    return StoredBreak(
        id=found.id,
        first_run=before.first_run if before else number,
        last_run=last_run,
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
        state=before.state if before else found.state,
        detail=found.detail,
        rows={side: _ROWS[side].dump_python(each, mode="json") for side, each in rows.items()},
        owner=before.owner if before else "",
        ending=before.ending if before else "",
    )
