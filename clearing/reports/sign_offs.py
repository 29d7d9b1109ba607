"""Who has signed a report, member by member: a table, and the three of the platform on the cover. 签署情况"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from clearing.day.signing import APPROVED, PREPARED, REVIEWED, ROLES
from clearing.reports.table import SIGNERS, Cell, Column, Signer, Table


class SignOff(NamedTuple):
    """How far one member's sign-off is."""

    member: str
    name: str
    steps: Mapping[str, tuple[str, str]]
    """Role → who and when, in the platform's own time; a role that nobody has taken is absent."""
    algorithm: str
    """Of its signature by key; empty where it has none."""


def sign_off_table(every: Iterable[SignOff]) -> Table:
    """Each member that has to sign, who has prepared, reviewed and approved for it, and when. 签署表"""
    chinese = {PREPARED: "制表", REVIEWED: "复核", APPROVED: "审批"}
    rows: list[tuple[Cell, ...]] = []
    for one in every:
        steps = [cell for role in ROLES for cell in one.steps.get(role, ("", ""))]
        rows.append((one.member, one.name, *steps, one.algorithm))
    return Table(
        code="sign_offs",
        chinese="各方签署",
        columns=(
            Column("member", "参与方", width=10),
            Column("name", "名称", width=28),
            *(
                Column(f"{role}_{what}", f"{chinese[role]}{word}", width=width)
                for role in ROLES
                for what, word, width in (("by", "人", 14), ("at", "时间", 20))
            ),
            Column("algorithm", "数字签名", width=12),
        ),
        rows=rows,
        on_cover=True,
        note="首方签署起列出应签各方；对摘要与日根签署，不在摘要之内。",
    )


def signers(every: Sequence[SignOff], member: str) -> tuple[Signer, ...]:
    """The three on the cover: who has signed for this member so far."""
    steps = next((one.steps for one in every if one.member == member), {})
    return tuple(
        Signer(role, chinese, *steps.get(done, ("", "")))
        for (role, chinese, *_), done in zip(SIGNERS, ROLES, strict=True)
    )
