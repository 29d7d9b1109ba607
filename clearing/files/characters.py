"""Which characters a file can carry, and what becomes of the others. 字符

Files are written in GB18030 as it is since 2022; partners' tables may be older. What the edition of 2000 kept in
the private-use area has code points of its own today.
"""

from __future__ import annotations

import re
from typing import Final

GETA: Final = "〓"
"""Stands where a character cannot be exchanged, as print shops do it."""

EDITION_2022: Final = {
    0xE78D: "\ufe10", 0xE78E: "\ufe12", 0xE78F: "\ufe11", 0xE790: "\ufe13", 0xE791: "\ufe14",
    0xE792: "\ufe15", 0xE793: "\ufe16", 0xE794: "\ufe17", 0xE795: "\ufe18", 0xE796: "\ufe19",
    0xE7C7: "\u1e3f", 0xE816: "\U00020087", 0xE817: "\U00020089", 0xE818: "\U000200cc", 0xE81E: "\u9fb4",
    0xE826: "\u9fb5", 0xE82B: "\u9fb6", 0xE82C: "\u9fb7", 0xE831: "\U000215d7", 0xE832: "\u9fb8",
    0xE83B: "\U0002298f", 0xE843: "\u9fb9", 0xE854: "\u9fba", 0xE855: "\U000241fe", 0xE864: "\u9fbb",
}  # fmt: skip
"""What the private-use code points of the codec, which follows the 2000 edition, stand for since 2022."""

FORBIDDEN: Final = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ue000-\uf8ff\U000f0000-\U0010ffff]")
"""Controls, halves of surrogate pairs and private-use characters: never inside a value."""


def modern(text: str) -> str:
    """Text with the code points of the 2000 edition replaced by those of today."""
    return text.translate(EDITION_2022)


def exchangeable(text: str) -> str:
    """Text that a file can carry: controls become spaces, what cannot be exchanged a geta mark."""
    return FORBIDDEN.sub(lambda found: " " if found[0] < "\x80" else GETA, modern(text))


def carries(text: str) -> bool:
    """Whether a file can carry the text as it is; the first look is the fast one."""
    return text.isprintable() or not FORBIDDEN.search(text)


def fits(text: str, bytes_max: int, encoding: str = "gb18030") -> bool:
    """Whether a text has no more than so many bytes; 0: any text does."""
    # A character has four bytes at most, so that short texts need not be encoded.
    return not bytes_max or 4 * len(text) <= bytes_max or len(text.encode(encoding)) <= bytes_max


def shortened(text: str, bytes_max: int, encoding: str = "gb18030") -> str:
    """The longest beginning of a text that has no more than so many bytes; no character is cut in two."""
    if fits(text, bytes_max, encoding):
        return text
    return text.encode(encoding)[:bytes_max].decode(encoding, "ignore")
