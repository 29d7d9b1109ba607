"""Who works, on whose books, and what a person may say that is kept for ever. 经办"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clearing.errors import UsageError
from messages.sensitive import find_secret_in_bytes

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from clearing.ledger.members import Members
    from clearing.settings import Settings

TEXT_MAX: Final = 200
"""Characters of an event's text."""
NAME_MAX: Final = 32
"""Characters of a person's name in an event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Whose books, and who sits at them."""

    engine: AsyncEngine
    settings: Settings
    members: Members
    person: str

    def __post_init__(self) -> None:
        check_said("--as", self.person, NAME_MAX)


def check_said(where: str, text: str, length_max: int = TEXT_MAX) -> None:
    """Let a name or a reason pass that may be kept for ever.

    Raises:  UsageError for nothing, too much, more than a line, or a card number in it.
    """
    if not text.strip() or len(text) > length_max or not text.isprintable():
        raise UsageError(f"{where}: expected one line of 1 to {length_max} characters, got {len(text)}")
    if find_secret_in_bytes(text.encode()):
        raise UsageError(f"{where}: expected no card number, got what looks like one. It was not kept")
