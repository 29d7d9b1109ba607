"""What the server runs for a batch: one function locks and reads, one moves positions, one writes. 服务器函数

A trip costs a small transaction some 0.3 ms however little it asks, and a statement that was not sent before several
more to be planned. So a batch reads in one call and writes in one, and each statement inside is planned once a
connection, when it is first needed. Their text follows from the kinds of facts and stands frozen in
`migrations/versions/0001_batch.sql`; `python -m clearing.store.functions` prints it, a test holds both equal.
"""

from __future__ import annotations

from typing import Final

from clearing.store.kinds import KINDS, Kind
from clearing.store.lookups import PLACES, QUERIES
from clearing.store.rows import COLUMNS

BUSY: Final = "_busy"
OPEN_DAY: Final = "_open_day"
"""Answers of `clearing_look` that are no kind of fact."""

# ---------------------------------------------------------------- reading


def _reading() -> str:
    parts = "".join(
        f"""
    IF keys[{PLACES[name] + 1}] IS NOT NULL THEN
        RETURN QUERY SELECT '{name}', {query.format(*(f"keys[{PLACES[name] + part + 1}]" for part in range(3)))};
    END IF;"""
        for name, query in QUERIES.items()
    )
    return f"""
-- Locks names as `clearing_lock` does, then reads what is under keys. Each statement sees what was committed when it
-- began, so nothing is read before it is locked. Out: a kind and its rows as a JSON list, null where there are none;
-- '{BUSY}' alone when a name was not to be had; with `day` the first day that is not cut.
CREATE FUNCTION clearing_look(names text, shared text, wait boolean, day boolean, keys text[])
RETURNS TABLE (kind text, found text) LANGUAGE plpgsql VOLATILE
{_PLANS} AS $$
BEGIN
    IF (day OR names <> '' OR shared <> '') AND NOT clearing_lock(names, shared, wait, day) THEN
        RETURN QUERY SELECT '{BUSY}', NULL::text;
        RETURN;
    END IF;
    IF day THEN
        RETURN QUERY SELECT '{OPEN_DAY}', to_json(min(d.clearing_date))::text FROM day d WHERE d.state = 'open';
    END IF;{parts}
END $$;
"""  # noqa: S608 - our own names


# A batch asks for a few thousand rows by key. A plan made while a table was new would read all of it for ever
# after, so every way of doing that is switched off.
_PLANS: Final = (
    "SET plan_cache_mode = force_generic_plan SET enable_seqscan = off\n"
    "SET enable_hashjoin = off SET enable_mergejoin = off SET enable_memoize = off SET jit = off"
)

# ---------------------------------------------------------------- writing

NEW: Final = (*COLUMNS, *(kind.table for kind in KINDS.values()))
"""Tables that take new rows, in the order of `new`."""
KNOWN: Final = tuple(name for name, kind in KINDS.items() if not kind.insert_only)
"""Kinds whose facts are replaced, in the order of `known`."""

_ADVANCE: Final = """
-- Moves the positions of stream partitions from where they were loaded and writes a row of `batch` each. Rows are
-- locked and put in by name: two that move the same ones, one of them to be fenced, never wait in a ring.
-- Out: the batches' numbers in the order given; null when any had moved.
CREATE FUNCTION clearing_advance(names text[], partitions integer[], froms bigint[], tos bigint[], records integer[],
    previous bytea[], digests bytea[]) RETURNS bigint[] LANGUAGE plpgsql VOLATILE
{plans} AS $$
DECLARE
    numbers bigint[] := array_fill(NULL::bigint, ARRAY[cardinality(names)]);
    place integer;
    number bigint;
BEGIN
    FOR place IN SELECT t.place FROM unnest(names, partitions) WITH ORDINALITY AS t(name, partition, place)
        ORDER BY t.name COLLATE "C", t.partition LOOP
        IF froms[place] IS NULL THEN
            INSERT INTO stream (name, partition, position, digest, announced)
                VALUES (names[place], partitions[place], tos[place], digests[place], 0) ON CONFLICT DO NOTHING;
        ELSE
            UPDATE stream s SET position = tos[place], digest = digests[place]
                WHERE s.name = names[place] AND s.partition = partitions[place] AND s.position = froms[place]
                AND s.digest = previous[place];
        END IF;
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
        INSERT INTO batch (stream, partition, position_from, position_to, records, previous, digest)
            VALUES (names[place], partitions[place], froms[place], tos[place], records[place], previous[place],
                digests[place]) RETURNING id INTO number;
        numbers[place] := number;
    END LOOP;
    RETURN numbers;
END $$;
"""


