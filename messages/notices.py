"""What the engine says back: outcomes, card uses, days, quarantine. 通知

Every notice is a CloudEvents 1.0 object like the events themselves, sent by the platform. It is sent at least
once; its id is made from the event's, so a receiver tells a repeat by the id alone. Money is whole fen in
Python and yuan text on the wire.

    topic (with the default prefix)   notice             record key
    clearing.results                  ResultNotice       source/id of the event
    clearing.swipes                   SwipeNotice        card
    clearing.days                     DayNotice          clearing date
    clearing.days                     ExposureNotice     clearing date/bank
    clearing.quarantine               QuarantineNotice   SM3 of the record
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, ClassVar, Final, Literal

from moneyed import CNY, Money
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer
from pydantic_core import to_json

from messages.envelope import Part
from messages.fields import (
    AMOUNT_PATTERN,
    Access,
    AppArea,
    Digest,
    EventId,
    LastFour,
    Maybe,
    MemberCode,
    Terminal,
    Text64,
    Text200,
    fen_of,
)

DayState = Literal["open", "cut", "netted", "filed", "reconciled", "signed"]

SIGNED_PATTERN: Final = AMOUNT_PATTERN.replace("^", "^-?", 1)

RESULTS: Final = "results"
SWIPES: Final = "swipes"
DAYS: Final = "days"
QUARANTINE: Final = "quarantine"


def yuan_text(fen: int) -> str:
    """Write fen as yuan text by way of `Money`, the type that amounts have at the edges."""
    return f"{Money(fen, CNY).amount.scaleb(-2):.2f}"


def _fen_if_text(value: object) -> object:
    if isinstance(value, str):
        return -fen_of(value[1:]) if value.startswith("-") else fen_of(value)
    return value


YuanFen = Annotated[
    int,
    BeforeValidator(_fen_if_text),
    Field(strict=True, ge=0),
    PlainSerializer(
        yuan_text, return_type=Annotated[str, Field(pattern=AMOUNT_PATTERN)], when_used="json-unless-none"
    ),
]
SignedFen = Annotated[
    int,
    BeforeValidator(_fen_if_text),
    Field(strict=True),
    PlainSerializer(
        yuan_text,
        return_type=Annotated[str, Field(pattern=SIGNED_PATTERN)],
        when_used="json-unless-none",
    ),
]
NoticeId = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]{0,11}/[A-Za-z0-9._:-]{1,64}/[0-9a-f]{1,8}$")]


class Result(Part):
    """What became of one event."""

    source: MemberCode
    """Source of the event."""
    id: EventId
    """Id of the event."""
    type: str
    """Type of the event."""
    outcome: Literal["posted", "noted", "duplicate", "rejected", "parked"]
    """What became of it."""
    reason: Maybe[str] = None
    """Of a rejection: the code of the rule that refused it."""
    text: Maybe[str] = None
    """Of a rejection: one sentence for people."""
    entry_id: Maybe[str] = None
    """Of what was posted: the entry in the books."""
    clearing_date: Maybe[date] = None
    """Of what was posted or noted: the day it belongs to."""
    late: Maybe[bool] = None
    """True when its own day was cut already and it went to a later one."""
    waits_for: Maybe[str] = None
    """Of what is parked: what it waits for."""
    first_outcome: Maybe[Literal["posted", "noted", "rejected", "parked"]] = None
    """Of a duplicate: what became of it the first time."""


class Swipe(Part):
    """One use of a card at an institution, for the card platform's supervision. 用卡监管"""

    source: MemberCode
    """Source of the event."""
    id: EventId
    """Id of the event."""
    type: str
    """Type of the event."""
    outcome: Literal["posted", "noted", "rejected"]
    """What became of it."""
    reason: Maybe[str] = None
    """Of a rejection: the code of the rule that refused it."""
    entry_id: Maybe[str] = None
    """Of what was posted: the entry in the books."""
    card: Maybe[str] = None
    """Token of the card; of an undo without a card, the original's when it is known."""
    card_last4: Maybe[LastFour] = None
    """Last four digits of the card number, when the event had them."""
    institution: Maybe[MemberCode] = None
    """Hospital or pharmacy."""
    terminal: Maybe[Terminal] = None
    """Number of the terminal."""
    access: Maybe[Access] = None
    """By which way the patient came."""
    app_area: AppArea
    """Field of use of the card."""
    amount: YuanFen
    """Yuan with two decimals."""
    direction: Literal["DEBIT", "CREDIT"]
    """DEBIT takes from the card's account, CREDIT gives to it."""
    time: AwareDatetime
    """When it happened."""


class DayStep(Part):
    """A clearing date has reached its next state. 清算日"""

    clearing_date: date
    """Which day."""
    state: DayState
    """The state it has now."""
    entries: Maybe[Annotated[int, Field(strict=True, ge=0)]] = None
    """How many entries it has, those of its end not counted; once it is cut."""
    amount: Maybe[YuanFen] = None
    """What its settlement instructions move between banks, yuan with two decimals; once it is netted."""
    digest: Maybe[Digest] = None
    """The day's root digest, SM3 in hex, once it is signed."""


