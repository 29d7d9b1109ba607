"""All clearing files of a day, while its entries pass. 当日清算文件

Entries pass through once, in order of id: each line is written to its receiver's files as soon as it is known, and
parts come out as they are full, so that a day of any size takes the memory of its open parts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from clearing.errors import InvariantViolated, UsageError
from clearing.files.draft import PART_BYTES, Body, Draft, Finished, Part, TextWriter, writer_of
from clearing.files.items import Deposits, claim_lines, claim_sums, err_lines, repeated
from clearing.files.layout import Layout
from clearing.files.lines import Target, Targets, instruction_line, sides
from clearing.files.names import FileName
from clearing.files.plans import txn_lines
from clearing.files.records import ClaimLine, DepLine, ErrLine, InstructionLine, SumLine, UseLine
from clearing.files.txn_drafts import TxnDrafts
from clearing.ledger.entry import Entry
from clearing.ledger.facts import Instruction
from clearing.ledger.members import Members

if TYPE_CHECKING:
    from clearing.ledger.entry_columns import EntryColumns

ROLL_UP: Final = "day.roll_up"
ORDER: Final = ("TXN", "SUM", "ERR", "DEP", "NRC", "SWP")
"""The types of a day, as they stand in lists."""
Versions: TypeAlias = Mapping[tuple[str, str, int, str], int]
"""(type, receiver, seq, profile) → version, where it is not 1."""
Layouts: TypeAlias = Mapping[str, Sequence[Layout]]
"""Member → the layouts it gets its files in; `""`: those of every other member."""


class Opening(NamedTuple):
    """What a day's files say besides the day's entries."""

    deposits: Mapping[str, int] = {}
    """Accounts of stays → fen in the books before the day."""
    uses: Sequence[UseLine] = ()
    """Uses of cards that made no entry, for the card platform: they stand behind those that did."""


class Whole(NamedTuple):
    """A file that is finished, and those of its parts that were not given before: the first and the last ones."""

    file: Finished
    parts: Sequence[Part]


class DayFiles:
    """The clearing files of one day: feed it the day's entries in order of id, then end it. 当日清算文件

    The same entries give the same bytes.
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
        on = members.on(day)
        self._targets = Targets(on)
        self._writers: dict[tuple[str, str], TextWriter] = {}
        self._drafts: dict[tuple[Target, str], Draft] = {}
        for target in self._targets.everyone():
            for kind in self._types(target):
                self._drafts[target, kind] = self._draft(target, kind)
        for code in sorted(on.by_code):
            if on.kind(code) == "card_platform":
                self._drafts[Target(code, 1), "SWP"] = self._draft(Target(code, 1), "SWP")
        self._named_once()
        self._txn = TxnDrafts(
            {target: draft for (target, kind), draft in self._drafts.items() if kind == "TXN"}
        )
        from clearing.files.day_columns import DayColumns  # noqa: PLC0415 - a large library

        self._columns = DayColumns(day, self._targets)
        self._swipes = [draft for (_, kind), draft in self._drafts.items() if kind == "SWP"]
        self._deposits = Deposits(opening.deposits)
        self._claims: dict[Target, list[ClaimLine]] = {}
        self._side_of: dict[str, str] = {}
        self._uses = 0
        self._bodies = [body for draft in self._drafts.values() for body in draft.bodies]

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
            cnaps = self._members.on(self._day).cnaps()
            found = writer_of(layout, kind, self._members.clock.zone, cnaps)
            self._writers[layout.id, kind] = found
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

    def feed(self, chunk: EntryColumns) -> list[Part]:
        """Write the lines of the next entries.

        In:      in order of id, those of the close too: they say on which side an in-bank instruction is.
        Out:     the parts of files that are full.
        Raises:  as `DayColumns.planned`.
        """
        planned = self._columns.planned(chunk)
        lines = self._columns.txn(planned)
        if lines is not None:
            self._txn.write(lines)
        uses = self._columns.uses(planned, self._uses + 1) if self._swipes else None
        if uses is not None:
            self._uses += len(uses[0])
            for draft in self._swipes:
                draft.write("D", UseLine, uses)
        self._look(chunk.entries(planned.looked_at()))
        for entry in chunk.entries((chunk.frame["type"] == ROLL_UP).arg_true().to_list()):
            self._side_of[entry.id] = sides(entry)
        return [body.take() for body in self._bodies if body.size >= PART_BYTES]

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

    def end(self, instructions: Iterable[Instruction], value_date: date) -> Iterator[Whole]:
        """Write what the end of the day knows: SUM with the instructions, DEP, NRC and SWP.

        In:      the day's instructions in the order they were made; the date on which they settle.
        Out:     every file, by receiver and type; what is written of it stays in memory until it is asked for.
        Raises:  InvariantViolated if an instruction has no entry; UsageError if its account is in no record.
        """
        self._instruct(instructions, value_date)
        for target, kind in sorted(self._drafts, key=lambda one: (one[0], ORDER.index(one[1]))):
            draft = self._drafts[target, kind]
            for body in draft.bodies:
                last = [body.take()] if body.size else []
                made = draft.finished(body, self._members.clock)
                after = [Part(made.name, made.parts + 1, made.after)] if made.after else []
                yield Whole(made, [Part(made.name, 0, made.before), *last, *after])

    def _instruct(self, instructions: Iterable[Instruction], value_date: date) -> None:
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
