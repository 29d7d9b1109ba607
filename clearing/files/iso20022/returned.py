"""camt.054.001.08 of payments that came back: a credit each, with the reason of its return. 退汇通知

As banks notify it: the entry is what has come in, its details name the payment (`EndToEndId`) and say why it came
back (`RtrInf`). One entry may hold several returns, each with an amount of its own that add up to the entry's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from clearing.files.iso20022.camt054 import CAMT_054
from clearing.files.iso20022.entries import INSIDE
from clearing.files.iso20022.message import Head, short_id
from clearing.files.iso20022.places import Kind, Place
from clearing.files.iso20022.reasons import told, understood
from clearing.files.records import ReturnLine
from clearing.files.values import BUSINESS_ZONE

_TX: Final = INSIDE
CREDITED: Final[Mapping[str, str]] = {"+": "CRDT"}
ORIGINAL: Final = "ORIGINAL"
PLACES: Final = (
    Place("Amt", "amount_fen", "amount", required=True),
    Place("CdtDbtInd", "sign", codes=CREDITED, required=True),
    Place("Sts/Cd", const="BOOK"),
    Place("BookgDt/Dt", "return_date", "date"),
    Place("BookgDt/DtTm", "booked_at", "instant"),
    Place("AcctSvcrRef", "entry_ref"),
    Place("BkTxCd/Domn/Cd", const="PMNT"),
    Place("BkTxCd/Domn/Fmly/Cd", const="ICDT"),
    Place("BkTxCd/Domn/Fmly/SubFmlyCd", const="RRTN"),
    Place(f"{_TX}/Refs/AcctSvcrRef", "return_ref"),
    Place(f"{_TX}/Refs/InstrId", "pay_id"),
    Place(f"{_TX}/Refs/EndToEndId", "pay_ref", required=True),
    Place(f"{_TX}/Refs/Prtry/Tp", "bank_ref", const=ORIGINAL),
    Place(f"{_TX}/Refs/Prtry/Tp", "reference"),
    Place(f"{_TX}/Refs/Prtry/Ref", "bank_ref"),
    Place(f"{_TX}/Amt", "part_fen", "amount"),
    Place(f"{_TX}/RtrInf/Rsn/Cd", "iso_reason", most=4),
    Place(f"{_TX}/RtrInf/Rsn/Prtry", "own_reason"),
    Place(f"{_TX}/RtrInf/AddtlInf", "reason", most=105),
)
KINDS: Final[Mapping[str, Kind]] = {
    "pay_id": "text",
    "bank_ref": "text",
    "return_ref": "text",
    "reason_code": "text",
    "reason": "text",
    "fee_returned": "flag",
}


def spread(line: ReturnLine, _head: Head) -> dict[str, Any]:
    """A line as values."""
    return told(line._asdict()) | {"sign": "+", "pay_ref": short_id(line.pay_id)}


def gather(values: dict[str, Any]) -> dict[str, Any]:
    """The fields of a line. A bank that repeats less of the payment leaves the rest empty.

    The reference of an entry is that of its one return; of several, none has it.
    """
    if values.get("reference", ORIGINAL) != ORIGINAL:
        values = {**values, "bank_ref": ""}
    booked_at = values.get("booked_at")
    return {
        "pay_id": values.get("pay_id") or values["pay_ref"],
        "bank_ref": values.get("bank_ref", ""),
        "return_ref": values.get("return_ref") or ("" if "part" in values else values.get("entry_ref", "")),
        "return_date": values.get("return_date")
        or (booked_at.astimezone(BUSINESS_ZONE).date() if booked_at else None),
        "amount_fen": values["amount_fen"],
        "fee_returned": values.get("fee_returned", False),
        **understood(values),
    }


RETURNED: Final = CAMT_054._replace(
    file_type="RTN",
    model=ReturnLine,
    places=PLACES,
    inside=INSIDE,
    several=INSIDE,
    holder="Return",
    kinds=KINDS,
    spread=spread,
    gather=gather,
)
