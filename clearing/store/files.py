"""Clearing files as they were rendered: what they are, and their bytes in parts. 清算文件"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.errors import InvariantViolated
from clearing.files.draft import PART_BYTES, Finished, Part
from clearing.files.layout import Layout, of_document
from clearing.files.outgoing import RenderedFile
from clearing.store.delivery_tables import file_again
from clearing.store.job_tables import file, layout
from clearing.store.seal_tables import file_seal
from clearing.store.session import driver


class StoredSeal(NamedTuple):
    """How a file is signed and wrapped; meanings as in `seal_tables.file_seal`."""

    name: str
    alg: str = ""
    signer: bytes = b""
    user_id: str = ""
    key_id: str = ""
    value: str = ""
    envelope_alg: str = ""
    envelope_key_id: str = ""
    wrapped_key: str = ""
    iv: bytes = b""
    content_key: bytes = b""

    def __repr__(self) -> str:
        """Without the content key: a repr ends up in logs."""
        return f"StoredSeal({self.name}, {self.alg or 'unsigned'}, {self.envelope_alg or 'plain'})"


class Again(NamedTuple):
    """Why a file was made after the day's own; meanings as in `delivery_tables.file_again`."""

    file: str
    kind: str
    source: str
    first_no: int
    last_no: int
    at: datetime
    by_whom: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """One version of one file, without its bytes."""

    name: str
    clearing_date: date
    type: str
    receiver: str
    seq: int
    version: int
    profile: str
    layout: bytes
    """SM3 of the layout it was written in."""
    members: int
    """Number of the reference data it was written with."""
    size: int
    records: int
    amount_total_fen: int
    hash_total: str
    sha256: bytes
    sm3: bytes
    replaces: str = ""
    seal: StoredSeal | None = None
    """None when it is neither signed nor wrapped."""
    again: Again | None = None
    """None for one that the close, or a job, made."""


_COLUMNS: Final = [one.name for one in fields(StoredFile) if one.name not in {"seal", "again"}]
_OF_SEAL: Final = [f"seal_{name}" for name in StoredSeal._fields]
_OF_AGAIN: Final = [f"again_{name}" for name in Again._fields]
_SELECT: Final = select(
    *(file.c[name] for name in _COLUMNS),
    *(file_seal.c[name].label(label) for name, label in zip(StoredSeal._fields, _OF_SEAL, strict=True)),
    *(file_again.c[name].label(label) for name, label in zip(Again._fields, _OF_AGAIN, strict=True)),
).select_from(
    file.outerjoin(file_seal, file.c.name == file_seal.c.name).outerjoin(
        file_again, file.c.name == file_again.c.file
    )
)
_ORDER: Final = (file.c.type, file.c.receiver, file.c.seq, file.c.version)


async def keep(conn: AsyncConnection, made: Sequence[RenderedFile], used: Layout, members: int) -> None:
    """Keep files that were rendered whole, with their bytes and their layout. 保存文件

    In:      files of one layout; the number of the reference data in force (`reference.in_force`).
    Writes:  file, file_part, layout.
    Again:   refused by the name: a corrected file is a new version.
    """
    await add_layout(conn, used)
    await add_parts(conn, (part for one in made for part in in_parts(one.name, one.content)))
    await add(conn, [stored(one, used, members) for one in made])


def stored(one: RenderedFile, used: Layout, members: int) -> StoredFile:
    """What is kept of a rendered file besides its bytes."""
    return StoredFile(
        name=one.name,
        clearing_date=one.clearing_date,
        type=one.type,
        receiver=one.receiver,
        seq=one.seq,
        version=one.version,
        profile=one.profile,
        layout=used.sm3,
        members=members,
        size=len(one.content),
        records=one.records,
        amount_total_fen=one.amount_total,
        hash_total=str(one.hash_total),
        sha256=bytes.fromhex(one.sha256),
        sm3=bytes.fromhex(one.sm3),
        replaces=one.replaces,
    )


def stored_of(one: Finished, sha256: bytes, sm3: bytes, members: int) -> StoredFile:
    """What is kept of a file whose parts are kept already."""
    return StoredFile(
        name=one.name,
        clearing_date=one.clearing_date,
        type=one.type,
        receiver=one.receiver,
        seq=one.seq,
        version=one.version,
        profile=one.layout.profile,
        layout=one.layout.sm3,
        members=members,
        size=one.size,
        records=one.records,
        amount_total_fen=one.amount_total,
        hash_total=str(one.hash_total),
        sha256=sha256,
        sm3=sm3,
        replaces=one.replaces,
    )


def in_parts(name: str, content: bytes) -> Iterable[Part]:
    """A file's bytes in parts that end with a line, as they are kept."""
    start = no = 0
    while start < len(content):
        end = content.find(b"\n", start + PART_BYTES) + 1 or len(content)
        yield Part(name, no, content[start:end])
        start, no = end, no + 1


