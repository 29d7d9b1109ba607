"""camt.054.001.08: credits and debits of a member as they happen, each told once. 实时入账通知"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import tzinfo
from typing import Final

from lxml import etree

from clearing.files.iso20022.camt053 import HEADER, STATEMENT
from clearing.files.iso20022.entries import INSIDE, KINDS, PLACES, gather, spread
from clearing.files.iso20022.message import Head, Message, file_figures, group_header
from clearing.files.iso20022.places import Element, put
from clearing.files.iso20022.stream import Group
from clearing.files.records import TxnLine

CAMT_054: Final = Message(
    id="camt.054.001.08",
    file_type="NTF",
    root="BkToCstmrDbtCdtNtfctn",
    record="Ntry",
    model=TxnLine,
    places=PLACES,
    inside=INSIDE,
    holder="Entry",
    kinds=KINDS,
    spread=spread,
    gather=gather,
    header=HEADER,
)


def parts(head: Head, records: Iterable[Element], zone: tzinfo) -> Iterator[Element | Group]:
    """The document's parts: header, the notice with its entries, the file's own figures; no balance, the day runs."""
    yield group_header(CAMT_054, head, zone)
    notice = etree.Element("Ntfctn")
    said = {
        "message_id": head.message_id,
        "created": head.created,
        "cut_from": head.cut_from,
        "cut_to": head.cut_to,
        "receiver": head.receiver,
    }
    put(notice, STATEMENT, said, zone)
    yield Group("Ntfctn", notice, records)
    yield file_figures(head, zone)
