"""What reconciliation left, to look at: the report of a day's stored run, and the work list. 差错报告与清单"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pydantic import TypeAdapter

from clearing.errors import UsageError, WorldFailed
from clearing.ledger.money import yuan
from clearing.reconciliation.breaks import CODES
from clearing.reconciliation.renderings import as_csv, as_json
from clearing.reconciliation.report import Report
from clearing.store import breaks
from clearing.store.breaks import StoredBreak
from clearing.store.session import transaction

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from clearing.ledger.members import Members

Json: TypeAlias = dict[str, Any]

_REPORT: Final = TypeAdapter(Report)


def _json(model: Report) -> bytes:
    return json.dumps(as_json(model), ensure_ascii=False, indent=1).encode() + b"\n"


RENDERINGS: Final[Mapping[str, Callable[[Report], bytes]]] = {"csv": as_csv, "json": _json}
"""Format → the report's bytes; more are a row more."""


async def stored_report(engine: AsyncEngine, day: date) -> Report:
    """The report of the run of a day that stands. 差错报告

    Raises:  UsageError when the day was never reconciled.
    """
    async with transaction(engine) as conn:
        run = await breaks.last_run(conn, day)
    if run is None:
        raise UsageError(
            f"day {day}: it was never reconciled, so there is nothing to report. Next: clearing reconcile {day}"
        )
    return replace(_REPORT.validate_python(run.report), run=str(run.id))


async def write_report(
    engine: AsyncEngine, members: Members, day: date, out: Path, formats: Sequence[str] = ("csv", "json")
) -> list[Path]:
    """Write the report of a day into a directory, one file a format. 写差错报告

    In:      `members` give the platform's code, which stands in the names.
    Out:     the files, in the order of `formats`.
    Writes:  out/RHC_MIS_<platform>_ALL_<date>_<run>.<format>: whole or not at all.
    Again:   the same bytes under the same name; another run of the day has another name.
    Raises:  UsageError for an unknown format or a day that was never reconciled; WorldFailed for the disk.
    """
    strange = [one for one in formats if one not in RENDERINGS]
    if strange:
        raise UsageError(f"report: expected a format of {', '.join(RENDERINGS)}, got {', '.join(strange)}")
    model = await stored_report(engine, day)
    stem = f"RHC_MIS_{members.platform.code}_ALL_{day:%Y%m%d}_{int(model.run):03d}"
    written: list[Path] = []
    for one in dict.fromkeys(formats):
        target = out / f"{stem}.{one}"
        try:
            _put(target, RENDERINGS[one](model))
        except OSError as error:
            where = error.filename or target
            raise WorldFailed(f"{where}: {error.strerror or error}. Next: mend it and run again") from error
        written.append(target)
    return written


def _put(target: Path, content: bytes) -> None:
    """Write beside it, make durable, rename."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partly = target.with_name(f"{target.name}.tmp")
    with partly.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partly.replace(target)


# ---------------------------------------------------------------- the work list


async def breaks_list(
    engine: AsyncEngine, *, day: date | None = None, states: Sequence[str] | None = None
) -> list[Json]:
    """Breaks in order of id, which begins with the day: of one day, in some states, or all. 差错清单

    In:      `day`: the day a break was found in.
    Out:     each as `reconcile` prints it, as its last run and its people have left it.
    """
    async with transaction(engine) as conn:
        if day is not None:
            found = await breaks.of_day(conn, day)
        else:
            found = await breaks.in_states(conn, states) if states is not None else await breaks.every(conn)
    return [_break_json(one) for one in found if states is None or one.state in states]


async def break_show(engine: AsyncEngine, break_id: str) -> Json:
    """One break with its rows on three sides, what its code means, and every step of its life. 差错明细

    Raises:  UsageError when there is none of that id.
    """
    async with transaction(engine) as conn:
        found = (await breaks.of_ids(conn, [break_id])).get(break_id)
        steps = await breaks.steps_of(conn, break_id)
    if found is None:
        raise UsageError(f"break {break_id}: there is none. Next: clearing breaks list")
    code = CODES[found.code]
    return _break_json(found) | {
        "name": code.chinese,
        "meaning": code.meaning,
        "class": code.break_class,
        "handling": code.handling,
        "first_run": str(found.first_run),
        "last_run": str(found.last_run),
        "rows": {"ledger": found.rows["L"], "bank": found.rows["B"], "his": found.rows["H"]},
        "steps": [
            {
                "no": one.no,
                "state": one.state,
                "ending": one.ending,
                "maker": one.maker,
                "checker": one.checker,
                "why": one.why,
                "evidence": one.evidence.hex() if one.evidence else "",
                "at": one.at.isoformat(),
            }
            for one in steps
        ],
    }


def _break_json(one: StoredBreak) -> Json:
    return {
        "id": one.id,
        "code": one.code,
        "codes": list(one.codes),
        "vector": one.vector,
        "amount": yuan(one.amount_fen),
        "difference": yuan(one.difference_fen),
        "differences": {partner: yuan(fen) for partner, fen in one.differences.items()},
        "keys": dict(one.keys),
        "bank": one.bank,
        "institution": one.institution,
        "state": one.state,
        "opened": one.clearing_date.isoformat(),
        "detail": one.detail,
    }
