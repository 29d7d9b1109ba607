"""Files of partners in: kept, judged, answered, and what they say taken, each file in one transaction. 收文

Only what has its `.ok` is looked at. The bytes are kept first, with their digests, in a transaction of their own;
then the file is judged, what it says is taken and the ACK is written together: a run that is killed has done all of
that for a file or nothing of it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from clearing.errors import UsageError, WorldFailed
from clearing.files.manifest import MANIFEST_SUFFIX, Manifest, read_manifest
from clearing.jobs.delivery.places import folder_of
from clearing.jobs.delivery.placing import Unreadable
from clearing.jobs.judge import Arrived, name_of
from clearing.jobs.layouts import known_layouts
from clearing.jobs.take_file import HELD, IGNORED, REJECTED, Received, Ruling, Terms, take_file
from clearing.jobs.take_lines import RESULTS, Site
from clearing.store import inboxes, statements, verdicts
from clearing.store.inboxes import Lay
from clearing.store.session import transaction
from clearing.store.verdicts import Known

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from clearing.jobs.delivery.partners import Inbox, Partners
    from clearing.jobs.delivery.placing import Folder
    from clearing.ledger.members import Members
    from clearing.settings import Settings
    from clearing.store.verdicts import Waiting

FAILED: Final = "FAILED"
CORRECTED: Final = "Next: its sender corrects it as the next version, under a name of its own"
SHOWN_MAX: Final = 10
STILL_SECONDS: Final = 1.0
"""How long a file that its manifest does not fit must lie still before that is said: either may be on its way."""


# ---------------------------------------------------------------- inboxes


async def receive(
    engine: AsyncEngine, settings: Settings, members: Members, partners: Partners, *, now: datetime
) -> list[Received]:
    """Look into every inbox and take what is new. 收文

    In:      `now`, aware: when it is taken in.
    Out:     what is new, in order of inbox and name, and what was held and can now be judged; a file that is there
             with the bytes that were judged is passed over in silence, one with other bytes under its name is not.
             What cannot be read is FAILED by itself; what does not fit its manifest comes last, and only once it
             lies still.
    Writes:  statement_file, verdict, inbox_file; ACK files; by type pay_line and the books, or acknowledgement;
             where the inbox has an archive, a judged file moves there.
    Again:   nothing that was judged is judged again; a move that was cut off is made.
    Raises:  WorldFailed for the database; an inbox that cannot be had is told as FAILED, the others go on.
    """
    site = Site(engine, settings, members, now)
    told: list[Received] = []
    for inbox in partners.inbox:
        try:
            await _inbox(site, inbox, told)
        except (WorldFailed, UsageError) as error:  # the others' files are taken all the same
            told.append(Received(inbox.partner, "", "", FAILED, message=str(error)))
        told += await _held(site, inbox)
    return told


class _Look(NamedTuple):
    """One look into an inbox."""

    site: Site
    inbox: Inbox
    folder: Folder
    lay: Mapping[str, Lay]
    """How its files lay when they were last read."""
    before: Mapping[str, Sequence[Known]]
    """What was judged, by name."""
    told: list[Received]


async def _inbox(site: Site, inbox: Inbox, told: list[Received]) -> None:
    """Take what lies in an inbox with its manifest and was not judged as it lies, in order of name; tell of it."""
    before: dict[str, list[Known]] = defaultdict(list)
    async with transaction(site.engine) as conn:
        for one in await verdicts.known(conn, inbox.partner):
            before[one.name].append(one)
    async with folder_of(inbox, site.settings.sftp_timeout_seconds) as folder:
        async with transaction(site.engine) as conn:
            lay = await inboxes.lay(conn, inbox.partner, folder.where)
        look = _Look(site, inbox, folder, lay, before, told)
        done = await _taken(look, await folder.names())
        if inbox.archive and done:
            for name in done:
                await _put_away(folder, inbox.archive, name)
            async with transaction(site.engine) as conn:
                await inboxes.forget(conn, inbox.partner, folder.where, done)


async def _taken(look: _Look, names: Sequence[str]) -> list[str]:
    """Take what is new of these; gives what is done with."""
    there = set(names)
    found = [one.removesuffix(MANIFEST_SUFFIX) for one in names if one.endswith(MANIFEST_SUFFIX)]
    done = [name + MANIFEST_SUFFIX for name in found if name not in there and name in look.before]
    coming: list[_Pair] = []
    for name in found:
        for pair in await _readable(look, name) if name in there else ():
            if pair is None or pair.fits or name in look.lay or name in look.before:
                done += await _settled(look, name, pair)
            else:
                coming.append(pair)
    if coming:
        await asyncio.sleep(STILL_SECONDS)
    for pair in coming:  # what has changed meanwhile is looked at next time
        for again in await _readable(look, pair.name):
            if again is not None and again.seen == pair.seen:
                done += await _settled(look, pair.name, again)
    return done


async def _readable(look: _Look, name: str) -> list[_Pair | None]:
    """A file with its manifest, as `_pair` gives it; none where it cannot be read: that is told.

    Raises:  WorldFailed when the inbox itself cannot be had any more.
    """
    try:
        return [await _pair(look, name)]
    except (WorldFailed, UsageError) as error:
        await look.folder.names()
        look.told.append(Received(look.inbox.partner, _shown(name), "", FAILED, message=str(error)))
        return []


async def _settled(look: _Look, name: str, pair: _Pair | None) -> list[str]:
    """Deal with a file; gives the names that are done with: none while it is held."""
    before = look.before.get(name, ())
    if pair is None:
        held = bool(before) and before[-1].verdict == HELD
    else:
        held = await _as_it_lies(look.site, look.inbox, pair, before, look.told)
        async with transaction(look.site.engine) as conn:
            await inboxes.note(conn, look.inbox.partner, look.folder.where, pair.seen)
    return [] if held else [name, name + MANIFEST_SUFFIX]


def _terms(inbox: Inbox) -> Terms:
    return Terms(inbox.partial, inbox.profile)


async def _put_away(folder: Folder, archive: str, name: str) -> None:
    """Move a judged file into the archive's folder, beside one that is there under its name.

    Again:   the file goes first, its manifest after it: a manifest alone is moved by the next run.
    """
    await folder.make(archive)
    number, place = 1, f"{archive}/{name}"
    while await folder.size(place) is not None:
        number += 1
        place = f"{archive}/{name}.{number}"
    await folder.rename(name, place)


class _Pair(NamedTuple):
    """A file and its manifest as they lie, beside how they lay when they were last read."""

    name: str
    content: bytes
    manifest: bytes
    seen: tuple[Lay, Lay]
    lay: tuple[Lay | None, Lay | None]

    @property
    def fits(self) -> bool:
        """Whether the manifest is one and says this length: else either may still be on its way."""
        said = read_manifest(self.name + MANIFEST_SUFFIX, self.manifest)
        return isinstance(said, Manifest) and (said.encryption is not None or said.bytes == len(self.content))


async def _pair(look: _Look, name: str) -> _Pair | None:
    """A file and its manifest, None for what was dealt with and lies as it lay then.

    The manifest alone says nothing of that: a file may be mended under the manifest that it had.
    """
    folder, lay = look.folder, look.lay
    if _shown(name) != name:
        raise UsageError(
            f"{folder.where}/{_shown(name)}: expected a name in UTF-8. Next: its sender sends it under another"
        )
    names = (name, name + MANIFEST_SUFFIX)
    stamps = [await folder.stamp(one) for one in names]
    before = (lay.get(names[0]), lay.get(names[1]))
    if (name in lay or name in look.before) and all(
        one is not None and one.settled and one.stamp == stamp
        for one, stamp in zip(before, stamps, strict=True)
    ):
        return None
    content, manifest = await _read(folder, names[0]), await _read(folder, names[1])
    first, second = (
        Lay(one, *(stamp or (0, 0)), hashlib.sha256(found).digest())
        for one, stamp, found in zip(names, stamps, (content, manifest), strict=True)
    )
    return _Pair(name, content, manifest, (first, second), before)


async def _as_it_lies(
    site: Site, inbox: Inbox, pair: _Pair, before: Sequence[Known], told: list[Received]
) -> bool:
    """Take a file whose bytes are new under its name, or see what was said of them; gives whether it is held.

    A manifest that was mended beside bytes that were refused judges nothing anew: that is told, once.
    """
    (file, ok), (file_then, ok_then) = pair.seen, pair.lay
    same = next((one for one in reversed(before) if one.sha256 == file.sha256), None)
    if same is None and (file_then is None or file_then.sha256 != file.sha256):
        arrived = Arrived(inbox.partner, pair.name, pair.content, pair.manifest)
        taken = await take_file(site, arrived, _terms(inbox))
        told.append(taken)
        return taken.verdict == HELD
    if same is None:
        return False
    if same.verdict == REJECTED and ok_then is not None and ok_then.sha256 != ok.sha256:
        why = f"its manifest is another, its bytes are those that were refused on {same.at:%Y-%m-%d}. {CORRECTED}"
        told.append(Received(inbox.partner, pair.name, same.kind, IGNORED, message=why))
    return same.verdict == HELD


def _shown(name: str) -> str:
    """A name as it can be written: a byte that is no UTF-8 by its number."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


