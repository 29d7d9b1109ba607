"""Files of partners in: kept, judged, answered, and what they say taken, each file in one transaction. 收文

Only what has its `.ok` is looked at. The bytes are kept first, with their digests, in a transaction of their own;
then the file is judged, what it says is taken and the ACK is written together: a run that is killed has done all of
that for a file or nothing of it.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, Final

from clearing.errors import UsageError, WorldFailed
from clearing.files.manifest import MANIFEST_SUFFIX, Manifest, read_manifest
from clearing.jobs.delivery.places import folder_of
from clearing.jobs.delivery.placing import Unreadable
from clearing.jobs.judge import Arrived, name_of
from clearing.jobs.layouts import known_layouts
from clearing.jobs.take_file import HELD, Received, Ruling, Terms, take_file
from clearing.jobs.take_lines import RESULTS, Site
from clearing.store import statements, verdicts
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
SHOWN_MAX: Final = 10


# ---------------------------------------------------------------- inboxes


async def receive(
    engine: AsyncEngine, settings: Settings, members: Members, partners: Partners, *, now: datetime
) -> list[Received]:
    """Look into every inbox and take what is new. 收文

    In:      `now`, aware: when it is taken in.
    Out:     what is new, in order of inbox and name, and what was held and can now be judged; a file that is there
             with the bytes that were judged is passed over in silence.
    Writes:  statement_file, verdict; ACK files; by type pay_line and the books, or acknowledgement; where the inbox
             has an archive, a judged file moves there.
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


async def _inbox(site: Site, inbox: Inbox, told: list[Received]) -> None:
    """Take what lies in an inbox with its manifest and was not judged, in order of name; add to what is told."""
    done: list[str] = []
    async with transaction(site.engine) as conn:
        known = {one.name: one for one in await verdicts.known(conn, inbox.partner)}
    async with folder_of(inbox, site.settings.sftp_timeout_seconds) as folder:
        names = await folder.names()
        there = set(names)
        for ok in names:
            name = ok.removesuffix(MANIFEST_SUFFIX)
            if name == ok:
                continue
            if name not in there:
                done += [ok] * (name in known)  # its file has gone ahead
                continue
            arrived = await _fetched(folder, inbox.partner, name, known.get(name))
            held = arrived is None and known[name].verdict == HELD
            if arrived is not None:
                taken = await take_file(site, arrived, _terms(inbox))
                told.append(taken)
                held = taken.verdict == HELD
            done += [] if held else [name, ok]
        for name in done if inbox.archive else ():
            await _put_away(folder, inbox.archive, name)


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


async def _fetched(folder: Folder, partner: str, name: str, known: Known | None) -> Arrived | None:
    """A file's bytes, None for one that was judged and whose manifest says the same digest as then."""
    manifest = await _read(folder, name + MANIFEST_SUFFIX)
    if known is not None:
        said = read_manifest(name, manifest)
        if isinstance(said, Manifest) and said.sha256 == known.sha256.hex():
            return None
    content = await _read(folder, name)
    if known is not None and hashlib.sha256(content).digest() == known.sha256:
        return None
    return Arrived(partner, name, content, manifest)


async def _read(folder: Folder, name: str) -> bytes:
    size = await folder.size(name)
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
