"""Sign-off: who has to sign a day, in which order, and what a signature is over. 签署

Each member signs for itself in three steps by three people: prepared, reviewed, approved. When every member that had
to do with the day has approved, the day is signed and never moves again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final, NamedTuple

from clearing.errors import UsageError
from clearing.ledger.accounts import ARREARS_CONTRA, DEPOSITS, code_of
from clearing.ledger.members import INSTITUTION, PAYER, MembersOn

PREPARED: Final = "prepared"
REVIEWED: Final = "reviewed"
APPROVED: Final = "approved"
ROLES: Final = (PREPARED, REVIEWED, APPROVED)
SIGNING: Final = INSTITUTION | PAYER | frozenset({"bank", "channel", "network"})
"""Kinds of members that sign beside the platform itself."""
_BY_STAY: Final = frozenset({DEPOSITS, ARREARS_CONTRA})
"""Accounts whose second key is a stay; of the others every key that is a member's code had to do with the day."""


class Step(NamedTuple):
    """One step of one member's sign-off."""

    role: str
    person: str


def who_signs(
    accounts: Iterable[str], partners: Iterable[str], members: MembersOn, *, platform: str
) -> tuple[str, ...]:
    """The members that have to sign a day: all that moved in its books or gave a file, and the platform. 签署方

    In:      the accounts of the day's entries; the codes of those whose files were reconciled.
    Out:     by code, the platform last; an institution that settles with another is signed for by that one.
    """
    found = {*partners}
    for name in accounts:
        keys = name.split(".")[1:]
        found.update(keys[:1] if code_of(name) in _BY_STAY else keys)
    codes = set()
    for code in found:
        if members.kind(code) in SIGNING:
            settles = members.settling(code)
            codes.add(settles.code if settles is not None else code)
    return (*sorted(codes - {platform}), platform)


def next_role(where: str, done: Sequence[Step], person: str) -> str:
    """Which step of a member's sign-off somebody takes now. 签署步骤

    In:      the member and day for messages; the steps taken, in order.
    Raises:  UsageError when all three are taken, or this person has taken one.
    """
    if len(done) == len(ROLES):
        raise UsageError(f"{where}: signed already, by {', '.join(step.person for step in done)}")
    role = ROLES[len(done)]
    for step in done:
        if step.person.strip().lower() == person.strip().lower():
            raise UsageError(f"{where}: {person} has {step.role} it; it is to be {role} by somebody else")
    return role


def sign_off_text(day: date, member: str, role: str, person: str, *, report: bytes, root: bytes) -> bytes:
    """What is signed: one line a field, `name=value`, LF; UTF-8. 签署原文

    In:      SM3 of the day's report, and the root over all digest chains at its cut.
    """
    fields = {
        "day": day.isoformat(),
        "member": member,
        "role": role,
        "person": person,
        "report": report.hex(),
        "root": root.hex(),
    }
    return "".join(f"{name}={value}\n" for name, value in fields.items()).encode()
