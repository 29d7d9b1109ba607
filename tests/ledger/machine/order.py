"""Another order of the same events, which keeps what the contract asks to keep."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from messages import Event

FIELDS = {
    "card": "card", "token": "card", "new_card": "card", "kept_card": "card", "terminal": "terminal",
    "instruction": "instruction", "order_no": "order", "bank_ref": "ref",
}  # fmt: skip
"""Fields whose value says what an event shares with others."""


def shared(event: Event, tied: set[str]) -> Iterator[tuple[str, ...]]:
    """What this event must stay in order with: card, stay, payout, claim, retention, areas, order, reference.

    In:      `tied`: batches whose header and rows keep their order: of more rows than announced the first to
             come are taken, and a rival of a row must find it taken or not.
    """
    said = event.data.__dict__
    yield ("event", event.source, event.id)
    for field, kind in FIELDS.items():
        if said.get(field):
            yield (kind, str(said[field]))
    if (original := said.get("original")) is not None:
        yield ("event", original.source, original.id)
    for field in ("admission_no", "from_admission", "to_admission"):
        if said.get(field):
            yield ("stay", said["institution"], said[field])
    if said.get("batch_id") in tied:
        yield ("batch", said["batch_id"])
    for member in said.get("members") or ():
        yield ("person", member.person)
    yield from shared_by_payers(event)


def shared_by_payers(event: Event) -> Iterator[tuple[str, ...]]:
    """What payers settle: a claim, a pair of areas, the retention of a hospital."""
    said = event.data.__dict__
    claim = said.get("claim")
    for one in [claim] if claim is not None else said.get("claims") or ():
        yield ("claim", one.settlement_id)
    areas: Any = claim if claim is not None else event.data
    if getattr(areas, "treat_area", None) and getattr(areas, "insured_area", None):
        yield ("areas", areas.treat_area, areas.insured_area)
    if event.type in {"claim.settled", "retention.released"}:
        yield ("retention", said["payer"], said["institution"])


def queues_of(events: list[Event], tied: Iterable[str] = ()) -> dict[tuple[str, str], tuple[str, ...]]:
    """(source, id) → the queue that an event must keep its order in, over all events of all days."""
    joined: dict[tuple[str, ...], tuple[str, ...]] = {}

    def root(name: tuple[str, ...]) -> tuple[str, ...]:
        while name in joined:
            name = joined[name]
        return name

    batches = set(tied)
    for one in events:
        first, *others = shared(one, batches)
        for other in others:
            if root(other) != root(first):
                joined[root(other)] = root(first)
    return {(one.source, one.id): root(("event", one.source, one.id)) for one in events}


def shuffled(
    events: list[Event], queue_of: dict[tuple[str, str], tuple[str, ...]], chance: random.Random
) -> list[Event]:
    """The events of a day in another order; those of one queue in the order they had."""
    queues: defaultdict[tuple[str, ...], list[Event]] = defaultdict(list)
    for one in events:
        queues[queue_of[one.source, one.id]].append(one)
    turns = [name for name, queue in queues.items() for _ in queue]
    chance.shuffle(turns)
    return [queues[name].pop(0) for name in turns]
