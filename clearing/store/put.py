"""Writing what a batch changed: few rows in one trip, many by COPY. 写入

A COPY costs two trips a table, some 1 ms of a small transaction; rows as JSON cost the server more each. What is
written is the same either way.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

from clearing.ledger.facts import Fact, Key
from clearing.store.functions import KNOWN, NEW, WAITS
from clearing.store.kinds import KINDS
from clearing.store.rows import COLUMNS
from clearing.store.session import Driver

ROWS_TOGETHER_MAX: Final = 100
"""So many new rows go with everything else in one call; more are copied, a table after the other."""

_FACT_TABLES: Final = {kind.table: kind for kind in KINDS.values()}
_COLUMNS: Final = {
    table: (*COLUMNS[table], "batch") if table in COLUMNS else tuple(_FACT_TABLES[table].hints)
    for table in NEW
}
_JSONS: Final = {
    table: [place for place, name in enumerate(kind.hints) if name in kind.json_names]
    for table, kind in _FACT_TABLES.items()
}
_ADVANCE: Final = "SELECT clearing_advance($1, $2, $3, $4, $5, $6, $7)"
_PUT: Final = "SELECT clearing_put($1, $2, $3, $4, $5, $6, $7, $8)"
_ALL: Final = """
    SELECT numbers, clearing_put(numbers, $8, $9, $10, $11, $12, $13, $14)
    FROM (SELECT clearing_advance($1, $2, $3, $4, $5, $6, $7) AS numbers OFFSET 0) AS moved
"""


class Puts:
    """What one transaction writes, gathered first and then written at once."""

    def __init__(self) -> None:
        self._new: dict[str, list[tuple[Any, ...]]] = {}
        self._known: dict[str, list[tuple[Any, ...]]] = {}
        self._lane = 0
        self._balances: list[tuple[Any, ...]] = []
        self.waits: list[tuple[Any, ...]] = []
        """Events parked, in order of arrival, by the columns WAITS."""
        self.moved: list[tuple[Any, ...]] = []
        """Parked events that wait for something else now, likewise."""
        self.gone: list[tuple[Any, ...]] = []
        """(source, id) of those that wait no more."""

    def rows(self, table: str, batch: int, rows: Iterable[tuple[Any, ...]]) -> None:
        """Rows of one of a batch's own tables.

        In:      `batch`: its place among those of the transaction, from 1.
        """
        self._new.setdefault(table, []).extend((*row, batch) for row in rows)

    def balances(self, lane: int, moved: Mapping[tuple[date, str], int]) -> None:
        """What a lane adds to each day and account, in fen."""
        self._lane = lane
        self._balances = [(*key, moved[key]) for key in sorted(moved)]

    def facts(self, changes: Mapping[Key, Fact], new: Collection[Key]) -> None:
        """The last value of every fact that changed. 写入事实

        In:      by key; `new` are the keys that were not there when they were read. Bank references are always
                 new. Kinds read from other tables are passed over.
        """
        known: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
        for key, fact in changes.items():
            kind = KINDS.get(key[0])
            if kind is None:
                continue
            if kind.insert_only or key in new:
                self._new.setdefault(kind.table, []).append(kind.values(fact))
            else:
                known[kind.name].append(kind.values(fact))
        self._known |= known

    async def write(self, raw: Driver, *moves: Sequence[Any]) -> list[int] | None:
        """Move positions and write all of it.

        In:      `moves` as `clearing_advance` takes them.
        Out:     the batches' numbers in their places; None, and nothing written, when a position had moved.
        Writes:  stream, batch, and the tables named.
        Again:   refused by the positions.
        """
        new = {table: rows for table, rows in self._new.items() if rows}
        if sum(map(len, new.values())) <= ROWS_TOGETHER_MAX:
            numbers: list[int] | None = await raw.fetchval(_ALL, *moves, *self._parameters(new))
            return numbers
        numbers = await raw.fetchval(_ADVANCE, *moves)
        if numbers is not None:
            for table in NEW:
                if table in new:
                    rows = _copied(table, new[table], numbers)
                    await raw.copy_records_to_table(table, records=rows, columns=_COLUMNS[table])
            await raw.fetchval(_PUT, numbers, *self._parameters({}))
        return numbers

    def _parameters(self, new: Mapping[str, Sequence[tuple[Any, ...]]]) -> tuple[Any, ...]:
        """What `clearing_put` takes after the numbers."""
        return (
            [_objects(_COLUMNS[table], new.get(table)) for table in NEW],
            [_objects(KINDS[name].hints, self._known.get(name)) for name in KNOWN],
            self._lane,
            _objects("daf", self._balances),
            _objects(WAITS, self.waits),
            _objects(WAITS, self.moved),
            _objects(WAITS[:2], self.gone),
        )


def _copied(table: str, rows: list[tuple[Any, ...]], numbers: Sequence[int]) -> Iterable[Sequence[Any]]:
    """The rows as COPY takes them: the batch by its number, jsonb as its text."""
    if table in COLUMNS:
        return [(*row[:-1], numbers[row[-1] - 1]) for row in rows]
    places = _JSONS[table]
    if not places:
        return rows
    copied = [list(row) for row in rows]
    for row in copied:
        for place in places:
            row[place] = _json(row[place])
    return copied


def _objects(columns: Iterable[str], rows: Sequence[tuple[Any, ...]] | None) -> str | None:
    return _json([dict(zip(columns, row, strict=True)) for row in rows]) if rows else None


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain)


def _plain(value: object) -> str:
    """JSON of the types it does not know, as the server reads them."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    raise TypeError(f"put: no column for a {type(value).__name__}")
