"""The mismatch report as a model: what every rendering says. 差错报告

Figures are summed here and nowhere else; cards are masked here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from clearing.ledger.money import yuan
from clearing.reconciliation.breaks import AUTO_CLEARED, CODES, Break, OpenItem
from clearing.reconciliation.reconciled import Reconciled
from clearing.reconciliation.rows import HisRow, LedgerRow, StatementRow
from clearing.reconciliation.statements import ParsedExport, ParsedStatement

AGES: Final = (("D0", 0), ("D1", 1), ("D2–3", 3), ("D4–7", 7), ("D8–30", 30), (">30", None))
_SHOWN_DIGITS: Final = 4


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
    """Breaks of one code by institution and bank; code MATCHED counts what has none."""

    code: str
    chinese: str
    institution: str
    bank: str
    count: int
    amount_fen: int


@dataclass(frozen=True, slots=True)
class RateLine:
    """How much matched for one institution and bank, by count and by amount."""

    institution: str
    bank: str
    matched: int
    items: int
    matched_fen: int
    items_fen: int

    @property
    def by_count(self) -> str:
        """Percent with two decimals, rounded down."""
        return _percent(self.matched, self.items)

    @property
    def by_amount(self) -> str:
        """Percent with two decimals, rounded down."""
        return _percent(self.matched_fen, self.items_fen)


@dataclass(frozen=True, slots=True)
class AgeLine:
    """Open breaks of one age."""

    age: str
    count: int
    amount_fen: int


@dataclass(frozen=True, slots=True)
class DetailLine:
    """One break, the three sides side by side."""

    id: str
    code: str
    chinese: str
    label: str
    codes: str
    vector: str
    state: str
    opened: str
    institution: str
    bank: str
    amount_fen: int
    difference_fen: int
    differences: str
    ledger: str
    bank_side: str
    his_side: str
    differing: str
    """Names of the cells in which the sides differ."""
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that is said of one day. 对账报告"""

    day: date
    run: str
    balanced: bool
    """平 or 不平: whether no break is open."""
    inputs: tuple[InputLine, ...]
    bridges: tuple[Bridge, ...]
    summary: tuple[SummaryLine, ...]
    rates: tuple[RateLine, ...]
    ages: tuple[AgeLine, ...]
    roll: tuple[int, int, int, int]
    """Open before, new, cleared, open after."""
    detail: tuple[DetailLine, ...]
    cleared: tuple[str, ...]
    """Ids cleared by this run."""
    total_count: int
    total_fen: int
    """Sum of the breaks' amounts."""


def report(
    reconciled: Reconciled,
    run: str,
    statements: Mapping[str, ParsedStatement],
    exports: Mapping[str, ParsedExport],
) -> Report:
    """The report of one run. 对账报告

    In:      what `reconcile` gave, and the files it was given.
    Out:     lines in a fixed order; fen.
    Source:  contract "The report".
    """
    inputs = [
        *(
            InputLine(one.partner, one.file, len(one.rows), one.sha256, one.sm3)
            for one in statements.values()
        ),
        *(InputLine(one.partner, one.file, len(one.rows), one.sha256, one.sm3) for one in exports.values()),
    ]
    roll = reconciled.roll
    return Report(
        day=reconciled.day,
        run=run,
        balanced=not reconciled.open_after and all(one.proven for one in reconciled.breaks),
        inputs=tuple(sorted(inputs, key=lambda one: (one.partner, one.file))),
        bridges=tuple(_bridge(reconciled, partner) for partner in reconciled.proof),
        summary=tuple(_summary(reconciled)),
        rates=tuple(_rates(reconciled)),
        ages=tuple(_ages(reconciled.day, reconciled.open_after)),
        roll=(roll.before, roll.new, roll.cleared, roll.after),
        detail=tuple(_detail(one, statements) for one in reconciled.breaks),
        cleared=tuple(one.id for one in reconciled.breaks if one.state == AUTO_CLEARED),
        total_count=len(reconciled.breaks),
        total_fen=sum(one.amount_fen for one in reconciled.breaks),
    )


def label(one: Break, banks: Iterable[str]) -> str:
    """长款 or 短款 with the side named: more money there than in our books is 长款. 长短款"""
    of_bank = set(banks)
    for partner, fen in sorted(one.differences, key=lambda pair: pair[0] not in of_bank):
        if fen:
            side = f"银行 {partner}" if partner in of_bank else f"HIS {partner}"
            return f"{side} {'短款' if fen > 0 else '长款'} {yuan(abs(fen))}"
    return ""


def masked(card: str) -> str:
    """A card as it may be shown: its last four characters."""
    return f"****{card[-_SHOWN_DIGITS:]}" if card else ""


