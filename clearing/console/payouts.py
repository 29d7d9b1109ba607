"""`payouts`: reimbursements on their way to card accounts, and what holds them up. 代付"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from clearing.console.edge import Json, a_date, answer, books, expect_known, perform, read_file
from clearing.console.exchange import tell_received
from clearing.console.look import Rows
from clearing.console.show import last4, money, table, yuan
from clearing.errors import NotBalanced
from clearing.files.manifest import MANIFEST_SUFFIX
from clearing.jobs.ask import Asked, ask
from clearing.jobs.dispatch import dispatch
from clearing.jobs.orders import Sent
from clearing.jobs.receive import take_results
from clearing.jobs.settle import settle
from clearing.jobs.take_file import Received
from clearing.jobs.take_lines import Site
from clearing.ledger.facts import PayoutBatch
from clearing.ledger.rules.payout_batches import rows_digest
from clearing.store import days, payout_lists
from clearing.store.payout_lists import PayoutRow, PayoutTotals
from clearing.store.session import transaction

payouts_app = typer.Typer(no_args_is_help=True, help="Payouts to card accounts 代付.")

STATES: Final = ("HELD", "ACCEPTED", "SENT", "PAID", "REJECTED", "RETURNED", "GIVEN_BACK", "WITHDRAWN")


@payouts_app.command("list")
def list_payouts(  # noqa: PLR0917 - the options of a command
    state: Annotated[str | None, typer.Option("--state", help=f"One of {' '.join(STATES)}.")] = None,
    payer: Annotated[str | None, typer.Option("--payer", help="Of this fund or insurer.")] = None,
    batch: Annotated[str | None, typer.Option("--batch", help="Of the payer's batch with this id.")] = None,
    day: Annotated[
        date | None,
        typer.Option("--date", parser=a_date, metavar="DATE", help="Submitted on this clearing date."),
    ] = None,
    rows_max: Rows = 100,
    as_json: Json = False,
) -> None:
    """Payouts, their batches, and their totals beside accounts 2035 and 2030 代付清单.

    Totals by state are of all payouts, or of the payer's: they must come to what the accounts owe (exit code 1
    when they do not). With --date, batches are those that changed last on it; age counts from submission.
    """
    if state is not None and state not in STATES:
        raise typer.BadParameter(f"expected one of {' '.join(STATES)}, got {state!r}", param_hint="--state")

    async def work() -> tuple[list[PayoutRow], list[PayoutBatch], PayoutTotals, date]:
        async with books() as the, transaction(the.engine) as conn:
            if day is not None:
                await days.opened(conn, day)
            found = await payout_lists.payouts(
                conn, state=state, payer=payer, batch=batch, submitted=day, rows_max=rows_max
            )
            batches = await payout_lists.batches(conn, payer=payer, batch=batch, day=day, rows_max=rows_max)
            if not found and not batches:
                expect_known(the.members, payer=payer)
            totals = await payout_lists.totals(conn, payer)
            return found, batches, totals, await days.first_uncut(conn)

    found, batches, totals, today = perform(work)
    if as_json:
        answer(
            {
                "payouts": [_payout(one, today) for one in found],
                "batches": [_batch(one) for one in batches],
                "totals": {
                    name: {"count": n, "amount": yuan(fen)} for name, (n, fen) in totals.states.items()
                },
                "tie_out": [
                    {
                        "account": one.account,
                        "payouts": yuan(one.payouts_fen),
                        "balance": yuan(one.balance_fen),
                        "difference": yuan(one.difference_fen),
                    }
                    for one in totals.accounts
                ],
            }
        )
    else:
        _tables(found, batches, totals, today)
    if any(one.difference_fen for one in totals.accounts):
        raise typer.Exit(NotBalanced.exit_code)


@payouts_app.command("dispatch")
def dispatch_payouts(
    at_once: Annotated[bool, typer.Option("--now", help="Send payouts whatever the window.")] = False,
    ask_now: Annotated[
        bool, typer.Option("--ask", help="Ask after all orders that are unanswered, however short a time.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make the PAY files that are due, ready for `deliver` 代付发送.

    Accepted payouts once a window (CLEARING_DISPATCH_WINDOWS), settlement instructions on their working day from
    CLEARING_SETTLE_AT on, and questions about orders whose end is not known. Run it as often as you like.
    """

    async def work() -> tuple[list[Sent], list[Asked]]:
        now = datetime.now(UTC)
        async with books() as the:
            world = (the.engine, the.settings, the.members)
            sent = await dispatch(*world, now=now, at_once=at_once)
            sent += await settle(*world, now=now)
            return sent, await ask(*world, now=now, at_once=ask_now)

    sent, asked = perform(work)
    if as_json:
        answer(
            {
                "sent": [
                    one._asdict() | {"files": list(one.files), "total": yuan(one.total_fen)} for one in sent
                ],
                "asked": [one._asdict() for one in asked],
            }
        )
        return
    if not sent and not asked:
        print("nothing is due")
        return
    table(
        "Sent 已发送",
        ["kind", "bank", "window", "files", "rows", "total"],
        ([one.kind, one.bank, one.window, len(one.files), one.rows, money(one.total_fen)] for one in sent),
        right=["files", "rows"],
    )
    for name in (name for one in sent for name in one.files):
        print(name)
    for question in asked:
        print(f"asked {question.bank} after {question.rows} orders: {question.file}")
    if sent or asked:
        print("next: clearing deliver")


