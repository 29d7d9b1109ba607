"""Columns and kinds of lines, as a layout names them. 列与行

Nothing here knows a column of ours: a name, how its values look, and where they stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, model_validator

Kind = Literal[
    "text", "secret", "line", "id", "amount", "signed", "date", "instant", "count", "flag", "digest"
]
"""text; secret (text never shown in a message); line (running number); id (32 hex digits); amount (never
negative); signed; date; instant (in the business zone); count; flag (0 or 1); digest (64 hex digits)."""
NUMBERS: Final = frozenset({"amount", "signed", "count", "line"})


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
    """The one value that always stands here; `{id}` is the layout's id."""
    one_of: tuple[str, ...] = ()
    codes: Mapping[str, str] = {}
    """Our values and what the partner writes for them."""
    empty: bool = False
    max: int = 0
    """The longest text, in bytes of GB18030, as banks count; longer ones are cut between characters. 0: any."""
    form: str = ""
    """Of a date or an instant, when it is not the layout's."""
    width: int = 0
    """Bytes in a layout of fixed width."""
    pad: Literal["", " ", "0"] = ""
    """What fills a fixed width; numbers 0 in front, all else spaces behind, when left out."""

    @property
    def key(self) -> str:
        """The field of the record model that the column shows."""
        return self.field or self.name

    @property
    def is_text(self) -> bool:
        """Whether its values came from outside as text."""
        return self.kind in ("text", "secret") and self.const is None


class Record(Strict):
    """One kind of line: its tag, the first column of each such line, and the columns after it."""

    tag: str
    """Our name of the kind of line."""
    mark: str | None = None
    """What stands in the first column; the tag when left out, empty: there is no such column."""
    columns: tuple[Column, ...]

    @property
    def shown(self) -> str:
        """What stands in the first column, empty for none."""
        return self.tag if self.mark is None else self.mark

    @model_validator(mode="after")
    def _names_once(self) -> Record:
        names = [column.name for column in self.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice or not self.tag:
            raise ValueError(f"record {self.tag!r}: expected a tag and each column once, got {twice} twice")
        for column in self.columns:
            codes = list(column.codes.values())
            if len(set(codes)) < len(codes) or not all(codes):
                raise ValueError(f"column {column.name}: expected different codes, got {codes}")
        return self
