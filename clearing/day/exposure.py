"""How much each bank would have to pay if the day ended now, beside its cap. 日间敞口"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

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


def exposures(bank_nets: Mapping[str, int], members: MembersOn) -> tuple[Exposure, ...]:
    """Every bank's running net beside its `net_cap`. 日间敞口

    In:      bank nets of a day as they stand, fen, positive pays.
    Out:     by code; banks with a net or a cap.
    Source:  contract "Commands": `net_cap` of a bank.
    """
    found: list[Exposure] = []
    for code, member in sorted(members.by_code.items()):
        if isinstance(member, Bank) and (member.net_cap is not None or bank_nets.get(code)):
            cap = None if member.net_cap is None else int(member.net_cap.replace(".", ""))
            found.append(Exposure(code, bank_nets.get(code, 0), cap))
    return tuple(found)
