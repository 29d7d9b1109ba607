"""Reconciliation runs, breaks and the steps of their lives. 差错"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import ARRAY, Select, any_, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.store.job_tables import break_, break_step, reconciliation_run
from clearing.store.kinds import NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBreak:
    """One break as the last run left it; meanings as in `job_tables.break_`."""

    id: str
    first_run: int
    last_run: int
    clearing_date: date
    code: str
    codes: Sequence[str]
    vector: str
    amount_fen: int
    difference_fen: int = 0
    differences: Mapping[str, int]
    keys: Mapping[str, Any]
    bank: str = ""
    institution: str = ""
    state: str
    detail: str = ""
    rows: Mapping[str, Any] = field(default_factory=dict)
    owner: str = ""
    ending: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """One run of a day; meanings as in `job_tables.reconciliation_run`."""

    id: int
    clearing_date: date
    at: datetime
    inputs: Sequence[Mapping[str, Any]]
    matched: int
    proof: Mapping[str, Any]
    closed: Sequence[str]
    open_after: Sequence[Any]
    waiting: Sequence[Any]
    report: Mapping[str, Any]
    listed: Sequence[str]
    cleared: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredStep:
    """One step in the life of a break; meanings as in `job_tables.break_step`."""

    break_id: str
    no: int
    state: str
    ending: str
    owner: str
    maker: str
    checker: str
    why: str
    evidence: bytes | None
    proposal: int
    at: datetime


_SELECT: Final = select(*(break_.c[one.name] for one in fields(StoredBreak)))
_RUN: Final = select(*(reconciliation_run.c[one.name] for one in fields(StoredRun)))
_STEP: Final = select(*(break_step.c[one.name] for one in fields(StoredStep)))
_STAYS: Final = {"id", "first_run", "clearing_date", "state", "owner", "ending"}
"""What a run does not renew: where a break stands in its life, only a step changes."""


async def add_run(
    conn: AsyncConnection,
    day: date,
    inputs: Sequence[Mapping[str, Any]],
    matched: int,
    proof: Mapping[str, Any],
    *,
    closed: Collection[str] = (),
    open_after: Sequence[Any] = (),
    waiting: Sequence[Any] = (),
    report: Mapping[str, Any] | None = None,
    listed: Collection[str] = (),
    cleared: Collection[str] = (),
) -> int:
    """Note that a day was reconciled, with what and what came out, and give the run's number. 对账批次

    In:      values that JSON has; meanings as in `job_tables.reconciliation_run`.
    Writes:  reconciliation_run.
    Again:   another run.
    """
    row = {
        "clearing_date": day,
        "inputs": list(inputs),
        "matched": matched,
        "proof": dict(proof),
        "closed": sorted(closed),
        "open_after": list(open_after),
        "waiting": list(waiting),
        "report": dict(report or {}),
        "listed": sorted(listed),
        "cleared": sorted(cleared),
    }
    statement = reconciliation_run.insert().values(row).returning(reconciliation_run.c.id)
    number: int = (await conn.execute(statement)).scalar_one()
    return number


async def last_run(conn: AsyncConnection, day: date) -> StoredRun | None:
    """The run of a day that stands: its last; None when it was never reconciled."""
    query = _RUN.where(reconciliation_run.c.clearing_date == day)
    return await _one_run(conn, query.order_by(reconciliation_run.c.id.desc()))


async def run(conn: AsyncConnection, number: int) -> StoredRun | None:
    """A run by its number."""
    return await _one_run(conn, _RUN.where(reconciliation_run.c.id == number))


async def run_before(conn: AsyncConnection, day: date) -> StoredRun | None:
    """The run that stands of the last day before this one that was reconciled."""
    query = _RUN.where(reconciliation_run.c.clearing_date < day)
    order = (reconciliation_run.c.clearing_date.desc(), reconciliation_run.c.id.desc())
    return await _one_run(conn, query.order_by(*order))


async def _one_run(conn: AsyncConnection, query: Select[Any]) -> StoredRun | None:
    row = (await conn.execute(query.limit(1))).mappings().one_or_none()
    return None if row is None else StoredRun(**row)


async def days_after(conn: AsyncConnection, day: date) -> list[date]:
    """Later days that were reconciled, oldest first."""
    query = select(reconciliation_run.c.clearing_date).where(reconciliation_run.c.clearing_date > day)
    found = await conn.execute(query.distinct().order_by(reconciliation_run.c.clearing_date))
    return list(found.scalars())


async def save(conn: AsyncConnection, found: Sequence[StoredBreak]) -> None:
    """Store breaks under their ids; one that is known keeps its id, first run, day, and its life. 保存差错

    In:      a new one in the state that the run gives; the state of one that is known is changed by `step`.
    Writes:  break_.
    Again:   the same rows.
    """
    if not found:
        return
    statement = insert(break_)
    renewed = {
        one.name: statement.excluded[one.name] for one in fields(StoredBreak) if one.name not in _STAYS
    }
    await conn.execute(
        statement.on_conflict_do_update(index_elements=[break_.c.id], set_=renewed),
        [asdict(one) | {"codes": list(one.codes)} for one in found],
    )


async def of_day(conn: AsyncConnection, day: date, *, lock: bool = False) -> list[StoredBreak]:
    """The breaks found in a day, in order of id; locked to the end of the transaction if wanted."""
    return await _read(conn, _SELECT.where(break_.c.clearing_date == day), lock=lock)


async def of_ids(
    conn: AsyncConnection, ids: Collection[str], *, lock: bool = False
) -> dict[str, StoredBreak]:
    """Breaks by id; those that are not there are absent; locked to the end of the transaction if wanted."""
    wanted = literal(list(ids), ARRAY(NAME))
    found = await _read(conn, _SELECT.where(break_.c.id == any_(wanted)), lock=lock)
    return {one.id: one for one in found}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which breaks are wanted; what is None is not asked."""

    day: date | None = None
    """Found on this day."""
    states: Sequence[str] | None = None
    code: str | None = None
    """The lead code, or how it begins: SID."""
    bank: str | None = None
    institution: str | None = None
    owner: str | None = None
    """Empty: those that nobody works on."""
    found_by: date | None = None
    """Found on this day or before."""
    begins: str | None = None
    """How the id begins."""


