"""A day's files, rendered while its entries are read, and kept part by part. 出文件

Three things go on at once: the server sends the next entries, a thread makes lines and digests of those at hand, and
what it gave before is stored. Memory holds the open parts and no more, however long the day was.
"""

from __future__ import annotations

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from clearing.day.working_days import working_day_after
from clearing.files.day_files import ORDER, DayFiles, Opening
from clearing.files.items import USED
from clearing.files.records import UseLine
from clearing.jobs.announce import swipe_of, use_of
from clearing.jobs.collector import many_objects
from clearing.ledger import accounts
from clearing.ledger.outcomes import Decision, Outcome
from clearing.store import balances, entries, files, instructions, reference, uses
from clearing.store.facts import event_of
from clearing.store.files import StoredFile

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
    from datetime import date

    from sqlalchemy.ext.asyncio import AsyncConnection

    from clearing.files.day_files import Layouts, Versions, Whole
    from clearing.files.draft import Finished, Part
    from clearing.files.layout import Layout
    from clearing.ledger.members import Members

DIGESTERS: Final = 2
"""Threads that digest whole files: as many as the machine it was measured on has cores."""
IN_HAND: Final = 8
"""Parts that wait for them at most, so that several files are digested at once and memory stays flat."""


class Kept(NamedTuple):
    """One file that was kept, and where its characters had to be replaced."""

    file: StoredFile
    notes: tuple[str, ...]


async def opening_of(conn: AsyncConnection, members: Members, day: date) -> Opening:
    """What a day's files say besides the day's entries: what stays held before, uses of cards without entry."""
    before = await balances.before(conn, day, f"{accounts.DEPOSITS}.")
    on = members.on(day)
    told = any(on.kind(code) == "card_platform" for code in on.by_code)
    found = (_use(one) for one in await uses.not_posted(conn, day, USED)) if told else ()
    return Opening(before, [use for use in found if use is not None])


def _use(one: uses.NotPosted) -> UseLine | None:
    """The line of an event that made no entry, None when the card was not used as far as anyone knows."""
    event = event_of(one.raw, f"{one.source}/{one.id}")
    said = swipe_of(Decision(event=event, outcome=Outcome(one.outcome), reason=one.reason))
    if said is None:
        return None
    text = {name: str(said.get(name) or "") for name in UseLine._fields}
    _, amount_fen = use_of(event, 0) or ("", 0)
    found = {
        "use_no": 0,
        "event_id": one.id,
        "event_type": event.type,
        "amount_fen": amount_fen,
        "event_time": event.time,
    }
    return UseLine(**{**text, **found, "outcome": one.outcome, "source": one.source})  # type: ignore[arg-type]


async def keep_files(
    conn: AsyncConnection,
    members: Members,
    day: date,
    layouts: Layouts,
    *,
    versions: Versions | None = None,
    types: Collection[str] = ORDER,
) -> list[Kept]:
    """Render the files of a netted day and keep them. 生成并保存

    In:      a transaction that sees the whole day; nobody adds to a day that is cut.
    Writes:  file, file_part, layout.
    Again:   refused by the names: a corrected file is a new version.
    Raises:  as `DayFiles`; nothing of the transaction stays.
    """
    in_force = await reference.in_force(conn)
    number = in_force[0] if in_force else 0
    for layout in {layout.id: layout for found in layouts.values() for layout in found}.values():
        await files.add_layout(conn, layout)
    opening = await opening_of(conn, members, day)
    made = DayFiles(day, members, layouts, opening=opening, versions=versions, types=types)
    kept: list[Kept] = []
    with many_objects(), ThreadPoolExecutor(DIGESTERS) as digesters:
        async with aclosing(passing(conn, made, day)) as full:
            async for parts in full:
                await files.add_parts(conn, parts)
        room = asyncio.Semaphore(IN_HAND)
        digested = []
        for whole in made.end(await instructions.of_day(conn, day), working_day_after(day)):
            await files.add_parts(conn, whole.parts)
            digests = Digests(digesters, room)
            await _read_again(conn, whole, digests)
            digested.append((whole.file, digests))
        for one, digests in digested:
            sha256, sm3 = await digests.end()
            kept.append(Kept(files.stored_of(one, sha256, sm3, number), one.notes))
    await files.add(conn, [one.file for one in kept])
    return kept


