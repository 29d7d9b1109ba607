"""A day's entries, many at once, to the lines of TXN and SWP that they give. 明细行与用卡行

What an entry says in the files follows from its shape: its type, its accounts and why each posting stands there. A
shape is worked out once; after that an entry costs the sums of its postings.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from datetime import date
from operator import itemgetter, lt
from typing import Any, Final, NamedTuple

from clearing.errors import InvariantViolated
from clearing.files.draft import Group
from clearing.files.items import CORRECTIONS, LOOKED_AT, PARTNERS, USED
from clearing.files.lines import CORRECTION, OF_THE_CLOSE, Figures, Target, Targets, figures
from clearing.files.memo import Memo
from clearing.files.records import TxnLine, UseLine
from clearing.files.totals import ID_DIGITS
from clearing.ledger import accounts
from clearing.ledger.accounts import code_of, is_memo
from clearing.ledger.entry import Entry, Leg
from clearing.ledger.entry_columns import EntryColumns


class LinePlan(NamedTuple):
    """One line of TXN that every entry of a shape gives: which of its postings make it."""

    target: Target
    account: str
    alone: int
    """The one posting that is the line's amount, -1 where it is not as simple."""
    gross: tuple[int, ...]
    settled: tuple[int, ...]
    fee: tuple[int, ...]


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


Shape = tuple[str, tuple[str, ...], str]
"""(type, accounts, legs)."""


class TxnColumns(NamedTuple):
    """Lines of TXN in order of entry and account."""

    targets: Sequence[Target]
    groups: Sequence[Group]
    figures: Sequence[Figures]
    id_parts: Sequence[int]
    """What each adds to the sum of ids."""
    columns: Sequence[Sequence[Any]]
    """By field of `TxnLine`."""


class DayColumns:
    """Makes lines of entries; keeps the shapes it has seen. 按列成行"""

    def __init__(self, day: date, targets: Targets) -> None:
        self._day = day
        self._targets = targets
        self._plans = Memo(self._plan)
        self._last = ""

    def plans(self, chunk: EntryColumns) -> list[Plan]:
        """What each of the next entries says.

        Raises:  InvariantViolated if one is of another day, out of order or out of balance, or a position's owner
                 is no member in force.
        """
        if set(chunk.clearing_date) - {self._day} or not all(map(lt, (self._last, *chunk.id), chunk.id)):
            self._refuse(chunk)
        found = list(map(self._plans.__getitem__, zip(chunk.type, chunk.accounts, chunk.legs, strict=True)))
        for at, (plan, fens) in enumerate(zip(found, chunk.fens, strict=True)):
            if sum(fens) or (plan.memo and sum([fens[place] for place in plan.memo])):
                chunk.entry(at)  # refuses it, and says by how much
        self._last = chunk.id[-1] if chunk.id else self._last
        return found

    def _refuse(self, chunk: EntryColumns) -> None:
        last = self._last
        for id_, day in zip(chunk.id, chunk.clearing_date, strict=True):
            if day != self._day or id_ <= last:
                raise InvariantViolated(
                    f"files of {self._day}: entry {id_} of {day}: expected the day's entries in order of id, "
                    f"got it after {last or 'none'}. No file was written"
                )
            last = id_

    def _plan(self, shape: Shape) -> Plan:
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
            if (target := self._targets[name]) is not None
            and not (kind == CORRECTION and code_of(name) == accounts.NETWORK_PAID)
        )
        return Plan(lines, memo, looked_at, paid)

    # ------------------------------------------------------------ lines

    def txn(self, chunk: EntryColumns, plans: Sequence[Plan]) -> TxnColumns | None:
        """The lines of TXN of some entries, None when they give none.

        Source:  contract "Clearing files", D (TXN).
        """
        rows: list[tuple[int, Target, str, Figures]] = []
        for at, (plan, fens) in enumerate(zip(plans, chunk.fens, strict=True)):
            for target, account, alone, *legs in plan.lines:
                if alone >= 0:
                    fen = fens[alone]
                    told = ("P", fen, "N", 0, -fen) if fen > 0 else ("R", -fen, "N", 0, -fen)
                else:
                    sums = (sum([fens[place] for place in places]) for places in legs)
                    told = figures(chunk.type[at], account[:4], *sums)
                rows.append((at, target, account, told))
        if not rows:
            return None
        at_, targets, names, told_ = zip(*rows, strict=True)
        way, amount_fen, mode, fee_fen, settle_fen = zip(*told_, strict=True)
        taken = _taker(at_)
        own = {
            "direction": way, "amount_fen": amount_fen, "settle_mode": mode, "fee_fen": fee_fen,
            "settle_fen": settle_fen, "account": names,
        }  # fmt: skip
        columns = [
            own[name] if name in own else taken(getattr(chunk, TXN_FROM.get(name, name)))
            for name in TxnLine._fields
        ]
        groups = list(zip(chunk.type, chunk.institution, chunk.bank, chunk.route, strict=True))
        return TxnColumns(targets, taken(groups), told_, taken(_id_parts(chunk.id)), columns)

    def uses(
        self, chunk: EntryColumns, plans: Sequence[Plan], first_no: int
    ) -> Sequence[Sequence[Any]] | None:
        """The uses of cards that some entries tell, by field of `UseLine`; None when they tell none. 用卡行

        In:      the number that the first of them gets among the date's uses.
        Out:     DEBIT when the card's money moved to the institution, else CREDIT.
        """
        rows: list[tuple[int, str]] = []
        for at, (plan, fens, amount_fen) in enumerate(zip(plans, chunk.fens, chunk.amount_fen, strict=True)):
            if plan.paid is not None and amount_fen:
                moved = sum([fens[place] for place in plan.paid])
                if (
                    moved or chunk.type[at] == "payment.confirmed"
                ):  # else a discharge that only used the deposit
                    rows.append((at, "CREDIT" if moved < 0 else "DEBIT"))
        if not rows:
            return None
        at_, way = zip(*rows, strict=True)
        taken = _taker(at_)
        own: dict[str, Sequence[Any]] = {
            "use_no": range(first_no, first_no + len(at_)),
            "outcome": ["posted"] * len(at_),
            "reason": [""] * len(at_),
            "direction": way,
        }
        return [
            own[name] if name in own else taken(getattr(chunk, USE_FROM.get(name, name)))
            for name in UseLine._fields
        ]


