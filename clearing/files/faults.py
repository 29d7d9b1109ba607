"""What is wrong with a file, as values: where, what was expected, what stands there. 文件差错"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, TypeAlias

FAULTS_MAX: Final = 1000
SHOWN_MAX: Final = 40
ITEM: Final = re.compile(r"\(//\w+\)\[\d+\](?=/(?!\.\.))")
"""How the column of a fault in one item of a document begins: the item's XPath."""
Detail: TypeAlias = int | str
"""Which detail of a file: its line's number; of a document, where several may stand on a line, the item's XPath."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a file."""

    file: str
    line: int
    """From 1; 0 when it is the file as a whole."""
    field: int
    """From 1, the record tag being field 1 where there is one; 0 when it is the line as a whole."""
    column: str
    expected: str
    got: str
    code: str
    """FMT-001 characters · 002 frame · 003 number of fields · 004 value not allowed · 005 date · 006 amount ·
    007 count · 008 id or digest · 009 totals · 010 name · 011 manifest · 012 digest · 013 signature ·
    014 envelope."""

    @property
    def detail(self) -> Detail:
        """The detail that it is in, or the line of what is none."""
        item = ITEM.match(self.column)
        return item[0] if item else self.line

    def __str__(self) -> str:
        """The message as people and ACK files see it."""
        where = self.file + (f":{self.line}" if self.line else "")
        what = f"field {self.field} {self.column}".rstrip() if self.field else self.column
        return (
            f'{where}{f" {what}" if what else ""}: expected {self.expected}, got "{self.got}" [{self.code}]'
        )


@dataclass(slots=True)
class Faults:
    """The faults of one file, in the order they were found; no more than a thousand are kept."""

    file: str
    found: list[Fault] = field(default_factory=list)

    @property
    def full(self) -> bool:
        """Whether there is no room for more: reading on would tell nobody anything."""
        return len(self.found) >= FAULTS_MAX

    def add(
        self, code: str, expected: str, got: object, *, line: int = 0, at: int = 0, column: str = ""
    ) -> None:
        """Note one fault; what was got is shortened, and made safe to print."""
        text = str(got)
        shown = text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}…"
        safe = "".join(char if char.isprintable() else "�" for char in shown)
        if not self.full:
            self.found.append(Fault(self.file, line, at, column, expected, safe, code))
