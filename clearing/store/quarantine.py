"""Records that could not be read, and what became of them when they were tried again. 待处理"""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import Boolean, Integer, LargeBinary, Table
from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.store.session import driver
from clearing.store.tables import _column, _now, _text, metadata

quarantine_retry: Final = Table(
    "quarantine_retry",
    metadata,
    _column("sm3", LargeBinary, "Digest of the quarantined record's bytes.", key=True),
    _column("no", Integer, "Number of the try.", key=True),
    _text("maker", "Who tried it again."),
    _column("mended", Boolean, "Whether other bytes were taken than those quarantined."),
    _text("source", "Of the event that it is."),
    _text("id", "Of the event that it is."),
    _text("outcome", "The event's last outcome then."),
    _text("reason", "Why it was refused."),
    _now("at", "When."),
    comment="Quarantined records that were tried again and could be read (待处理重试)",
)


class Quarantined(NamedTuple):
    """A record that could not be read, once however often it came."""

    sm3: bytes
    where: str
    what: str
    source: str
    id: str
    type: str
    raw: bytes | None
    """None where its bytes may be kept nowhere."""
    place: tuple[int, int]
    """(batch, no) where it first came."""


_UNREAD: Final = """
    SELECT q.sm3, q.where_, q.what, q.source, q.id, q.type, q.raw, q.batch, q.no
    FROM (SELECT DISTINCT ON (sm3) * FROM quarantine ORDER BY sm3, batch, no) AS q
    WHERE starts_with(encode(q.sm3, 'hex'), $1) AND (q.batch, q.no) > ($2, $3)
        AND ($1 <> '' OR NOT EXISTS (SELECT 1 FROM quarantine_retry r WHERE r.sm3 = q.sm3))
    ORDER BY q.batch, q.no LIMIT $4
"""
START: Final = (0, -1)
"""Before every record."""
ROWS_MAX: Final = 1_000
_TRIED: Final = """
    INSERT INTO quarantine_retry (sm3, no, maker, mended, source, id, outcome, reason)
    SELECT $1, 1 + coalesce(max(no), 0), $2, $3, $4, $5, $6, $7 FROM quarantine_retry WHERE sm3 = $1
"""


async def unread(
    conn: AsyncConnection, begins: str = "", after: tuple[int, int] = START, rows_max: int = ROWS_MAX
) -> list[Quarantined]:
    """The next quarantined records, oldest first, each once. 待处理

    In:      how their digests begin; empty for all that could not be read yet when they were tried again. `after`:
             the place of the last one that was given before.
    Out:     () when there is no more.
    """
    rows = await (await driver(conn)).fetch(_UNREAD, begins, *after, rows_max)
    return [Quarantined._make((*row[:-2], row[-2:])) for row in map(tuple, rows)]


async def tried(
    conn: AsyncConnection,
    sm3: bytes,
    name: tuple[str, str],
    outcome: tuple[str, str],
    *,
    maker: str,
    mended: bool,
) -> None:
    """Note that a quarantined record was tried again and could be read. 重试

    In:      (source, id) of the event; its outcome and reason.
    Writes:  quarantine_retry.
    Again:   another try.
    """
    await (await driver(conn)).execute(_TRIED, sm3, maker, mended, *name, *outcome)
