"""Visits, purchases and what becomes of payments: voids, refunds, reversals, time-outs, refusals. 缴费"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from clearing.jobs.generate.cards import card_for
from clearing.jobs.generate.partners import booked, exported
from clearing.jobs.generate.plants import Paid, plant, plant_due
from clearing.jobs.generate.town import Place
from clearing.ledger.money import yuan

if TYPE_CHECKING:
    from clearing.jobs.generate.clerk import Clerk, HeldCard, Line

ACCESS: Final = ("COUNTER", "COUNTER", "KIOSK", "APP")
FEES_FEN: Final = (500, 900, 1000, 1500, 2000, 3000, 5000)
"""Registration fees, the first payment of a visit."""
MEAN_LOG: Final = 9.35
"""Of a log-normal amount in fen, sigma 1: with registration fees the mean of a visit is about 361 yuan."""
MOST_FEN: Final = 2_000_000
VISIT_PAYMENTS: Final = (1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 4, 4)
"""2.2 on average."""


class Payment(NamedTuple):
    """A payment as those who undo it know it."""

    source: str
    id: str
    second: int
    card: HeldCard
    place: Place
    fen: int
    partner: str
    """Whose reference it is."""
    ref: str
    order: str
    route: dict[str, str]
    """Its route as fields of a body; empty for DIRECT."""


def visit(clerk: Clerk, second: int) -> None:
    """A patient comes, registers, and pays once to four times over the next hour. 就诊"""
    card = card_for(clerk, second)
    place = clerk.among(clerk.town.hospitals)
    number = clerk.number()
    at = max(second, card.ready)
    for turn in range(clerk.rng.choice(VISIT_PAYMENTS)):
        fen = clerk.rng.choice(FEES_FEN) if turn == 0 else _fen(clerk)
        purpose = "APPOINTMENT" if turn == 0 else "OUTPATIENT"
        pay(clerk, at, card, place, purpose, fen, visit_id=f"V{clerk.stamp}{number}")
        at = clerk.later(at, 300, 1800)


def purchase(clerk: Clerk, second: int) -> None:
    """Someone buys medicine at a pharmacy. 药店购药"""
    card = card_for(clerk, second)
    place = clerk.among(clerk.town.pharmacies)
    pay(clerk, max(second, card.ready), card, place, "PHARMACY", max(_fen(clerk) // 2, 300))


def single(clerk: Clerk, second: int) -> None:
    """One payment that nothing else happens to: the last events of a day. 单笔缴费"""
    pool = [card for card in clerk.pool[-20:] if card.ready <= second] or clerk.pool[:1]
    card = clerk.rng.choice(pool)
    place = clerk.among(clerk.town.hospitals)
    _plain(clerk, max(second, card.ready), card, place, "OUTPATIENT", _fen(clerk), "")


def _fen(clerk: Clerk) -> int:
    return min(max(int(clerk.rng.lognormvariate(MEAN_LOG, 1.0)), 100), MOST_FEN)


def pay(
    clerk: Clerk, at: int, card: HeldCard, place: Place, purpose: str, fen: int, *, visit_id: str = ""
) -> None:
    """One payment and its fate."""
    clerk.payments += 1
    plan, due = clerk.plan, clerk.due
    if due("timed out", plan.timed_out):
        time_out(clerk, at, card, place, fen)
    elif due("channel", plan.by_channel) and clerk.town.channel and "CHANNEL" in place.routes:
        _routed(clerk, at, card, place, purpose, fen, clerk.town.channel)
    elif due("network", plan.by_network) and clerk.town.network and "UNIONPAY" in place.routes:
        _routed(clerk, at, card, place, purpose, fen, clerk.town.network)
    elif due("reversed first", plan.reversed_first):
        reversed_first(clerk, at, card, place, purpose, fen)
    elif due("voided", plan.voided):
        late = clerk.due("undo first", plan.undo_first)
        void(
            clerk,
            _made(clerk, at, card, place, purpose, fen, arrives=clerk.later(at, 200, 300) if late else 0),
        )
    elif due("reversed", plan.reversed):
        reverse(clerk, _made(clerk, at, card, place, purpose, fen))
    elif due("refunded", plan.refunded):
        refund(clerk, _made(clerk, at, card, place, purpose, fen))
    elif due("refused", plan.refused):
        refuse(clerk, _made(clerk, at, card, place, purpose, fen))
    else:
        _plain(clerk, at, card, place, purpose, fen, visit_id)


# -- how a payment is written down ---------------------------------------------------------------------------


def _body(clerk: Clerk, card: HeldCard, place: Place, fen: int, ref: str) -> dict[str, Any]:
    return {
        "card": card.token,
        "bank": card.bank,
        "card_last4": card.last4,
        "institution": place.code,
        "amount": yuan(fen),
        "bank_ref": ref,
        "bank_date": clerk.day_text,
    }


def _both(
    clerk: Clerk, partner: str, at: int, card: HeldCard, place: Place, fen: int, ref: str, order: str
) -> list[Line]:
    """A payment as bank and hospital have it."""
    return [
        booked(clerk, partner, at, "PAY", "D", fen, ref, card.token),
        exported(clerk, place.code, at, "OPD", "R", fen, order, ref),
    ]


def _plain(
    clerk: Clerk, at: int, card: HeldCard, place: Place, purpose: str, fen: int, visit_id: str
) -> None:
    number = clerk.number()
    ref, order = f"{card.bank}{clerk.stamp}{number:08d}", f"{place.code}-{clerk.stamp}-{number}"
    data = _body(clerk, card, place, fen, ref)
    data["purpose"], data["order_no"] = purpose, order
    data["terminal"], data["access"] = (
        place.terminal,
        "PHARMACY" if purpose == "PHARMACY" else ACCESS[number & 3],
    )
    if visit_id:
        data["visit_id"] = visit_id
    kind = plant_due(clerk)
    if kind:
        plant(clerk, kind, Paid(at, card, place, fen, ref, order, data))
        return
    lines = _both(clerk, card.bank, at, card, place, fen, ref, order)
    clerk.send("payment.made", place.sender, at, data, card.token, lines=lines)


def _made(
    clerk: Clerk,
    at: int,
    card: HeldCard,
    place: Place,
    purpose: str,
    fen: int,
    *,
    partner: str = "",
    source: str = "",
    route: dict[str, str] | None = None,
    arrives: int = 0,
) -> Payment:
    """A payment to which something will happen."""
    partner, source, route = partner or card.bank, source or place.sender, route or {}
    ref, order = clerk.ref(partner), f"{place.code}-{clerk.stamp}-{clerk.number()}"
    data = _body(clerk, card, place, fen, ref) | {"purpose": purpose, "order_no": order} | route
    lines = _both(clerk, partner, at, card, place, fen, ref, order)
    event_id = clerk.send("payment.made", source, at, data, card.token, lines=lines, arrives=arrives)
    return Payment(source, event_id, at, card, place, fen, partner, ref, order, route)


def _routed(
    clerk: Clerk, at: int, card: HeldCard, place: Place, purpose: str, fen: int, partner: str
) -> None:
    """A payment by channel or card network: they write it down, not the card's bank."""
    town = clerk.town
    if partner == town.channel:
        source, route = partner, {"route": "CHANNEL"}
    else:
        source, route = place.sender, {"route": "UNIONPAY"}
        if town.several_networks:
            route["network"] = partner
    paid = _made(clerk, at, card, place, purpose, fen, partner=partner, source=source, route=route)
    if clerk.due("routed refund", clerk.plan.refunded):
        refund(clerk, paid)


