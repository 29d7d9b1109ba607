"""A layout is data: how one partner's files look, read from a TOML file and checked before use. 文件格式

Nothing here knows a column. A layout names the columns of its lines, how each is written, and what stands
around them; the writer and the reader are built from it.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from functools import cache
from importlib import resources
from typing import Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from clearing.errors import UsageError

Kind = Literal[
    "text", "secret", "line", "id", "amount", "signed", "date", "instant", "count", "flag", "digest"
]
"""text; secret (text never shown in a message); line (running number); id (32 hex digits); amount (never
negative); signed; date; instant (in the business zone); count; flag (0 or 1); digest (64 hex digits)."""
CODE: Final = r"[A-Z][A-Z0-9]{0,11}"
SHIPPED: Final = ("P", "H")


class Strict(BaseModel):
    """A part of a layout: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(Strict):
    """One column of one kind of line."""

    name: str
    field: str = ""
    """Its name in the record model; the column's own name when left out."""
    kind: Kind = "text"
    const: str | None = None
    """The one value that always stands here."""
    one_of: tuple[str, ...] = ()
    empty: bool = False
    max: int = 0
    """The longest text, in bytes of GB18030, as banks count; longer ones are cut between characters. 0: any."""

    @property
    def key(self) -> str:
        """The field of the record model that the column shows."""
        return self.field or self.name


class Record(Strict):
    """One kind of line: its tag, the first column of each such line, and the columns after it."""

    tag: str
    columns: tuple[Column, ...]

    @model_validator(mode="after")
    def _names_once(self) -> Record:
        names = [column.name for column in self.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice or not self.tag:
            raise ValueError(f"record {self.tag!r}: expected a tag and each column once, got {twice} twice")
        return self


class FileName(NamedTuple):
    """What the name of a file says."""

    type: str
    sender: str
    receiver: str
    date: date
    seq: int
    version: int


class Layout(Strict):
    """How the files of one profile are written and read."""

    id: str
    profile: str
    shape: Literal["framed", "table"]
    """framed: a head line, details, a tail line. table: a header row, details, the totals, an end mark."""
    name: str
    extension: str
    encoding: Literal["gb18030", "utf-8"]
    bom: bool = False
    line_end: Literal["\r\n", "\n"] = "\r\n"
    delimiter: str
    trailing_delimiter: bool = False
    quoting: Literal["none", "rfc4180"] = "none"
    substitute: str = ""
    """What a delimiter inside a value becomes where there are no quotes."""
    neutralise: bool = False
    tab_digits: int = 0
    amount_unit: Literal["yuan", "fen"] = "yuan"
    date_format: str
    instant_format: str
    head: Record
    tail: Record
    types: Mapping[str, tuple[Record, ...]]

    @model_validator(mode="after")
    def _can_be_read_back(self) -> Layout:
        for part in ("{type}", "{from}", "{to}", "{date}", "{seq}", "{version}"):
            if self.name.count(part) != 1:
                raise ValueError(f"name: expected {part} once, got {self.name!r}")
        if self.quoting == "none" and (not self.substitute or self.delimiter in self.substitute):
            raise ValueError("substitute: expected text without the delimiter, since there are no quotes")
        if (self.tab_digits or self.neutralise) and self.quoting == "none":
            raise ValueError("tab_digits, neutralise: only a layout with quotes, a CSV, knows them")
        if self.bom and self.encoding != "utf-8":
            raise ValueError("bom: only utf-8 has one")
        return self

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
        values = {
            "type": name.type,
            "from": name.sender,
            "to": name.receiver,
            "date": f"{name.date:%Y%m%d}",
            "seq": f"{name.seq:03d}",
            "version": str(name.version),
        }
        return self.name.format_map(values)

    def example(self) -> str:
        """A name of this layout, for messages."""
        return f"{self.stem(FileName('TXN', 'FROM', 'TO', date(2026, 1, 31), 1, 1))}.{self.extension}"

    def parse_name(self, name: str) -> FileName | None:
        """What a name says, None when it is not one of this layout."""
        match = _name_pattern(self.name, self.extension).fullmatch(name)
        if match is None:
            return None
        try:
            day = date.fromisoformat(match["date"])
        except ValueError:
            return None
        return FileName(
            match["type"], match["from"], match["to"], day, int(match["seq"]), int(match["version"])
        )


@cache
def _name_pattern(name: str, extension: str) -> re.Pattern[str]:
    parts = {
        "type": "(?P<type>[A-Z]{3})",
        "from": f"(?P<from>{CODE})",
        "to": f"(?P<to>{CODE})",
        "date": r"(?P<date>[0-9]{8})",
        "seq": r"(?P<seq>(?!000)[0-9]{3})",
        "version": r"(?P<version>[1-9][0-9]{0,3})",
    }
    return re.compile(name.format_map(parts) + re.escape(f".{extension}"))


def parse_layout(text: str, where: str) -> Layout:
    """A layout from the text of its TOML file.

    Raises:  UsageError with every fault: the key, what was expected and what stands there.
    """
    try:
        return Layout.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"layout {where}: expected TOML, got {error}. Correct the file") from error
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False)
        ]
        raise UsageError(f"layout {where} refused:\n  " + "\n  ".join(faults)) from error


@cache
def load_layout(profile: str) -> Layout:
    """A layout that is shipped, by its profile's letter."""
    if profile not in SHIPPED:
        raise UsageError(f"profile {profile!r}: expected one of {', '.join(SHIPPED)}")
    file = resources.files("clearing.files").joinpath("layouts", f"{profile}.toml")
    return parse_layout(file.read_text(encoding="utf-8"), f"{profile}.toml")


def shipped() -> Iterator[Layout]:
    """All layouts that are shipped."""
    return (load_layout(profile) for profile in SHIPPED)
