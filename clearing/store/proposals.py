"""How breaks are to end: what was proposed, and who has agreed. 差错审批"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ARRAY, any_, exists, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.store.break_tables import break_approval, break_proposal
from clearing.store.kinds import NAME
from clearing.store.session import driver


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredProposal:
    """One proposal; meanings as in `break_tables.break_proposal`."""

    break_id: str
    no: int
    ending: str
    maker: str
    why: str
    evidence: bytes | None
    legs: Sequence[Sequence[Any]]
    event: str
    approvals: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredApproval:
    """One person's agreement; meanings as in `break_tables.break_approval`."""

    break_id: str
    proposal: int
    checker: str
    why: str
    at: datetime


_PROPOSAL: Final = select(*(break_proposal.c[one.name] for one in fields(StoredProposal)))
_APPROVAL: Final = select(*(break_approval.c[one.name] for one in fields(StoredApproval)))


async def of_break(conn: AsyncConnection, break_id: str) -> list[StoredProposal]:
    """What was proposed for a break, oldest first. 申请"""
    query = _PROPOSAL.where(break_proposal.c.break_id == break_id).order_by(break_proposal.c.no)
    return [StoredProposal(**row) for row in (await conn.execute(query)).mappings()]


async def moved_money(conn: AsyncConnection, ids: Collection[str]) -> frozenset[str]:
    """Which of these breaks have a last proposal that names an event that moves money."""
    later = break_proposal.alias()
    last = ~exists().where(later.c.break_id == break_proposal.c.break_id, later.c.no > break_proposal.c.no)
    mine = break_proposal.c.break_id == any_(literal(list(ids), ARRAY(NAME)))
    query = select(break_proposal.c.break_id).where(mine, last, break_proposal.c.event != "")
    return frozenset((await conn.execute(query)).scalars())


async def add(conn: AsyncConnection, proposal: StoredProposal) -> None:
    """Keep a proposal; its number is the next of its break. 申请处理

    Writes:  break_proposal.
    Again:   refused by its number.
    """
    row = {one.name: getattr(proposal, one.name) for one in fields(proposal) if one.name != "at"}
    await conn.execute(break_proposal.insert().values(row | {"legs": [list(leg) for leg in proposal.legs]}))


async def approvals(conn: AsyncConnection, break_id: str, number: int) -> list[StoredApproval]:
    """Who has agreed to a proposal, first come first. 复核"""
    mine = (break_approval.c.break_id == break_id) & (break_approval.c.proposal == number)
    query = _APPROVAL.where(mine).order_by(break_approval.c.at, break_approval.c.checker)
    return [StoredApproval(**row) for row in (await conn.execute(query)).mappings()]


async def approve(conn: AsyncConnection, break_id: str, number: int, *, checker: str, why: str) -> None:
    """Keep somebody's agreement. 复核

    Writes:  break_approval.
    Again:   refused: nobody agrees twice.
    """
    row = {"break_id": break_id, "proposal": number, "checker": checker, "why": why}
    await conn.execute(break_approval.insert().values(row | {"at": func.clock_timestamp()}))


_FORGED: Final = """
    SELECT b.id, 'state ' || b.state || ', expected that of its last step, ' || s.state AS what
    FROM break_ b, LATERAL (
        SELECT state, owner, ending FROM break_step WHERE break_id = b.id ORDER BY no DESC LIMIT 1) AS s
    WHERE (b.state, b.owner, b.ending) <> (s.state, s.owner, s.ending)
    UNION ALL
    SELECT s.break_id, 'step ' || s.no || ', expected ' || coalesce(p.approvals, 1)
        || ' approvals by others than its maker'
    FROM break_step s LEFT JOIN break_proposal p ON p.break_id = s.break_id AND p.no = s.proposal
    WHERE s.state = 'RESOLVED' AND coalesce(p.approvals, 1) > (
        SELECT count(DISTINCT lower(btrim(a.checker))) FROM break_approval a
        WHERE a.break_id = s.break_id AND a.proposal = s.proposal
            AND lower(btrim(a.checker)) <> lower(btrim(coalesce(p.maker, a.checker))))
    UNION ALL
    SELECT s.break_id, 'step ' || s.no || ', expected a step that may follow ' || s.before
    FROM (
        SELECT break_id, no, state, lag(state) OVER (PARTITION BY break_id ORDER BY no) AS before FROM break_step
    ) AS s
    WHERE s.before IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM break_transition t WHERE t.before = s.before AND t.after = s.state)
    ORDER BY 1
"""


async def forged(conn: AsyncConnection) -> list[tuple[str, str]]:
    """Breaks whose life does not hold by its own steps and approvals, and why: for checking. 差错核验"""
    return [(row["id"], row["what"]) for row in await (await driver(conn)).fetch(_FORGED)]
