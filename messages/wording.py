"""How a fault is told: where, what, expected, got, and never a value that was sent. 措辞

Names, card and identity numbers can stand in any field by mistake, so `got` says only what kind of value
it was and how long.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from messages.fields import FORMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_TELLABLE_NAME: Final = re.compile(r"(?!.*[0-9]{5})[A-Za-z_][A-Za-z0-9_]{0,31}")
_PLAIN: Final = {
    "missing": "is missing",
    "string_type": "expected text",
    "string_unicode": "expected text in Unicode",
    "int_type": "expected a whole number",
    "bool_type": "expected true or false",
    "model_type": "expected an object",
    "model_attributes_type": "expected an object",
    "dict_type": "expected an object",
    "tuple_type": "expected a list",
    "card_number": "holds a card number; expected its token",
    "amount_zero": "expected an amount above 0.00, got 0.00",
    "date_from_datetime_parsing": "expected a date of the calendar",
    "date_parsing": "expected a date of the calendar",
    "value_error": "expected an instant of the calendar with its offset",
}
_SAYS_ALL: Final = frozenset({"missing", "card_number", "amount_zero"})


def worst(problem: ValidationError) -> ErrorDetails:
    """Choose the fault to tell: what is there and wrong before what is missing, in the model's order."""
    faults = problem.errors(include_url=False)
    return next((fault for fault in faults if fault["type"] != "missing"), faults[0])


def sentence(fault: ErrorDetails, type_name: str) -> tuple[str, str]:
    """Tell one fault of pydantic as (where, what)."""
    path, kind, facts = fault["loc"], fault["type"], fault.get("ctx", {})
    if kind == "rule":
        return path_text((*path, *str(facts["field"]).split("."))), str(facts["what"])
    what = _expected(kind, facts, type_name)
    return path_text(path), what if kind in _SAYS_ALL else f"{what}, got {_kind_of(fault['input'])}"


def path_text(path: Sequence[str | int]) -> str:
    """Write a path as data.items[2].amount; a name that might hold a number of a person is left out."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += ("." if text else "") + (step if _TELLABLE_NAME.fullmatch(step) else "(unnamed)")
    return text or "record"


def _expected(kind: str, facts: dict[str, Any], type_name: str) -> str:
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind == "extra_forbidden":
        return f"unknown field in {type_name}; expected only those of its schema"
    if kind == "string_pattern_mismatch":
        return f"expected {FORMS.get(facts['pattern'], 'text of the form ' + facts['pattern'])}"
    if kind in {"string_too_long", "string_too_short"}:
        bound = (
            f"at most {facts['max_length']}" if "max_length" in facts else f"at least {facts['min_length']}"
        )
        return f"expected {bound} characters"
    if kind == "literal_error":
        return f"expected {facts['expected']}"
    if kind in {"greater_than_equal", "less_than_equal"}:
        bound = f"at least {facts['ge']}" if "ge" in facts else f"at most {facts['le']}"
        return f"expected a whole number of {bound}"
    if kind == "too_short":
        return f"expected a list of at least {facts['min_length']}"
    return "expected the form of its schema"


def _kind_of(value: object) -> str:
    match value:
        case None:
            return "null (leave the field out instead)"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return f"text of {len(value)} characters"
        case list():
            return f"a list of {len(value)}"
        case _:
            return "an object"
