"""Looking at the running nets now and then, beside the stream of events and in nobody's way. 日间敞口监测"""

from __future__ import annotations

import asyncio
from datetime import date
from typing import TYPE_CHECKING, Final

import structlog

from clearing.day.exposure import Crossing, Exposure, crossings, exposures, running_nets
from clearing.day.states import State
from clearing.errors import UsageError
from clearing.ledger.business_day import ONE_DAY
from clearing.ledger.members import Bank
from clearing.store import balances, days, notices
from clearing.store import crossings as stored
from clearing.store.session import transaction

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from clearing.ledger.members import Members, MembersOn

LOOK_SECONDS: Final = 2.0
_MOVING: Final = (State.OPEN, State.CUT)
SHARE_MAX: Final = 20
"""A look that takes long is made more seldom: at most a twentieth of the time goes into it."""

log = structlog.get_logger("exposure")


class CapWatch:
    """Compares each bank's running net with its cap and keeps when one is crossed."""

    def __init__(self, engine: AsyncEngine, members: Members) -> None:
        self._engine = engine
        self._members = members
        self._capped = any(isinstance(one, Bank) and one.net_cap is not None for one in members.records)
        self._next_at = 0.0
        self._looked: dict[date, int] = {}
        """By day the last batch that was in the books when it was looked at."""
        self._held: dict[date, tuple[int, dict[tuple[str, str], int]]] = {}
        """What stood at 3020 before a day, and how many days were netted when that was read."""
        self._said = ""

    async def look(self) -> int:
        """Keep who crossed its cap since the last look, and give how many that were. 越限检查

        Of the days that still move, and of those that were closed since members were last told of them.

        Writes:  crossing. Reads what is committed without a lock: a batch under way is seen the next time.
        Again:   nothing, unless a net has crossed its cap since.
        """
        now = asyncio.get_running_loop().time()
        if not self._capped or now < self._next_at:
            return 0
        found = 0
        async with transaction(self._engine) as conn:
            last_batch = await notices.last_batch(conn)
            every = await days.every(conn)
            netted = sum(one.state not in _MOVING for one in every)
            for day in await self._moving(conn, every):
                if self._looked.get(day) != last_batch:
                    found += await self._look_at(conn, day, netted)
                    self._looked[day] = last_batch
        took = asyncio.get_running_loop().time() - now
        self._next_at = now + max(LOOK_SECONDS, took * SHARE_MAX)
        return found

    async def _moving(self, conn: AsyncConnection, every: Iterable[days.Day]) -> list[date]:
        moving = {one.clearing_date for one in every if one.state in _MOVING}
        moving |= {day + ONE_DAY for day in moving}  # takes entries before it is opened
        moving |= {one.clearing_date for one in await days.untold(conn) if one.state == State.NETTED}
        for day in [one for one in self._looked if one not in moving]:
            del self._looked[day]
            self._held.pop(day, None)
        return sorted(moving)

    async def _look_at(self, conn: AsyncConnection, day: date, netted: int) -> int:
        members = self._members.on(day)
        totals = await balances.before_close(conn, day, memo=False)
        held = await self._held_before(conn, day, netted)
        try:
            found = await asyncio.to_thread(_exposures, totals, held, members)
        except UsageError as error:  # the close will stop at it; what comes in goes on
            if f"{error}" != self._said:
                self._said = f"{error}"
                log.warning("exposure cannot be told", error=self._said)
            return 0
        last = {one.bank: (one.no, one.over) for one in await stored.of_day(conn, day)}
        made = crossings(found, last)
        if made:
            await stored.add(conn, [_row(day, one) for one in made])
            for one in made:
                log.warning(
                    "over its net cap" if one.over else "within its net cap again",
                    bank=one.exposure.bank,
                    day=f"{day}",
                )
        return len(made)

    async def _held_before(self, conn: AsyncConnection, day: date, netted: int) -> dict[tuple[str, str], int]:
        known = self._held.get(day)
        if known is None or known[0] != netted:
            known = self._held[day] = (netted, await balances.held(conn, day))
        return known[1]


def _exposures(
    totals: dict[str, int], held: dict[tuple[str, str], int], members: MembersOn
) -> tuple[Exposure, ...]:
    return exposures(running_nets(totals, held, members), members)


def _row(day: date, one: Crossing) -> tuple[date, str, int, bool, int, int | None]:
    return (day, one.exposure.bank, one.no, one.over, one.exposure.net_fen, one.exposure.cap_fen)