async def wanted(conn: AsyncConnection, asked: Asked, rows_max: int | None = None) -> list[StoredBreak]:
    """The breaks that were asked for, in order of id, which begins with the day. 差错查询"""
    query = _SELECT
    for column in ("bank", "institution", "owner"):
        if (value := getattr(asked, column)) is not None:
            query = query.where(break_.c[column] == value)
    if asked.day is not None:
        query = query.where(break_.c.clearing_date == asked.day)
    if asked.found_by is not None:
        query = query.where(break_.c.clearing_date <= asked.found_by)
    if asked.states is not None:
        query = query.where(break_.c.state == any_(literal(list(asked.states), ARRAY(NAME))))
    if asked.code is not None:
        query = query.where(func.starts_with(break_.c.code, asked.code))
    if asked.begins is not None:
        query = query.where(func.starts_with(break_.c.id, asked.begins))
    return await _read(conn, query.limit(rows_max))


async def _read(conn: AsyncConnection, query: Select[Any], *, lock: bool = False) -> list[StoredBreak]:
    query = query.order_by(break_.c.id)
    rows = await conn.execute(query.with_for_update() if lock else query)
    return [StoredBreak(**row) for row in rows.mappings()]


async def steps_of(conn: AsyncConnection, break_id: str) -> list[StoredStep]:
    """What became of a break, oldest first."""
    query = _STEP.where(break_step.c.break_id == break_id).order_by(break_step.c.no)
    return [StoredStep(**row) for row in (await conn.execute(query)).mappings()]


async def steps_by_people(conn: AsyncConnection, ids: Collection[str], machine: str) -> list[StoredStep]:
    """What people have done with these breaks, oldest first; steps that `machine` made are left out. 差错处理"""
    wanted = break_step.c.break_id == any_(literal(list(ids), ARRAY(NAME)))
    query = _STEP.where(wanted, break_step.c.maker != machine)
    order = (break_step.c.at, break_step.c.break_id, break_step.c.no)
    return [StoredStep(**row) for row in (await conn.execute(query.order_by(*order))).mappings()]


async def step(
    conn: AsyncConnection,
    break_id: str,
    state: str,
    *,
    maker: str,
    why: str,
    checker: str = "",
    ending: str = "",
    owner: str | None = None,
    evidence: bytes | None = None,
    proposal: int = 0,
) -> None:
    """Bring a break to a state, and keep who, when and why. 差错处理

    In:      `owner`: who works on it from now on; None leaves it to whom it is.
    Writes:  break_step, break_.
    Again:   another step.
    Raises:  the database's refusal where the table of transitions, two people or an approval forbid it.
    """
    number = select(func.count() + 1).where(break_step.c.break_id == break_id).scalar_subquery()
    whose = select(break_.c.owner).where(break_.c.id == break_id).scalar_subquery()
    row = {
        "break_id": break_id,
        "no": number,
        "state": state,
        "ending": ending,
        "owner": func.coalesce(whose, "") if owner is None else owner,
        "maker": maker,
        "checker": checker,
        "why": why,
        "evidence": evidence,
        "proposal": proposal,
    }
    made = await conn.execute(break_step.insert().values(row).returning(break_step.c.owner))
    changed = {"state": state, "ending": ending, "owner": made.scalar_one()}
    await conn.execute(break_.update().where(break_.c.id == break_id).values(changed))
