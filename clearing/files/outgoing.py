"""Clearing files, from lines to bytes and digests: a day's from its entries, others from lines. 清算文件

Entries pass through once, in order of id: each line is written to its receiver's files as soon as it is known.
Whoever feeds them takes parts out meanwhile, so that a day of any size takes the memory of its open parts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, tzinfo
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeAlias

from clearing.errors import InvariantViolated, UsageError
from clearing.files.day_columns import DayColumns, txn_lines
from clearing.files.draft import PART_BYTES, Body, Draft, Finished, TextWriter
from clearing.files.iso20022.writer import XmlWriter
from clearing.files.items import Deposits, claim_lines, claim_sums, err_lines, repeated
from clearing.files.layout import FileName, Layout
from clearing.files.lines import Target, Targets, instruction_line, sides
from clearing.files.records import ClaimLine, DepLine, ErrLine, InstructionLine, SumLine, UseLine
from clearing.files.render import Writer
from clearing.files.txn_drafts import TxnDrafts
from clearing.ledger.business_day import BusinessClock
from clearing.ledger.entry import Entry
from clearing.ledger.entry_columns import EntryColumns
from clearing.ledger.facts import Instruction
from clearing.ledger.members import Bank, Members

ROLL_UP: Final = "day.roll_up"
ORDER: Final = ("TXN", "SUM", "ERR", "DEP", "NRC", "SWP")
"""The types of a day, as they stand in lists."""
Versions: TypeAlias = Mapping[tuple[str, str, int, str], int]
"""(type, receiver, seq, profile) → version, where it is not 1."""
Layouts: TypeAlias = Mapping[str, Sequence[Layout]]
"""Member → the layouts it gets its files in; `""`: those of every other member."""


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


class Opening(NamedTuple):
    """What a day's files say besides the day's entries."""

    deposits: Mapping[str, int] = {}
    """Accounts of stays → fen in the books before the day."""
    uses: Sequence[UseLine] = ()
    """Uses of cards that made no entry, for the card platform: they stand behind those that did."""


class DayFiles:
    """All clearing files of one day, while entries pass. 当日清算文件

    feed the day's entries in order of id → `full` parts → `instruct` → last parts of all `bodies` → `finished`
    files. The same entries give the same bytes.
    """

    TYPES: Final = ORDER

    def __init__(
        self,
        day: date,
        members: Members,
        layouts: Layouts,
        *,
        opening: Opening = Opening(),  # noqa: B008 - a value that never changes
        versions: Versions | None = None,
        types: Collection[str] = ORDER,
    ) -> None:
        """Begin.

        In:      `types`: of which files are written; lines are counted for all.
        """
        self._day = day
        self._types_written = frozenset(types)
        self._members = members
        self._layouts = layouts
        self._versions = versions or {}
        self._opening = opening
        self._targets = Targets(members.on(day))
        self._writers: dict[tuple[str, str], TextWriter] = {}
        self._drafts: dict[tuple[Target, str], Draft] = {}
        for target in self._targets.everyone():
            for kind in self._types(target):
                self._drafts[target, kind] = self._draft(target, kind)
        for code in sorted(members.on(day).by_code):
            if members.on(day).kind(code) == "card_platform":
                self._drafts[Target(code, 1), "SWP"] = self._draft(Target(code, 1), "SWP")
        self._txn = TxnDrafts(
            {target: draft for (target, kind), draft in self._drafts.items() if kind == "TXN"}
        )
        self._columns = DayColumns(day, self._targets)
        self._swipes = [draft for (_, kind), draft in self._drafts.items() if kind == "SWP"]
        self._named_once()
        self._deposits = Deposits(opening.deposits)
        self._claims: dict[Target, list[ClaimLine]] = {}
        self._side_of: dict[str, str] = {}
        self._uses = 0
        self._draft_of = {body: draft for draft in self._drafts.values() for body in draft.bodies}

    def _types(self, target: Target) -> Iterator[str]:
        yield from ("TXN", "SUM", "ERR")
        kind = self._members.on(self._day).kind(target.receiver)
        if kind == "hospital":
            yield "DEP"
        elif kind in ("fund", "insurer") and target.seq == 1:
            yield "NRC"

    def _draft(self, target: Target, kind: str) -> Draft:
        if kind not in self._types_written:
            return Draft([])
        name = FileName(kind, self._members.platform.code, target.receiver, self._day, target.seq, 1)
        bodies = []
        for one in self._layouts.get(target.receiver) or self._layouts[""]:
            if kind in one.types:
                version = self._versions.get((kind, *target, one.profile), 1)
                bodies.append(Body(self._writer(one, kind), name._replace(version=version)))
        return Draft(bodies)

    def _writer(self, layout: Layout, kind: str) -> TextWriter:
        found = self._writers.get((layout.id, kind))
        if found is None:
            banks = {
                one.code: one.cnaps
                for one in self._members.on(self._day).by_code.values()
                if isinstance(one, Bank)
            }
            found = self._writers[layout.id, kind] = writer_of(layout, kind, self._members.clock.zone, banks)
        return found

    def _named_once(self) -> None:
        seen: set[str] = set()
        for draft in self._drafts.values():
            for body in draft.bodies:
                if body.file in seen:
                    raise UsageError(
                        f"files of {self._day}: {body.file} would be two files of {body.name.receiver}. "
                        f"Next: give its profiles another name or extension"
                    )
                seen.add(body.file)

    # ------------------------------------------------------------ lines

    def feed(self, chunk: EntryColumns) -> None:
        """Write the lines of the next entries.

        In:      in order of id, those of the close too: they say on which side an in-bank instruction is.
        Raises:  as `DayColumns.plans`.
        """
        plans = self._columns.plans(chunk)
        lines = self._columns.txn(chunk, plans)
        if lines is not None:
            self._txn.write(lines)
        uses = self._columns.uses(chunk, plans, self._uses + 1) if self._swipes else None
        if uses is not None:
            self._uses += len(uses[0])
            for draft in self._swipes:
                draft.write("D", UseLine, uses)
        looked_at = (at for at, plan in enumerate(plans) if plan.looked_at or (chunk.late[at] and plan.lines))
        self._look([chunk.entry(at) for at in looked_at])
        for at, kind in enumerate(chunk.type):
            if kind == ROLL_UP:
                self._side_of[chunk.id[at]] = sides(chunk.entry(at))

    def _look(self, entries: Sequence[Entry]) -> None:
        """Write what entries say in ERR, and keep what they say in DEP and NRC."""
        targets = self._targets
        told: dict[Target, list[ErrLine]] = {}
        for entry in entries:
            positions = txn_lines(entry, targets) if repeated(entry) else ()
            for target, line in err_lines(entry, positions, targets):
                told.setdefault(target, []).append(line)
            self._deposits.add(entry)
            for payer, claim in claim_lines(entry, targets.members):
                self._claims.setdefault(payer, []).append(claim)
        for target, lines in told.items():
            self._drafts[target, "ERR"].add("D", *lines)

    def instruct(self, instructions: Iterable[Instruction], value_date: date) -> None:
        """Write what the end of the day knows: SUM with the instructions, DEP, NRC and SWP.

        In:      the day's instructions in the order they were made; the date on which they settle.
        Raises:  InvariantViolated if an instruction has no entry; UsageError if its account is in no record.
        """
        told: dict[Target, list[InstructionLine]] = {}
        for instruction in instructions:
            side = "" if instruction.kind == "INTER_BANK" else self._side(instruction)
            receivers, line = instruction_line(instruction, side, self._members, value_date)
            for target in receivers:
                told.setdefault(target, []).append(line)
        for (target, kind), draft in self._drafts.items():
            if kind == "TXN":
                draft.sum_up()
                continue
            for tag, records in self._last_lines(target, kind, told):
                draft.add(tag, *records)
        stays: dict[Target, list[DepLine]] = {}
        for target, stay in self._deposits.lines(self._targets):
            stays.setdefault(target, []).append(stay)
        for target, lines in stays.items():
            self._drafts[target, "DEP"].add("D", *lines)

    def _last_lines(
        self, target: Target, kind: str, told: Mapping[Target, Sequence[InstructionLine]]
    ) -> Iterator[tuple[str, Sequence[Any]]]:
        """The lines of SUM, NRC and SWP by tag, once the day's entries have passed."""
        if kind == "SUM":
            groups = self._drafts[target, "TXN"].groups
            yield "S", [SumLine(*key, *groups[key][:5]) for key in sorted(groups)]
            yield "N", told.get(target, ())
        elif kind == "NRC":
            claims = self._claims.pop(target, [])
            yield "S", claim_sums(claims)
            yield "D", claims
        elif kind == "SWP":
            numbered = enumerate(self._opening.uses, self._uses + 1)
            yield "D", [use._replace(use_no=number) for number, use in numbered]

    def _side(self, instruction: Instruction) -> str:
        if instruction.kind == "CARRY":
            return "D"
        side = self._side_of.get(instruction.id)
        if side is None:
            raise InvariantViolated(
                f"instruction {instruction.id} on {instruction.creditor}: expected its roll-up entry among "
                f"the day's, got none. No file was written"
            )
        return side

    # ------------------------------------------------------------ files

    def full(self, size: int = PART_BYTES) -> Iterator[Body]:
        """The files that hold a whole part: it is to be taken."""
        return (body for body in self._draft_of if body.size >= size)

    def bodies(self) -> Iterator[Body]:
        """Every file, by receiver and type: its last part is to be taken."""
        for target, kind in sorted(self._drafts, key=lambda one: (one[0], ORDER.index(one[1]))):
            yield from self._drafts[target, kind].bodies

    def finished(self, body: Body) -> Finished:
        """A file with head and tail, once all of its lines are in parts and digested."""
        return self._draft_of[body].finished(body, self._members.clock)


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
    made = DayFiles(day, members, {"": [layout]}, opening=opening, versions=versions)
    made.feed(EntryColumns.of(entries))
    made.instruct(instructions, value_date)
    for body in made.bodies():
        _, content = body.take()
        body.sm3.update(content)
        yield _whole(made.finished(body), content)


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
    _, content = body.take()
    body.sm3.update(content)
    return _whole(draft.finished(body, clock), content)


def writer_of(
    layout: Layout, file_type: str, zone: tzinfo, cnaps: Mapping[str, str] | None = None
) -> TextWriter:
    """What writes the lines of a file type in a layout; of ISO 20022 with the banks' numbers by code."""
    return (
        XmlWriter(layout, file_type, zone, cnaps)
        if layout.shape == "iso20022"
        else Writer(layout, file_type, zone)
    )


def _whole(one: Finished, body: bytes) -> RenderedFile:
    content = b"".join((one.before, body, one.after))
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
