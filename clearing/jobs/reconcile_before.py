"""What earlier days hand on to the one that is reconciled, and whether it may be. 对账承前"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Final

from pydantic import TypeAdapter

from clearing.day.states import State
from clearing.errors import UsageError
from clearing.reconciliation.breaks import OpenItem
from clearing.reconciliation.life import ENDED_BY_PEOPLE, FOUND_BY_A_RUN
from clearing.reconciliation.rows import HisRow, PartnerRow, StatementRow
from clearing.store import breaks, days

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from clearing.store.breaks import StoredBreak, StoredRun

CLOSED_DAYS: Final = frozenset({State.CUT, State.NETTED, State.FILED, State.RECONCILED, State.SIGNED})
OPEN_ITEMS: Final = TypeAdapter(tuple[OpenItem, ...])
WAITING: Final = TypeAdapter(tuple[StatementRow | HisRow, ...])


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What earlier days hand on to this one."""

    items: tuple[OpenItem, ...]
    ended: frozenset[str]
    """Ids of breaks that people have ended since the day before."""
    waiting: tuple[PartnerRow, ...]
    last: StoredRun | None
    """The run of this same day that stood until now."""


async def closed(conn: AsyncConnection, day: date) -> None:
    """Let a day pass that takes no entries any more and is not signed. 已日切

    Raises:  UsageError.
    """
    found = await days.opened(conn, day)
    if State(found.state) not in CLOSED_DAYS:
        raise UsageError(f"day {day}: expected it cut, {found.state} found. Next: clearing close {day}")
    if found.state == State.SIGNED:
        raise UsageError(
            f"day {day}: it is signed, its reconciliation stands. Its open breaks are met again in the runs of later "
            f"days. Next: clearing breaks list --date {day} --open"
        )


async def not_signed_upon(conn: AsyncConnection, day: date) -> None:
    """Let a run pass that changes nothing with which a signed day began. 已签

    Raises:  UsageError when a later day is signed.
    """
    signed = [one for one in await days.every(conn) if one.clearing_date > day and one.state == State.SIGNED]
    if signed:
        raise UsageError(
            f"day {day}: these files would hand on other breaks to {signed[0].clearing_date}, which is signed. "
            "Nothing was stored. Next: give what differs with the files of the first day that is not signed"
        )


async def handed_on_to(conn: AsyncConnection, day: date) -> Before:
    """What the day before this one, as it stands, hands on; and what people have ended since. 承前"""
    run, last = await breaks.run_before(conn, day), await breaks.last_run(conn, day)
    items = OPEN_ITEMS.validate_python(run.open_after) if run else ()
    stored = await breaks.of_ids(conn, [item.id for item in items])
    ended = frozenset(
        item.id for item in items if item.id in stored and stored[item.id].state in ENDED_BY_PEOPLE
    )
    if last is not None:
        ended &= set(last.closed)  # what was ended since then counts on a later day: this one can be repeated
    return Before(
        items=tuple(_as_people_left(item, stored.get(item.id)) for item in items),
        ended=ended,
        waiting=WAITING.validate_python(run.waiting) if run else (),
        last=last,
    )


def _as_people_left(item: OpenItem, stored: StoredBreak | None) -> OpenItem:
    """An open item in the state to which somebody has brought it; a later run's state does not count here."""
    if stored is None or stored.state in FOUND_BY_A_RUN:
        return item
    return replace(item, found=replace(item.found, state=stored.state))
