"""camt.053.001.08 of a partner as the canonical statement: what a bank says it did with cards. 银行对账单

As in a member's own day, DBIT is a card debited (D) and CRDT a card credited (C); balances turn round with it.

    bank_ref            NtryDtls/TxDtls/Refs/AcctSvcrRef, else AcctSvcrRef
    platform_ref        NtryDtls/TxDtls/Refs/InstrId: our entry id
    original_bank_ref   NtryDtls/TxDtls/Refs/Prtry/Ref of type ORIGINAL
    bank_date, _time    BookgDt; the time of NtryDtls/TxDtls/RltdDts/TxDtTm
    type                BkTxCd/Prtry/Cd: PAY VOID REVERSAL …
    status              Sts/Cd BOOK is SUCC; Sts/Prtry FAIL or REVD
    card                NtryDtls/TxDtls/RltdPties/DbtrAcct, of a credit CdtrAcct

An entry that a bank booked for several payments has a TxDtls each, with an Amt of its own: each is a row.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import tzinfo
from typing import Any, Final, NamedTuple

from clearing.files.faults import Fault, Faults
from clearing.files.iso20022.camt053 import CAMT_053, figures
from clearing.files.iso20022.entries import CREDIT
from clearing.files.iso20022.message import Reader
from clearing.files.iso20022.places import Place
from clearing.ledger.money import yuan

COLUMNS: Final = (
    "bank_ref", "platform_ref", "bank_date", "bank_time", "type", "direction", "amount", "status", "card",
    "original_bank_ref",
)  # fmt: skip
_TX: Final = "NtryDtls/TxDtls"
PLACES: Final = (
    Place("Amt", "amount_fen", "amount", required=True),
    Place("CdtDbtInd", "sign", codes=CREDIT, required=True),
    Place("Sts/Cd", "booked"),
    Place("Sts/Prtry", "status"),
    Place("BookgDt/Dt", "bank_date", "date"),
    Place("BookgDt/DtTm", "booked_at", "instant"),
    Place("AcctSvcrRef", "entry_ref"),
    Place("BkTxCd/Prtry/Cd", "type", required=True),
    Place(f"{_TX}/Refs/AcctSvcrRef", "bank_ref"),
    Place(f"{_TX}/Refs/InstrId", "platform_ref"),
    Place(f"{_TX}/Refs/Prtry/Tp", "reference"),
    Place(f"{_TX}/Refs/Prtry/Ref", "original_bank_ref"),
    Place(f"{_TX}/Amt", "part_fen", "amount"),
    Place(f"{_TX}/RltdPties/DbtrAcct/Id/Othr/Id", "debtor"),
    Place(f"{_TX}/RltdPties/CdtrAcct/Id/Othr/Id", "creditor"),
    Place(f"{_TX}/RltdDts/TxDtTm", "happened_at", "instant"),
)
BOOKED: Final = "BOOK"
ORIGINAL: Final = "ORIGINAL"


class Canonical(NamedTuple):
    """A partner's camt.053 as rows of the canonical statement."""

    content: bytes
    """The CSV file; without the entries that could not be read."""
    places: tuple[tuple[int, str], ...]
    """Of each row the line and XPath of its entry in the document."""
    faults: tuple[Fault, ...]


def canonical(name: str, content: bytes, zone: tzinfo) -> Canonical:
    """A partner's camt.053 as the canonical statement's CSV, and everything that is wrong with it. 转换

    In:      any bytes; the zone its times are told in.
    Out:     a line an entry, or a detail of one, in order; `#BALANCE` where the document opens and closes.
    Source:  contract "Clearing files", profile X and coming in.
    """
    faults = Faults(name)
    message = CAMT_053._replace(
        model=dict, places=PLACES, inside="", holder="", kinds={}, several=_TX,
        gather=lambda values: _cells(values, zone),
    )  # fmt: skip
    reader = Reader(name, message, zone, faults)
    out = io.StringIO(newline="")
    lines = csv.writer(out)
    lines.writerow(COLUMNS)
    places: list[tuple[int, str]] = []
    for line, item, row in reader.cells(content):
        places.append((line, item))
        lines.writerow([" ".join(str(row[column]).splitlines()) for column in COLUMNS])
    said = figures(reader)
    if "OPBD" in said and "CLBD" in said:
        lines.writerow(["#BALANCE", *(yuan(-int(str(said[code]))) for code in ("OPBD", "CLBD"))])
    return Canonical(out.getvalue().encode(), tuple(places), tuple(faults.found))


def _cells(values: Mapping[str, Any], zone: tzinfo) -> dict[str, Any]:
    """One entry's cells; what is missing stays empty, and the canonical reader says that it must be there."""
    at = values.get("happened_at") or values.get("booked_at")
    local = at.astimezone(zone) if at else None
    booked_at = values.get("booked_at")
    bank_date = values.get("bank_date") or (booked_at.astimezone(zone).date() if booked_at else "")
    debit = values["sign"] == "-"
    return {
        "bank_ref": values.get("bank_ref") or values.get("entry_ref", ""),
        "platform_ref": values.get("platform_ref", ""),
        "bank_date": bank_date,
        "bank_time": f"{local:%H:%M:%S}" if local else "",
        "type": values["type"],
        "direction": "D" if debit else "C",
        "amount": yuan(values["amount_fen"]),
        "status": "SUCC"
        if values.get("booked") == BOOKED
        else values.get("status", values.get("booked", "")),
        "card": values.get("debtor" if debit else "creditor", ""),
        "original_bank_ref": values.get("original_bank_ref", "")
        if values.get("reference") == ORIGINAL
        else "",
    }
