"""The places where files go, each by its kind: a directory, a folder behind SSH, an object store. 交付地点"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Protocol

from clearing.jobs.delivery.folders import Directory
from clearing.jobs.delivery.partners import DirectoryPlace, Inbox, Place, SftpPlace
from clearing.jobs.delivery.placing import Folder, Put, put


class Putter(Protocol):
    """A place that takes a file and its manifest."""

    where: str

    async def put(self, name: str, content: bytes, manifest: bytes) -> Put:
        """Place both, or leave what stands there."""
        ...


class _InFolder:
    """A folder that takes files one after the other."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.where = folder.where

    async def put(self, name: str, content: bytes, manifest: bytes) -> Put:
        return await put(self.folder, name, content, manifest)


@contextlib.asynccontextmanager
async def opened(place: Place, timeout_seconds: int) -> AsyncIterator[Putter]:
    """A place to put files, connected as long as the caller needs it.

    Raises:  UsageError and WorldFailed as the places do.
    """
    # Each client is loaded when somebody's place needs it.
    if isinstance(place, DirectoryPlace):
        yield _InFolder(Directory(place.folder))
    elif isinstance(place, SftpPlace):
        from clearing.jobs.delivery.sftp import sftp  # noqa: PLC0415

        async with sftp(place, timeout_seconds) as folder:
            yield _InFolder(folder)
    else:
        from clearing.jobs.delivery.objects import bucket  # noqa: PLC0415

        yield bucket(place)


def where(place: Place) -> str:
    """A place as people and the record have it, whether it can be had or not."""
    if isinstance(place, SftpPlace):
        return f"sftp://{place.user}@{place.host}:{place.port}/{place.folder}"
    return str(place.folder) if isinstance(place, DirectoryPlace) else place.url


@contextlib.asynccontextmanager
async def folder_of(inbox: Inbox, timeout_seconds: int) -> AsyncIterator[Folder]:
    """The folder of an inbox, connected as long as the caller needs it.

    Raises:  as `opened`.
    """
    if isinstance(inbox.place, DirectoryPlace):
        yield Directory(inbox.place.folder)
        return
    from clearing.jobs.delivery.sftp import sftp  # noqa: PLC0415 - for inboxes behind SSH only

    async with sftp(inbox.place, timeout_seconds) as folder:
        yield folder
