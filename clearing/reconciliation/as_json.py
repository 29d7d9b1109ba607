"""What a run found, as the command prints it: yuan as text. 对账输出"""

from __future__ import annotations

from typing import Any

from clearing.ledger.money import yuan
from clearing.reconciliation.breaks import Break
from clearing.reconciliation.reconciled import Reconciled


def as_json(reconciled: Reconciled, run: str) -> dict[str, Any]:
    """The object that the `reconcile` command prints: yuan as text, differences ledger minus other side.

    In:      `run`: the id under which the caller keeps this run.
    Source:  contract "Commands and settings", JSON shapes.
    """
    return {
        "date": reconciled.day.isoformat(),
        "run": run,
        "matched": reconciled.matched,
        "breaks": [break_json(one) for one in reconciled.breaks],
        "proof": {
            partner: {
                "ledger": yuan(line.ledger_fen),
                "other": yuan(line.other_fen),
                "explained": yuan(line.explained_fen),
                "residual": yuan(line.residual_fen),
                "open_before": yuan(line.open_before_fen),
                "ended": yuan(line.ended_fen),
                "open_after": yuan(line.open_after_fen),
            }
            for partner, line in reconciled.proof.items()
        },
        "balances": {
            name: {
                "ledger": yuan(line.ledger_fen),
                "other": yuan(line.other_fen),
                "explained": yuan(line.explained_fen),
                "residual": yuan(line.residual_fen),
            }
            for name, line in reconciled.balances.items()
        },
        "open": {
            "before": reconciled.roll.before,
            "new": reconciled.roll.new,
            "cleared": reconciled.roll.cleared,
            "after": reconciled.roll.after,
        },
    }


def break_json(one: Break) -> dict[str, Any]:
    """One break as the command prints it."""
    return {
        "id": one.id,
        "code": one.code,
        "codes": list(one.codes),
        "vector": one.vector,
        "amount": yuan(one.amount_fen),
        "difference": yuan(one.difference_fen),
        "differences": {partner: yuan(fen) for partner, fen in one.differences},
        "keys": {"bank_ref": one.bank_ref, "order_no": one.order_no, "entry_id": one.entry_id},
        "bank": one.bank,
        "institution": one.institution,
        "state": one.state,
        "opened": one.opened.isoformat(),
        "detail": one.detail,
    }
