"""What a batch reads by key: one query a kind of fact, its rows as JSON. 按键读取

Texts of queries, of which `functions` makes what the server runs; their parameters are all keys of a batch at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Final

from clearing.store import entries, parked
from clearing.store.kinds import KINDS, Kind

WAITING: Final = "_waiting"


def _texts(*types: str) -> str:
    """The key's columns as arrays: each comes as one text, which costs the driver a twentieth.

    Measured: the driver takes 0.85 µs for one element of an array of text, 5 ms of Python a batch.
    """
    return ", ".join(
        f"string_to_array({{{number}}}, E'\\x1f')" + ("" if name == "text" else f"::{name}[]")
        for number, name in enumerate(types)
    )


def _listed(columns: str, source: str, order: str = "") -> str:
    """A query whose rows come as one JSON list of lists."""
    return f"json_agg(json_build_array({columns}){order and f' ORDER BY {order}'})::text FROM {source}"


def _of(table: str, keys: Mapping[str, str], more: str = "") -> str:
    """The rows of a table that have these keys, looked up for each row before it in a FROM.

    OFFSET 0 keeps the lookup apart. Else a table that was all but empty when the server last counted it is read
    whole, and each of its rows compared with every key: 30 µs an event where few events waited.

    In:      `keys`: column to what it is compared with; `more`: a further condition.
    """
    equal = " AND ".join(f"s.{name} = {value}" for name, value in keys.items())
    return f"LATERAL (SELECT * FROM {table} s WHERE {equal}{more and f' AND {more}'} OFFSET 0)"  # noqa: S608 - our own names


def _keys(types: Mapping[str, str]) -> str:
    """The keys asked for, as rows k with these columns."""
    return f"unnest({_texts(*types.values())}) AS k({', '.join(types)})"


def _by_keys(table: str, types: Mapping[str, str], more: str = "") -> str:
    """Each key asked for beside the rows of a table that have it, whose name is to follow; text byte by byte."""
    columns = {name: f"k.{name}" + ' COLLATE "C"' * (type_ == "text") for name, type_ in types.items()}
    return f"{_keys(types)} CROSS JOIN {_of(table, columns, more)}"


def _stored(kind: Kind) -> str:
    columns = ", ".join(f"t.{name}" for name in kind.hints)
    types = dict(zip(kind.key, kind.key_types, strict=True))
    return _listed(columns, f"{_by_keys(kind.table, types)} t")


_OF_E: Final = {"source": "e.source", "id": "e.id"}
_OF_P: Final = {"source": "p.source", "id": "p.id"}
_CARD: Final = {"card": "text"}
_PARKED: Final = "e.outcome = 'parked'"
_LIVE: Final = "s.state IN ('HELD','ACCEPTED','SENT','PAID')"
_EVENTS: Final = f"""{_by_keys("event", {"source": "text", "id": "text"})} e
            LEFT JOIN {_of("woken", _OF_E, _PARKED)} w ON true"""
_VIRTUAL: Final = {
    "seen": _listed(
        """e.source, e.id, e.type, encode(e.sm3, 'hex'), coalesce(w.outcome, e.outcome),
            coalesce(w.reason, e.reason), coalesce(w.entry_id, e.entry_id),
            coalesce(w.clearing_date, e.clearing_date), coalesce(w.late, e.late), coalesce(p.waits_for, ''),
            CASE WHEN w.outcome IS NULL THEN 1 ELSE 2 END""",
        f"{_EVENTS} LEFT JOIN {_of('parked', _OF_E, _PARKED)} p ON true",
    ),
    "original": _listed(
        f"""k.source, k.id, encode(e.raw, 'hex'), CASE WHEN n.id IS NOT NULL
            THEN json_build_array({", ".join(f"n.{name}" for name in entries.COLUMNS)}) END""",
        f"{_EVENTS} LEFT JOIN {_of('entry', {'id': 'coalesce(w.entry_id, e.entry_id)'})} n ON true",
    ),
    "payouts_of": _listed(
        "p.root, p.source, p.id, p.attempts #>> '{{-1,3}}', p.amount_fen",
        f"{_by_keys('payout', {'root': 'text'}, _LIVE)} p",
        "p.source, p.id",
    ),
    "held": _listed(
        "p.card, p.source, p.id",
        _by_keys("payout", _CARD, "s.state = 'HELD'") + " p",
        "p.source, p.id",
    ),
    "aliases_of": _listed("a.card, a.token", f"{_by_keys('alias', _CARD)} a", "a.token"),
    "line": _listed(
        "p.name, p.arrival, p.source, p.id, p.waits_for, p.adds",
        f"""{_keys({"line": "text"})} CROSS JOIN LATERAL (
            SELECT line AS name, arrival, source, id, waits_for, adds FROM parked
            WHERE line <> '' AND line = k.line COLLATE "C"
            UNION ALL SELECT feeds, arrival, source, id, waits_for, true FROM parked
            WHERE feeds <> '' AND feeds = k.line COLLATE "C") p""",  # noqa: S608 - our own names
        "p.arrival",
    ),
    WAITING: _listed(
        parked.COLUMNS,
        f"{_by_keys('parked', {'waits_for': 'text'})} p CROSS JOIN {_of('event', _OF_P)} e",
        "p.arrival",
    ),
}
"""Kinds that are read from other tables and written with what they come from; and what waits for names."""

QUERIES: Final = {name: _stored(kind) for name, kind in KINDS.items()} | _VIRTUAL
"""By kind, with {0}, {1}, {2} where the parts of its keys go."""
_WIDTHS: Final = {name: query.count("string_to_array({") for name, query in QUERIES.items()}
PLACES: Final = dict(zip(_WIDTHS, accumulate(_WIDTHS.values(), initial=0), strict=False))
"""By kind, where in `keys` its first part stands, from 0; its parts stand side by side."""
KEYS: Final = sum(_WIDTHS.values())
"""How many texts `keys` has."""
