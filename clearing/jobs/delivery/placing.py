"""A file into a folder so that a reader finds all of it or nothing, and its manifest last. 落盘

    name.tmp → made durable → renamed to name → name.ok.tmp → made durable → renamed to name.ok

A receiver looks only for `name.ok`. A `.tmp` that a cut connection left is gone on with where it is ours byte
for byte. What stands there under the name with other bytes is never touched.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, Protocol

from clearing.errors import UsageError, WorldFailed
from clearing.files.manifest import MANIFEST_SUFFIX

PARTLY: Final = ".tmp"
BLOCK_BYTES: Final = 1 << 20
"""How much is read back at a time to compare."""


class Unreadable(Exception):
    """The place lets us write a file and not read it: a drop box."""


class Folder(Protocol):
    """What placing needs of a folder, here or behind a connection; every failure is a WorldFailed."""

    where: str
    """For people and the record: which folder of which machine."""

    async def make(self, below: str = "") -> None:
        """Make the folder, or one below it, if it is not there."""
        ...

    async def size(self, name: str) -> int | None:
        """Bytes of a file, None when there is none."""
        ...

    async def stamp(self, name: str) -> tuple[int, int] | None:
        """(bytes, when it was last changed) as the other side has it, None when there is no such file."""
        ...

    async def names(self) -> list[str]:
        """The names of the files, in order."""
        ...

    async def read(self, name: str, at: int, length: int) -> bytes:
        """So many bytes from there on, fewer at the end; Unreadable where we may not read."""
        ...

    async def write(self, name: str, at: int, content: bytes) -> bool:
        """Write from there on, from an emptied file when `at` is 0; says whether it is durable."""
        ...

    async def rename(self, old: str, new: str) -> str:
        """Give a file its name, in one step; says how."""
        ...


class Put(NamedTuple):
    """What one placing did."""

    sent: int
    """Bytes of the file that were sent now."""
    resumed_from: int
    """Bytes that an earlier try had left there."""
    already: bool
    """Whether all of it stood there."""
    receipt: dict[str, Any]
    """What the other side let us see of it."""


async def put(folder: Folder, name: str, content: bytes, manifest: bytes) -> Put:
    """Place a file and then its manifest. 写入

    Writes:  name and name.ok in the folder, by way of their .tmp.
    Again:   what stands there, the same, is left; a .tmp is gone on with.
    Raises:  UsageError when other bytes stand there under the name; WorldFailed.
    """
    await folder.make()
    ok, partly = name + MANIFEST_SUFFIX, name + PARTLY
    there = await folder.size(name)
    if there is not None and not await _same(folder, name, content, there):
        raise UsageError(
            f"{folder.where}/{name}: stands there with other bytes; nothing is overwritten. "
            "Next: write to an empty directory, or have the receiver move it away"
        )
    if there is not None and await folder.size(ok) is not None:
        return Put(0, there, True, {"bytes": there})
    receipt: dict[str, Any] = {}
    if there is None:
        at = await _ours(folder, partly, content)
        receipt["durable"] = await folder.write(partly, at, content[at:])
        receipt["renamed"] = await folder.rename(partly, name)
        there, sent = await folder.size(name), len(content) - at
    else:
        at, sent = there, 0
    if there != len(content):
        raise WorldFailed(f"{folder.where}/{name}: {len(content)} bytes expected there, {there} found")
    receipt["bytes"] = there
    await folder.write(ok + PARTLY, 0, manifest)
    await folder.rename(ok + PARTLY, ok)
    return Put(sent, at, False, receipt)


async def _ours(folder: Folder, partly: str, content: bytes) -> int:
    """How much of the file an earlier try left, 0 when any byte of that is another's."""
    there = await folder.size(partly)
    if not there or there > len(content):
        return 0
    try:
        return there if await _begins(folder, partly, content, there) else 0
    except Unreadable:
        return 0


async def _same(folder: Folder, name: str, content: bytes, there: int) -> bool:
    """Whether a file is ours; where it may not be read its length must say it."""
    if there != len(content):
        return False
    try:
        return await _begins(folder, name, content, there)
    except Unreadable:
        return True


async def _begins(folder: Folder, name: str, content: bytes, length: int) -> bool:
    for at in range(0, length, BLOCK_BYTES):
        wanted = content[at : min(at + BLOCK_BYTES, length)]
        if await folder.read(name, at, len(wanted)) != wanted:
            return False
    return True
