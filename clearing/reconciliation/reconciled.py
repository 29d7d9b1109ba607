"""One clearing date against its partners: the way in, and all that comes out. 日对账"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, NamedTuple

from clearing.reconciliation.breaks import Break, OpenItem
from clearing.reconciliation.clean import NOTHING, Clean
from clearing.reconciliation.codes import AUTO_CLEARED, CONFIRMED, SUSPECT
from clearing.reconciliation.compare import PaidOut, codes_wanted
from clearing.reconciliation.items import Item, Node, node_of, partner_worth, reopened
from clearing.reconciliation.judging import Run, judge, rows_of
from clearing.reconciliation.ledger_side import worths
from clearing.reconciliation.lists import StayList
from clearing.reconciliation.matching import collapse, match
from clearing.reconciliation.partner_files import ParsedExport, ParsedStatement, Refused
from clearing.reconciliation.proof import BalanceLine, ProofLine, RollForward, prove
from clearing.reconciliation.rows import HisRow, LedgerRow, PartnerRow, StatementRow, fingerprint_text
from clearing.reconciliation.standing import NOTHING_STANDS, Standing, balance_lines, stand
from clearing.reconciliation.totals import books_break, refused_break, total_breaks

EARLIER_DAYS_MAX: Final = 3
"""How many days back an open break is matched; a suspect that is older is confirmed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """An item without any difference. 勾对"""

    ledger_rows: tuple[LedgerRow, ...]
    bank_rows: tuple[StatementRow, ...]
    his_rows: tuple[HisRow, ...]
    moved: bool
    """Whether money moved: only these count as matched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What one run over one clearing date found. 对账结果"""

    day: date
    matches: tuple[Match, ...]
    """Those that the passes found."""
    clean: Clean
    """Those that were found beforehand, counted."""
    breaks: tuple[Break, ...]
    """New ones and those of earlier days that this day touched, by id."""
    proof: Mapping[str, ProofLine]
    """By partner: every bank, network, channel, institution and payer whose file was given."""
    balances: Mapping[str, BalanceLine]
    """By family of codes and partner: what stands at the day's end beside what it stands for."""
    roll: RollForward
    open_after: tuple[OpenItem, ...]
    """Replaces the day's open list; give it to the next day as `open_before`."""
    waiting: tuple[PartnerRow, ...]
    """Rows of later dates; give them to the days that follow as `waiting_before`."""
    taken: frozenset[str]
    """`fingerprint_text` of every row of the day's files; part of later days' `taken_before`."""

    @property
    def matched(self) -> int:
        """Items without a code in which money moved."""
        return sum(match.moved for match in self.matches) + sum(line.matched for line in self.clean.lines)


