"""Visits and purchases: who pays where, how much and by which way. 就诊与购药"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clearing.jobs.generate import undos
from clearing.jobs.generate.bills import Bill, Payment, body, both
from clearing.jobs.generate.cards import card_for
from clearing.jobs.generate.clerk import LONGEST
from clearing.jobs.generate.plants import Paid, plant, plant_due
from clearing.ledger.money import yuan

if TYPE_CHECKING:
    from clearing.jobs.generate.clerk import Clerk

ACCESS: Final = ("COUNTER", "COUNTER", "KIOSK", "APP")
FEES_FEN: Final = (500, 900, 1000, 1500, 2000, 3000, 5000)
"""Registration fees, the first payment of a visit."""
MEAN_LOG: Final = 9.75
"""Of a log-normal amount in fen with sigma 1: with its registration fee a visit comes to about 361 yuan."""
LEAST_FEN: Final = 100
MOST_FEN: Final = 2_000_000
VISIT_PAYMENTS: Final = (1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 4, 4)
"""2.2 on average."""


def visit(clerk: Clerk, second: int) -> None:
    """A patient comes, registers, and pays once to four times over the next hours. 就诊"""
    card = card_for(clerk, second)
    place = clerk.among(clerk.town.hospitals)
    visit_id = f"V{clerk.stamp}{clerk.number()}"
    at = max(second, card.ready)
    for turn in range(clerk.rng.choice(VISIT_PAYMENTS)):
        fen = _fen(clerk) if turn else clerk.rng.choice(FEES_FEN)
        pay(clerk, Bill(at, card, place, "OUTPATIENT" if turn else "APPOINTMENT", fen), visit_id)
        at = clerk.later(at, 300, 1800)


def purchase(clerk: Clerk, second: int) -> None:
    """Someone buys medicine at a pharmacy. 药店购药"""
    card = card_for(clerk, second)
    place = clerk.among(clerk.town.pharmacies)
    pay(clerk, Bill(max(second, card.ready), card, place, "PHARMACY", max(_fen(clerk) // 4, LEAST_FEN)))


def single(clerk: Clerk, second: int) -> None:
    """One payment that nothing else happens to: the last events of a day. 单笔缴费"""
    recent = [card for card in clerk.pool[-20:] if card.ready <= second]
    card = clerk.rng.choice(recent or clerk.pool[:1]) if clerk.pool else card_for(clerk, second)
    place = clerk.among(clerk.town.hospitals)
    _plain(clerk, Bill(max(second, card.ready), card, place, "OUTPATIENT", _fen(clerk)))


def _fen(clerk: Clerk) -> int:
    return min(max(int(clerk.rng.lognormvariate(MEAN_LOG, 1.0)), LEAST_FEN), MOST_FEN)


def pay(clerk: Clerk, bill: Bill, visit_id: str = "") -> None:
    """One payment and its fate."""
    clerk.payments += 1
    plan, due, town = clerk.plan, clerk.due, clerk.town
    if due("timed out", plan.timed_out):
        undos.time_out(clerk, bill)
    elif due("channel", plan.by_channel) and town.channel and "CHANNEL" in bill.place.routes:
        _routed(clerk, bill, town.channel)
    elif due("network", plan.by_network) and town.network and "UNIONPAY" in bill.place.routes:
        _routed(clerk, bill, town.network)
    elif due("reversed first", plan.reversed_first):
        undos.reversed_first(clerk, bill)
    elif due("voided", plan.voided):
        late = due("undo first", plan.undo_first)
        undos.void(clerk, _made(clerk, bill, arrives=clerk.later(bill.second, 200, 300) if late else 0))
    elif due("reversed", plan.reversed):
        undos.reverse(clerk, _made(clerk, bill))
    elif due("refunded", plan.refunded):
        undos.refund(clerk, _made(clerk, bill))
    elif due("refused", plan.refused):
        undos.refuse(clerk, _made(clerk, bill))
    else:
        _plain(clerk, bill, visit_id)


def _plain(clerk: Clerk, bill: Bill, visit_id: str = "") -> None:
    """A payment by the direct route to which nothing more happens, unless a break is due."""
    at, card, place, purpose, _ = bill
    number = clerk.number()
    ref, order = f"{card.bank}{clerk.stamp}{number:08d}", f"{place.code}-{clerk.stamp}-{number}"
    data = body(clerk, bill, ref)
    data["purpose"], data["order_no"], data["terminal"] = purpose, order, place.terminal
    data["access"] = "PHARMACY" if purpose == "PHARMACY" else ACCESS[number % len(ACCESS)]
    if visit_id:
        data["visit_id"] = visit_id
    paid = Paid(bill, ref, order, data)
    kind = plant_due(clerk, paid)
    if kind:
        plant(clerk, kind, paid)
        return
    lines = both(clerk, bill, card.bank, ref, order)
    event_id = clerk.send("payment.made", place.sender, at, data, card.token, lines=lines)
    if purpose == "PHARMACY" and clerk.room > LONGEST and clerk.due("fee", clerk.plan.fee_adjusted):
        _adjust_fee(clerk, bill, event_id)


def _adjust_fee(clerk: Clerk, bill: Bill, payment: str) -> None:
    """Two people find a fee too low by some fen. 手续费调整"""
    data = {
        "original": {"source": bill.place.sender, "id": payment},
        "bearer": bill.place.code,
        "payee": bill.card.bank,
        "amount": yuan(clerk.rng.randrange(1, 50)),
        "direction": "MORE",
        "approval": {"maker": "op-01", "checker": "op-02"},
    }
    key = f"{bill.place.sender}/{payment}"
    clerk.send("fee.adjusted", clerk.town.platform, clerk.later(bill.second, 600, 3600), data, key)


def _made(
    clerk: Clerk,
    bill: Bill,
    *,
    partner: str = "",
    source: str = "",
    route: dict[str, str] | None = None,
    arrives: int = 0,
) -> Payment:
    """A payment to which something will happen, or that goes another way."""
    partner, source, route = partner or bill.card.bank, source or bill.place.sender, route or {}
    ref, order = clerk.ref(partner), f"{bill.place.code}-{clerk.stamp}-{clerk.number()}"
    data = body(clerk, bill, ref) | {"purpose": bill.purpose, "order_no": order} | route
    lines = both(clerk, bill, partner, ref, order)
    token = bill.card.token
    event_id = clerk.send("payment.made", source, bill.second, data, token, lines=lines, arrives=arrives)
    return Payment(source, event_id, bill, partner, ref, order, route)


def _routed(clerk: Clerk, bill: Bill, partner: str) -> None:
    """A payment by channel or card network: they write it down, not the card's bank."""
    town = clerk.town
    if partner == town.channel:
        source, route = partner, {"route": "CHANNEL"}
    else:
        source, route = bill.place.sender, {"route": "UNIONPAY"}
        if town.several_networks:
            route["network"] = partner
    paid = _made(clerk, bill, partner=partner, source=source, route=route)
    if clerk.due("routed refund", clerk.plan.refunded):
        undos.refund(clerk, paid)
