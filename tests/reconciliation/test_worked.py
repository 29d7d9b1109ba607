"""The worked reconciliation, both days, from its folder."""

from __future__ import annotations

from typing import Any

import pytest

from clearing.reconciliation.as_json import as_json
from clearing.reconciliation.ledger_side import ledger_rows
from clearing.reconciliation.partner_files import Parsed, ParsedExport, ParsedStatement
from clearing.reconciliation.reconciled import Reconciled, reconcile
from clearing.reconciliation.report import report
from clearing.reconciliation.statements import parse_export, parse_statement
from tests.reconciliation.sides import CLOCK, DAY, NEXT, WORKED, expected, worked_entries


def files(name: str) -> tuple[dict[str, ParsedStatement], dict[str, ParsedExport]]:
    """The two files of one day of the folder."""
    day = DAY if name == "day-1" else NEXT
    bank = (WORKED / name / "STM_BX.csv").read_bytes()
    his = (WORKED / name / "HIS_H1.csv").read_bytes()
    one = parse_statement(bank, partner="BX", file="STM_BX.csv", day=day, clock=CLOCK)
    two = parse_export(his, partner="H1", file="HIS_H1.csv", day=day, clock=CLOCK)
    assert isinstance(one, Parsed)
    assert isinstance(two, Parsed)
    return {"BX": one}, {"H1": two}


@pytest.fixture(name="days")
def both_days() -> dict[str, Reconciled]:
    """The two runs, the second after the first."""
    first = reconcile(DAY, ledger_rows(DAY, worked_entries()), *files("day-1"))
    second = reconcile(
        NEXT,
        ledger_rows(NEXT, worked_entries()),
        *files("day-2"),
        open_before=first.open_after,
        waiting_before=first.waiting,
        taken_before=first.taken,
    )
    return {"day-1": first, "day-2": second}


def plain(found: Reconciled) -> dict[str, Any]:
    """What the command prints, without ids and run, in order of code."""
    shown = as_json(found, "run-1")
    del shown["run"]
    for one in shown["breaks"]:
        del one["id"]
    shown["breaks"].sort(key=lambda one: (one["code"], one["keys"]["order_no"]))
    return shown


@pytest.mark.parametrize("name", ["day-1", "day-2"])
def test_the_worked_reconciliation_is_exact(days: dict[str, Reconciled], name: str) -> None:
    """Every break, figure and count of the folder's expectation comes out."""
    assert plain(days[name]) == expected(name)


def test_the_bridge_stands_on_both_sides(days: dict[str, Reconciled]) -> None:
    """1 045.00 − 80.00 − 18.00 + 25.00 = 972.00 at the bank, 1 045.00 − 300.00 + 45.00 = 790.00 at the hospital."""
    bank, his = report(days["day-1"], "run-1", *files("day-1")).bridges
    assert (bank.ledger_fen, bank.ledger_only_fen, bank.differences_fen) == (104500, 8000, -1800)
    assert (bank.other_only_fen, bank.other_fen, bank.residual_fen) == (2500, 97200, 0)
    assert (his.ledger_fen, his.ledger_only_fen, his.other_only_fen) == (104500, 30000, 4500)
    assert (his.differences_fen, his.other_fen, his.residual_fen) == (0, 79000, 0)


def test_the_cleared_break_keeps_its_id(days: dict[str, Reconciled]) -> None:
    """What the next day clears is listed under the id it was found with, and five open ones become four."""
    (suspect,) = (one for one in days["day-1"].breaks if one.code == "SID-101")
    (cleared,) = days["day-2"].breaks
    assert (cleared.id, cleared.code, cleared.state) == (suspect.id, "CUT-001", "AUTO_CLEARED")
    roll = days["day-2"].roll
    assert (roll.before, roll.new, roll.cleared, roll.after) == (5, 0, 1, 4)
