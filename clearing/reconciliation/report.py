"""The mismatch report as a model: what every rendering says. 差错报告

Figures are summed here and nowhere else. It is stored with its run and never changes; what people make of a
break afterwards stands in the steps of its life.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from clearing.reconciliation.breaks import Break
from clearing.reconciliation.codes import CODES
from clearing.reconciliation.lists import StayList
from clearing.reconciliation.partner_files import ParsedExport, ParsedStatement
from clearing.reconciliation.proof import BalanceLine
from clearing.reconciliation.reconciled import Reconciled
from clearing.reconciliation.report_detail import DetailLine, detail_line

AGES: Final = (("D0", 0), ("D1", 1), ("D2–3", 3), ("D4–7", 7), ("D8–30", 30), (">30", None))


@dataclass(frozen=True, slots=True)
class InputLine:
    """One file that went in."""

    partner: str
    file: str
    rows: int
    sha256: str
    sm3: str


@dataclass(frozen=True, slots=True)
class Bridge:
    """From our total to the partner's, signed fen. 余额调节表"""

    partner: str
    ledger_fen: int
    other_only_fen: int
    ledger_only_fen: int
    differences_fen: int
    """What matched items differ by, partner minus ledger."""
    other_fen: int
    open_before_fen: int = 0
    """Differences of open breaks before the day, ledger minus partner."""
    ended_fen: int = 0
    """Those that people have ended since the day before."""
    open_after_fen: int = 0

    @property
    def residual_fen(self) -> int:
        """0, or the bridge does not stand."""
        return (
            self.ledger_fen
            + self.other_only_fen
            - self.ledger_only_fen
            + self.differences_fen
            - self.other_fen
        )


@dataclass(frozen=True, slots=True)
class SummaryLine:
    """Breaks of one code by institution and bank."""

    code: str
    chinese: str
    break_class: str
    institution: str
    bank: str
    count: int
    amount_fen: int
    difference_fen: int


@dataclass(frozen=True, slots=True)
class RateLine:
    """How much matched for one institution and bank, by count and by amount."""

    institution: str
    bank: str
    matched: int
    items: int
    matched_fen: int
    items_fen: int


@dataclass(frozen=True, slots=True)
class AgeLine:
    """Open breaks of one age."""

    age: str
    count: int
    amount_fen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that is said of one day. 对账报告"""

    day: date
    run: str
    balanced: bool
    """平 or 不平: whether no break is open."""
    inputs: tuple[InputLine, ...]
    bridges: tuple[Bridge, ...]
    balances: tuple[BalanceLine, ...] = ()
    """What stands at the day's end beside what it stands for: payouts on their way, deposits."""
    summary: tuple[SummaryLine, ...]
    rates: tuple[RateLine, ...]
    ages: tuple[AgeLine, ...]
    roll: tuple[int, int, int, int]
    """Open before, new, cleared, open after."""
    detail: tuple[DetailLine, ...]
    """In order of code, institution, bank and id."""
    total_count: int
    total_fen: int
    """Sum of the breaks' amounts."""


def report(
    reconciled: Reconciled,
    run: str,
    statements: Mapping[str, ParsedStatement],
    exports: Mapping[str, ParsedExport],
    lists: Iterable[StayList] = (),
) -> Report:
    """The report of one run. 对账报告

    In:      what `reconcile` gave, and the files it was given.
    Out:     lines in a fixed order; fen.
    Source:  contract "The report".
    """
    live = [one for one in reconciled.open_after if not one.ended]
    roll = reconciled.roll
    detail = [detail_line(one, statements) for one in reconciled.breaks]
    return Report(
        day=reconciled.day,
        run=run,
        balanced=not live and all(one.proven for one in reconciled.breaks),
        inputs=tuple(_inputs(statements, exports, lists)),
        bridges=tuple(_bridge(reconciled, partner) for partner in reconciled.proof),
        balances=tuple(reconciled.balances.values()),
        summary=tuple(_summary(reconciled)),
        rates=tuple(_rates(reconciled)),
        ages=tuple(ages(reconciled.day, [(one.found.opened, one.found.amount_fen) for one in live])),
        roll=(roll.before, roll.new, roll.cleared, roll.after),
        detail=tuple(sorted(detail, key=lambda one: (one.code, one.institution, one.bank, one.id))),
        total_count=len(reconciled.breaks),
        total_fen=sum(one.amount_fen for one in reconciled.breaks),
    )


