"""The end of a day: cut, net, file. Each step one transaction; run again it goes on from where it stood. 日终

cut   nobody can add an entry of the day any more; what waited too long ends, what waited for its day wakes
net   trial balance, roll-up to settlement banks, bank nets, instructions and their entries
file  every member's clearing files, rendered once and stored with their digests
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog

from clearing.day.netting import Netted, net_day
from clearing.day.states import State, check_step, day_root
from clearing.day.working_days import working_day_after
from clearing.errors import InvariantViolated, WorldFailed
from clearing.jobs.filing import keep_files
from clearing.jobs.gather import NO_NAMES, Busy, Names, gather, waiting_of
from clearing.jobs.ingest import TRIES_MAX, Stream, context_of, ends_of, networks_of, new_keys
from clearing.jobs.layouts import layouts_of
from clearing.jobs.seal import seal_files, sealer_of
from clearing.jobs.setup import check_in_force
from clearing.ledger.business_day import ONE_DAY
from clearing.ledger.decide import decide
from clearing.ledger.outcomes import Outcome
from clearing.store import balances, days, files, locks, parked, streams
from clearing.store.record import BatchRecord, record
from clearing.store.refusals import DATABASE_ERRORS, LOCK_TIMEOUT, state_of
from clearing.store.session import IDLE_SECONDS_MAX, transaction

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from clearing.ledger.facts import Fact, Key
    from clearing.ledger.members import Members
    from clearing.settings import Settings

T = TypeVar("T")

_log = structlog.get_logger("close")
JOBS: Final = "jobs"
"""The stream of what no producer sent: the cut's outcomes and the entries of the end of a day."""
JOBS_LANE: Final = 31_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What a cut did."""

    day: date
    done: bool
    """False when the day had been cut before."""
    expired: int = 0
    woken: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """What the file step made."""

    day: date
    done: bool
    files: int
    lines: int


async def cut(engine: AsyncEngine, settings: Settings, members: Members, day: date) -> Cut:
    """Cut a day: after this commits no entry of it can be made by anyone. 日切

    Writes:  day (this and the next), outcomes of what waited too long or for its day, the jobs stream.
    Again:   nothing; the day stays cut.
    Raises:  UsageError when the day is not open or an earlier one is.
    """

    async def work(conn: AsyncConnection, known: Names) -> Cut:
        return await _cut(conn, settings, members, day, known)

    return await _alone(engine, f"day {day}: cannot cut", work)


async def _alone(engine: AsyncEngine, what: str, work: Callable[[AsyncConnection, Names], Awaitable[T]]) -> T:
    """Do a step in one transaction with every batch kept away, and again where others held what it needs.

    In:      `work` gets the connection and the names that a `Busy` gave.
    Raises:  WorldFailed when it was in vain so often; what `work` raises.
    """
    known: Names = NO_NAMES
    for _ in range(TRIES_MAX):
        try:
            async with transaction(engine) as conn:
                await locks.day_exclusive(conn, IDLE_SECONDS_MAX)
                return await work(conn, known)
        except Busy as busy:
            known = busy.names
        except DATABASE_ERRORS as error:
            if state_of(error) != LOCK_TIMEOUT:
                raise
            async with engine.connect() as conn:  # a worker that stands still would keep the day for ever
                await locks.end_silent(conn, IDLE_SECONDS_MAX)
    raise WorldFailed(f"{what}, others held what it needs {TRIES_MAX} times. Next: try again")


async def _cut(conn: AsyncConnection, settings: Settings, members: Members, day: date, known: Names) -> Cut:
    if not await _may(conn, day, "cut"):
        return Cut(day=day, done=False)
    stream = await jobs_stream(conn)
    late = [waiting_of(row) for row in await parked.expired(conn, day)]
    due = [waiting_of(row) for row in await parked.waiting_for_days(conn, day + 2 * ONE_DAY)]
    folded = None
    if late or due:
        gathered = await gather(conn, [], networks_of(members), known_names=known, parked_first=[*late, *due])
        folded = decide(
            (),
            gathered.waiting,
            gathered.facts,
            context_of(settings, members, day + ONE_DAY),
            expired=[(one.event.source, one.event.id) for one in late],
            awake=sorted({one.waits_for for one in due}),
        )
        _, woken = ends_of(folded, ())
        await record(
            conn,
            BatchRecord(
                stream=stream.name,
                partition=stream.partition,
                position_from=stream.position,
                position_to=(stream.position or 0) + 1,
                previous=stream.digest,
                lane=stream.lane,
                woken=woken,
                changes=folded.changes,
                new=new_keys(folded, gathered),
                first_uncut=day + ONE_DAY,
            ),
        )
    heads = {f"{name}/{partition}": digest for name, partition, digest in await streams.heads(conn)}
    await days.cut(conn, day, datetime.now(UTC), day_root(heads), heads)
    final = [one for one in folded.woken if one.outcome is not Outcome.PARKED] if folded else []
    return Cut(
        day=day,
        done=True,
        expired=sum(one.reason == "never_arrived" for one in final),
        woken=sum(one.reason != "never_arrived" for one in final),
    )


async def net(engine: AsyncEngine, members: Members, day: date) -> bool:
    """Net a cut day: the entries of its end, and the instructions. 轧差

    Out:     False when it had been netted before.
    Writes:  entries, balances, instructions, the jobs stream, day.
    Again:   nothing.
    Raises:  NotBalanced (LED-001) and UsageError: nothing is written, the day stays cut.
    """

    async def work(conn: AsyncConnection, _: Names) -> bool:
        return await _net(conn, members, day)

    return await _alone(engine, f"day {day}: cannot net", work)


async def _net(conn: AsyncConnection, members: Members, day: date) -> bool:
    if not await _may(conn, day, "net"):
        return False
    await _replayed(conn, day)
    netted = await netting_of(conn, members, day)
    await _record_close(conn, netted)
    await days.step(conn, day, State.NETTED)
    return True


async def netting_of(conn: AsyncConnection, members: Members, day: date) -> Netted:
    """What netting the day gives, from the books as they stand; nothing is written."""
    return net_day(
        await balances.before_close(conn, day),
        await balances.held(conn, day),
        await balances.carried(conn, day),
        members.on(day),
        platform=members.platform.code,
        clock=members.clock,
        value_date=value_date(day),
    )


async def _replayed(conn: AsyncConnection, day: date) -> None:
    wrong = await balances.differing(conn, day)
    if wrong:
        _, account, kept, replayed = wrong[0]
        raise InvariantViolated(
            f"day {day}: {account} is kept as {kept} fen, its entries make {replayed} ({len(wrong)} accounts differ) "
            "[LED-001]. Nothing was netted. See: clearing verify"
        )


async def _record_close(conn: AsyncConnection, netted: Netted) -> None:
    stream = await jobs_stream(conn)
    changes: dict[Key, Fact] = {("instruction", one.id): one for one in netted.instructions}
    if netted.entries or changes:
        await record(
            conn,
            BatchRecord(
                stream=stream.name,
                partition=stream.partition,
                position_from=stream.position,
                position_to=(stream.position or 0) + 1,
                previous=stream.digest,
                lane=stream.lane,
                entries=netted.entries,
                changes=changes,
                new=set(changes),
            ),
        )


async def file(engine: AsyncEngine, settings: Settings, members: Members, day: date) -> Filed:
    """Render every member's files of a netted day, once, sign and store them. 出文件

    Writes:  file, file_part, layout, file_seal, day.
    Again:   nothing: the stored bytes stand.
    """
    sealer, layouts = sealer_of(settings, members), layouts_of(settings, members, day)
    async with transaction(engine) as conn:
        if not await _may(conn, day, "file"):
            return Filed(day=day, done=False, files=0, lines=0)
        await check_in_force(conn, engine)
        kept = await keep_files(conn, members, day, layouts)
        await seal_files(conn, sealer, [one.file for one in kept])
        await days.step(conn, day, State.FILED)
    for one in kept:
        for note in one.notes:
            _log.warning("characters replaced", file=one.file.name, where=note)
    return Filed(day=day, done=True, files=len(kept), lines=sum(one.file.records for one in kept))


class _Undone(Exception):
    """Raised to roll back what a preview did."""


async def preview(
    engine: AsyncEngine,
    settings: Settings,
    members: Members,
    day: date,
    take: Callable[[files.StoredFile, AsyncIterator[bytes]], Awaitable[None]],
) -> list[files.StoredFile]:
    """The files that closing the day now would give, made in a transaction that is then undone. 日终预演

    In:      `take` gets each file and its bytes, while they are there.
    Out:     the files, as `files.of_day` lists them; of a day that is filed, those that it has.
    Writes:  nothing that stays; while it runs nobody can add to the day.
    Again:   the same files, as long as nothing is added.
    Raises:  as the steps.
    """
    layouts = layouts_of(settings, members, day)
    made: list[files.StoredFile] = []

    async def work(conn: AsyncConnection, known: Names) -> None:
        await _cut(conn, settings, members, day, known)
        await _net(conn, members, day)
        if await _may(conn, day, "file"):
            await keep_files(conn, members, day, layouts)
        made[:] = await files.of_day(conn, day)
        for one in made:
            await take(one, files.parts(conn, one.name))
        raise _Undone

    with contextlib.suppress(_Undone):
        await _alone(engine, f"day {day}: cannot be tried", work)
    return made


async def close(engine: AsyncEngine, settings: Settings, members: Members, day: date) -> Sequence[Any]:
    """Cut, net, file: each its own transaction, so that a killed close goes on where it stood. 日终处理

    Writes, Again, Raises: as the steps.
    """
    return [
        await cut(engine, settings, members, day),
        await net(engine, members, day),
        await file(engine, settings, members, day),
    ]


def value_date(day: date) -> date:
    """The working day on which a clearing date is settled: the first after it, holidays and 调休 counted.

    Raises:  UsageError beyond the years of the calendar: an error, not a guess.
    """
    return working_day_after(day)


async def _may(conn: AsyncConnection, day: date, step: str) -> bool:
    """Whether a step may be taken now; who takes it has the day's row to itself from here on."""
    now, before = await days.opened(conn, day, lock=True), await days.get(conn, day - timedelta(days=1))
    return check_step(day, step, State(now.state), State(before.state) if before else None)


async def jobs_stream(conn: AsyncConnection) -> Stream:
    """The stream of the jobs as it stands, to go on from. 作业流"""
    heads = await streams.load(conn, JOBS)
    found = Stream.of(JOBS, 0, heads.get(0))
    return Stream(found.name, found.partition, found.position, found.digest, JOBS_LANE)