async def passing(conn: AsyncConnection, made: DayFiles, day: date) -> AsyncGenerator[list[Part], None]:
    """Feed a day's entries, a chunk at a time, and give the parts that are full.

    Out:     those of one chunk are given while the next one is written, so that they are stored meanwhile and the
             chunk after that is fetched.
    """
    writing: asyncio.Task[list[Part]] | None = None
    try:
        async for chunk in entries.chunks_of(conn, day):
            full = await writing if writing else []
            writing = asyncio.create_task(asyncio.to_thread(made.feed, chunk))
            yield full
    finally:
        last = await writing if writing else []
    yield last


class Digests:
    """The digests over one whole file, taken beside whatever else is done. 摘要"""

    def __init__(self, digesters: ThreadPoolExecutor, room: asyncio.Semaphore) -> None:
        self._digesters = digesters
        self._room = room
        self._each: tuple[Any, ...] = (hashlib.sha256(), hashlib.new("sm3"))
        self._last: asyncio.Task[None] | None = None

    async def take(self, content: bytes) -> None:
        """Take the next bytes; returns as soon as there is room for more of any file."""
        await self._room.acquire()
        self._last = asyncio.create_task(self._update(self._last, content))

    async def _update(self, last: asyncio.Task[None] | None, content: bytes) -> None:
        loop = asyncio.get_running_loop()
        try:
            if last is not None:
                await last
            await asyncio.gather(
                *(loop.run_in_executor(self._digesters, each.update, content) for each in self._each)
            )
        finally:
            self._room.release()

    async def end(self) -> tuple[bytes, bytes]:
        """SHA-256 and SM3 of all that was taken."""
        if self._last is not None:
            await self._last
        sha256, sm3 = self._each
        return sha256.digest(), sm3.digest()


async def _read_again(conn: AsyncConnection, whole: Whole, digests: Digests) -> None:
    """Digest a file whose parts are kept: the digests over the whole begin with the head, which came last."""
    in_hand = b"".join(part.content for part in whole.parts)
    if len(in_hand) == whole.file.size:
        await digests.take(in_hand)
        return
    async for content in files.parts(conn, whole.file.name):  # parts of it have been stored before
        await digests.take(content)


async def _same(conn: AsyncConnection, one: Finished) -> bool:
    """Whether the bytes that are stored are those that were made, wherever their parts were cut."""
    head, tail, sm3 = b"", b"", hashlib.new("sm3")
    body_from, body_to, place = len(one.before), one.size - len(one.after), 0
    async for content in files.parts(conn, one.name):
        start, end = max(0, body_from - place), max(0, body_to - place)
        head += content[:start]
        sm3.update(content[start:end])
        tail += content[end:]
        place += len(content)
    return (place, head, tail, sm3.hexdigest()) == (one.size, one.before, one.after, one.body_sm3)


async def differing(
    conn: AsyncConnection,
    members: Members,
    day: date,
    layouts: Mapping[bytes, Layout],
    stored: Sequence[StoredFile],
) -> list[str]:
    """The files of a day that its books do not give again, byte for byte. 重新生成比对

    In:      files that were made together, with the members they were made with; layouts by digest.
    Out:     names, in order; of the close's own also what is made and not stored.
    """
    of: dict[str, dict[bytes, Layout]] = {"": {}}
    for one in stored:
        if one.layout in layouts:
            of.setdefault(one.receiver, {})[one.layout] = layouts[one.layout]
    first = all(one.again is None for one in stored)
    made = DayFiles(
        day,
        members,
        {code: tuple(found.values()) for code, found in of.items()},
        opening=await opening_of(conn, members, day),
        versions={(one.type, one.receiver, one.seq, one.profile): one.version for one in stored},
        types=ORDER if first else {one.type for one in stored},
    )
    found = {one.name for one in stored}
    async with aclosing(passing(conn, made, day)) as full:
        async for _ in full:
            pass  # the parts are compared by their digest
    for whole in made.end(await instructions.of_day(conn, day), working_day_after(day)):
        if whole.file.name not in found and not first:
            continue
        if await _same(conn, whole.file):
            found.discard(whole.file.name)
        else:
            found.add(whole.file.name)
    return sorted(found)
