"""What people do with a break: take it up, say how it is to end, agree, refuse, reopen, close. 差错处理

Each is one transaction. Nothing here moves money by itself: an ending that does is a correction, an event of the
platform's that goes through the rules like any other, in the transaction of the last approval; or it names the
event that a bank or hospital has sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from clearing.errors import UsageError
from clearing.jobs.desk import NAME_MAX, Desk, check_said
from clearing.jobs.propose import Wanted, post, proposal_of, same, try_out
from clearing.jobs.tries import in_transaction
from clearing.jobs.worklist import found_break, listed, shown
from clearing.reconciliation.life import (
    ASSIGNED,
    CLOSED,
    NEXT,
    PENDING_APPROVAL,
    REOPENED,
    RESOLVED,
    check_approval,
    must_become,
)
from clearing.store import breaks, days, proposals
from clearing.store.breaks import Asked
from clearing.store.session import transaction

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from clearing.jobs.gather import Names
    from clearing.store.breaks import StoredBreak

Json: TypeAlias = dict[str, Any]


async def assign(desk: Desk, break_id: str, *, to: str, why: str = "") -> Json:
    """Say who works on a break. 分派

    Out:     the break as `breaks show` gives it.
    Writes:  break_step, break_.
    Again:   no step when it is that person's already.
    Raises:  UsageError when it is over or waits for approval.
    """
    why = _said_of(to, why)
    async with transaction(desk.engine) as conn:
        found = await found_break(conn, break_id, lock=True)
        await _hand_over(conn, desk, found, to=to, why=why)
        return await _told(conn, found.id)


async def assign_all(desk: Desk, which: Sequence[str] | Asked, *, to: str, why: str = "") -> list[Json]:
    """Say who works on several breaks: on all of them or, when one cannot be given to anybody, on none. 批量分派

    In:      ids, or how they begin; or what is asked of breaks: of those, all that may be given to somebody now.
    Out:     each as `breaks list` gives it, in order of id.
    Writes:  break_step, break_.
    Again:   no step for what is that person's already.
    Raises:  UsageError when one is over or waits for approval, or when nothing is there to give.
    """
    why = _said_of(to, why)
    async with transaction(desk.engine) as conn:
        if isinstance(which, Asked):
            states = [state for state, after in NEXT.items() if ASSIGNED in after]
            asked = replace(which, states=[one for one in which.states or states if one in states])
            ids = [one.id for one in await breaks.wanted(conn, asked)]
        else:
            ids = [(await found_break(conn, one)).id for one in which]
        if not ids:
            raise UsageError(
                "breaks: none of these can be given to anybody. Next: clearing breaks list --open"
            )
        found = await breaks.of_ids(conn, ids, lock=True)
        for one in sorted(found):
            await _hand_over(conn, desk, found[one], to=to, why=why)
        today = await days.first_uncut(conn)
        return [listed(one, today) for _, one in sorted((await breaks.of_ids(conn, ids)).items())]


def _said_of(to: str, why: str) -> str:
    check_said("--to", to, NAME_MAX)
    why = why or f"assigned to {to}"
    check_said("--why", why)
    return why


async def _hand_over(conn: AsyncConnection, desk: Desk, found: StoredBreak, *, to: str, why: str) -> None:
    if found.state != ASSIGNED or found.owner != to:
        must_become(found.id, found.state, ASSIGNED)
        await breaks.step(conn, found.id, ASSIGNED, maker=desk.person, why=why, owner=to)


async def resolve(desk: Desk, break_id: str, wanted: Wanted, *, now: datetime | None = None) -> Json:
    """Say how a break is to end; somebody else has to agree. 申请处理

    Out:     the break, now PENDING_APPROVAL. One that nobody works on becomes the proposer's.
    Writes:  break_proposal, break_step, break_.
    Again:   the same proposal by the same person is not made twice.
    Raises:  UsageError when the break is over, the end is none or not allowed so, the event named has moved
             nothing, or the books would refuse the correction: it is tried, and taken back, before anybody is
             asked to agree.
    """
    check_said("--why", wanted.why)
    async with transaction(desk.engine) as conn:
        found = await found_break(conn, break_id)
        proposal = await proposal_of(conn, desk, found, wanted)
    if proposal.legs:
        await try_out(desk, proposal, now)
    async with transaction(desk.engine) as conn:
        found = await found_break(conn, found.id, lock=True)
        made = await proposals.of_break(conn, found.id)
        if found.state == PENDING_APPROVAL and made and same(made[-1], proposal):
            return await _told(conn, found.id)
        if found.state != ASSIGNED:
            must_become(found.id, found.state, ASSIGNED)
            await breaks.step(
                conn, found.id, ASSIGNED, maker=desk.person, why="takes it up",
                owner=found.owner or desk.person,
            )  # fmt: skip
        proposal = await proposal_of(conn, desk, found, wanted)
        await proposals.add(conn, proposal)
        await breaks.step(
            conn, found.id, PENDING_APPROVAL, maker=desk.person, why=wanted.why, ending=wanted.ending,
            evidence=wanted.evidence, proposal=proposal.no,
        )  # fmt: skip
        return await _told(conn, found.id)


async def approve(desk: Desk, break_id: str, *, why: str = "", now: datetime | None = None) -> Json:
    """Agree to how a break is to end; with the last agreement it ends, and its correction is posted. 复核

    In:      `now`: when the correction happens; the clock's instant when left out.
    Out:     the break: RESOLVED, or PENDING_APPROVAL while another person has to agree.
    Writes:  break_approval; with the last one break_step, break_, and as `ingest.take` for the correction.
    Again:   refused once it is resolved; an approval stands once.
    Raises:  UsageError when nothing waits, the approver has proposed it or agreed before, or the books refuse the
             correction: then nothing is stored, the approval neither. WorldFailed when keys stay locked.
    """
    if why:
        check_said("--why", why)
    async with transaction(desk.engine) as conn:
        found = await found_break(conn, break_id)

    async def work(conn: AsyncConnection, known: Names) -> Json:
        return await _approved(conn, desk, found.id, why, now, known)

    return await in_transaction(desk.engine, f"break {found.id}", work)


async def reject(desk: Desk, break_id: str, *, why: str) -> Json:
    """Refuse how a break is to end; its owner begins again. The proposer takes a proposal back so. 退回

    Writes:  break_step, break_.
    Again:   refused: nothing waits any more.
    """
    return await _by_hand(desk, break_id, REOPENED, why, expected=PENDING_APPROVAL)


async def reopen(desk: Desk, break_id: str, *, why: str) -> Json:
    """Take up a break again that had ended, or that a run had cleared. 重开

    Writes:  break_step, break_.
    Again:   refused: it is open.
    """
    return await _by_hand(desk, break_id, REOPENED, why, refused=PENDING_APPROVAL)


async def close(desk: Desk, break_id: str, *, why: str) -> Json:
    """Close a break that is resolved, before a run does it. 结案

    Writes:  break_step, break_.
    Again:   refused: it is closed.
    """
    return await _by_hand(desk, break_id, CLOSED, why)


# ---------------------------------------------------------------- one step


async def _by_hand(
    desk: Desk, break_id: str, state: str, why: str, *, expected: str = "", refused: str = ""
) -> Json:
    check_said("--why", why)
    async with transaction(desk.engine) as conn:
        found = await found_break(conn, break_id, lock=True)
        if expected and found.state != expected:
            raise UsageError(f"break {found.id}: expected one that is {expected}, got {found.state}")
        if found.state == refused:
            raise UsageError(
                f"break {found.id}: it waits for approval. Next: clearing breaks reject {found.id}"
            )
        must_become(found.id, found.state, state)
        ending = found.ending if state == CLOSED else ""
        await breaks.step(conn, found.id, state, maker=desk.person, why=why, ending=ending)
        return await _told(conn, found.id)


async def _told(conn: AsyncConnection, break_id: str) -> Json:
    return await shown(conn, await found_break(conn, break_id))


# ---------------------------------------------------------------- agreement


async def _approved(  # noqa: PLR0917 - the break, who agrees, and what others hold
    conn: AsyncConnection, desk: Desk, break_id: str, why: str, now: datetime | None, known: Names
) -> Json:
    found = await found_break(conn, break_id, lock=True)
    if found.state != PENDING_APPROVAL:
        raise UsageError(
            f"break {found.id}: expected one that waits for approval, got {found.state}. "
            f"See: clearing breaks show {found.id}"
        )
    proposal = (await proposals.of_break(conn, found.id))[-1]
    checked = tuple(one.checker for one in await proposals.approvals(conn, found.id, proposal.no))
    check_approval(found.id, maker=proposal.maker, checker=desk.person, checked=checked)
    await proposals.approve(conn, found.id, proposal.no, checker=desk.person, why=why)
    if len(checked) + 1 >= proposal.approvals:
        if proposal.legs:
            await post(conn, desk, proposal, checker=desk.person, now=now, known=known)
        await breaks.step(
            conn, found.id, RESOLVED, maker=proposal.maker, checker=desk.person, why=why or proposal.why,
            ending=proposal.ending, evidence=proposal.evidence, proposal=proposal.no,
        )  # fmt: skip
    return await _told(conn, found.id)