def digest(model: Mapping[str, Any]) -> str:
    """SM3 in hex of a report as it is stored: what members sign, and what every page shows. 报告摘要

    In:      the model as JSON has it; the run's number is no part of it, so that the same content in two
             databases has the same digest.
    """
    said = {name: value for name, value in model.items() if name != "run"}
    text = json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.new("sm3", text.encode()).hexdigest()


def _inputs(
    statements: Mapping[str, ParsedStatement], exports: Mapping[str, ParsedExport], lists: Iterable[StayList]
) -> list[InputLine]:
    every: list[ParsedStatement | ParsedExport | StayList] = [*statements.values(), *exports.values(), *lists]
    found = [
        InputLine(one.partner, said.file, said.counted.rows, said.sha256, said.sm3)
        for one in every
        for said in one.files
    ]
    return sorted(found, key=lambda one: (one.partner, one.file))


def _bridge(reconciled: Reconciled, partner: str) -> Bridge:
    line = reconciled.proof[partner]
    ledger_only = other_only = matched = 0
    for one in reconciled.breaks:
        for name, fen in one.differences:
            if name != partner or one.standing:
                continue
            if not one.ledger_rows or one.code.startswith("DUP"):
                other_only -= fen
            elif partner not in _partners(one):
                ledger_only += fen
            else:
                matched -= fen
    return Bridge(
        partner,
        line.ledger_fen,
        other_only,
        ledger_only,
        matched,
        line.other_fen,
        line.open_before_fen,
        line.ended_fen,
        line.open_after_fen,
    )


def _partners(one: Break) -> set[str]:
    return {row.partner for row in one.bank_rows} | {row.partner for row in one.his_rows}


def _summary(reconciled: Reconciled) -> Iterator[SummaryLine]:
    sums: dict[tuple[str, str, str], list[int]] = {}
    for one in reconciled.breaks:
        _count(sums, (one.code, one.institution, one.bank), (1, one.amount_fen, one.difference_fen))
    for (code, institution, bank), (count, amount, difference) in sorted(sums.items()):
        known = CODES[code]
        yield SummaryLine(
            code, known.chinese, known.break_class, institution, bank, count, amount, difference
        )


def _rates(reconciled: Reconciled) -> Iterator[RateLine]:
    sums: dict[tuple[str, str], list[int]] = {}
    for match in reconciled.matches:
        if match.moved:
            row = match.ledger_rows[0]  # without one of ours it would be a break
            _count(sums, (row.institution, row.partner), (1, 1, row.amount_fen, row.amount_fen))
    for line in reconciled.clean.lines:
        figures = (line.matched, line.matched, line.matched_fen, line.matched_fen)
        _count(sums, (line.institution, line.partner), figures)
    for one in reconciled.breaks:
        if one.proven and not one.standing:
            _count(sums, (one.institution, one.bank), (0, 1, 0, one.amount_fen))
    for (institution, bank), summed in sorted(sums.items()):
        yield RateLine(institution, bank, *summed)


def _count(sums: dict[Any, list[int]], place: tuple[str, ...], more: Sequence[int]) -> None:
    figures = sums.setdefault(place, [0] * len(more))
    for index, value in enumerate(more):
        figures[index] += value


def ages(day: date, items: Iterable[tuple[date, int]]) -> Iterator[AgeLine]:
    """Open breaks by age: (day on which it was found, fen) of each. 账龄"""
    days = [((day - opened).days, fen) for opened, fen in items]
    lowest = 0
    for name, highest in AGES:
        found = [fen for age, fen in days if age >= lowest and (highest is None or age <= highest)]
        yield AgeLine(name, len(found), sum(found))
        lowest = (highest or 0) + 1
