"""What a break comes to for whom: too much or too little on which side, and the legs that shelve it. 长短款"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from clearing.errors import UsageError
from clearing.ledger import accounts
from clearing.ledger.accounts import account
from clearing.ledger.money import yuan
from clearing.reconciliation.life import Leg


def side_label(differences: Iterable[tuple[str, int]], banks: Collection[str], code: str = "") -> str:
    """长款 or 短款 with the side named: more money there than in our books is 长款. 长短款

    In:      (partner, ledger minus partner) in fen; which of the partners are banks, networks or channels;
             the lead code: of some the other side is a payer.
    Out:     of the bank where it differs, else of the institution; empty where nothing differs.
    """
    for partner, fen in sorted(differences, key=lambda pair: (pair[0] not in banks, pair[0])):
        if fen:
            other = "付款方" if code.startswith(OF_PAYERS) else "HIS"
            side = f"{'银行' if partner in banks else other} {partner}"
            return f"{side} {'短款' if fen > 0 else '长款'} {yuan(abs(fen))}"
    return ""


OF_PAYERS: Final = ("FND", "NRC")
"""How codes begin whose other side is a fund or insurer."""
_POSITION: Final = {"bank": accounts.BANK, "channel": accounts.CHANNEL}


def shelving(
    break_id: str, *, bank: str, kind: str | None, institution: str, bank_fen: int
) -> tuple[Leg, ...]:
    """The legs that move what a bank has too much or too little of to 2091 or 1091. 挂账

    In:      the bank, network or channel and its kind; the institution for whose account it is; ledger minus
             bank in fen.
    Out:     two legs; through a card network 1050 against 2019, which stand only against each other.
    Raises:  UsageError when nothing differs with a bank, or nobody is named for whom it could be held.
    Source:  contract "What each event posts", correction.approved.
    """
    if not bank_fen or not bank or not institution:
        what = (
            "a difference with a bank" if not bank_fen or not bank else "an institution for whom it is held"
        )
        raise UsageError(
            f"break {break_id}: expected {what}, got none, so its legs cannot be derived. "
            "Next: --leg ACCOUNT:SIDE:AMOUNT for each line"
        )
    amount_fen = abs(bank_fen)
    if kind == "network":
        position, item = account(accounts.NETWORK_CLEARED, bank), account(accounts.NETWORK_PAID, institution)
    else:
        position = account(_POSITION.get(kind or "", accounts.BANK), bank)
        item = account(accounts.SHORTAGE if bank_fen > 0 else accounts.OVERAGE, institution)
    debit, credit = (item, position) if bank_fen > 0 else (position, item)
    return (Leg(debit, "D", amount_fen), Leg(credit, "C", amount_fen))
