"""What settles, adjusts and corrects the books. 结算与调整"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from messages.envelope import Body, Part
from messages.fields import Fen, Maybe, MemberCode, Text64, Text200
from messages.groups import Approved, BankEntry, Money, Original

AccountCode = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{4}(\.[A-Za-z0-9_:-]+)*$", max_length=64),
    Field(examples=["1010.B1"]),
]


class SettlementConfirmed(BankEntry, Money, Body):
    """The money of a settlement instruction has moved. 结算确认"""

    instruction: Text64
    """Id of the instruction."""


class SettlementFailed(Body):
    """The money of a settlement instruction has not moved. 结算失败"""

    instruction: Text64
    """Id of the instruction."""
    reason: Text200
    """Why."""


class FeeAdjusted(Approved, Money, Original, Body):
    """A fee of an earlier entry becomes more or less, by the difference. 手续费调整"""

    bearer: MemberCode
    """The institution that bears the fee."""
    payee: MemberCode
    """Who gets it."""
    direction: Literal["MORE", "LESS"]
    """Which way."""


class Leg(Part):
    """One line of a correction."""

    account: AccountCode
    """Account of the chart with its sub-key, such as 1010.B1."""
    side: Literal["D", "C"]
    """Debit or credit."""
    amount: Fen
    """Yuan with two decimals."""


class CorrectionApproved(Approved, Body):
    """Two people correct the books, line by line. 调账"""

    break_id: Maybe[Text64] = None
    """The break it resolves."""
    legs: Annotated[tuple[Leg, ...], Field(min_length=1)]
    """The lines; debits and credits are equal."""
    text: Text200
    """What it corrects."""
    evidence: Maybe[Text200] = None
    """Digest of the documents behind it."""