async def _read(folder: Folder, name: str) -> bytes:
    size = await folder.size(name)
    statements.expect_size(f"{folder.where}/{name}", size or 0)
    try:
        content = await folder.read(name, 0, size or 0)
    except Unreadable as error:
        raise WorldFailed(f"{folder.where}/{name}: we may not read it. Next: ask for the right to") from error
    if len(content) != (size or 0):
        raise WorldFailed(
            f"{folder.where}/{name}: {size} bytes expected, {len(content)} came. Next: run again"
        )
    return content


async def _held(site: Site, inbox: Inbox) -> list[Received]:
    """Judge again what waited for a file before it, until nothing more can be."""
    told: list[Received] = []
    moved = True
    while moved:
        moved = False
        async with transaction(site.engine) as conn:
            waiting = [one for one in await verdicts.known(conn, inbox.partner) if one.verdict == HELD]
        for one in sorted(waiting, key=lambda known: known.name):
            async with transaction(site.engine) as conn:
                kept = await statements.get(conn, one.file)
            arrived = Arrived(inbox.partner, kept.name, kept.content, kept.manifest)
            again = await take_file(site, arrived, _terms(inbox))
            if again.verdict != HELD:
                told.append(again)
                moved = True
    return told


# ---------------------------------------------------------------- by hand


