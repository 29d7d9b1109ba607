"""`members.toml` read and held against itself: every fault of it at once. 参与方资料"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter, ValidationError

from clearing.errors import MembersRefused, setting_faults
from clearing.ledger.business_day import BusinessClock
from clearing.ledger.fees import ACQUIRER, ISSUER, FeeRule, ambiguous
from clearing.ledger.members import (
    RECORD_KINDS,
    Institution,
    Member,
    Members,
    Platform,
)

PAID_KINDS: Final = frozenset({"bank", "hospital", "pharmacy", "fund", "insurer", "channel"})
EARLIEST: Final = date(1970, 1, 1)
"""For messages only: a record without dates is in force since ever."""

T = TypeVar("T")


def load_members(document: Mapping[str, Any]) -> Members:
    """Members from a parsed `members.toml`.

    In:      the document as nested dicts (tables of arrays by kind).
    Raises:  MembersRefused with every fault: record, field, what was expected and what it says.
    Source:  contract "Commands and settings", members.toml.
    """
    faults: list[str] = []
    platform = _platform(document.get("platform"), faults)
    records: list[Member] = [platform] if platform else []
    fees: list[FeeRule] = []
    for name, rows in document.items():
        if name == "platform":
            continue
        if not isinstance(rows, list) or (name != "fee" and name not in RECORD_KINDS):
            faults.append(
                f"[[{name}]]: not a kind of record; expected one of {', '.join([*RECORD_KINDS, 'fee'])}"
            )
            continue
        for number, row in enumerate(rows, 1):
            where = f"[[{name}]] {number}"
            if name == "fee":
                rule = _validated(TypeAdapter(FeeRule), row, where, faults)
                fees.extend([rule] if rule else [])
            else:
                member = _validated(TypeAdapter(RECORD_KINDS[name]), {**row, "kind": name}, where, faults)
                records.extend([member] if member else [])
    if not faults:
        faults.extend(_contradictions(records, fees))
    if faults or platform is None:
        raise MembersRefused("members file refused:\n  " + "\n  ".join(faults))
    clock = BusinessClock(ZoneInfo(platform.timezone), platform.cutover)
    return Members(platform, tuple(records), tuple(fees), clock)


def _platform(row: object, faults: list[str]) -> Platform | None:
    if not isinstance(row, dict):
        faults.append("[platform]: missing; expected a table with code, name, timezone, cutover")
        return None
    accounts = sorted(key for key in row if "account" in key)
    if accounts:
        faults.append(
            f"[platform] {accounts[0]}: the platform holds no client money and has no account; remove the field"
        )
        return None
    return _validated(TypeAdapter(Platform), {**row, "kind": "platform"}, "[platform]", faults)


def _validated(adapter: TypeAdapter[T], row: object, where: str, faults: list[str]) -> T | None:
    try:
        return adapter.validate_python(row)
    except ValidationError as error:
        faults.extend(f"{where} {fault}" for fault in setting_faults(error, got=True))
        return None


def _contradictions(records: Sequence[Member], fees: Sequence[FeeRule]) -> Iterator[str]:
    kinds = {member.code: member.kind for member in records}
    by_code: dict[str, list[Member]] = {}
    for member in records:
        by_code.setdefault(member.code, []).append(member)
    for member in records:
        yield from _overlaps(member, by_code[member.code])
        yield from _bad_references(member, by_code, kinds)
    elsewhere = {one.code for one in records if isinstance(one, Institution) and one.settles_with}
    for number, rule in enumerate(fees, 1):
        for share in rule.payees:
            kind = kinds.get(share.code)
            where = f"[[fee]] {number} payee {share.code}"
            if share.code not in {ISSUER, ACQUIRER} and kind not in PAID_KINDS:
                yield f"{where}: expected a member with a settlement bank, got {kind}"
            elif share.code in elsewhere:
                yield f"{where}: it settles with another and has no account of its own"
        for later, other in enumerate(fees[number:], number + 1):
            if ambiguous(rule, other):
                yield (
                    f"[[fee]] {number} and {later}: both can match one event with as many keys from {rule.since}"
                )


def _overlaps(member: Member, of_its_code: Sequence[Member]) -> Iterator[str]:
    for other in of_its_code:
        if other is member:
            return  # each pair once, and records before this one only
        starts = max(member.valid_from or date.min, other.valid_from or date.min)
        if starts <= min(member.valid_to or date.max, other.valid_to or date.max):
            yield f"{member.kind} {member.code}: two records in force on {max(starts, EARLIEST)}"
        elif other.kind != member.kind:
            yield f"{member.kind} {member.code}: was a {other.kind} before; a code keeps its kind"


def _bad_references(
    member: Member, by_code: Mapping[str, Sequence[Member]], kinds: Mapping[str, str]
) -> Iterator[str]:
    for name in ("settlement_bank", "expense_bank", "income_bank"):
        code = getattr(member, name, None)
        if code is not None and kinds.get(code) != "bank":
            yield f"{member.kind} {member.code} {name}: expected the code of a bank, got {code!r}"
    for agent in member.agents:
        if agent not in kinds:
            yield f"{member.kind} {member.code} agents: {agent!r} is no member"
    if isinstance(member, Institution):
        yield from _bad_settlement(member, by_code)


def _bad_settlement(member: Institution, by_code: Mapping[str, Sequence[Member]]) -> Iterator[str]:
    where = f"{member.kind} {member.code}"
    if member.settles_with is None:
        if member.settlement_bank is None or member.settlement_account is None:
            yield f"{where}: expected settlement_bank and settlement_account, or settles_with"
        return
    if member.settlement_bank or member.settlement_account:
        yield f"{where}: settles_with {member.settles_with} and an account of its own; give one"
    others = by_code.get(member.settles_with, ())
    if not others or not all(isinstance(other, Institution) for other in others):
        yield f"{where} settles_with: expected a hospital or pharmacy, got {member.settles_with!r}"
    elif any(isinstance(other, Institution) and other.settles_with for other in others):
        yield f"{where} settles_with: {member.settles_with} itself settles with another; one step only"
