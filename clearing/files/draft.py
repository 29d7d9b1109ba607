"""Files that are being written: lines go in, parts of whole lines come out. 在写文件

A file says in its head what only its last line tells. So its lines are written first, in parts that may be kept
as they come, and the head is put before them at the end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, tzinfo
from typing import Any, Final, NamedTuple, TypeAlias

from clearing.files.columns_out import Lines, Values
from clearing.files.iso20022.writer import XmlWriter
from clearing.files.layout import Layout
from clearing.files.names import FileName
from clearing.files.render import Writer
from clearing.files.totals import HASH_MODULUS, Totals
from clearing.ledger.business_day import BusinessClock

NOTES_MAX: Final = 100
PART_BYTES: Final = 1 << 18
"""A part is taken when it has so many bytes: small against memory, large against a row of the database."""
TextWriter: TypeAlias = Writer | XmlWriter
Group: TypeAlias = tuple[str, str, str, str]
"""(event type, institution, bank, route) of a line of SUM."""


class Part(NamedTuple):
    """Some whole lines of a file, at their place."""

    name: str
    no: int
    content: bytes


class Body:
    """The lines of one file in one layout."""

    __slots__ = ("encoding", "held", "kept", "name", "notes", "size", "sm3", "taken", "writer")

    def __init__(self, writer: TextWriter, name: FileName) -> None:
        self.writer = writer
        self.name = name
        self.encoding = writer.layout.encoding
        self.held: list[bytes] = []
        """Lines that are in no part yet."""
        self.size = 0
        """Bytes of those."""
        self.kept = 0
        """Bytes in parts."""
        self.taken = 0
        """Parts taken: the first is number 1, since the head is 0."""
        self.sm3: Any = hashlib.new("sm3")
        """Over the parts."""
        self.notes: list[str] = []

    def add(self, texts: Sequence[str]) -> None:
        """Take lines, as its writer wrote them."""
        text = "".join(texts)
        if text.isascii():
            lines = text.encode("ascii")
        else:  # the codec of GB18030 is slow: it gets only the lines that need it
            lines = b"".join([one.encode("ascii" if one.isascii() else self.encoding) for one in texts])
        self.held.append(lines)
        self.size += len(lines)

    @property
    def file(self) -> str:
        """The file's name."""
        layout = self.writer.layout
        return f"{layout.stem(self.name)}.{layout.extension}"

    def take(self) -> Part:
        """What is held, as the next part."""
        content = b"".join(self.held)
        self.held.clear()
        self.kept += len(content)
        self.size = 0
        self.taken += 1
        self.sm3.update(content)
        return Part(self.file, self.taken, content)


def writer_of(
    layout: Layout, file_type: str, zone: tzinfo, cnaps: Mapping[str, str] | None = None
) -> TextWriter:
    """What writes the lines of a file type in a layout; of ISO 20022 with the banks' numbers by code."""
    return (
        XmlWriter(layout, file_type, zone, cnaps)
        if layout.shape == "iso20022"
        else Writer(layout, file_type, zone)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A file of which all is known but the digests over the whole."""

    name: str
    type: str
    sender: str
    receiver: str
    clearing_date: date
    seq: int
    version: int
    layout: Layout
    before: bytes
    """Part 0."""
    parts: int
    """How many parts stand between `before` and `after`."""
    body_sm3: str
    """Over those, hex digits."""
    after: bytes
    """The last part; empty: there is none."""
    size: int
    records: int
    """Detail lines."""
    amount_total: int
    """Fen, sum of the amounts of the lines that carry an id."""
    hash_total: int
    net_fen: int
    """What the receiver gets (positive) or pays."""
    replaces: str
    """file_id of the version before, empty for the first."""
    notes: tuple[str, ...]
    """Where characters had to be replaced: line and column, never the value; the first 100."""


@dataclass(slots=True)
class Draft:
    """One file of a receiver, in each layout it gets: its lines are counted once."""

    bodies: Sequence[Body]
    totals: Totals = field(default_factory=Totals)
    groups: dict[Group, list[int]] = field(default_factory=dict)
    """Of TXN: a group's lines, in, out, fee, net, amount and sum of ids."""

    def add(self, tag: str, *records: Any) -> None:  # noqa: ANN401  (records of one model)
        """Count lines of one kind and write them in every layout."""
        if records:
            self.write(tag, type(records[0]), tuple(zip(*records, strict=True)))

    def write(self, tag: str, model: type[Any], columns: Sequence[Values]) -> None:
        """Count lines of one kind, one or more, given by field, and write them in every layout."""
        first = self.totals.records + 1
        self.totals.add(model, columns)
        lines = Lines(tag, model, columns, range(first, self.totals.records + 1))
        for body in self.bodies:
            made = body.writer.block(lines)
            body.add(made.texts)
            body.notes += [note for _, note in made.notes]

    def sum_up(self) -> None:
        """Take the file's sums from its groups, once all lines are counted."""
        sums = [sum(column) for column in zip(*self.groups.values(), strict=True)] or [0] * 7
        totals, hash_total = self.totals, sums.pop()
        _, totals.in_fen, totals.out_fen, totals.fee_fen, totals.net_fen, totals.amount_fen = sums
        totals.hash_total = hash_total % HASH_MODULUS

    def finished(self, body: Body, clock: BusinessClock) -> Finished:
        """The file of one layout with head and tail.

        In:      a body whose every line is in a part.
        """
        name, layout, totals = body.name, body.writer.layout, self.totals
        replaces = layout.stem(name._replace(version=name.version - 1)) if name.version > 1 else ""
        body_sm3 = body.sm3.hexdigest()
        values = {
            "type": name.type,
            "file_id": layout.stem(name),
            "sender": name.sender,
            "receiver": name.receiver,
            "clearing_date": name.date,
            "cut_from": clock.cut_from(name.date),
            "cut_to": clock.cut_to(name.date),
            "records": totals.records,
            "in_fen": totals.in_fen,
            "out_fen": totals.out_fen,
            "net_fen": totals.net_fen,
            "fee_fen": totals.fee_fen,
            "reprocessed": name.version > 1,
            "replaces": replaces,
            "created": clock.cut_to(name.date),
            "hash_total": totals.hash_total,
            "body_sm3": body_sm3,
        }
        before, after = body.writer.before(values), body.writer.after(values)
        return Finished(
            name=body.file,
            type=name.type,
            sender=name.sender,
            receiver=name.receiver,
            clearing_date=name.date,
            seq=name.seq,
            version=name.version,
            layout=layout,
            before=before,
            parts=body.taken,
            body_sm3=body_sm3,
            after=after,
            size=len(before) + body.kept + len(after),
            records=totals.records,
            amount_total=totals.amount_fen,
            hash_total=totals.hash_total,
            net_fen=totals.net_fen,
            replaces=replaces,
            notes=tuple(body.notes[:NOTES_MAX]),
        )
