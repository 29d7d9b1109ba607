"""How files lay in partners' inboxes when they were read: what did not change since is not read again. 收件箱"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.store.session import driver


class Lay(NamedTuple):
    """One file as it lay; meanings as in `delivery_tables.inbox_file`."""

    name: str
    size: int
    modified: int
    sha256: bytes
    settled: bool = False

    @property
    def stamp(self) -> tuple[int, int]:
        """What the other side shows of it without its bytes."""
        return self.size, self.modified


async def lay(conn: AsyncConnection, partner: str, place: str) -> dict[str, Lay]:
    """The files of an inbox as they lay, by name."""
    rows = await (await driver(conn)).fetch(
        "SELECT name, size, modified, sha256, settled FROM inbox_file WHERE partner = $1 AND place = $2",
        partner,
        place,
    )
    return {row["name"]: Lay(*row) for row in rows}


# A clock of whole seconds does not show a change in the second of the reading: the stamp is relied on once the same
# bytes were read under it again, some seconds later.
_NOTE: Final = """
    INSERT INTO inbox_file AS i (partner, place, name, size, modified, sha256, since, settled)
    SELECT $1, $2, u.*, now(), false
    FROM unnest($3::text[], $4::bigint[], $5::bigint[], $6::bytea[]) AS u(name, size, modified, sha256)
    ON CONFLICT (partner, place, name) DO UPDATE SET
        size = excluded.size, modified = excluded.modified, sha256 = excluded.sha256,
        since = CASE WHEN (i.size, i.modified, i.sha256) = (excluded.size, excluded.modified, excluded.sha256)
            THEN i.since ELSE excluded.since END,
        settled = (i.size, i.modified, i.sha256) = (excluded.size, excluded.modified, excluded.sha256)
            AND i.since <= now() - interval '3 seconds'
"""


async def note(conn: AsyncConnection, partner: str, place: str, seen: Sequence[Lay]) -> None:
    """Remember how files lay when they were read.

    Writes:  inbox_file.
    Again:   the later reading stands.
    """
    names, sizes, stamps, digests, _ = zip(*seen, strict=True)
    await (await driver(conn)).execute(_NOTE, partner, place, names, sizes, stamps, digests)


async def forget(conn: AsyncConnection, partner: str, place: str, names: Collection[str]) -> None:
    """Forget files that were put away: what comes under their names is another file.

    Writes:  inbox_file.
    Again:   nothing is left to forget.
    """
    query = "DELETE FROM inbox_file WHERE partner = $1 AND place = $2 AND name = ANY($3::text[])"
    await (await driver(conn)).execute(query, partner, place, list(names))
