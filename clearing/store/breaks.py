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
    taken: Sequence[bytes]
    report: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredStep:
    """One step in the life of a break; meanings as in `job_tables.break_step`."""

    break_id: str
    no: int
    state: str
    ending: str
    maker: str
    checker: str
    why: str
    evidence: bytes | None
    at: datetime


_SELECT: Final = select(*(break_.c[one.name] for one in fields(StoredBreak)))
_RUN: Final = select(*(reconciliation_run.c[one.name] for one in fields(StoredRun)))
_STEP: Final = select(*(break_step.c[one.name] for one in fields(StoredStep)))
_STAYS: Final = {"id", "first_run", "clearing_date"}


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
    taken: Collection[bytes] = (),
    report: Mapping[str, Any] | None = None,
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
        "taken": sorted(taken),
        "report": dict(report or {}),
    }
    statement = reconciliation_run.insert().values(row).returning(reconciliation_run.c.id)
    number: int = (await conn.execute(statement)).scalar_one()
    return number


async def last_run(conn: AsyncConnection, day: date) -> StoredRun | None:
    """The run of a day that stands: its last; None when it was never reconciled."""
    query = _RUN.where(reconciliation_run.c.clearing_date == day)
    return await _one_run(conn, query.order_by(reconciliation_run.c.id.desc()))


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
    """Store breaks under their ids; one that is known keeps its id, first run and day. 保存差错

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


async def of_day(conn: AsyncConnection, day: date) -> list[StoredBreak]:
    """The breaks found in a day, in order of id."""
    return await _read(conn, _SELECT.where(break_.c.clearing_date == day))


async def in_states(conn: AsyncConnection, states: Sequence[str]) -> list[StoredBreak]:
    """The breaks in these states, whatever their day, in order of id."""
    return await _read(conn, _SELECT.where(break_.c.state.in_(states)))


async def every(conn: AsyncConnection) -> list[StoredBreak]:
    """All breaks, in order of id."""
    return await _read(conn, _SELECT)


async def of_ids(conn: AsyncConnection, ids: Collection[str]) -> dict[str, StoredBreak]:
    """Breaks by id; those that are not there are absent."""
    wanted = literal(list(ids), ARRAY(NAME))
    found = await _read(conn, _SELECT.where(break_.c.id == any_(wanted)))
    return {one.id: one for one in found}


async def _read(conn: AsyncConnection, query: Select[Any]) -> list[StoredBreak]:
    return [StoredBreak(**row) for row in (await conn.execute(query.order_by(break_.c.id))).mappings()]


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
    evidence: bytes | None = None,
) -> None:
    """Bring a break to a state, and keep who, when and why. 差错处理

    Writes:  break_, break_step.
    Again:   another step.
    """
    await conn.execute(break_.update().where(break_.c.id == break_id).values(state=state))
    number = select(func.count() + 1).where(break_step.c.break_id == break_id).scalar_subquery()
    row = {
        "break_id": break_id,
        "no": number,
        "state": state,
        "ending": ending,
        "maker": maker,
        "checker": checker,
    }
    await conn.execute(break_step.insert().values(row | {"why": why, "evidence": evidence}))
