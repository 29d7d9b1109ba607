"""camt.054.001.08: credits and debits of a member as they happen, each told once. 实时入账通知"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import tzinfo
from typing import Final

from lxml import etree

from clearing.files.iso20022.camt053 import CAMT_053, STATEMENT, statement_values
from clearing.files.iso20022.message import Head, file_figures, group_header
from clearing.files.iso20022.places import Element, put
from clearing.files.iso20022.stream import Group

CAMT_054: Final = CAMT_053._replace(id="camt.054.001.08", file_type="NTF", root="BkToCstmrDbtCdtNtfctn")


def parts(head: Head, records: Iterable[Element], zone: tzinfo) -> Iterator[Element | Group]:
    """The document's parts: header, the notice with its entries, the file's own figures; no balance, the day runs."""
    yield group_header(CAMT_054, head, zone)
    notice = etree.Element("Ntfctn")
    put(notice, STATEMENT, statement_values(head), zone)
    yield Group("Ntfctn", notice, records)
    yield file_figures(head, zone)
