"""Clearing files, from lines to bytes and digests: a day's from its entries, others from lines. 清算文件

Entries pass through once, in order of id: each line is written to its receiver's file as soon as it is known,
so that a day of a million lines holds its bytes and nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, TypeAlias

from clearing.errors import InvariantViolated
from clearing.files.layout import FileName, Layout
from clearing.files.lines import OF_THE_CLOSE, Target, Targets, instruction_line, sides, txn_lines
from clearing.files.records import InstructionLine, SumLine, TxnLine
from clearing.files.render import Writer, body_sm3
from clearing.files.totals import HASH_MODULUS, Totals, hash_part
from clearing.ledger.business_day import BusinessClock
from clearing.ledger.entry import Entry
from clearing.ledger.facts import Instruction
from clearing.ledger.members import Members

ROLL_UP: Final = "day.roll_up"
NOTES_MAX: Final = 100
Group: TypeAlias = tuple[str, str, str, str]
"""(event type, institution, bank, route) of a line of SUM."""
Versions: TypeAlias = Mapping[tuple[str, str, int], int]
"""(type, receiver, seq) → version, where it is not 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedFile:
    """One file as it is stored and delivered; its bytes never change."""

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
    """Fen, sum of the amounts of the lines that carry an id: D in TXN, N in SUM."""
    hash_total: int
    net_fen: int
    """What the receiver gets (positive) or pays: its position with the other sign."""
    sha256: str
    sm3: str
    replaces: str
    """file_id of the version before, empty for the first."""
    notes: tuple[str, ...] = ()
    """Where characters had to be replaced: line and column, never the value; the first 100."""


@dataclass(slots=True)
class _Draft:
    """A file that is being written."""

    body: bytearray = field(default_factory=bytearray)
    totals: Totals = field(default_factory=Totals)
    groups: dict[Group, list[int]] = field(default_factory=dict)
    pays: list[InstructionLine] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def count(self, line: TxnLine) -> None:
        """Count a line in its group; the file's sums are those of its groups."""
        self.totals.records += 1
        self.totals.hash_total += hash_part(line.entry_id)
        self.totals.amount_fen += line.amount_fen
        key = (line.event_type, line.institution, line.bank, line.route)
        sums = self.groups.get(key)
        if sums is None:
            sums = self.groups[key] = [0, 0, 0, 0, 0]
        sums[0] += 1
        if line.settle_mode == "N":
            sums[1 if line.direction == "R" else 2] += line.amount_fen
        sums[3] += line.fee_fen
        sums[4] += line.settle_fen

    def sum_up(self) -> None:
        """Take the file's sums from its groups, once all lines are counted."""
        sums = [sum(column) for column in zip(*self.groups.values(), strict=True)] or [0] * 5
        self.totals.hash_total %= HASH_MODULUS
        _, self.totals.in_fen, self.totals.out_fen, self.totals.fee_fen, self.totals.net_fen = sums


def day_files(
    day: date,
    entries: Iterable[Entry],
    instructions: Iterable[Instruction],
    members: Members,
    *,
    value_date: date,
    layout: Layout,
    versions: Versions | None = None,
) -> Iterator[RenderedFile]:
    """TXN and SUM of every member of a day. 清算文件

    In:      all entries of the day in order of id, those of the close too (they say on which side an
             in-bank instruction is); the day's instructions in the order they were made; the date on which
             they settle.
    Out:     per member in order of code and sequence its TXN, then its SUM; a member without lines gets both
             with count 0. The same entries give the same bytes.
    Raises:  InvariantViolated if an entry is of another day, out of order, or an instruction has no entry;
             UsageError if an instruction's account is in no record.
    Source:  contract "Clearing files".
    """
    on = members.on(day)
    targets = Targets(on)
    drafts = {target: _Draft() for target in targets.everyone()}
    writer = Writer(layout, "TXN", members.clock.zone)
    side_of = _write_lines(day, entries, targets, drafts, writer)
    for instruction in instructions:
        side = "" if instruction.kind == "INTER_BANK" else _side(instruction, side_of)
        receivers, line = instruction_line(instruction, side, members, value_date)
        for target in receivers:
            drafts[target].pays.append(line)
    sums = Writer(layout, "SUM", members.clock.zone)
    for target in sorted(drafts):
        draft = drafts.pop(target)
        draft.sum_up()
        for drawn, by in ((draft, writer), (_summary(draft, sums), sums)):
            version = (versions or {}).get((by.file_type, *target), 1)
            name = FileName(by.file_type, members.platform.code, target.receiver, day, target.seq, version)
            yield _finished(name, drawn, by, members.clock)


