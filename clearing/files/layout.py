"""A layout is data: how one partner's files look, read from a TOML file and checked before use. 文件格式

Nothing here knows a column. A layout names the columns of its lines, how each is written, and what stands
around them; the writer and the reader are built from it. Of a layout that is `like` another only what differs
is said.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from functools import cache
from importlib import resources
from typing import Any, Final, Literal

from pydantic import ValidationError, model_validator

from clearing.errors import UsageError, setting_faults
from clearing.files.columns import Record, Strict
from clearing.files.names import PARTS, FileName, parse_name, stem

Leniency = Literal[
    "line_ends", "bom", "spaces", "decimals", "thousands", "trailing_delimiter", "more_columns", "empty_lines"
]
"""What is let through in reading, each by its name: line_ends (LF for CRLF and back, none after the last line);
bom (there or not); spaces (around values); decimals (12, 12.5, 012.50 and +12.50 for 12.50); thousands
(1,234.50); trailing_delimiter (there or not); more_columns (after the last one); empty_lines."""
SHIPPED: Final = ("P", "H", "B", "F", "N", "X")
DATE_PARTS: Final = ("YYYY", "MM", "DD")
TIME_PARTS: Final = ("hh", "mm", "ss")


class Layout(Strict):
    """How the files of one profile are written and read."""

    id: str
    profile: str
    title: str = ""
    shape: Literal["framed", "table", "iso20022"]
    """framed: a head line, details, a tail line. table: a header row, details, the totals, an end mark. iso20022:
    a message, of which `files.iso20022` knows the places."""
    name: str
    extension: str
    type_names: Mapping[str, str] = {}
    """What the partner calls our types in names, where that differs."""
    seq_digits: int = 3
    encoding: Literal["gb18030", "utf-8"]
    bom: bool = False
    line_end: Literal["\r\n", "\n"] = "\r\n"
    delimiter: str = ""
    """Between values; empty: each column has its width in bytes."""
    trailing_delimiter: bool = False
    quoting: Literal["none", "rfc4180"] = "none"
    substitute: str = ""
    """What a delimiter inside a value becomes where there are no quotes."""
    null: str = ""
    """What is written for a value that is empty."""
    neutralise: bool = False
    tab_digits: int = 0
    amount_unit: Literal["yuan", "fen"] = "yuan"
    sign: Literal["minus", "always", "trailing"] = "minus"
    """Of signed amounts: -1.00, or +1.00 too, or 1.00- behind."""
    date_format: str
    instant_format: str
    tag_column: str = "record"
    total_mark: str = "#TOTAL"
    end_mark: str = "<END>"
    lenient: tuple[Leniency, ...] = ()
    head: Record | None = None
    tail: Record | None = None
    types: Mapping[str, tuple[Record, ...]]

    @model_validator(mode="after")
    def _can_be_read_back(self) -> Layout:
        for part in PARTS:
            if self.name.count(part) != 1:
                raise ValueError(f"name: expected {part} once, got {self.name!r}")
        bare = self.delimiter and self.quoting == "none"
        if bare and (not self.substitute or self.parting in self.substitute):
            raise ValueError("substitute: expected text without the delimiter, since there are no quotes")
        if (self.tab_digits or self.neutralise) and self.quoting == "none":
            raise ValueError("tab_digits, neutralise: only a layout with quotes, a CSV, knows them")
        if self.bom and self.encoding != "utf-8":
            raise ValueError("bom: only utf-8 has one")
        if self.tag_column and any(not record.shown for records in self.types.values() for record in records):
            raise ValueError("mark: a line without its mark needs tag_column to be empty too")
        return self

    @model_validator(mode="after")
    def _times_are_whole(self) -> Layout:
        forms = [
            ("date_format", "date", self.date_format),
            ("instant_format", "instant", self.instant_format),
        ]
        kinds = [record for records in self.types.values() for record in records]
        for record in (*kinds, *(one for one in (self.head, self.tail) if one)):
            forms += [(one.name, one.kind, one.form) for one in record.columns if one.form]
        for name, kind, form in forms:
            parts = {part: kind == "instant" or part in DATE_PARTS for part in (*DATE_PARTS, *TIME_PARTS)}
            if kind in ("date", "instant") and any(
                form.count(part) != wanted for part, wanted in parts.items()
            ):
                expected = " ".join(part for part, wanted in parts.items() if wanted)
                raise ValueError(f"{name}: expected each of {expected} once and no other part, got {form!r}")
        return self

    @model_validator(mode="after")
    def _each_line_is_known(self) -> Layout:
        frames = tuple(one for one in (self.head, self.tail) if one)
        for name, records in self.types.items():
            marks = [record.shown for record in records]
            if len(set(marks)) < len(marks) or (len(marks) > 1 and not all(marks)):
                raise ValueError(f"types.{name}: expected another mark for each kind of line, got {marks}")
            for record in (*records, *frames):
                bare = [column.name for column in record.columns if not column.width]
                if bool(self.delimiter) is not bool(bare) and record.columns:
                    raise ValueError(f"{name} {record.tag}: expected a delimiter, or a width for each column")
        return self

    @property
    def parting(self) -> str:
        """What no value may hold where there are no quotes: the delimiter, or its first letter if it overlaps itself.

        Of `||` a value that ends in `|` would be parted a letter too early.
        """
        text = self.delimiter
        overlaps = any(text.startswith(text[at:]) for at in range(1, len(text)))
        return text[0] if overlaps else text

    @property
    def document(self) -> str:
        """The layout as canonical JSON: what is kept with the files that were written in it."""
        return self.model_dump_json(exclude_defaults=True)

    @property
    def sm3(self) -> bytes:
        """SM3 of `document`."""
        return hashlib.new("sm3", self.document.encode()).digest()

    def records(self, file_type: str) -> tuple[Record, ...]:
        """The kinds of detail lines of a file type.

        Raises:  UsageError for a type the layout does not have.
        """
        found = self.types.get(file_type)
        if found is None:
            raise UsageError(
                f"layout {self.id}: expected a type of {', '.join(self.types)}, got {file_type!r}. "
                f"Next: add its columns to the layout"
            )
        return found

    def stem(self, name: FileName) -> str:
        """A file's name without its extension: the `file_id`."""
        return stem(self.name, self.type_names, self.seq_digits, name)

    def example(self) -> str:
        """A name of this layout, for messages."""
        return f"{self.stem(FileName('TXN', 'FROM', 'TO', date(2026, 1, 31), 1, 1))}.{self.extension}"

    def parse_name(self, name: str) -> FileName | None:
        """What a name says, None when it is not one of this layout."""
        return parse_name(name, self.name, self.type_names, self.seq_digits, self.extension)


