"""What a run has found is kept: the run, its breaks, the rows it took in, the day's state. 对账入库"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pydantic import TypeAdapter

from clearing.day.states import State
from clearing.jobs.reconcile_before import OPEN_ITEMS, WAITING, not_signed_upon
from clearing.jobs.reconcile_breaks import Run, save_breaks
from clearing.reconciliation.as_json import as_json
from clearing.reconciliation.codes import AUTO_CLEARED, CODES
from clearing.reconciliation.lists import StayList
from clearing.reconciliation.partner_files import Parsed
from clearing.reconciliation.reconciled import Reconciled
from clearing.reconciliation.report import Report, report
from clearing.store import breaks, days, reconciling
from clearing.store.sides.taken import taken_rows

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from clearing.jobs.reconcile_take import Sides
    from clearing.store.sides.tables import SideTables

Json: TypeAlias = dict[str, Any]

_REPORT: Final = TypeAdapter(Report)


async def recorded(conn: AsyncConnection, tables: SideTables, sides: Sides, found: Reconciled) -> Json:
    """Keep a run, and give what the command says of it. 记录对账

    Writes:  reconciliation_run, taken_row, break_, break_step; day, when it is reconciled by this run.
    Again:   another run over the same breaks under their ids.
    """
    day, last = sides.day, sides.before.last
    open_after = OPEN_ITEMS.dump_python(found.open_after, mode="json")
    waiting = WAITING.dump_python(found.waiting, mode="json")
    inputs = _inputs(sides)
    said = as_json(found, "")
    changed = last is None or _handed_on(last.open_after, last.waiting, last.inputs) != _handed_on(
        open_after, waiting, inputs
    )
    if changed:
        await not_signed_upon(conn, day)
    model = report(found, "", sides.rest.statements, sides.rest.exports, sides.stays.values())
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
        "refused": [
            error for one in sides.refused if one.file and one.code != "FIL-004" for error in one.errors
        ],
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
    exports = sides.rest.exports.values()
    kinds: tuple[tuple[str, Iterable[Parsed[Any] | StayList]], ...] = (
        ("DEP", sides.stays.values()),
        ("HIS", [one for one in exports if one.partner not in sides.payers]),
        ("NRC", [one for one in exports if one.partner in sides.payers]),
        ("STM", sides.rest.statements.values()),
    )
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
