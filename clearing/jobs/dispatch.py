"""Payment orders out: payouts in their windows, settlement instructions on their working day. 代付发送

An order and the state that says it is out commit together with the bytes of its file, so that a killed dispatch
has sent all of it or nothing, and no order is ever in two files by mistake. What a bank does not know, or does not
answer, is asked after; it is not sent again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from clearing.day.working_days import is_working_day
from clearing.errors import Fenced, InvariantViolated, WorldFailed
from clearing.files.check import read_lines
from clearing.files.layout import FileName, Layout, load_layout
from clearing.files.lines import instruction_line, sides
from clearing.files.outgoing import RenderedFile, file_of
from clearing.files.records import PayLine, ResultLine
from clearing.jobs.gather import Busy
from clearing.jobs.ingest import TRIES_MAX, database_failed, worth_another_try
from clearing.jobs.own_events import OwnEvent, take_own
from clearing.jobs.seal import seal_files, sealer_of
from clearing.ledger import accounts
from clearing.ledger.outcomes import Outcome
from clearing.store import days, entries, files, payments, reference
from clearing.store.payments import Dispatched, DuePayout
from clearing.store.session import transaction
from messages import Event, Malformed, decode

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from clearing.jobs.seal import Sealer
    from clearing.ledger.facts import Instruction, Payout
    from clearing.ledger.members import Members, MembersOn
    from clearing.settings import Settings

PAYOUT: Final = "PAYOUT"
IN_BANK: Final = "IN_BANK"
INTER_BANK: Final = "INTER_BANK"
"""Kinds of orders: a payout, or an instruction of a closed day, within a bank or from one to another."""
PURPOSES: Final = {
    "INPATIENT": "住院报销",
    "OUTPATIENT": "门诊报销",
    "SECOND": "二次补偿",
    "CRITICAL": "大病保险",
}
SENT_BEFORE: Final = "sent before"

T = TypeVar("T")


class Sent(NamedTuple):
    """What went to one bank."""

    kind: str
    window: str
    bank: str
    files: tuple[str, ...]
    rows: int
    """Control count over all the files."""
    total_fen: int
    """Control total over all the files."""


class Asked(NamedTuple):
    """What a bank was asked after."""

    bank: str
    file: str
    rows: int


class Bank(NamedTuple):
    """What one dispatch to one bank is made with."""

    settings: Settings
    members: Members
    code: str
    now: datetime


# ---------------------------------------------------------------- payouts


async def dispatch(
    engine: AsyncEngine, settings: Settings, members: Members, *, now: datetime, at_once: bool = False
) -> list[Sent]:
    """Send what is accepted to its banks: each window once, or now. 代付发送

    In:      `now`, aware; `at_once` sends whatever the window.
    Out:     one a bank to which something went; nothing before the first window, and after a window was worked off.
    Writes:  payouts (by payout.sent), dispatch, pay_line, file with its parts: one transaction a bank.
    Again:   banks that this window has reached are left; a dispatch that was killed left nothing.
    Raises:  UsageError, WorldFailed, InvariantViolated.
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
    for code in banks:
        bank = Bank(settings, members, code, now)

        async def work(conn: AsyncConnection, known: frozenset[str], bank: Bank = bank) -> Sent | None:
            return await _payouts(conn, bank, window, known)

        sent = await in_transaction(engine, f"dispatch to {code}", work)
        if sent is not None:
            told.append(sent)
    return told


def window_of(windows: Sequence[time], local: datetime) -> str:
    """The window that is open: the last that has begun on this day, as `2026-03-10 08:30`; empty before the first."""
    begun = [one for one in windows if one <= local.time()]
    return f"{local:%Y-%m-%d} {max(begun):%H:%M}" if begun else ""


async def _payouts(conn: AsyncConnection, bank: Bank, window: str, known: frozenset[str]) -> Sent | None:
    await payments.one_at_a_time(conn)
    if window and bank.code in await payments.dispatched(conn, PAYOUT, window):
        return None
    due = await payments.due(conn, bank.code, bank.settings.dispatch_rows_max)
    if not due:
        if window:
            await payments.add_dispatch(conn, Dispatched(PAYOUT, window, bank.code, bank.now, 0, 0, 0))
        return None
    new = [one.payout for one in due if one.payout.state == "ACCEPTED"]
    made = await take_own(
        conn, bank.settings, bank.members, [_sent_event(one) for one in new], now=bank.now, known=known
    )
    for payout, decision in zip(new, made, strict=True):
        if isinstance(decision, Malformed):
            raise InvariantViolated(f"payout {payout.source}/{payout.id}: {decision}. Nothing was sent")
        if decision.outcome is not Outcome.NOTED or decision.detail == SENT_BEFORE:
            # Somebody else moved it since we looked; rolled back, it is looked at anew.
            raise _Moved(f"payout {payout.source}/{payout.id}: {decision.outcome.value} {decision.detail}")
    day = await days.first_uncut(conn)
    on = bank.members.on(day)
    value_date = bank.now.astimezone(bank.members.clock.zone).date()
    lines = [_pay_line(one, on, value_date) for one in due]
    return await _send(conn, bank, (PAYOUT, window), day, lines)


