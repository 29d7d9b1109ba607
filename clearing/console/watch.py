"""`watchlist`: what was taken and should be looked at. 关注清单"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import tzinfo
from typing import Any

from clearing.console.edge import Day, Json, answer, books, perform
from clearing.console.look import Rows
from clearing.console.show import last4, local, money, table, yuan
from clearing.store import days
from clearing.store import watchlist as stored
from clearing.store.session import transaction
from clearing.store.watchlist import Watchlist


def watchlist(day: Day, rows_max: Rows = 100, as_json: Json = False) -> None:
    """Debits before a known loss, odd terminals, open time-outs, idle reversals, held payouts 关注清单.

    Nothing of it was refused, and nothing is changed. Debits and terminals are those of the date; the others stand
    as they are now.
    """

    async def work() -> tuple[Watchlist, tzinfo]:
        async with books() as the, transaction(the.engine) as conn:
            await days.opened(conn, day)
            return await stored.watchlist(conn, day), the.members.clock.zone

    found, zone = perform(work)
    if as_json:
        lists: dict[str, list[dict[str, Any]]] = {
            "debits": [_debit(one) for one in found.debits],
            "terminals": [_plain(one) for one in found.terminals],
            "timeouts": [_plain(one) for one in found.timeouts],
            "tombstones": [_plain(one) for one in found.tombstones],
            "payouts": [_plain(one) | {"card": last4(one.card)} for one in found.payouts],
        }
        told = {name: {"count": len(rows), "listed": rows[:rows_max]} for name, rows in lists.items()}
        answer({"date": f"{day}", **told})
        return
    _tables(found, zone, rows_max)


def _plain(one: Any) -> dict[str, Any]:  # noqa: ANN401 - a row of any of the lists
    """A row with amounts in yuan and instants in ISO."""
    row: dict[str, Any] = one._asdict()
    if "amount_fen" in row:
        row["amount"] = yuan(row.pop("amount_fen"))
    if "amounts_fen" in row:
        row["amounts"] = [yuan(fen) for fen in row.pop("amounts_fen")]
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}


def _debit(one: stored.StoppedDebit) -> dict[str, Any]:
    row = _plain(one)
    return row | {"event": f"{row.pop('source')}/{row.pop('id')}", "card": last4(one.card)}


def _tables(found: Watchlist, zone: tzinfo, rows_max: int) -> None:
    _listed(
        "Debits before a loss or stop was known 挂失前扣款",
        ["event", "card", "amount", "at", "state then", "since", "institution"],
        [
            [
                f"{one.source}/{one.id}", last4(one.card), money(one.amount_fen), local(one.occurred_at, zone),
                one.state, local(one.since, zone), one.institution,
            ]
            for one in found.debits
        ],
        rows_max,
    )  # fmt: skip
    _listed(
        "Terminals unknown, of another institution, or none at a chip 异常终端",
        ["what", "terminal", "used at", "belongs to", "debits", "amount", "first"],
        [
            [
                one.what.replace("_", " "), one.terminal, one.institution, one.belongs_to, one.debits,
                money(one.amount_fen), one.first,
            ]
            for one in found.terminals
        ],
        rows_max,
    )  # fmt: skip
    _listed(
        "Open time-outs 状态未明",
        ["event", "institution", "amount", "bank debited", "since"],
        [
            [
                f"{one.source}/{one.id}", one.institution, money(one.amount_fen), "yes" if one.debited else "no",
                local(one.occurred_at, zone),
            ]
            for one in found.timeouts
        ],
        rows_max,
    )  # fmt: skip
    _listed(
        "Reversals that came first and ended nothing 未生效冲正",
        ["original", "it is", "reversals", "amounts"],
        [
            [
                f"{one.source}/{one.id}",
                one.outcome or "not come",
                ", ".join(one.reversals),
                ", ".join(map(money, one.amounts_fen)),
            ]
            for one in found.tombstones
        ],
        rows_max,
    )
    _listed(
        "Payouts held for a card that has ended 待撤回代付",
        ["payout", "payer", "card", "card is", "amount"],
        [
            [f"{one.source}/{one.id}", one.payer, last4(one.card), one.state, money(one.amount_fen)]
            for one in found.payouts
        ],
        rows_max,
    )


def _listed(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], rows_max: int) -> None:
    shown: Iterable[Sequence[Any]] = rows[:rows_max]
    table(title, columns, shown, right=["debits"])
    if len(rows) > rows_max:
        print(f"{len(rows) - rows_max:,} more are not shown; see --rows")
