"""A partner's snapshot of cards or terminals beside ours, differences listed. 卡册核对

The snapshot is UTF-8 CSV with a header row; columns are found by name, in any order:

    token,bank,state,area,registrations       one line a card
    terminal,sam,institution,state            one line a terminal

`registrations` has some of BANK PLATFORM HOSPITAL with spaces between. An empty `area` or `registrations` is not
compared; all other cells are needed. `#TOTAL,<rows>` may end the file. A token may be any number of the card.
A snapshot need not hold what has ended: cards replaced, cancelled, terminated or of the deceased, and terminals
scrapped. A file with a fault is refused whole, every fault named.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.errors import UsageError
from clearing.ledger.facts import Alias, Card, Terminal
from clearing.reconciliation.cells import Cells, Errors
from clearing.store import registry

CARD_COLUMNS: Final = ("token", "bank", "state", "area", "registrations")
TERMINAL_COLUMNS: Final = ("terminal", "sam", "institution", "state")
CARD_STATES: Final = (
    "UNKNOWN", "ISSUED", "ACTIVE", "FROZEN_DEBIT", "FROZEN_ALL", "LOST", "REPLACED", "CANCELLED", "TERMINATED",
    "DECEASED",
)  # fmt: skip
TERMINAL_STATES: Final = ("IN_USE", "LOCKED", "LOST", "RECALLED", "SCRAPPED")
STAGES: Final = ("BANK", "PLATFORM", "HOSPITAL")
ENDED: Final = frozenset({"REPLACED", "CANCELLED", "TERMINATED", "DECEASED", "SCRAPPED"})
"""States that a snapshot may leave out."""

_FORMS: Final = {
    "token": (re.compile(r"[A-Za-z0-9_-]{8,64}"), "8 to 64 of A-Z a-z 0-9 _ -"),
    "bank": (re.compile(r"[A-Z][A-Z0-9]{0,11}"), "a member's code"),
    "area": (re.compile(r"[0-9]{6}|"), "6 digits or nothing"),
    "terminal": (re.compile(r"[0-9A-Fa-f]{12}"), "12 hex digits"),
    "sam": (re.compile(r"[0-9]{20}"), "20 digits"),
    "institution": (re.compile(r"[A-Z][A-Z0-9]{0,11}"), "a member's code"),
}
"""Column to its form, in the words of a message; the value is never in one."""

_BOM: Final = b"\xef\xbb\xbf"
_ASKED: Final = 5_000
"""Cards that are looked up in one query."""
_BEFORE: Final = timedelta(microseconds=1)

Seen = dict[str, str]
"""What one side says of one card or terminal: column to value, without its number."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A sound file."""

    of_cards: bool
    rows: dict[str, Seen]
    """By number, in file order; an empty value is not compared."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One card or terminal of which the two sides do not say the same."""

    number: str
    """Our own token of the card, theirs where we have none; the terminal."""
    what: str
    """only_ours, only_theirs or differs."""
    ours: Seen
    theirs: Seen
    """Of `differs`, both sides have only the columns that differ."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A snapshot beside ours."""

    theirs: int
    ours: int
    """How many we have that the sender should know, ended ones left out unless the snapshot has them."""
    same: int
    differences: tuple[Difference, ...]
    """Those of the snapshot in its order, then only ours, by number."""


# ---------------------------------------------------------------- the file


def parse(data: bytes, file: str) -> Snapshot:
    """The rows of a snapshot.

    In:      the file's bytes, UTF-8 with or without BOM; its name, for messages.
    Raises:  UsageError with every fault (1 000 at most), each with line and field.
    """
    errors = Errors(file)
    found = _read(data, errors)
    if errors.found:
        more = [f"{file}: {errors.more} more errors are not listed [FMT-009]"] if errors.more else []
        # What stands in a file may be made to move a terminal's cursor: only what prints is repeated.
        said = ("".join(sign if sign.isprintable() else "?" for sign in one) for one in errors.found)
        raise UsageError("\n".join((*said, *more, f"{file}: refused, nothing was compared")))
    return found


