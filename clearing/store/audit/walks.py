"""Walks over the rows for what SQL cannot compute: SM3, our own names, files' bytes. 逐行核验"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from typing import Final, NamedTuple
from uuid import UUID

from pydantic_core import from_json
from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.store.files import parts
from clearing.store.session import driver

_ROWS_AT_ONCE: Final = 2000
_BYTES_AT_ONCE: Final = 8 * 1024 * 1024


class NamedEntry(NamedTuple):
    """What the id of an entry is made of."""

    id: UUID
    clearing_date: date
    source: str
    event_id: str
    type: str


async def entry_names(conn: AsyncConnection) -> AsyncIterator[NamedEntry]:
    """Every entry's id and what it is derived from, as they lie."""
    raw = await driver(conn)
    async for row in raw.cursor(
        "SELECT id, clearing_date, source, event_id, type FROM entry", prefetch=_ROWS_AT_ONCE
    ):
        yield NamedEntry(*row)


class Said(NamedTuple):
    """A record's bytes, and the digest kept of them."""

    table: str
    """event, repeat: digest of the content; quarantine: of the bytes."""
    where: str
    source: str
    id: str
    raw: bytes
    sm3: bytes


async def records(conn: AsyncConnection) -> AsyncIterator[Said]:
    """Every record whose bytes are kept, as they lie."""
    raw = await driver(conn)
    async for row in raw.cursor(
        "SELECT 'event', 'event ' || source || '/' || id, source, id, raw, sm3 FROM event UNION ALL "
        "SELECT 'repeat', 'repeat ' || source || '/' || id, source, id, raw, sm3 FROM repeat UNION ALL "
        "SELECT 'quarantine', stream || '[' || partition || ']@' || position, source, id, raw, sm3 "
        "FROM quarantine WHERE raw IS NOT NULL",
        prefetch=_ROWS_AT_ONCE,
    ):
        yield Said(*row)


class KeptFile(NamedTuple):
    """A stored file without its bytes."""

    table: str
    key: str
    """Name of a clearing file, number of a partner's."""
    name: str
    length: int
    sha256: bytes
    sm3: bytes


async def files(conn: AsyncConnection) -> list[KeptFile]:
    """Every stored file, ours and the partners', in order of name."""
    rows = await (await driver(conn)).fetch(
        "SELECT 'file', name, name, size, sha256, sm3 FROM file UNION ALL "
        "SELECT 'statement_file', id::text, kind || ' of ' || partner || ' ' || name, octet_length(content), "
        "sha256, sm3 FROM statement_file ORDER BY 1, 3"
    )
    return [KeptFile(*row) for row in rows]


async def content(conn: AsyncConnection, kept: KeptFile) -> AsyncIterator[bytes]:
    """A stored file's bytes in parts, so that a large one is never held whole."""
    if kept.table == "file":
        async for part in parts(conn, kept.name):
            yield part
        return
    raw = await driver(conn)
    for start in range(0, kept.length, _BYTES_AT_ONCE):
        yield await raw.fetchval(
            "SELECT substring(content FROM $2 FOR $3) FROM statement_file WHERE id::text = $1",
            kept.key,
            start + 1,
            _BYTES_AT_ONCE,
        )


class SignedFile(NamedTuple):
    """A signed file's figures, and the signature over them."""

    name: str
    size: int
    records: int
    amount_total_fen: int
    hash_total: str
    sha256: bytes
    sm3: bytes
    replaces: str
    signer: bytes
    user_id: str
    value: str


async def signed_files(conn: AsyncConnection) -> AsyncIterator[SignedFile]:
    """Every file that was signed, in order of name."""
    raw = await driver(conn)
    async for row in raw.cursor(
        "SELECT f.name, size, records, amount_total_fen, hash_total, sha256, sm3, replaces, "
        "signer, user_id, value FROM file f JOIN file_seal s ON s.name = f.name WHERE alg <> '' ORDER BY f.name",
        prefetch=_ROWS_AT_ONCE,
    ):
        yield SignedFile(*row)


class CutDay(NamedTuple):
    """What the cut of a day noted."""

    clearing_date: date
    root: bytes
    heads: dict[str, bytes]
    """`stream/partition` → head of its chain."""


async def cut_days(conn: AsyncConnection) -> list[CutDay]:
    """Every day that is cut, oldest first; one without root or heads has b"" and {}."""
    rows = await (await driver(conn)).fetch(
        "SELECT clearing_date, root, heads::text FROM day WHERE state <> 'open' ORDER BY 1"
    )
    return [CutDay(day, root or b"", _heads(heads)) for day, root, heads in rows]


async def filed_days(conn: AsyncConnection) -> list[date]:
    """Every day that has its files, oldest first."""
    rows = await (await driver(conn)).fetch(
        "SELECT clearing_date FROM day WHERE state IN ('filed', 'reconciled', 'signed') ORDER BY 1"
    )
    return [day for (day,) in rows]


def _heads(stored: str | None) -> dict[str, bytes]:
    if stored is None:
        return {}
    return {name: bytes.fromhex(digest) for name, digest in from_json(stored)}


async def has_link(conn: AsyncConnection, chain: str, digest: bytes) -> bool:
    """Whether a chain (`stream/partition`) has a batch with this digest."""
    stream, _, partition = chain.rpartition("/")
    found: bool = await (await driver(conn)).fetchval(
        "SELECT EXISTS (SELECT 1 FROM batch WHERE stream = $1 AND partition = $2 AND digest = $3)",
        stream,
        int(partition),
        digest,
    )
    return found