def reconcile(
    day: date,
    ledger_rows: Iterable[LedgerRow],
    statements: Mapping[str, ParsedStatement],
    exports: Mapping[str, ParsedExport],
    *,
    open_before: Sequence[OpenItem] = (),
    waiting_before: Iterable[PartnerRow] = (),
    taken_before: Collection[str] = frozenset(),
    card_of: Mapping[str, str] | None = None,
    paid_out: Iterable[PaidOut] = (),
    refused: Iterable[Refused] = (),
    ended: Collection[str] = (),
    clean: Clean = NOTHING,
    standing: Standing = NOTHING_STANDS,
    lists: Iterable[StayList] = (),
    books: Sequence[str] = (),
) -> Reconciled:
    """Match one clearing date with its partners' files, name every difference and prove the sums. 对账

    In:      `ledger_rows` as the function of that name gives them; parsed files by bank, network or channel
             and by institution; `open_before`: all breaks open after the day before (those found up to 3 days
             ago are matched, older ones stay); `waiting_before`: rows of earlier files that belong to `day`
             or later; `taken_before`: `fingerprint_text` of rows of earlier days' files; `card_of`: alias to
             card token; `paid_out`: (bank, reference) of payouts of earlier days that a bank may have taken back;
             `refused`: files that were not sound, to be listed; `ended`: ids of `open_before` that
             people have ended since the day before: they count as cleared, and are watched while they are young;
             `clean`: rows that were matched beforehand and are not among the others, by their sums; `standing`: what
             was found at the day's end of deposits and payouts; `lists`: the lists that it was held against;
             `books`: where the books contradict themselves.
    Out:     see `Reconciled`; the same inputs in any order give the same result.
    Raises:  NotBalanced when the proof has a residual.
    Source:  contract "Reconciliation".
    """
    rows, early = tuple(ledger_rows), tuple(waiting_before)
    run = Run(
        day,
        frozenset(statements),
        frozenset(exports),
        _lacking(rows, statements) | clean.lacking,
        card_of or {},
        frozenset(paid_out),
    )
    here, waiting = _of_the_day(run, statements, exports, early)
    stood = stand(day, standing, [item for item in open_before if item.found.standing], ended)
    moving = [item for item in open_before if not item.found.standing]
    young = [item for item in moving if (day - item.found.opened).days <= EARLIER_DAYS_MAX]
    old = [node for item in young for node in reopened(item)]
    collapse([node for node in old if not node.item.duplicate])
    known = {(row.source, row.event_id, row.partner) for item in young for row in item.found.ledger_rows}
    ours = [
        row
        for row in rows
        if row.clearing_date == day or (row.source, row.event_id, row.partner) not in known
    ]
    nodes = [node_of(row) for row in (*ours, *here)]
    taken_early = frozenset(taken_before).difference(fingerprint_text(row) for row in early)
    items = match(nodes, old, taken_early)
    matches, found, still_open = _judged(run, items)
    touched = {one.id for item in items for one in item.old} | stood.touched
    left = [*still_open, *(_aged(item, day) for item in stood.open_after)]
    left += _left(open_before, ended, touched | stood.kept, day)
    open_after = sorted(left, key=lambda item: item.id)
    files = [*_file_breaks(run, statements, exports, refused)]
    files += [
        made
        for one in lists
        for said in one.files
        for made in total_breaks(day, one.partner, said, of_bank=False)
    ]
    gone = [one for one in open_before if one.id in ended and one.id not in touched and not one.ended]
    back = [one for one in open_before if one.ended and one.id in touched]
    rolled = Rolled(_live(open_before), gone, back, _live(open_after))
    proof = _proof_lines(run, ours, nodes, clean=clean, found=found, rolled=rolled)
    found += stood.breaks
    roll = RollForward(
        before=len(rolled.before),
        new=sum(one.new for one in found) + len(back),
        cleared=sum((one.state == AUTO_CLEARED) + len(one.joined) for one in found) + len(gone),
        after=len(rolled.after),
    )
    files += [books_break(day, books)] if books else []
    balances = balance_lines(standing)
    prove(day, proof, roll, balances)
    taken = frozenset(fingerprint_text(row) for row in _all_rows(statements, exports))
    return Reconciled(
        day=day,
        matches=tuple(matches),
        clean=clean,
        breaks=tuple(sorted((*found, *files), key=lambda one: one.id)),
        proof=proof,
        balances=balances,
        roll=roll,
        open_after=tuple(open_after),
        waiting=tuple(waiting),
        taken=taken,
    )


class Rolled(NamedTuple):
    """Open items from the day before to this one."""

    before: list[OpenItem]
    gone: list[OpenItem]
    """Ended by people since the day before."""
    back: list[OpenItem]
    """Ended on an earlier day; rows of this one have met them again."""
    after: list[OpenItem]


def _live(items: Iterable[OpenItem]) -> list[OpenItem]:
    return [item for item in items if not item.ended]


def _left(
    items: Iterable[OpenItem], ended: Collection[str], touched: Collection[str], day: date
) -> Iterator[OpenItem]:
    """The items that this day has not touched: those that people ended are watched while rows may still come."""
    for item in items:
        if item.id in touched:
            continue
        if not item.ended and item.id not in ended:
            yield _aged(item, day)
        elif (day - item.found.opened).days < EARLIER_DAYS_MAX:
            yield replace(item, ended=True)


def _lacking(rows: Iterable[LedgerRow], statements: Mapping[str, ParsedStatement]) -> frozenset[str]:
    """Institutions for whose rows of the day a statement is not given."""
    return frozenset(row.institution for row in rows if row.partner not in statements)


