"""From the bytes of a record to an event, or to a description of what is wrong with it. 解码

    bytes ── UTF-8 ── JSON, no key twice ── the type's model ── SM3 of what was said ──> Event
      └─────────┴──────────┴──────────────────────┴── wrong ── secrets? ──────────────> Malformed

Pure and total: no clock, no I/O, and whatever the bytes are, the answer is a value.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from messages.catalogue import CATALOGUE
from messages.envelope import RECORD_BYTES_MAX, SAID, Body, Envelope, Event, Malformed
from messages.sensitive import find_secret, find_secret_in_bytes
from messages.wording import path_text, sentence, worst

_SM3: Final = hashlib.new("sm3")
_EXTENSION: Final = re.compile(r"[a-z0-9]{1,64}")
_EVENT_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_MEMBER: Final = re.compile(r"[A-Z][A-Z0-9]{0,11}")
_BOUNDED_FIELD: Final = re.compile(r"[a-z_]{1,32}[0-9]?")


class _Validators(dict[str, Callable[[object], Envelope[Body]]]):
    """The compiled validator of each type, made when the first event of that type comes.

    To compile all of them takes a third of a second, which a command that reads no event need not wait for.
    """

    def __missing__(self, name: str) -> Callable[[object], Envelope[Body]]:
        adapter = TypeAdapter[Envelope[Body]](cast("Any", Envelope)[CATALOGUE[name].model])
        self[name] = validate = adapter.validator.validate_python
        return validate


_VALIDATE: Final = _Validators()
_CANONICAL: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False, allow_nan=False
).encode


class _UnreadableError(ValueError):
    """JSON that says no one thing; `where` and `what` are ready for a Malformed."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")
        self.where = where
        self.what = what


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        where = twice if _BOUNDED_FIELD.fullmatch(twice) else "record"
        raise _UnreadableError(where, "expected each key once in an object, got one twice")
    return found


def _no_constant(name: str) -> float:
    raise _UnreadableError("record", f"expected a number, got {name}")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _UnreadableError("record", "expected a number, got one beyond all bounds")
    return number


_PARSE: Final = json.JSONDecoder(
    object_pairs_hook=_once, parse_constant=_no_constant, parse_float=_finite
).decode


def decode(value: bytes | None) -> Event | Malformed:
    """Read one record as an event. Never raises, whatever the bytes. 解码

    In:      the value of one Kafka record or one line of a file, UTF-8 JSON, at most 256 KiB; None (a
             record without a value) counts as no bytes.
    Out:     Event with its typed body and digest, or Malformed, which says where and what but no value.
    Source:  CloudEvents 1.0, structured mode; the catalogue of this package.
    """
    value = value or b""
    return _read_quickly(value) or _read_with_care(value)


def _read_quickly(value: bytes) -> Event | None:
    """Read the usual record in half the time; None when it is unusual in any way, right or wrong.

    The fast parser keeps the last of two equal keys. Without a backslash every quotation mark in the record
    is one of JSON's own, so a key that was lost shows as marks that the canonical text does not have. Nor is
    there anything then that one writer of JSON would escape and another not, and no model has a field for a number
    with a point, so the fast writer gives the canonical text.
    """
    if len(value) > RECORD_BYTES_MAX or b"\\" in value:
        return None
    try:
        sent = from_json(value, allow_inf_nan=False, cache_strings="keys")
        said = _VALIDATE[sent["type"]](sent)
        if said.__pydantic_extra__ or said.keyid is not None or said.signature is not None:
            return None
        marks = value.count(b'"')
        if said.producerseq is not None:
            del sent["producerseq"]
            marks -= 2
        canonical = to_json(_in_order(sent))
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return _event(said, canonical) if canonical.count(b'"') == marks else None


def _in_order(part: Any) -> Any:  # noqa: ANN401 - any JSON
    """The same JSON, the keys of every object sorted."""
    if type(part) is dict:
        return {name: one if type(one := part[name]) is str else _in_order(one) for name in sorted(part)}
    return [_in_order(one) for one in part] if type(part) is list else part


