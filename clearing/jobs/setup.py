"""Before the first day: the schema, the members, the day to begin with. 初始化

The first members file is in force at once: there is nobody yet who could approve it. Every later version waits
until somebody else than its maker approves it.
"""

from __future__ import annotations

import asyncio
import json
import tomllib
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncEngine

from clearing.errors import MembersRefused, UsageError, WorldFailed, toml_fault
from clearing.files.seal import wrong_keys
from clearing.ledger.business_day import BusinessClock
from clearing.ledger.members import Members
from clearing.ledger.members_file import load_members
from clearing.store import days, locks, migrations, reference
from clearing.store.session import IDLE_SECONDS_MAX, transaction

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from clearing.settings import Settings

INIT: Final = "init"
"""Who approves the first version."""

_read: WeakKeyDictionary[AsyncEngine, dict[int, Members]] = WeakKeyDictionary()
"""Members of an open database by version; a version never changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What `init` left."""

    members: int
    """Number of the version in force."""
    loaded: bool
    """False when that version was there before."""
    day: date
    opened: bool
    """False when the day was there before."""


async def init(engine: AsyncEngine, members_file: bytes, open_day: date, *, maker: str = "setup") -> Ready:
    """Create or upgrade the schema, put the first members in force, open the first day. 初始化

    In:      the bytes of `members.toml`; the clearing date that takes the first entries.
    Writes:  the schema, members, day.
    Again:   the same file and day change nothing.
    Raises:  MembersRefused; UsageError when other members are in force, or the books began on another day.
    """
    document = document_of(members_file)
    _sound(document)
    await migrations.upgrade(engine)
    async with transaction(engine) as conn:
        await locks.day_exclusive(conn)  # two at once: the second finds what the first has done
        number, loaded = await _first_members(conn, document, members_file, maker)
        opened = await _first_day(conn, open_day)
    return Ready(members=number, loaded=loaded, day=open_day, opened=opened)


def _sound(document: dict[str, Any]) -> None:
    """Refuse members that contradict themselves, or name a public key that is none."""
    faults = [
        fault for member in load_members(document).records for fault in wrong_keys(member.code, member.seal)
    ]
    if faults:
        raise MembersRefused("members file refused:\n  " + "\n  ".join(faults))


async def _first_members(
    conn: AsyncConnection, document: dict[str, Any], source: bytes, maker: str
) -> tuple[int, bool]:
    found = await reference.in_force(conn)
    if found is not None:
        if found[1] != document:
            raise UsageError(
                f"members: version {found[0]} is in force and is not this file. Nothing was changed. "
                "Next: clearing members load FILE, then let somebody else approve it"
            )
        return found[0], False
    number = await reference.add(conn, document, source, maker)
    await reference.approve(conn, number, INIT, datetime.now(UTC))
    return number, True


async def _first_day(conn: AsyncConnection, day: date) -> bool:
    known = await days.every(conn)
    if known and known[0].clearing_date != day:
        raise UsageError(
            f"--open-day {day}: the books began on {known[0].clearing_date}; expected that day. "
            "Days open by themselves when the day before is cut"
        )
    if known:
        return False
    await days.open_day(conn, day)
    return True


async def load(engine: AsyncEngine, members_file: bytes, maker: str) -> int:
    """Keep a new version of the members, to be approved by somebody else, and give its number. 登记资料

    Out:     of the file that is in force its own number: there is nothing to approve.
    Writes:  members.
    Again:   another version, until one is approved.
    Raises:  MembersRefused with every fault.
    """
    document = document_of(members_file)
    _sound(document)
    async with transaction(engine) as conn:
        same = await reference.in_force_of(conn, members_file)
        return same or await reference.add(conn, document, members_file, maker)


async def is_in_force(engine: AsyncEngine, number: int) -> bool:
    """Whether a version of the members is the one that counts."""
    async with transaction(engine) as conn:
        return await reference.number_in_force(conn) == number


async def approve(engine: AsyncEngine, number: int, checker: str) -> None:
    """Put a version of the members in force. 复核资料

    Writes:  members.
    Again:   refused.
    Raises:  UsageError when it is unknown, approved before, or the checker made it.
    """
    async with transaction(engine) as conn:
        await reference.approve(conn, number, checker, datetime.now(UTC))


async def members_in_force(engine: AsyncEngine) -> Members:
    """The newest approved members; read once a version. 现行资料

    Raises:  UsageError when none were ever loaded.
    """
    async with transaction(engine) as conn:
        found = await reference.in_force(conn)
    if found is None:
        raise UsageError("members: none are loaded. Next: clearing init --members FILE --open-day DATE")
    number, document = found
    versions = _read.setdefault(engine, {})
    if number not in versions:
        versions[number] = await asyncio.to_thread(load_members, document)
    return versions[number]


async def check_in_force(conn: AsyncConnection, engine: AsyncEngine) -> None:
    """Make sure that what is made now is made with the members that are noted beside it. 资料核对

    Raises:  WorldFailed when others were approved since this process read them.
    """
    read, number = _read.get(engine), await reference.number_in_force(conn)
    if read and number not in read:
        raise WorldFailed(
            f"members: version {number} was approved since this command began with {max(read)}. Nothing was written. "
            "Next: run it again"
        )


class MembersNow:
    """The members in force, for a process that outlives a version of them. 资料跟随"""

    def __init__(self, engine: AsyncEngine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        self._number: int | None = None
        """Of the version that was looked at last."""

    async def changed(self) -> Members | None:
        """The members in force when they are others than at the last look, else None.

        Again:   None, until another version is approved.
        """
        async with transaction(self._engine, idle_seconds_max=IDLE_SECONDS_MAX) as conn:
            number = await reference.number_in_force(conn)
        if number is None or number == self._number:
            return None
        found = with_settings(await members_in_force(self._engine), self._settings)
        self._number = number
        return found


async def members_of_version(conn: AsyncConnection, number: int, now: Members) -> Members:
    """The members of a version of the reference data, under the clock of `now`; `now` without it. 当时资料"""
    document = await reference.version(conn, number)
    return replace(load_members(document), clock=now.clock) if document else now


def with_settings(members: Members, settings: Settings) -> Members:
    """Members whose clock follows the settings where these say otherwise; everything else as it was."""
    clock = members.clock
    if settings.cutover is not None:
        clock = replace(clock, cutover=settings.cutover)
    if settings.timezone:
        clock = BusinessClock(ZoneInfo(settings.timezone), clock.cutover)
    return members if clock == members.clock else replace(members, clock=clock)


def document_of(members_file: bytes) -> dict[str, Any]:
    """A members file as it is kept: dates and times as text.

    Raises:  MembersRefused when it is no TOML in UTF-8.
    """
    try:
        parsed = tomllib.loads(members_file.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MembersRefused(
            f"members file refused: not a TOML file in UTF-8: {toml_fault(error)}"
        ) from error
    document: dict[str, Any] = json.loads(json.dumps(parsed, default=lambda value: value.isoformat()))
    return document