async def take_results(
    site: Site, name: str, content: bytes, manifest: bytes | None, sender: str = ""
) -> Received:
    """Take a PYR or RTN file that somebody hands in, as if it had come into its sender's inbox. 人工导入

    In:      whose it is, where its name does not say that.
    Raises:  UsageError when nobody says whose it is, or it is of another type.
    """
    said = name_of(name, tuple(known_layouts(site.settings).values()), sender)
    if not sender and (said is None or said.type not in RESULTS or not said.sender):
        example = "RHC_PYR_B1_PLAT_20260310_001_V1.txt"
        raise UsageError(
            f"{name}: expected a name like {example}, which says whose answer it is. Nothing was taken. "
            "Next: add --from with the bank's code"
        )
    partner = sender or (said.sender if said else "")
    return await take_file(site, Arrived(partner, name, content, manifest, by_hand=True))


# ---------------------------------------------------------------- what waits for a file that never comes


async def waiting(engine: AsyncEngine) -> list[Waiting]:
    """The files that are held because one before them has not come, oldest first. 滞留来文"""
    async with transaction(engine) as conn:
        return await verdicts.waiting(conn, HELD)


async def rule(site: Site, partners: Partners, name: str, ruling: Ruling) -> list[Received]:
    """Take a held file although one before it is missing, or reject it, on a person's word. 滞留来文裁定

    In:      the file's name; who decides what, and why.
    Out:     the file, and what waited for it.
    Writes:  as `receive`, with who and why beside the verdict.
    Again:   refused: the file is held no more.
    Raises:  UsageError when no file of this name is held, or several partners' are.
    """
    async with transaction(site.engine) as conn:
        found = [one for one in await verdicts.waiting(conn, HELD) if one.name == name]
        if len(found) != 1:
            raise UsageError(
                f"{name}: expected the name of one held file, got {len(found)} such. See: clearing files held"
            )
        kept = await statements.get(conn, found[0].file)
    inbox = next((one for one in partners.inbox if one.partner == kept.partner), None)
    terms = (_terms(inbox) if inbox else Terms())._replace(ruling=ruling)
    told = [await take_file(site, Arrived(kept.partner, kept.name, kept.content, kept.manifest), terms)]
    return told + (await _held(site, inbox) if inbox else [])
