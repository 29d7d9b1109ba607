"""How a break is to end: who wants it so, what would be posted, and whether the books would take it. 差错处理申请"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from clearing.errors import UsageError
from clearing.jobs.desk import TEXT_MAX, Desk
from clearing.jobs.own_events import OwnEvent, take_own
from clearing.jobs.tries import in_transaction
from clearing.ledger.money import yuan
from clearing.ledger.outcomes import Outcome
from clearing.reconciliation.handling import shelving
from clearing.reconciliation.life import (
    ASSIGNED,
    PENDING_APPROVAL,
    Leg,
    check_end,
    must_become,
    same_person,
)
from clearing.store import proposals, views
from clearing.store.proposals import StoredProposal
from messages import Malformed

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from clearing.jobs.gather import Names
    from clearing.store.breaks import StoredBreak

_NOBODY_YET: Final = "-"
"""Who agrees to a correction that is only tried."""


class _TakenBack(Exception):
    """Ends a transaction that was only a try."""


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


async def proposal_of(
    conn: AsyncConnection, desk: Desk, found: StoredBreak, wanted: Wanted
) -> StoredProposal:
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


def same(made: StoredProposal, wanted: StoredProposal) -> bool:
    """Whether somebody proposes what the same person has proposed."""
    return (
        same_person(made.maker, wanted.maker)
        and (made.ending, made.why, made.evidence) == (wanted.ending, wanted.why, wanted.evidence)
        and [list(leg) for leg in made.legs] == [list(leg) for leg in wanted.legs]
        and (bool(wanted.legs) or made.event == wanted.event)
    )


# ---------------------------------------------------------------- corrections


async def try_out(desk: Desk, proposal: StoredProposal, now: datetime | None) -> None:
    """Let the books say whether they would take a correction, and take it back."""

    async def work(conn: AsyncConnection, known: Names) -> None:
        await post(conn, desk, proposal, checker=_NOBODY_YET, now=now, known=known)
        raise _TakenBack

    with contextlib.suppress(_TakenBack):
        await in_transaction(desk.engine, f"break {proposal.break_id}", work)


async def post(
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
            "text": f"{proposal.ending} {proposal.why}"[:TEXT_MAX],
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
