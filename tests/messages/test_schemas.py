"""The generated files say what the code does."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from messages import CATALOGUE
from messages.notices import NOTICES, topic_name
from messages.schemas import HERE, asyncapi, event_schema, examples, files
from tests.messages.test_malformed import ALLOWED, ROWS, changed

GOOD = examples()
CHECK = {name: Draft202012Validator(event_schema(name, GOOD[name])) for name in CATALOGUE}

# Sums, sameness of two fields and the calendar have no words in JSON Schema; the reader alone holds them.
BEYOND_SCHEMA = (
    "expected an instant of the calendar", "expected a date of the calendar", "too much)", "too little)",
    "total is", "another person", "another stay", "another card", "other people", "repeated",
    "expected text in Unicode", "expected a type of the catalogue",
)  # fmt: skip


def test_the_generated_files_are_those_of_the_models() -> None:
    """Schemas and the AsyncAPI page are as `python -m messages.schemas` writes them, no more, no fewer."""
    made = files()
    assert {path.name for path in HERE.glob("*.json")} == {p.name for p in made if p.suffix == ".json"}
    assert [path.name for path, text in made.items() if path.read_text(encoding="utf-8") != text] == []


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_schema_is_sound_and_takes_its_example(name: str) -> None:
    """Every schema is JSON Schema itself, describes every field, and its example validates."""
    schema = event_schema(name, GOOD[name])
    Draft202012Validator.check_schema(schema)
    for example in schema["examples"]:
        CHECK[name].validate(example)
    groups = [schema, *schema.get("$defs", {}).values()]
    undescribed = [
        field for group in groups for field, said in group["properties"].items() if "description" not in said
    ]
    assert undescribed == []


@pytest.mark.parametrize(("name", "changes"), ALLOWED)
def test_a_schema_takes_what_decode_takes(name: str, changes: dict[str, Any]) -> None:
    """What the reader reads validates."""
    CHECK[name].validate(changed(name, changes))


@pytest.mark.parametrize(
    ("name", "changes", "where", "what"),
    [row for row in ROWS if not any(words in row[3] for words in BEYOND_SCHEMA)],
)
def test_a_schema_refuses_what_decode_refuses(
    name: str, changes: dict[str, Any], where: str, what: str
) -> None:
    """What the reader finds malformed does not validate, where JSON Schema has words for it."""
    assert not CHECK[name].is_valid(changed(name, changes)), (where, what)


def test_the_asyncapi_page_names_every_topic_and_message() -> None:
    """The page reads as YAML, and every message is on one channel, with a schema file that is there."""
    page = yaml.safe_load((HERE.parent / "asyncapi.yaml").read_text(encoding="utf-8"))
    assert page == asyncapi()
    families = {entry.family for entry in CATALOGUE.values()} | {model.topic for model in NOTICES}
    assert {channel["address"] for channel in page["channels"].values()} == set(map(topic_name, families))
    listed = [name for channel in page["channels"].values() for name in channel["messages"]]
    assert sorted(listed) == sorted(page["components"]["messages"])
    for message in page["components"]["messages"].values():
        schema = json.loads((HERE.parent / message["payload"]["$ref"]).read_text(encoding="utf-8"))
        assert schema["title"] == message["name"]
        assert message["bindings"]["kafka"]["key"]["description"]
    for operation in page["operations"].values():
        assert operation["channel"]["$ref"].removeprefix("#/channels/") in page["channels"]
