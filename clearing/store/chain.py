"""The digest chain: every batch seals its outcomes and entries onto the batch before. 摘要链

One chain a stream partition. A batch's lines are JSON lists in order of `no`, an outcome before its entry:

    [no, "event", source, id, type, outcome, reason, entry id, clearing date, late, sm3 of the content]
    [no, "woken", source, id, "", outcome, reason, entry id, clearing date, late, ""]
    [no, "repeat", source, id, type, outcome, reason, "", "", false, sm3 of the content]
    [no, "quarantine", source, id, type, "malformed", where, "", "", false, sm3 of the bytes]
    [no, "entry", id, clearing date, type, source, event id, accounts, fens, legs, amount, status,
     institution, bank, payer, route, partner, bank_ref, bank date, card, original id]

    digest = SM3(previous digest + SM3(lines, each ended by a line feed))

Only what is stored goes in, so that `recompute` needs nothing but the tables.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Iterable
from datetime import date
from operator import itemgetter
from typing import Any, Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.store.entries import COLUMNS
from clearing.store.session import driver

GENESIS: Final = bytes(32)
"""What the first batch of a chain comes after."""

_SEALED: Final = (
    "id", "clearing_date", "type", "source", "event_id", "accounts", "fens", "legs", "amount_fen", "status",
    "institution", "bank", "payer", "route", "partner", "bank_ref", "bank_date", "card", "original_id",
)  # fmt: skip
_ID, _DAY, _REF_DAY, _ORIGINAL = (
    _SEALED.index(name) for name in ("id", "clearing_date", "bank_date", "original_id")
)
_pick: Final = itemgetter(*map(COLUMNS.index, _SEALED))
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def outcome_line(
    no: int,
    table: str,
    source: str,
    id_: str,
    type_: str,
    outcome: str,
    reason: str,
    entry_id: str,
    clearing_date: date | None,
    late: bool,  # noqa: FBT001 - a column like the others
    sm3: bytes,
) -> str:
    """The line of one outcome row."""
    day = clearing_date.isoformat() if clearing_date else ""
    return _encode((no, table, source, id_, type_, outcome, reason, entry_id, day, late, sm3.hex()))


def entry_line(no: int, row: tuple[Any, ...]) -> str:
    """The line of one entry, from its row in the order of `entries.COLUMNS`, ids as hex digits."""
    values = list(_pick(row))
    values[_DAY] = values[_DAY].isoformat()
    if values[_REF_DAY]:
        values[_REF_DAY] = values[_REF_DAY].isoformat()
    return _encode((no, "entry", *values))


def seal(previous: bytes, lines: Iterable[str]) -> bytes:
    """The digest of a batch: 32 bytes."""
    content = hashlib.new("sm3", "".join(f"{line}\n" for line in lines).encode()).digest()
    return hashlib.new("sm3", previous + content).digest()


def root(heads: Iterable[bytes]) -> bytes:
    """The day's root: SM3 over all heads, in order of stream name and partition."""
    return hashlib.new("sm3", b"".join(heads)).digest()


class Link(NamedTuple):
    """One batch of a chain as it is stored and as its rows say."""

    batch: int
    stored: bytes
    recomputed: bytes
    """From the digest before and the rows."""
    joined: bool
    """Whether it names the digest of the batch before."""

    @property
    def sound(self) -> bool:
        """Whether it holds."""
        return self.joined and self.stored == self.recomputed


_OUTCOMES: Final = """
    SELECT batch, no, 'event' AS kind, source, id, type, outcome, reason, entry_id, clearing_date, late, sm3
    FROM event WHERE batch = ANY($1::bigint[])
    UNION ALL
    SELECT batch, no, 'woken', source, id, '', outcome, reason, entry_id, clearing_date, late, ''::bytea
    FROM woken WHERE batch = ANY($1::bigint[])
    UNION ALL
    SELECT batch, no, 'repeat', source, id, type, outcome, reason, NULL, NULL, false, sm3
    FROM repeat WHERE batch = ANY($1::bigint[])
    UNION ALL
    SELECT batch, no, 'quarantine', source, id, type, 'malformed', where_, NULL, NULL, false, sm3
    FROM quarantine WHERE batch = ANY($1::bigint[])
"""
_ENTRIES: Final = f"SELECT batch, no, {', '.join(COLUMNS)} FROM entry WHERE batch = ANY($1::bigint[])"  # noqa: S608
_BATCHES: Final = """
    SELECT id, previous, digest FROM batch WHERE stream = $1 AND partition = $2 AND id > $3 ORDER BY id LIMIT $4
"""
_AT_ONCE: Final = 16


async def recompute(conn: AsyncConnection, stream: str, partition: int) -> AsyncIterator[Link]:
    """Walk one chain from its first batch and recompute each digest from the stored rows. 摘要链核验

    Out:     every batch in order; a chain is sound when all links are and the last is the stream's head.
    """
    raw = await driver(conn)
    before, last = GENESIS, 0
    while batches := await raw.fetch(_BATCHES, stream, partition, last, _AT_ONCE):
        lines = await _lines(raw, [row["id"] for row in batches])
        for last, previous, digest in batches:
            recomputed = seal(before, (line for _, _, line in sorted(lines.get(last, ()))))
            yield Link(last, digest, recomputed, joined=previous == before)
            before = digest


async def _lines(raw: Any, batches: list[int]) -> dict[int, list[tuple[int, int, str]]]:
    """Every line of some batches, by batch: (no, outcome before entry, line)."""
    lines: dict[int, list[tuple[int, int, str]]] = {}
    for batch, no, kind, source, id_, type_, outcome, reason, entry_id, day, late, sm3 in await raw.fetch(
        _OUTCOMES, batches
    ):
        hexed = entry_id.hex if entry_id else ""
        line = outcome_line(no, kind, source, id_, type_, outcome, reason, hexed, day, late, sm3)
        lines.setdefault(batch, []).append((no, 0, line))
    for row in await raw.fetch(_ENTRIES, batches):
        batch, no, *values = row
        hexes = (
            value.hex if hasattr(value, "hex") and not isinstance(value, float | bytes) else value
            for value in values
        )
        lines.setdefault(batch, []).append((no, 1, entry_line(no, tuple(hexes))))
    return lines
