"""What a batch was decided by had been locked and read: nothing was taken for absent that nobody had looked for."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from clearing.jobs import close, ingest
from clearing.jobs.gather import Busy, Gathered, gather
from clearing.ledger.decide import needs
from clearing.ledger.facts import Fact, Facts, Key
from clearing.store import locks
from clearing.store.facts import look
from clearing.store.session import transaction
from messages import CATALOGUE, Event, decode
from tests.jobs import made
from tests.jobs.day_folders import stories
from tests.jobs.made import CARD, CARDS
from tests.jobs.running import (
    FIRST_DAY,
    PATIENCE_SECONDS,
    Books,
    books,
    members_of,
    settings_of,
    worked_members,
)
from tests.soaking import SEED, SOAK, size

CASES = stories()
BATCHES = (1, 7, 1000) if SOAK else (1000,)
KEPT_ANYWAY = {"payouts_of", "line"}
"""Kept up to date in memory unread too: what counts towards no limits, and who parks in this batch. Before it nobody
can have parked where the number is free or the stay open, and there alone a line is not asked for."""


class Watch:
    """Follows the facts of each batch: what was read, what decisions made of it, what was asked for in vain."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.known: dict[int, tuple[Facts, set[Key]]] = {}
        self.unread: set[str] = set()
        self.unasked: set[tuple[str, str]] = set()
        monkeypatch.setattr(ingest, "gather", self.gather)
        monkeypatch.setattr(close, "gather", self.gather)
        get, put, update = Facts.get, Facts.put, Facts.update

        def watched_get(facts: Facts, *key: str) -> Fact | None:
            if id(facts) in self.known and key not in self.known[id(facts)][1]:
                self.unread.add(key[0])
            return get(facts, *key)

        def watched_put(facts: Facts, key: Key, fact: Fact) -> None:
            self.note(facts, {key: fact})
            put(facts, key, fact)

        def watched_update(facts: Facts, found: Mapping[Key, Fact]) -> None:
            self.note(facts, found)
            update(facts, found)

        for name, watched in (("get", watched_get), ("put", watched_put), ("update", watched_update)):
            monkeypatch.setattr(Facts, name, watched)

    def note(self, facts: Facts, found: Mapping[Key, Fact]) -> None:
        """A decision has changed these."""
        if id(facts) in self.known:
            self.known[id(facts)][1].update(found)

    async def gather(self, conn: Any, events: Sequence[Event], *given: Any, **named: Any) -> Gathered:  # noqa: ANN401
        """The engine's own, and once more asked what it needs."""
        out = await gather(conn, events, *given, **named)
        for event in [*events, *(one.event for one in out.waiting)]:
            self.unasked |= {(event.type, key[0]) for key in set(needs(event, out.facts)) - out.read}
        self.known[id(out.facts)] = out.facts, set(out.read)
        return out


def mixed(lines: Sequence[bytes], rng: random.Random) -> list[bytes]:
    """Each family in its own order, families mixed anyhow, as topics are."""
    families: defaultdict[str, list[bytes]] = defaultdict(list)
    for line in lines:
        event = decode(line)
        families[CATALOGUE[event.type].family if isinstance(event, Event) else ""].append(line)
    order = [family for family, some in families.items() for _ in some]
    rng.shuffle(order)
    every = {family: iter(some) for family, some in families.items()}
    return [next(every[family]) for family in order]


@pytest.mark.parametrize("batch", BATCHES)
async def test_nothing_is_decided_by_what_was_not_read(
    blank: Callable[[], str], monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """Stories with their topics mixed: asked again, no event needs another key, and no rule uses one."""
    rng = random.Random(SEED)
    watch = Watch(monkeypatch)
    for name in rng.sample(sorted(CASES), size(8, len(CASES))):
        case = CASES[name]
        members = members_of(case[0].path / "members.toml")
        async with books(blank(), settings_of(batch_events_max=batch), members, case[0].day) as the:
            await taken_and_cut(the, [(one.day, mixed(one.lines(), rng)) for one in case])
        watch.known.clear()
    assert watch.unasked == set(), f"seed {SEED}"
    assert watch.unread - KEPT_ANYWAY == set(), f"seed {SEED}"


async def taken_and_cut(the: Books, days: Sequence[tuple[Any, list[bytes]]]) -> None:
    """Take each day's events and cut it."""
    for day, lines in days:
        await the.ingest(lines)
        await close.cut(the.engine, the.settings, the.members, day)


async def test_a_batch_that_begins_again_still_shares_what_it_only_reads(blank: Callable[[], str]) -> None:
    """A busy card found on the way is waited for next time; neither it nor the terminal is kept from readers."""
    alias = made.event(
        "card.aliased",
        "A1",
        {"card": CARD, "bank": "B1", "kind": "HOSPITAL", "token": "tok_H1_0007", "institution": "H1"},
    )
    paid = decode(made.line(made.payment("1", card="tok_H1_0007", terminal="990100000001")))
    assert isinstance(paid, Event)
    async with books(blank(), settings_of(), worked_members(), FIRST_DAY) as the:
        await the.ingest([*CARDS, made.line(alias)])
        async with transaction(the.engine) as other:
            await locks.lock(other, [f"card/{CARD}"])
            with pytest.raises(Busy) as busy:
                async with transaction(the.engine) as conn:
                    await gather(conn, [paid], ())
        names = busy.value.names
        assert {"card/tok_H1_0007", f"card/{CARD}", "terminal/990100000001"} <= names.shared
        assert f"event/{paid.source}/{paid.id}" in names.own
        assert names.own.isdisjoint(names.shared)
        async with transaction(the.engine) as other, transaction(the.engine) as conn:
            await locks.lock(other, (), names.shared)
            await asyncio.wait_for(gather(conn, [paid], (), known_names=names), PATIENCE_SECONDS)
            assert await look(other, (), names.own, wait=False) is None, "taken"
            assert await look(other, (), names.shared, wait=False) is None, "shared by both"
