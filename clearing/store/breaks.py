"""Reconciliation runs, breaks and the steps of their lives. 差错"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import date
from typing import Any, Final

from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.store.job_tables import break_, break_step, reconciliation_run


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
    differences: Mapping[str, int]
    keys: Mapping[str, Any]
    bank: str = ""
    institution: str = ""
    state: str
    rows: Mapping[str, Any] = field(default_factory=dict)


_SELECT: Final = select(*(break_.c[one.name] for one in fields(StoredBreak)))
_STAYS: Final = {"id", "first_run", "clearing_date"}


async def add_run(
    conn: AsyncConnection,
    day: date,
    inputs: Sequence[Mapping[str, Any]],
    matched: int,
    proof: Mapping[str, Any],
) -> int:
    """Note that a day was reconciled, with what, and give the run's number. 对账批次

    Writes:  reconciliation_run.
    Again:   another run.
    """
    row = {"clearing_date": day, "inputs": list(inputs), "matched": matched, "proof": dict(proof)}
    statement = reconciliation_run.insert().values(row).returning(reconciliation_run.c.id)
    number: int = (await conn.execute(statement)).scalar_one()
    return number


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


async def _read(conn: AsyncConnection, query: Select[Any]) -> list[StoredBreak]:
    return [StoredBreak(**row) for row in (await conn.execute(query.order_by(break_.c.id))).mappings()]


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
