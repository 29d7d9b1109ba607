"""Events that the platform itself sends, taken in the transaction of the job that makes them. 平台事件

What a job decides (a break is corrected) and what the books make of it commit together: there is no moment at
which one stands without the other. The events go through the same rules as any producer's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from clearing.jobs.close import jobs_stream
from clearing.jobs.gather import NO_NAMES, Names
from clearing.jobs.ingest import Record, decoded, take_in
from clearing.ledger.outcomes import Decision
from clearing.store import days, locks
from messages import Malformed

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from clearing.ledger.members import Members
    from clearing.settings import Settings

_BEFORE_THE_CUT: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnEvent:
    """One event of the platform's."""

    id: str
    """Derived from what it is of, so that a second run draws the same."""
    type: str
    data: Mapping[str, Any]
    """The body as it travels: yuan as text."""


async def take_own(
    conn: AsyncConnection,
    settings: Settings,
    members: Members,
    events: Sequence[OwnEvent],
    *,
    now: datetime,
    known: Names = NO_NAMES,
) -> list[Decision | Malformed]:
    """Take events of the platform's inside the caller's transaction, on the open day. 平台入账

    In:      `now`: when it happens; an instant beyond the open day counts as its last second, so that books that
             are behind the clock do not park it. `known`: the names that an earlier `Busy` gave.
    Out:     each one's outcome, in order; one that is refused or malformed is for the caller to judge, who may
             roll back.
    Writes:  as `ingest.take`, on the stream "jobs".
    Again:   the same ids are duplicates.
    Raises:  Busy and Fenced: roll back and try again.
    """
    await locks.day_shared(conn)
    open_day = await days.first_uncut(conn)
    at = min(now, members.clock.cut_to(open_day) - _BEFORE_THE_CUT)
    source = members.platform.code
    values = [event_bytes(one, source, at, settings.env) for one in events]
    return await take_made(conn, settings, members, values, known)


async def take_made(
    conn: AsyncConnection,
    settings: Settings,
    members: Members,
    values: Sequence[bytes],
    known: Names = NO_NAMES,
) -> list[Decision | Malformed]:
    """Take events that a job has made, its own or those that a partner's file says, in the caller's transaction.

    Out, Writes, Again, Raises: as `take_own`.
    """
    head = await jobs_stream(conn)
    start = head.position or 0
    records = [Record(start + number, value) for number, value in enumerate(values)]
    [taken] = await take_in(conn, settings, members, [decoded(head, records, start + len(records))], known)
    return list(taken.outcomes)


def event_bytes(event: OwnEvent, source: str, at: datetime, env: str) -> bytes:
    """An event as its producer would send it."""
    told = {
        "specversion": "1.0",
        "id": event.id,
        "source": source,
        "type": event.type,
        "time": at.isoformat(),
        "env": env,
        "data": dict(event.data),
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
