"""What a check of the stored books comes to: the first fault, and how many there are. 核验结果"""

from __future__ import annotations

from typing import Final

OK: Final = "ok"

NEXT: Final = (
    "Next: stop closing days, keep the database as it is, compare with a backup and the sealed archive"
)


def text_of(where: str, what: str, count: int) -> str:
    """The first of some faults as a sentence, with how many there are and what to do."""
    others = "" if count == 1 else f"; {count} such in all, this is the first"
    return f"{where}: {what}{others}. {NEXT}"


class Faults:
    """The first fault of a walk, and how many there are."""

    def __init__(self) -> None:
        self.count = 0
        self.first = ("", "")

    def add(self, where: str, what: str) -> None:
        """One more."""
        self.count += 1
        if self.count == 1:
            self.first = (where, what)

    @property
    def text(self) -> str:
        """What the check comes to."""
        return text_of(*self.first, self.count) if self.count else OK


def short(digest: bytes) -> str:
    """Enough of a digest to tell two apart."""
    return digest.hex()[:16]
