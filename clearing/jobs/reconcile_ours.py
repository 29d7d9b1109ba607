"""Our side of a day that is reconciled: entries, and records that made none. 平台侧取数"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from clearing.reconciliation.fund_list import fund_rows
from clearing.reconciliation.ledger_side import LedgerRow, NotedTopup, OpenTimeout, RejectedUse, ledger_rows
from clearing.reconciliation.reconciled import EARLIER_DAYS_MAX
from clearing.reconciliation.unposted import noted_topup, open_timeout, original_named, rejected_uses
from clearing.store import facts, reconciling, standing

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from clearing.ledger.entry import Entry
    from clearing.ledger.members import Members


@dataclass(frozen=True, slots=True)
class OtherRows:
    """What makes rows of ours without an entry of the day. 未入账行"""

    rejected: Sequence[RejectedUse]
    timeouts: Sequence[OpenTimeout]
    noted: Sequence[NotedTopup]
    paid: Sequence[LedgerRow] = ()
    """What payers paid, where a list of theirs is here: its rows are of no bank."""

    def rows(
        self, day: date, entries: Iterable[Entry] = (), originals: Iterable[Entry] = ()
    ) -> tuple[LedgerRow, ...]:
        """Their rows, beside those of some entries of the day."""
        rows = ledger_rows(
            day,
            entries,
            originals=originals,
            rejected=self.rejected,
            timeouts=self.timeouts,
            noted_topups=self.noted,
        )
        return (*rows, *self.paid)


async def other_rows(
    conn: AsyncConnection, members: Members, day: date, *, with_lists: bool = False
) -> OtherRows:
    """What was decided up to the day's cut, and nothing later, without an entry. 未入账

    In:      `with_lists`: whether payers' lists are here, so that what they paid has rows of its own.
    Out:     the same however often and however late it is read.
    """
    on = members.on(day)
    unposted = await _unposted(conn, members, day)
    return OtherRows(
        [one for one in unposted if isinstance(one, RejectedUse)],
        [
            open_timeout(one.event, one.entry_id, one.clearing_date, on)
            for one in await reconciling.open_timeouts(conn, day)
        ],
        [one for one in unposted if isinstance(one, NotedTopup)],
        fund_rows(await standing.fund_moves(conn, day)) if with_lists else (),
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
