"""camt.053.001.08: a member's day as a statement of its position. 清算明细对账单

Opened at zero, since a position is settled every day; closed at what the member gets (CRDT) or pays (DBIT).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import tzinfo
from typing import Final

from lxml import etree

from clearing.files.iso20022.entries import CREDIT, INSIDE, KINDS, PLACES, gather, spread
from clearing.files.iso20022.message import (
    Head,
    Message,
    Reader,
    file_figures,
    group_header,
    sign_of,
    signed,
)
from clearing.files.iso20022.places import CURRENCY, Element, Place, put, take
from clearing.files.iso20022.stream import Group, listener
from clearing.files.records import TxnLine

HEADER: Final = (
    Place("MsgId", "message_id", required=True),
    Place("CreDtTm", "created", "instant", required=True),
    Place("MsgRcpt/Id/OrgId/Othr/Id", "receiver"),
)
CAMT_053: Final = Message(
    id="camt.053.001.08",
    file_type="TXN",
    root="BkToCstmrStmt",
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
STATEMENT: Final = (
    Place("Id", "message_id", required=True),
    Place("CreDtTm", "created", "instant"),
    Place("FrToDt/FrDtTm", "cut_from", "instant"),
    Place("FrToDt/ToDtTm", "cut_to", "instant"),
    Place("Acct/Id/Othr/Id", "receiver", most=34),
    Place("Acct/Id/Othr/SchmeNm/Prtry", const="MEMBER"),
    Place("Acct/Ccy", const=CURRENCY),
    Place("Acct/Ownr/Id/OrgId/Othr/Id", "receiver"),
)
BALANCE: Final = (
    Place("Tp/CdOrPrtry/Cd", "code", required=True),
    Place("Amt", "balance_abs", "amount", required=True),
    Place("CdtDbtInd", "balance_sign", codes=CREDIT, required=True),
    Place("Dt/Dt", "clearing_date", "date"),
)
SUMMARY: Final = (
    Place("TtlNtries/NbOfNtries", "records", "count"),
    Place("TtlNtries/TtlNetNtry/Amt", "net_abs", "sum"),
    Place("TtlNtries/TtlNetNtry/CdtDbtInd", "net_sign", codes=CREDIT),
)


def parts(head: Head, records: Iterable[Element], zone: tzinfo) -> Iterator[Element | Group]:
    """The document's parts: header, the statement with its entries, the file's own figures.

    In:      a head whose totals are those of the records.
    """
    yield group_header(CAMT_053, head, zone)
    statement = etree.Element("Stmt")
    put(statement, STATEMENT, statement_values(head), zone)
    for code, fen in (("OPBD", 0), ("CLBD", head.net_fen)):
        balance = etree.SubElement(statement, "Bal")
        said = {"code": code, "clearing_date": head.clearing_date}
        put(balance, BALANCE, said | {"balance_abs": abs(fen), "balance_sign": sign_of(fen)}, zone)
    net = {"net_abs": abs(head.net_fen), "net_sign": sign_of(head.net_fen)}
    put(etree.SubElement(statement, "TxsSummry"), SUMMARY, {"records": head.records} | net, zone)
    yield Group("Stmt", statement, records)
    yield file_figures(head, zone)


def statement_values(head: Head) -> dict[str, object]:
    """What stands at the head of a statement, or of a notice."""
    return {
        "message_id": head.message_id,
        "created": head.created,
        "cut_from": head.cut_from,
        "cut_to": head.cut_to,
        "receiver": head.receiver,
    }


def figures(reader: Reader) -> dict[str, object]:
    """What a document that was read says of itself: its id, count and balances, opening and closing."""
    found: dict[str, object] = {}
    if reader.root is None:
        return found
    space = reader.space
    for statement in reader.root.iterfind(f".//{{{space}}}Stmt"):
        source = reader.source(listener(reader.faults, "//Stmt"))
        found |= take(statement, STATEMENT, source)
        summary = statement.find(f"{{{space}}}TxsSummry")
        if summary is not None:
            said = take(summary, SUMMARY, source)
            found |= {"records": said.get("records")} | (
                {"net_fen": signed(said, "net")} if "net_abs" in said else {}
            )
        for number, balance in enumerate(statement.findall(f"{{{space}}}Bal"), 1):
            said = take(balance, BALANCE, reader.source(listener(reader.faults, f"//Bal[{number}]")))
            if "code" in said:
                found[str(said["code"])] = signed(said, "balance")
    return found
