"""Signing a day: each member in three steps by three people, then the day never moves again. 签署

Signed is the report of the run that stands and the day's root over all digest chains, so that neither the differences
nor the history behind them can be told otherwise later. Open breaks are no obstacle when each is somebody's and the
proof lines come out at 0.00: they live on in the runs of later days.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from clearing.day.signing import APPROVED, ROLES, Step, next_role, sign_off_text, who_signs
from clearing.day.states import State, reached
from clearing.errors import NotBalanced, UsageError
from clearing.files.public_keys import key_of
from clearing.files.seal import trust_of
from clearing.jobs.desk import Desk
from clearing.jobs.keys import key_store, read_private
from clearing.reconciliation.life import OVER, STATES
from clearing.reconciliation.report import digest
from clearing.store import breaks, days, signing
from clearing.store.breaks import Asked, StoredBreak, StoredRun
from clearing.store.session import transaction
from clearing.store.signing import StoredSignOff

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from clearing.files.public_keys import PublicKey
    from clearing.ledger.members import Members, MembersOn

Json: TypeAlias = dict[str, Any]

_SHOWN: Final = 5
"""How many breaks a message names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pen:
    """What a member signs with: a key file of ours to read, or a signature that was made elsewhere."""

    key: Path | None = None
    signature: str = ""
    """Base64; over the text that `sign_text` gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What lies on the table when a day is signed."""

    day: date
    run: StoredRun
    report: bytes
    root: bytes
    duties: tuple[str, ...]
    done: Sequence[StoredSignOff]

    def steps(self, member: str) -> list[Step]:
        """The steps that a member has taken, in order."""
        return [Step(one.role, one.person) for one in self.done if one.member == member]

    @property
    def waiting(self) -> list[str]:
        """Who has not signed yet."""
        ready = {one.member for one in self.done if one.role == APPROVED}
        return [code for code in self.duties if code not in ready]


async def sign(desk: Desk, day: date, member: str, pen: Pen) -> Json:
    """Take the next step of a member's sign-off of a day; the last member's last step signs the day. 签署

    In:      `pen`: needed for the approval of a member that has keys in the members file; the platform's own key is
             taken from where its keys are.
    Out:     as `signed`.
    Writes:  sign_duty, sign_off; day, when it was the last one.
    Again:   refused: a step is taken once. Of a day that is signed: what it says, nothing is written.
    Raises:  UsageError when the day is not reconciled, the member has not to sign, somebody of its three signs
             twice, an open break of its belongs to nobody, or the signature does not fit; NotBalanced when a proof
             line has a residual.
    """
    async with transaction(desk.engine) as conn:
        sheet = await _sheet(conn, desk.members, day, lock=True)
        where = f"day {day} member {member}"
        if member not in sheet.duties:
            raise UsageError(f"{where}: expected one of {' '.join(sheet.duties)}: they have to sign")
        role = next_role(where, sheet.steps(member), desk.person)
        await _may(conn, sheet, member, desk.members.platform.code)
        step = _step(desk, sheet, member, role, pen)
        await signing.add_duties(conn, sheet.run.id, sheet.duties)
        await signing.add(conn, step)
        after = await _sheet(conn, desk.members, day)
        if not after.waiting:
            await days.step(conn, day, State.SIGNED)
        return await _told(conn, after)


async def sign_text(desk: Desk, day: date, member: str) -> bytes:
    """What somebody would sign now, for a key that is kept elsewhere. 签署原文

    Raises:  as `sign`.
    """
    async with transaction(desk.engine) as conn:
        sheet = await _sheet(conn, desk.members, day)
        role = next_role(f"day {day} member {member}", sheet.steps(member), desk.person)
    return sign_off_text(day, member, role, desk.person, report=sheet.report, root=sheet.root)


async def signed(desk: Desk, day: date) -> Json:
    """Who has signed a day and who has not. 签署情况

    Out:     date, state, run, report and root (hex), members (member, kind, and for each role by, at, key), waiting
             (codes), open (breaks found up to the day that nobody has ended), sealed (SM3 of the archive).
    Raises:  UsageError when the day is not reconciled yet.
    """
    async with transaction(desk.engine) as conn:
        return await _told(conn, await _sheet(conn, desk.members, day))


# ---------------------------------------------------------------- what is signed


async def _sheet(conn: AsyncConnection, members: Members, day: date, *, lock: bool = False) -> Sheet:
    found = await days.get(conn, day, lock=lock)
    state = State(found.state) if found else None
    run = await breaks.last_run(conn, day)
    if found is None or state is None or not reached(state, State.RECONCILED) or run is None:
        raise UsageError(
            f"day {day}: expected it reconciled, {state or 'never opened'} found. Next: clearing reconcile {day}"
        )
    if lock and state is State.SIGNED:
        raise UsageError(f"day {day}: it is signed, and never moves again")
    if found.root is None:
        raise UsageError(f"day {day}: it has no root; it was cut by another release")
    duties = await signing.duties(conn, run.id) or _duties(
        await signing.accounts_of(conn, day), run, members.on(day), members.platform.code
    )
    return Sheet(
        day=day,
        run=run,
        report=bytes.fromhex(digest(run.report)),
        root=found.root,
        duties=tuple(duties),
        done=await signing.of_run(conn, run.id),
    )


def _duties(accounts: list[str], run: StoredRun, members: MembersOn, platform: str) -> tuple[str, ...]:
    return who_signs(accounts, run.proof, members, platform=platform)