def _read(data: bytes, errors: Errors) -> Snapshot:
    rows: dict[str, Seen] = {}
    lines = _numbered(data, errors)
    line, header = next(lines, (1, []))
    of_cards = "terminal" not in header
    if not header and not errors.found:
        errors.add(line, "header", "expected a header row, got an empty file", "FMT-002")
    at = _header(header, CARD_COLUMNS if of_cards else TERMINAL_COLUMNS, line, errors) if header else None
    count, ended = 0, False
    for line, cells in lines if at is not None else ():
        if ended or cells[0].startswith("#"):
            _trailer(cells, count, line, errors, again=ended)
            ended = True
            continue
        count += 1
        if at is None or len(cells) != len(at):
            errors.add(line, "line", f"expected {len(header)} fields, got {len(cells)}", "FMT-003")
        else:
            _row(Cells(at, cells, line, errors), rows, line, errors, of_cards=of_cards)
    return Snapshot(of_cards, rows)


def _numbered(data: bytes, errors: Errors) -> Iterator[tuple[int, list[str]]]:
    """(number of its first line, cells without surrounding space) of every line that is not empty."""
    try:
        text = data.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        errors.add(line, "encoding", f"expected UTF-8, got byte 0x{data[error.start]:02X}", "FMT-001")
        return
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    start = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield start, [cell.strip() for cell in cells]
            start = reader.line_num + 1
    except csv.Error as error:
        errors.add(start, "line", f"expected quotes that open and close, got {error}", "FMT-003")


def _header(names: list[str], columns: tuple[str, ...], line: int, errors: Errors) -> dict[str, int] | None:
    if sorted(names) == sorted(columns):
        return {name: place for place, name in enumerate(names)}
    expected = ",".join(columns)
    for place, name in enumerate(names, 1):
        if name not in columns:
            got = f'expected one of {expected}, got "{name[:64]}"'
            errors.add(line, f"field {place} header", got, "FMT-002")
        elif names.index(name) != place - 1:
            got = f'expected each column once, got "{name}" again'
            errors.add(line, f"field {place} header", got, "FMT-002")
    for name in columns:
        if name not in names:
            errors.add(line, "header", f'expected a column "{name}", got none', "FMT-002")
    return None


def _trailer(cells: list[str], rows: int, line: int, errors: Errors, *, again: bool) -> None:
    if again or cells != ["#TOTAL", f"{rows}"]:
        expected = "no line after #TOTAL" if again else f"#TOTAL,{rows} for {rows} lines"
        errors.add(line, "trailer", f'expected {expected}, got "{",".join(cells)[:64]}"', "FMT-008")


def _row(cells: Cells, rows: dict[str, Seen], line: int, errors: Errors, *, of_cards: bool) -> None:
    seen = {name: cells.card(name) for name in (CARD_COLUMNS if of_cards else TERMINAL_COLUMNS)}
    seen["state"] = cells.one_of("state", CARD_STATES if of_cards else TERMINAL_STATES)
    if of_cards:
        seen["registrations"] = _stages(seen["registrations"], line, errors)
    for name, (pattern, expected) in _FORMS.items():
        if name in seen and not pattern.fullmatch(seen[name]):
            errors.add(line, f"field {name}", f"expected {expected}, got another value", "FMT-004")
    key = "token" if of_cards else "terminal"
    number = seen.pop(key)
    if number in rows:
        errors.add(line, f"field {key}", "expected each one once, got it again", "FMT-012")
    rows[number] = seen


def _stages(text: str, line: int, errors: Errors) -> str:
    """The stages in our order, with a space between."""
    told = text.split()
    wrong = [one for one in told if one not in STAGES]
    if wrong:
        got = f'expected some of {" ".join(STAGES)}, got "{wrong[0][:64]}"'
        errors.add(line, "field registrations", got, "FMT-005")
    return " ".join(stage for stage in STAGES if stage in told)


# ---------------------------------------------------------------- beside ours


async def compare(
    conn: AsyncConnection,
    snapshot: Snapshot,
    *,
    bank: str | None = None,
    before: datetime | None = None,
    file: str = "",
) -> Compared:
    """A snapshot beside our cards or terminals. 卡册核对

    In:      `bank` of a bank's snapshot: of what it lacks, only its cards (terminals it acquires) are listed;
             None for the card platform, which knows all. States and registrations just before `before`, None
             for now; bank and area are always as they are now.
    Raises:  UsageError when two lines mean one card.
    Writes:  nothing.
    Again:   the same, by the registry as it then is.
    """
    found: list[Difference] = []
    known = 0
    named: set[str] = set()
    async for number, theirs, ours in _named(conn, snapshot, before, file):
        named.add(number)
        known += ours is not None
        if difference := _difference(number, ours, theirs):
            found.append(difference)
    only_ours: list[Difference] = []
    async for number, said in _everything(conn, snapshot, bank, before):
        if number not in named and said["state"] not in ENDED:
            only_ours.append(Difference(number, "only_ours", said, {}))
    return Compared(
        theirs=len(snapshot.rows),
        ours=known + len(only_ours),
        same=len(snapshot.rows) - len(found),
        differences=(*found, *sorted(only_ours, key=lambda one: one.number)),
    )


