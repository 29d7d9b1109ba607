"""Cards and terminals change while others use them: whoever comes first, the end is the same.

Events that only use a card or terminal share its lock; its own events have it alone. Each story of a card is told
on several partitions at once to two worker processes, and has one end in any order of arrival.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from clearing.jobs.broker import Broker
from clearing.jobs.verify import verify
from tests.jobs.made import CARDS, MORNING, event, line, payment, submitted
from tests.jobs.mortal import mortals
from tests.jobs.proof import all_told, one_outcome_each
from tests.jobs.running import (
    DAYS,
    Books,
    Sent,
    books,
    joined,
    send,
    settings_of,
    taken,
    topics,
    worked_members,
)
from tests.soaking import SEED, size

MEMBERS = DAYS / "2026-03-09-worked-day" / "members.toml"
TERMINAL = "990100000001"
AFTERNOON: datetime = MORNING + timedelta(hours=5)
"""The broker's time of all records: after all that they tell."""


class Story:
    """The events of one card, numbered, and the partitions they go to."""

    def __init__(self, number: int) -> None:
        self.name = f"{number:05d}"
        self.card, self.next, self.alias = f"tok_R{self.name}a", f"tok_R{self.name}b", f"tok_R{self.name}z"
        self.sent: list[list[Sent]] = []
        """Lists whose order holds, since they go to one partition."""

    def cards(self, *steps: tuple[str, str, str, dict[str, Any]]) -> None:
        """Events of the card, in order: type, source, time, data."""
        said = [
            event(kind, f"C{no}-{self.name}", {"card": self.card, "bank": "B1", **data}, source, time)
            for no, (kind, source, time, data) in enumerate(steps)
        ]
        self.sent.append([Sent("cards", self.card, line(one), AFTERNOON) for one in said])

    def issued(self, **data: Any) -> Iterator[tuple[str, str, str, dict[str, Any]]]:  # noqa: ANN401 - of the bank
        """Registered by bank and platform, then activated."""
        person = {"person": f"per_R{self.name}"}
        classes = {"card_class": "NORMAL", "account_class": "I"}
        yield "card.registered", "B1", "07:00", {"stage": "BANK", **person, **classes, **data}
        yield "card.registered", "CP", "07:01", {"stage": "PLATFORM", **person}
        yield "card.activated", "B1", "07:02", {}

    def alone(self, family: str, *events: dict[str, Any]) -> None:
        """Events with a key of their own."""
        key = f"{events[0]['id']}"
        self.sent.append([Sent(family, key, line(one), AFTERNOON) for one in events])

    def paid(self, card: str | None = None) -> None:
        """A payment at ten o'clock, at the terminal that everybody uses."""
        one = payment(self.name, card=card or self.card, terminal=TERMINAL)
        self.alone("payments", one)

    def reimbursed(self, card: str | None = None, **data: Any) -> dict[str, Any]:  # noqa: ANN401 - of the body
        """A submission at half past nine."""
        one = submitted(self.name)
        one["data"] |= {"card": card or self.card, **data}
        return one

    def result(self, result: str, attempt: int) -> dict[str, Any]:
        """What the bank says of an attempt."""
        data = {"original": {"source": "F1", "id": f"PO-{self.name}"}, "amount": "5.00", "attempt": attempt}
        data |= {"bank_ref": f"RES{attempt}{self.name}", "bank_date": "2026-03-09", "result": result}
        if result == "REJECTED":
            data |= {"reason_code": "R03"}
        return event("payout.result", f"RES{attempt}-{self.name}", data, "B1", "12:00")


FROZEN = ("card.frozen", "B1", "08:00", {"scope": "ALL", "reason": "order"})
UNFROZEN = ("card.unfrozen", "B1", "09:00", {"scope": "ALL", "reason": "order lifted"})


def registered_while_used(story: Story) -> str:
    """A new card is paid with, and paid to, before it is known."""
    story.cards(*story.issued())
    story.paid()
    story.alone("reimbursements", story.reimbursed())
    return "ACCEPTED"


def frozen_while_paid_to(story: Story) -> str:
    """A payout that finds the card frozen is held, and released by the unfreezing; its result may come before."""
    story.cards(*story.issued(), FROZEN, UNFROZEN)
    story.alone("reimbursements", story.reimbursed())
    story.alone("reimbursements", story.result("PAID", 1))
    return "PAID"


