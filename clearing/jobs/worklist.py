"""The work list: breaks as people see them, whose they are, how old, and what usually ends them. 差错清单"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from clearing.day.working_days import working_day_after, working_days_between
from clearing.errors import UsageError
from clearing.ledger.business_day import ONE_DAY
from clearing.ledger.money import yuan
from clearing.reconciliation.codes import CODES
from clearing.reconciliation.handling import side_label
from clearing.reconciliation.life import OVER
from clearing.store import breaks, days, proposals
from clearing.store.breaks import Asked, StoredBreak
from clearing.store.session import transaction

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

Json: TypeAlias = dict[str, Any]
T = TypeVar("T")

_BEGUN: Final = 2
"""Enough to know whether an id that was begun means one break or more."""


async def breaks_list(
    engine: AsyncEngine,
    asked: Asked | None = None,
    *,
    age_days_min: int = 0,
    rows_max: int | None = None,
) -> list[Json]:
    """Breaks in order of id, which begins with the day: all, or those that were asked for. 差错清单

    In:      `age_days_min`: found so many calendar days ago or earlier, counted to the open day.
    Out:     each as `reconcile` prints it, as its last run and its people have left it; beside that `owner`,
             `ending`, `desk`, `label` (长款/短款, the side named), `age_days` and `age_working_days` up to the
             open day, `due` and `overdue` (empty and false once it is over).
    """
    wanted = asked or Asked()
    async with transaction(engine) as conn:
        today = await days.first_uncut(conn)
        if age_days_min:
            wanted = replace(wanted, found_by=today - ONE_DAY * age_days_min)
        return [listed(one, today) for one in await breaks.wanted(conn, wanted, rows_max)]


async def break_show(engine: AsyncEngine, break_id: str) -> Json:
    """One break with its rows on three sides, what its code means, and every step of its life. 差错明细

    In:      the id, or how it begins.
    Raises:  UsageError when there is none of that id, or more than one.
    """
    async with transaction(engine) as conn:
        return await shown(conn, await found_break(conn, break_id))


async def found_break(conn: AsyncConnection, break_id: str, *, lock: bool = False) -> StoredBreak:
    """The one break whose id is this or begins so, locked to the end of the transaction if wanted.

    Raises:  UsageError when there is none, or more than one.
    """
    found = await breaks.of_ids(conn, [break_id], lock=lock)
    if break_id in found:
        return found[break_id]
    begun = await breaks.wanted(conn, Asked(begins=break_id), _BEGUN)
    if len(begun) != 1:
        what = "more than one begins so" if begun else "there is none"
        raise UsageError(f"break {break_id}: {what}. Next: clearing breaks list")
    return (await breaks.of_ids(conn, [begun[0].id], lock=lock))[begun[0].id]


async def shown(conn: AsyncConnection, found: StoredBreak) -> Json:
    """One break with all that is known of it."""
    code = CODES[found.code]
    steps = await breaks.steps_of(conn, found.id)
    proposed = await proposals.of_break(conn, found.id)
    return listed(found, await days.first_uncut(conn)) | {
        "name": code.chinese,
        "meaning": code.meaning,
        "class": code.break_class,
        "handling": code.action,
        "first_run": str(found.first_run),
        "last_run": str(found.last_run),
        "rows": {"ledger": found.rows["L"], "bank": found.rows["B"], "his": found.rows["H"]},
        "steps": [
            {
                "no": one.no,
                "state": one.state,
                "ending": one.ending,
                "owner": one.owner,
                "maker": one.maker,
                "checker": one.checker,
                "why": one.why,
                "evidence": _hex(one.evidence),
                "proposal": one.proposal,
                "at": one.at.isoformat(),
            }
            for one in steps
        ],
        "proposals": [
            {
                "no": one.no,
                "ending": one.ending,
                "maker": one.maker,
                "why": one.why,
                "evidence": _hex(one.evidence),
                "legs": [
                    {"account": account, "side": side, "amount": yuan(fen)} for account, side, fen in one.legs
                ],
                "event": one.event,
                "approvals_needed": one.approvals,
                "approvals": [
                    {"checker": each.checker, "why": each.why, "at": each.at.isoformat()}
                    for each in await proposals.approvals(conn, found.id, one.no)
                ],
                "at": one.at.isoformat(),
            }
            for one in proposed
        ],
    }


def _hex(digest: bytes | None) -> str:
    return digest.hex() if digest else ""


def listed(one: StoredBreak, today: date) -> Json:
    """A break as the work list has it; see `breaks_list`."""
    handling = CODES[one.code]
    over = one.state in OVER
    due = None if over else _known(lambda: working_day_after(one.clearing_date, handling.sla_days))
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
        "owner": one.owner,
        "ending": one.ending,
        "desk": handling.desk,
        "action": handling.action,
        "ends": list(handling.ends),
        "label": side_label(one.differences.items(), _banks(one), one.code),
        "age_days": (today - one.clearing_date).days,
        "age_working_days": _known(lambda: working_days_between(one.clearing_date, today)),
        "due": due.isoformat() if due else "",
        "overdue": due is not None and today > due,
    }


def _banks(one: StoredBreak) -> Collection[str]:
    """Which of the partners of its differences are banks, networks or channels: those its statement rows are of."""
    rows: Iterable[Json] = one.rows.get("B", ())
    return {one.bank, *(row["partner"] for row in rows)}


def _known(ask: Callable[[], T]) -> T | None:
    """What the working-day calendar says; nothing, rather than a guess, for years it does not know."""
    try:
        return ask()
    except UsageError:
        return None
