"""A partner's statement in whichever form it comes: the canonical CSV, or a camt.053. 对账单读取"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import replace
from datetime import date
from typing import Final

from clearing.files.iso20022.statement import canonical
from clearing.ledger.business_day import BusinessClock
from clearing.reconciliation.partner_files import ParsedStatement, Refused
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
) -> ParsedStatement | Refused:
    """As `parse_statement`; a document is read as the rows that it says, under its own digests. 读对账单"""
    if not data.startswith(XML):
        return parse_statement(data, partner=partner, file=file, day=day, clock=clock, known=known)
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
