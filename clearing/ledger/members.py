"""Who takes part: members, their settings and agents, each with its dates. 参与方

Every record may carry `valid_from` and `valid_to` (inclusive); a code may have several records whose dates do not
overlap. The platform holds no money: a platform record that names an account is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, time
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
)

from clearing.ledger.business_day import ONE_DAY, BusinessClock
from clearing.ledger.fees import FeeRule, choose
from clearing.ledger.seal_terms import PLAIN, Seal

Code = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]{0,11}$")]
Account = Annotated[str, Field(min_length=1, max_length=40)]
Area = Annotated[str, Field(pattern=r"^\d{6}$")]
Profiles = Annotated[
    tuple[Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,15}$")], ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
]
Route = Literal["DIRECT", "UNIONPAY", "CHANNEL"]

INSTITUTION: Final = frozenset({"hospital", "pharmacy"})
PAYER: Final = frozenset({"fund", "insurer"})
MAY_HAVE_AGENTS: Final = INSTITUTION | PAYER
"""Whose events an agent may send; a bank, the card platform and the platform speak for themselves."""
DAYS_MAX: Final = 1_000
"""Dates for which the members in force are remembered: events name any date they like."""
CHOSEN_MAX: Final = 100_000
"""Fee choices remembered: a day of a province; a worker that runs for months begins anew."""


class Member(BaseModel):
    """One record of one member; the fields are those of `members.toml`, absent ones at their default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    code: Code
    name: str = ""
    valid_from: date | None = None
    valid_to: date | None = None
    agents: tuple[Code, ...] = ()
    profile: Profiles = ()
    """In which layouts it gets its files; those of the settings when it names none."""
    seal: Seal = PLAIN
    """How files to and from it are signed and wrapped."""

    def settlement(self, code: str) -> tuple[str, str] | None:  # noqa: ARG002 - kinds with accounts look at it
        """(bank, account) to which a position on account `code` rolls, or None: it has no account of its own."""
        return None

    def valid_on(self, day: date) -> bool:
        """Whether the record is in force on a date."""
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_to is None or day <= self.valid_to
        )


class Platform(Member):
    """The engine itself: it computes and instructs, and has no account."""

    kind: Literal["platform"] = "platform"
    timezone: str = "Asia/Shanghai"
    cutover: time = time(23, 0)

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError) as error:
            message = f"unknown time zone {value!r}; expected an IANA name such as Asia/Shanghai"
            raise ValueError(message) from error
        return value


class Bank(Member):
    """A bank: issuer of cards, settlement bank of members, acquirer of terminals, or several of these."""

    kind: Literal["bank"] = "bank"
    cnaps: Annotated[str, Field(pattern=r"^\d{12}$")]
    roles: tuple[Literal["issuer", "settlement", "acquirer"], ...] = ("issuer", "settlement")
    clearing_account: Account
    net_cap: Annotated[str, Field(pattern=r"^\d{1,13}\.\d{2}$")] | None = None
    area: Area | None = None

    def settlement(self, code: str) -> tuple[str, str] | None:  # noqa: ARG002 - one account for all
        """A bank is its own settlement bank."""
        return (self.code, self.clearing_account)


class Institution(Member):
    """A hospital or pharmacy: the payee of patients."""

    kind: Literal["hospital", "pharmacy"]
    level: Literal["VILLAGE", "TOWNSHIP", "COMMUNITY", "COUNTY", "CITY", "PROVINCE", "NATIONAL"] | None = None
    ownership: Literal["PUBLIC", "PRIVATE", "PROFIT"] = "PUBLIC"
    settlement_bank: Code | None = None
    settlement_account: Account | None = None
    mode: Literal["net", "immediate"] = "net"
    negative: Literal["debit", "carry"] = "debit"
    held_account: Account | None = None
    area: Area | None = None
    settles_with: Code | None = None
    routes: tuple[Route, ...] | None = None
    uscc: str | None = None
    org_code: str | None = None

    def settlement(self, code: str) -> tuple[str, str] | None:
        """Its own settlement bank and account; None for one that settles with another."""
        if self.settlement_bank is None or self.settlement_account is None:
            return None
        if code == "3020":
            return (self.settlement_bank, self.held_account or self.settlement_account)
        return (self.settlement_bank, self.settlement_account)


class Fund(Member):
    """A fund office: pays reimbursements from its expense account, receives premiums on its income account."""

    kind: Literal["fund"] = "fund"
    area: Area | None = None
    expense_bank: Code
    expense_account: Account
    income_bank: Code
    income_account: Account
    held_account: Account | None = None
    enrolment: Literal["required", "optional"] = "optional"

    def settlement(self, code: str) -> tuple[str, str] | None:
        """The income account for 2040, else the expense account: the two are never netted. 收支两条线"""
        if code == "2040":
            return (self.income_bank, self.income_account)
        if code == "3020":
            return (self.expense_bank, self.held_account or self.expense_account)
        return (self.expense_bank, self.expense_account)


