"""A report as one partner may have it: its own lines beside ours, nothing of anybody else's. 分户差错报告"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from clearing.ledger.money import yuan
from clearing.reconciliation.breaks import OpenItem
from clearing.reconciliation.cells import to_fen
from clearing.reconciliation.codes import AUTO_CLEARED, CODES
from clearing.reconciliation.handling import side_label
from clearing.reconciliation.report import Report, SummaryLine, ages
from clearing.reconciliation.report_detail import DetailLine, SideLine


def report_of(model: Report, code: str, before: Sequence[OpenItem], after: Sequence[OpenItem]) -> Report:
    """What a report says to one bank, network, channel or institution, summed anew. 分户差错报告

    In:      the report of a run; the member's code; all breaks open after the run before, and after this one.
    Out:     its files, its bridge, the breaks that concern it with our rows and its own, in the same order.
    """
    detail = tuple(_own(one, code) for one in model.detail if code in concerned(one))
    was, still = _open(before, code), _open(after, code)
    new = len(still.keys() - was) + sum(
        one.opened == model.day and one.state == AUTO_CLEARED for one in detail
    )
    return replace(
        model,
        balanced=not still and all(CODES[one.code].break_class != "X" for one in detail),
        inputs=tuple(one for one in model.inputs if one.partner == code),
        bridges=tuple(one for one in model.bridges if one.partner == code),
        balances=tuple(one for one in model.balances if one.partner == code),
        summary=tuple(_summary(detail)),
        rates=tuple(one for one in model.rates if code in {one.institution, one.bank}),
        ages=tuple(ages(model.day, [(one.found.opened, one.found.amount_fen) for one in still.values()])),
        roll=(len(was), new, len(was) + new - len(still), len(still)),
        detail=detail,
        total_count=len(detail),
        total_fen=sum(one.amount_fen for one in detail),
    )


def concerned(one: DetailLine) -> frozenset[str]:
    """Whom a line of a report concerns: by bank and institution, by its differences and rows; the platform too."""
    named = {one.bank, one.institution, *(partner for partner, _ in _told(one))}
    return frozenset(named | {name for row in one.rows for name in (row.partner, row.institution)})


def _told(one: DetailLine) -> Iterator[tuple[str, str]]:
    """The differences of a line as it tells them: (partner, yuan)."""
    for part in filter(None, one.differences.split("; ")):
        partner, _, amount = part.rpartition(" ")
        yield partner, amount


def _own(one: DetailLine, code: str) -> DetailLine:
    """A break with our rows and the member's, and with the difference between these two alone."""
    fen = next((to_fen(amount) for partner, amount in _told(one) if partner == code), 0)
    return replace(
        one,
        rows=tuple(row for row in one.rows if _shown(row, code)),
        differences=f"{code} {yuan(fen)}" if fen else "",
        difference_fen=fen,
        label=side_label([(code, fen)], {one.bank}, one.code),
    )


def _shown(row: SideLine, code: str) -> bool:
    """Ours with this member, and its own."""
    return row.partner == code or (row.side == "L" and row.institution == code)


def _open(items: Iterable[OpenItem], code: str) -> dict[str, OpenItem]:
    """The open breaks that concern a member, by id."""
    return {one.id: one for one in items if not one.ended and code in named(one)}


def named(one: OpenItem) -> frozenset[str]:
    """Whom an open break concerns: by bank and institution, by its sums and rows; the platform too."""
    found = {one.found.bank, one.found.institution, *(partner for partner, _ in one.sums)}
    return frozenset(found | {row.partner for row in one.found.rows()})


def _summary(detail: Iterable[DetailLine]) -> Iterator[SummaryLine]:
    sums: dict[tuple[str, str, str], list[int]] = {}
    for one in detail:
        figures = sums.setdefault((one.code, one.institution, one.bank), [0, 0, 0])
        for place, more in enumerate((1, one.amount_fen, one.difference_fen)):
            figures[place] += more
    for (code, institution, bank), (count, amount_fen, difference_fen) in sorted(sums.items()):
        known = CODES[code]
        yield SummaryLine(
            code, known.chinese, known.break_class, institution, bank, count, amount_fen, difference_fen
        )
