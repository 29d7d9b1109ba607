"""Cards and terminals: everything that must be known before anyone can pay. 卡与终端"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clearing.jobs.generate.clerk import LONGEST, HeldCard
from clearing.jobs.generate.plan import EARLIEST, LATEST

if TYPE_CHECKING:
    from clearing.jobs.generate.clerk import Clerk

REPLACED: Final = 0.01
"""Cards that are replaced before they are first used, of all."""
LOST: Final = 0.003
"""Cards that are lost before they are first used."""
AT_HOSPITAL: Final = 0.3
"""Cards that a hospital registers too."""
CLASSES: Final = (("I", 0.93), ("II", 0.98), ("III", 1.0))


def switch_on_terminals(clerk: Clerk) -> None:
    """One terminal at every institution, by the card platform."""
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
    while behind or not clerk.pool:
        card = issue(clerk, second)
        if card is not None:
            return card
    return clerk.pool[int(clerk.rng.random() * len(clerk.pool))]


def class_one(clerk: Clerk, second: int) -> HeldCard:
    """A card whose account class sets no limit to payouts."""
    while True:
        card = card_for(clerk, second)
        if card.account_class == "I":
            return card


def issue(clerk: Clerk, second: int) -> HeldCard | None:
    """A card from its registration to its first use; None when it is lost before."""
    rng, town = clerk.rng, clerk.town
    bank, number = clerk.bank(), clerk.number()
    token, person = f"tok_{clerk.stamp}_{number:07d}", f"per_{clerk.stamp}_{number:07d}"
    draw = rng.random()
    account_class = next(name for name, up_to in CLASSES if draw < up_to)
    card = {"card": token, "bank": bank}
    before = clerk.scheduled
    clerk.send(
        "card.registered",
        bank,
        second,
        {
            **card,
            "stage": "BANK",
            "person": person,
            "card_class": "NORMAL",
            "account_class": account_class,
            "issue_mode": "REGION",
        },
        token,
    )
    at = clerk.later(second, 5, 40)
    news = clerk.later(at, 600, 1800) if clerk.due("late card", clerk.plan.late_card_news) else 0
    platform = {**card, "stage": "PLATFORM", "person": person}
    clerk.send("card.registered", town.card_platform, at, platform, token, arrives=news)
    if rng.random() < AT_HOSPITAL:
        place = clerk.among(town.hospitals)
        hospital = {**card, "stage": "HOSPITAL", "person": person, "institution": place.code}
        clerk.send("card.registered", place.code, at, hospital, token)
    at = clerk.later(at, 5, 60)
    clerk.send("card.activated", bank, at, card, token)
    lost = clerk.due("lost", LOST)
    if lost:
        at = clerk.later(at, 30, 300)
        clerk.send("card.lost", bank, at, {**card, "reported_at": clerk.instant(at)}, token)
    elif clerk.due("replaced", REPLACED):
        at = clerk.later(at, 30, 300)
        new = f"{token}_2"
        clerk.send("card.replaced", bank, at, {**card, "new_card": new, "fee": "5.00"}, token)
        token = new
    clerk.card_events += clerk.scheduled - before
    if lost:
        return None
    held = HeldCard(token, bank, f"{number % 10000:04d}", person, account_class, min(at + 2, LATEST))
    clerk.pool.append(held)
    return held
