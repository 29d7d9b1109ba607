"""Clearing files whole, with all their bytes and digests: of small days, and of lines no entry gave. 清算文件"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import Any

from clearing.files.day_files import DayFiles, Opening, Versions, Whole
from clearing.files.draft import Body, Draft, Part, writer_of
from clearing.files.layout import Layout
from clearing.files.names import FileName
from clearing.ledger.business_day import BusinessClock
from clearing.ledger.entry import Entry
from clearing.ledger.facts import Instruction
from clearing.ledger.members import Members


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedFile:
    """One file with all its bytes; they never change."""

    name: str
    type: str
    sender: str
    receiver: str
    clearing_date: date
    seq: int
    version: int
    profile: str
    content: bytes
    records: int
    """Detail lines."""
    amount_total: int
    """Fen, sum of the amounts of the lines that carry an id."""
    hash_total: int
    net_fen: int
    """What the receiver gets (positive) or pays: its position with the other sign."""
    sha256: str
    sm3: str
    replaces: str
    """file_id of the version before, empty for the first."""
    notes: tuple[str, ...] = ()
    """Where characters had to be replaced: line and column, never the value; the first 100."""


def day_files(
    day: date,
    entries: Iterable[Entry],
    instructions: Iterable[Instruction],
    members: Members,
    *,
    value_date: date,
    layout: Layout,
    opening: Opening = Opening(),  # noqa: B008 - a value that never changes
    versions: Versions | None = None,
) -> Iterator[RenderedFile]:
    """All files of a small day, in one layout and whole. 当日清算文件

    In, Raises, Source: as `DayFiles`.
    Out:     per member in order of code and sequence, types in the order TXN, SUM, ERR, DEP, NRC, SWP; a member
             without lines gets them with count 0.
    """
    from clearing.ledger.entry_columns import EntryColumns  # noqa: PLC0415 - a large library

    made = DayFiles(day, members, {"": [layout]}, opening=opening, versions=versions)
    full = made.feed(EntryColumns.of(entries))
    for one in made.end(instructions, value_date):
        yield _rendered(one, [part for part in full if part.name == one.file.name])


def file_of(
    name: FileName,
    lines: Iterable[tuple[str, Any]],
    layout: Layout,
    clock: BusinessClock,
    cnaps: Mapping[str, str] | None = None,
) -> RenderedFile:
    """One file from its lines: PAY, PYR, RTN, ACK and whatever else is not made of a day's entries. 单个文件

    In:      (tag, a value of the record model of its type and tag) in the order they are to stand; of ISO 20022
             with the banks' numbers by code.
    Out:     bytes, digests, totals; the same lines give the same bytes. A value that the file cannot carry as it
             is (characters, length) is noted in `notes`.
    Source:  contract "Clearing files".
    """
    body = Body(writer_of(layout, name.type, clock.zone, cnaps), name)
    draft = Draft([body])
    for tag, run in groupby(lines, itemgetter(0)):
        draft.add(tag, *(line for _, line in run))
    last = body.take()
    made = draft.finished(body, clock)
    return _rendered(Whole(made, [Part(made.name, 0, made.before), Part(made.name, 2, made.after)]), [last])


def _rendered(whole: Whole, full: Sequence[Part]) -> RenderedFile:
    one = whole.file
    content = b"".join(part.content for part in sorted([*full, *whole.parts], key=itemgetter(1)))
    return RenderedFile(
        name=one.name,
        type=one.type,
        sender=one.sender,
        receiver=one.receiver,
        clearing_date=one.clearing_date,
        seq=one.seq,
        version=one.version,
        profile=one.layout.profile,
        content=content,
        records=one.records,
        amount_total=one.amount_total,
        hash_total=one.hash_total,
        net_fen=one.net_fen,
        sha256=hashlib.sha256(content).hexdigest(),
        sm3=hashlib.new("sm3", content).hexdigest(),
        replaces=one.replaces,
        notes=one.notes,
    )
