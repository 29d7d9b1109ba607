"""May this card do this: one table, judged by the card's state at the event's time. 卡片权限

A held payout and a waiting debit are judged again by the state now, see `judge`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

    from clearing.ledger.facts import Card


class Use(StrEnum):
    """What a card is used for; credits that the bank has done need no permission."""

    DEBIT = "debit"
    TOPUP = "topup"
    REPAID = "repaid"
    SUBMITTED = "submitted"


class Cell(StrEnum):
    """What the table says."""

    YES = "yes"
    NO = "no"
    PARK = "parked"
    HELD = "held"
    WAIT = "parked while the card is ISSUED now, else no"
    PLATFORM = "yes, parked without the PLATFORM registration"
    NEW_CARD = "yes, as the new card"
    RETURNED = "to returned funds"


YES, NO, PARK, HELD, WAIT, PLATFORM, NEW_CARD, RETURNED = Cell
"""By names of their own: to ask an enum's class for a member takes 0.2 µs, ten times as long."""
Y, N, P, H, W, L, C, R = Cell

# fmt: off
PERMISSION: Final[dict[Use, dict[str, Cell]]] = {
    #            UNKNOWN ISSUED ACTIVE FROZEN_DEBIT FROZEN_ALL LOST REPLACED CANCELLED TERMINATED DECEASED
    use: dict(zip(("UNKNOWN", "ISSUED", "ACTIVE", "FROZEN_DEBIT", "FROZEN_ALL", "LOST", "REPLACED", "CANCELLED",
                   "TERMINATED", "DECEASED"), row, strict=True))
    for use, row in {
        Use.DEBIT:     (P,     W,     L,     N,           N,         N,   N,       N,        N,         N),
        Use.TOPUP:     (P,     Y,     Y,     Y,           N,         Y,   C,       N,        N,         N),
        Use.REPAID:    (P,     H,     Y,     Y,           N,         Y,   C,       N,        N,         N),
        Use.SUBMITTED: (P,     H,     Y,     Y,           H,         Y,   C,       R,        R,         H),
    }.items()
}
# fmt: on

PAYOUTS: Final = frozenset({Use.REPAID, Use.SUBMITTED})
"""Uses that a temporary card never has."""


def judge(use: Use, card: Card, instant: datetime, latest: Card) -> Cell:
    """The table's cell for a card that the bank has registered, HELD and WAIT already judged again.

    In:      `latest` is the end of the card's chain of replacements (the card itself when not replaced).
    Out:     YES, NO, PARK, HELD or RETURNED; of a card that was replaced by then, the new card's.
    Source:  contract "Permission".
    """
    if use in PAYOUTS and card.card_class == "TEMP":
        return NO
    cell = PERMISSION[use][card.state_at(instant)]
    if cell is NEW_CARD and latest is not card:
        return judge(use, latest, instant, latest)
    if cell is PLATFORM:
        return YES if card.has("PLATFORM") else PARK
    if cell is WAIT:
        return PARK if card.state == "ISSUED" or not card.has("PLATFORM") else NO
    if cell is HELD:
        return held_now(use, latest)
    return cell


def held_now(use: Use, latest: Card) -> Cell:
    """What becomes of a payout that was held: the cell of the card that stands now, by its state now."""
    return PERMISSION[use][latest.state]
