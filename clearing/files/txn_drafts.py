"""The TXN files of a day while they are written: lines of all receivers are made together, once a layout. 明细文件"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import compress

from clearing.files.columns_out import Lines
from clearing.files.day_columns import TxnColumns
from clearing.files.draft import Body, Draft, TextWriter
from clearing.files.lines import Target
from clearing.files.records import TxnLine


class TxnDrafts:
    """The drafts of TXN by target, in however many layouts."""

    def __init__(self, drafts: Mapping[Target, Draft]) -> None:
        self._drafts = drafts
        self._bodies: dict[TextWriter, dict[Target, Body]] = defaultdict(dict)
        for target, draft in drafts.items():
            for body in draft.bodies:
                self._bodies[body.writer][target] = body

    def write(self, lines: TxnColumns) -> None:
        """Count the next lines, each in its file, and write them."""
        numbers = self._numbered(lines)
        whole = Lines("D", TxnLine, lines.columns, numbers)
        for writer, bodies in self._bodies.items():
            if len(bodies) == len(self._drafts):
                _spread(writer, whole, lines.targets, bodies)
                continue
            taken = [target in bodies for target in lines.targets]
            if any(taken):
                columns = [list(compress(values, taken)) for values in lines.columns]
                some = Lines("D", TxnLine, columns, list(compress(numbers, taken)))
                _spread(writer, some, list(compress(lines.targets, taken)), bodies)

    def _numbered(self, lines: TxnColumns) -> list[int]:
        """Each line counted in its group, and its number in its file: a file's sums are those of its groups."""
        drafts, numbers = self._drafts, []
        rows = zip(lines.targets, lines.groups, lines.figures, lines.id_parts, strict=True)
        for target, group, (way, amount_fen, mode, fee_fen, settle_fen), id_part in rows:
            draft = drafts[target]
            sums = draft.groups.get(group)
            if sums is None:
                sums = draft.groups[group] = [0] * 7
            sums[0] += 1
            if mode == "N":
                sums[1 if way == "R" else 2] += amount_fen
            sums[3] += fee_fen
            sums[4] += settle_fen
            sums[5] += amount_fen
            sums[6] += id_part
            draft.totals.records += 1
            numbers.append(draft.totals.records)
        return numbers


def _spread(
    writer: TextWriter, lines: Lines, targets: Sequence[Target], bodies: Mapping[Target, Body]
) -> None:
    """Write lines of one layout and give each file its own."""
    texts, notes = writer.block(lines)
    of_target: dict[Target, list[str]] = defaultdict(list)
    for target, text in zip(targets, texts, strict=True):
        of_target[target].append(text)
    for target, own in of_target.items():
        bodies[target].add(own)
    for at, note in notes:
        bodies[targets[at]].notes.append(note)
