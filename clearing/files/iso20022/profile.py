"""A document of profile X read and compared with itself, as `parse` and `check` do with lines. ISO 20022文件"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from clearing.files.agree import disagreement
from clearing.files.faults import Faults
from clearing.files.iso20022 import camt053, pain002
from clearing.files.iso20022.message import Reader, short_id
from clearing.files.iso20022.writer import KINDS
from clearing.files.layout import Layout
from clearing.files.names import FileName
from clearing.files.parse import Row
from clearing.files.totals import Totals
from clearing.files.values import BUSINESS_ZONE
from clearing.ledger.money import yuan


@dataclass(slots=True)
class Document:
    """One document on its way in: first its rows, then what is wrong with it as a whole. 报文读取"""

    name: str
    layout: Layout
    zone: tzinfo = BUSINESS_ZONE
    file_type: str = ""
    """What to read a document of an unknown name as, besides refusing the name."""
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
        said = self.layout.parse_name(self.name)
        kind = KINDS.get(said.type if said else self.file_type)
        if said is None or kind is None:
            self.faults.add("FMT-010", f"a name like {self.layout.example()} of {' '.join(KINDS)}", self.name)
        if kind is None:
            return
        reader = Reader(self.name, kind.message, self.zone, self.faults)
        agreed = Faults(self.name)
        last = ("", "")
        for row in reader.rows(content):
            self.totals.add(type(row.record), [(value,) for value in row.record])
            wrong = disagreement(row.record)
            if wrong is not None:
                agreed.add("FMT-009", wrong[1], wrong[2], line=row.line, column=row.column(wrong[0]))
            key = (row.record.entry_id, row.record.account) if kind.message.file_type == "TXN" else None
            if key is not None:
                if key <= last:
                    agreed.add("FMT-009", f"an entry after {' '.join(last)}", " ".join(key), line=row.line)
                last = key
            yield row
        self.figures = reader.figures
        if kind.message.file_type == "TXN":
            self.figures |= camt053.figures(reader)
        if kind.message.file_type == "PYR" and not self.totals.records:
            pain002.without_payments(reader)
        if reader.root is not None and said is not None and not self.faults.found:
            self.faults.found += agreed.found
            self._cross(said)

    def _cross(self, said: FileName) -> None:
        """What the document says of itself against its name and its lines."""
        totals, file_id = self.totals, self.layout.stem(said)
        fees = ("fees_borne", "fees_given_back")
        # Who knows nothing of our supplement names the message, and both ends of it, in its own way.
        names: dict[str, object] = {
            "file_id": file_id,
            "message_id": short_id(file_id),
            "sender": said.sender,
            "receiver": said.receiver,
            "clearing_date": said.date,
        }
        expected: dict[str, object] = {
            **(names if "file_id" in self.figures else {}),
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