async def add(conn: AsyncConnection, made: Sequence[StoredFile]) -> None:
    """Keep what files are; their parts are kept by `add_parts`.

    Writes:  file.
    Again:   refused by the name: a corrected file is a new version.
    """
    raw = await driver(conn)
    records = [tuple(getattr(one, name) for name in _COLUMNS) for one in made]
    await raw.copy_records_to_table("file", records=records, columns=_COLUMNS)


async def add_seals(conn: AsyncConnection, seals: Iterable[StoredSeal]) -> None:
    """Keep how files are signed and wrapped.

    Writes:  file_seal.
    Again:   refused by the name: a file is signed once.
    """
    raw = await driver(conn)
    await raw.copy_records_to_table("file_seal", records=seals, columns=StoredSeal._fields)


async def add_again(conn: AsyncConnection, made: Iterable[Again]) -> None:
    """Keep why files were made after the day's own.

    Writes:  file_again.
    Again:   refused by the name.
    """
    raw = await driver(conn)
    await raw.copy_records_to_table("file_again", records=made, columns=Again._fields)


async def add_parts(conn: AsyncConnection, parts: Iterable[Part]) -> None:
    """Keep parts of files, in any order.

    Writes:  file_part.
    Again:   refused by name and number.
    """
    raw = await driver(conn)
    await raw.copy_records_to_table("file_part", records=parts, columns=Part._fields)


async def add_layout(conn: AsyncConnection, used: Layout) -> None:
    """Keep a layout, so that the files written in it can be made again.

    Writes:  layout.
    Again:   nothing: it is known by its digest.
    """
    row = {"sm3": used.sm3, "profile": used.profile, "document": used.document}
    await conn.execute(insert(layout).values(row).on_conflict_do_nothing())


async def layouts_by_digest(
    conn: AsyncConnection, only: Collection[bytes] | None = None
) -> dict[bytes, Layout]:
    """The layouts that files were written in, by digest: every one, or those that are asked for."""
    query = select(layout.c.sm3, layout.c.document)
    rows = await conn.execute(query if only is None else query.where(layout.c.sm3.in_(only)))
    return {sm3: of_document(document) for sm3, document in rows}


async def of_day(conn: AsyncConnection, day: date) -> list[StoredFile]:
    """Every version of a day's files, in order of type, receiver, sequence and version."""
    rows = await conn.execute(_SELECT.where(file.c.clearing_date == day).order_by(*_ORDER))
    return [_stored(dict(row)) for row in rows.mappings()]


async def get(conn: AsyncConnection, name: str) -> StoredFile | None:
    """One file by name."""
    row = (await conn.execute(_SELECT.where(file.c.name == name))).mappings().one_or_none()
    return None if row is None else _stored(dict(row))


class Ends(NamedTuple):
    """A file's first and last part: where it says what all its lines come to."""

    name: str
    receiver: str
    profile: str
    layout: bytes
    """SM3 of the layout it was written in."""
    content: bytes


_ENDS: Final = """
    SELECT DISTINCT ON (f.profile, f.receiver, f.seq) f.name, f.receiver, f.profile, f.layout,
           head.content || coalesce(tail.content, '') AS content
    FROM file f JOIN file_part head ON head.name = f.name AND head.no = 0
    LEFT JOIN LATERAL (
        SELECT content FROM file_part WHERE name = f.name AND no > 0 ORDER BY no DESC LIMIT 1
    ) AS tail ON true
    WHERE f.clearing_date = $1 AND f.type = $2
    ORDER BY f.profile, f.receiver, f.seq, f.version DESC
"""


async def ends(conn: AsyncConnection, day: date, type_: str) -> list[Ends]:
    """Heads and tails of a day's files of a type, of each file the version that stands. 文件头尾"""
    return [Ends(*row) for row in await (await driver(conn)).fetch(_ENDS, day, type_)]


async def parts(conn: AsyncConnection, name: str) -> AsyncIterator[bytes]:
    """A file's bytes, part by part in order, read as they are used."""
    raw = await driver(conn)
    query = "SELECT content FROM file_part WHERE name = $1 ORDER BY no"
    async for (content,) in raw.cursor(query, name, prefetch=4):
        yield content


async def content(conn: AsyncConnection, name: str) -> bytes:
    """All bytes of a file; of a large one take `parts`.

    Raises:  InvariantViolated when there is no file of that name.
    """
    found = b"".join([part async for part in parts(conn, name)])
    if not found:
        raise InvariantViolated(f"file {name}: expected its bytes among the stored parts, got none")
    return found


def _stored(row: dict[str, Any]) -> StoredFile:
    seal = StoredSeal(*(row.pop(label) for label in _OF_SEAL))
    again = Again(*(row.pop(label) for label in _OF_AGAIN))
    return StoredFile(**row, seal=seal if seal.name else None, again=again if again.file else None)