def replaced_while_held(story: Story) -> str:
    """A payout held for a frozen card goes to the card that takes its place."""
    story.cards(
        *story.issued(), FROZEN, ("card.replaced", "B1", "09:00", {"new_card": story.next, "fee": "5.00"})
    )
    story.alone("reimbursements", story.reimbursed())
    return "ACCEPTED"


def aliased_while_used(story: Story) -> str:
    """Everybody uses the number of a hospital before the hospital tells whose it is."""
    said = {"kind": "HOSPITAL", "token": story.alias, "institution": "H1"}
    story.cards(*story.issued(), ("card.aliased", "H1", "08:00", said))
    story.paid(story.alias)
    story.alone("reimbursements", story.reimbursed(story.alias))
    return "ACCEPTED"


def replaced_while_used_by_alias(story: Story) -> str:
    """The health card's number means the old card in the morning and the new one from noon on."""
    story.cards(
        *story.issued(aliases=[{"kind": "HEALTH_CARD", "token": story.alias}]),
        ("card.replaced", "B1", "12:00", {"new_card": story.next}),
    )
    story.paid(story.alias)
    story.alone("reimbursements", story.reimbursed(story.alias))
    return "ACCEPTED"


def lost_after_it_was_used(story: Story) -> str:
    """A loss of the afternoon says nothing about the morning."""
    story.cards(*story.issued(), ("card.lost", "B1", "12:00", {"reported_at": "2026-03-09T12:00:00+08:00"}))
    story.paid()
    return ""


def repaid_to_a_new_card(story: Story) -> str:
    """A rejected payout is paid again to a card that is being issued, and the bank's word may be the first."""
    story.cards(*story.issued())
    data = {"original": {"source": "F1", "id": f"PO-{story.name}"}, "card": story.card, "bank": "B1"}
    data |= {
        who: {"maker": f"{who}-1", "checker": f"{who}-2"} for who in ("business", "finance")
    }  # two pairs of eyes
    repaid = event("payout.repaid", f"AGAIN-{story.name}", data, "F1", "12:10")
    first = story.reimbursed("tok_P1_B1_0001")
    story.alone("reimbursements", first, story.result("REJECTED", 1), repaid)
    last = story.result("PAID", 2) | {"time": "2026-03-09T12:20:00+08:00"}
    story.alone("reimbursements", last)
    return "PAID"


STORIES = (
    registered_while_used,
    frozen_while_paid_to,
    replaced_while_held,
    aliased_while_used,
    replaced_while_used_by_alias,
    lost_after_it_was_used,
    repaid_to_a_new_card,
)


def terminal_events(count: int) -> list[Sent]:
    """The terminal that everybody uses gets module after module, and is locked and unlocked each afternoon."""
    data: dict[str, Any] = {"terminal": TERMINAL}
    said = [
        event("terminal.registered", "T", data | {"sam": "9" * 20, "institution": "H1"}, "CP", "07:00"),
    ]
    for number in range(count):
        said += [
            event("terminal.locked", f"TL{number}", data, "CP", "13:00"),
            event(
                "terminal.sam_replaced", f"TS{number}", data | {"new_sam": f"{number:020d}"}, "CP", "13:10"
            ),
            event("terminal.unlocked", f"TU{number}", data, "CP", "13:20"),
        ]
    return [Sent("cards", TERMINAL, line(one), AFTERNOON) for one in said]


