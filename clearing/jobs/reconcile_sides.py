"""The sides of a day, read set-wise: what agrees is counted, the other rows go through the passes. 三方取数

entries   one COPY of the day's entries into the run's scratch database
files     each partner's file into its table; the line parser reads what is not plain, and words every error
split     what agrees in everything is added up (`store.sides.splitting`)
rest      the other rows as values, beside those of ours that have no entry
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from clearing.jobs.statements import read_statement, read_stays
from clearing.reconciliation.clean import Clean, tokens
from clearing.reconciliation.lists import StayList, parse_list
from clearing.reconciliation.partner_files import (
    Parsed,
    ParsedExport,
    ParsedStatement,
    Refused,
    SoundFile,
)
from clearing.reconciliation.rows import AnyRow, PartnerRow
from clearing.reconciliation.statements import parse_export
from clearing.store.sides import rest
from clearing.store.sides.plain_files import Side
from clearing.store.sides.splitting import split
from clearing.store.sides.tables import SideTables

if TYPE_CHECKING:
    from clearing.ledger.business_day import BusinessClock
    from clearing.ledger.entry import Entry

STATEMENT: Final = "STM"
EXPORT: Final = "HIS"
LIST: Final = "NRC"
"""What a fund or insurer paid."""
STAYS: Final = "DEP"
"""What a hospital's stays hold."""


class Given(NamedTuple):
    """One file as it was given."""

    kind: str
    """STM, HIS, NRC or DEP."""
    partner: str
    name: str
    path: Path
    """Where its bytes lie while the run lasts."""
    sha256: str
    """Hex."""
    sm3: str
    partial: bool = False
    """Whether its good lines are taken where single ones are wrong."""


@dataclass(slots=True)
class TakenFiles:
    """The files of a run, after they were read or refused."""

    sound: dict[tuple[str, str], list[SoundFile]] = field(default_factory=dict)
    """By kind and partner, in the order in which they were given."""
    stays: dict[str, StayList] = field(default_factory=dict)
    """Lists of deposits by hospital."""
    refused: list[Refused] = field(default_factory=list)

    def drop_refused(self, tables: SideTables) -> None:
        """Let a partner's sound files go where another one was refused: nothing of half a side is imported."""
        for one in self.refused:
            kind = kind_of(one)
            if self.sound.pop((kind, one.partner), None):
                if kind == STAYS:
                    del self.stays[one.partner]
                else:
                    tables.forget_partner("B" if one.of_bank else "H", one.partner)

    def partners(self, *kinds: str) -> list[str]:
        """Whose files of these kinds are here."""
        return [partner for one, partner in self.sound if one in kinds]

    def files_of(self, partner: str, *kinds: str) -> tuple[SoundFile, ...]:
        """A partner's files of these kinds."""
        return tuple(said for kind in kinds for said in self.sound.get((kind, partner), ()))


def kind_of(refused: Refused) -> str:
    """Of which kind a file was that was not taken."""
    return refused.kind or (STATEMENT if refused.of_bank else EXPORT)


def take_file(  # noqa: PLR0917 - the tables, the file, and how its rows are dated
    tables: SideTables,
    taken: TakenFiles,
    given: Given,
    day: date,
    clock: BusinessClock,
    others: frozenset[str],
) -> None:
    """Read one file into the tables, or have every error of it. 读来文

    In:      entries are in the tables; `others`: keys, besides theirs, that may bring a row of another date here.
    Writes:  scratch tables; `taken`.
    """
    if given.kind in {LIST, STAYS}:
        _take_list(tables, taken, given, day, clock)
        return
    side: Side = "B" if given.kind == STATEMENT else "H"
    read = tables.read_file(side, given.path, partner=given.partner, name=given.name, day=day)
    if read is not None and read.of_day:
        said = SoundFile(
            file=given.name,
            sha256=given.sha256,
            sm3=given.sm3,
            counted=read.counted,
            totals=read.totals,
            balance=read.balance,
        )
    else:
        parsed = _by_line(given, None, clock, ())
        if isinstance(parsed, Parsed) and all(row.clearing_date != day for row in parsed.rows):
            parsed = _by_line(given, day, clock, others | tables.keys_of_entries())
        if read is not None:
            tables.forget()
        if isinstance(parsed, Refused):
            taken.refused.append(parsed)
            return
        tables.add_rows(side, parsed.rows, partner=given.partner, name=given.name, day=day)
        (said,) = parsed.files
    taken.sound.setdefault((given.kind, given.partner), []).append(said)


def _take_list(tables: SideTables, taken: TakenFiles, given: Given, day: date, clock: BusinessClock) -> None:
    """Read a list of payments or deposits; the rows of payments stand on the third side, as an export's."""
    data = given.path.read_bytes()
    read: StayList | ParsedExport | Refused
    if given.kind == STAYS:
        read = read_stays(data, partner=given.partner, file=given.name, clock=clock)
    else:
        read = parse_list(data, partner=given.partner, file=given.name, clock=clock, partial=given.partial)
    if isinstance(read, Refused):
        taken.refused.append(replace(read, kind=given.kind))
        return
    if isinstance(read, StayList):
        taken.stays[given.partner] = read
    else:
        tables.add_rows("H", read.rows, partner=given.partner, name=given.name, day=day)
    taken.sound.setdefault((given.kind, given.partner), []).extend(read.files)


def _by_line(
    given: Given, day: date | None, clock: BusinessClock, known: Collection[str]
) -> ParsedStatement | ParsedExport | Refused:
    """The pure parser's opinion; it words what is wrong."""
    read = read_statement if given.kind == STATEMENT else parse_export
    data = given.path.read_bytes()
    return read(
        data, partner=given.partner, file=given.name, day=day, clock=clock, known=known, partial=given.partial
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """What goes through the passes, and the sums of what need not. 余行与相符合计"""

    statements: Mapping[str, ParsedStatement]
    exports: Mapping[str, ParsedExport]
    entries: Sequence[Entry]
    clean: Clean

    def rows(self) -> Iterator[PartnerRow]:
        """Every partner's row."""
        for statement in self.statements.values():
            yield from statement.rows
        for export in self.exports.values():
            yield from export.rows


def rest_of(tables: SideTables, taken: TakenFiles, outside: Iterable[AnyRow]) -> Rest:
    """Split the sides and give back what the passes must see. 分流

    In:      entries and files are in the tables; `outside`: all rows that are not: of open breaks, waiting ones,
             ours without an entry.
    """
    statements, exports = taken.partners(STATEMENT), taken.partners(EXPORT, LIST)
    clean = split(tables, statements, exports, (token for row in outside for token in tokens(row)))
    bank, his = rest.statement_rows(tables), rest.his_rows(tables)
    return Rest(
        statements={
            code: Parsed(partner=code, rows=tuple(bank.get(code, ())), files=taken.files_of(code, STATEMENT))
            for code in statements
        },
        exports={
            code: Parsed(
                partner=code, rows=tuple(his.get(code, ())), files=taken.files_of(code, EXPORT, LIST)
            )
            for code in exports
        },
        entries=rest.entries(tables),
        clean=clean,
    )
