"""A directory of this machine as a place for files. 本地目录"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from clearing.errors import WorldFailed, on_disk
from clearing.jobs.delivery.placing import Unreadable

T = TypeVar("T")


class Directory:
    """A directory; the disk works in a thread, so that other partners need not wait for it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.where = str(path)

    async def make(self, below: str = "") -> None:
        """Make it, or a folder below it, with what is above."""
        await self._do(lambda: (self.path / below).mkdir(parents=True, exist_ok=True))

    async def size(self, name: str) -> int | None:
        """Bytes of a file, None when there is none."""
        found = await self.stamp(name)
        return None if found is None else found[0]

    async def stamp(self, name: str) -> tuple[int, int] | None:
        """(bytes, nanosecond of its last change), None when there is none.

        Of the inode (ctime), which the kernel writes: the file time (mtime) may be set by whoever edits it.
        """

        def look() -> tuple[int, int] | None:
            try:
                found = (self.path / name).stat()
            except FileNotFoundError:
                return None
            return found.st_size, found.st_ctime_ns

        return await self._do(look)

    async def names(self) -> list[str]:
        """The names of the files, in order."""
        return await self._do(lambda: sorted(one.name for one in self.path.iterdir() if one.is_file()))

    async def read(self, name: str, at: int, length: int) -> bytes:
        """So many bytes from there on; nothing through a symbolic link: whoever made it might not read there."""

        def part() -> bytes:
            try:
                with open(self.path / name, "rb", opener=_itself) as file:
                    file.seek(at)
                    return file.read(length)
            except PermissionError as error:
                raise Unreadable from error

        return await self._do(part)

    async def write(self, name: str, at: int, content: bytes) -> bool:
        """Write from there on and make it durable."""

        def put() -> bool:
            with (self.path / name).open("r+b" if at else "wb") as file:
                file.seek(at)
                file.write(content)
                file.truncate()
                file.flush()
                os.fsync(file.fileno())
            return True

        return await self._do(put)

    async def rename(self, old: str, new: str) -> str:
        """Rename, and make the name durable."""

        def move() -> str:
            (self.path / old).replace(self.path / new)
            for changed in {self.path, (self.path / new).parent}:
                folder = os.open(changed, os.O_RDONLY)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)
            return "rename"

        return await self._do(move)

    async def _do(self, work: Callable[[], T]) -> T:
        with _said(self.where):
            return await asyncio.to_thread(work)


def _itself(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW)


@contextlib.contextmanager
def _said(where: str) -> Iterator[None]:
    with on_disk(where):
        try:
            yield
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise WorldFailed(
                    f"{error.filename or where}: expected a file, got a symbolic link. Next: put the file there"
                ) from error
            raise
