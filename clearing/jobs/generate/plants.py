"""Planted breaks: a payment that two of three sides see differently, with the answer. 预埋差错

A break is planted on a payment that nothing else happens to, so that the answer does not depend on anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from clearing.jobs.generate.clerk import Line, Planted
from clearing.jobs.generate.partners import booked, exported

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
HIS_KINDS: Final = frozenset({"AMT-003", "DUP-003", "SID-110", "SID-001", "STA-003", "IDN-002", "AMB-001"})
"""Where the institution is the one that differs; else it is the bank."""
LITTLE_FEN: Final = 1800
"""By how much amounts differ, at most."""


class Paid(NamedTuple):
    """A payment by the direct route, before it is written down."""

    bill: Bill
    ref: str
    order: str
    data: dict[str, Any]


def plant_due(clerk: Clerk) -> str:
    """The kind of break that is to be planted now, or empty."""
    plan = clerk.plan
    if not plan.break_kinds:
        return ""
    if isinstance(plan.breaks, int):
        due = clerk.planted < plan.breaks and clerk.scheduled * plan.breaks >= clerk.events * (
            clerk.planted + 0.3
        )
    else:
        due = clerk.planted + 0.5 < clerk.payments * plan.breaks
    return plan.break_kinds[clerk.planted % len(plan.break_kinds)] if due else ""


def plant(clerk: Clerk, kind: str, paid: Paid) -> None:
    """Write a payment down with one break in it, and the answer beside it."""
    clerk.planted += 1
    second, card, place, _, fen = paid.bill
    in_ledger, at_bank, in_his = IN_LEDGER_BANK_HIS.get(kind, (True, True, True))
    lines = [
        *(_bank_lines(clerk, kind, paid) if at_bank else ()),
        *(_his_lines(clerk, kind, paid) if in_his else ()),
    ]
    source = clerk.town.elsewhere(place) if kind == "STA-001" else place.sender
    event_id = clerk.new_id() if in_ledger else ""
    answer = Planted(
        kind=kind,
        code="SID-101" if kind == "NEXT-DAY" else kind,
        partner=place.code if kind in HIS_KINDS else card.bank,
        institution=place.code,
        bank_ref="" if kind == "SID-001" else paid.ref,
        order_no="" if kind in ("SID-010", "DUP-002") else paid.order,
        amount_fen=fen,
        source=source if in_ledger else "",
        id=event_id,
        next_day="CUT-001" if kind == "NEXT-DAY" else "",
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


def _bank_lines(clerk: Clerk, kind: str, paid: Paid) -> list[Line]:
    second, held, _, _, fen = paid.bill
    direction, status, day, clock, card = "D", "SUCC", "", "", held.token
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
            day, clock = clerk.day_after, "00:05:00"
        case "IDN-001":
            card = f"tok_{clerk.stamp}_other_{clerk.planted:05d}"
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
    line = exported(clerk, place.code, second, (trade, "R", fen), paid.order, ref=ref, status=status)
    return [line, line] if kind == "DUP-003" else [line]
