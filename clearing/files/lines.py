"""What a receiver's files say of a day: the figures of lines of TXN and the instructions of SUM. 清算明细

Everything is derived from entries and members: an entry gives one line a position account of the receiver.
Seen from the receiver, R is what it receives and P what it pays; `settle` is the change of its account turned
round, so that a receiver's lines add up to its position with the other sign.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Final, NamedTuple, TypeAlias

from clearing.errors import InvariantViolated, UsageError
from clearing.files.records import InstructionLine
from clearing.ledger import accounts
from clearing.ledger.accounts import code_of, owner_of
from clearing.ledger.entry import Entry
from clearing.ledger.facts import Instruction
from clearing.ledger.members import Members, MembersOn

OF_THE_CLOSE: Final = frozenset({"day.roll_up", "day.net"})
CORRECTION: Final = "correction.approved"
BEARERS: Final = frozenset({accounts.HOSPITAL, accounts.PHARMACY})
INCOME_SEQ: Final = 2


Figures: TypeAlias = tuple[str, int, str, int, int]
"""(direction, amount, mode, fee, settle) of a line."""


class Target(NamedTuple):
    """Whose file a line is in, and which of its files."""

    receiver: str
    seq: int
    """001, but 002 for a fund's income: it is never netted with expense. 收支两条线"""


class Targets(dict[str, Target | None]):
    """Account → the file its lines go to, None where they go to none; worked out once an account."""

    def __init__(self, members: MembersOn) -> None:
        super().__init__()
        self.members = members

    def __missing__(self, account: str) -> Target | None:
        code = code_of(account)
        target = None
        if code in accounts.POSITION_CODES or code == accounts.NETWORK_PAID:
            target = self.of_owner(account)
        self[account] = target
        return target

    def of_owner(self, account: str) -> Target:
        """The file of an account's owner: of the other one where it settles with another."""
        member = self.members.settling(owner_of(account))
        if member is None:
            raise InvariantViolated(
                f"day {self.members.day}: {account} moved, expected its owner among the members in force, "
                f"got none of that code. See: clearing members show"
            )
        income = code_of(account) == accounts.FUND_INCOME
        return Target(member.code, INCOME_SEQ if income else 1)

    def everyone(self) -> Iterator[Target]:
        """A target for each file that the day must have, in order: all members that can have positions."""
        for code in sorted(self.members.by_code):
            member = self.members.by_code[code]
            if member.settlement(accounts.FEES) is None:
                continue  # settles with another, or has no account here at all
            yield Target(code, 1)
            if member.kind == "fund":
                yield Target(code, INCOME_SEQ)


def figures(kind: str, code: str, gross: int, settled: int, fee: int) -> Figures:
    """What an account's legs come to, fen: debit positive coming in, seen by its member going out. 行金额

    In:      the entry's type, the account's code, the sums of its legs.
    """
    if code == accounts.NETWORK_PAID:
        # Cleared by the network: told to the institution, never settled.
        return ("P" if gross > 0 else "R", abs(gross), "I", 0, 0)
    if code not in BEARERS or kind == CORRECTION:
        gross, fee = gross + fee, 0  # a payee's own fee, or a card's replacement, is the line's amount
    change = gross + settled
    immediate = bool(settled) and not change and kind != CORRECTION
    shown = gross if immediate else change
    return ("P" if shown > 0 else "R", abs(shown), "I" if immediate else "N", fee, -change - fee)


def sides(entry: Entry) -> str:
    """What the bank does to the account of a roll-up entry: `C` pays it, `D` takes from it."""
    for account, fen, _ in entry.postings:
        if code_of(account) != accounts.BANK:
            return "C" if fen > 0 else "D"
    raise InvariantViolated(f"entry {entry.id}: expected a roll-up with a position or held account, got none")


def instruction_line(
    instruction: Instruction, side: str, members: Members, value_date: date
) -> tuple[tuple[Target, ...], InstructionLine]:
    """The line of one instruction and the files it stands in. 清算指令行

    In:      an instruction of the day; its side, C or D, where it is in-bank.
    Out:     the bank's and the member's file, or both banks'.
    Raises:  UsageError if no record of the member names an account at the instruction's bank.
    Source:  contract "Clearing files", N (SUM).
    """
    day = instruction.clearing_date
    targets: tuple[Target, ...]
    payer, payer_account = instruction.debtor, _clearing_account(members.on(day), instruction.debtor)
    if instruction.kind == "INTER_BANK":
        payee, payee_account = instruction.creditor, _clearing_account(members.on(day), instruction.creditor)
        targets = (Target(payer, 1), Target(payee, 1))
    else:
        own = Targets(members.on(day)).of_owner(instruction.creditor)
        payee, payee_account = own.receiver, _account_at(instruction, members)
        targets = (Target(payer, 1),) if own == Target(payer, 1) else (Target(payer, 1), own)
        if side == "D":
            payer, payer_account, payee, payee_account = payee, payee_account, payer, payer_account
    return targets, InstructionLine(
        instruction.id,
        instruction.kind,
        payer,
        payer_account,
        payee,
        payee_account,
        instruction.amount_fen,
        value_date,
    )


def _clearing_account(members: MembersOn, bank: str) -> str:
    member = members.by_code.get(bank)
    settlement = member.settlement(accounts.BANK) if member else None
    if settlement is None:
        raise UsageError(
            f"day {members.day}: expected a bank {bank} with a clearing account in force, got none. "
            f"Next: extend its record with clearing members load"
        )
    return settlement[1]


def _account_at(instruction: Instruction, members: Members) -> str:
    """The member's account at the instruction's bank; for items that move away, that of an earlier record."""
    day, name, bank = instruction.clearing_date, instruction.creditor, instruction.debtor
    ended = {one.valid_to for one in members.records if one.valid_to and one.valid_to < day}
    for when in (day, *sorted(ended, reverse=True)):
        member = members.on(when).settling(owner_of(name))
        settlement = member.settlement(code_of(name)) if member else None
        if settlement is not None and settlement[0] == bank:
            return settlement[1]
    raise UsageError(
        f"day {day}: instruction {instruction.id} on {name}: expected a record of {owner_of(name)} with an "
        f"account at {bank}, got none. Next: keep its earlier record with valid_to"
    )
