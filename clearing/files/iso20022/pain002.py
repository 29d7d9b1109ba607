"""pain.002.001.12: what became of the payments of a pain.001. 代付回盘"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import tzinfo
from typing import Any, Final

from lxml import etree

from clearing.files.iso20022.message import (
    NOT_PROVIDED,
    Head,
    Message,
    Reader,
    file_figures,
    group_header,
    short_id,
)
from clearing.files.iso20022.pain001 import PAIN_001, PRIORITY
from clearing.files.iso20022.places import CNAPS, Element, Kind, Place, put
from clearing.files.iso20022.reasons import told, understood
from clearing.files.iso20022.stream import Group, listener
from clearing.files.records import ResultLine
from clearing.files.values import BUSINESS_ZONE

STATUS: Final[Mapping[str, str]] = {"S": "ACSC", "F": "RJCT", "U": "PDNG"}
PAID: Final = frozenset({"ACSC", "ACCC"})
REFUSED: Final = frozenset({"RJCT", "CANC"})
"""Every other status is one on the way: the payment is asked for again, never sent again."""

HEADER: Final = (
    Place("MsgId", "message_id", required=True),
    Place("CreDtTm", "created", "instant", required=True),
    Place("InitgPty/Id/OrgId/Othr/Id", "sender"),
)
ORIGINAL: Final = (
    Place("OrgnlMsgId", "original"),
    Place("OrgnlMsgNmId", const=PAIN_001.id),
    Place("OrgnlNbOfTxs", "records", "count"),
    Place("OrgnlCtrlSum", "out_fen", "sum"),
)
_REF: Final = "OrgnlTxRef"
PLACES: Final = (
    Place("OrgnlInstrId", "pay_id"),
    Place("OrgnlEndToEndId", "pay_ref", required=True),
    Place("TxSts", "status", most=4, required=True),
    Place("StsRsnInf/Rsn/Cd", "iso_reason", most=4),
    Place("StsRsnInf/Rsn/Prtry", "own_reason"),
    Place("StsRsnInf/AddtlInf", "reason", most=105),
    Place("AccptncDtTm", "accepted_at", "instant"),
    Place("AcctSvcrRef", "bank_ref"),
    Place(f"{_REF}/Amt/InstdAmt", "amount_fen", "amount"),
    Place(f"{_REF}/IntrBkSttlmDt", "bank_date", "date"),
    Place(f"{_REF}/ReqdExctnDt/Dt", "value_date", "date"),
    Place(f"{_REF}/PmtTpInf/InstrPrty", "urgent", codes=PRIORITY),  # type: ignore[arg-type]  # a flag said as a code
    Place(f"{_REF}/DbtrAcct/Id/Othr/Id", "payer_account", most=34),
    Place(f"{_REF}/CdtrAgt/FinInstnId/ClrSysMmbId/ClrSysId/Cd", "payee_bank", const=CNAPS),
    Place(f"{_REF}/CdtrAgt/FinInstnId/ClrSysMmbId/MmbId", "payee_bank"),
    Place(f"{_REF}/Cdtr/Pty/Nm", "payee_name", most=140),
    Place(f"{_REF}/CdtrAcct/Id/Othr/Id", "payee_account", most=34),
    Place(f"{_REF}/Purp/Prtry", "purpose"),
)
KINDS: Final[Mapping[str, Kind]] = {
    "pay_id": "text",
    "payer_account": "text",
    "payee_bank": "text",
    "payee_account": "text",
    "payee_name": "text",
    "corporate": "flag",
    "purpose": "text",
    "bank_ref": "text",
    "reason_code": "text",
    "reason": "text",
}


def spread(line: ResultLine, _head: Head) -> dict[str, Any]:
    """A line as values; a reason that ISO 20022 has a code for is not told twice."""
    return told(line._asdict()) | {"pay_ref": short_id(line.pay_id), "status": STATUS[line.result]}


def gather(values: dict[str, Any]) -> dict[str, Any]:
    """The fields of a line. A bank that repeats less of the payment leaves the rest empty, amounts and dates None."""
    fields = {name: values.get(name, "") for name in ResultLine._fields} | understood(values)
    fields |= {name: values.get(name) for name in ("amount_fen", "value_date", "bank_date")}
    fields |= {name: values.get(name, False) for name in ("corporate", "urgent")}
    fields["pay_id"] = fields["pay_id"] or values["pay_ref"]
    status = values["status"]
    fields["result"] = "S" if status in PAID else "F" if status in REFUSED else "U"
    if fields["result"] == "S" and fields["bank_date"] is None and "accepted_at" in values:
        fields["bank_date"] = values["accepted_at"].astimezone(BUSINESS_ZONE).date()
    return fields


PAIN_002: Final = Message(
    id="pain.002.001.12",
    file_type="PYR",
    root="CstmrPmtStsRpt",
    record="TxInfAndSts",
    model=ResultLine,
    places=PLACES,
    inside="",
    holder="Result",
    kinds=KINDS,
    spread=spread,
    gather=gather,
    header=HEADER,
)


def without_payments(reader: Reader) -> None:
    """Refuse a final status of a file or batch that names no payment: none could be booked by it. 整批状态"""
    if reader.root is None:
        return
    for path in ("OrgnlGrpInfAndSts/GrpSts", "OrgnlPmtInfAndSts/PmtInfSts"):
        for element in reader.root.iterfind(
            ".//" + "/".join(f"{{{reader.space}}}{one}" for one in path.split("/"))
        ):
            if (element.text or "") in PAID | REFUSED:
                wrong = listener(reader.faults, f"//{path.split('/')[0]}")
                wrong(
                    element, path.split("/")[1], "TxInfAndSts of each payment", element.text or "", "FMT-002"
                )


def parts(head: Head, records: Iterable[Element], zone: tzinfo) -> Iterator[Element | Group]:
    """The document's parts: header, that it answers a pain.001, each payment's status."""
    yield group_header(PAIN_002, head, zone)
    about = etree.Element("OrgnlGrpInfAndSts")
    said = {"original": NOT_PROVIDED, "records": head.records, "out_fen": head.out_fen}
    put(about, ORIGINAL, said, zone)
    yield about
    number = etree.Element("OrgnlPmtInfId")
    number.text = NOT_PROVIDED
    yield Group("OrgnlPmtInfAndSts", [number], records)
    yield file_figures(head, zone)
