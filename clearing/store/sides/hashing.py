"""Keys and cells as numbers, for joining and comparing only: rows of a large day are kept narrow. 键值编码"""

from __future__ import annotations


def hashed(text: str) -> str:
    """A cell as a number, NULL where it is empty."""
    return f"CASE WHEN {text} = '' THEN NULL ELSE hash({text}) END"


def token(kind: str, scope: str, text: str) -> str:
    """A token of `clean.tokens` as a number; that two may share one only sends more rows to the passes."""
    empty = f"{text} = ''" + (f" OR {scope} = ''" if kind == "n" else "")
    return f"CASE WHEN {text} IS NULL OR {empty} THEN NULL ELSE hash('{kind}', {scope}, {text}) END"


def second(text: str) -> str:
    """A second, independent number of a key: rows are joined by 128 bits of it."""
    return f"hash(concat('2', {text}))"


def number_key(institution: str, trade: str, number: str) -> str:
    """A number in an institution, as the key of one trade type."""
    return f"CASE WHEN {institution} = '' OR {number} = '' THEN NULL ELSE hash({institution}, {trade}, {number}) END"
