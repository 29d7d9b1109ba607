"""What people decide about breaks: how one is to end, and who agrees. 差错审批表

What these tables promise by themselves (two people, forward only) stands in `0001_breaks.sql`.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Integer, LargeBinary, Table
from sqlalchemy.dialects.postgresql import JSONB

from clearing.store.tables import _column, _now, _text, metadata

break_transition: Final = Table(
    "break_transition",
    metadata,
    _text("before", "The state of a break.", key=True),
    _text("after", "A state that may follow it.", key=True),
    comment="Which state of a break may follow which (差错状态推进)",
)

break_proposal: Final = Table(
    "break_proposal",
    metadata,
    _text("break_id", "Of which break.", key=True),
    _column("no", Integer, "Number of the proposal.", key=True),
    _text("ending", "How the break is to end."),
    _text("maker", "Who proposes it."),
    _text("why", "The reason given."),
    _column("evidence", LargeBinary, "SM3 of the evidence.", null=True),
    _column("legs", JSONB, "The lines to be posted, [account, D or C, fen] each; [] where none are."),
    _text("event", "source/id of the event that moves the money: with legs our own; empty where none moves."),
    _column("approvals", Integer, "How many people besides the maker must agree."),
    _now("at", "When."),
    comment="How a break is to end (差错处理申请)",
)

break_approval: Final = Table(
    "break_approval",
    metadata,
    _text("break_id", "Of which break.", key=True),
    _column("proposal", Integer, "Which proposal.", key=True),
    _text("checker", "Who agrees; never its maker, nobody twice.", key=True),
    _text("why", "What was said."),
    _now("at", "When."),
    comment="Who agreed to a proposal (差错复核)",
)
