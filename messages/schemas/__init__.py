"""The same words for other languages: one JSON Schema a type, one AsyncAPI page for all. 接口定义

    python -m messages.schemas        write schemas/*.json and asyncapi.yaml anew

Everything comes from the models; a test holds the files to them. `examples.jsonl` is written by hand: one
event of every type, with which producers can begin.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from messages.catalogue import CATALOGUE
from messages.envelope import Envelope
from messages.notices import NOTICES, Notice, topic_name

CONTRACT_VERSION: Final = "1.0.0"
"""Of the events and notices; rises when one of them changes."""
CONTENT_TYPE: Final = "application/cloudevents+json"
HERE: Final = Path(__file__).parent

_FAMILY_TEXT: Final = {
    "cards": "Cards and terminals: registration, states, numbers.",
    "payments": "Payments and their undos, top-ups, premiums.",
    "deposits": "Stays, deposits, discharges, arrears.",
    "reimbursements": "Payouts to patients, claims of hospitals, retention, cross-region.",
    "control": "Settlement, fee adjustments, corrections.",
}
_NOTICE_TEXT: Final = {
    "results": "What became of every event.",
    "swipes": "Every use of a card at an institution.",
    "days": "How far each day is; banks over their net cap.",
    "quarantine": "Records that could not be read.",
}
_NOTICE_KEY: Final = {
    "notice.result": "`source/id` of the event.",
    "notice.swipe": "Token of the card.",
    "notice.day": "Clearing date.",
    "notice.exposure": "`clearing date/bank`.",
    "notice.quarantine": "SM3 of the record, in hex.",
}
_EXTENSIONS: Final = {
    "propertyNames": {"pattern": "^[a-z0-9]{1,64}$"},
    "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
}

Json = dict[str, Any]


def examples() -> dict[str, Json]:
    """Read the hand-written example of every event type, by type name."""
    lines = (HERE / "examples.jsonl").read_text(encoding="utf-8").splitlines()
    return {event["type"]: event for event in map(json.loads, lines)}


def event_schema(name: str, example: Json) -> Json:
    """Describe one event type, envelope included, as JSON Schema 2020-12."""
    entry = CATALOGUE[name]
    schema = _tidy(Envelope[entry.model].model_json_schema())  # type: ignore[name-defined]
    schema["properties"]["type"] = {"const": name, "description": "What happened."}
    return _frame(name, _summary(entry.model), schema | _EXTENSIONS | {"examples": [example]})


def notice_schema(model: type[Notice]) -> Json:
    """Describe one notice, envelope included, as JSON Schema 2020-12."""
    schema = _tidy(model.model_json_schema(mode="serialization"))
    return _frame(_notice_name(model), _summary(model), schema)


def asyncapi() -> Json:
    """Describe every topic, what travels on it and under which key, as AsyncAPI 3.0."""
    messages = {
        name: _message(name, _summary(entry.model), str(entry.key.__doc__))
        for name, entry in CATALOGUE.items()
    }
    channels = {
        family: _channel(family, text, [name for name, entry in CATALOGUE.items() if entry.family == family])
        for family, text in _FAMILY_TEXT.items()
    }
    operations: Json = {
        f"take_{family}": {"action": "receive", "channel": {"$ref": f"#/channels/{family}"}}
        for family in channels
    }
    for model in NOTICES:
        name = _notice_name(model)
        messages[name] = _message(name, _summary(model), _NOTICE_KEY[name])
    for topic, text in _NOTICE_TEXT.items():
        names = [_notice_name(model) for model in NOTICES if model.topic == topic]
        channels[topic] = _channel(topic, text, names)
        operations[f"announce_{topic}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{topic}"},
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Bank-hospital clearing",
            "version": CONTRACT_VERSION,
            "description": "Events that banks, hospitals, funds and channels send, and the notices "
            "they get back. The prefix of the topics can be configured.",
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def files() -> dict[Path, str]:
    """Generate every file: its path and its text."""
    known = examples()
    made = {f"{name}.json": event_schema(name, known[name]) for name in CATALOGUE}
    made |= {f"{_notice_name(model)}.json": notice_schema(model) for model in NOTICES}
    texts = {
        HERE / name: json.dumps(schema, ensure_ascii=False, indent=2) + "\n" for name, schema in made.items()
    }
    header = "# Written by `python -m messages.schemas`; change the models, not this file.\n"
    return texts | {HERE.parent / "asyncapi.yaml": header + "\n".join(_yaml(asyncapi(), 0)) + "\n"}


def _message(name: str, summary: str, key: str) -> Json:
    return {
        "name": name,
        "title": name,
        "summary": summary,
        "contentType": CONTENT_TYPE,
        "payload": {"$ref": f"./schemas/{name}.json"},
        "bindings": {"kafka": {"key": {"type": "string", "description": key}}},
    }


def _channel(family: str, text: str, names: list[str]) -> Json:
    return {
        "address": topic_name(family),
        "description": text,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
    }


def _frame(name: str, summary: str, schema: Json) -> Json:
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:clearing:{name}:1"}
    return (
        head
        | {"title": name, "description": summary}
        | {k: v for k, v in schema.items() if k not in {"title", "description"}}
    )


def _notice_name(model: type[Notice]) -> str:
    return str(model.model_fields["type"].default)


def _summary(model: type[Any]) -> str:
    return str(model.__doc__).splitlines()[0]


def _tidy(node: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    """Take out titles made of field names, and the nulls that stand for absent."""
    if isinstance(node, list):
        return [_tidy(part) for part in node]
    if not isinstance(node, dict):
        return node
    if [part for part in node.get("anyOf", ()) if part != {"type": "null"}] != [*node.get("anyOf", ())]:
        (only,) = [part for part in node["anyOf"] if part != {"type": "null"}]
        node = {name: part for name, part in node.items() if name != "anyOf"} | only
    return {
        name: {field: _tidy(part) for field, part in inner.items()}
        if name in {"properties", "$defs"}
        else _tidy(inner)
        for name, inner in node.items()
        if not (name == "title" and isinstance(inner, str)) and not (name == "default" and inner is None)
    }


def _yaml(node: Any, depth: int) -> Iterator[str]:  # noqa: ANN401 - JSON of any shape
    """Write objects as YAML blocks and everything else as JSON, which YAML reads too."""
    for name, inner in node.items():
        key = name if name.replace("_", "").isalpha() else json.dumps(name)
        if isinstance(inner, dict):
            yield f"{'  ' * depth}{key}:"
            yield from _yaml(inner, depth + 1)
        else:
            yield f"{'  ' * depth}{key}: {json.dumps(inner, ensure_ascii=False)}"
