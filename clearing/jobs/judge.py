"""What is wrong with a file that came in: every fault, in the order in which a partner mends them. 来文校验

    name → manifest → digest → signature → decode → header → each line → trailer → cross checks

What only the books know (the same file again, a gap before it, an order that nobody gave) is asked in `receive`.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from clearing.errors import InvariantViolated
from clearing.files.check import check_file, fields_of
from clearing.files.faults import FAULTS_MAX, Detail, Fault, Faults
from clearing.files.layout import Layout
from clearing.files.manifest import MANIFEST_SUFFIX, Manifest, check_manifest, read_manifest
from clearing.files.names import FileName
from clearing.files.parse import Parsed, Row
from clearing.files.render import totals_of
from clearing.files.seal import check_signature
from clearing.jobs.snapshot import is_plain, of_rows, read_plain
from clearing.jobs.statements import read_statement, read_stays
from clearing.reconciliation.lists import StayList, parse_list
from clearing.reconciliation.partner_files import ParsedExport, ParsedStatement, Refused
from clearing.reconciliation.statements import parse_export

if TYPE_CHECKING:
    from datetime import date

    from clearing.jobs.seal import Sealer
    from clearing.ledger.members import Members
    from clearing.store.statements import StatementFile

FRAMED: Final = ("PYR", "RTN", "ACK", "REG")
"""Types whose lines a layout describes."""
SNAPSHOT: Final = "REG"
STATEMENTS: Final = {
    "STM": ("bank", "network", "channel"),
    "HIS": ("hospital", "pharmacy"),
    "NRC": ("fund", "insurer"),
    "DEP": ("hospital",),
}
"""Types with a header row of their own, and who sends them."""
SENDERS: Final = {"PYR": ("bank",), "RTN": ("bank",), "REG": ("bank", "card_platform")} | STATEMENTS

_ERROR: Final = re.compile(
    r"(?P<file>.*?)(?::(?P<line>\d+))? (?:field (?P<field>\d+) )?(?P<column>[a-z_]+|\(?/\S+): "
    r"expected (?P<expected>.*?), got (?P<got>.*) \[(?P<code>[A-Z]{3}-\d{3})\]",
    re.DOTALL,
)


class Arrived(NamedTuple):
    """One file as it came."""

    partner: str
    """Whose inbox it lay in, or who its name says sent it."""
    name: str
    content: bytes
    manifest: bytes | None
    """None where a person hands in a file that has none."""
    by_hand: bool = False


class Judged(NamedTuple):
    """A file that was read."""

    said: FileName | None
    """What its name says."""
    plain: bytes
    """Its bytes, out of their envelope."""
    faults: tuple[Fault, ...]
    rows: tuple[Row, ...]
    """The lines that could be read, of a type that a layout describes."""
    records: int
    """Detail lines it has."""
    fields: Mapping[str, int] = MappingProxyType({})
    """Column to the number of its field, the tag being field 1; for faults that only the books find."""
    details: Container[Detail] = range(0)
    """The detail lines, or items of a document, of which single ones may be left out."""


def name_of(name: str, layouts: Sequence[Layout], partner: str = "") -> FileName | None:
    """What a file's name says, None when none of the layouts knows it. 文件名

    Out:     where the pattern has no sender, whose inbox it lay in is.
    """
    said = next((found for layout in layouts if (found := layout.parse_name(name))), None)
    return said and said._replace(sender=said.sender or partner)


def judge(arrived: Arrived, members: Members, sealer: Sealer, day: date, layouts: Sequence[Layout]) -> Judged:
    """Read a file and find every fault, up to a thousand. 校验

    In:      any bytes; `day` for a file whose name says none; the layouts it may be in, the likeliest first.
    Out:     nothing is decided here about what may be taken.
    Source:  contract "Clearing files", coming in.
    """
    name, faults = arrived.name, Faults(arrived.name)
    said = name_of(name, layouts, arrived.partner)
    _name(arrived, said, members, faults)
    manifest = _manifest(arrived, faults)
    plain: bytes | None = arrived.content
    of_day = said.date if said else day
    if manifest is not None and manifest.encryption is not None:
        opened = sealer.opened(name, arrived.content, manifest, arrived.partner, of_day)
        plain = opened if isinstance(opened, bytes) else None
        faults.found.extend(() if isinstance(opened, bytes) else opened)
    if said is None or plain is None or (said.type not in FRAMED and said.type not in STATEMENTS):
        return Judged(said, plain or b"", tuple(faults.found[:FAULTS_MAX]), (), 0)
    trust = sealer.trust(arrived.partner, of_day)
    if said.type in FRAMED and not (said.type == SNAPSHOT and is_plain(plain)):
        zone = members.clock.zone
        checked = check_file(name, plain, manifest, layouts=layouts, zone=zone, trust=trust)
        rows = checked.parsed.rows if checked.parsed else ()
        found = (*faults.found, *checked.faults)
        if checked.parsed and checked.parsed.layout.shape == "iso20022":
            unread = _items(checked.faults) - {row.item for row in rows}
            items = unread.union(row.item for row in rows)
            return Judged(said, plain, found[:FAULTS_MAX], rows, len(rows) + len(unread), details=items)
        fields, details = (
            (fields_of(checked.parsed), _details(checked.parsed, plain)) if checked.parsed else ({}, range(0))
        )
        if said.type == SNAPSHOT:
            found = (*found, *(fault_of(name, text) for text in of_rows(rows, name, fields).errors))
        return Judged(said, plain, found[:FAULTS_MAX], rows, len(details), fields, details)
    if manifest is not None:
        faults.found.extend(check_manifest(name, plain, manifest))
    faults.found.extend(check_signature(name, plain, manifest, trust))
    bad, records, wrong = _statement(arrived.partner, name, plain, said, members)
    return Judged(said, plain, (*faults.found, *bad)[:FAULTS_MAX], (), records, details=wrong)


def _items(faults: Iterable[Fault]) -> frozenset[Detail]:
    """The items of a document that something is wrong with."""
    return frozenset(one.detail for one in faults if isinstance(one.detail, str))


def _details(parsed: Parsed, plain: bytes) -> range:
    """The numbers of the detail lines: between head and tail, or the header row and the totals."""
    layout = parsed.layout
    if layout.shape == "framed":
        before, after = int(layout.head is not None), int(layout.tail is not None)
    else:
        before, after = 1, 2 * (totals_of(layout) is not None) + bool(layout.end_mark)
    return range(before + 1, max(plain.count(b"\n") - after, before) + 1)


def _name(arrived: Arrived, said: FileName | None, members: Members, faults: Faults) -> None:
    example = f"RHC_STM_{arrived.partner}_{members.platform.code}_20260131_001_V1.csv"
    if said is None:
        faults.add("FMT-010", f"a name like {example}", arrived.name)
        return
    wanted = (*FRAMED, *STATEMENTS)
    if said.type not in wanted:
        faults.add("FMT-010", f"a type of {' '.join(wanted)}", said.type, column="name")
    if said.sender != arrived.partner:
        faults.add("FMT-010", f"a file from {arrived.partner}", said.sender, column="name")
    if said.receiver != members.platform.code:
        faults.add("FMT-010", f"a file to {members.platform.code}", said.receiver, column="name")
    kind = members.on(said.date).kind(said.sender) or "nobody"
    senders = SENDERS.get(said.type)
    if senders and kind not in senders:
        faults.add("FMT-010", f"{said.type} from a {' or '.join(senders)}", kind, column="name")


def _manifest(arrived: Arrived, faults: Faults) -> Manifest | None:
    if arrived.manifest is None:
        if not arrived.by_hand:
            faults.add("FMT-011", f"a manifest {arrived.name}{MANIFEST_SUFFIX}", "none")
        return None
    read = read_manifest(arrived.name + MANIFEST_SUFFIX, arrived.manifest)
    if isinstance(read, Manifest):
        return read
    faults.found.extend(read)
    return None


def _statement(
    partner: str, name: str, plain: bytes, said: FileName, members: Members
) -> tuple[tuple[Fault, ...], int, Container[Detail]]:
    """The faults of a file with a header row, how many rows it has, and which are wrong if those may be left out.

    Which rows may be of another day only the books know: that is asked when the day is reconciled.
    """
    if said.type == SNAPSHOT:
        snapshot = read_plain(plain, name)
        return tuple(fault_of(name, text) for text in snapshot.errors), snapshot.records, range(0)
    found, partly = (
        read_rows(partner, name, plain, said, members, partial=partial) for partial in (False, True)
    )
    if not isinstance(found, Refused):
        return (), len(found.rows), range(0)
    faults = tuple(fault_of(name, text) for text in found.errors)
    if isinstance(partly, Refused | StayList):
        return faults, max(plain.count(b"\n") - 1, 0), range(0)
    wrong = frozenset(one.detail for one in faults if one.line)
    return faults, len(partly.rows) + sum(len(one.bad) for one in partly.files), wrong


def read_rows(
    partner: str, name: str, plain: bytes, said: FileName, members: Members, *, partial: bool
) -> Refused | ParsedStatement | ParsedExport | StayList:
    """A statement, export or list as its own reader has it."""
    whose: dict[str, Any] = {"partner": partner, "file": name, "clock": members.clock}
    if said.type == "DEP":
        return read_stays(plain, **whose)
    if said.type == "NRC":
        return parse_list(plain, **whose, partial=partial)
    read = read_statement if said.type == "STM" else parse_export
    return read(plain, day=None, **whose, partial=partial)


def fault_of(name: str, text: str) -> Fault:
    """A message of the reconciliation room as a fault with its place."""
    match = _ERROR.fullmatch(text)
    if match is None:
        return Fault(name, 0, 0, "", "a file that can be read", text[:200], "FMT-000")
    got = match["got"].strip('"')
    return Fault(
        name,
        int(match["line"] or 0),
        int(match["field"] or 0),
        match["column"],
        match["expected"],
        got,
        match["code"],
    )


def plain_of(kept: StatementFile, sealer: Sealer) -> bytes:
    """The bytes of a file that was taken, out of their envelope. 明文

    Raises:  InvariantViolated when they cannot be opened any more: they could when the file was judged.
    """
    manifest = read_manifest(kept.name, kept.manifest) if kept.manifest else None
    if not isinstance(manifest, Manifest) or manifest.encryption is None:
        return kept.content
    opened = sealer.opened(kept.name, kept.content, manifest, kept.partner, kept.clearing_date)
    if isinstance(opened, bytes):
        return opened
    raise InvariantViolated(f"{opened[0]}: it could be opened when it came. Next: see the keys")
