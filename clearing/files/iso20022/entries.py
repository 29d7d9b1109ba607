"""`Ntry`: one line of a member's day, as statements and notices have it. 明细条目"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from clearing.files.iso20022.message import Head, sign_of, signed
from clearing.files.iso20022.places import CNAPS, Kind, Place
from clearing.files.iso20022.reasons import external
from clearing.files.records import TxnLine

ISSUER: Final = "RHC"
CREDIT: Final[Mapping[str, str]] = {"+": "CRDT", "-": "DBIT"}
CHARGED: Final[Mapping[str, str]] = {"+": "DBIT", "-": "CRDT"}
"""A fee that is borne is a debit."""
UNDONE: Final = frozenset({"VOID", "REFD", "REVD"})
RETURNED: Final = "payout.returned"
"""Its remark is the reason of ours; the external code stands where ISO 20022 has a place for it."""
DAY_DIGITS: Final = 8
_TX: Final = "NtryDtls/TxDtls"

PLACES: Final = (
    Place("NtryRef", "entry_id", required=True),
    Place("Amt", "settle_abs", "amount", required=True),
    Place("CdtDbtInd", "settle_sign", codes=CREDIT, required=True),
    Place("RvslInd", "reversal", "flag"),
    Place("Sts/Cd", const="BOOK"),
    Place("BookgDt/Dt", "clearing_date", "date"),
    Place("BkTxCd/Prtry/Cd", "event_type", required=True),
    Place("BkTxCd/Prtry/Issr", const=ISSUER),
    Place(f"{_TX}/Refs/AcctSvcrRef", "bank_ref"),
    Place(f"{_TX}/Refs/EndToEndId", "order_no"),
    Place(f"{_TX}/Refs/Prtry/Tp", "original_entry_id", const="ORIGINAL"),
    Place(f"{_TX}/Refs/Prtry/Ref", "original_entry_id"),
    Place(f"{_TX}/AmtDtls/TxAmt/Amt", "amount_fen", "amount", required=True),
    Place(f"{_TX}/Chrgs/Rcrd/Amt", "fee_abs", "amount"),
    Place(f"{_TX}/Chrgs/Rcrd/CdtDbtInd", "fee_sign", codes=CHARGED),
    Place(f"{_TX}/RltdAgts/DbtrAgt/FinInstnId/ClrSysMmbId/ClrSysId/Cd", "cnaps", const=CNAPS),
    Place(f"{_TX}/RltdAgts/DbtrAgt/FinInstnId/ClrSysMmbId/MmbId", "cnaps"),
    Place(f"{_TX}/RltdDts/TxDtTm", "event_time", "instant", required=True),
    Place(f"{_TX}/RtrInf/Rsn/Cd", "return_reason"),
    Place(f"{_TX}/AddtlTxInf", "remark", most=500),
)

KINDS: Final[Mapping[str, Kind]] = {
    "direction": "text",
    "status": "text",
    "bank_ref": "text",
    "order_no": "text",
    "original_clearing_date": "date",
    "partner_date": "date",
    "bank": "text",
    "institution": "text",
    "terminal": "text",
    "route": "text",
    "settle_mode": "text",
    "card": "text",
    "card_last4": "text",
    "app_area": "text",
    "late": "flag",
    "account": "text",
    "remark": "text",
}
INSIDE: Final = _TX


def spread(line: TxnLine, head: Head) -> dict[str, Any]:
    """A line as values: signed amounts as amount and sign, the bank's number where it is known."""
    values = line._asdict()
    values |= {
        "settle_abs": abs(line.settle_fen),
        "settle_sign": sign_of(line.settle_fen),
        "clearing_date": _day(line.entry_id),
        "cnaps": head.cnaps.get(line.bank),
    }
    if line.status in UNDONE:
        values["reversal"] = True
    if line.event_type == RETURNED:
        values["return_reason"] = external(line.remark)
    if line.fee_fen:
        values |= {"fee_abs": abs(line.fee_fen), "fee_sign": sign_of(line.fee_fen)}
    return values


def gather(values: dict[str, Any]) -> dict[str, Any]:
    """The fields of a line; text that is not there is empty."""
    fields = {name: values.get(name, "") for name in TxnLine._fields}
    fields |= {name: values.get(name) for name in ("original_clearing_date", "partner_date")}
    fields |= {"settle_fen": signed(values, "settle"), "fee_fen": signed(values, "fee")}
    fields["late"] = values.get("late", False)
    fields["direction"] = fields["direction"] or ("P" if fields["settle_fen"] < 0 else "R")
    return fields


def _day(entry_id: str) -> date | None:
    """The clearing date with which an entry's id begins."""
    digits = entry_id[:DAY_DIGITS]
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None