def parse_layout(text: str, where: str, others: Mapping[str, Mapping[str, Any]] | None = None) -> Layout:
    """A layout from the text of its TOML file. 读格式

    In:      the documents that it may be `like`, by profile; those shipped when left out.
    Raises:  UsageError with every fault: the key, what was expected and what stands there.
    """
    try:
        return _validated(_resolved(tomllib.loads(text), where, others), where)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"layout {where}: expected TOML, got {error}. Correct the file") from error


def _resolved(
    document: Mapping[str, Any],
    where: str,
    others: Mapping[str, Mapping[str, Any]] | None,
    before: tuple[str, ...] = (),
) -> dict[str, Any]:
    """The document with what it leaves out taken from the one it is `like`.

    In:      `before`: the profiles that led here.
    """
    found = dict(document)
    like, only = found.pop("like", None), found.pop("only", None)
    if like is not None:
        base = (others or {}).get(like) or (_shipped_document(like) if like in SHIPPED else None)
        if base is None:
            raise UsageError(f"layout {where}: expected `like` to name a layout, got {like!r}")
        if like in before:
            circle = " like ".join((*before, like))
            raise UsageError(f"layout {where}: expected `like` to lead to a whole layout, got {circle}")
        inherited = _resolved(base, like, others, (*before, like))
        found = {**inherited, **found, "types": {**inherited["types"], **found.get("types", {})}}
    if only is not None:
        found["types"] = {name: one for name, one in found.get("types", {}).items() if name in only}
    return found


def _validated(document: Mapping[str, Any], where: str) -> Layout:
    try:
        layout = Layout.model_validate(document)
    except ValidationError as error:
        raise UsageError(f"layout {where} refused:\n  " + "\n  ".join(setting_faults(error))) from error
    named = layout.model_copy(update={"head": _with_id(layout.head, layout.id)})
    return named.model_copy(update={"tail": _with_id(layout.tail, layout.id)})


def _with_id(record: Record | None, id_: str) -> Record | None:
    if record is None:
        return None
    columns = (
        one.model_copy(update={"const": id_}) if one.const == "{id}" else one for one in record.columns
    )
    return record.model_copy(update={"columns": tuple(columns)})


@cache
def _shipped_document(profile: str) -> Mapping[str, Any]:
    file = resources.files("clearing.files").joinpath("layouts", f"{profile}.toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))


@cache
def load_layout(profile: str) -> Layout:
    """A layout that is shipped, by its profile's letter."""
    if profile not in SHIPPED:
        raise UsageError(f"profile {profile!r}: expected one of {', '.join(SHIPPED)}")
    return _validated(_resolved(_shipped_document(profile), profile, None), f"{profile}.toml")


def of_document(document: str) -> Layout:
    """A layout from its canonical JSON, as it is kept with files."""
    return Layout.model_validate_json(document)


def shipped() -> Iterator[Layout]:
    """All layouts that are shipped."""
    return (load_layout(profile) for profile in SHIPPED)