async def test_cards_and_terminals_change_while_others_use_them(
    blank: Callable[[], str], broker: Broker
) -> None:
    """Seven stories of many cards on two workers: nothing is refused, waits or is held at the end, no deadlock."""
    rng = random.Random(SEED)
    told: list[tuple[Story, str]] = []
    for number in range(size(70, 7_000)):
        story = Story(number)
        told.append((story, STORIES[number % len(STORIES)](story)))
    lists = [one for story, _ in told for one in story.sent]
    terminal = terminal_events(len(told) // 5)
    settings = await topics(broker.bootstrap, partitions=4, batch_events_max=5)
    async with books(blank(), settings, worked_members()) as the:
        await the.ingest(CARDS)
        with mortals(the, MEMBERS) as one, mortals(the, MEMBERS) as other:
            one.start("worker")
            other.start("worker")
            await joined(settings, 2)
            everything = [*shuffled(rng, [*lists, terminal])]
            for start in range(0, len(everything), 25):
                await send(settings, everything[start : start + 25])
                await asyncio.sleep(rng.random() * 0.05)
            await taken(the)
            await one.stop()
            await other.stop()
        await as_told(the, told)
        every = [*(Sent("cards", "", one, MORNING) for one in CARDS), *everything]
        await one_outcome_each(the, every)
        await all_told(the)
        assert (await verify(the.engine, the.members))["ok"], f"seed {SEED}"


def shuffled(rng: random.Random, lists: list[list[Sent]]) -> Iterator[Sent]:
    """The records of all lists, those of near lists mixed, each list in its own order."""
    at = list(range(len(lists)))
    rng.shuffle(at)
    near = [
        (number + rng.random() * 30 + place * 3, place, which)
        for number, which in enumerate(at)
        for place in range(len(lists[which]))
    ]
    taken_of: dict[int, int] = {}
    for _, _, which in sorted(near):
        place = taken_of.get(which, 0)
        taken_of[which] = place + 1
        yield lists[which][place]


async def as_told(the: Books, told: list[tuple[Story, str]]) -> None:
    """Every story has its end."""
    assert await the.rows("SELECT source, id, waits_for FROM parked") == [], f"seed {SEED}"
    refused = await the.rows(
        "SELECT e.source, e.id, coalesce(w.reason, e.reason), coalesce(w.detail, e.detail) FROM event e "
        "LEFT JOIN woken w USING (source, id) WHERE coalesce(w.outcome, e.outcome) = 'rejected'"
    )
    assert refused == [], f"seed {SEED}"
    payouts = dict(await the.rows("SELECT id, state FROM payout"))
    assert payouts == {f"PO-{story.name}": state for story, state in told if state}, f"seed {SEED}"
    paid = sum(1 for story, _ in told for one in story.sent if one[0].family == "payments")
    assert (await the.balances())["2010.H1"] == -1000 * paid
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert await the.one(deadlocks) == 0


@pytest.mark.parametrize("batch", [1, 2, 1000])
async def test_a_limit_counts_what_was_paid_before_the_number_was_known(
    blank: Callable[[], str], batch: int
) -> None:
    """A payout to a number that waits for its card is held against that card's limit, in batches of any size."""
    story = Story(1)
    said = {"kind": "HOSPITAL", "token": story.alias, "institution": "H1"}
    story.cards(*story.issued(account_class="III"), ("card.aliased", "H1", "08:00", said))
    cards = [one.value or b"" for one in story.sent[0]]
    first, second, third = story.reimbursed(), story.reimbursed(story.alias), story.reimbursed(story.alias)
    for number, one in enumerate((second, third), 2):
        one["id"] = f"PO-{number}"
        one["data"]["claim"] = one["data"]["claim"] | {"settlement_id": f"S{number}"}
    settings = settings_of(batch_events_max=batch, limit_class3_day_fen=900)
    async with books(blank(), settings, worked_members()) as the:
        await the.ingest([*cards[:3], line(first), line(second)])
        assert await the.rows("SELECT id FROM parked") == [("PO-2",)]
        await the.ingest([cards[3], line(third)])
        assert await the.outcome("F1", "PO-00001") == ("posted", "")
        assert await the.outcome("F1", "PO-2") == ("rejected", "account_limit")
        assert await the.outcome("F1", "PO-3") == ("rejected", "account_limit")


async def test_what_is_on_its_way_follows_the_card_however_often_it_is_replaced(
    blank: Callable[[], str],
) -> None:
    """An accepted payout goes from the first number to the second and the third, each told in a batch of its own."""
    story = Story(1)
    third = ("card.replaced", "B1", "12:00", {"card": story.next, "new_card": "tok_R00001c"})
    story.cards(*story.issued(), ("card.replaced", "B1", "11:00", {"new_card": story.next}), third)
    cards = [one.value or b"" for one in story.sent[0]]
    async with books(blank(), settings_of(batch_events_max=1), worked_members()) as the:
        await the.ingest([*cards[:3], line(story.reimbursed())])
        for told, card in zip(cards[3:], (story.next, "tok_R00001c"), strict=True):
            await the.ingest([told])
            assert await the.rows("SELECT card, state FROM payout") == [(card, "ACCEPTED")]
