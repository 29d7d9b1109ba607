"""What a run makes of the breaks that are kept: new ones, renewed ones, and those that are gone. 差错入库

People bring a break further than a run does: what they have made of it stays, unless it clears by itself.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import TypeAdapter

from clearing.reconciliation.breaks import AUTO_CLEARED, CONFIRMED, OPEN, SUSPECT, Break
from clearing.reconciliation.reconciled import Reconciled
from clearing.reconciliation.rows import HisRow, LedgerRow, StatementRow
from clearing.store import breaks
from clearing.store.breaks import StoredBreak

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

MAKER: Final = "reconcile"
"""Who makes the steps that no person makes."""
MACHINE: Final = frozenset({OPEN, SUSPECT, CONFIRMED, AUTO_CLEARED})
"""States that a run may change; any other one is a person's."""
ENDED: Final = frozenset({"RESOLVED", "CLOSED"})

_ROWS: Final[dict[str, TypeAdapter[Any]]] = {
    "L": TypeAdapter(tuple[LedgerRow, ...]),
    "B": TypeAdapter(tuple[StatementRow, ...]),
    "H": TypeAdapter(tuple[HisRow, ...]),
}


class Run(NamedTuple):
    """A run while its breaks are stored."""

    number: int
    day: date
    last: int
    """The run of this day that stood until now; 0 for none."""
    changed: bool
    """Whether it hands on other things than that one did."""


async def save_breaks(conn: AsyncConnection, found: Reconciled, run: Run) -> dict[str, str]:
    """Store what a run says of breaks, each step of one that was known, and give every listed one's state. 保存差错

    Writes:  break_, break_step.
    Again:   the same rows; no step where no state changes.
    """
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
