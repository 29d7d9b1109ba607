"""A partner's statement or list in whichever form it comes: canonical CSV, camt.053, a layout of ours. 对账单读取"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from dataclasses import replace
from datetime import date
from typing import Final

from clearing.files.check import check_file, layout_for
from clearing.files.faults import FAULTS_MAX
from clearing.files.iso20022.statement import Canonical, canonical
from clearing.ledger.business_day import BusinessClock
from clearing.reconciliation.lists import Stay, StayList, counted_stays, is_stay_list, parse_stays
from clearing.reconciliation.partner_files import ParsedStatement, Refused, SoundFile, counted
from clearing.reconciliation.statements import parse_statement

XML: Final = (b"<", b"\xef\xbb\xbf<")
"""With what a document begins and a CSV file does not."""
FIRST_ROW: Final = 2
"""The line of a canonical statement on which its first row stands."""
_OF_ROW: Final = re.compile(r"(?P<file>.*?):(?P<row>\d+) (?:field \d+ )?(?P<rest>[a-z_]+: .*)", re.DOTALL)


def read_statement(
    data: bytes,
    *,
    partner: str,
    file: str,
    day: date | None,
    clock: BusinessClock,
    known: Collection[str] = (),
    partial: bool = False,
) -> ParsedStatement | Refused:
    """As `parse_statement`; a document is read as the rows that it says, under its own digests. 读对账单

    Out:     of a document each entry is what a line is elsewhere: a wrong one may be left out, with all its rows.
    """
    if not data.startswith(XML):
        return parse_statement(
            data, partner=partner, file=file, day=day, clock=clock, known=known, partial=partial
        )
    sha256 = hashlib.sha256(data).hexdigest()
    said = canonical(file, data, clock.zone)
    unread = tuple(str(fault) for fault in said.faults)
    refused = Refused(partner=partner, file=file, sha256=sha256, code="FIL-002", errors=unread)
    if len(unread) >= FAULTS_MAX or not all(isinstance(fault.detail, str) for fault in said.faults):
        return refused
    found = parse_statement(
        said.content, partner=partner, file=file, day=day, clock=clock, known=known, partial=partial
    )
    if isinstance(found, Refused):
        errors = (*unread, *(_in_document(text, said)[1] for text in found.errors))
        return replace(found, sha256=sha256, errors=errors[:FAULTS_MAX])
    (one,) = found.files
    told = [(str(fault.detail), str(fault)) for fault in said.faults]
    told += [_in_document(text, said) for faults in one.bad for text in faults.split("\n")]
    bad: dict[str, list[str]] = {}
    for item, text in told:
        bad.setdefault(item, []).append(text)
    rows = tuple(row for row in found.rows if said.places[row.line - FIRST_ROW][1] not in bad)
    if bad and not (partial and rows):
        return replace(refused, errors=tuple(text for _, text in told))
    taken = replace(
        one,
        sha256=sha256,
        sm3=hashlib.new("sm3", data).hexdigest(),
        counted=counted(rows),
        bad=tuple("\n".join(texts) for texts in bad.values()),
    )
    return replace(found, rows=rows, files=(taken,))


def _in_document(text: str, said: Canonical) -> tuple[str, str]:
    """A message about a row: the XPath of its entry, and the message with its place in the document."""
    match = _OF_ROW.fullmatch(text)
    row = int(match["row"]) - FIRST_ROW if match else -1
    if match is None or not 0 <= row < len(said.places):
        return "", text
    line, item = said.places[row]
    return item, f"{match['file']}:{line} {item}/{match['rest']}"


def stays_by_name(name: str) -> bool:
    """Whether a name says that the file is a list of deposits in a layout of ours."""
    layout = layout_for(name)
    said = layout.parse_name(name) if layout is not None else None
    return said is not None and said.type == "DEP"


def read_stays(data: bytes, *, partner: str, file: str, clock: BusinessClock) -> StayList | Refused:
    """A hospital's list of deposits, canonical or in the layout in which it goes out. 读预交金清单

    Out:     as `parse_stays`; of a file in a layout the lines of other institutions are refused.
    """
    if is_stay_list(data) or not stays_by_name(file):
        return parse_stays(data, partner=partner, file=file)
    checked = check_file(file, data, None, zone=clock.zone)
    errors = [f"{fault} [FIL-002]" for fault in checked.faults]
    lines = checked.parsed.rows if checked.parsed else ()
    errors += [
        f"{file}:{row.line} institution: expected {partner}, got {row.record.institution} [FMT-010]"
        for row in lines
        if row.record.institution != partner
    ]
    if errors:
        return Refused(
            partner=partner,
            file=file,
            sha256=hashlib.sha256(data).hexdigest(),
            code="FIL-002",
            errors=tuple(errors),
            of_bank=False,
        )
    rows = tuple(
        Stay(
            admission_no=row.record.admission_no,
            opening_fen=row.record.opening_fen,
            paid_fen=row.record.paid_fen,
            refunded_fen=row.record.refunded_fen,
            used_fen=row.record.used_fen,
            transferred_fen=row.record.transferred_fen,
            closing_fen=row.record.closing_fen,
            line=row.line,
        )
        for row in lines
    )
    said = SoundFile.of(file, data, counted_stays(rows))
    return StayList(partner=partner, rows=rows, files=(said,))
