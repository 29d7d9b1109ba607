"""The `#` lines at the end of a partner's file: its totals and its balance. 文件尾"""

from __future__ import annotations

from collections.abc import Iterable

from clearing.reconciliation.cells import Errors, signed_fen
from clearing.reconciliation.partner_files import Balance, Totals


def trailers(lines: Iterable[list[str]]) -> tuple[Totals | None, Balance | None] | None:
    """What a file's `#` lines say; None when one of them is not sound, or comes twice. 文件尾"""
    errors = Errors("")
    totals: Totals | None = None
    balance: Balance | None = None
    for line, cells in enumerate(lines, 1):
        totals, balance = trailer_of(cells, line, (totals, balance), errors)
    return None if errors.found else (totals, balance)


def trailer_of(
    cells: list[str], line: int, before: tuple[Totals | None, Balance | None], errors: Errors
) -> tuple[Totals | None, Balance | None]:
    """What the `#` lines say, with one line more; each comes once. 尾行"""
    totals, balance = before
    if cells[0] == "#TOTAL" and totals is None:
        return _totals(cells, line, errors), balance
    if cells[0] == "#BALANCE" and balance is None:
        return totals, _balance(cells, line, errors)
    errors.add(line, "trailer", f'expected one #TOTAL or #BALANCE, got "{cells[0]}"', "FMT-008")
    return before


def _totals(cells: list[str], line: int, errors: Errors) -> Totals | None:
    count, *sums = cells[1:] if len(cells) == len(("#TOTAL", "rows", "in", "out")) else ("", "", "")
    fen = [signed_fen(text.strip()) for text in sums]
    if not (count.strip().isascii() and count.strip().isdigit()) or None in fen:
        got = ",".join(cells)[:100]
        errors.add(line, "trailer", f'expected #TOTAL,<rows>,<sum in>,<sum out>, got "{got}"', "FMT-008")
        return None
    return Totals(int(count), fen[0] or 0, fen[1] or 0)


def _balance(cells: list[str], line: int, errors: Errors) -> Balance | None:
    fen = [signed_fen(text.strip()) for text in cells[1:]]
    if len(fen) != len(("opening", "closing")) or None in fen:
        got = ",".join(cells)[:100]
        errors.add(line, "trailer", f'expected #BALANCE,<opening>,<closing>, got "{got}"', "FMT-008")
        return None
    return Balance(fen[0] or 0, fen[1] or 0)
