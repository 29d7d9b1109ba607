"""The TXN files of a day while they are written: lines of all receivers are made together, once a layout. 明细文件"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from operator import add
from typing import TYPE_CHECKING

from clearing.files.columns_out import Lines
from clearing.files.draft import Body, Draft, TextWriter
from clearing.files.lines import Target
from clearing.files.records import TxnLine

if TYPE_CHECKING:
    from clearing.files.day_columns import TxnColumns


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
        for target, group, added in lines.groups:
            sums = self._drafts[target].groups.setdefault(group, [0] * len(added))
            sums[:] = map(add, sums, added)
        numbers = []
        for target, count in lines.runs:
            totals = self._drafts[target].totals
            numbers.append(range(totals.records + 1, totals.records + count + 1))
            totals.records += count
        for writer, bodies in self._bodies.items():
            _write(writer, lines, numbers, bodies)


def _write(
    writer: TextWriter, lines: TxnColumns, numbers: Sequence[range], bodies: Mapping[Target, Body]
) -> None:
    """Write lines of one layout and give each file its own."""
    runs = [
        (bodies[target], own)
        for (target, _), own in zip(lines.runs, numbers, strict=True)
        if target in bodies
    ]
    if not runs:
        return
    columns = lines.columns
    if len(runs) < len(lines.runs):
        taken = lines.taken(bodies)
        columns = [values.filter(taken) for values in columns]
    block = Lines("D", TxnLine, columns, [number for _, own in runs for number in own])
    made, start = writer.block(block), 0
    bodies_of = [body for body, own in runs for _ in own] if made.notes else []
    for body, own in runs:
        body.add(made.texts[start : start + len(own)])
        start += len(own)
    for at, note in made.notes:
        bodies_of[at].notes.append(note)
