"""A folder behind SSH: only the host we know, only with our key. SFTP交付

The host's key must stand in the place's `known_hosts`: an unknown host or a changed key is refused before
anything of ours is said, and the message shows the fingerprint to ask the partner about by telephone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import PurePosixPath
from typing import Final

import asyncssh

from clearing.errors import UsageError, WorldFailed
from clearing.jobs.delivery.partners import SftpPlace
from clearing.jobs.delivery.placing import Unreadable

SLICE_BYTES: Final = 4 << 20
"""How much is handed to the connection at a time; it splits it into its own packets."""
SLOWEST_BYTES: Final = 1 << 15
"""A second, of a line that is slow and not dead."""


class Watch:
    """Ends a connection that says nothing: the machine may live on while what serves its files stands still."""

    def __init__(self, connection: asyncssh.SSHClientConnection, seconds: int) -> None:
        self._connection = connection
        self._seconds = seconds
        self._silent = False

    @contextlib.contextmanager
    def said(self, where: str, length: int = 0) -> Iterator[None]:
        """What SSH, the network or the waiting says, as one of our errors.

        In:      `length`: bytes that are on their way meanwhile.
        Raises:  WorldFailed.
        """
        waits = asyncio.get_running_loop().call_later(self._seconds + length / SLOWEST_BYTES, self._give_up)
        try:
            with _said(where):
                yield
        except WorldFailed as error:
            if self._silent:
                raise WorldFailed(
                    f"{where}: no answer for {self._seconds} s. Next: run again later"
                ) from error
            raise
        finally:
            waits.cancel()

    def _give_up(self) -> None:
        self._silent = True
        self._connection.abort()  # a request that is only cancelled would wait for the answer to its close


class SftpFolder:
    """A folder of an open connection."""

    def __init__(self, client: asyncssh.SFTPClient, place: SftpPlace, watch: Watch) -> None:
        self.client = client
        self.watch = watch
        self.path = PurePosixPath(place.folder)
        self.where = f"sftp://{place.user}@{place.host}:{place.port}/{place.folder}"

    async def make(self, below: str = "") -> None:
        """Make it, or a folder below it, with what is above."""
        with self.watch.said(self.where):
            if not await self.client.isdir(str(self.path / below)):
                await self.client.makedirs(str(self.path / below), exist_ok=True)

    async def size(self, name: str) -> int | None:
        """Bytes of a file, None when there is none."""
        found = await self.stamp(name)
        return None if found is None else found[0]

    async def stamp(self, name: str) -> tuple[int, int] | None:
        """(bytes, second of its last change), None when there is none."""
        with self.watch.said(f"{self.where}/{name}"):
            try:
                found = await self.client.stat(self._at(name))
            except asyncssh.SFTPNoSuchFile:
                return None
            return found.size or 0, found.mtime or 0

    async def names(self) -> list[str]:
        """The names of the files, in order."""
        with self.watch.said(self.where):
            found = await self.client.listdir(str(self.path))
        return sorted(str(name) for name in found if name not in {".", ".."})

    async def read(self, name: str, at: int, length: int) -> bytes:
        """So many bytes from there on."""
        with self.watch.said(f"{self.where}/{name}", length):
            try:
                async with self.client.open(self._at(name), "rb", encoding=None) as file:
                    found: str | bytes = await file.read(length, at)
                    return found.encode() if isinstance(found, str) else found
            except asyncssh.SFTPPermissionDenied as error:
                raise Unreadable from error

    async def write(self, name: str, at: int, content: bytes) -> bool:
        """Write from there on, in order, and ask the server to make it durable where it can."""
        flags = asyncssh.FXF_WRITE | asyncssh.FXF_CREAT | (0 if at else asyncssh.FXF_TRUNC)
        where = f"{self.where}/{name}"
        with self.watch.said(where, len(content)):
            async with self.client.open(self._at(name), flags, encoding=None) as file:
                for start in range(0, len(content), SLICE_BYTES):
                    with self.watch.said(where, SLICE_BYTES):
                        await file.write(content[start : start + SLICE_BYTES], at + start)
                try:
                    await file.fsync()
                except asyncssh.SFTPOpUnsupported:
                    return False
        return True

    async def rename(self, old: str, new: str) -> str:
        """By posix-rename; by the protocol's own rename where the server does not know that."""
        with self.watch.said(f"{self.where}/{new}"):
            try:
                await self.client.posix_rename(self._at(old), self._at(new))
            except asyncssh.SFTPOpUnsupported:
                await self.client.rename(self._at(old), self._at(new))
                return "rename"
        return "posix-rename"

    def _at(self, name: str) -> str:
        return str(self.path / name)