def _all_rows(
    statements: Mapping[str, ParsedStatement], exports: Mapping[str, ParsedExport]
) -> Iterator[PartnerRow]:
    for statement in statements.values():
        yield from statement.rows
    for export in exports.values():
        yield from export.rows


def _of_the_day(
    run: Run,
    statements: Mapping[str, ParsedStatement],
    exports: Mapping[str, ParsedExport],
    waiting_before: Iterable[PartnerRow],
) -> tuple[list[PartnerRow], list[PartnerRow]]:
    """The partners' rows that count today, and those that wait for a later day."""
    here: list[PartnerRow] = []
    waiting: list[PartnerRow] = []
    for row in waiting_before:
        given = row.partner in (statements if isinstance(row, StatementRow) else exports)
        (here if given and row.clearing_date <= run.day else waiting).append(row)
    for row in _all_rows(statements, exports):
        (here if row.clearing_date <= run.day else waiting).append(row)
    waiting.sort(key=lambda row: (row.partner, row.file, row.line))
    return here, waiting


def _judged(run: Run, items: Iterable[Item]) -> tuple[list[Match], list[Break], list[OpenItem]]:
    matches: list[Match] = []
    found: list[Break] = []
    still_open: list[OpenItem] = []
    names: dict[str, int] = {}
    for item in items:
        one, sums = judge(run, item, names)
        if one is None:
            matches.append(_match(item))
            continue
        found.append(one)
        if one.state != AUTO_CLEARED:
            still_open.append(OpenItem(found=one, sums=sums))
    return matches, found, still_open


def _match(item: Item) -> Match:
    ledger, bank, his = rows_of(item)
    return Match(ledger_rows=ledger, bank_rows=bank, his_rows=his, moved=codes_wanted(item))


def _aged(item: OpenItem, day: date) -> OpenItem:
    """A suspect that nothing has cleared in time is confirmed; that moves no money."""
    if item.found.state == SUSPECT and (day - item.found.opened).days > EARLIER_DAYS_MAX:
        return replace(item, found=replace(item.found, state=CONFIRMED))
    return item


def _file_breaks(
    run: Run,
    statements: Mapping[str, ParsedStatement],
    exports: Mapping[str, ParsedExport],
    refused: Iterable[Refused],
) -> Iterable[Break]:
    for statement in statements.values():
        for said in statement.files:
            yield from total_breaks(run.day, statement.partner, said, of_bank=True)
    for export in exports.values():
        for said in export.files:
            yield from total_breaks(run.day, export.partner, said, of_bank=False)
    for one in refused:
        yield refused_break(run.day, one, of_bank=one.of_bank)


def _proof_lines(
    run: Run,
    ours: Iterable[LedgerRow],
    nodes: Iterable[Node],
    *,
    clean: Clean,
    found: Iterable[Break],
    rolled: Rolled,
) -> dict[str, ProofLine]:
    """One line a partner: the two sums straight from the rows, the explanation from the breaks alone."""
    ledger: dict[str, int] = dict(clean.ledger_fen)
    for row in ours:
        for partner, fen in worths(row):
            ledger[partner] = ledger.get(partner, 0) + fen
    other: dict[str, int] = dict(clean.other_fen)
    for node in nodes:
        if node.side != "L":
            other[node.row.partner] = other.get(node.row.partner, 0) + partner_worth(node)
    explained = _added(one.differences for one in found)
    before, gone, back, after = (
        _added(item.sums for item in each if not item.found.standing) for each in rolled
    )
    return {
        partner: ProofLine(
            partner=partner,
            ledger_fen=ledger.get(partner, 0),
            other_fen=other.get(partner, 0),
            explained_fen=explained.get(partner, 0),
            open_before_fen=before.get(partner, 0),
            ended_fen=gone.get(partner, 0) - back.get(partner, 0),
            open_after_fen=after.get(partner, 0),
        )
        for partner in sorted({*run.statements, *run.exports})
    }


def _added(lists: Iterable[Iterable[tuple[str, int]]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for pairs in lists:
        for partner, fen in pairs:
            sums[partner] = sums.get(partner, 0) + fen
    return sums
