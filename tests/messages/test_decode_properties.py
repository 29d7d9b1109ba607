"""What holds for every record, whatever its bytes."""

from __future__ import annotations

import copy
import hashlib
import importlib
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from messages import Event, Malformed, decode
from messages.schemas import examples

# The package's own name `decode` is the function; the module is wanted here.
reader = importlib.import_module("messages.decode")

GOOD = examples()
RAW = {name: json.dumps(event, ensure_ascii=False).encode() for name, event in GOOD.items()}

names = st.sampled_from(sorted(GOOD))
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5
)


@st.composite
def mutated_bytes(draw: st.DrawFn) -> bytes:
    """Cut, double or overwrite a piece of a good record."""
    raw = RAW[draw(names)]
    start = draw(st.integers(0, len(raw)))
    end = draw(st.integers(start, len(raw)))
    return (
        raw[:start] + draw(st.sampled_from([b"", raw[start:end] * 2, b'"', b"\\"]) | st.binary()) + raw[end:]
    )


@st.composite
def mutated_events(draw: st.DrawFn) -> dict[str, Any]:
    """Set one field of a good event, at any depth, to any JSON value."""
    event = copy.deepcopy(GOOD[draw(names)])
    at: Any = event
    while True:
        step = draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        if isinstance(at[step], dict | list) and at[step] and draw(st.booleans()):
            at = at[step]
            continue
        at[step] = draw(json_values)
        return event


@settings(deadline=None)
@given(st.binary())
def test_any_bytes_are_read_or_described(raw: bytes) -> None:
    """Bytes of any kind give a value, never an exception."""
    assert isinstance(decode(raw), Event | Malformed)


@settings(deadline=None)
@given(mutated_bytes())
def test_a_damaged_record_is_read_or_described(raw: bytes) -> None:
    """A good record with a damaged piece gives a value, and a Malformed always tells digest and length."""
    found = decode(raw)
    if isinstance(found, Malformed):
        assert (found.sm3, found.length) == (hashlib.new("sm3", raw).digest(), len(raw))
        assert found.where
        assert found.what


@settings(deadline=None)
@given(mutated_events())
def test_any_value_in_any_field_is_read_or_described(event: dict[str, Any]) -> None:
    """A good event with any JSON value in any field gives a value, never an exception."""
    assert isinstance(decode(json.dumps(event).encode()), Event | Malformed)


@settings(deadline=None)
@given(mutated_bytes() | mutated_events().map(lambda event: json.dumps(event, ensure_ascii=False).encode(
    errors="surrogatepass")))  # fmt: skip
def test_the_quick_way_reads_what_the_careful_way_reads(raw: bytes) -> None:
    """Where the quick way gives an event, the careful way gives the same one."""
    quick = reader._read_quickly(raw)
    assert quick is None or quick == reader._read_with_care(raw)


@settings(deadline=None)
@given(names, st.randoms(use_true_random=False), st.sampled_from([None, 1, 3]))
def test_content_is_the_same_in_any_order_and_layout(name: str, random: Any, indent: int | None) -> None:  # noqa: ANN401
    """Neither the order of keys nor white space changes the digest."""

    def shuffled(value: Any) -> Any:  # noqa: ANN401
        if isinstance(value, list):
            return [shuffled(part) for part in value]
        if not isinstance(value, dict):
            return value
        keys = sorted(value)
        random.shuffle(keys)
        return {key: shuffled(value[key]) for key in keys}

    raw = json.dumps(shuffled(GOOD[name]), indent=indent).encode()
    again, first = decode(raw), decode(RAW[name])
    assert isinstance(again, Event)
    assert isinstance(first, Event)
    assert (again.sm3, again.data) == (first.sm3, first.data)


@settings(deadline=None)
@given(mutated_events())
def test_other_content_has_another_digest(event: dict[str, Any]) -> None:
    """Whatever value of an event differs, its digest differs."""
    found = decode(json.dumps(event).encode())
    if isinstance(found, Event):
        first = decode(RAW[found.type])
        assert isinstance(first, Event)
        assert (found.sm3 == first.sm3) == (event == GOOD[found.type])


@settings(deadline=None)
@given(names)
def test_sequence_signature_and_extensions_are_not_content(name: str) -> None:
    """What may change between two sendings is no content; a default that is spelled out is."""
    first = decode(RAW[name])
    more = {"producerseq": 9, "keyid": "k1", "signature": "c2ln", "traceparent": "00-1", "subject": "x"}
    again = decode(json.dumps({**GOOD[name], **more}).encode())
    spelled = decode(json.dumps({**GOOD[name], "env": "PROD"}).encode())
    assert isinstance(first, Event)
    assert isinstance(again, Event)
    assert isinstance(spelled, Event)
    assert again.sm3 == first.sm3 != spelled.sm3
    assert (again.producerseq, again.keyid, again.signature) == (9, "k1", "c2ln")


def test_the_digest_is_over_the_canonical_text() -> None:
    """The digest can be computed by anyone: sorted keys, no white space, UTF-8 as it is."""
    event = {**GOOD["payment.voided"], "producerseq": 1}
    event["data"] = {**event["data"], "reason": "开错项目"}
    found = decode(json.dumps(event, ensure_ascii=True, indent=1).encode())
    said = {name: part for name, part in event.items() if name != "producerseq"}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert isinstance(found, Event)
    assert found.sm3 == hashlib.new("sm3", text.encode()).digest()
