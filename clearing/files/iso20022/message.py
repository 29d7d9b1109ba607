"""What all four messages have in common: records to elements and back, the file's own figures. 报文"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from typing import Any, Final, NamedTuple

from lxml import etree

from clearing.files.faults import Faults
from clearing.files.iso20022.places import Element, Kind, Place, Source, Wrong, extra, put, supplement, take
from clearing.files.iso20022.stream import Reading, listener
from clearing.files.parse import Row
from clearing.ledger.money import yuan

ID_MAX: Final = 35
NOT_PROVIDED: Final = "NOTPROVIDED"
"""What ISO 20022 says where it wants a text and there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a document says of itself; of one that was read, what it says."""

    file_id: str
    sender: str
    receiver: str
    clearing_date: date
    cut_from: datetime
    cut_to: datetime
    created: datetime
    replaces: str = ""
    records: int = 0
    in_fen: int = 0
    out_fen: int = 0
    fee_fen: int = 0
    net_fen: int = 0
    hash_total: int = 0
    cnaps: Mapping[str, str] = field(default_factory=dict)
    """Code of a bank → its number in the clearing system, for those that are to be named by it."""

    @property
    def message_id(self) -> str:
        """The file's id, or a digest of it: ISO 20022 gives an id 35 characters."""
        return short_id(self.file_id)


FILE_KINDS: Final[Mapping[str, Kind]] = {
    "file_id": "text",
    "sender": "text",
    "receiver": "text",
    "clearing_date": "date",
    "cut_from": "instant",
    "cut_to": "instant",
    "replaces": "text",
    "records": "count",
    "in_amount": "sum",
    "out_amount": "sum",
    "fees_borne": "sum",
    "fees_given_back": "sum",
    "hash_total": "count",
}
"""The file's own figures in its supplementary data; what the message has a place for stands there as well."""


class Message(NamedTuple):
    """One message: how its records look."""

    id: str
    file_type: str
    root: str
    record: str
    """The element of a record."""
    model: type[Any]
    places: tuple[Place, ...]
    inside: str
    """Below the record, the element that takes supplementary data; empty: the record itself."""
    holder: str
    """Name of the record's supplement."""
    kinds: Mapping[str, Kind]
    """Field → kind, for what may stand in the supplement."""
    spread: Callable[[Any, Head], dict[str, Any]]
    """A record as values by field, with those that only the message has."""
    gather: Callable[[dict[str, Any]], dict[str, Any]]
    """Values that were read as fields of the record model."""
    header: tuple[Place, ...]
    """Places in `GrpHdr`."""
    above: tuple[Place, ...] = ()
    """Places in the element above the record that hold for it."""
    several: str = ""
    """Below the record, the element of which it may have several: each is a record with `part`, of `part_fen`."""


def short_id(text: str) -> str:
    """An id in 35 characters: itself, or the first 32 hex digits of its SM3."""
    return text if len(text) <= ID_MAX else hashlib.new("sm3", text.encode()).hexdigest()[:32]


def signed(values: Mapping[str, Any], name: str) -> int:
    """An amount and its sign, as two values, as one: positive CRDT."""
    fen = int(values.get(f"{name}_abs") or 0)
    return -fen if values.get(f"{name}_sign") == "-" else fen


def sign_of(fen: int) -> str:
    """`+` for what is received, zero too."""
    return "-" if fen < 0 else "+"


# ---------------------------------------------------------------- writing


def element_of(message: Message, record: Any, head: Head, zone: tzinfo) -> Element:  # noqa: ANN401  (of any model)
    """A record as an element."""
    values = message.spread(record, head)
    element = etree.Element(message.record)
    placed = put(element, message.places, values, zone) | {place.field for place in message.above}
    left = {name: kind for name, kind in message.kinds.items() if name not in placed}
    inner = element
    for name in filter(None, message.inside.split("/")):
        found = inner.find(name)
        inner = etree.SubElement(inner, name) if found is None else found
    supplement(inner, message.holder, values, left, zone)
    return element


def group_header(message: Message, head: Head, zone: tzinfo) -> Element:
    """`GrpHdr`."""
    element = etree.Element("GrpHdr")
    fields = {place.field for place in message.header if place.field}
    put(element, message.header, {name: getattr(head, name) for name in fields}, zone)
    return element


def file_figures(head: Head, zone: tzinfo) -> Element:
    """The supplementary data of the whole document."""
    values = {name: getattr(head, name, None) for name in FILE_KINDS}
    values |= {"in_amount": head.in_fen, "out_amount": head.out_fen}
    values["fees_borne" if head.fee_fen >= 0 else "fees_given_back"] = abs(head.fee_fen)
    root = etree.Element("root")
    supplement(root, "File", values, FILE_KINDS, zone)
    return root[0]