def file_of(
    name: FileName, lines: Iterable[tuple[str, Any]], layout: Layout, clock: BusinessClock
) -> RenderedFile:
    """One file from its lines: PAY, PYR, RTN, ACK and whatever else is not made of a day's entries. 单个文件

    In:      (tag, a value of the record model of its type and tag) in the order they are to stand.
    Out:     bytes, digests, totals; the same lines give the same bytes. A value that the file cannot carry as it
             is (characters, length) is noted in `notes`.
    Source:  contract "Clearing files".
    """
    writer = Writer(layout, name.type, clock.zone)
    return _finished(name, _drawn(lines, writer), writer, clock)


def _write_lines(
    day: date, entries: Iterable[Entry], targets: Targets, drafts: Mapping[Target, _Draft], writer: Writer
) -> dict[str, str]:
    """Write the TXN lines as they come and give the side of each roll-up entry by its id."""
    side_of: dict[str, str] = {}
    last = ""
    for entry in entries:
        if entry.clearing_date != day or entry.id <= last:
            raise InvariantViolated(
                f"files of {day}: entry {entry.id} of {entry.clearing_date}: expected the day's entries in "
                f"order of id, got it after {last or 'none'}. No file was written"
            )
        last = entry.id
        if entry.type in OF_THE_CLOSE:
            if entry.type == ROLL_UP:
                side_of[entry.id] = sides(entry)
            continue
        for target, line in txn_lines(entry, targets):
            draft = drafts[target]
            draft.count(line)
            draft.body += writer.line("D", line, draft.totals.records, draft.notes)
    return side_of


def _side(instruction: Instruction, side_of: Mapping[str, str]) -> str:
    if instruction.kind == "CARRY":
        return "D"
    side = side_of.get(instruction.id)
    if side is None:
        raise InvariantViolated(
            f"instruction {instruction.id} on {instruction.creditor}: expected its roll-up entry among "
            f"the day's, got none. No file was written"
        )
    return side


def _summary(draft: _Draft, writer: Writer) -> _Draft:
    lines: list[tuple[str, Any]] = [("S", SumLine(*key, *draft.groups[key])) for key in sorted(draft.groups)]
    return _drawn([*lines, *(("N", pay) for pay in draft.pays)], writer)


def _drawn(lines: Iterable[tuple[str, Any]], writer: Writer) -> _Draft:
    out = _Draft()
    for tag, line in lines:
        out.totals.add(line)
        out.body += writer.line(tag, line, out.totals.records, out.notes)
    return out


def _finished(name: FileName, draft: _Draft, writer: Writer, clock: BusinessClock) -> RenderedFile:
    layout, totals, day, version = writer.layout, draft.totals, name.date, name.version
    replaces = layout.stem(name._replace(version=version - 1)) if version > 1 else ""
    values = {
        "type": name.type,
        "file_id": layout.stem(name),
        "sender": name.sender,
        "receiver": name.receiver,
        "clearing_date": day,
        "cut_from": clock.cut_from(day),
        "cut_to": clock.cut_to(day),
        "records": totals.records,
        "in_fen": totals.in_fen,
        "out_fen": totals.out_fen,
        "net_fen": totals.net_fen,
        "fee_fen": totals.fee_fen,
        "reprocessed": version > 1,
        "replaces": replaces,
        "created": clock.cut_to(day),
        "hash_total": totals.hash_total,
        "body_sm3": body_sm3(draft.body),
    }
    content = writer.whole(values, draft.body)
    return RenderedFile(
        name=f"{layout.stem(name)}.{layout.extension}",
        type=name.type,
        sender=name.sender,
        receiver=name.receiver,
        clearing_date=day,
        seq=name.seq,
        version=version,
        profile=layout.profile,
        content=content,
        records=totals.records,
        amount_total=totals.amount_fen,
        hash_total=totals.hash_total,
        net_fen=totals.net_fen,
        sha256=hashlib.sha256(content).hexdigest(),
        sm3=hashlib.new("sm3", content).hexdigest(),
        replaces=replaces,
        notes=tuple(draft.notes[:NOTES_MAX]),
    )
