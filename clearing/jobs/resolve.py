"""What people do with a break: take it up, say how it is to end, agree, refuse, reopen, close. 差错处理

Each is one transaction. Nothing here moves money by itself: an ending that does is a correction, an event of the
platform's that goes through the rules like any other, in the transaction of the last approval; or it names the
event that a bank or hospital has sent.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from clearing.errors import UsageError
from clearing.jobs.own_events import OwnEvent, take_own
from clearing.jobs.tries import in_transaction
from clearing.jobs.worklist import found_break, listed, shown
from clearing.ledger.money import yuan
from clearing.ledger.outcomes import Outcome
from clearing.reconciliation.handling import shelving
from clearing.reconciliation.life import (
    ASSIGNED,
    CLOSED,
    NEXT,
    PENDING_APPROVAL,
    REOPENED,
    RESOLVED,
    Leg,
    check_approval,
    check_end,
    must_become,
    same_person,
)
from clearing.store import breaks, days, proposals, views
from clearing.store.breaks import Asked
from clearing.store.proposals import StoredProposal
from clearing.store.session import transaction
from messages import Malformed
from messages.sensitive import find_secret_in_bytes

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from clearing.jobs.gather import Names
    from clearing.ledger.members import Members
    from clearing.settings import Settings
    from clearing.store.breaks import StoredBreak

Json: TypeAlias = dict[str, Any]

_TEXT_MAX: Final = 200
"""Characters of an event's text."""
_NAME_MAX: Final = 32
"""Characters of a person's name in an event."""
_NOBODY_YET: Final = "-"
"""Who agrees to a correction that is only tried."""


