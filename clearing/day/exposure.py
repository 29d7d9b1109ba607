"""How much each bank would have to pay if the day ended now, beside its cap. 日间敞口"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from clearing.day.netting import bank_nets, roll_up
from clearing.ledger.members import Bank, MembersOn


class Exposure(NamedTuple):
    """One bank's running net and its cap, fen."""

    bank: str
    net_fen: int
    """Positive pays, negative receives."""
    cap_fen: int | None
    """The most it may owe in a day; None without a cap."""

    @property
    def over_fen(self) -> int:
        """By how much the net is over the cap, 0 when it is not."""
        return 0 if self.cap_fen is None else max(self.net_fen - self.cap_fen, 0)


class Crossing(NamedTuple):
    """A bank's running net went over its cap, or is within it again. 敞口预警"""

    exposure: Exposure
    no: int
    """Its number for the bank and day, from 1."""
    over: bool


def running_nets(
    totals: Mapping[str, int], held: Mapping[tuple[str, str], int], members: MembersOn
) -> dict[str, int]:
    """What each bank would pay (positive) or receive if the day ended now. 运行轧差

    In:      the sum of the day's postings by money account; what stands at 3020, as for `roll_up`.
    Out:     fen by bank, zeros left out: what `net_day` of the same sums gives.
    Raises:  as `roll_up` and `bank_nets`.
    """
    # What a bank carries moves no books, so it moves no net.
    return bank_nets(members.day, totals, roll_up(totals, held, {}, members))


def exposures(nets: Mapping[str, int], members: MembersOn) -> tuple[Exposure, ...]:
    """Every bank's running net beside its `net_cap`. 日间敞口

    In:      bank nets of a day as they stand, fen, positive pays.
    Out:     by code; banks with a net or a cap.
    Source:  contract "Commands": `net_cap` of a bank.
    """
    found: list[Exposure] = []
    for code, member in sorted(members.by_code.items()):
        if isinstance(member, Bank) and (member.net_cap is not None or nets.get(code)):
            cap = None if member.net_cap is None else int(member.net_cap.replace(".", ""))
            found.append(Exposure(code, nets.get(code, 0), cap))
    return tuple(found)


def crossings(found: Iterable[Exposure], last: Mapping[str, tuple[int, bool]]) -> tuple[Crossing, ...]:
    """Who crossed its cap since it was last looked at. 越限判断

    In:      exposures now; by bank the number of its last crossing of the day and whether that went over.
    Out:     one each that is over and was not, or was and is not; a bank at its cap is within it.
    """
    made: list[Crossing] = []
    for one in found:
        number, was_over = last.get(one.bank, (0, False))
        if (one.over_fen > 0) is not was_over:
            made.append(Crossing(one, number + 1, not was_over))
    return tuple(made)
