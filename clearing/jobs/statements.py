"""A partner's statement or list in whichever form it comes: canonical CSV, camt.053, a layout of ours. 对账单读取"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import replace
from datetime import date
from typing import Final

from clearing.files.check import check_file, layout_for
from clearing.files.iso20022.statement import canonical
from clearing.ledger.business_day import BusinessClock
from clearing.reconciliation.lists import Stay, StayList, counted_stays, is_stay_list, parse_stays
from clearing.reconciliation.partner_files import ParsedStatement, Refused, SoundFile
from clearing.reconciliation.statements import parse_statement

XML: Final = (b"<", b"\xef\xbb\xbf<")
"""With what a document begins and a CSV file does not."""


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
    """As `parse_statement`; a document is read as the rows that it says, under its own digests. 读对账单"""
    if not data.startswith(XML):
        return parse_statement(
            data, partner=partner, file=file, day=day, clock=clock, known=known, partial=partial
        )
    sha256 = hashlib.sha256(data).hexdigest()
    rows = canonical(file, data, clock.zone)
    if isinstance(rows, tuple):
        errors = tuple(str(fault) for fault in rows)
        return Refused(partner=partner, file=file, sha256=sha256, code="FIL-002", errors=errors)
    found = parse_statement(rows, partner=partner, file=file, day=day, clock=clock, known=known)
    if isinstance(found, Refused):
        return replace(found, sha256=sha256)
    (said,) = found.files
    return replace(found, files=(replace(said, sha256=sha256, sm3=hashlib.new("sm3", data).hexdigest()),))


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
    sha256, sm3 = hashlib.sha256(data).hexdigest(), hashlib.new("sm3", data).hexdigest()
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
            partner=partner, file=file, sha256=sha256, code="FIL-002", errors=tuple(errors), of_bank=False
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
    said = SoundFile(file=file, sha256=sha256, sm3=sm3, counted=counted_stays(rows))
    return StayList(partner=partner, rows=rows, files=(said,))