# -- what becomes of it --------------------------------------------------------------------------------------


def _undo_body(clerk: Clerk, paid: Payment, fen: int, ref: str) -> dict[str, Any]:
    original = {"original": {"source": paid.source, "id": paid.id}}
    return original | _body(clerk, paid.card, paid.place, fen, ref) | paid.route


def void(clerk: Clerk, paid: Payment) -> None:
    """The counter takes the payment back as a whole. 撤销"""
    at, ref, order = clerk.later(paid.second, 30, 150), clerk.ref(paid.partner), f"VD{clerk.number()}"
    data = _undo_body(clerk, paid, paid.fen, ref) | {"order_no": order, "reason": "wrong item"}
    lines = _undone(clerk, at, paid, "VOID", paid.fen, ref, order)
    clerk.send("payment.voided", paid.source, at, data, paid.card.token, lines=lines)


def refund(clerk: Clerk, paid: Payment) -> None:
    """Hours later part of the payment, or all of it, is given back. 退费"""
    at, ref, order = clerk.later(paid.second, 600, 14400), clerk.ref(paid.partner), f"RF{clerk.number()}"
    fen = paid.fen if clerk.rng.random() < 0.4 else max(paid.fen * clerk.rng.randrange(10, 90) // 100, 1)  # noqa: PLR2004
    data = _undo_body(clerk, paid, fen, ref) | {
        "order_no": order,
        "approval": {"maker": "op-01", "checker": "op-02"},
        "reason_kind": "PATIENT",
    }
    lines = _undone(clerk, at, paid, "REFUND", fen, ref, order)
    clerk.send("payment.refunded", paid.source, at, data, paid.card.token, lines=lines)


def _undone(clerk: Clerk, at: int, paid: Payment, kind: str, fen: int, ref: str, order: str) -> list[Line]:
    return [
        booked(clerk, paid.partner, at, kind, "C", fen, ref, paid.card.token, original=paid.ref),
        exported(clerk, paid.place.code, at, "REFUND", "P", fen, order, ref, original=paid.order),
    ]


def reverse(clerk: Clerk, paid: Payment) -> None:
    """The hospital does not know how it ended and takes it back. 冲正"""
    at = clerk.later(paid.second, 60, 120)
    lines = _undone(clerk, at, paid, "REVERSAL", paid.fen, clerk.ref(paid.partner), "")
    _send_reversal(clerk, at, paid.source, paid.id, paid.card, paid.place, paid.fen, lines)


def _send_reversal(
    clerk: Clerk,
    at: int,
    source: str,
    original: str,
    card: HeldCard,
    place: Place,
    fen: int,
    lines: list[Line],
) -> None:
    data = {
        "original": {"source": source, "id": original},
        "institution": place.code,
        "amount": yuan(fen),
        "attempt": 1,
    }
    clerk.send("payment.reversed", source, at, data, card.token, lines=lines)


def reversed_first(clerk: Clerk, at: int, card: HeldCard, place: Place, purpose: str, fen: int) -> None:
    """The reversal overtakes its payment, which is then refused; the bank never booked it. 先冲正后到"""
    event_id, ref = clerk.new_id(), clerk.ref(card.bank)
    data = _body(clerk, card, place, fen, ref) | {
        "purpose": purpose,
        "order_no": f"{place.code}-X{clerk.number()}",
    }
    back = clerk.later(at, 60, 90)
    _send_reversal(clerk, back, place.sender, event_id, card, place, fen, [])
    arrives = clerk.later(back, 20, 60)
    clerk.send("payment.made", place.sender, at, data, card.token, arrives=arrives, event_id=event_id)


def time_out(clerk: Clerk, at: int, card: HeldCard, place: Place, fen: int) -> None:
    """No answer came; minutes later it is known that it happened, or it is taken back. 超时"""
    turn = clerk.number()
    debited, confirmed = bool(turn & 1), clerk.due("confirmed", 0.5)
    ref, order = clerk.ref(card.bank), f"{place.code}-{clerk.stamp}-{turn}"
    data = _body(clerk, card, place, fen, ref) | {"order_no": order}
    if not debited:
        del data["bank_ref"], data["bank_date"]
    line = booked(clerk, card.bank, at, "PAY", "D", fen, ref, card.token)
    event_id = clerk.send(
        "payment.timed_out", place.sender, at, data, card.token, lines=[line] if debited else []
    )
    later = clerk.later(at, 60, 600)
    if not confirmed:
        back = booked(
            clerk, card.bank, later, "REVERSAL", "C", fen, clerk.ref(card.bank), card.token, original=ref
        )
        _send_reversal(clerk, later, place.sender, event_id, card, place, fen, [back] if debited else [])
        return
    lines = [exported(clerk, place.code, later, "OPD", "R", fen, order, ref), *([] if debited else [line])]
    body = {
        "original": {"source": place.sender, "id": event_id},
        "bank_ref": ref,
        "bank_date": clerk.day_text,
    }
    sender = place.sender if debited else card.bank
    clerk.send("payment.confirmed", sender, later, body, card.token, lines=lines)


def refuse(clerk: Clerk, paid: Payment) -> None:
    """Something that a rule refuses, after a payment that stands; no partner has moved money for it. 拒绝"""
    at, ref = clerk.later(paid.second, 60, 600), clerk.ref(paid.partner)
    data = _body(clerk, paid.card, paid.place, paid.fen, ref)
    new_order = {"purpose": "OUTPATIENT", "order_no": f"{paid.place.code}-Y{clerk.number()}"}
    name, source = "payment.made", paid.source
    match clerk.number() % 5:
        case 0:  # order_already_paid
            data |= {"purpose": "OUTPATIENT", "order_no": paid.order}
        case 1:  # exceeds_original
            name = "payment.refunded"
            data = _undo_body(clerk, paid, paid.fen + 1, ref)
        case 2:  # unknown_source
            data |= new_order
            source = "NOBODY"
        case 3:  # currency_not_supported
            data |= new_order | {"currency": "USD"}
        case _:  # bank_ref_reused
            data |= new_order | {"bank_ref": paid.ref}
    clerk.send(name, source, at, data, paid.card.token)