async def _may(conn: AsyncConnection, sheet: Sheet, member: str, platform: str) -> None:
    """Let a member sign when the proof comes out and each of its open breaks is somebody's."""
    wrong = [code for code, line in sheet.run.proof.items() if line["residual"] != "0.00"]
    if wrong:
        raise NotBalanced(
            f"day {sheet.day}: expected proof lines of 0.00, {', '.join(wrong)} have a residual"
        )
    unowned = [
        one.id
        for one in await _open(conn, sheet.day)
        if not one.owner and (member == platform or member in _concerned(one))
    ]
    if unowned:
        raise UsageError(
            f"day {sheet.day} member {member}: expected every open break to be somebody's, "
            f"{len(unowned)} {'is' if len(unowned) == 1 else 'are'} nobody's: {', '.join(unowned[:_SHOWN])}"
            f"{' …' if len(unowned) > _SHOWN else ''}. Next: clearing breaks assign ID --to WHO"
        )


async def _open(conn: AsyncConnection, day: date) -> list[StoredBreak]:
    """The breaks found up to a day that nobody has ended."""
    live = [state for state in STATES if state not in OVER]
    return await breaks.wanted(conn, Asked(states=live, found_by=day))


def _concerned(one: StoredBreak) -> set[str]:
    return {one.bank, one.institution, *one.differences}


# ---------------------------------------------------------------- signatures


def _step(desk: Desk, sheet: Sheet, member: str, role: str, pen: Pen) -> StoredSignOff:
    """The step as it is kept, with the signature over its text where there is one."""
    text = sign_off_text(sheet.day, member, role, desk.person, report=sheet.report, root=sheet.root)
    alg, key, user_id, value = _signature(desk, sheet.day, member, text, pen)
    where = f"day {sheet.day} member {member}"
    if key is None and role == APPROVED and _keys(desk, sheet.day, member)[0]:
        raise UsageError(
            f"{where}: expected a signature by a key of its own, got none. "
            "Next: --key FILE, or --text to sign elsewhere and --signature BASE64"
        )
    return StoredSignOff(
        run=sheet.run.id,
        member=member,
        role=role,
        clearing_date=sheet.day,
        person=desk.person,
        report=sheet.report,
        root=sheet.root,
        alg=alg,
        signer=key.der if key else b"",
        user_id=user_id,
        signature=value,
    )


def _keys(desk: Desk, day: date, member: str) -> tuple[tuple[PublicKey, ...], str]:
    """The keys whose signatures count as a member's, and the SM2 user id that goes into them."""
    if member == desk.members.platform.code:
        return tuple(one.public for one in key_store(desk.settings).signers()), desk.settings.sm2_user_id
    found = desk.members.on(day).by_code.get(member)
    if found is None:
        return (), desk.settings.sm2_user_id
    trust = trust_of(found.seal, desk.settings.sm2_user_id)
    return trust.keys, trust.user_id


def _signature(
    desk: Desk, day: date, member: str, text: bytes, pen: Pen
) -> tuple[str, PublicKey | None, str, str]:
    """Algorithm, key, user id and signature; all empty where nobody signs by key.

    Raises:  UsageError when it is by no key of the member's, or does not fit.
    """
    keys, user_id = _keys(desk, day, member)
    where = f"day {day} member {member}"
    if pen.key is None and not pen.signature:
        if member != desk.members.platform.code or not keys:
            return ("", None, "", "")
        signer = key_store(desk.settings).signers()[0]
        value = signer.sign(text, user_id)
    elif pen.key is not None:
        value = read_private(pen.key).sign(text, user_id)
    else:
        try:
            value = base64.b64decode(pen.signature, validate=True)
        except binascii.Error as error:
            raise UsageError(f"{where}: --signature: expected base64, got something else") from error
    key = next((one for one in keys if one.verifies(value, text, user_id)), None)
    if key is None:
        of = "no key of its own in the members file" if not keys else f"none of its keys {_ids(keys)}"
        raise UsageError(f"{where}: expected a signature by a key of its own over the text, got one of {of}")
    return key.algorithm, key, user_id, base64.b64encode(value).decode("ascii")


def _ids(keys: Sequence[PublicKey]) -> str:
    return ", ".join(one.id for one in keys)


def signature_holds(step: StoredSignOff) -> bool:
    """Whether a stored step's signature, where it has one, is over its own text by its own key. 验签"""
    if not step.signature:
        return True
    text = sign_off_text(
        step.clearing_date, step.member, step.role, step.person, report=step.report, root=step.root
    )
    return key_of(step.signer).verifies(base64.b64decode(step.signature), text, step.user_id)


# ---------------------------------------------------------------- what is said


async def _told(conn: AsyncConnection, sheet: Sheet) -> Json:
    found = await days.get(conn, sheet.day)
    sealed = await signing.archived(conn, sheet.day)
    return {
        "date": sheet.day.isoformat(),
        "state": found.state if found else "",
        "run": str(sheet.run.id),
        "report": sheet.report.hex(),
        "root": sheet.root.hex(),
        "members": [{"member": code} | _roles(sheet, code) for code in sheet.duties],
        "waiting": sheet.waiting,
        "open": len(await _open(conn, sheet.day)),
        "sealed": sealed.sm3.hex() if sealed else "",
    }


def _roles(sheet: Sheet, member: str) -> Json:
    done = {one.role: one for one in sheet.done if one.member == member}
    return {
        role: {
            "by": done[role].person,
            "at": f"{done[role].at or ''}",
            "key": key_of(done[role].signer).fingerprint if done[role].signer else "",
        }
        if role in done
        else None
        for role in ROLES
    }
