"""Cards and terminals: everything that must be known before anyone can pay. 卡与终端"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from clearing.jobs.generate.clerk import ENCODE, LONGEST, HeldCard, Sent
from clearing.jobs.generate.lives import live
from clearing.jobs.generate.plan import EARLIEST, LATEST

if TYPE_CHECKING:
    from clearing.jobs.generate.clerk import Clerk
    from clearing.jobs.generate.town import Town

AT_HOSPITAL: Final = 0.3
"""Cards that a hospital registers too."""
CLASSES: Final = (("I", 0.93), ("II", 0.98), ("III", 1.0))


def switch_on_terminals(clerk: Clerk) -> None:
    """One terminal at every institution, by the card platform; on a later day they are in use."""
    if clerk.plan.later:
        return
    for number, place in enumerate(clerk.town.places, 1):
        data = {
            "terminal": place.terminal,
            "sam": f"990101{number:014d}",
            "institution": place.code,
            "kind": "POS",
        }
        if clerk.town.acquirer:
            data["acquirer"] = clerk.town.acquirer
        clerk.send("terminal.registered", clerk.town.card_platform, EARLIEST + number, data, place.terminal)


def card_for(clerk: Clerk, second: int) -> HeldCard:
    """A card for someone who comes now: a new one while cards are behind their share, else one in use."""
    behind = clerk.card_events < clerk.plan.cards * clerk.scheduled and clerk.room > LONGEST
    registered = clerk.plan.registered
    while behind or not (clerk.pool or registered):
        card = issue(clerk, second)
        if card is not None:
            return card
    if registered:
        return registered_card(clerk.town, int(clerk.rng.random() * registered))
    return clerk.pool[int(clerk.rng.random() * len(clerk.pool))]


def class_one(clerk: Clerk, second: int) -> HeldCard:
    """A card whose account class sets no limit to payouts."""
    while True:
        card = card_for(clerk, second)
        if card.account_class == "I":
            return card


def register(clerk: Clerk, second: int) -> tuple[dict[str, str], HeldCard, int]:
    """A new card with its registrations: as events name it, as it will be held, and the second of the last."""
    rng, town = clerk.rng, clerk.town
    bank, number = clerk.bank(), clerk.number()
    token, person = f"tok_{clerk.stamp}_{number:07d}", f"per_{clerk.stamp}_{number:07d}"
    card = {"card": token, "bank": bank}
    account_class = class_of(rng.random())
    clerk.send("card.registered", bank, second, card | at_bank(person, account_class), token)
    at = clerk.later(second, 5, 40)
    news = clerk.later(at, 600, 1800) if clerk.due("late card", clerk.plan.late_card_news) else 0
    platform = {**card, "stage": "PLATFORM", "person": person}
    clerk.send("card.registered", town.card_platform, at, platform, token, arrives=news)
    if rng.random() < AT_HOSPITAL:
        place = clerk.among(town.hospitals)
        hospital = {**card, "stage": "HOSPITAL", "person": person, "institution": place.code}
        clerk.send("card.registered", place.code, at, hospital, token)
    return card, HeldCard(token, bank, f"{number % 10000:04d}", person, account_class, at), at


def class_of(draw: float) -> str:
    """The class of an account, by a draw between 0 and 1."""
    return next(name for name, up_to in CLASSES if draw < up_to)


def at_bank(person: str, account_class: str) -> dict[str, str]:
    """What a bank says when it registers a card."""
    return {
        "stage": "BANK",
        "person": person,
        "card_class": "NORMAL",
        "account_class": account_class,
        "issue_mode": "REGION",
    }


def issue(clerk: Clerk, second: int) -> HeldCard | None:
    """A card from its registration to its first use; None when its life ends before."""
    before = clerk.scheduled
    card, held, at = register(clerk, second)
    at = clerk.later(at, 5, 60)
    clerk.send("card.activated", held.bank, at, card, held.token)
    lived = live(clerk, at, card)
    clerk.card_events += clerk.scheduled - before
    if lived is None:
        return None
    card, at = lived
    held = held._replace(token=card["card"], ready=min(at + 2, LATEST))
    clerk.keep(held)
    return held


# -- cards of before -----------------------------------------------------------------------------------------


def registered_card(town: Town, number: int) -> HeldCard:
    """The card of a number among those registered before the day: made from the number, kept nowhere."""
    draw = number * 2654435761 % 2**32 / 2**32
    bank = town.banks[min(bisect(town.bank_sums, draw), len(town.banks) - 1)]
    return HeldCard(
        f"tok_r_{number:08d}",
        bank,
        f"{number % 10000:04d}",
        f"per_r_{number:08d}",
        class_of(number * 40503 % 2**16 / 2**16),
        EARLIEST,
    )


def registrations(town: Town, count: int, day_before: str, offset: str) -> Iterator[Sent]:
    """The registrations of cards of before, three events a card, all of the evening before the day."""
    for number in range(count):
        one = registered_card(town, number)
        card = {"card": one.token, "bank": one.bank}
        for step, (name, source, said) in enumerate(
            (
                ("card.registered", one.bank, at_bank(one.person, one.account_class)),
                ("card.registered", town.card_platform, {"stage": "PLATFORM", "person": one.person}),
                ("card.activated", one.bank, {}),
            )
        ):
            id_ = f"r-{number:08d}-{step}"
            record = {
                "specversion": "1.0",
                "id": id_,
                "source": source,
                "type": name,
                "time": f"{day_before}T20:00:0{step}{offset}",
                "data": card | said,
            }
            yield Sent(ENCODE(record).encode(), "cards", one.token, name, source, id_, 0)
