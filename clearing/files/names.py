"""File names: what a name says, by a pattern that is part of a layout. 文件名"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Final, NamedTuple

CODE: Final = r"[A-Z][A-Z0-9]{0,11}"
PARTS: Final = ("{type}", "{to}", "{date}", "{seq}", "{version}")
"""What every pattern has once, so that no two files have one name; `{from}` may be there too."""


class FileName(NamedTuple):
    """What the name of a file says."""

    type: str
    sender: str
    """Empty where the pattern does not say it."""
    receiver: str
    date: date
    seq: int
    version: int


def stem(pattern: str, types: Mapping[str, str], seq_digits: int, name: FileName) -> str:
    """A file's name without its extension: the `file_id`.

    In:      the pattern; what a partner calls our types, where that differs; digits of the sequence.
    """
    values = {
        "type": types.get(name.type, name.type),
        "from": name.sender,
        "to": name.receiver,
        "date": f"{name.date:%Y%m%d}",
        "seq": f"{name.seq:0{seq_digits}d}",
        "version": str(name.version),
    }
    return pattern.format_map(values)


def parse_name(
    text: str, pattern: str, types: Mapping[str, str], seq_digits: int, extension: str
) -> FileName | None:
    """What a name says, None when it is not one of this pattern."""
    match = _regex(pattern, tuple(types.values()), seq_digits, extension).fullmatch(text)
    if match is None:
        return None
    said = match.groupdict()
    try:
        day = date.fromisoformat(said["date"])
    except ValueError:
        return None
    ours = {theirs: kind for kind, theirs in types.items()}
    kind = ours.get(said["type"], said["type"])
    return FileName(kind, said.get("from", ""), said["to"], day, int(said["seq"]), int(said["version"]))


@cache
def _regex(pattern: str, types: tuple[str, ...], seq_digits: int, extension: str) -> re.Pattern[str]:
    own = "".join(f"|{re.escape(one)}" for one in types)
    parts = {
        "type": f"(?P<type>[A-Z]{{3}}{own})",
        "from": f"(?P<from>{CODE})",
        "to": f"(?P<to>{CODE})",
        "date": r"(?P<date>[0-9]{8})",
        "seq": rf"(?P<seq>(?!0+(?![0-9]))[0-9]{{{seq_digits}}})",
        "version": r"(?P<version>[1-9][0-9]{0,3})",
    }
    pieces = re.split(r"\{(\w+)\}", f"{pattern}.{extension}")
    return re.compile(
        "".join(parts[piece] if at % 2 else re.escape(piece) for at, piece in enumerate(pieces)), re.ASCII
    )
