"""The digest chain: every batch seals its outcomes and entries onto the batch before. 摘要链

One chain a stream partition. A batch's lines stand in order of `no`, an outcome before its entry:

    [no, "event", source, id, type, outcome, reason, entry id, clearing date, late, sm3 of the content]
    [no, "woken", source, id, null, outcome, reason, entry id, clearing date, late, null]
    [no, "repeat", source, id, type, outcome, reason, null, null, null, sm3 of the content]
    [no, "quarantine", source, id, type, "malformed", where, null, null, null, sm3 of the bytes]
    [no, "entry", id, clearing date, type, source, event id, accounts, fens, legs, amount, status,
     institution, bank, payer, route, partner, bank_ref, bank date, card, original id]

Their canonical form is one JSON list of them in UTF-8 without white space, dates as YYYY-MM-DD, digests and
entry ids in hex, what does not apply null:

    digest = SM3(previous digest + SM3(that list))

Only what is stored goes in, so that `recompute` needs nothing but the tables.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

from pydantic_core import to_json
from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.store.entries import COLUMNS
from clearing.store.session import Driver, driver

GENESIS: Final = bytes(32)
"""What the first batch of a chain comes after."""

Line = tuple[Any, ...]

_SEALED: Final = (
    "id", "clearing_date", "type", "source", "event_id", "accounts", "fens", "legs", "amount_fen", "status",
    "institution", "bank", "payer", "route", "partner", "bank_ref", "bank_date", "card", "original_id",
)  # fmt: skip
_pick: Final = itemgetter(*map(COLUMNS.index, _SEALED))


def entry_line(no: int, row: Sequence[Any]) -> Line:
    """The line of one entry, from its row in the order of `entries.COLUMNS`, ids as hex digits."""
    return (no, "entry", *_pick(row))


def seal(previous: bytes, lines: Sequence[Line]) -> bytes:
    """The digest of a batch: 32 bytes."""
    content = hashlib.new("sm3", to_json(lines)).digest()
    return hashlib.new("sm3", previous + content).digest()


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
    SELECT batch, no, 'event' AS kind, source, id, type, outcome, reason,
        replace(entry_id::text, '-', '') AS entry_id, clearing_date, late, encode(sm3, 'hex') AS sm3
    FROM event WHERE batch = ANY($1::bigint[])
    UNION ALL
    SELECT batch, no, 'woken', source, id, NULL, outcome, reason,
        replace(entry_id::text, '-', ''), clearing_date, late, NULL
    FROM woken WHERE batch = ANY($1::bigint[])
    UNION ALL
    SELECT batch, no, 'repeat', source, id, type, outcome, reason, NULL, NULL, NULL, encode(sm3, 'hex')
    FROM repeat WHERE batch = ANY($1::bigint[])
    UNION ALL
    SELECT batch, no, 'quarantine', source, id, type, 'malformed', where_,
        NULL, NULL, NULL, encode(sm3, 'hex')
    FROM quarantine WHERE batch = ANY($1::bigint[])
"""
_HEXED: Final = {name: f"replace({name}::text, '-', '')" for name in ("id", "original_id")}
_ENTRY_LIST: Final = ", ".join(_HEXED.get(name, name) for name in COLUMNS)
_ENTRIES: Final = f"SELECT batch, no, {_ENTRY_LIST} FROM entry WHERE batch = ANY($1::bigint[])"  # noqa: S608
_BATCHES: Final = """
    SELECT id, previous, digest FROM batch
    WHERE stream = $1 AND partition = $2 AND id > $3 ORDER BY id LIMIT $4
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
            sealed = sorted(lines.get(last, ()), key=itemgetter(0, 1))
            recomputed = seal(before, [line for _, _, line in sealed])
            yield Link(last, digest, recomputed, joined=previous == before)
            before = digest


async def _lines(raw: Driver, batches: list[int]) -> dict[int, list[tuple[int, int, Line]]]:
    """Every line of some batches, by batch: (no, outcome before entry, line)."""
    lines: dict[int, list[tuple[int, int, Line]]] = {}
    for batch, *values in await raw.fetch(_OUTCOMES, batches):
        lines.setdefault(batch, []).append((values[0], 0, tuple(values)))
    for batch, no, *values in await raw.fetch(_ENTRIES, batches):
        lines.setdefault(batch, []).append((no, 1, entry_line(no, values)))
    return lines