def _rows(table: str, source: str) -> str:
    return f"json_populate_recordset(NULL::{table}, {source}::json)"


def _insert(table: str, columns: tuple[str, ...], source: str) -> str:
    names = ", ".join(columns)
    return f"INSERT INTO {table} ({names})\n            SELECT {names} FROM {_rows(table, source)}"  # noqa: S608 - our own names


def _batch_insert(table: str, columns: tuple[str, ...], source: str) -> str:
    names = ", ".join(columns)
    return (
        f"INSERT INTO {table} ({names}, batch)\n"  # noqa: S608 - our own names
        f"            SELECT {names}, numbers[batch] FROM {_rows(table, source)}"
    )


def _upsert(kind: Kind, source: str) -> str:
    others = ", ".join(f"{name} = excluded.{name}" for name in kind.hints if name not in kind.key)
    return (
        f"{_insert(kind.table, tuple(kind.hints), source)}\n"
        f"            ON CONFLICT ON CONSTRAINT pk_{kind.table} DO UPDATE SET {others}"
    )


def _when(given: str, statement: str) -> str:
    return f"""
    IF {given} IS NOT NULL THEN
        {statement};
    END IF;"""


def _one_by_one(source: str, change: str) -> str:
    """Change parked events by their keys, few a batch: joined, all of them would be compared with all that wait."""
    return f"""FOR one IN SELECT * FROM {source} LOOP
            {change}
                WHERE p.source = one.source COLLATE "C" AND p.id = one.id COLLATE "C";
        END LOOP"""  # noqa: S608 - our own names


WAITS: Final = ("source", "id", "waits_for", "since", "detail", "limit_days", "line", "adds", "feeds")
_RECORD: Final = (
    "source text, id text, waits_for text, since date, detail text, limit_days integer, line text,\n"
    "                adds boolean, feeds text"
)
_FINISH: Final = {
    "balances": """INSERT INTO balance (clearing_date, account, lane, fen)
            SELECT d, a, lane, f FROM json_to_recordset(balances::json) AS delta(d date, a text, f bigint)
            ON CONFLICT ON CONSTRAINT pk_balance DO UPDATE SET fen = balance.fen + excluded.fen""",
    "waits": f"""INSERT INTO parked ({", ".join(WAITS)})
            SELECT {", ".join(f"w.{name}" for name in WAITS)}
            FROM ROWS FROM (json_to_recordset(waits::json) AS ({_RECORD})) WITH ORDINALITY
                AS w({", ".join(WAITS)}, no) ORDER BY w.no""",  # noqa: S608 - our own names
    "moved": _one_by_one(
        f"json_to_recordset(moved::json) AS w({_RECORD})",
        """UPDATE parked p SET waits_for = one.waits_for, since = coalesce(p.since, one.since),
                limit_days = one.limit_days, detail = one.detail, line = one.line, adds = one.adds,
                feeds = one.feeds""",
    ),
    "gone": _one_by_one("json_to_recordset(gone::json) AS w(source text, id text)", "DELETE FROM parked p"),
}


def _writing() -> str:
    tables = {kind.table: tuple(kind.hints) for kind in KINDS.values()}
    parts = [
        _when(
            f"new[{place}]",
            _batch_insert(table, COLUMNS[table], f"new[{place}]")
            if table in COLUMNS
            else _insert(table, tables[table], f"new[{place}]"),
        )
        for place, table in enumerate(NEW, 1)
    ]
    parts += [
        _when(f"known[{place}]", _upsert(KINDS[name], f"known[{place}]"))
        for place, name in enumerate(KNOWN, 1)
    ]
    parts += [_when(given, statement) for given, statement in _FINISH.items()]
    return f"""
-- Writes what a batch changed, each parameter a JSON list of rows, null where there are none. Rows of the batch's own
-- tables name their batch by its place in `numbers`, from 1; without numbers nothing is written.
CREATE FUNCTION clearing_put(numbers bigint[], new text[], known text[], lane smallint, balances text, waits text,
    moved text, gone text) RETURNS void LANGUAGE plpgsql VOLATILE
{_PLANS} AS $$
#variable_conflict use_column
DECLARE
    one record;
BEGIN
    IF numbers IS NULL THEN
        RETURN;
    END IF;{"".join(parts)}
END $$;
"""


def sql() -> str:
    """All of them, as the migration has them."""
    return (
        "-- What the server runs for a batch. Made by: python -m clearing.store.functions\n"
        + _reading()
        + _ADVANCE.format(plans=_PLANS)
        + _writing()
    )


if __name__ == "__main__":
    print(sql(), end="")  # noqa: T201 - for the migration's file
