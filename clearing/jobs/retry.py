"""Quarantined records tried again: as they came, once this release can read them, or mended. 待处理重试

They go through the same door as any record. What still cannot be read stays where it is and is told what is missing;
what is parked cannot be hurried and is told what it waits for and until when.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from clearing.errors import UsageError
from clearing.jobs.ingest_file import ingest_lines
from clearing.store import quarantine, views
from clearing.store.quarantine import Quarantined
from clearing.store.session import transaction
from messages import Event, Malformed, decode

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from clearing.ledger.members import Members
    from clearing.settings import Settings

Json: TypeAlias = dict[str, Any]


async def retry(
    engine: AsyncEngine,
    settings: Settings,
    members: Members,
    *,
    begins: str = "",
    mended: bytes | None = None,
    maker: str,
) -> Json:
    """Take quarantined records again. 待处理重试

    In:      `begins`: how the record's digest begins, empty for all that were not taken yet; `mended`: the record as
             it should have been, of exactly one.
    Out:     retried: each that could be read, with its event's outcome; malformed: each that could not, with what is
             missing; parked: every event that waits, for what and until which cut.
    Writes:  as `ingest_lines`; quarantine_retry.
    Again:   an event that was taken is a duplicate; one that was noted as taken is not taken again unless named.
    Raises:  UsageError when there is no such record, or the mended one is another event's or cannot be read.
    """
    retried: list[Json] = []
    unread: list[Json] = []
    async for found in _pages(engine, begins.lower()):
        read: list[tuple[Quarantined, bytes, Event]] = []
        for one in found:
            value = _mended(one, mended) if mended is not None else one.raw
            said = decode(value) if value is not None else None
            if value is not None and isinstance(said, Event):
                read.append((one, value, said))
            else:  # without its bytes, what was said of it when it came
                unread.append(_unread(one, said if isinstance(said, Malformed) else None))
        if read:
            await ingest_lines(engine, settings, members, [value for _, value, _ in read])
        retried += [await _retried(engine, one, value, event, maker) for one, value, event in read]
    return {"retried": retried, "malformed": unread, "parked": await parked(engine)}


async def _pages(engine: AsyncEngine, begins: str) -> AsyncIterator[list[Quarantined]]:
    """The records that were asked for, some at a time: what cannot be read must not stand before what can.

    Raises:  UsageError when a digest was begun that is not one record's.
    """
    after = quarantine.START
    while True:
        async with transaction(engine) as conn:
            found = await quarantine.unread(conn, begins, after)
        if begins and after == quarantine.START and len(found) != 1:
            raise UsageError(
                f"quarantine {begins}: {'more than one begins so' if found else 'there is none'}. "
                "See: clearing quarantine list"
            )
        if not found:
            return
        yield found
        after = found[-1].place


def _mended(one: Quarantined, mended: bytes) -> bytes:
    """The mended record, when it is one and the same event's."""
    value = mended.strip()
    said = decode(value)
    where = f"quarantine {one.sm3.hex()[:12]}"
    if isinstance(said, Malformed):
        raise UsageError(f"{where}: the mended record cannot be read either: {said}. Nothing was taken")
    differs = [
        (name, was, now)
        for name in ("source", "id", "type")
        if (was := getattr(one, name)) and was != (now := getattr(said, name))
    ]
    if differs:
        name, was, now = differs[0]
        raise UsageError(
            f"{where}: expected {name} {was} as it came, got {now}. Next: clearing ingest, if it is another event"
        )
    return value


def _unread(one: Quarantined, said: Malformed | None) -> Json:
    return {
        "sm3": one.sm3.hex(),
        "where": said.where if said else one.where,
        "what": said.what if said else one.what,
        "source": one.source,
        "id": one.id,
        "type": one.type,
        "kept": one.raw is not None,
    }


async def _retried(engine: AsyncEngine, one: Quarantined, value: bytes, event: Event, maker: str) -> Json:
    async with transaction(engine) as conn:
        first = await views.event(conn, event.source, event.id)
        last = await views.woken(conn, event.source, event.id) or first
        outcome, reason = (last["outcome"], last["reason"]) if last else ("malformed", "")
        name = (event.source, event.id)
        mended = value != one.raw
        await quarantine.tried(conn, one.sm3, name, (outcome, reason), maker=maker, mended=mended)
    return {
        "sm3": one.sm3.hex(),
        "event": f"{event.source}/{event.id}",
        "type": event.type,
        "mended": value != one.raw,
        "outcome": outcome,
        "reason": reason,
    }


async def parked(engine: AsyncEngine) -> list[Json]:
    """Every event that waits: for what, and the cut that ends its wait; a wait for a day ends with that day. 挂起"""
    async with transaction(engine) as conn:
        waiting = await views.waiting(conn, rows_max=1000)
    return [
        {
            "event": f"{one['source']}/{one['id']}",
            "type": one["type"],
            "waits_for": one["waits_for"].partition("/")[0],
            "detail": one["detail"],
            "until": f"{one['since'] + timedelta(days=one['limit_days'])}" if one["since"] else "",
        }
        for one in waiting
    ]
