"""What becomes of payments: voids, refunds, reversals, time-outs, refusals. 撤销、退费、冲正、超时"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from clearing.jobs.generate.bills import Bill, Payment, body
from clearing.jobs.generate.partners import booked, exported
from clearing.ledger.money import yuan

if TYPE_CHECKING:
    from clearing.jobs.generate.clerk import Clerk, Line

REASONS: Final = (
    "order_already_paid",
    "exceeds_original",
    "unknown_source",
    "currency_not_supported",
    "bank_ref_reused",
)
"""Of what a rule refuses."""
WHOLE: Final = 0.4
"""Refunds that give back the whole payment."""


def void(clerk: Clerk, paid: Payment) -> None:
    """The counter takes the payment back as a whole. 撤销"""
    at, ref, order = (
        clerk.later(paid.bill.second, 30, 150),
        clerk.ref(paid.partner),
        f"VD{clerk.number()}",
    )
    data = _undo(clerk, paid, ref) | {"order_no": order, "reason": "wrong item"}
    lines = undone(clerk, at, paid, ("VOID", paid.bill.fen), ref=ref, order=order)
    clerk.send("payment.voided", paid.source, at, data, paid.bill.card.token, lines=lines)


class Refund(NamedTuple):
    """Money given back after a payment, before it is written down."""

    second: int
    ref: str
    order: str
    fen: int
    data: dict[str, Any]


def refund(clerk: Clerk, paid: Payment) -> None:
    """Hours later part of the payment, or all of it, is given back. 退费"""
    back = refund_of(clerk, paid, whole=WHOLE)
    lines = undone(clerk, back.second, paid, ("REFUND", back.fen), ref=back.ref, order=back.order)
    clerk.send("payment.refunded", paid.source, back.second, back.data, paid.bill.card.token, lines=lines)


def refund_of(clerk: Clerk, paid: Payment, *, whole: float = 0) -> Refund:
    """A refund of a payment: of all of it in so many cases, else of a part."""
    second, ref, order = (
        clerk.later(paid.bill.second, 600, 14400),
        clerk.ref(paid.partner),
        f"RF{clerk.number()}",
    )
    fen = paid.bill.fen
    if clerk.rng.random() >= whole:
        fen = max(fen * clerk.rng.randrange(10, 90) // 100, 1)
    data = _undo(clerk, paid, ref, fen) | {
        "order_no": order,
        "approval": {"maker": "op-01", "checker": "op-02"},
        "reason_kind": "PATIENT",
    }
    return Refund(second, ref, order, fen, data)


def reverse(clerk: Clerk, paid: Payment) -> None:
    """The hospital does not know how it ended and takes it back. 冲正"""
    at = clerk.later(paid.bill.second, 60, 120)
    lines = undone(clerk, at, paid, ("REVERSAL", paid.bill.fen), ref=clerk.ref(paid.partner), order="")
    _send_reversal(clerk, at, paid.bill, paid.id, lines)


def _undo(clerk: Clerk, paid: Payment, ref: str, fen: int = 0) -> dict[str, Any]:
    return (
        {"original": {"source": paid.source, "id": paid.id}} | body(clerk, paid.bill, ref, fen) | paid.route
    )


def undone(
    clerk: Clerk, at: int, paid: Payment, what: tuple[str, int], *, ref: str, order: str
) -> list[Line]:
    """An undo as both sides have it; `what` is the statement's type and fen."""
    (kind, fen), (_, card, place, _, _) = what, paid.bill
    return [
        booked(clerk, paid.partner, at, (kind, "C", fen), ref, card=card.token, original=paid.ref),
        exported(clerk, place.code, at, ("REFUND", "P", fen), order, ref=ref, original=paid.order),
    ]


def _send_reversal(clerk: Clerk, at: int, bill: Bill, original: str, lines: list[Line]) -> None:
    """By the institution, which also sent the original."""
    source = bill.place.sender
    data = {
        "original": {"source": source, "id": original},
        "institution": bill.place.code,
        "amount": yuan(bill.fen),
        "attempt": 1,
    }
    clerk.send("payment.reversed", source, at, data, bill.card.token, lines=lines)


def reversed_first(clerk: Clerk, bill: Bill) -> None:
    """The reversal overtakes its payment, which is then refused; the bank never booked it. 先冲正后到"""
    event_id = clerk.new_id()
    order = f"{bill.place.code}-X{clerk.number()}"
    data = body(clerk, bill, clerk.ref(bill.card.bank)) | {"purpose": bill.purpose, "order_no": order}
    back = clerk.later(bill.second, 60, 90)
    _send_reversal(clerk, back, bill, event_id, [])
    clerk.send(
        "payment.made",
        bill.place.sender,
        bill.second,
        data,
        bill.card.token,
        arrives=clerk.later(back, 20, 60),
        event_id=event_id,
        refused="reversed_before_arrival",
    )


def time_out(clerk: Clerk, bill: Bill) -> None:
    """No answer came; minutes later it is known that it happened, or it is taken back. 超时"""
    at, card, place, _, fen = bill
    confirmed, debited = clerk.due("confirmed", 0.5), clerk.rng.random() < 0.5  # noqa: PLR2004 - half of each
    bank, ref, order = card.bank, clerk.ref(card.bank), f"{place.code}-{clerk.stamp}-{clerk.number()}"
    data = body(clerk, bill, ref) | {"order_no": order}
    if not debited:
        del data["bank_ref"], data["bank_date"]
    taken = [booked(clerk, bank, at, ("PAY", "D", fen), ref, card=card.token)]
    event_id = clerk.send(
        "payment.timed_out", place.sender, at, data, card.token, lines=taken if debited else ()
    )
    later = clerk.later(at, 60, 600)
    if confirmed:
        his = exported(clerk, place.code, later, ("OPD", "R", fen), order, ref=ref)
        original = {"original": {"source": place.sender, "id": event_id}}
        sender = place.sender if debited else bank
        clerk.send(
            "payment.confirmed",
            sender,
            later,
            original | {"bank_ref": ref, "bank_date": clerk.day_text},
            card.token,
            lines=[his] if debited else [his, *taken],
        )
    else:
        back = clerk.ref(bank)
        given = booked(clerk, bank, later, ("REVERSAL", "C", fen), back, card=card.token, original=ref)
        _send_reversal(clerk, later, bill, event_id, [given] if debited else [])


def refuse(clerk: Clerk, paid: Payment) -> None:
    """Something that a rule refuses, after a payment that stands; no partner moved money. 拒绝

    Nothing here hangs on a card's state: in whatever order topics are read, the same rule refuses it.
    """
    bill, ref = paid.bill, clerk.ref(paid.partner)
    at = clerk.later(bill.second, 60, 600)
    data = body(clerk, bill, ref)
    new_order = {"purpose": "OUTPATIENT", "order_no": f"{bill.place.code}-Y{clerk.number()}"}
    name, source = "payment.made", paid.source
    reason = clerk.rng.choice(REASONS)
    match reason:
        case "order_already_paid":
            data |= {"purpose": "OUTPATIENT", "order_no": paid.order}
        case "exceeds_original":
            name, data = "payment.refunded", _undo(clerk, paid, ref, bill.fen + 1)
        case "unknown_source":
            data |= new_order
            source = "NOBODY"
        case "currency_not_supported":
            data |= new_order | {"currency": "USD"}
        case _:
            data |= new_order | {"bank_ref": paid.ref}
    clerk.send(name, source, at, data, bill.card.token, refused=reason)
