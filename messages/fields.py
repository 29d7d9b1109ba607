"""The small words every event is written in: codes, tokens, amounts, dates. 字段

Each alias below is one wire format. Text never becomes a number by itself and a number never becomes
text; an amount is yuan text on the wire and whole fen (`int`) once read. A field that may be left out is
`Maybe[...]`: absent is None, while an explicit `null` is refused, because it says neither yes nor no.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError, core_schema

from messages.sensitive import is_card_number

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler

AMOUNT_PATTERN: Final = r"^[0-9]{1,13}\.[0-9]{2}$"
DATE_PATTERN: Final = r"^[12][0-9]{3}-[0-9]{2}-[0-9]{2}$"
INSTANT_PATTERN: Final = (
    r"^[12][0-9]{3}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})$"
)
TEXT_PATTERN: Final = r"^[^\x00-\x1f\x7f]+$"
FORMS: Final = {
    AMOUNT_PATTERN: "yuan text such as 128.50",
    DATE_PATTERN: "a date such as 2026-03-10",
    INSTANT_PATTERN: "an instant with its offset such as 2026-03-10T08:31:00+08:00",
    TEXT_PATTERN: "text without control characters",
}
"""How a fault names the patterns that are hard to read."""

_AMOUNT: Final = re.compile(r"[0-9]{1,13}\.[0-9]{2}")


def amount_text(fen: int) -> str:
    """Write fen as yuan text with two decimals: 12850 is "128.50", -5 is "-0.05"."""
    yuan, rest = divmod(abs(fen), 100)
    return f"{'-' if fen < 0 else ''}{yuan}.{rest:02d}"


def fen_of(text: str) -> int:
    """Read yuan text of the wire ("128.50") as fen (12850).

    Raises:  ValueError when the text has a sign, other than two decimals or more than 13 yuan digits.
    """
    if _AMOUNT.fullmatch(text) is None:
        msg = f"expected yuan text such as 128.50, got {len(text)} characters of another form"
        raise ValueError(msg)
    return _fen(text)


def _fen(text: str) -> int:
    return int(text[:-3] + text[-2:])


def _fen_above_zero(text: str) -> int:
    fen = int(text[:-3] + text[-2:])
    if fen == 0:
        raise PydanticCustomError("amount_zero", "expected an amount above 0.00, got 0.00")
    return fen


@dataclass(frozen=True, slots=True)
class _Amount:
    """Tells pydantic to read yuan text into fen, and JSON Schema what that text looks like."""

    zero_allowed: bool

    def __get_pydantic_core_schema__(self, _: object, __: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(
            _fen if self.zero_allowed else _fen_above_zero,
            core_schema.str_schema(pattern=AMOUNT_PATTERN),
            serialization=core_schema.plain_serializer_function_ser_schema(
                amount_text, return_schema=core_schema.str_schema()
            ),
        )

    def __get_pydantic_json_schema__(
        self, _: core_schema.CoreSchema, __: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "string", "pattern": AMOUNT_PATTERN, "examples": ["128.50"]}
        return schema if self.zero_allowed else schema | {"not": {"pattern": r"^0+\.00$"}}


class _Day:
    """A calendar date written YYYY-MM-DD and nothing else (no number, no date with a time)."""

    @staticmethod
    def __get_pydantic_core_schema__(_: object, __: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.chain_schema(
            [core_schema.str_schema(pattern=DATE_PATTERN), core_schema.date_schema()]
        )

    @staticmethod
    def __get_pydantic_json_schema__(_: core_schema.CoreSchema, __: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "format": "date", "pattern": DATE_PATTERN, "examples": ["2026-03-10"]}


def instant_of(text: str) -> datetime:
    """Read RFC 3339 text with its offset as an aware instant in UTC (finer than microseconds is cut off).

    Raises:  ValueError when the text is no instant (30 February, 25 o'clock, a leap second).
    """
    return datetime.fromisoformat(text.upper()).astimezone(UTC)


class _Instant:
    """An instant with its offset, kept in UTC."""

    @staticmethod
    def __get_pydantic_core_schema__(_: object, __: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(
            instant_of,
            core_schema.str_schema(pattern=INSTANT_PATTERN),
            serialization=core_schema.plain_serializer_function_ser_schema(
                datetime.isoformat, return_schema=core_schema.str_schema(), when_used="json"
            ),
        )

    @staticmethod
    def __get_pydantic_json_schema__(_: core_schema.CoreSchema, __: GetJsonSchemaHandler) -> dict[str, Any]:
        return {
            "type": "string",
            "format": "date-time",
            "pattern": INSTANT_PATTERN,
            "examples": ["2026-03-10T08:31:00+08:00"],
        }


class _Absent:
    """Makes an optional field absent or right, never `null`."""

    @staticmethod
    def __get_pydantic_core_schema__(source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        schema = handler(source)
        return schema["schema"] if schema["type"] == "nullable" else schema


T = TypeVar("T")
Maybe = Annotated[T | None, _Absent]


def _no_card_number(text: str) -> str:
    if is_card_number(text):
        raise PydanticCustomError("card_number", "expected a token, got a card number")
    return text


def _text(length_max: int) -> Any:  # noqa: ANN401 - what Annotated takes is not a type of its own
    return StringConstraints(min_length=1, max_length=length_max, pattern=TEXT_PATTERN)


Fen = Annotated[int, _Amount(zero_allowed=False)]
FenOrZero = Annotated[int, _Amount(zero_allowed=True)]
Day = Annotated[date, _Day]
Instant = Annotated[datetime, _Instant]
Month = Annotated[
    str, StringConstraints(pattern=r"^[12][0-9]{3}-(0[1-9]|1[0-2])$"), Field(examples=["2026-03"])
]
Year = Annotated[str, StringConstraints(pattern=r"^[12][0-9]{3}$"), Field(examples=["2026"])]

EventId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,64}$"), Field(examples=["H1-0029"])]
MemberCode = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9]{0,11}$"), Field(examples=["H1"])]
CardToken = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_-]{8,64}$"),
    AfterValidator(_no_card_number),
    Field(examples=["tok_P1_B1_0001"]),
]
PersonToken = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{8,64}$"), Field(examples=["per_P1_00001"])
]
Sealed = Annotated[str, _text(1024), AfterValidator(_no_card_number)]
Terminal = Annotated[str, StringConstraints(pattern=r"^[0-9A-Fa-f]{12}$"), Field(examples=["990100000001"])]
Sam = Annotated[str, StringConstraints(pattern=r"^[0-9]{20}$"), Field(examples=["99010101000000000001"])]
AreaCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$"), Field(examples=["990001"])]
LastFour = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}$"), Field(examples=["0010"])]
CurrencyCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), Field(examples=["CNY"])]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Text16 = Annotated[str, _text(16)]
Text30 = Annotated[str, _text(30)]
Text32 = Annotated[str, _text(32)]
Text64 = Annotated[str, _text(64)]
Text200 = Annotated[str, _text(200)]
Count = Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]
Flag = Annotated[bool, Field(strict=True)]

ReadMethod = Literal["CONTACT", "CONTACTLESS", "MAGSTRIPE", "CODE", "MANUAL"]
Access = Literal["COUNTER", "KIOSK", "WARD", "WEB", "APP", "PHONE", "COMMUNITY", "PHARMACY"]
AppArea = Literal["MEDICAL", "MATERNAL", "COMMUNITY", "IMMUNIZATION", "OCCUPATIONAL", "SCHEME", "FINANCE"]
Route = Literal["DIRECT", "UNIONPAY", "CHANNEL"]
BankRoute = Literal["DIRECT", "UNIONPAY"]
ClaimKind = Literal["INPATIENT", "OUTPATIENT", "SECOND", "CRITICAL"]
AliasKind = Literal["HEALTH_CARD", "CHIP", "HOSPITAL", "BOOKLET", "CITIZEN", "SOCIAL"]
CardClass = Literal["NORMAL", "TEMP", "TEST"]
AccountClass = Literal["I", "II", "III"]
ReasonCode = Literal[
    "R01", "R02", "R03", "R04", "R05", "R06", "R07", "R08", "R09", "R10", "R11", "R12", "R13", "R14", "R99"
]
