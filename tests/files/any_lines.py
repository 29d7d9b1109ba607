"""Lines of any type made by hypothesis: for each column a value that its kind can hold."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from hypothesis import strategies as st

from clearing.files.columns import Column
from clearing.files.layout import Layout
from clearing.files.records import MODELS
from clearing.files.values import carryable

RARE = "珅韡弢䶮𠮷㐂龴ḿ€é"
TEXTS = st.one_of(
    st.text(max_size=12),
    st.text(alphabet=RARE + "|!,\"'=+-@ \t\r\n0", max_size=30),
    st.from_regex(r"[0-9]{10,20}", fullmatch=True),
)
FEN_MAX = 10**15
DATES = st.dates(date(1970, 1, 1), date(2999, 12, 31))
INSTANTS = st.datetimes(
    datetime(1990, 1, 1),  # noqa: DTZ001  (bounds)
    datetime(2900, 1, 1),  # noqa: DTZ001  (bounds)
    timezones=st.just(UTC),
).map(lambda at: at.replace(microsecond=0))


def values_of(column: Column) -> st.SearchStrategy[Any]:
    """Values that a column can show; empty ones where it may be empty."""
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "text": TEXTS,
        "secret": TEXTS,
        "id": st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
        "digest": st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
        "amount": st.integers(0, FEN_MAX),
        "signed": st.integers(-FEN_MAX, FEN_MAX),
        "count": st.integers(0, 10**9),
        "flag": st.booleans(),
        "date": DATES,
        "instant": INSTANTS,
    }
    found = st.sampled_from(column.one_of) if column.one_of else kinds[column.kind]
    if column.empty:
        return st.one_of(st.just(None if column.kind == "date" else ""), found)
    if column.kind in ("text", "secret") and not column.one_of:
        return found.filter(bool)
    return found


def lines_of(layout: Layout, file_type: str) -> st.SearchStrategy[list[tuple[str, Any]]]:
    """Some lines of a type, of all its tags, with every field that the layout's columns show."""
    kinds: list[st.SearchStrategy[tuple[str, Any]]] = []
    for record in layout.records(file_type):
        fields = {column.key: values_of(column) for column in record.columns if column.kind != "line"}
        made = st.builds(MODELS[file_type, record.tag], **fields)
        kinds.append(st.tuples(st.just(record.tag), made))
    return st.lists(st.one_of(kinds), max_size=2)


def carried(layout: Layout, file_type: str, tag: str, record: Any) -> Any:  # noqa: ANN401  (of any model)
    """The record as a file can carry it: texts as they are allowed to be, None for what is no column."""
    columns = next(one for one in layout.records(file_type) if one.tag == tag).columns
    found: dict[str, Any] = dict.fromkeys(set(record._fields) - {column.key for column in columns})
    for column in columns:
        if column.is_text:
            found[column.key] = carryable(getattr(record, column.key), column, layout)[0]
    return record._replace(**found)
