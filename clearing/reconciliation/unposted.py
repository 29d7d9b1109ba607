"""Records that made no entry, as rows of ours: what a partner may have done for them all the same. 未入账

A rejected event says what its sender believed; its amount, direction and reference are taken from it, its
original's where it names one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from clearing.reconciliation.ledger_side import NotedTopup, OpenTimeout, RejectedUse
from clearing.reconciliation.rows import UNDO_TYPES

if TYPE_CHECKING:
    from clearing.ledger.entry import Entry
    from clearing.ledger.facts import Original
    from clearing.ledger.members import MembersOn
    from messages import Event

Way: TypeAlias = Literal["D", "C"]
"""As the card sees it: debited or credited."""

_WITHOUT_ROWS: Final = ("settlement.",)
_CREDITS: Final = (*UNDO_TYPES, "topup.made", "payout.result")


def rejected_uses(
    event: Event,
    name: str,
    clearing_date: date,
    members: MembersOn,
    original: Original | None = None,
) -> Iterator[RejectedUse]:
    """The rows of a rejected event that carries a bank reference; none for any other. 拒绝但有流水

    In:      `name`: the id it goes by; `original`: what it names, when that was accepted.
    Out:     one row, of a top-up between two partners two; fen unsigned; none where nobody says how much.
    """
    data: Any = event.data
    ref = getattr(data, "bank_ref", None)
    amount_fen, direction = _money(event, original)
    if ref is None or not amount_fen or event.type.startswith(_WITHOUT_ROWS):
        return
    said: Any = original.event.data if original else None
    entry = original.entry if original else None
    keys = (entry.order_no, entry.receipt_no, entry.admission_no) if entry else ()
    for partner, way in _partners(event, direction, members, entry, said):
        yield RejectedUse(
            source=event.source,
            event_id=name,
            type=event.type,
            partner=partner,
            bank_ref=ref,
            bank_date=data.bank_date,
            clearing_date=clearing_date,
            direction=way,
            amount_fen=amount_fen,
            institution=_text(data, "institution") or _text(said, "institution"),
            bank=_text(data, "bank") or _text(said, "bank"),
            card=_text(data, "card") or _text(said, "card"),
            order_no=_text(data, "order_no"),
            receipt_no=_text(data, "receipt_no"),
            admission_no=_text(data, "admission_no"),
            occurred_at=event.time,
            original_id=entry.id if entry else "",
            original_bank_ref=entry.bank_ref if entry else "",
            original_keys=tuple(key for key in keys if key),
        )


def original_named(event: Event) -> tuple[str, str] | None:
    """(source, id) of the event that this one names, if its kind does."""
    named = getattr(event.data, "original", None)
    return (named.source, named.id) if named is not None else None


def open_timeout(event: Event, entry_id: str, clearing_date: date, members: MembersOn) -> OpenTimeout:
    """The row of a time-out that nobody has settled yet. 状态未明"""
    data: Any = event.data
    return OpenTimeout(
        source=event.source,
        event_id=event.id,
        partner=_partner(event, members, None, None),
        institution=data.institution,
        clearing_date=clearing_date,
        amount_fen=data.amount,
        entry_id=entry_id,
        bank=data.bank,
        bank_ref=data.bank_ref or "",
        bank_date=data.bank_date,
        card=data.card,
        order_no=data.order_no,
        admission_no=data.admission_no or "",
        occurred_at=event.time,
    )


def noted_topup(event: Event, clearing_date: date) -> NotedTopup:
    """The row of a top-up inside one bank. 本行充值"""
    data: Any = event.data
    return NotedTopup(
        source=event.source,
        event_id=event.id,
        bank=data.bank,
        bank_ref=data.bank_ref,
        bank_date=data.bank_date,
        clearing_date=clearing_date,
        amount_fen=data.amount,
        card=data.card,
        occurred_at=event.time,
    )


def _money(event: Event, original: Original | None) -> tuple[int, Way]:
    """Fen and direction as the card would have seen them."""
    data: Any = event.data
    if event.type == "discharge.settled":
        return (data.top_up, "D") if data.top_up else (data.refund, "C")
    if event.type == "discharge.cancelled":
        said: Any = original.event.data if original else None
        refund = getattr(said, "refund", 0)
        return (refund, "D") if refund else (getattr(said, "top_up", 0), "C")
    amount_fen: int = getattr(data, "amount", 0)
    if event.type == "payment.confirmed" and original is not None:
        amount_fen = getattr(original.event.data, "amount", 0)
    return amount_fen, "C" if event.type.endswith(_CREDITS) else "D"


def _partners(
    event: Event, direction: Way, members: MembersOn, entry: Entry | None, said: object
) -> Iterator[tuple[str, Way]]:
    """Who may list it, and as what: of a top-up the paying side and the card's bank."""
    data: Any = event.data
    method = _text(data, "method")
    if not method:
        yield _partner(event, members, entry, said), direction
        return
    payer = {"NETBANK": _text(data, "payer_bank"), "CHANNEL": event.source}.get(method, data.bank)
    if payer != data.bank:
        yield payer, "D"
    yield data.bank, "C"


def _partner(event: Event, members: MembersOn, entry: Entry | None, said: object) -> str:
    """Whose reference it carries: the network or channel by route, the card's bank, else the sender."""
    data: Any = event.data
    route = _text(data, "route") or _text(said, "route")
    if route == "UNIONPAY":
        named = _text(data, "network") or _text(said, "network")
        return named or (members.networks[0] if len(members.networks) == 1 else "")
    if route == "CHANNEL":
        return entry.partner if entry is not None else event.source
    sender = event.type.startswith("payout.")  # the attempt's bank, whatever bank it was sent to at first
    return _text(data, "bank") or ("" if sender else _text(said, "bank")) or event.source


def _text(said: object, name: str) -> str:
    value = getattr(said, name, None)
    return value if isinstance(value, str) else ""
