"""Profile X as the other profiles are: files from lines, files checked and read, by name. ISO 20022文件"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, Final, NamedTuple

from clearing.files.agree import disagreement
from clearing.files.faults import Faults
from clearing.files.iso20022 import camt053, camt054, pain001, pain002
from clearing.files.iso20022.message import Head, Message, Reader, short_id, write
from clearing.files.layout import FileName, parse_layout
from clearing.files.parse import Row
from clearing.files.totals import Totals
from clearing.files.values import BUSINESS_ZONE
from clearing.ledger.business_day import BusinessClock
from clearing.ledger.money import yuan

PROFILE: Final = "X"


class Written(NamedTuple):
    """A document, and its control totals."""

    content: bytes
    totals: Totals


class _Kind(NamedTuple):
    message: Message
    parts: Callable[..., Iterator[Any]]


KINDS: Final[Mapping[str, _Kind]] = {
    "TXN": _Kind(camt053.CAMT_053, camt053.parts),
    "PAY": _Kind(pain001.PAIN_001, pain001.parts),
    "PYR": _Kind(pain002.PAIN_002, pain002.parts),
    "NTF": _Kind(camt054.CAMT_054, camt054.parts),
}
"""File type → its message."""

LAYOUT: Final = parse_layout(
    """
    id = "RHCX0100"
    profile = "X"
    title = "ISO 20022"
    shape = "framed"
    name = "RHC_{type}_{from}_{to}_{date}_{seq}_V{version}"
    extension = "xml"
    encoding = "utf-8"
    delimiter = "<"
    substitute = " "
    date_format = "YYYY-MM-DD"
    instant_format = "YYYYMMDDhhmmss"
    types = {}
    """,
    "X",
)
"""What profile X has in common with the others: names, and an entry among the layouts that files were written in."""


def document_of(
    name: FileName, lines: Iterable[Any], clock: BusinessClock, *, cnaps: Mapping[str, str] | None = None
) -> Written:
    """One file from its lines: TXN, PAY, PYR, and NTF for a notice. 单个报文

    In:      values of the type's record model in the order they are to stand, walked twice: first for what the
             head says; the banks' numbers in the clearing system by code, for those to be named by it.
    Out:     the same lines give the same bytes.
    """
    kind, told = KINDS[name.type], list(lines)
    totals = Totals()
    for line in told:
        totals.add(line)
    previous = name._replace(version=name.version - 1)
    head = Head(
        file_id=LAYOUT.stem(name),
        sender=name.sender,
        receiver=name.receiver,
        clearing_date=name.date,
        cut_from=clock.cut_from(name.date),
        cut_to=clock.cut_to(name.date),
        created=clock.cut_to(name.date),
        replaces=LAYOUT.stem(previous) if name.version > 1 else "",
        records=totals.records,
        in_fen=totals.in_fen,
        out_fen=totals.out_fen,
        fee_fen=totals.fee_fen,
        net_fen=totals.net_fen,
        hash_total=totals.hash_total,
        cnaps=cnaps or {},
    )
    out = io.BytesIO()
    write(out, kind.message, kind.parts(head, told, clock.zone))
    return Written(out.getvalue(), totals)


@dataclass(slots=True)
class Document:
    """One document on its way in: first its rows, then what is wrong with it as a whole. 报文读取"""

    name: str
    zone: tzinfo = BUSINESS_ZONE
    faults: Faults = field(init=False)
    totals: Totals = field(default_factory=Totals)
    figures: dict[str, Any] = field(default_factory=dict)
    """What the document says of itself."""

    def __post_init__(self) -> None:
        self.faults = Faults(self.name)

    def rows(self, content: bytes) -> Iterator[Row]:
        """The lines that could be read; memory holds one at a time.

        In:      any bytes.
        Out:     once they are through, `faults` has all that is wrong, `figures` what the file says of itself.
        """
        said = LAYOUT.parse_name(self.name)
        kind = KINDS.get(said.type) if said else None
        if said is None or kind is None:
            self.faults.add("FMT-010", f"a name like {LAYOUT.example()} of {' '.join(KINDS)}", self.name)
            return
        reader = Reader(self.name, kind.message, self.zone, self.faults)
        agreed = Faults(self.name)
        last = ("", "")
        for row in reader.rows(content):
            self.totals.add(row.record)
            wrong = disagreement(row.record)
            if wrong is not None:
                agreed.add("FMT-009", wrong[1], wrong[2], line=row.line, column=wrong[0])
            key = (row.record.entry_id, row.record.account) if kind.message.file_type == "TXN" else None
            if key is not None:
                if key <= last:
                    agreed.add("FMT-009", f"an entry after {' '.join(last)}", " ".join(key), line=row.line)
                last = key
            yield row
        self.figures = reader.figures
        if kind.message.file_type == "TXN":
            self.figures |= camt053.figures(reader)
        if reader.root is not None and not self.faults.found:
            self.faults.found += agreed.found
            self._cross(said)

    def _cross(self, said: FileName) -> None:
        """What the document says of itself against its name and its lines."""
        totals, file_id = self.totals, LAYOUT.stem(said)
        fees = ("fees_borne", "fees_given_back")
        expected: dict[str, object] = {
            "file_id": file_id,
            "message_id": short_id(file_id),
            "sender": said.sender,
            "receiver": said.receiver,
            "clearing_date": said.date,
            "records": totals.records,
            "in_amount": totals.in_fen,
            "out_amount": totals.out_fen,
            "out_fen": totals.out_fen,
            "net_fen": totals.net_fen,
            fees[0]: max(totals.fee_fen, 0),
            fees[1]: max(-totals.fee_fen, 0),
            "hash_total": totals.hash_total,
            "CLBD": int(self.figures.get("OPBD") or 0) + totals.net_fen,
        }
        money = {"in_amount", "out_amount", "out_fen", "net_fen", "CLBD", *fees}
        for name, wanted in expected.items():
            got = self.figures.get(name)
            if got is not None and got != wanted:
                shown = [yuan(int(str(one))) if name in money else str(one) for one in (wanted, got)]
                self.faults.add("FMT-009", shown[0], shown[1], column=name)
