"""What an entry says in the files follows from its shape: type, accounts, why each posting stands. 凭证形状

A shape is worked out once; after that an entry costs the sums of its postings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from clearing.files.items import CORRECTIONS, LOOKED_AT, PARTNERS, USED
from clearing.files.lines import CORRECTION, OF_THE_CLOSE, Figures, Target, Targets, figures
from clearing.files.records import TxnLine
from clearing.ledger import accounts
from clearing.ledger.accounts import code_of, is_memo
from clearing.ledger.entry import Entry, Leg


class LinePlan(NamedTuple):
    """One line of TXN that every entry of a shape gives: which of its postings make it."""

    target: Target
    account: str
    alone: int
    """The one posting that is the line's amount, -1 where it is not as simple."""
    gross: tuple[int, ...]
    settled: tuple[int, ...]
    fee: tuple[int, ...]

    def figures(self, kind: str, fens: Sequence[int]) -> Figures:
        """What the line of one entry says, of its type and what its postings move."""
        sums = (sum([fens[place] for place in places]) for places in (self.gross, self.settled, self.fee))
        return figures(kind, code_of(self.account), *sums)


class Plan(NamedTuple):
    """What entries of one shape say."""

    lines: tuple[LinePlan, ...]
    """In order of account."""
    memo: tuple[int, ...]
    """Postings that only track: they balance among themselves."""
    looked_at: bool
    """Whether it can say something in ERR, DEP or NRC."""
    paid: tuple[int, ...] | None
    """Of a use of a card the postings that moved its money, None where none is told."""


Shape: TypeAlias = tuple[str, Sequence[str], str]
"""(type, accounts, legs)."""


def plan_of(shape: Shape, targets: Targets) -> Plan:
    """What entries of a shape say.

    Raises:  InvariantViolated if a position's owner is no member in force.
    """
    kind, names, legs = shape
    memo = tuple(place for place, name in enumerate(names) if is_memo(name))
    if kind in OF_THE_CLOSE:
        return Plan((), memo, looked_at=False, paid=None)
    paid = None
    if kind in USED:
        paid = tuple(
            place
            for place, name in enumerate(names)
            if legs[place] == Leg.GROSS and code_of(name) in PARTNERS
        )
    looked_at = kind in CORRECTIONS or any(code_of(name) in LOOKED_AT for name in names)
    lines = tuple(
        _line_plan(name, target, names, legs)
        for name in sorted(set(names))
        if (target := targets[name]) is not None
        and not (kind == CORRECTION and code_of(name) == accounts.NETWORK_PAID)
    )
    return Plan(lines, memo, looked_at, paid)


def _line_plan(account: str, target: Target, names: Sequence[str], legs: str) -> LinePlan:
    def places(of: Callable[[str], bool]) -> tuple[int, ...]:
        return tuple(place for place, name in enumerate(names) if name == account and of(legs[place]))

    settled, fee = places(Leg.SETTLED.__eq__), places(Leg.FEE.__eq__)
    gross = places(lambda leg: leg not in (Leg.SETTLED, Leg.FEE))
    simple = len(gross) == 1 and not settled and not fee and code_of(account) != accounts.NETWORK_PAID
    return LinePlan(target, account, gross[0] if simple else -1, gross, settled, fee)


TXN_FROM: Final = {
    "entry_id": "id", "event_type": "type", "original_entry_id": "original_id",
    "original_clearing_date": "original_date", "event_time": "occurred_at", "partner_date": "bank_date",
    "remark": "text",
}  # fmt: skip
"""Field of a line → field of the entry, where they differ."""
OF_THE_LINE: Final = ("direction", "amount_fen", "settle_mode", "fee_fen", "settle_fen", "account")
"""Fields that say something else in each line of an entry; the first five are its figures."""


def txn_lines(entry: Entry, targets: Targets) -> list[tuple[Target, TxnLine]]:
    """The lines of one entry, each with the file it goes to, in order of account. 明细行

    In:      any entry; those of the close, and memo-only ones, give none.
    Raises:  InvariantViolated if a position's owner is no member in force.
    Source:  contract "Clearing files", D (TXN).
    """
    names, fens, legs = zip(*entry.postings, strict=True)
    found: list[tuple[Target, TxnLine]] = []
    for plan in plan_of((entry.type, names, "".join(legs)), targets).lines:
        own: dict[str, Any] = dict(
            zip(OF_THE_LINE, (*plan.figures(entry.type, fens), plan.account), strict=True)
        )
        line = TxnLine(
            *(
                own[name] if name in own else getattr(entry, TXN_FROM.get(name, name))
                for name in TxnLine._fields
            )
        )
        found.append((plan.target, line))
    return found
