"""A filed day's files made again: a new version for a member, uses of cards by number. 重出文件

What was made stays as it is. A new version is rendered from the same entries with the members and layouts of today,
names what it replaces and goes out like any file; who wanted it and why is kept beside it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from clearing.day.states import State
from clearing.errors import InvariantViolated, UsageError
from clearing.files.day_files import ORDER
from clearing.files.names import FileName
from clearing.files.outgoing import file_of
from clearing.files.parse import Scan
from clearing.jobs.filing import keep_files
from clearing.jobs.layouts import layouts_of
from clearing.jobs.orders import keep_made
from clearing.jobs.seal import seal_files, sealer_of
from clearing.jobs.tries import in_transaction
from clearing.store import days, files, payments
from clearing.store.files import Again, StoredFile

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from clearing.files.layout import Layout
    from clearing.files.outgoing import RenderedFile
    from clearing.files.parse import Row
    from clearing.jobs.gather import Names
    from clearing.ledger.members import Members
    from clearing.settings import Settings

VERSION: Final = "VERSION"
USES: Final = "USES"
SWP: Final = "SWP"
USES_MAX: Final = 100_000
"""Uses that one file takes, which is made in memory."""


class Order(NamedTuple):
    """Who wants files again, and why."""

    by: str
    why: str
    now: datetime


# ---------------------------------------------------------------- a new version


async def new_version(
    engine: AsyncEngine,
    settings: Settings,
    members: Members,
    day: date,
    *,
    receiver: str,
    types: Collection[str] = (),
    order: Order,
) -> list[StoredFile]:
    """Make a member's files of a filed day anew, as the next version. 重出版本

    In:      all of its types, or some.
    Out:     the new files, of the layouts that it gets today; in one that it did not get before, version 1.
    Writes:  file, file_part, layout, file_seal, file_again: one transaction.
    Again:   the version after it.
    Raises:  UsageError for a day that is not filed or is signed, a receiver without files, a type it does not get;
             as `close.file`.
    """

    async def work(conn: AsyncConnection, _: Names) -> list[StoredFile]:
        await payments.one_at_a_time(conn)
        await _may(conn, day)
        before = _newest(await files.of_day(conn, day), receiver)
        had = {one.type for one in before.values()}
        wanted = set(types) or had
        if not had or wanted - had:
            has = ", ".join(sorted(had)) or "a receiver that has files"
            raise UsageError(
                f"files of {day} for {receiver}: expected {has}, got {', '.join(sorted(wanted - had)) or 'none'}. "
                f"See: clearing files list {day}"
            )
        found = layouts_of(settings, members, day)
        kept = await keep_files(
            conn,
            members,
            day,
            {"": (), receiver: found.get(receiver) or found[""]},
            versions={key: one.version + 1 for key, one in before.items()},
            types=wanted,
        )
        made = [one.file for one in kept]
        sources = {(one.type, one.seq, one.profile): one.name for one in before.values()}
        await files.add_again(
            conn,
            [
                Again(
                    one.name, VERSION, sources.get((one.type, one.seq, one.profile), ""), 0, 0,
                    order.now, order.by, order.why,
                )
                for one in made
            ],
        )  # fmt: skip
        await seal_files(conn, sealer_of(settings, members), made)
        return made

    return await in_transaction(engine, f"files of {day} for {receiver}", work)


async def _may(conn: AsyncConnection, day: date) -> None:
    """A day has files to make again from its filing to its sign-off."""
    state = State((await days.opened(conn, day)).state)
    if state not in (State.FILED, State.RECONCILED):
        why = "it is frozen" if state is State.SIGNED else "it has no files yet"
        raise UsageError(
            f"day {day}: expected one that is filed and not signed, got {state}: {why}. "
            f"See: clearing day show {day}"
        )


def _newest(stored: Sequence[StoredFile], receiver: str) -> dict[tuple[str, str, int, str], StoredFile]:
    """The last version of each of a receiver's files of a day."""
    found: dict[tuple[str, str, int, str], StoredFile] = {}
    for one in stored:
        if one.type in ORDER and one.receiver == receiver and not _of_uses(one):
            found[one.type, one.receiver, one.seq, one.profile] = one  # they come in order of version
    return found


def _of_uses(one: StoredFile) -> bool:
    return one.again is not None and one.again.kind == USES


