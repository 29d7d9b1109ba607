"""pain.001.001.09: what a bank is to pay, and from which accounts. 代付指令"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import tzinfo
from typing import Any, Final

from lxml import etree

from clearing.files.iso20022.message import (
    NOT_PROVIDED,
    Head,
    Message,
    file_figures,
    group_header,
    short_id,
)
from clearing.files.iso20022.places import CNAPS, Element, Kind, Place, put
from clearing.files.iso20022.stream import Group
from clearing.files.records import PayLine

PRIORITY: Final[Mapping[bool, str]] = {True: "HIGH", False: "NORM"}
HEADER: Final = (
    Place("MsgId", "message_id", required=True),
    Place("CreDtTm", "created", "instant", required=True),
    Place("NbOfTxs", "records", "count", required=True),
    Place("CtrlSum", "out_fen", "sum"),
    Place("InitgPty/Id/OrgId/Othr/Id", "sender"),
)
ORDER: Final = (
    Place("PmtInfId", "number"),
    Place("PmtMtd", const="TRF"),
    Place("PmtTpInf/InstrPrty", "urgent", codes=PRIORITY),  # type: ignore[arg-type]  # a flag said as a code
    Place("ReqdExctnDt/Dt", "value_date", "date", required=True),
    Place("Dbtr/Nm", const=NOT_PROVIDED),
    Place("DbtrAcct/Id/Othr/Id", "payer_account", most=34, required=True),
)
PLACES: Final = (
    Place("PmtId/InstrId", "pay_id"),
    Place("PmtId/EndToEndId", "pay_ref", required=True),
    Place("Amt/InstdAmt", "amount_fen", "amount", required=True),
    Place("CdtrAgt/FinInstnId/ClrSysMmbId/ClrSysId/Cd", "payee_bank", const=CNAPS),
    Place("CdtrAgt/FinInstnId/ClrSysMmbId/MmbId", "payee_bank"),
    Place("Cdtr/Nm", "payee_name", most=140),
    Place("CdtrAcct/Id/Othr/Id", "payee_account", most=34),
    Place("Purp/Prtry", "purpose"),
)
KINDS: Final[Mapping[str, Kind]] = {
    "pay_id": "text",
    "payer_account_whole": "text",
    "payee_bank": "text",
    "payee_account": "text",
    "payee_name": "text",
    "corporate": "flag",
    "purpose": "text",
}
ACCOUNT_MAX: Final = 34


def spread(line: PayLine, _head: Head) -> dict[str, Any]:
    """A line as values."""
    values = line._asdict() | {"pay_ref": short_id(line.pay_id)}
    if len(line.payer_account) > ACCOUNT_MAX:
        values["payer_account_whole"] = line.payer_account
    return values


def gather(values: dict[str, Any]) -> dict[str, Any]:
    """The fields of a line; text that is not there is empty."""
    fields = {name: values.get(name, "") for name in PayLine._fields}
    fields["pay_id"] = fields["pay_id"] or values["pay_ref"]
    fields["payer_account"] = values.get("payer_account_whole") or fields["payer_account"]
    fields |= {name: values.get(name, False) for name in ("corporate", "urgent")}
    return fields


PAIN_001: Final = Message(
    id="pain.001.001.09",
    file_type="PAY",
    root="CstmrCdtTrfInitn",
    record="CdtTrfTxInf",
    model=PayLine,
    places=PLACES,
    inside="",
    holder="Payment",
    kinds=KINDS,
    spread=spread,
    gather=gather,
    header=HEADER,
    above=ORDER,
)


def parts(head: Head, records: Iterable[Element], zone: tzinfo) -> Iterator[Element | Group]:
    """The document's parts: header, payments (each `PmtInf` whole), the file's own figures."""
    yield group_header(PAIN_001, head, zone)
    yield from records
    yield file_figures(head, zone)


class Orders:
    """Opens a `PmtInf` for lines in a row of one account, date and priority. 付款批次"""

    def __init__(self) -> None:
        self._key: tuple[Any, ...] | None = None
        self._number = 0

    def before(self, line: PayLine, zone: tzinfo) -> list[Element] | None:
        """What stands in a new `PmtInf` before the line; None when it belongs to the one that is open."""
        key = (line.payer_account, line.value_date, line.urgent)
        if key == self._key:
            return None
        self._key = key
        self._number += 1
        account = line.payer_account
        values = {
            "number": f"{self._number}",
            "urgent": line.urgent,
            "value_date": line.value_date,
            "payer_account": account if len(account) <= ACCOUNT_MAX else NOT_PROVIDED,
        }
        order = etree.Element("PmtInf")
        put(order, ORDER, values, zone)
        agent = etree.SubElement(etree.SubElement(order, "DbtrAgt"), "FinInstnId")
        etree.SubElement(etree.SubElement(agent, "Othr"), "Id").text = NOT_PROVIDED
        return list(order)

    @property
    def opened(self) -> bool:
        """Whether one is open."""
        return self._key is not None