def _read_with_care(value: bytes) -> Event | Malformed:
    if len(value) > RECORD_BYTES_MAX:
        return _unread(value, "record", f"expected at most {RECORD_BYTES_MAX} bytes, got {len(value)}")
    try:
        sent = _PARSE(value.decode())
    except (ValueError, RecursionError) as problem:
        return _unread(value, *_why_unread(problem))
    if not isinstance(sent, dict):
        return _unread(value, "record", "expected one JSON object, got another JSON value")
    name = sent.get("type")
    if not isinstance(name, str) or name not in CATALOGUE:
        what = "is missing" if "type" not in sent else "expected a type of the catalogue, got another value"
        return _malformed(value, sent, "type", what)
    try:
        said = _VALIDATE[name](sent)
    except ValidationError as problem:
        return _malformed(value, sent, *sentence(worst(problem), name))
    refused = _wrong_extension(said.__pydantic_extra__ or {})
    return _event(said, canonical_bytes(sent)) if refused is None else _malformed(value, sent, *refused)


def _event(said: Envelope[Body], canonical: bytes) -> Event:
    field = said.__dict__  # a model takes four times as long to give one: 0.14 µs
    return Event(
        field["id"],
        field["source"],
        field["type"],
        field["time"],
        field["env"],
        field["correlationid"],
        field["producerseq"],
        field["data"],
        _sm3(canonical),
        field["keyid"],
        field["signature"],
    )


def canonical_bytes(sent: dict[str, Any]) -> bytes:
    """What an envelope says, as the bytes whose SM3 is the event's: equal bytes are equal content. 规范化

    In:      the envelope as it was parsed, defaults not filled in.
    Out:     keys sorted, no white space, UTF-8 as it is; sequence, signature and extensions left out.
    """
    return _CANONICAL({name: part for name, part in sent.items() if name in SAID}).encode()


def _sm3(value: bytes) -> bytes:
    summing = _SM3.copy()
    summing.update(value)
    return summing.digest()


def _why_unread(problem: ValueError | RecursionError) -> tuple[str, str]:
    match problem:
        case _UnreadableError():
            return problem.where, problem.what
        case UnicodeDecodeError():
            return f"byte {problem.start}", "expected UTF-8, got another encoding"
        case json.JSONDecodeError():
            return f"byte {len(problem.doc[: problem.pos].encode())}", "expected JSON, got something else"
        case RecursionError():
            return "record", "expected a flat record, got objects or lists nested too deep"
        case _:
            return "record", "expected numbers of usual length, got a longer one"


def _unread(value: bytes, where: str, what: str) -> Malformed:
    """Describe bytes that are no record; being unread, they are searched as plain text."""
    return Malformed(
        where, what, None, None, None, _sm3(value), len(value), keep_bytes=not find_secret_in_bytes(value)
    )


def _malformed(value: bytes, sent: dict[str, Any], where: str, what: str) -> Malformed:
    """Describe a record that is JSON but no event; a secret in it matters more than any other fault."""
    secret = find_secret(sent)
    if secret is not None:
        where, what = path_text(secret.path), secret.what
    return Malformed(
        where,
        what,
        _well_formed(sent.get("source"), _MEMBER),
        _well_formed(sent.get("id"), _EVENT_ID),
        name if isinstance(name := sent.get("type"), str) and name in CATALOGUE else None,
        _sm3(value),
        len(value),
        keep_bytes=secret is None,
    )


def _well_formed(value: object, pattern: re.Pattern[str]) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def _wrong_extension(extensions: dict[str, Any]) -> tuple[str, str] | None:
    for name, part in extensions.items():
        if _EXTENSION.fullmatch(name) is None:
            return path_text((name,)), "unknown field; an extension's name is lower-case letters and digits"
        if isinstance(part, dict | list):
            return path_text((name,)), "expected text, a number or true or false in an extension, got more"
    secret = find_secret(extensions)
    return None if secret is None else (path_text(secret.path), secret.what)