@payouts_app.command("results")
def payout_results(
    file: Annotated[Path, typer.Argument(help="A PYR or RTN file; its manifest is looked for beside it.")],
    sender: Annotated[str, typer.Option("--from", help="Whose it is, where its name does not say it.")] = "",
    as_json: Json = False,
) -> None:
    """Take a bank's results or returns in, as if they had come by `receive` 回盘与退票."""

    async def work() -> list[Received]:
        content, beside = read_file(file), file.with_name(file.name + MANIFEST_SUFFIX)
        manifest = read_file(beside) if beside.exists() else None
        async with books() as the:
            site = Site(the.engine, the.settings, the.members, datetime.now(UTC))
            return [await take_results(site, file.name, content, manifest, sender)]

    tell_received(perform(work), as_json=as_json)


def _payout(row: PayoutRow, today: date) -> dict[str, Any]:
    one = row.payout
    return {
        "payout": f"{one.source}/{one.id}",
        "state": one.state,
        "attempt": one.attempt,
        "amount": yuan(one.amount_fen),
        "payer": one.payer,
        "settlement_id": one.settlement_id,
        "kind": one.kind,
        "card": one.card,
        "bank": one.bank,
        "batch": one.batch_id or None,
        "row": one.row_no,
        "submitted": f"{row.submitted}",
        "age_days": _age(row, today),
        "changed": f"{one.last_date}",
        "reason_code": one.attempts[-1].reason_code or None if one.attempts else None,
    }


def _age(row: PayoutRow, today: date) -> int:
    """Days from the submission to the day that is open; one of the day after it is 0 days old."""
    return max((today - row.submitted).days, 0)


def _batch(one: PayoutBatch) -> dict[str, Any]:
    accepted = [fen for _, _, fen, taken in one.counted if taken]
    return {
        "payer": one.payer,
        "batch": one.batch_id,
        "kind": one.kind,
        "state": one.state,
        "rows": one.rows,
        "total": yuan(one.total_fen),
        "came": len(one.counted),
        "came_total": yuan(sum(row[2] for row in one.counted)),
        "accepted": len(accepted),
        "accepted_total": yuan(sum(accepted)),
        "changed": f"{one.last_date}",
        "not_released": why_not(one) or None,
    }


def why_not(batch: PayoutBatch) -> str:
    """Why a batch is not released for dispatch; empty for one that is. 未放行原因"""
    if batch.state == "RELEASED":
        return ""
    if not batch.digest:
        return "its header has not come"
    said: list[str] = []
    if len(batch.counted) != batch.rows:
        said.append(f"{len(batch.counted)} of {batch.rows} rows have come")
    difference = sum(row[2] for row in batch.counted) - batch.total_fen
    if difference:
        said.append(f"{money(abs(difference))} too {'much' if difference > 0 else 'little'}")
    if not said and rows_digest(batch.counted) != batch.digest:
        said.append("count and total fit, the digest of its rows does not")
    return ", ".join(said)


def _tables(found: list[PayoutRow], batches: list[PayoutBatch], totals: PayoutTotals, today: date) -> None:
    table(
        "Payouts 代付",
        ["payout", "state", "attempt", "amount", "card", "bank", "batch", "submitted", "days"],
        (
            [
                f"{one.source}/{one.id}",
                one.state,
                one.attempt,
                money(one.amount_fen),
                last4(one.card),
                one.bank,
                one.batch_id,
                row.submitted,
                _age(row, today),
            ]
            for row in found
            for one in (row.payout,)
        ),
        right=["attempt", "days"],
    )
    table(
        "Batches 代付批次",
        ["payer", "batch", "state", "rows", "amount", "came", "not released because"],
        (
            [
                one.payer,
                one.batch_id,
                one.state,
                one.rows,
                money(one.total_fen),
                len(one.counted),
                why_not(one),
            ]
            for one in batches
        ),
        right=["rows", "came"],
    )
    table(
        "All payouts, or the payer's 合计",
        ["state", "payouts", "amount"],
        ([name, count, money(fen)] for name, (count, fen) in totals.states.items()),
        right=["payouts"],
    )
    for one in totals.accounts:
        print(
            f"{one.account}  {' + '.join(payout_lists.ON_ACCOUNT[one.account])} = {money(one.payouts_fen)}, "
            f"balance {money(one.balance_fen)}, difference {money(one.difference_fen)}"
        )