def _difference(number: str, ours: Seen | None, theirs: Seen) -> Difference | None:
    if ours is None:
        return Difference(number, "only_theirs", {}, {name: value for name, value in theirs.items() if value})
    names = [name for name, value in theirs.items() if value and value != ours[name]]
    if not names:
        return None
    return Difference(
        number, "differs", {name: ours[name] for name in names}, {name: theirs[name] for name in names}
    )


async def _named(
    conn: AsyncConnection, snapshot: Snapshot, before: datetime | None, file: str
) -> AsyncIterator[tuple[str, Seen, Seen | None]]:
    """(our number, theirs, ours) of every row of the snapshot; numbers of a card resolved."""
    if not snapshot.of_cards:
        terminals = {one.terminal: terminal_seen(one, before) async for one in registry.every_terminal(conn)}
        for number, theirs in snapshot.rows.items():
            yield number, theirs, terminals.get(number)
        return
    met: set[str] = set()
    numbers = list(snapshot.rows)
    for start in range(0, len(numbers), _ASKED):
        asked = numbers[start : start + _ASKED]
        aliases = await registry.aliases(conn, asked)
        own = {number: _own(aliases.get(number), number, before) for number in asked}
        cards = await registry.cards(conn, list(own.values()))
        for number, token in own.items():
            if token in met:
                raise UsageError(
                    f"{file}: two lines mean card ****{token[-4:]}, by two of its numbers [FMT-012]"
                )
            met.add(token)
            card = cards.get(token)
            yield token, snapshot.rows[number], card_seen(card, before) if card else None


def _own(alias: Alias | None, number: str, before: datetime | None) -> str:
    """Our token of a card that a snapshot names by any of its numbers."""
    if alias is None:
        return number
    return alias.card if before is None else alias.card_at(before - _BEFORE)


async def _everything(
    conn: AsyncConnection, snapshot: Snapshot, bank: str | None, before: datetime | None
) -> AsyncIterator[tuple[str, Seen]]:
    if snapshot.of_cards:
        async for card in registry.every_card(conn, bank):
            if said := card_seen(card, before):
                yield card.token, said
    else:
        async for terminal in registry.every_terminal(conn, bank):
            if said := terminal_seen(terminal, before):
                yield terminal.terminal, said


def card_seen(card: Card, before: datetime | None) -> Seen | None:
    """A card as a snapshot would say it; None when it was not registered yet."""
    told = [one for one in card.registrations if before is None or one.at < before]
    if not told:
        return None
    state = card.state
    if before is not None:
        if card.root not in {"", card.token} and not any(one.at < before for one in card.steps):
            return None  # it has the registrations of the card that it replaced later
        known = any(one.stage == "BANK" for one in told)
        state = card.state_at(before - _BEFORE) if known else "UNKNOWN"
    stages = {one.stage for one in told}
    return {
        "bank": card.bank or told[-1].bank,
        "area": card.area,
        "state": state,
        "registrations": " ".join(stage for stage in STAGES if stage in stages),
    }


def terminal_seen(terminal: Terminal, before: datetime | None) -> Seen | None:
    """A terminal as a snapshot would say it; None when it was not registered yet."""
    state = terminal.state if before is None else terminal.state_at(before - _BEFORE)
    if state == "UNREGISTERED":
        return None
    return {"sam": terminal.sam, "institution": terminal.institution, "state": state}


def counts(differences: tuple[Difference, ...]) -> Mapping[str, int]:
    """How many differences there are by what they are; of `differs`, by column. 差异统计"""
    found: dict[str, int] = {}
    for one in differences:
        for name in (one.what,) if one.what != "differs" else one.theirs:
            found[name] = found.get(name, 0) + 1
    return found
