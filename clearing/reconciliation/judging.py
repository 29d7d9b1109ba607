"""An item after all passes: a match, or a break with its name, money and state. 差错认定"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from clearing.errors import InvariantViolated
from clearing.reconciliation.breaks import Break, OpenItem, break_id
from clearing.reconciliation.codes import AUTO_CLEARED, OPEN, SUSPECT, first_state, in_order
from clearing.reconciliation.compare import PaidOut, codes_of, codes_wanted, views, worth_today
from clearing.reconciliation.fund_list import cut_fen, detail_of_list, place_of_list
from clearing.reconciliation.items import Item, Node, Side
from clearing.reconciliation.rows import HisRow, LedgerRow, StatementRow, fingerprint_text, on_a_list

Sums = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Run:
    """What is given to one run: whose files, and which institutions lack a statement for some rows."""

    day: date
    statements: frozenset[str]
    exports: frozenset[str]
    lacking: frozenset[str]
    card_of: Mapping[str, str]
    paid_out: Collection[PaidOut] = ()


def judge(run: Run, item: Item, names: dict[str, int]) -> tuple[Break | None, Sums]:
    """What an item is: None for a match, else its break, with its differences over all days so far.

    In:      `names`: how often each leading row has named a break in this run, counted on here.
    Source:  contract "Reconciliation", passes 5 to 7 and "One break an item".
    """
    vector = vector_of(run, item)
    differences = _differences(run, item)
    sums = _over_all_days(item, differences)
    codes = codes_of(item, vector, run.card_of, run.paid_out)
    even = not any(fen for _, fen in sums)
    if not codes and any(fen for _, fen in (sums if item.old else differences)):
        codes.add("STA-003")  # each row looks right by itself, but they count on different days
    if item.old:
        codes = _carried(item, codes, even=even)
    if not codes:
        return None, sums
    return _break(run, item, in_order(codes), vector, differences, names=names, even=even), sums


def _carried(item: Item, codes: set[str], *, even: bool) -> set[str]:
    """The codes of an item that goes on from an earlier day."""
    crossing = {"CUT-002"} if all(node.undo for node in item.nodes if node.today) else {"CUT-001"}
    if item.undo_joined:
        if even:
            return crossing
        before = {code for one in item.old for code in one.found.codes if not code.startswith("CUT")}
        return codes | crossing | (before if not codes else set())
    return {code for code in codes if not code.startswith("CUT")} | crossing


def vector_of(run: Run, item: Item) -> str:
    """Presence of the three sides; `-` where a side does not apply to this item."""
    present = {node.side for node in item.nodes}
    bank = "1" if "B" in present else _bank_absent(run, item)
    his = "1" if "H" in present else _his_absent(run, item)
    return f"L{int('L' in present)}B{bank}H{his}"


def _bank_absent(run: Run, item: Item) -> str:
    ledger = _ledger_rows(item)
    if any(row.partner in run.statements for row in ledger) or _applied(item, 3):
        return "0"
    if ledger or not run.statements:
        return "-"
    if all(on_a_list(node.row) for node in item.nodes):
        return "-"  # what a payer paid has a row of its own with the bank
    institutions = {node.row.partner for node in item.of("H")}
    return "-" if institutions & run.lacking else "0"


def _his_absent(run: Run, item: Item) -> str:
    ledger = _ledger_rows(item)
    if any(row.institution in run.exports for row in ledger) or _applied(item, 5):
        return "0"
    named = {node.row.institution for node in item.of("B") if isinstance(node.row, StatementRow)}
    return "0" if not ledger and named & run.exports else "-"


def _applied(item: Item, place: int) -> bool:
    return any(one.found.vector[place] != "-" for one in item.old)


def _ledger_rows(item: Item) -> list[LedgerRow]:
    return [node.row for node in item.of("L") if isinstance(node.row, LedgerRow)]


def _differences(run: Run, item: Item) -> Sums:
    given = run.statements | run.exports
    found = {partner: one - two for partner, (one, two) in worth_today(item).items() if partner in given}
    for one in item.old:
        for partner, _ in one.sums:
            if partner in given:
                found.setdefault(partner, 0)
    return tuple(sorted(found.items()))


def _over_all_days(item: Item, differences: Sums) -> Sums:
    sums = dict(differences)
    for one in item.old:
        for partner, fen in one.sums:
            sums[partner] = sums.get(partner, 0) + fen
    return tuple(sorted(sums.items()))


def _break(
    run: Run,
    item: Item,
    codes: tuple[str, ...],
    vector: str,
    differences: Sums,
    *,
    names: dict[str, int],
    even: bool,
) -> Break:
    ledger, bank, his = rows_of(item)
    lead = _leading(item)
    sides = views(item.nodes)
    shown = next(sides[side] for side in ("L", "B", "H") if side in sides)
    older = sorted(item.old, key=lambda one: (one.found.opened, one.id))
    opened = older[0].found.opened if older else run.day
    return Break(
        id=older[0].id if older else break_id(run.day, _name(item, lead, names)),
        opened=opened,
        code=codes[0],
        codes=codes,
        vector=vector,
        amount_fen=cut_fen((*ledger, *his)) if codes[0] == "NRC-002" else shown.amount_fen,
        difference_fen=_headline(run, differences),
        differences=differences,
        **_place(ledger, bank, his),
        state=_state(codes[0], older, even=even),
        new=not older,
        joined=tuple(one.id for one in older[1:]),
        ledger_rows=ledger,
        bank_rows=bank,
        his_rows=his,
        detail=detail_of_list(ledger, his) if on_a_list(lead.row) else "",
    )


def _place(
    ledger: Sequence[LedgerRow], bank: Sequence[StatementRow], his: Sequence[HisRow]
) -> dict[str, str]:
    """The keys of a break and where it belongs: what the ledger says, else the bank, else the HIS."""
    refs = [*(r.bank_ref for r in ledger), *(r.bank_ref for r in bank), *(r.bank_ref for r in his)]
    ids = [*(r.entry_id for r in ledger), *(r.platform_ref for r in bank), *(r.platform_ref for r in his)]
    banks = [*(r.partner for r in ledger), *(r.partner for r in bank), *(r.bank for r in his)]
    homes = [*(r.institution for r in ledger), *(r.partner for r in his), *(r.institution for r in bank)]
    numbers = [*(_number(r) for r in ledger), *(r.order_no for r in his)]
    listed: list[LedgerRow | HisRow] = [row for row in ledger if on_a_list(row)]
    listed += [row for row in his if on_a_list(row)]
    if listed and not bank:
        (at_bank, home) = place_of_list(listed)
        banks, homes = [at_bank], [home]
    return {
        "bank_ref": _first(refs),
        "order_no": _first(numbers),
        "entry_id": _first(ids),
        "bank": _first(banks),
        "institution": _first(homes),
    }


def _state(code: str, older: Sequence[OpenItem], *, even: bool) -> str:
    state = first_state(code)
    if state == AUTO_CLEARED:
        return state if even else OPEN
    worked_on = [one.found.state for one in older if one.found.state not in (OPEN, SUSPECT)]
    return worked_on[0] if worked_on else state


def _headline(run: Run, differences: Sums) -> int:
    """The bank's difference if it is not zero, else the HIS's."""
    banks = [fen for partner, fen in differences if partner in run.statements]
    rest = [fen for partner, fen in differences if partner in run.exports]
    return next((fen for fen in (*banks, *rest) if fen), 0)


def _leading(item: Item) -> Node:
    """The row that names the item: ours, else the bank's, else the HIS's; the first in canonical order."""
    for side in ("L", "B", "H"):
        nodes = item.of(side)
        if nodes:
            return min(nodes, key=lambda node: (node.undo, node.name))
    raise InvariantViolated("reconciliation: an item without rows")


def _name(item: Item, lead: Node, names: dict[str, int]) -> str:
    row = lead.row
    name = fingerprint_text(row)
    if isinstance(row, LedgerRow):
        name = f"L|{row.partner}|{row.source}/{row.event_id}"
        name += f"|{row.institution}/{row.order_no}" if on_a_list(row) else ""
    if item.duplicate:
        name = f"DUP|{name}"
    names[name] = names.get(name, 0) + 1
    return name if names[name] == 1 else f"{name}|{names[name]}"


def rows_of(item: Item) -> tuple[tuple[LedgerRow, ...], tuple[StatementRow, ...], tuple[HisRow, ...]]:
    """The rows of an item by side, originals before undos, each in canonical order."""
    nodes = sorted(item.nodes, key=lambda node: (node.undo, node.name))
    return (
        tuple(node.row for node in nodes if isinstance(node.row, LedgerRow)),
        tuple(node.row for node in nodes if isinstance(node.row, StatementRow)),
        tuple(node.row for node in nodes if isinstance(node.row, HisRow)),
    )


def _number(row: LedgerRow) -> str:
    return row.order_no or row.receipt_no or row.admission_no


def _first(values: Iterable[str]) -> str:
    return next((value for value in values if value), "")


__all__ = ["Run", "Side", "Sums", "codes_wanted", "judge", "rows_of", "vector_of"]
