"""Locking and reading facts: one trip for all kinds, however many keys. 读取事实

The server's `clearing_look` locks the names, then runs a query for each kind that is asked for; its rows come back as
one JSON list.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from pydantic_core import from_json
from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.errors import InvariantViolated
from clearing.ledger.facts import Fact, Key, LivePayout, Original, Place, Seen, lock_name
from clearing.store import entries, parked
from clearing.store.functions import BUSY, OPEN_DAY
from clearing.store.kinds import KINDS
from clearing.store.lookups import KEYS, PLACES, WAITING
from clearing.store.session import SEPARATOR, driver
from messages import Event, decode

Found = Iterable[tuple[Key, Fact]]


class Looked(NamedTuple):
    """What one look into the books found."""

    facts: dict[Key, Fact]
    """As `read` gives them."""
    waiting: list[parked.Waiting]
    """Who waits for one of the names, in order of arrival."""
    open_day: date | None
    """The first day that is not cut, if that was asked for; None when no day is open."""


async def read(conn: AsyncConnection, keys: Iterable[Key]) -> dict[Key, Fact]:
    """Every fact that is there under these keys; what is not there is absent. 读取事实

    In:      keys of any kind, repeats allowed; their names locked before, in this transaction.
    Out:     by key; `payouts_of`, `held`, `aliases_of` and `line` are always there, with () when there is none.
    Raises:  InvariantViolated for a kind nobody knows, or stored bytes that are no event any more.
    """
    looked = await look(conn, keys)
    return looked.facts if looked else {}


async def look(
    conn: AsyncConnection,
    keys: Iterable[Key],
    names: Collection[str] = (),
    shared: Collection[str] = (),
    *,
    waiting: Collection[str] = (),
    wait: bool = True,
    day: bool = False,
) -> Looked | None:
    """Lock names and then read facts, in one trip. 加锁取数

    In:      `names`, `shared` as of `locks.lock`, and with `day` the day shared before any of them. Names found
             after that are taken without `wait`: out of order it could be for ever. `waiting` are names, of
             these or locked before, whose parked events are read.
    Out:     what is there under the keys as `read` gives it; None when a name was not to be had.
    Writes:  nothing; holds the locks to the end of the transaction.
    Raises:  as `read`.
    """
    by_kind: defaultdict[str, set[Key]] = defaultdict(set)
    for key in keys:
        by_kind[key[0]].add(key)
    if strange := by_kind.keys() - PLACES.keys():
        raise InvariantViolated(
            f"facts: no kind is called {min(strange)!r}, {len(by_kind[min(strange)])} keys asked"
        )
    parts: list[str | None] = [None] * KEYS
    for name, wanted in by_kind.items():
        columns = _joined(name, wanted)
        parts[PLACES[name] : PLACES[name] + len(columns)] = columns
    if waiting:
        parts[PLACES[WAITING]] = SEPARATOR.join(waiting)
    elif not by_kind and not names and not shared and not day:
        return Looked({}, [], None)
    found = await (await driver(conn)).fetch(
        _LOOK, SEPARATOR.join(set(names)), SEPARATOR.join(set(shared)), wait, day, parts
    )
    return _looked(by_kind, {kind: from_json(rows) if rows else None for kind, rows in found})


_LOOK: Final = "SELECT kind, found FROM clearing_look($1, $2, $3, $4, $5)"


def _joined(name: str, keys: Collection[Key]) -> list[str]:
    """Each part of some keys of a kind but the first, as one text that the server takes apart.

    Raises:  InvariantViolated when a part holds the separator, which no event that can be read has.
    """
    if name == "line":  # kept under the name of what the line is of
        return [SEPARATOR.join(map(lock_name, keys))]
    _, *columns = zip(*keys, strict=True)
    parameters = [SEPARATOR.join(column) for column in columns]
    if any(one.count(SEPARATOR) != len(keys) - 1 for one in parameters):
        raise InvariantViolated(f"facts: a key among {len(keys)} holds a control character")
    return parameters


def _looked(by_kind: dict[str, set[Key]], found: dict[str, Any]) -> Looked | None:
    if BUSY in found:
        return None
    opened = found.pop(OPEN_DAY, None)
    waits = [parked.of_json(row) for row in found.pop(WAITING, None) or ()]
    facts: dict[Key, Fact] = {}
    for name, rows in found.items():
        if name in _VIRTUAL:
            facts.update(_VIRTUAL[name](by_kind[name], rows or []))
        elif rows:
            facts.update(map(KINDS[name].of_json, rows))
    return Looked(facts, waits, date.fromisoformat(opened) if opened else None)


# ---------------------------------------------------------------- rows as facts


def _seen(_: Collection[Key], rows: list[list[Any]]) -> Found:
    for source, id_, type_, sm3, outcome, reason, entry, day, late, waits_for, announced in rows:
        yield ("seen", source, id_), Seen(
            source=source, id=id_, type=type_, sm3=bytes.fromhex(sm3), outcome=outcome, reason=reason,
            entry_id=entry.replace("-", "") if entry else "",
            clearing_date=date.fromisoformat(day) if day else None, late=late, waits_for=waits_for,
            announced=announced,
        )  # fmt: skip


def _original(_: Collection[Key], rows: list[list[Any]]) -> Found:
    for source, id_, raw, entry in rows:
        event = event_of(bytes.fromhex(raw), f"{source}/{id_}")
        yield (
            ("original", source, id_),
            Original(event=event, entry=entries.of_json(entry) if entry else None),
        )


def event_of(raw: bytes, name: str) -> Event:
    """The event of stored bytes; they were one when they were stored, so anything else stops us.

    In:      `name` is source/id, for the message.
    """
    event = decode(raw)
    if isinstance(event, Event):
        return event
    raise InvariantViolated(f"event {name}: stored as an event, now malformed at {event.where}: {event.what}")


def _payouts_of(wanted: Collection[Key], rows: list[list[Any]]) -> Found:
    found: dict[Key, list[LivePayout]] = {key: [] for key in wanted}
    for root, source, id_, at, fen in rows:
        found["payouts_of", root].append(LivePayout(source, id_, datetime.fromisoformat(at), fen))
    return _lists(found)


def _held(wanted: Collection[Key], rows: list[list[Any]]) -> Found:
    found: dict[Key, list[tuple[str, str]]] = {key: [] for key in wanted}
    for card, source, id_ in rows:
        found["held", card].append((source, id_))
    return _lists(found)


def _aliases_of(wanted: Collection[Key], rows: list[list[Any]]) -> Found:
    found: dict[Key, list[str]] = {key: [] for key in wanted}
    for card, token in rows:
        found["aliases_of", card].append(token)
    return _lists(found)


def _line(wanted: Collection[Key], rows: list[list[Any]]) -> Found:
    by_name = {lock_name(key): key for key in wanted}
    found: dict[Key, list[Place]] = {key: [] for key in wanted}
    for name, arrival, source, id_, waits_for, adds in rows:
        found[by_name[name]].append(Place((0, arrival), source, id_, waits_for, adds))
    return _lists(found)


def _lists(found: dict[Key, list[Any]]) -> Iterator[tuple[Key, Fact]]:
    return ((key, tuple(values)) for key, values in found.items())


_VIRTUAL: Final[dict[str, Callable[[Collection[Key], list[list[Any]]], Found]]] = {
    "seen": _seen,
    "original": _original,
    "payouts_of": _payouts_of,
    "held": _held,
    "aliases_of": _aliases_of,
    "line": _line,
}