class _TakenBack(Exception):
    """Ends a transaction that was only a try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Whose books, and who sits at them."""

    engine: AsyncEngine
    settings: Settings
    members: Members
    person: str

    def __post_init__(self) -> None:
        check_said("--as", self.person, _NAME_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How somebody wants a break to end."""

    ending: str
    why: str
    evidence: bytes | None = None
    """SM3 of the documents."""
    legs: tuple[Leg, ...] = ()
    """To be posted; of an ADJUST without any they are derived from the difference."""
    event: str = ""
    """source/id of the event that has moved the money."""


def check_said(where: str, text: str, length_max: int = _TEXT_MAX) -> None:
    """Let a name or a reason pass that may be kept for ever.

    Raises:  UsageError for nothing, too much, more than a line, or a card number in it.
    """
    if not text.strip() or len(text) > length_max or not text.isprintable():
        raise UsageError(f"{where}: expected one line of 1 to {length_max} characters, got {len(text)}")
    if find_secret_in_bytes(text.encode()):
        raise UsageError(f"{where}: expected no card number, got what looks like one. It was not kept")


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
    check_said("--to", to, _NAME_MAX)
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
        proposal = await _proposal(conn, desk, found, wanted)
    if proposal.legs:
        await _try_out(desk, proposal, now)
    async with transaction(desk.engine) as conn:
        found = await found_break(conn, found.id, lock=True)
        made = await proposals.of_break(conn, found.id)
        if found.state == PENDING_APPROVAL and made and _same(made[-1], proposal):
            return await _told(conn, found.id)
        if found.state != ASSIGNED:
            must_become(found.id, found.state, ASSIGNED)
            await breaks.step(
                conn, found.id, ASSIGNED, maker=desk.person, why="takes it up",
                owner=found.owner or desk.person,
            )  # fmt: skip
        proposal = await _proposal(conn, desk, found, wanted)
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


# ---------------------------------------------------------------- proposals


async def _proposal(conn: AsyncConnection, desk: Desk, found: StoredBreak, wanted: Wanted) -> StoredProposal:
    """What somebody wants as a proposal; its number is the next of the break."""
    if found.state not in (ASSIGNED, PENDING_APPROVAL):
        must_become(found.id, found.state, ASSIGNED)
    legs = wanted.legs
    if wanted.ending == "ADJUST" and not legs and not wanted.event:
        kind = desk.members.on(found.clearing_date).kind(found.bank)
        bank_fen = found.differences.get(found.bank, 0)
        legs = shelving(
            found.id, bank=found.bank, kind=kind, institution=found.institution, bank_fen=bank_fen
        )
    end = check_end(
        wanted.ending,
        amount_fen=max((abs(fen) for fen in found.differences.values()), default=0) or found.amount_fen,
        legs=legs,
        event=wanted.event,
        write_off_fen_max=desk.settings.write_off_fen_max,
    )
    if wanted.event:
        await _has_moved(conn, wanted.event)
    number = len(await proposals.of_break(conn, found.id)) + 1
    return StoredProposal(
        break_id=found.id,
        no=number,
        ending=end.code,
        maker=desk.person,
        why=wanted.why,
        evidence=wanted.evidence,
        legs=tuple(tuple(leg) for leg in legs),
        event=f"{desk.members.platform.code}/{_event_id(found.id, number)}" if legs else wanted.event,
        approvals=end.approvals,
        at=datetime.now(UTC),
    )


async def _has_moved(conn: AsyncConnection, name: str) -> None:
    """Let an event pass that has an entry.

    Raises:  UsageError.
    """
    source, _, event_id = name.partition("/")
    row = await views.event(conn, source, event_id)
    last = await views.woken(conn, source, event_id) or row
    if last is None or last["outcome"] != "posted":
        got = "it never came" if last is None else f"it was {last['outcome']} {last['reason']}".rstrip()
        raise UsageError(f"event {name}: expected one that was posted, {got}. See: clearing trace {name}")


def _same(made: StoredProposal, wanted: StoredProposal) -> bool:
    return (
        same_person(made.maker, wanted.maker)
        and (made.ending, made.why, made.evidence) == (wanted.ending, wanted.why, wanted.evidence)
        and [list(leg) for leg in made.legs] == [list(leg) for leg in wanted.legs]
        and (bool(wanted.legs) or made.event == wanted.event)
    )


# ---------------------------------------------------------------- corrections


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
            await _post(conn, desk, proposal, checker=desk.person, now=now, known=known)
        await breaks.step(
            conn, found.id, RESOLVED, maker=proposal.maker, checker=desk.person, why=why or proposal.why,
            ending=proposal.ending, evidence=proposal.evidence, proposal=proposal.no,
        )  # fmt: skip
    return await _told(conn, found.id)


async def _try_out(desk: Desk, proposal: StoredProposal, now: datetime | None) -> None:
    """Let the books say whether they would take a correction, and take it back."""

    async def work(conn: AsyncConnection, known: Names) -> None:
        await _post(conn, desk, proposal, checker=_NOBODY_YET, now=now, known=known)
        raise _TakenBack

    with contextlib.suppress(_TakenBack):
        await in_transaction(desk.engine, f"break {proposal.break_id}", work)


async def _post(
    conn: AsyncConnection,
    desk: Desk,
    proposal: StoredProposal,
    *,
    checker: str,
    now: datetime | None,
    known: Names,
) -> None:
    """Post the correction of a proposal on the open day, or refuse it with the reason of the books."""
    event = OwnEvent(
        id=_event_id(proposal.break_id, proposal.no),
        type="correction.approved",
        data={
            "break_id": proposal.break_id,
            "legs": [
                {"account": account, "side": side, "amount": yuan(fen)}
                for account, side, fen in proposal.legs
            ],
            "text": f"{proposal.ending} {proposal.why}"[:_TEXT_MAX],
            **({"evidence": f"SM3 {proposal.evidence.hex()}"} if proposal.evidence else {}),
            "approval": {"maker": proposal.maker, "checker": checker},
        },
    )
    (taken,) = await take_own(
        conn, desk.settings, desk.members, [event], now=now or datetime.now(UTC), known=known
    )
    where = f"break {proposal.break_id}: correction"
    if isinstance(taken, Malformed):
        raise UsageError(f"{where} cannot be read: {taken}. Nothing was stored")
    if taken.outcome is not Outcome.POSTED:
        raise UsageError(
            f"{where} {taken.outcome.value} {taken.reason}: {taken.detail}. Nothing was stored. "
            f"Next: clearing breaks reject {proposal.break_id}, then other legs"
        )


def _event_id(break_id: str, number: int) -> str:
    """The id of a proposal's correction, the same however often it is tried."""
    return f"BRK-{break_id}-{number}"