class Settling(Member):
    """An insurer or a payment channel: one account at one bank."""

    kind: Literal["insurer", "channel"]
    settlement_bank: Code
    settlement_account: Account
    held_account: Account | None = None

    def settlement(self, code: str) -> tuple[str, str] | None:
        """Its settlement bank and account."""
        if code == "3020":
            return (self.settlement_bank, self.held_account or self.settlement_account)
        return (self.settlement_bank, self.settlement_account)


class Plain(Member):
    """A party without an account here: card network, card platform, card issuer, sending agent."""

    kind: Literal["network", "card_platform", "issuer", "agent"]


RECORD_KINDS: Final[dict[str, type[Member]]] = {
    "bank": Bank,
    "hospital": Institution,
    "pharmacy": Institution,
    "fund": Fund,
    "insurer": Settling,
    "channel": Settling,
    "network": Plain,
    "card_platform": Plain,
    "issuer": Plain,
    "agent": Plain,
}


@dataclass(frozen=True, slots=True)
class MembersOn:
    """The members in force on one date."""

    day: date
    by_code: Mapping[str, Member]
    kinds: Mapping[str, str]
    """Code → kind."""
    networks: tuple[str, ...]
    """Codes of the card networks, in order of code."""
    payable_of: Mapping[str, Institution]
    """Institution code → the institution that settles for it (itself, or the one it `settles_with`)."""

    def kind(self, code: str) -> str | None:
        """The kind of a member, None when the code is nobody's on this date."""
        return self.kinds.get(code)

    def settling(self, code: str) -> Member | None:
        """The member whose bank account takes what `code` is owed: itself, or the one it settles with."""
        return self.payable_of.get(code) or self.by_code.get(code)

    def cnaps(self) -> dict[str, str]:
        """Code of each bank → its number in the clearing system. 行号"""
        return {one.code: one.cnaps for one in self.by_code.values() if isinstance(one, Bank)}

    def may_speak_for(self, sender: str, code: str) -> bool:
        """Whether `sender` is the member `code` or one of its agents."""
        if sender == code:
            return True
        member = self.by_code.get(code)
        return member is not None and member.kind in MAY_HAVE_AGENTS and sender in member.agents


@dataclass(frozen=True, slots=True)
class Members:
    """All records of all members, with the fee rules, as loaded from one file."""

    platform: Platform
    records: tuple[Member, ...]
    fees: tuple[FeeRule, ...]
    clock: BusinessClock
    _on: dict[date, MembersOn] = field(default_factory=dict, compare=False, repr=False)
    _chosen: dict[tuple[date | str | None, ...], FeeRule | None] = field(
        default_factory=dict, compare=False, repr=False
    )

    def fee_rule(
        self, day: date, member: Institution, *, bank: str, acquirer: str, access: str, route: str
    ) -> FeeRule | None:
        """The fee rule for a payment at an institution on a clearing date; chosen once for equal payments."""
        kind, ownership, level = member.kind, member.ownership, member.level
        at = (day, kind, ownership, level, member.code, bank, acquirer, access, route)
        if at not in self._chosen:
            if len(self._chosen) >= CHOSEN_MAX:
                self._chosen.clear()
            keys = {"kind": kind, "ownership": ownership, "level": level or "", "institution": member.code}
            keys |= {"bank": bank, "acquirer": acquirer, "access": access, "route": route}
            self._chosen[at] = choose(self.fees, keys, day)
        return self._chosen[at]

    def on(self, day: date) -> MembersOn:
        """The members in force on a date; found once for all dates between two changes, a province has thousands."""
        found = self._on.get(day)
        if found is None:
            if len(self._on) >= DAYS_MAX:
                self._on.clear()
            since = self._last_change(day)
            if since not in self._on:
                self._on[since] = self._in_force(since)
            found = self._on[day] = replace(self._on[since], day=day)
        return found

    def _last_change(self, day: date) -> date:
        """The last date, this one at the latest, on which a record came into force or was out of it."""
        begun = [one.valid_from for one in self.records if one.valid_from and one.valid_from <= day]
        ended = [one.valid_to + ONE_DAY for one in self.records if one.valid_to and one.valid_to < day]
        return max(begun + ended, default=date.min)

    def _in_force(self, day: date) -> MembersOn:
        valid = {member.code: member for member in self.records if member.valid_on(day)}
        networks = tuple(sorted(code for code, member in valid.items() if member.kind == "network"))
        payable = {
            code: _settler(valid, member) for code, member in valid.items() if isinstance(member, Institution)
        }
        kinds = {code: member.kind for code, member in valid.items()}
        return MembersOn(day, valid, kinds, networks, payable)

    def last_record(self, code: str) -> Member | None:
        """The last record of a code in the file's order, in force or not; None when nobody ever had it."""
        found = [member for member in self.records if member.code == code]
        return max(found, key=lambda member: member.valid_to or date.max, default=None)

    def codes(self) -> frozenset[str]:
        """Every code that any record names, whatever its dates."""
        return frozenset(member.code for member in self.records)


def _settler(valid: Mapping[str, Member], member: Institution) -> Institution:
    other = valid.get(member.settles_with) if member.settles_with else None
    return other if isinstance(other, Institution) else member
