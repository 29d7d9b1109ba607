"""The end of a day: positions, roll-up to settlement banks, bank nets, instructions. 轧差

Everything here is worked out from one sum an account, so a day of a million entries costs as much as a day of
ten. Debit is positive: a bank whose net is positive pays.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple

from clearing.errors import InvariantViolated, NotBalanced, UsageError
from clearing.ledger import accounts
from clearing.ledger.accounts import account, code_of, is_memo, owner_of
from clearing.ledger.business_day import BusinessClock
from clearing.ledger.entry import Entry, Posting, entry_id
from clearing.ledger.facts import Instruction
from clearing.ledger.members import Institution, MembersOn
from clearing.ledger.money import yuan

ROLL_UP: Final = "day.roll_up"
NET: Final = "day.net"
IN_BANK: Final = "IN_BANK"
INTER_BANK: Final = "INTER_BANK"
CARRY: Final = "CARRY"
WAITING: Final = "WAITING"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollUpLine:
    """One line of the roll-up: what one bank does to one account, and what the books post for it."""

    account: str
    """Of the books: `2010.H1`, `3020.F1`."""
    bank: str
    owner: str
    """The member whose position or items it is."""
    side: str
    """What the bank does to the member's bank account: `C` pays it, `D` takes from it."""
    amount_fen: int
    """Positive."""
    kind: str
    """IN_BANK or CARRY."""
    name: str
    """Of its entry, without the platform's code: `2026-03-10/roll_up/2010.H1/B1`."""
    postings: tuple[Posting, ...]
    """Empty for the part of a credit that repays a carried sum: it moves no books."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Netted:
    """All that the net step of one day makes."""

    day: date
    positions: Mapping[str, int]
    """Before roll-up, fen, debit positive, in order of account."""
    roll_up: tuple[RollUpLine, ...]
    bank_nets: Mapping[str, int]
    """Fen by bank, positive pays, zeros left out, in order of code; they sum to zero."""
    instructions: tuple[Instruction, ...]
    """The in-bank ones in the order of the roll-up, then the inter-bank ones as they were matched."""
    entries: tuple[Entry, ...]
    """To be posted: roll-up, then net, in the same order."""

    @property
    def inter_bank(self) -> tuple[Instruction, ...]:
        """The instructions between two banks."""
        return tuple(one for one in self.instructions if one.kind == INTER_BANK)


def positions(postings_by_account: Mapping[str, int]) -> dict[str, int]:
    """What each member pays in (debit) or receives (credit) for a day, before roll-up. 头寸

    In:      the sum of the day's postings by account, fen, debit positive.
    Out:     position accounts only, in order of account; zeros are left out.
    """
    return {
        name: postings_by_account[name]
        for name in sorted(postings_by_account)
        if postings_by_account[name] and code_of(name) in accounts.POSITION_CODES
    }


def trial_balance(day: date, totals: Mapping[str, int]) -> None:
    """Check that a day's money and memo accounts each sum to zero. 试算平衡

    Raises:  NotBalanced naming LED-001, the group, the difference and its direction.
    Source:  contract "End of day", step 1.
    """
    for group, memo in (("money", False), ("memo", True)):
        rest = sum(fen for name, fen in totals.items() if is_memo(name) is memo)
        if rest:
            raise NotBalanced(
                f"day {day}: cannot net, {group} is out of balance: expected 0.00, got {yuan(rest)} "
                f"({'debits' if rest > 0 else 'credits'} more) [LED-001]. See: clearing verify"
            )


def roll_up(
    totals: Mapping[str, int],
    held: Mapping[tuple[str, str], int],
    carried: Mapping[tuple[str, str], int],
    members: MembersOn,
) -> tuple[RollUpLine, ...]:
    """Move each member's position, and the change of its open items, to its settlement bank. 头寸归集

    In:      totals: the sum of the day's postings by account, all codes, before roll-up. held: what stands at
             3020 before this roll-up by (owner, bank that holds it), debit positive. carried: what a bank
             has advanced to a negative hospital and not had back, by (hospital, bank), positive. All fen.
    Out:     in order of account, then bank; where two lines share both, IN_BANK comes before CARRY and a
             moved sum before the day's change.
    Raises:  UsageError if a position's or item's owner has no settlement account in force on the day;
             InvariantViolated if the day was rolled up before.
    Source:  contract "Books", rule 7, "End of day", steps 2 and 5.
    """
    touched = sorted(name for name, fen in totals.items() if fen and code_of(name) == accounts.HELD)
    if touched:
        raise InvariantViolated(
            f"day {members.day}: {touched[0]} has postings of the day before its roll-up; expected none, got "
            f"{yuan(totals[touched[0]])}. The day seems to be rolled up already; nothing was posted"
        )
    lines = [
        *_position_lines(totals, carried, members),
        *_moved_lines(held, members),
        *_item_lines(totals, members),
    ]
    lines.sort(key=lambda line: (line[0], line[1]))
    return tuple(_named(lines, members.day))


_Draft = tuple[str, str, int, str, bool]
"""(account, bank, fen by which 1010.bank moves, kind, whether the books move)."""


def _position_lines(
    totals: Mapping[str, int], carried: Mapping[tuple[str, str], int], members: MembersOn
) -> Iterator[_Draft]:
    for name, fen in positions(totals).items():
        if code_of(name) == accounts.BANK:
            continue
        bank = _settlement_bank(name, members)
        owner = members.settling(owner_of(name))
        carries = isinstance(owner, Institution) and code_of(name) in (accounts.HOSPITAL, accounts.PHARMACY)
        if fen > 0 and carries and isinstance(owner, Institution) and owner.negative == "carry":
            yield (name, bank, fen, CARRY, True)
            continue
        yield (name, bank, fen, IN_BANK, True)
        advanced = carried.get((owner_of(name), bank), 0) if carries else 0
        if fen < 0 < advanced:
            yield (name, bank, min(advanced, -fen), CARRY, False)


def _moved_lines(held: Mapping[tuple[str, str], int], members: MembersOn) -> Iterator[_Draft]:
    for (owner, old), fen in sorted(held.items()):
        if not fen or members.settling(owner) is None:
            continue  # nothing to move, or a member that has left: its items stay where they are held
        name = account(accounts.HELD, owner)
        new = _settlement_bank(name, members)
        if new != old:
            yield (name, old, fen, IN_BANK, True)
            yield (name, new, -fen, IN_BANK, True)


def _item_lines(totals: Mapping[str, int], members: MembersOn) -> Iterator[_Draft]:
    changes: dict[str, int] = {}
    for name, fen in totals.items():
        if code_of(name) in accounts.ITEM_CODES:
            changes[owner_of(name)] = changes.get(owner_of(name), 0) + fen
    for owner, fen in sorted(changes.items()):
        if fen:
            name = account(accounts.HELD, owner)
            yield (name, _settlement_bank(name, members), fen, IN_BANK, True)


def _settlement_bank(name: str, members: MembersOn) -> str:
    member = members.settling(owner_of(name))
    settlement = member.settlement(code_of(name)) if member else None
    if settlement is None:
        raise UsageError(
            f"day {members.day}: cannot net {name}, expected a member with a settlement account in force, "
            f"got {'a member without one' if member else 'none of that code'}. "
            f"Next: extend or correct its record with clearing members load"
        )
    return settlement[0]


def _named(drafts: list[_Draft], day: date) -> Iterator[RollUpLine]:
    seen: dict[str, int] = {}
    for name, bank, fen, kind, posts in drafts:
        base = f"{day}/roll_up/{name}/{bank}"
        seen[base] = number = seen.get(base, 0) + 1
        pair = (Posting(name, -fen), Posting(account(accounts.BANK, bank), fen))
        yield RollUpLine(
            account=name,
            bank=bank,
            owner=owner_of(name),
            side="D" if fen > 0 else "C",
            amount_fen=abs(fen),
            kind=kind,
            name=base if number == 1 else f"{base}/{number}",
            postings=(pair if fen < 0 else pair[::-1]) if posts else (),
        )


def bank_nets(day: date, totals: Mapping[str, int], lines: tuple[RollUpLine, ...]) -> dict[str, int]:
    """What each bank pays (positive) or receives after roll-up. 银行轧差净额

    In:      the sums before roll-up and the roll-up's lines.
    Out:     fen by bank, zeros left out, in order of code; the sum is zero.
    Raises:  InvariantViolated if it is not: some money account is neither a position nor held.
    Source:  contract "End of day", step 3.
    """
    nets: dict[str, int] = {}
    for name, fen in totals.items():
        if code_of(name) == accounts.BANK:
            nets[owner_of(name)] = nets.get(owner_of(name), 0) + fen
    for line in lines:
        for name, fen, _ in line.postings:
            if code_of(name) == accounts.BANK:
                nets[owner_of(name)] = nets.get(owner_of(name), 0) + fen
    rest = sum(nets.values())
    if rest:
        raise InvariantViolated(
            f"day {day}: bank nets expected to sum to 0.00, got {yuan(rest)} "
            f"({'payers' if rest > 0 else 'receivers'} more). "
            f"Accounts that stay do not balance; see: clearing verify"
        )
    return {bank: nets[bank] for bank in sorted(nets) if nets[bank]}


def inter_bank(nets: Mapping[str, int]) -> tuple[tuple[str, str, int], ...]:
    """Match debtors with creditors: the largest debtor pays the largest creditor, until done. 行间清算

    In:      fen by bank, positive pays, sum zero.
    Out:     (debtor, creditor, fen) in the order they were matched; ties go by code, at most n - 1 of them.
    """
    debtors = [(-fen, bank) for bank, fen in nets.items() if fen > 0]
    creditors = [(fen, bank) for bank, fen in nets.items() if fen < 0]
    heapq.heapify(debtors)
    heapq.heapify(creditors)
    found: list[tuple[str, str, int]] = []
    while debtors and creditors:
        owes, debtor = heapq.heappop(debtors)
        gets, creditor = heapq.heappop(creditors)
        fen = min(-owes, -gets)
        found.append((debtor, creditor, fen))
        if owes + fen:
            heapq.heappush(debtors, (owes + fen, debtor))
        if gets + fen:
            heapq.heappush(creditors, (gets + fen, creditor))
    return tuple(found)


def net_day(
    totals: Mapping[str, int],
    held: Mapping[tuple[str, str], int],
    carried: Mapping[tuple[str, str], int],
    members: MembersOn,
    *,
    platform: str,
    clock: BusinessClock,
    value_date: date,
) -> Netted:
    """Net one cut day: trial balance, roll-up, bank nets, instructions and the entries of all of it. 日终轧差

    In:      as for `roll_up`; `members` are those in force on the clearing date, which is `members.day`.
    Out:     the entries carry the platform as source and the day's cutover as their instant; an instruction
             has its entry's id. A day that moved nothing gives a `Netted` without lines.
    Raises:  NotBalanced (LED-001), UsageError (a member without a settlement account), InvariantViolated.
    Source:  contract "End of day", "Books" rule 9.
    """
    day = members.day
    trial_balance(day, totals)
    lines = roll_up(totals, held, carried, members)
    nets = bank_nets(day, totals, lines)
    matched = inter_bank(nets)
    made = [
        _Made(line.name, line.kind, line.bank, line.account, line.amount_fen, line.postings) for line in lines
    ]
    for debtor, creditor, fen in matched:
        name = f"{day}/net/{debtor}>{creditor}"
        made.append(_Made(name, INTER_BANK, debtor, creditor, fen, _transfer(debtor, creditor, fen)))
    return Netted(
        day=day,
        positions=positions(totals),
        roll_up=lines,
        bank_nets=nets,
        instructions=tuple(_instruction(one, platform, day, value_date) for one in made),
        entries=tuple(_entry(one, platform, day, clock) for one in made if one.postings),
    )


class _Made(NamedTuple):
    """What an instruction and its entry have in common."""

    name: str
    kind: str
    debtor: str
    creditor: str
    amount_fen: int
    postings: tuple[Posting, ...]


def _transfer(debtor: str, creditor: str, fen: int) -> tuple[Posting, ...]:
    return (
        Posting(account(accounts.IN_TRANSIT, debtor), fen),
        Posting(account(accounts.BANK, debtor), -fen),
        Posting(account(accounts.BANK, creditor), fen),
        Posting(account(accounts.IN_TRANSIT, creditor), -fen),
    )


def _entry(made: _Made, platform: str, day: date, clock: BusinessClock) -> Entry:
    return Entry(
        id=entry_id(day, f"{platform}/{made.name}"),
        clearing_date=day,
        type=NET if made.kind == INTER_BANK else ROLL_UP,
        source=platform,
        event_id=made.name,
        postings=made.postings,
        occurred_at=clock.cut_to(day),
        amount_fen=made.amount_fen,
    )


def _instruction(made: _Made, platform: str, day: date, value_date: date) -> Instruction:
    return Instruction(
        id=entry_id(day, f"{platform}/{made.name}"),
        clearing_date=day,
        kind=made.kind,
        debtor=made.debtor,
        creditor=made.creditor,
        amount_fen=made.amount_fen,
        state=WAITING,
        value_date=value_date,
    )
