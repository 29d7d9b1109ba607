"""Payouts out to their banks, in their windows. 代付发送

An order and the state that says it is out commit together with the bytes of its file, so that a killed dispatch
has sent all of it or nothing, and no order is ever in two files by mistake. What a bank does not know, or does not
answer, is asked after (`ask`); it is not sent again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Final

import structlog

from clearing.errors import ClearingError, InvariantViolated, UsageError
from clearing.files.records import PayLine
from clearing.jobs.orders import PAYOUT, Bank, Sent, send
from clearing.jobs.own_events import OwnEvent, take_own
from clearing.jobs.tries import Moved, in_transaction
from clearing.ledger import accounts
from clearing.ledger.outcomes import Outcome
from clearing.store import days, facts, locks, payments
from clearing.store.payments import Dispatched, DuePayout
from clearing.store.session import transaction
from messages import Event, Malformed, decode

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from clearing.jobs.gather import Names
    from clearing.ledger.facts import Payout
    from clearing.ledger.members import Members, MembersOn
    from clearing.settings import Settings

PURPOSES: Final = {
    "INPATIENT": "住院报销",
    "OUTPATIENT": "门诊报销",
    "SECOND": "二次补偿",
    "CRITICAL": "大病保险",
}
SENT_BEFORE: Final = "sent before"

_log = structlog.get_logger("dispatch")

# ---------------------------------------------------------------- payouts


async def dispatch(
    engine: AsyncEngine, settings: Settings, members: Members, *, now: datetime, at_once: bool = False
) -> list[Sent]:
    """Send what is accepted to its banks: each window once, or now. 代付发送

    In:      `now`, aware; `at_once` sends whatever the window.
    Out:     one a bank to which something went; nothing before the first window, and after a window was worked off.
    Writes:  payouts (by payout.sent), dispatch, pay_line, file with its parts: one transaction a bank.
    Again:   banks that this window has reached are left; a dispatch that was killed left nothing.
    Raises:  UsageError, WorldFailed, InvariantViolated: of what could not go the first; all else has gone.
    """
    window = "" if at_once else window_of(settings.dispatch_windows, now.astimezone(members.clock.zone))
    if not window and not at_once:
        return []
    async with transaction(engine) as conn:
        done = await payments.dispatched(conn, PAYOUT, window) if window else set()
        banks = [code for code in await payments.banks_due(conn) if code not in done]
        if window:  # a bank with nothing to send has had its window too
            today = members.on(await days.first_uncut(conn))
            every = {code for code, kind in today.kinds.items() if kind == "bank"}
            banks = sorted(every.union(banks) - done)
    told: list[Sent] = []
    failed: list[ClearingError] = []
    for code in banks:
        bank = Bank(settings, members, code, now)

        async def work(
            conn: AsyncConnection, known: Names, bank: Bank = bank
        ) -> tuple[Sent | None, Sequence[ClearingError]]:
            return await _payouts(conn, bank, window, known)

        try:
            sent, stay = await in_transaction(engine, f"dispatch to {code}", work)
        except ClearingError as error:  # what is wrong with one bank's payouts keeps nobody else's back
            sent, stay = None, [error]
        failed += stay
        told += [sent] if sent else []
    for one in failed:
        _log.warning("not everything was sent", error=f"{one}")
    if failed:
        raise failed[0]
    return told


def window_of(windows: Sequence[time], local: datetime) -> str:
    """The window that is open: the last that has begun on this day, as `2026-03-10 08:30`; empty before the first."""
    begun = [one for one in windows if one <= local.time()]
    return f"{local:%Y-%m-%d} {max(begun):%H:%M}" if begun else ""


async def _payouts(
    conn: AsyncConnection, bank: Bank, window: str, known: Names
) -> tuple[Sent | None, Sequence[ClearingError]]:
    """Send one bank's; beside that what has to stay, because its payer or the bank takes part no more."""
    await payments.one_at_a_time(conn)
    if window and bank.code in await payments.dispatched(conn, PAYOUT, window):
        return None, ()
    found = await payments.due(conn, bank.code, bank.settings.dispatch_rows_max)
    await locks.day_shared(conn)
    on = bank.members.on(await days.first_uncut(conn))
    due = [one for one in found if _may_go(one.payout, on)]
    stay = [_stays(one.payout, on) for one in found if not _may_go(one.payout, on)]
    if not due:
        if window:
            await payments.add_dispatch(conn, Dispatched(PAYOUT, window, bank.code, bank.now, 0, 0, 0))
        return None, stay
    new = [one.payout for one in due if one.payout.state == "ACCEPTED"]
    made = await take_own(
        conn, bank.settings, bank.members, [_sent_event(one) for one in new], now=bank.now, known=known
    )
    for payout, decision in zip(new, made, strict=True):
        if isinstance(decision, Malformed):
            raise InvariantViolated(f"payout {payout.source}/{payout.id}: {decision}. Nothing was sent")
        if decision.outcome is not Outcome.NOTED or decision.detail == SENT_BEFORE:
            # Somebody else moved it since we looked; rolled back, it is looked at anew.
            raise Moved(f"payout {payout.source}/{payout.id}: {decision.outcome.value} {decision.detail}")
    await _same_cards(conn, new)
    value_date = bank.now.astimezone(bank.members.clock.zone).date()
    lines = [_pay_line(one, on, value_date) for one in due]
    return await send(conn, bank, (PAYOUT, window), on.day, lines), stay


