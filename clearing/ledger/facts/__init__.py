"""What must be known to decide an event: values read before, changed by decisions, written after. 事实

A key is a tuple whose first item says the kind: `("card", "tok_1")`, `("stay", "H1", "A31")`. Every fact is an
immutable value; a decision returns new values and the fold puts them here, so that an event sees what the
events before it in the same batch did. The store has one table a kind; its columns are the fields.
"""

from __future__ import annotations

from clearing.ledger.facts.care import (
    AreaPair,
    BankRef,
    Instruction,
    OrderNo,
    Premium,
    Retention,
    Settlement,
    Stay,
)
from clearing.ledger.facts.events import Original, Place, Seen, Timeout, Tombstone, Undo
from clearing.ledger.facts.keys import OF_CARD, OF_EVENT, REGISTRY, VIRTUAL, EventKey, Key, lock_name
from clearing.ledger.facts.known import Fact, Facts
from clearing.ledger.facts.payouts import Attempt, LivePayout, Payout, PayoutBatch
from clearing.ledger.facts.registry import Alias, Card, Change, Pointing, Registration, Step, Terminal

__all__ = [
    "OF_CARD",
    "OF_EVENT",
    "REGISTRY",
    "VIRTUAL",
    "Alias",
    "AreaPair",
    "Attempt",
    "BankRef",
    "Card",
    "Change",
    "EventKey",
    "Fact",
    "Facts",
    "Instruction",
    "Key",
    "LivePayout",
    "OrderNo",
    "Original",
    "Payout",
    "PayoutBatch",
    "Place",
    "Pointing",
    "Premium",
    "Registration",
    "Retention",
    "Seen",
    "Settlement",
    "Stay",
    "Step",
    "Terminal",
    "Timeout",
    "Tombstone",
    "Undo",
    "lock_name",
]