TXN_FROM: Final = {
    "entry_id": "id", "event_type": "type", "original_entry_id": "original_id",
    "original_clearing_date": "original_date", "event_time": "occurred_at", "partner_date": "bank_date",
    "remark": "text",
}  # fmt: skip
"""Field of a line → field of the entry, where they differ."""
USE_FROM: Final = {"event_type": "type", "entry_id": "id", "event_time": "occurred_at"}


def _taker(at: Sequence[int]) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """What takes the values at these places."""
    return itemgetter(*at) if len(at) > 1 else lambda values: (values[at[0]],)


def _id_parts(ids: Sequence[str]) -> tuple[int, ...]:
    """The last 8 hex digits of each id as a number."""
    return struct.unpack(f">{len(ids)}I", bytes.fromhex("".join([one[-ID_DIGITS:] for one in ids])))


def _line_plan(account: str, target: Target, names: Sequence[str], legs: str) -> LinePlan:
    def places(of: Callable[[str], bool]) -> tuple[int, ...]:
        return tuple(place for place, name in enumerate(names) if name == account and of(legs[place]))

    settled, fee = places(Leg.SETTLED.__eq__), places(Leg.FEE.__eq__)
    gross = places(lambda leg: leg not in (Leg.SETTLED, Leg.FEE))
    simple = len(gross) == 1 and not settled and not fee and code_of(account) != accounts.NETWORK_PAID
    return LinePlan(target, account, gross[0] if simple else -1, gross, settled, fee)


def txn_lines(entry: Entry, targets: Targets) -> list[tuple[Target, TxnLine]]:
    """The lines of one entry, each with the file it goes to, in order of account. 明细行

    In:      any entry; those of the close, and memo-only ones, give none.
    Raises:  InvariantViolated if a position's owner is no member in force.
    """
    chunk = EntryColumns.of([entry])
    columns = DayColumns(entry.clearing_date, targets)
    found = columns.txn(chunk, columns.plans(chunk))
    if found is None:
        return []
    return list(zip(found.targets, map(TxnLine._make, zip(*found.columns, strict=True)), strict=True))
