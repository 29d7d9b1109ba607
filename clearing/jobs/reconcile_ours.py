"""Our side of a day that is reconciled: entries, and records that made none. 平台侧取数"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from clearing.reconciliation.ledger_side import LedgerRow, NotedTopup, RejectedUse, ledger_rows
from clearing.reconciliation.reconciled import EARLIER_DAYS_MAX
from clearing.reconciliation.unposted import noted_topup, open_timeout, original_named, rejected_uses
from clearing.store import entries, facts, reconciling

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from clearing.ledger.members import Members


async def our_side(conn: AsyncConnection, members: Members, day: date) -> tuple[LedgerRow, ...]:
    """Our rows of a cut day, from what was decided up to its cut and nothing later. 平台侧

    Out:     as `ledger_rows`; the same however often and however late it is read.
    """
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
