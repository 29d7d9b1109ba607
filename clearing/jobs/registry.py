"""A partner's snapshot of cards or terminals beside ours, differences listed. 卡册核对"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.errors import UsageError
from clearing.jobs.snapshot import STAGES, Seen, Snapshot
from clearing.ledger.facts import Alias, Card, Terminal
from clearing.store import registry

ENDED: Final = frozenset({"REPLACED", "CANCELLED", "TERMINATED", "DECEASED", "SCRAPPED"})
"""States that a snapshot may leave out."""
_ASKED: Final = 5_000
"""Cards that are looked up in one query."""
_BEFORE: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Difference:
    """One card or terminal of which the two sides do not say the same."""

    number: str
    """Our own token of the card, theirs where we have none; the terminal."""
    what: str
    """only_ours, only_theirs or differs."""
    ours: Seen
    theirs: Seen
    """Of `differs`, both sides have only the columns that differ."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A snapshot beside ours."""

    theirs: int
    ours: int
    """How many we have that the sender should know, ended ones left out unless the snapshot has them."""
    same: int
    differences: tuple[Difference, ...]
    """Those of the snapshot in its order, then only ours, by number."""


async def compare(
    conn: AsyncConnection,
    snapshot: Snapshot,
    *,
    bank: str | None = None,
    before: datetime | None = None,
    file: str = "",
) -> Compared:
    """A snapshot beside our cards or terminals. 卡册核对

    In:      `bank` of a bank's snapshot: of what it lacks, only its cards (terminals it acquires) are listed;
             None for the card platform, which knows all. States and registrations just before `before`, None
             for now; bank and area are always as they are now.
    Raises:  UsageError when two lines mean one card.
    Writes:  nothing.
    Again:   the same, by the registry as it then is.
    """
    found: list[Difference] = []
    known = 0
    named: set[str] = set()
    async for number, theirs, ours in _named(conn, snapshot, before, file):
        named.add(number)
        known += ours is not None
        if difference := _difference(number, ours, theirs):
            found.append(difference)
    only_ours: list[Difference] = []
    async for number, said in _everything(conn, snapshot, bank, before):
        if number not in named and said["state"] not in ENDED:
            only_ours.append(Difference(number, "only_ours", said, {}))
    return Compared(
        theirs=len(snapshot.rows),
        ours=known + len(only_ours),
        same=len(snapshot.rows) - len(found),
        differences=(*found, *sorted(only_ours, key=lambda one: one.number)),
    )


def _difference(number: str, ours: Seen | None, theirs: Seen) -> Difference | None:
    if ours is None:
        return Difference(number, "only_theirs", {}, {name: value for name, value in theirs.items() if value})
    names = [name for name, value in theirs.items() if value and value != ours[name]]
    if not names:
        return None
    return Difference(
        number, "differs", {name: ours[name] for name in names}, {name: theirs[name] for name in names}
    )


async def _named(
    conn: AsyncConnection, snapshot: Snapshot, before: datetime | None, file: str
) -> AsyncIterator[tuple[str, Seen, Seen | None]]:
    """(our number, theirs, ours) of every row of the snapshot; numbers of a card resolved."""
    if not snapshot.of_cards:
        terminals = {one.terminal: terminal_seen(one, before) async for one in registry.every_terminal(conn)}
        for number, theirs in snapshot.rows.items():
            yield number, theirs, terminals.get(number)
        return
    met: set[str] = set()
    numbers = list(snapshot.rows)
    for start in range(0, len(numbers), _ASKED):
        asked = numbers[start : start + _ASKED]
        aliases = await registry.aliases(conn, asked)
        own = {number: _own(aliases.get(number), number, before) for number in asked}
        cards = await registry.cards(conn, list(own.values()))
        for number, token in own.items():
            if token in met:
                raise UsageError(
                    f"{file}: two lines mean card ****{token[-4:]}, by two of its numbers [FMT-012]"
                )
            met.add(token)
            card = cards.get(token)
            yield token, snapshot.rows[number], card_seen(card, before) if card else None


def _own(alias: Alias | None, number: str, before: datetime | None) -> str:
    """Our token of a card that a snapshot names by any of its numbers."""
    if alias is None:
        return number
    return alias.card if before is None else alias.card_at(before - _BEFORE)


async def _everything(
    conn: AsyncConnection, snapshot: Snapshot, bank: str | None, before: datetime | None
) -> AsyncIterator[tuple[str, Seen]]:
    if snapshot.of_cards:
        async for card in registry.every_card(conn, bank):
            if said := card_seen(card, before):
                yield card.token, said
    else:
        async for terminal in registry.every_terminal(conn, bank):
            if said := terminal_seen(terminal, before):
                yield terminal.terminal, said


def card_seen(card: Card, before: datetime | None) -> Seen | None:
    """A card as a snapshot would say it; None when it was not registered yet."""
    told = [one for one in card.registrations if before is None or one.at < before]
    if not told:
        return None
    state = card.state
    if before is not None:
        if card.root not in {"", card.token} and not any(one.at < before for one in card.steps):
            return None  # it has the registrations of the card that it replaced later
        known = any(one.stage == "BANK" for one in told)
        state = card.state_at(before - _BEFORE) if known else "UNKNOWN"
    stages = {one.stage for one in told}
    return {
        "bank": card.bank or told[-1].bank,
        "area": card.area,
        "state": state,
        "registrations": " ".join(stage for stage in STAGES if stage in stages),
    }


def terminal_seen(terminal: Terminal, before: datetime | None) -> Seen | None:
    """A terminal as a snapshot would say it; None when it was not registered yet."""
    state = terminal.state if before is None else terminal.state_at(before - _BEFORE)
    if state == "UNREGISTERED":
        return None
    return {"sam": terminal.sam, "institution": terminal.institution, "state": state}


def counts(differences: tuple[Difference, ...]) -> Mapping[str, int]:
    """How many differences there are by what they are; of `differs`, by column. 差异统计"""
    found: dict[str, int] = {}
    for one in differences:
        for name in (one.what,) if one.what != "differs" else one.theirs:
            found[name] = found.get(name, 0) + 1
    return found
