"""A bucket as a place for files: an object is there whole or not at all, so nothing is renamed. 对象存储"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import ObjectStore

from clearing.errors import UsageError, WorldFailed
from clearing.files.manifest import MANIFEST_SUFFIX
from clearing.jobs.delivery.partners import StorePlace
from clearing.jobs.delivery.placing import Put


class Bucket:
    """An object store, from its URL on."""

    def __init__(self, store: ObjectStore, where: str) -> None:
        self.store = store
        self.where = where

    async def put(self, name: str, content: bytes, manifest: bytes) -> Put:
        """Place a file, then its manifest; neither over another object.

        Writes:  the objects name and name.ok.
        Again:   what stands there, the same, is left.
        Raises:  UsageError when other bytes stand there under the name; WorldFailed.
        """
        receipt: dict[str, Any] = {"bytes": len(content)}
        with _said(f"{self.where}/{name}"):
            new = await self._create(name, content, receipt)
            if not new and await self.read(name) != content:
                raise UsageError(
                    f"{self.where}/{name}: stands there with other bytes; nothing is overwritten. "
                    "Next: have the receiver move it away"
                )
            first = await self._create(name + MANIFEST_SUFFIX, manifest, {})
        return Put(len(content) if new else 0, 0, not new and not first, receipt)

    async def _create(self, name: str, content: bytes, receipt: dict[str, Any]) -> bool:
        try:
            done = await obstore.put_async(self.store, name, content, mode="create", use_multipart=False)
        except AlreadyExistsError:
            return False
        receipt.update({key: value for key, value in done.items() if value})
        return True

    async def read(self, name: str) -> bytes:
        """A whole object."""
        return bytes(await (await obstore.get_async(self.store, name)).bytes_async())


def bucket(place: StorePlace) -> Bucket:
    """Open a bucket; what it needs to let us in comes from the environment.

    Raises:  UsageError for a URL or an option that no object store has.
    """
    try:
        store = obstore.store.from_url(place.url, **place.options)  # type: ignore[call-overload]
    except (BaseError, ValueError, TypeError) as error:
        raise UsageError(f"{place.url}: {_first(error)}. Next: correct partners.toml") from error
    return Bucket(store, place.url)


@contextlib.contextmanager
def _said(where: str) -> Iterator[None]:
    try:
        yield
    except (BaseError, OSError) as error:
        raise WorldFailed(f"{where}: {_first(error)}. Next: mend it and run again") from error


def _first(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
