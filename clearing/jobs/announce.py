"""What a decision is told as: the results notice, the swipe notice, the quarantine notice. 通知内容

Pure: a decision and its place give the records to send, so that what goes out live and what goes out again
after a crash are the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from clearing.day.states import State
from clearing.ledger.outcomes import Decision, Outcome, Reason
from messages import Event, Malformed
from messages.notices import (
    DayNotice,
    DayStep,
    Exposure,
    ExposureNotice,
    Quarantined,
    QuarantineNotice,
    ResultNotice,
    SwipeNotice,
    notice_id,
    topic_name,
    yuan_text,
)

if TYPE_CHECKING:
    from clearing.store.crossings import StoredCrossing
    from clearing.store.days import Told

DEBITS: Final = frozenset(
    {"payment.made", "payment.timed_out", "payment.confirmed", "deposit.paid", "arrears.paid"}
)
CREDITS: Final = frozenset(
    {"payment.voided", "payment.refunded", "payment.reversed", "deposit.voided", "deposit.refunded"}
)
TOLD: Final = frozenset({Outcome.POSTED, Outcome.NOTED, Outcome.REJECTED})
"""Outcomes that a card's use is told of."""


class Notice(NamedTuple):
    """One record to send."""

    topic: str
    key: bytes
    value: bytes