@contextlib.asynccontextmanager
async def sftp(place: SftpPlace, timeout_seconds: int) -> AsyncIterator[SftpFolder]:
    """Connect, as long as the caller needs it.

    Raises:  UsageError for a host we do not know, a changed key, a key of ours that cannot be read;
             WorldFailed when it cannot be reached, does not let us in or says nothing for so long.
    """
    for path, what in ((place.key, "our private key"), (place.known_hosts, "the list of hosts we know")):
        if not path.is_file():
            raise UsageError(f"sftp {place.host}: {path}: {what} is not there. Next: correct partners.toml")
    async with contextlib.AsyncExitStack() as stack:
        with _said(f"sftp {place.host}:{place.port}"):
            try:
                connection = await stack.enter_async_context(
                    asyncssh.connect(
                        place.host,
                        place.port,
                        username=place.user,
                        client_keys=[str(place.key)],
                        known_hosts=str(place.known_hosts),
                        config=None,
                        agent_path=None,
                        connect_timeout=timeout_seconds,
                        login_timeout=timeout_seconds,
                        keepalive_interval=timeout_seconds,
                    )
                )
            except asyncssh.HostKeyNotVerifiable as error:
                raise UsageError(await _stranger(place, timeout_seconds)) from error
            except asyncssh.KeyImportError as error:
                raise UsageError(f"{place.key}: is no private key that can be read: {error}") from error
        watch = Watch(connection, timeout_seconds)
        with watch.said(f"sftp {place.host}:{place.port}"):
            # names that are no UTF-8 come as those of this machine do
            client = await connection.start_sftp_client(path_errors="surrogateescape")
        try:
            yield SftpFolder(client, place, watch)
        finally:
            client.exit()
            with contextlib.suppress(WorldFailed), watch.said(f"sftp {place.host}:{place.port}"):
                await client.wait_closed()


async def _stranger(place: SftpPlace, timeout_seconds: int) -> str:
    """Why the host is refused, with the fingerprint that it shows."""
    shown = "none"
    with contextlib.suppress(OSError, asyncssh.Error, TimeoutError):
        async with asyncio.timeout(timeout_seconds):
            key = await asyncssh.get_server_host_key(place.host, place.port, config=None)
        shown = f"{key.get_algorithm()} {key.get_fingerprint()}" if key else "none"
    known = asyncssh.read_known_hosts(str(place.known_hosts)).match(place.host, "", place.port)[0]
    where = f"sftp {place.host}:{place.port}"
    if known:
        said = ", ".join(f"{one.get_algorithm()} {one.get_fingerprint()}" for one in known)
        return (
            f"{where}: the host's key has changed: expected {said}, got {shown}. Nothing was sent. "
            f"Next: ask the partner; if it is theirs, put it into {place.known_hosts}"
        )
    return (
        f"{where}: unknown host: {place.known_hosts} has no key of it, it shows {shown}. Nothing was sent. "
        "Next: ask the partner for the fingerprint; if it is this one, add the key"
    )


@contextlib.contextmanager
def _said(where: str) -> Iterator[None]:
    """What SSH or the network says, as one of our errors."""
    try:
        yield
    except (asyncssh.Error, asyncssh.SFTPError) as error:
        raise WorldFailed(
            f"{where}: {error.reason or type(error).__name__}. Next: run again later"
        ) from error
    except (OSError, TimeoutError) as error:
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise WorldFailed(f"{where}: {said}. Next: run again later") from error