def made_together(stored: Sequence[StoredFile]) -> Iterator[list[StoredFile]]:
    """A day's own files by how they were made: the close's first, then what was made again. 同批文件"""
    found: dict[tuple[Any, ...], list[StoredFile]] = {}
    for one in stored:
        if one.type in ORDER:
            key = (one.again.kind, one.version, one.members, one.layout, one.receiver) if one.again else ()
            found.setdefault(key, []).append(one)
    yield from found.values()


# ---------------------------------------------------------------- uses of cards, by number


async def uses_again(
    engine: AsyncEngine,
    settings: Settings,
    members: Members,
    day: date,
    *,
    first: int,
    last: int,
    receiver: str = "",
    order: Order,
) -> list[StoredFile]:
    """Send the uses of cards with these numbers once more, in a file of its own a layout. 按号重取用卡明细

    In:      numbers as the day's SWP file has them (`use_no`); the card platform, where there are several.
    Out:     files with the next sequence of that receiver and date; the lines are those that were sent, each with
             the number it had.
    Writes:  file, file_part, file_seal, file_again: one transaction.
    Again:   another file with the same lines.
    Raises:  UsageError for numbers that the day does not have, a day without such a file, too many at once.
    """
    if not 1 <= first <= last or last - first >= USES_MAX:
        raise UsageError(f"uses {first} to {last}: expected at most {USES_MAX} in order, from 1 on")

    async def work(conn: AsyncConnection, _: Names) -> list[StoredFile]:
        await payments.one_at_a_time(conn)
        stored = [one for one in await files.of_day(conn, day) if one.type == SWP and not _of_uses(one)]
        receivers = sorted({one.receiver for one in stored})
        code = receiver or (receivers[0] if len(receivers) == 1 else "")
        newest = _newest(stored, code)
        if not newest:
            raise UsageError(
                f"uses of {day}: expected {' or '.join(receivers) or 'a card platform with files'}, "
                f"got {receiver or 'nobody'}. See: clearing files list {day}"
            )
        known = await files.layouts_by_digest(conn, {one.layout for one in newest.values()})
        seal, made = sealer_of(settings, members), set[str]()
        for source in newest.values():
            seq = await payments.next_seq(conn, day, source.profile, SWP, code)
            name = FileName(SWP, members.platform.code, code, day, seq, 1)
            one = await _uses(conn, members, known[source.layout], source, (name, first, last))
            await keep_made(conn, seal, [one], known[source.layout])
            again = Again(one.name, USES, source.name, first, last, order.now, order.by, order.why)
            await files.add_again(conn, [again])
            made.add(one.name)
        return [one for one in await files.of_day(conn, day) if one.name in made]

    return await in_transaction(engine, f"uses of {day}", work)


async def _uses(
    conn: AsyncConnection,
    members: Members,
    layout: Layout,
    source: StoredFile,
    wanted: tuple[FileName, int, int],
) -> RenderedFile:
    """The file of some of a stored file's uses; memory holds those and a part of it."""
    name, first, last = wanted
    if last > source.records:
        raise UsageError(
            f"uses of {source.clearing_date}: expected numbers from 1 to {source.records}, got {first} to {last}"
        )
    scan = Scan(source.name, layout, members.clock.zone)
    lines: list[tuple[str, Any]] = []

    def take(rows: Iterable[Row]) -> None:
        lines.extend(("D", row.record) for row in rows if first <= row.record.use_no <= last)

    async for part in files.parts(conn, source.name):
        take(scan.feed(part))
    take(scan.finish())
    if scan.faults.found or len(lines) != last - first + 1:
        raise InvariantViolated(
            f"file {source.name}: expected uses {first} to {last} in it, got {len(lines)}"
        )
    return file_of(name, lines, layout, members.clock)


async def uses_differing(
    conn: AsyncConnection,
    members: Members,
    layouts: Mapping[bytes, Layout],
    stored: Sequence[StoredFile],
) -> list[str]:
    """The files of uses asked for again that their source does not give again, byte for byte. 重取比对"""
    found = []
    for one in stored:
        source = await files.get(conn, one.again.source) if one.again else None
        if one.again is None or source is None:
            found.append(one.name)
            continue
        name = FileName(
            one.type, members.platform.code, one.receiver, one.clearing_date, one.seq, one.version
        )
        wanted = (name, one.again.first_no, one.again.last_no)
        made = await _uses(conn, members, layouts[one.layout], source, wanted)
        if made.content != await files.content(conn, one.name):
            found.append(one.name)
    return found
