"""Transaction fees: which rule applies, how much, to whom. 手续费

The institution bears the fee, never the patient. Of the rules whose every key matches, those with most keys
win, among them the latest `from`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from clearing.ledger.money import half_up, split

ISSUER: Final = "ISSUER"
ACQUIRER: Final = "ACQUIRER"
BP_PER_UNIT: Final = 10_000

Key = Literal["kind", "ownership", "level", "institution", "bank", "acquirer", "access", "route"]
Payee = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]{0,11}$")]


class Share(BaseModel):
    """One payee of a fee and its part."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: Payee
    share: Annotated[int, Field(gt=0)]


class FeeRule(BaseModel):
    """One `[[fee]]` record: when it applies, the rate and cap, and who receives."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    applies_to: dict[Key, str] = {}
    rate_bp: Annotated[Decimal, Field(ge=0, le=BP_PER_UNIT)]
    cap: Annotated[str, Field(pattern=r"^\d{1,13}\.\d{2}$")] | None = None
    payees: tuple[Share, ...]
    bearer: Literal["institution"] = "institution"
    since: date = Field(alias="from")
    refund_returns: bool = False
    valid_from: date | None = None
    valid_to: date | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_payee(cls, row: object) -> object:
        """`payee = "B2"` is short for one payee with the whole share."""
        if not isinstance(row, dict) or "payee" not in row:
            return row
        if "payees" in row:
            raise ValueError("give payee or payees, not both")
        rest = {key: value for key, value in row.items() if key != "payee"}
        return {**rest, "payees": [{"code": row["payee"], "share": 1}]}

    def in_force(self, day: date) -> bool:
        """Whether the rule may be chosen on a clearing date."""
        return self.since <= day and (self.valid_from or day) <= day <= (self.valid_to or day)

    def matches(self, keys: Mapping[str, str]) -> bool:
        """Whether every key of the rule has the event's value."""
        return all(keys.get(name) == value for name, value in self.applies_to.items())

    @cached_property
    def _of_amount(self) -> tuple[int, int, int | None]:
        """The rate as a fraction of the amount, and the cap in fen."""
        top, bottom = self.rate_bp.as_integer_ratio()
        return top, bottom * BP_PER_UNIT, int(self.cap.replace(".", "")) if self.cap else None

    def fee(self, amount_fen: int) -> int:
        """The fee on one transaction: half-up to the fen, capped; both amounts are fen, positive."""
        top, bottom, cap_fen = self._of_amount
        fee_fen = half_up(amount_fen * top, bottom)
        return fee_fen if cap_fen is None else min(fee_fen, cap_fen)

    def parts(self, fee_fen: int, *, issuer: str, acquirer: str) -> tuple[tuple[str, int], ...]:
        """Who receives what of a fee: payees in listed order, equal ones added up, zero parts left out.

        In:      the issuing bank and the terminal's acquirer ("" when unknown: the issuer takes its part).
        Out:     (member code, fen) pairs whose sum is the fee.
        """
        named = {ISSUER: issuer, ACQUIRER: acquirer or issuer}
        out: dict[str, int] = {}
        for share, part in zip(self.payees, split(fee_fen, [one.share for one in self.payees]), strict=True):
            code = named.get(share.code, share.code)
            out[code] = out.get(code, 0) + part
        return tuple((code, part) for code, part in out.items() if part)


def choose(rules: Iterable[FeeRule], keys: Mapping[str, str], day: date) -> FeeRule | None:
    """The one rule for an event, None when none applies.

    In:      keys of the event (kind, ownership, level, institution, bank, acquirer, access, route).
    Source:  contract "Books", rule 8.
    """
    found = [rule for rule in rules if rule.in_force(day) and rule.matches(keys)]
    return max(found, key=lambda rule: (len(rule.applies_to), rule.since), default=None)


def ambiguous(one: FeeRule, other: FeeRule) -> bool:
    """Whether two rules can match one event alike, so that the choice would be a guess."""
    if len(one.applies_to) != len(other.applies_to) or one.since != other.since:
        return False
    if any(other.applies_to.get(key, value) != value for key, value in one.applies_to.items()):
        return False
    starts = max(one.valid_from or date.min, other.valid_from or date.min)
    ends = min(one.valid_to or date.max, other.valid_to or date.max)
    return starts <= ends