class _Moved(Exception):
    """What was to be sent has changed under our eyes."""


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
    payer, bank = on.by_code.get(payout.payer), on.by_code.get(payout.bank)
    account = payer.settlement(accounts.FUND_EXPENSE) if payer else None
    if account is None or bank is None:
        raise InvariantViolated(
            f"payout {payout.source}/{payout.id}: expected {payout.payer} with an account and bank {payout.bank} "
            f"in force on {on.day}, got none. Nothing was sent. See: clearing members show"
        )
    name, to = "", payout.card
    event = decode(due.raw) if due.raw else None
    payee = getattr(event.data, "payee", None) if isinstance(event, Event) else None
    if payee is not None:
        name, to = payee.name, payee.account
    return PayLine(
        pay_id=pay_id(payout),
        payer_account=account[1],
        payee_bank=getattr(bank, "cnaps", ""),
        payee_account=to,
        payee_name=name,
        corporate=False,
        amount_fen=payout.amount_fen,
        purpose=PURPOSES.get(payout.kind, "报销"),
        value_date=value_date,
        urgent=False,
    )


# ---------------------------------------------------------------- settlement instructions


async def settle(engine: AsyncEngine, settings: Settings, members: Members, *, now: datetime) -> list[Sent]:
    """Send the instructions of filed days whose working day has come. 清算指令发送

    In:      `now`, aware: nothing goes out before the hour of `settle_at`, nor on a day that is no working day.
    Out:     one a day, bank and kind.
    Writes:  dispatch, pay_line, file with its parts: one transaction a clearing date.
    Again:   an instruction goes out once.
    Raises:  UsageError beyond the working-day calendar; WorldFailed, InvariantViolated.
    """
    local = now.astimezone(members.clock.zone)
    if not is_working_day(local.date()) or local.time() < settings.settle_at:
        return []

    async def work(conn: AsyncConnection, _: frozenset[str]) -> list[Sent]:
        await payments.one_at_a_time(conn)
        due = await payments.instructions_due(conn, local.date())
        rolled = await entries.of_ids(conn, [one.id for one in due if one.kind == IN_BANK])
        told: list[Sent] = []
        for (day, code, kind), some in groupby(due, key=_bundle):
            lines = [
                _settlement_line(one, sides(rolled[one.id]) if one.id in rolled else "D", members)
                for one in some
            ]
            bank = Bank(settings, members, code, now)
            told.append(await _send(conn, bank, (kind, ""), day, lines))
        return told

    return await in_transaction(engine, "settlement instructions", work)


def _bundle(one: Instruction) -> tuple[date, str, str]:
    """What goes out together: instructions of a day to a bank, those to other banks by themselves."""
    return one.clearing_date, one.debtor, INTER_BANK if one.kind == INTER_BANK else IN_BANK


def _settlement_line(instruction: Instruction, side: str, members: Members) -> PayLine:
    inter_bank = instruction.kind == INTER_BANK
    _, said = instruction_line(instruction, "" if inter_bank else side, members, instruction.value_date)
    bank = members.on(instruction.clearing_date).by_code.get(
        instruction.creditor if inter_bank else instruction.debtor
    )
    return PayLine(
        pay_id=instruction.id,
        payer_account=said.payer_account,
        payee_bank=getattr(bank, "cnaps", ""),
        payee_account=said.payee_account,
        payee_name="",
        corporate=True,
        amount_fen=instruction.amount_fen,
        purpose=f"清算 {instruction.clearing_date:%Y%m%d}",
        value_date=instruction.value_date,
        urgent=False,
    )


# ---------------------------------------------------------------- what is not known is asked


async def ask(
    engine: AsyncEngine, settings: Settings, members: Members, *, now: datetime, at_once: bool = False
) -> list[Asked]:
    """Ask banks what became of orders whose end is unknown, or of which nothing was heard. 查询未明代付

    The question is a PYR file to the bank that repeats the orders with result U; the answer is one from it. An order
    is never sent again because its end is unknown.

    Writes:  file with its parts, pay_line: one transaction.
    Again:   an order is asked after once in `query_after_minutes`.
    """

    async def work(conn: AsyncConnection, _: frozenset[str]) -> list[Asked]:
        await payments.one_at_a_time(conn)
        before = now if at_once else now - timedelta(minutes=settings.query_after_minutes)
        told: list[Asked] = []
        day = await days.first_uncut(conn)
        for code, some in groupby(await payments.unanswered(conn, before), key=lambda one: one.bank):
            questions: list[ResultLine] = []
            for name, of_file in groupby(some, key=lambda one: one.file):
                wanted = {one.pay_id for one in of_file}
                questions += [
                    ResultLine(*line, "U", "", None, "", "")
                    for line in await orders_of(conn, name)
                    if line.pay_id in wanted
                ]
            bank = Bank(settings, members, code, now)
            made = await _files(conn, bank, "PYR", day, questions)
            told += [Asked(code, one.name, one.records) for one in made]
            await payments.asked(conn, [one.pay_id for one in questions], now)
        return told

    return await in_transaction(engine, "questions to banks", work)


