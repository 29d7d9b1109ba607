"""What a sample is taken for, as it is filled in step by step. 识别结果"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Described:
    """What a sample is taken for."""

    encoding: str = ""
    bom: bool = False
    line_end: str = ""
    delimiter: str = ""
    trailing: bool = False
    quoted: bool = False
    header: bool = False
    null: str = ""
    columns: list[Seen] = field(default_factory=list)
    tagged: bool = False
    mark: str = ""
    """What stands in the first column of details, where that is the kind of a line."""
    counted: dict[str, int] = field(default_factory=dict)
    """Head or tail → the place in it that has the number of details, from 0."""
    head: list[str] = field(default_factory=list)
    tail: list[str] = field(default_factory=list)
    lenient: list[str] = field(default_factory=list)
    extension: str = "txt"
    findings: list[str] = field(default_factory=list)
    """For people, one a line."""
    toml: str = ""


@dataclass(slots=True)
class Seen:
    """What the values of one column look like."""

    name: str
    kind: str
    form: str = ""
    empty: bool = False
    words: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    width: int = 0
    """Bytes, in a file of fixed width."""