def _may_go(payout: Payout, on: MembersOn) -> bool:
    payer = on.by_code.get(payout.payer)
    return (
        payer is not None
        and payer.settlement(accounts.FUND_EXPENSE) is not None
        and payout.bank in on.by_code
    )


def _stays(payout: Payout, on: MembersOn) -> UsageError:
    return UsageError(
        f"payout {payout.source}/{payout.id}: expected {payout.payer} with an account and bank {payout.bank} in "
        f"force on {on.day}, got none. It was not sent. Next: extend or correct the record with clearing members load"
    )


async def _same_cards(conn: AsyncConnection, found: Sequence[Payout]) -> None:
    """Now that the payouts are ours: each goes where it went when it was found to be due.

    Raises:  Moved when a card was replaced meanwhile.
    """
    now = await facts.read(conn, [("payout", one.source, one.id) for one in found])
    for one in found:
        key = ("payout", one.source, one.id)
        if (now[key].card, now[key].bank, now[key].attempt) != (one.card, one.bank, one.attempt):
            raise Moved(f"payout {one.source}/{one.id}: it goes to another card since")


def _sent_event(payout: Payout) -> OwnEvent:
    """payout.sent, under an id that follows from payout and attempt."""
    name = hashlib.new("sm3", pay_id(payout).encode()).hexdigest()[:32]
    original = {"source": payout.source, "id": payout.id}
    return OwnEvent(
        id=f"payout.sent:{name}", type="payout.sent", data={"original": original, "attempt": payout.attempt}
    )


def pay_id(payout: Payout) -> str:
    """What a payment order of a payout is called between us and the bank: payout id and attempt. 代付编号"""
    return f"{payout.source}/{payout.id}/{payout.attempt}"


def _pay_line(due: DuePayout, on: MembersOn, value_date: date) -> PayLine:
    payout = due.payout
    account = on.by_code[payout.payer].settlement(accounts.FUND_EXPENSE)
    if account is None:
        raise InvariantViolated(
            f"payout {payout.source}/{payout.id}: it was to stay, and is about to be sent"
        )
    name, to = "", payout.card
    event = decode(due.raw) if due.raw else None
    payee = getattr(event.data, "payee", None) if isinstance(event, Event) else None
    if payee is not None:
        name, to = payee.name, payee.account
    return PayLine(
        pay_id=pay_id(payout),
        payer_account=account[1],
        payee_bank=getattr(on.by_code[payout.bank], "cnaps", ""),
        payee_account=to,
        payee_name=name,
        corporate=False,
        amount_fen=payout.amount_fen,
        purpose=PURPOSES.get(payout.kind, "报销"),
        value_date=value_date,
        urgent=False,
    )