class Exposure(Part):
    """What a bank would have to pay if the day ended now has crossed its net cap. 日间敞口预警"""

    clearing_date: date
    """Which day."""
    bank: MemberCode
    """Which bank."""
    level: Literal["OVER", "WITHIN"]
    """OVER: it has risen over the cap; WITHIN: it is not over it any more."""
    net: SignedFen
    """The running net when this was seen, yuan with two decimals; positive is to be paid, negative received."""
    cap: Maybe[YuanFen] = None
    """Its net cap, yuan with two decimals; absent once it is lifted."""
    over: Maybe[YuanFen] = None
    """By how much the net is over the cap, yuan with two decimals."""
    no: Annotated[int, Field(strict=True, ge=1)]
    """Number of this warning for the bank and day, from 1."""


class Quarantined(Part):
    """A record that could not be read as an event. 待处理"""

    where: str
    """Path of the field, or the place in the record."""
    what: str
    """What is wrong, expected, got."""
    source: Maybe[MemberCode] = None
    """Source of the event, when it could be read."""
    id: Maybe[EventId] = None
    """Id of the event, when it could be read."""
    type: Maybe[str] = None
    """Type of the event, when it could be read."""
    sm3: Digest
    """SM3 of the record, in hex."""
    length: Annotated[int, Field(strict=True, ge=0)]
    """Of the record, in bytes."""
    kept: bool
    """False when the record held what must not be kept."""
    topic: Maybe[str] = None
    """Where it came from."""
    partition: Maybe[int] = None
    """Its partition there."""
    offset: Maybe[int] = None
    """Its place there."""


class Notice(BaseModel):
    """The frame around every notice: a CloudEvents 1.0 object in structured mode."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
    topic: ClassVar[str]

    specversion: Literal["1.0"] = "1.0"
    """Version of CloudEvents."""
    id: Text200
    """Made from the event's, so that a repeat has the same."""
    source: MemberCode
    """Code of the platform."""
    time: AwareDatetime
    """When it was said."""
    correlationid: Maybe[Text64] = None
    """The event's own, when it had one."""

    def to_bytes(self) -> bytes:
        """Write the notice as the value of one record: UTF-8 JSON, absent fields left out."""
        return self.__pydantic_serializer__.to_json(self, exclude_none=True)

    @classmethod
    def written(
        cls, id_: str, source: str, time: datetime, correlationid: str | None, data: dict[str, object]
    ) -> bytes:
        """Write what the engine itself decided, without checking it again: a quarter of the time.

        In:      `data` in the order of the body's fields, those that do not apply left out, amounts as yuan text.
        Out:     the bytes that the model's `to_bytes` gives of the same; tests hold the two together.
        """
        frame: dict[str, object] = {"specversion": "1.0", "id": id_, "source": source, "time": time}
        if correlationid is not None:
            frame["correlationid"] = correlationid
        frame["type"] = cls.__pydantic_fields__["type"].default
        frame["data"] = data
        return to_json(frame)


class ResultNotice(Notice):
    """Tells the producer, and all who listen, what became of an event. 处理结果"""

    topic: ClassVar[str] = RESULTS
    id: NoticeId
    """`source/id/1`, after parking `source/id/2`; for an id used again `source/id/` and 8 hex digits."""
    type: Literal["notice.result"] = "notice.result"
    """What this is."""
    data: Result
    """The body."""


class SwipeNotice(Notice):
    """Tells the card platform that a card was used. 用卡通知"""

    topic: ClassVar[str] = SWIPES
    id: NoticeId
    """`source/id/1` and so on, as the result of the same event."""
    type: Literal["notice.swipe"] = "notice.swipe"
    """What this is."""
    data: Swipe
    """The body."""


class DayNotice(Notice):
    """Tells members how far a day is. 日终通知"""

    topic: ClassVar[str] = DAYS
    type: Literal["notice.day"] = "notice.day"
    """What this is."""
    data: DayStep
    """The body."""


class ExposureNotice(Notice):
    """Warns members of a bank that went over its net cap, and tells when it is within it again. 敞口预警通知"""

    topic: ClassVar[str] = DAYS
    type: Literal["notice.exposure"] = "notice.exposure"
    """What this is."""
    data: Exposure
    """The body."""


class QuarantineNotice(Notice):
    """Tells the operator that a record could not be read. 待处理通知"""

    topic: ClassVar[str] = QUARANTINE
    type: Literal["notice.quarantine"] = "notice.quarantine"
    """What this is."""
    data: Quarantined
    """The body."""


NOTICES: Final[tuple[type[Notice], ...]] = (
    ResultNotice,
    SwipeNotice,
    DayNotice,
    ExposureNotice,
    QuarantineNotice,
)


def notice_id(source: str, event_id: str, part: int | str = 1) -> str:
    """Name an event's notice: `H1/H1-0029/1`; 2 after parking; 8 hex digits of SM3 for an id used again."""
    return f"{source}/{event_id}/{part}"


def topic_name(family: str, prefix: str = "clearing") -> str:
    """Name the topic of a family of events or notices: clearing.payments, clearing.results."""
    return f"{prefix}.{family}"