def _there(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - the fields of a notice
    """The fields that have something to say: in a notice what does not apply is left out, never null."""
    return {name: value for name, value in fields.items() if value is not None}


class Place(NamedTuple):
    """Where a malformed record came from."""

    stream: str
    partition: int
    position: int


def notices_of(decision: Decision, *, platform: str, prefix: str) -> Iterator[Notice]:
    """The notices of one decision: its result, before it that it was parked in the same batch, and its swipe.

    In:      the decision as it stands at the end of its batch.
    """
    if decision.woken and decision.outcome is Outcome.PARKED:
        return  # waits for something else now; that it waits has been said
    yield result_notice(decision, platform=platform, prefix=prefix)
    swipe = swipe_of(decision)
    if swipe is not None:
        event = decision.event
        id_ = notice_id(event.source, event.id, part_of(decision))
        key = (swipe.get("card") or f"{event.source}/{event.id}").encode()
        value = SwipeNotice.written(id_, platform, event.time, event.correlationid, swipe)
        yield Notice(topic_name(SwipeNotice.topic, prefix), key, value)


def parked_first(decision: Decision) -> Decision:
    """What is told of an event that was parked and decided in one batch, before its last outcome."""
    return Decision(event=decision.event, outcome=Outcome.PARKED)


def part_of(decision: Decision) -> int | str:
    """The last part of a notice's id."""
    if decision.reason == Reason.ID_REUSED:
        return decision.event.sm3.hex()[:8]
    return decision.notice_no


def result_notice(decision: Decision, *, platform: str, prefix: str) -> Notice:
    """The notice that every outcome gets, keyed by its event so that its two parts stay in order."""
    event, first = decision.event, decision.first
    outcome = decision.outcome
    entry_id = decision.entry.id if decision.entry else first.entry_id if first else ""
    said: dict[str, Any] = {"source": event.source, "id": event.id, "type": event.type, "outcome": outcome}
    if decision.reason:
        said["reason"] = decision.reason
    if outcome is Outcome.REJECTED and decision.detail:
        said["text"] = decision.detail
    if entry_id:
        said["entry_id"] = entry_id
    if decision.clearing_date is not None:
        said["clearing_date"] = decision.clearing_date
    if decision.late:
        said["late"] = True
    if decision.waits_for:
        said["waits_for"] = decision.waits_for
    if first:
        said["first_outcome"] = first.outcome
    id_ = notice_id(event.source, event.id, part_of(decision))
    value = ResultNotice.written(id_, platform, event.time, event.correlationid, said)
    return Notice(topic_name(ResultNotice.topic, prefix), f"{event.source}/{event.id}".encode(), value)


def swipe_of(decision: Decision) -> dict[str, Any] | None:
    """The card's use at an institution, for the card platform; None when the decision is no such use.

    Out:     the fields of `Swipe` that have something to say, in its order.
    Source:  contract "Transport", clearing.swipes.
    """
    outcome, event, entry = decision.outcome, decision.event, decision.entry
    if outcome not in TOLD:
        return None
    used = use_of(event, entry.amount_fen if entry else 0)
    if used is None or decision.reason == Reason.ID_REUSED:
        return None
    data = event.data.__dict__
    if data.get("bank_ref") is None and (outcome is Outcome.REJECTED or event.type == "payment.timed_out"):
        return None  # whether the card was used at all is not known
    direction, amount_fen = used
    if not amount_fen:
        return None
    said: dict[str, Any] = {"source": event.source, "id": event.id, "type": event.type, "outcome": outcome}
    if decision.reason:
        said["reason"] = decision.reason
    if entry is not None:
        said["entry_id"] = entry.id
    known: Any = entry if entry is not None else event.data
    found = {name: getattr(known, name, None) for name in ("card", "card_last4", "institution")}
    found |= {"terminal": data.get("terminal"), "access": data.get("access")}
    said.update({name: value for name, value in found.items() if value})
    said["app_area"] = (entry.app_area if entry else "") or getattr(event.data, "app_area", "MEDICAL")
    said["amount"] = yuan_text(amount_fen)
    said["direction"] = direction
    said["time"] = event.time
    return said


def use_of(event: Event, entry_fen: int) -> tuple[str, int] | None:
    """(DEBIT or CREDIT, fen) of a card's use; None for other events. An undo of a discharge goes the other way."""
    data: Any = event.data
    if event.type in DEBITS:
        return ("DEBIT", data.__dict__.get("amount", entry_fen))
    if event.type in CREDITS:
        return ("CREDIT", data.amount)
    if event.type == "discharge.settled":
        return ("DEBIT", data.top_up) if data.top_up else ("CREDIT", data.refund)
    if event.type == "discharge.cancelled" and data.card is not None:
        return ("CREDIT", entry_fen)
    return None


def quarantine_notice(malformed: Malformed, place: Place, *, platform: str, prefix: str, time: Any) -> Notice:  # noqa: ANN401 - an aware datetime
    """The notice that a record could not be read; it shows none of its values."""
    data = Quarantined(
        **_there(
            where=malformed.where,
            what=malformed.what,
            source=malformed.source,
            id=malformed.id,
            type=malformed.type,
            sm3=malformed.sm3.hex(),
            length=malformed.length,
            kept=malformed.keep_bytes,
            topic=place.stream,
            partition=place.partition,
            offset=place.position,
        )
    )
    notice = QuarantineNotice(
        id=f"{place.stream}/{place.partition}/{place.position}", source=platform, time=time, data=data
    )
    return Notice(topic_name(QuarantineNotice.topic, prefix), malformed.sm3.hex().encode(), notice.to_bytes())


def batch_notices(
    outcomes: Iterable[tuple[int, Decision | Malformed]],
    woken: Iterable[Decision],
    *,
    stream: str,
    partition: int,
    platform: str,
    prefix: str,
    malformed_at: Any,  # noqa: ANN401 - an aware datetime
) -> list[Notice]:
    """All notices of one batch, in order of its records, then of what it woke.

    In:      (position, outcome) of its records; the time that is told for what has none of its own.
    """
    out: list[Notice] = []
    finals: list[Decision] = []
    for position, outcome in outcomes:
        if isinstance(outcome, Malformed):
            place = Place(stream, partition, position)
            out.append(quarantine_notice(outcome, place, platform=platform, prefix=prefix, time=malformed_at))
        elif outcome.woken and outcome.outcome is not Outcome.PARKED:
            out.append(result_notice(parked_first(outcome), platform=platform, prefix=prefix))
            finals.append(outcome)
        else:
            out.extend(notices_of(outcome, platform=platform, prefix=prefix))
    for decision in (*finals, *woken):
        out.extend(notices_of(decision, platform=platform, prefix=prefix))
    return out


def day_notice(
    step: Told, count: int | None, amount_fen: int | None, *, platform: str, prefix: str
) -> Notice:
    """The notice that a day has reached a state. 日终通知

    In:      its entries and what moves between banks, None where the state does not have them yet.
    """
    root = step.root if step.state == State.SIGNED else None
    data = DayStep.model_validate(
        _there(
            clearing_date=step.clearing_date,
            state=step.state,
            entries=count,
            amount=amount_fen,
            digest=root.hex() if root else None,
        )
    )
    notice = DayNotice(
        id=f"{platform}/day/{step.clearing_date}/{step.state}", source=platform, time=step.at, data=data
    )
    return Notice(
        topic_name(DayNotice.topic, prefix), step.clearing_date.isoformat().encode(), notice.to_bytes()
    )


def exposure_notice(one: StoredCrossing, *, platform: str, prefix: str) -> Notice:
    """The warning that a bank's running net has crossed its cap. 敞口预警"""
    data = Exposure(
        **_there(
            clearing_date=one.clearing_date,
            bank=one.bank,
            level="OVER" if one.over else "WITHIN",
            net=one.net_fen,
            cap=one.cap_fen,
            over=one.net_fen - one.cap_fen if one.over and one.cap_fen is not None else None,
            no=one.no,
        )
    )
    name = f"{one.clearing_date}/{one.bank}"
    notice = ExposureNotice(
        id=f"{platform}/exposure/{name}/{one.no}", source=platform, time=one.at, data=data
    )
    return Notice(topic_name(ExposureNotice.topic, prefix), name.encode(), notice.to_bytes())
