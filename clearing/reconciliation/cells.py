"""Cells of a partner's line: text to values, each fault with its place. 单元格校验"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, time
from typing import Final

from messages.sensitive import is_card_number

FEN_PER_YUAN: Final = 100
ERRORS_MAX: Final = 1000
TEXT_MAX: Final = 64

_AMOUNT: Final = re.compile(r"\d{1,13}\.\d{2}", re.ASCII)
_SIGNED: Final = re.compile(r"-?\d{1,13}\.\d{2}", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME: Final = re.compile(r"\d{2}:\d{2}:\d{2}", re.ASCII)


class Errors:
    """The faults of one file, in order, up to the maximum; `more` counts the rest."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[str] = []
        self.more = 0
        self.lines: dict[int, list[str]] = {}
        """Detail lines that are wrong, each with its faults."""
        self.whole = False
        """Whether anything is wrong that is not one line's own."""

    def add(self, line: int, where: str, text: str, code: str, *, of_line: bool = False) -> None:
        """Note one fault: `STM_B1.csv:1523 field 7 amount: expected …, got "12.5" [FMT-006]`."""
        self.whole |= not of_line
        if len(self.found) >= ERRORS_MAX:
            self.more += 1
            self.whole = True
            return
        place = f"{self.file}:{line} {where}" if line else f"{self.file} {where}"
        self.found.append(f"{place}: {text} [{code}]")
        if of_line:
            self.lines.setdefault(line, []).append(self.found[-1])

    def of_lines(self) -> tuple[str, ...]:
        """The faults of each wrong line, where nothing but single lines is wrong; else ()."""
        return () if self.whole else tuple("\n".join(faults) for faults in self.lines.values())


class Cells:
    """One line of a file, by column name; a missing extra column reads as empty."""

    def __init__(self, at: Mapping[str, int], cells: Sequence[str], line: int, errors: Errors) -> None:
        self._at = at
        self._cells = cells
        self._line = line
        self._errors = errors

    def text(self, name: str) -> str:
        """The cell without surrounding space and without the tab or quote that guards it in a spreadsheet."""
        place = self._at.get(name)
        if place is None:
            return ""
        value = self._cells[place].strip()
        if value.startswith("'") and value[1:2] in ("=", "+", "-", "@"):
            value = value[1:]
        if len(value) > TEXT_MAX:
            self._bad(name, f"at most {TEXT_MAX} characters", value[:TEXT_MAX] + "…", "FMT-004")
            return ""
        return value

    def card(self, name: str) -> str:
        """A card token; a card number is a fault, and it is not repeated."""
        value = self.text(name)
        if is_card_number(value):
            self._bad(name, "a card token", "a card number", "FMT-011", quoted=False)
            return ""
        return value

    def one_of(self, name: str, allowed: Sequence[str]) -> str:
        """One of a closed list."""
        value = self.text(name)
        if value not in allowed:
            self._bad(name, "one of " + " ".join(allowed), value, "FMT-005")
            return allowed[0]
        return value

    def fen(self, name: str) -> int:
        """An unsigned amount in yuan with two decimals, as fen."""
        value = self.text(name)
        if not _AMOUNT.fullmatch(value):
            self._bad(name, "two decimals, no sign", value, "FMT-006")
            return 0
        return to_fen(value)

    def signed(self, name: str) -> int:
        """A signed amount in yuan with two decimals, as fen."""
        value = self.text(name)
        if not _SIGNED.fullmatch(value):
            self._bad(name, "two decimals", value, "FMT-006")
            return 0
        return to_fen(value)

    def fen_or_none(self, name: str) -> int | None:
        """An amount that may be empty; a fee may carry a sign, which is dropped."""
        value = self.text(name)
        if not value:
            return None
        if not _SIGNED.fullmatch(value):
            self._bad(name, "two decimals", value, "FMT-006")
            return None
        return abs(to_fen(value))

    def date(self, name: str) -> date:
        """A calendar date, `YYYY-MM-DD`."""
        value = self.text(name)
        if _DATE.fullmatch(value):
            try:
                return date.fromisoformat(value)
            except ValueError:
                pass  # a day that no calendar has: reported below like any other
        self._bad(name, "a date YYYY-MM-DD", value, "FMT-007")
        return date.min

    def time_or_none(self, name: str) -> time | None:
        """A time of day, `HH:MM:SS`, or nothing."""
        value = self.text(name)
        if not value:
            return None
        if _TIME.fullmatch(value):
            try:
                return time.fromisoformat(value)
            except ValueError:
                pass
        self._bad(name, "a time HH:MM:SS or nothing", value, "FMT-007")
        return None

    def _bad(self, name: str, expected: str, got: str, code: str, *, quoted: bool = True) -> None:
        place = self._at.get(name, -1) + 1
        shown = f'"{got}"' if quoted else got
        self._errors.add(
            self._line, f"field {place} {name}", f"expected {expected}, got {shown}", code, of_line=True
        )


def to_fen(text: str) -> int:
    """Signed yuan text with two decimals as fen."""
    whole, fraction = text.lstrip("-").split(".")
    fen = int(whole) * FEN_PER_YUAN + int(fraction)
    return -fen if text.startswith("-") else fen


def signed_fen(text: str) -> int | None:
    """Fen of a signed amount with two decimals; None when it is none."""
    return to_fen(text) if _SIGNED.fullmatch(text) else None
