"""Planted breaks: a payment or its refund that the sides see differently, with the answer. 预埋差错

A break is planted on a payment that nothing else happens to, so that the answer does not depend on anything. The
kind that has been planted least is next; a premium given back twice (DUP-001) is planted in `schemes`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from clearing.jobs.generate.bills import Payment, both
from clearing.jobs.generate.clerk import LONGEST, Line, Planted
from clearing.jobs.generate.partners import booked, exported
from clearing.jobs.generate.plan import NEXT_DAY
from clearing.jobs.generate.undos import refund_of, undone
from clearing.ledger.fees import choose
from clearing.ledger.members import Institution
from clearing.ledger.money import yuan

if TYPE_CHECKING:
    from clearing.jobs.generate.bills import Bill
    from clearing.jobs.generate.clerk import Clerk

IN_LEDGER_BANK_HIS: Final = {
    "SID-101": (True, False, True),
    "SID-110": (True, True, False),
    "SID-100": (True, False, False),
    "SID-011": (False, True, True),
    "SID-010": (False, True, False),
    "SID-001": (False, False, True),
    "STA-001": (True, True, False),
}
"""Which sides have it; all three where a kind is not here."""
HIS_KINDS: Final = frozenset(
    {"AMT-003", "DUP-003", "SID-110", "SID-001", "STA-003", "IDN-002", "AMB-001", "GRP-001"}
)
"""Where the institution is the one that differs; else it is the bank."""
AFTER_MIDNIGHT: Final = "00:05:00"
LITTLE_FEN: Final = 1800
"""By how much amounts differ, at most."""


OF_UNDOS: Final = frozenset({"CUT-002", "STA-004", "NEXT-DAY-UNDO"})
"""What is planted on a refund that follows the payment."""
SELDOM: Final = frozenset({"FEE-001", "DUP-001"})
"""What only few moments of a day can carry: it does not wait for its turn."""


class Paid(NamedTuple):
    """A payment by the direct route, before it is written down."""

    bill: Bill
    ref: str
    order: str
    data: dict[str, Any]


def plant_due(clerk: Clerk, paid: Paid) -> str:
    """The kind of break that is to be planted on a payment, or empty."""
    if paid.bill.place.code in clerk.spoiled:
        return ""
    if seldom_due(clerk, "FEE-001") and _charged(clerk, paid):
        return "FEE-001"
    plan, planted = clerk.plan, clerk.planted.total()
    if isinstance(plan.breaks, int):
        span = max(
            clerk.events - 2 * LONGEST, clerk.events // 2
        )  # the last payments have no room for a refund
        due = planted < plan.breaks and clerk.scheduled * plan.breaks >= span * (planted + 0.3)
    else:
        due = planted + 0.5 < clerk.payments * plan.breaks
    if not due:
        return ""
    room = clerk.room > LONGEST
    fit = (one for one in plan.break_kinds if one not in SELDOM and _wanted(clerk, one))
    return min((one for one in fit if room or one not in OF_UNDOS), key=clerk.planted.__getitem__, default="")


def seldom_due(clerk: Clerk, kind: str) -> bool:
    """Whether this is a moment to plant one of the seldom kinds: no more of it than of the others."""
    planted, kinds = clerk.planted, clerk.plan.break_kinds
    return kind in kinds and planted[kind] * len(kinds) <= planted.total() and _wanted(clerk, kind)


def _wanted(clerk: Clerk, kind: str) -> bool:
    """Whether a kind's part of the count is not yet reached; a share of payments has no such part."""
    plan = clerk.plan
    if not isinstance(plan.breaks, int):
        return plan.breaks > 0
    kinds = plan.break_kinds
    return clerk.planted[kind] < -(-(plan.breaks - kinds.index(kind)) // len(kinds))


def _charged(clerk: Clerk, paid: Paid) -> bool:
    """Whether a fee of at least a fen is taken for a payment."""
    bill, members = paid.bill, clerk.members
    member = members.on(clerk.day).by_code[bill.place.code]
    if not isinstance(member, Institution):
        return False
    keys = {
        "kind": member.kind,
        "ownership": member.ownership,
        "level": member.level or "",
        "institution": member.code,
        "bank": bill.card.bank,
        "acquirer": clerk.town.acquirer,
        "access": paid.data["access"],
        "route": "DIRECT",
    }
    rule = choose(members.fees, keys, clerk.day)
    return rule is not None and rule.fee(bill.fen) > 0


def plant(clerk: Clerk, kind: str, paid: Paid) -> None:
    """Write a payment down with one break in it, or in the refund that follows it, and the answer beside it."""
    clerk.planted[kind] += 1
    if kind in OF_UNDOS:
        _plant_on_refund(clerk, kind, paid)
        return
    second, card, place, _, _ = paid.bill
    in_ledger, at_bank, in_his = IN_LEDGER_BANK_HIS.get(kind, (True, True, True))
    lines = [
        *(_bank_lines(clerk, kind, paid) if at_bank else ()),
        *(_his_lines(clerk, kind, paid) if in_his else ()),
    ]
    source = clerk.town.elsewhere(place) if kind == "STA-001" else place.sender
    event_id = clerk.new_id() if in_ledger else ""
    answer = _answer(
        kind,
        paid.bill,
        bank_ref="" if kind == "SID-001" else paid.ref,
        order_no="" if kind in ("SID-010", "DUP-002") else paid.order,
        event=(source, event_id) if in_ledger else ("", ""),
    )
    if in_ledger:
        clerk.send(
            "payment.made",
            source,
            second,
            paid.data,
            card.token,
            lines=lines,
            planted=answer,
            event_id=event_id,
            refused="source_not_allowed" if kind == "STA-001" else "",
        )
    else:
        clerk.write_only(second, lines, answer)


def _plant_on_refund(clerk: Clerk, kind: str, paid: Paid) -> None:
    """A payment on which all agree, and a refund of a part of it that the bank dates or ends otherwise."""
    bill = paid.bill
    card, source = bill.card, bill.place.sender
    lines = both(clerk, bill, card.bank, paid.ref, paid.order)
    first = clerk.send("payment.made", source, bill.second, paid.data, card.token, lines=lines)
    payment = Payment(source, first, bill, card.bank, paid.ref, paid.order, {})
    back = refund_of(clerk, payment)
    day = {"CUT-002": clerk.day_before, "NEXT-DAY-UNDO": clerk.day_after}.get(kind, "")
    at_bank = booked(
        clerk,
        card.bank,
        back.second,
        ("REFUND", "C", back.fen),
        back.ref,
        card=card.token,
        original=paid.ref,
        status="FAIL" if kind == "STA-004" else "SUCC",
        day=day,
        clock=AFTER_MIDNIGHT if kind == "NEXT-DAY-UNDO" else "",
    )
    _, in_his = undone(clerk, back.second, payment, ("REFUND", back.fen), ref=back.ref, order=back.order)
    event_id = clerk.new_id()
    clerk.send(
        "payment.refunded",
        source,
        back.second,
        back.data,
        card.token,
        lines=[at_bank, in_his],
        planted=_answer(
            kind,
            bill._replace(fen=back.fen),
            bank_ref=back.ref,
            order_no=back.order,
            event=(source, event_id),
        ),
        event_id=event_id,
    )


def _answer(kind: str, bill: Bill, *, bank_ref: str, order_no: str, event: tuple[str, str]) -> Planted:
    return Planted(
        kind=kind,
        code="SID-101" if kind in NEXT_DAY else kind,
        partner=bill.place.code if kind in HIS_KINDS else bill.card.bank,
        institution=bill.place.code,
        bank_ref=bank_ref,
        order_no=order_no,
        amount_fen=bill.fen,
        source=event[0],
        id=event[1],
        next_day=NEXT_DAY.get(kind, ""),
    )


def _bank_lines(clerk: Clerk, kind: str, paid: Paid) -> list[Line]:
    second, held, _, _, fen = paid.bill
    direction, status, day, clock, card, fee = "D", "SUCC", "", "", held.token, ""
    match kind:
        case "AMT-001":
            fen -= min(LITTLE_FEN, fen // 2)
        case "AMT-002":
            fen += LITTLE_FEN
        case "STA-002":
            status = "FAIL"
        case "DIR-001":
            direction = "C"
        case "CUT-001":
            day = clerk.day_before
        case "NEXT-DAY":
            day, clock = clerk.day_after, AFTER_MIDNIGHT
        case "IDN-001":
            card = f"tok_{clerk.stamp}_other_{clerk.number():07d}"
        case "FEE-001":
            fee = yuan(fen)  # no rule takes all of it
        case _:
            pass
    line = booked(
        clerk,
        held.bank,
        second,
        ("PAY", direction, fen),
        paid.ref,
        card=card,
        status=status,
        day=day,
        clock=clock,
        fee=fee,
    )
    return [line, line] if kind == "DUP-002" else [line]


def _his_lines(clerk: Clerk, kind: str, paid: Paid) -> list[Line]:
    second, _, place, _, fen = paid.bill
    if kind == "AMT-003":
        fen += LITTLE_FEN
    ref = "" if kind in ("SID-001", "AMB-001") else paid.ref
    trade = "DEP" if kind == "IDN-002" else "OPD"
    status = "REVD" if kind == "STA-003" else "SUCC"
    if (
        kind == "AMB-001"
    ):  # two lines that nobody can tell apart: each carries a number of its own that is not ours
        return [
            exported(
                clerk,
                place.code,
                second,
                ("OPD", "R", fen),
                paid.order,
                ref="",
                platform_ref=f"{paid.order}/{n}",
            )
            for n in (1, 2)
        ]
    if kind == "GRP-001":  # two lines that stand for the payment together, a fen short
        half = fen // 2
        return [
            exported(
                clerk,
                place.code,
                second,
                ("OPD", "R", part),
                f"{paid.order}/{n}",
                ref=ref,
                group=f"G{paid.order}",
            )
            for n, part in ((1, half), (2, fen - half - 1))
        ]
    line = exported(clerk, place.code, second, (trade, "R", fen), paid.order, ref=ref, status=status)
    return [line, line] if kind == "DUP-003" else [line]