async def orders_of(conn: AsyncConnection, name: str) -> list[PayLine]:
    """The orders of a PAY file of ours, in order. 代付明细"""
    stored = await files.get(conn, name)
    if stored is None:
        raise InvariantViolated(f"file {name}: it was sent, and is not stored")
    parsed = read_lines(name, await files.content(conn, name), load_layout(stored.profile))
    if parsed.faults:
        raise InvariantViolated(f"{parsed.faults[0]}: a file of our own cannot be read")
    return [row.record for row in parsed.rows]


# ---------------------------------------------------------------- files


async def _send(
    conn: AsyncConnection, bank: Bank, of: tuple[str, str], day: date, lines: Sequence[PayLine]
) -> Sent:
    """Put orders into files of at most so many rows, under one control total, and keep all of it.

    In:      (kind, window) of the dispatch; the date that the files are of.
    """
    kind, window = of
    made = await _files(conn, bank, "PAY", day, lines)
    total = sum(one.amount_total for one in made)
    if total != sum(one.amount_fen for one in lines) or any(one.notes for one in made):
        raise InvariantViolated(f"orders to {bank.code}: files of {total} fen do not say what was to be sent")
    at = bank.now.astimezone(UTC)
    number = await payments.add_dispatch(
        conn, Dispatched(kind, window, bank.code, at, len(made), len(lines), total)
    )
    size = bank.settings.pay_rows_max
    await payments.add_lines(
        conn,
        kind,
        bank.code,
        number,
        [(one.pay_id, made[place // size].name, one.amount_fen) for place, one in enumerate(lines)],
    )
    return Sent(kind, window, bank.code, tuple(one.name for one in made), len(lines), total)


async def _files(
    conn: AsyncConnection, bank: Bank, file_type: str, day: date, lines: Sequence[PayLine | ResultLine]
) -> list[RenderedFile]:
    """Render and keep files of at most `pay_rows_max` rows, numbered on without a gap."""
    layout = load_layout(bank.settings.pay_profile)
    seq = await payments.next_seq(conn, day, layout.profile, file_type, bank.code)
    made = [
        file_of(
            FileName(file_type, bank.members.platform.code, bank.code, day, seq + number, 1),
            [("D", one) for one in some],
            layout,
            bank.members.clock,
        )
        for number, some in enumerate(_slices(lines, bank.settings.pay_rows_max))
    ]
    await keep_made(conn, sealer_of(bank.settings, bank.members), made, layout)
    return made


async def keep_made(
    conn: AsyncConnection, sealer: Sealer, made: Sequence[RenderedFile], layout: Layout
) -> None:
    """Keep files that a job made, signed and wrapped as their receivers have agreed. 保存

    Writes:  file, file_part, layout, file_seal.
    Again:   refused by the name.
    """
    in_force = await reference.in_force(conn)
    number = in_force[0] if in_force else 0
    await files.keep(conn, made, layout, number)
    await seal_files(conn, sealer, [files.stored(one, layout, number) for one in made])


def _slices(lines: Sequence[PayLine | ResultLine], size: int) -> Iterable[Sequence[PayLine | ResultLine]]:
    return (lines[start : start + size] for start in range(0, len(lines), size))


# ---------------------------------------------------------------- tries


async def in_transaction(
    engine: AsyncEngine, what: str, work: Callable[[AsyncConnection, frozenset[str]], Awaitable[T]]
) -> T:
    """Do a job's step in one transaction, and again where others held what it needs. 重试

    In:      `work` gets the connection and the names that a `Busy` gave; it may be called several times, and
             nothing that it wrote before stands.
    Raises:  WorldFailed when it was in vain so often; what `work` raises.
    """
    known: frozenset[str] = frozenset()
    for attempt in range(1, TRIES_MAX + 1):
        try:
            async with transaction(engine) as conn:
                return await work(conn, known)
        except Busy as busy:
            known = busy.names
        except (_Moved, Fenced):
            pass
        except Exception as error:
            if not worth_another_try(error):
                raise
            if attempt == TRIES_MAX:
                raise database_failed(error) from error
        await asyncio.sleep(0.01 * attempt)
    raise WorldFailed(f"{what}: others held what it needs {TRIES_MAX} times. Next: try again")