def _bridge(reconciled: Reconciled, partner: str) -> Bridge:
    line = reconciled.proof[partner]
    ledger_only = other_only = matched = 0
    for one in reconciled.breaks:
        for name, fen in one.differences:
            if name != partner:
                continue
            if not one.ledger_rows or one.code.startswith("DUP"):
                other_only -= fen
            elif partner not in _partners(one):
                ledger_only += fen
            else:
                matched -= fen
    return Bridge(partner, line.ledger_fen, other_only, ledger_only, matched, line.other_fen)


def _partners(one: Break) -> set[str]:
    return {row.partner for row in one.bank_rows} | {row.partner for row in one.his_rows}


def _summary(reconciled: Reconciled) -> Iterator[SummaryLine]:
    sums: dict[tuple[str, str, str], tuple[int, int]] = {}
    for one in reconciled.breaks:
        key = (one.code, one.institution, one.bank)
        count, amount = sums.get(key, (0, 0))
        sums[key] = (count + 1, amount + one.amount_fen)
    for (code, institution, bank), (count, amount) in sorted(sums.items()):
        yield SummaryLine(code, CODES[code].chinese, institution, bank, count, amount)


def _rates(reconciled: Reconciled) -> Iterator[RateLine]:
    sums: dict[tuple[str, str], list[int]] = {}
    for match in reconciled.matches:
        if match.moved:
            row = match.ledger_rows[0]  # without one of ours it would be a break
            _count(sums, (row.institution, row.partner), (1, 1, row.amount_fen, row.amount_fen))
    for one in reconciled.breaks:
        if one.proven:
            _count(sums, (one.institution, one.bank), (0, 1, 0, one.amount_fen))
    for (institution, bank), figures in sorted(sums.items()):
        yield RateLine(institution, bank, *figures)


def _count(sums: dict[tuple[str, str], list[int]], place: tuple[str, str], more: Sequence[int]) -> None:
    figures = sums.setdefault(place, [0, 0, 0, 0])
    for index, value in enumerate(more):
        figures[index] += value


def _percent(part: int, whole: int) -> str:
    hundredths = 10_000 * part // whole if whole else 10_000
    return f"{hundredths // 100}.{hundredths % 100:02d}"


def _ages(day: date, items: Iterable[OpenItem]) -> Iterator[AgeLine]:
    days = [((day - item.found.opened).days, item.found.amount_fen) for item in items]
    lowest = 0
    for name, highest in AGES:
        found = [fen for age, fen in days if age >= lowest and (highest is None or age <= highest)]
        yield AgeLine(name, len(found), sum(found))
        lowest = (highest or 0) + 1


def _detail(one: Break, banks: Iterable[str]) -> DetailLine:
    return DetailLine(
        id=one.id,
        code=one.code,
        chinese=CODES[one.code].chinese,
        label=label(one, banks),
        codes=" ".join(one.codes),
        vector=one.vector,
        state=one.state,
        opened=one.opened.isoformat(),
        institution=one.institution,
        bank=one.bank,
        amount_fen=one.amount_fen,
        difference_fen=one.difference_fen,
        differences="; ".join(f"{partner} {yuan(fen)}" for partner, fen in one.differences),
        ledger="; ".join(_ledger_text(row) for row in one.ledger_rows),
        bank_side="; ".join(_partner_text(row) for row in one.bank_rows),
        his_side="; ".join(_partner_text(row) for row in one.his_rows),
        differing=" ".join(_differing(one)),
        detail=one.detail,
    )


def _ledger_text(row: LedgerRow) -> str:
    name = row.entry_id or f"{row.source}/{row.event_id}"
    parts = (name, row.type, row.direction, yuan(row.amount_fen), row.status, row.bank_ref, row.order_no)
    return " ".join(part for part in (*parts, row.clearing_date.isoformat(), masked(row.card)) if part)


def _partner_text(row: StatementRow | HisRow) -> str:
    kind, ref = (row.type, row.bank_ref) if isinstance(row, StatementRow) else (row.trade_type, row.order_no)
    parts = (f"{row.file}:{row.line}", kind, row.direction, yuan(row.amount_fen), row.status, ref)
    return " ".join(part for part in (*parts, row.day.isoformat(), masked(row.card)) if part)


def _differing(one: Break) -> Iterator[str]:
    names = {
        "AMT": "amount",
        "STA": "status",
        "DIR": "direction",
        "FEE": "fee",
        "CUT": "date",
        "GRP": "amount",
    }
    for code in one.codes:
        if code[:3] in names:
            yield names[code[:3]]
        elif code == "IDN-001":
            yield "card/institution/bank_ref"
        elif code.startswith("SID"):
            yield "presence"
