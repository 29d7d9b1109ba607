"""The frame around every event, and the two things a record can turn out to be. 事件信封"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Generic, Literal, NamedTuple, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from messages.fields import EventId, Instant, Maybe, MemberCode, Text64

RECORD_BYTES_MAX: Final = 256 * 1024
"""A longer record is malformed."""

SAID: Final = frozenset({"specversion", "id", "source", "type", "time", "env", "correlationid", "data"})
"""The envelope fields that make up "the same content"; the others may change between two sendings."""


class Rule(NamedTuple):
    """One condition between fields of one event: its check, and JSON Schema for it where that has words."""

    check: Callable[[Any], None]
    schema: dict[str, Any] | None = None


def broken(field: str, what: str) -> NoReturn:
    """Say which field breaks a rule and how; `what` holds amounts and our own words, no text sent.

    Raises:  PydanticCustomError, always; decode turns it into a Malformed.
    """
    raise PydanticCustomError("rule", "{what}", {"field": field, "what": what})


class Part(BaseModel):
    """A group of fields, whole or nested: unknown fields are refused and nothing changes once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Ruled(Part):
    """A part whose fields must also fit each other."""

    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _keep_the_rules(self) -> Ruled:
        for rule in self.rules:
            rule.check(self)
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        described = handler.resolve_ref_schema(handler(schema))
        told = [rule.schema for rule in cls.rules if rule.schema]
        if told:
            described["allOf"] = told
        return described


class Body(Ruled):
    """What one type of event says: the base of every model in this package's catalogue."""


D_co = TypeVar("D_co", bound=Body, covariant=True)


class Envelope(BaseModel, Generic[D_co]):
    """A CloudEvents 1.0 object in structured mode, as it travels."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    specversion: Literal["1.0"]
    """Version of CloudEvents."""
    id: EventId
    """Identifier of the event, unique for ever within its source."""
    source: MemberCode
    """Member code of the producer."""
    type: str
    """What happened."""
    time: Instant
    """When it happened, RFC 3339 with its offset."""
    env: Literal["PROD", "TEST"] = "PROD"
    """PROD, or TEST for an engine that runs for tests."""
    correlationid: Maybe[Text64] = None
    """Ties together the events of one matter; the engine only carries it."""
    producerseq: Maybe[Annotated[int, Field(strict=True, ge=0, le=2**63 - 1)]] = None
    """The source's own running number, rising by one; a gap is reported, not refused."""
    keyid: Maybe[Annotated[str, Field(min_length=1, max_length=64)]] = None
    """Which key signed."""
    signature: Maybe[Annotated[str, Field(min_length=1, max_length=1024)]] = None
    """The signature over the event."""
    data: D_co
    """The body."""


@dataclass(slots=True)
class Event:
    """A fact that arrived and reads well. Everything in it comes from the bytes of its record alone. 业务事件

    Nobody changes an event. It is not frozen only because that makes building one three times as slow.
    """

    id: str
    """Unique for ever within `source`."""
    source: str
    """Member code of the producer."""
    type: str
    """A name of the catalogue, such as payment.made."""
    time: datetime
    """When it happened, aware, in UTC whatever offset was sent."""
    env: str
    """PROD or TEST."""
    correlationid: str | None
    """Ties together the events of one matter."""
    producerseq: int | None
    """The source's own running number."""
    data: Body
    """The typed body: the model that the catalogue gives for `type`."""
    sm3: bytes
    """SM3 (32 bytes) of what was said, as sent: equal digests are equal content. 国密摘要"""
    keyid: str | None = None
    """Which key signed."""
    signature: str | None = None
    """The signature over the event."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """A record that cannot be read as an event, described without any of its values. 待处理"""

    where: str
    """Path of the field, such as data.amount, or the place in the record, such as byte 17."""
    what: str
    """One sentence: what is wrong, expected, got."""
    source: str | None
    """Member code of the producer, when it could be read."""
    id: str | None
    """Id of the event, when it could be read."""
    type: str | None
    """Type of the event, when it could be read."""
    sm3: bytes
    """SM3 (32 bytes) of the record's bytes."""
    length: int
    """Of the record, in bytes."""
    keep_bytes: bool
    """False when the record holds a card number, PIN or the like: its bytes must then be kept nowhere."""

    def __str__(self) -> str:
        """Put where and what together, as logs and screens show it."""
        return f"{self.where}: {self.what}"