# ---------------------------------------------------------------- reading


@dataclass(slots=True)
class Reader:
    """Reads a document of one message; the rows first, then what it says of itself. 报文解析"""

    name: str
    message: Message
    zone: tzinfo
    faults: Faults
    figures: dict[str, Any] = field(default_factory=dict)
    """The file's own figures, once all rows are through."""
    root: Element | None = None
    """The document without its records, then too; None when it could not be read to its end."""
    space: str = ""

    def rows(self, content: bytes) -> Iterator[Row]:
        """The records that could be read, in order, as values of the message's model.

        In:      any bytes.
        Out:     with the line each begins on; what is wrong is in `faults`.
        """
        model = self.message.model
        for line, item, fields in self._read(content):
            yield Row(line, "D", model(**{name: fields.get(name) for name in model._fields}), item)

    def cells(self, content: bytes) -> Iterator[tuple[int, str, dict[str, Any]]]:
        """(line, XPath, the record as `gather` gives it) of each, for what has no record model."""
        return self._read(content)

    def _read(self, content: bytes) -> Iterator[tuple[int, str, dict[str, Any]]]:
        message = self.message
        reading = Reading(self.name, message.id, message.record, self.faults)
        self.space = reading.space
        above: tuple[Element | None, dict[str, Any]] = (None, {})
        for number, element in enumerate(reading.records(content), 1):
            parent = element.getparent()
            if message.above and parent is not None and parent is not above[0]:
                where = listener(self.faults, f"{self._item(number)}/..")
                above = (parent, take(parent, message.above, self.source(where)))
            before = len(self.faults.found)
            found = [{**above[1], **values} for values in self._parts(element, number)]
            if len(self.faults.found) == before:
                line = element.sourceline if isinstance(element.sourceline, int) else 0
                yield from ((line, self._item(number), message.gather(values)) for values in found)
        self.root = reading.root
        if self.root is not None and not self.faults.full:
            below = self.root.find(f"{{{self.space}}}{message.root}")
            wrong = listener(self.faults, f"/Document/{message.root}")
            if below is None:
                wrong(self.root, message.root, f"an element {message.root}", "", "FMT-002")
                self.root = None
                return
            header = below.find(f"{{{self.space}}}GrpHdr")
            if header is None:
                wrong(below, "GrpHdr", "an element GrpHdr", "", "FMT-002")
            else:
                heard = listener(self.faults, f"/Document/{message.root}/GrpHdr")
                self.figures = take(header, message.header, self.source(heard))
            self.figures |= extra(below, "File", FILE_KINDS, self.source(wrong))

    def _item(self, number: int) -> str:
        """The XPath of a record, from 1."""
        return f"(//{self.message.record})[{number}]"

    def source(self, wrong: Wrong) -> Source:
        """What reading an element of this document needs."""
        return Source(self.space, self.zone, wrong)

    def _parts(self, element: Element, number: int) -> Iterator[dict[str, Any]]:
        """A record's values; of one that has several details, those of each, with its own amount."""
        path = "/".join(f"{{{self.space}}}{name}" for name in self.message.several.split("/"))
        details = element.findall(path) if self.message.several else []
        holder = details[0].getparent() if details else None
        if len(details) < 2 or holder is None:  # noqa: PLR2004 - several
            yield self._values(element, number)
            return
        for one in details:
            above = one.getparent()
            if above is not None:
                above.remove(one)
        rest, total = 0, 0
        wrong = listener(self.faults, self._item(number))
        for one in details:
            holder.append(one)
            values = self._values(element, number)
            holder.remove(one)
            if "part_fen" not in values:
                wrong(one, f"{self.message.several}/Amt", "an amount, since there are several", "", "FMT-004")
                return
            rest += values["part_fen"]
            total = values.get("amount_fen", 0)
            yield values | {"amount_fen": values["part_fen"], "part": True}
        if rest != total:
            wrong(element, "Amt", f"{yuan(rest)} as its details", yuan(total), "FMT-009")

    def _values(self, element: Element, number: int) -> dict[str, Any]:
        message = self.message
        source = self.source(listener(self.faults, self._item(number)))
        values = take(element, message.places, source)
        inner: Element | None = element
        for name in filter(None, message.inside.split("/")):
            inner = None if inner is None else inner.find(f"{{{self.space}}}{name}")
        if inner is not None:
            values |= extra(inner, message.holder, message.kinds, source)
        return values
