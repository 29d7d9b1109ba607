"""What happens to cards and terminals besides being used. 卡与终端的变动"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clearing.jobs.generate.plan import LATEST

if TYPE_CHECKING:
    from clearing.jobs.generate.clerk import Clerk

ALIASED: Final = 0.04
"""New cards that get a further number: an old hospital card, a booklet."""
CHANGED: Final = 0.02
FROZEN: Final = 0.006
"""New cards that are frozen for a while before their first use."""
FOUND: Final = 0.004
"""New cards that are lost, and found again."""
REPLACED: Final = 0.01
"""New cards that are replaced before they are first used."""
ENDS: Final = (
    ("card.lost", 0.003),
    ("card.cancelled", 0.002),
    ("card.terminated", 0.001),
    ("card.holder_deceased", 0.001),
    ("card.duplicate_found", 0.001),
)
"""How a card's life ends before its first use, and the share of new cards."""


def live(clerk: Clerk, at: int, card: dict[str, str]) -> tuple[dict[str, str], int] | None:
    """What happens to a new card before anyone pays with it; None when its life ends here.

    In:      the card as events name it, with its bank; from when it is active.
    Out:     the card (a new number when it was replaced) and from when it can be used.
    """
    for kind, share in ENDS:
        if clerk.due(kind, share) and _end(clerk, clerk.later(at, 30, 300), card, kind):
            return None
    if clerk.due("aliased", ALIASED):
        at = clerk.later(at, 5, 60)
        number = {"kind": "BOOKLET", "token": f"{card['card']}_B"}
        clerk.send("card.aliased", clerk.town.card_platform, at, card | number, card["card"])
    if clerk.due("changed", CHANGED):
        at = clerk.later(at, 5, 60)
        area = clerk.town.areas[0] if clerk.town.areas else "990001"
        clerk.send("card.changed", card["bank"], at, card | {"area": area}, card["card"])
    if clerk.due("frozen", FROZEN):
        at = _there_and_back(clerk, at, card, ("card.frozen", "card.unfrozen"))
    elif clerk.due("found", FOUND):
        at = _there_and_back(clerk, at, card, ("card.lost", "card.found"))
    elif clerk.due("replaced", REPLACED):
        at = clerk.later(at, 30, 300)
        new = f"{card['card']}_2"
        clerk.send("card.replaced", card["bank"], at, card | {"new_card": new, "fee": "5.00"}, card["card"])
        card |= {"card": new}
    return card, at


def _end(clerk: Clerk, at: int, card: dict[str, str], kind: str) -> bool:
    data: dict[str, Any] = dict(card)
    source = card["bank"]
    if kind == "card.lost":
        data["reported_at"] = clerk.instant(at)
    if kind == "card.duplicate_found":
        kept = next((one for one in clerk.pool if one.bank == card["bank"] and one.ready < at), None)
        if kept is None:
            return False
        source, data["kept_card"] = clerk.town.card_platform, kept.token
    clerk.send(kind, source, at, data, card["card"])
    return True


def _there_and_back(clerk: Clerk, at: int, card: dict[str, str], kinds: tuple[str, str]) -> int:
    """Frozen and unfrozen, or lost and found: the second when it is over."""
    for kind in kinds:
        at = clerk.later(at, 30, 300)
        says: dict[str, Any] = (
            {"reported_at": clerk.instant(at)}
            if kind in {"card.lost", "card.found"}
            else {"scope": "ALL", "reason": "asked by the holder"}
        )
        clerk.send(kind, card["bank"], at, card | says, card["card"])
    return at


# -- terminals -----------------------------------------------------------------------------------------------

TERMINAL_STORIES: Final = (
    ("terminal.locked", "terminal.unlocked"),
    ("terminal.lost", "terminal.found"),
    ("terminal.sam_replaced",),
    ("terminal.recalled",),
    ("terminal.scrapped",),
)
"""What happens to a terminal in a shop's back room, in turn."""


def spare_terminal(clerk: Clerk, second: int) -> None:
    """A further terminal comes to an institution, and something happens to it before it is used. 终端管理"""
    number = clerk.number()
    place = clerk.among(clerk.town.hospitals)
    terminal = f"9902{number % 10**8:08d}"
    sam = {"sam": f"990102{number:014d}", "institution": place.code, "kind": "KIOSK"}
    source = clerk.town.card_platform
    clerk.send("terminal.registered", source, second, {"terminal": terminal} | sam, terminal)
    at = second
    for kind in TERMINAL_STORIES[clerk.stories % len(TERMINAL_STORIES)]:
        at = min(clerk.later(at, 60, 600), LATEST)
        more = {"new_sam": f"990103{number:014d}"} if kind == "terminal.sam_replaced" else {}
        clerk.send(kind, source, at, {"terminal": terminal} | more, terminal)
    clerk.stories += 1
