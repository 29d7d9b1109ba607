"""A day's files, rendered while its entries are read, and kept part by part. 出文件

Three things go on at once: the server sends the next entries, Python writes the lines of those at hand, and a
thread digests what has been written. Memory holds the open parts and no more, however long the day was.
"""

from __future__ import annotations

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from clearing.day.working_days import working_day_after
from clearing.files.items import USED
from clearing.files.outgoing import DayFiles, Opening
from clearing.files.records import UseLine
from clearing.jobs.announce import swipe_of, use_of
from clearing.jobs.collector import many_objects
from clearing.ledger import accounts
from clearing.ledger.outcomes import Decision, Outcome
from clearing.store import balances, entries, files, instructions, reference, uses
from clearing.store.facts import event_of
from clearing.store.files import Part, StoredFile

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
    from datetime import date

    from sqlalchemy.ext.asyncio import AsyncConnection

    from clearing.files.draft import Body, Finished
    from clearing.files.layout import Layout
    from clearing.files.outgoing import Layouts, Versions
    from clearing.ledger.members import Members

DIGESTERS: Final = 2
"""Threads that digest whole files: as many as the machine it was measured on has cores."""


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
    types: Collection[str] = DayFiles.TYPES,
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
    with many_objects(), ThreadPoolExecutor(1) as beside, ThreadPoolExecutor(DIGESTERS) as digesters:
        async with aclosing(passing(conn, made, day)) as full:
            async for parts in full:
                await files.add_parts(conn, [_kept(taken, beside) for taken in parts])
        made.instruct(await instructions.of_day(conn, day), working_day_after(day))
        for body in made.bodies():
            last = [_kept(_taken(body), beside)] if body.size else []
            await asyncio.wrap_future(beside.submit(int))  # all parts so far are digested
            one = made.finished(body)
            await files.add_parts(conn, [*last, Part(one.name, 0, one.before), *_after(one)])
            kept.append(Kept(await _stored(conn, one, last, number, digesters), one.notes))
    await files.add(conn, [one.file for one in kept])
    return kept


class Taken(NamedTuple):
    """A part taken out of a file that is being written."""

    body: Body
    no: int
    content: bytes


async def passing(conn: AsyncConnection, made: DayFiles, day: date) -> AsyncGenerator[list[Taken], None]:
    """Feed a day's entries, a chunk at a time, and give the parts that are full.

    Out:     what has come together while one chunk was written is given while the next one is, so that it is stored
             meanwhile and the chunk after that is fetched.
    """
    chunks, full = entries.chunks_of(conn, day), list[Taken]()
    chunk = await anext(chunks, None)
    while chunk is not None:
        writing = asyncio.create_task(asyncio.to_thread(made.feed, chunk))
        try:
            yield full
            chunk = await anext(chunks, None)
        finally:
            await writing
        full = [_taken(body) for body in made.full()]
    yield full


def _taken(body: Body) -> Taken:
    return Taken(body, *body.take())


def _kept(taken: Taken, beside: ThreadPoolExecutor) -> Part:
    """The part to store; it is digested beside that."""
    beside.submit(taken.body.sm3.update, taken.content)
    return Part(taken.body.file, taken.no, taken.content)


def _after(one: Finished) -> list[Part]:
    return [Part(one.name, one.parts + 1, one.after)] if one.after else []


async def _stored(
    conn: AsyncConnection, one: Finished, last: list[Part], members: int, digesters: ThreadPoolExecutor
) -> StoredFile:
    """What is kept of a file, once its parts are: the digests over the whole begin with the head."""
    loop = asyncio.get_running_loop()
    digests: tuple[Any, ...] = (hashlib.sha256(), hashlib.new("sm3"))
    digested: list[asyncio.Future[None]] = []
    if one.parts == len(last):  # else one has been stored before, full
        whole = b"".join((one.before, *(part.content for part in last), one.after))
        digested = [loop.run_in_executor(digesters, each.update, whole) for each in digests]
    else:
        async for content in files.parts(conn, one.name):  # the next part is read while this one is digested
            await asyncio.gather(*digested)
            digested = [loop.run_in_executor(digesters, each.update, content) for each in digests]
    await asyncio.gather(*digested)
    return files.stored_of(one, digests[0].digest(), digests[1].digest(), members)


class _Walk:
    """The digest of what lies between the first and the last part of a stored file."""

    def __init__(self) -> None:
        self.sm3: Any = hashlib.new("sm3")
        self.first = b""
        self.last = b""
        self._parts = 0

    def add(self, content: bytes) -> None:
        """Take the next part."""
        if self._parts > 1:
            self.sm3.update(self.last)
        if self._parts:
            self.last = content
        else:
            self.first = content
        self._parts += 1


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
        types=DayFiles.TYPES if first else {one.type for one in stored},
    )
    async with aclosing(passing(conn, made, day)) as full:
        async for parts in full:
            for body, _, content in parts:
                body.sm3.update(content)
    made.instruct(await instructions.of_day(conn, day), working_day_after(day))
    found = {one.name for one in stored}
    for body in made.bodies():
        body.sm3.update(body.take()[1])
        if body.file not in found and not first:
            continue
        finished = made.finished(body)
        walk = _Walk()
        if body.file in found:
            async for content in files.parts(conn, body.file):
                walk.add(content)
        if (walk.first, walk.last, walk.sm3.digest()) == (finished.before, finished.after, body.sm3.digest()):
            found.discard(body.file)
        else:
            found.add(body.file)
    return sorted(found)
