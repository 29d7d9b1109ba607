"""What reconciliation left to do: the work list of breaks. 差错清单"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, TypeAlias

from clearing.errors import UsageError
from clearing.ledger.money import yuan
from clearing.reconciliation.breaks import CODES
from clearing.store import breaks
from clearing.store.breaks import StoredBreak
from clearing.store.session import transaction

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine


Json: TypeAlias = dict[str, Any]


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
