"""Top-ups, corrections, instructions that banks confirm or fail to carry out."""

# ruff: noqa: E501 - a rule is named for what the city does
from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.ledger.machine.base import CityBase, fen, nth, original, yuan
from tests.ledger.machine.model import TOP_UP, Moved
from tests.ledger.world import PEOPLE

LEGS = (
    ("1010.B1", "2091.H1", True), ("1091.R1", "1010.B2", True), ("1050.CUP", "2019.H1", True), ("2019.V1", "1050.CUP", True),
    ("2010.H2", "2060.B3", True), ("1020.F1", "2040.F1", True), ("1030.I1", "1040.T1", True), ("2035.F1", "1020.F1", False),
    ("1050.CUP", "1010.B1", False), ("2010.V1", "1010.B1", False), ("9010.H1", "1010.B1", False), ("1010.H1", "2010.H1", False),
)  # fmt: skip
"""Debit, credit, and whether a correction may name them."""


class Control(CityBase):
    """What the platform and banks say beside the day's business."""

    # -- top-ups -------------------------------------------------------------------------------------------

    @rule(n=nth, amount=fen, method=st.sampled_from(["COUNTER", "NETBANK", "CHANNEL"]), payer=st.sampled_from(["B1", "B2", "B3"]))  # fmt: skip
    def top_up(self, n: int, amount: int, method: str, payer: str) -> None:
        """Money comes on a card from another bank or by channel; inside one bank it is only noted."""
        card = self.pick(self.cards, n)
        to = card.latest if card.state == "REPLACED" else card
        taken = TOP_UP.get(to.state) == "yes"
        source = {"COUNTER": card.bank, "NETBANK": payer, "CHANNEL": "T1"}[method]
        said = {
            "payer_bank": payer if method == "NETBANK" else None,
            "method": method,
            "amount": yuan(amount),
        }
        one = self.does("topup.made", taken=taken, source=source, card=card.token, bank=card.bank, **said)
        if not taken:
            return
        pays = {"COUNTER": "", "NETBANK": "1010." + payer, "CHANNEL": "1040.T1"}[method]
        moves = pays and pays != "1010." + card.bank
        self.topups.append(Moved(one, {pays: amount, "1010." + card.bank: -amount} if moves else {}))

    @precondition(lambda self: self.topups)
    @rule(n=nth)
    def reverse_top_up(self, n: int) -> None:
        """Whole, and once."""
        topup = self.pick(self.topups, n)
        assert topup.event is not None
        amount = topup.event.data.__dict__["amount"]
        self.does("topup.reversed", taken=not topup.gone, source=topup.event.source, **original(topup.event), amount=yuan(amount))  # fmt: skip
        topup.gone = True

    # -- corrections ---------------------------------------------------------------------------------------

    @rule(legs=st.sampled_from(LEGS), amount=fen, off=st.sampled_from([0, 0, 0, 1]))
    def correct(self, legs: tuple[str, str, bool], amount: int, off: int) -> None:
        """Two people move a sum between accounts that may be corrected, balanced to the fen."""
        debit, credit, allowed = legs
        taken = allowed and not off
        told = [{"account": debit, "side": "D", "amount": yuan(amount)}, {"account": credit, "side": "C", "amount": yuan(amount + off)}]  # fmt: skip
        one = self.does("correction.approved", taken=taken, legs=told, approval=PEOPLE)
        if taken:
            self.moved.append(Moved(one, {debit: amount, credit: -amount}))

    # -- instructions --------------------------------------------------------------------------------------

    @precondition(lambda self: self.instructions)
    @rule(n=nth, by_other=st.sampled_from([False, False, True]))
    def confirm_instruction(self, n: int, *, by_other: bool) -> None:
        """The bank that gets the money says so once; until then it is in transit."""
        one = self.instructions[self.pick(sorted(self.instructions), n)]
        bank = one.creditor if one.kind == "INTER_BANK" else one.debtor
        source = next(code for code in ("B1", "B2", "B3") if code != bank) if by_other else bank
        taken = not by_other and self.done.get(one.id) != "CONFIRMED"
        self.does(
            "settlement.confirmed",
            taken=taken,
            source=source,
            instruction=one.id,
            amount=yuan(one.amount_fen),
        )
        if taken:
            self.done[one.id] = "CONFIRMED"

    @precondition(lambda self: self.instructions)
    @rule(n=nth)
    def fail_instruction(self, n: int) -> None:
        """Either bank may say that it did not work, in-bank also that it came back; it can be confirmed later."""
        one = self.instructions[self.pick(sorted(self.instructions), n)]
        taken = self.done.get(one.id) != "CONFIRMED" or one.kind != "INTER_BANK"
        self.does(
            "settlement.failed", taken=taken, source=one.debtor, instruction=one.id, reason="not enough cover"
        )
        if taken:
            self.done[one.id] = "FAILED"
