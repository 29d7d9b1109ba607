"""The reader: piece by piece as at once, the fast way as the careful one, and what a layout lets through by name."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.files.layout import load_layout
from clearing.files.parse import Scan, parse
from clearing.jobs.bench.large_day import members_file
from clearing.jobs.bench.one_file import one_file
from clearing.jobs.setup import document_of
from clearing.ledger.members_file import load_members
from tests.files.small_day import files

SMALL = [(profile, file) for profile in "PHBFN" for file in files(layout=load_layout(profile)).values()]
LINES = 1_000_000 if os.environ.get("CLEARING_SOAK") else 20_000


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SMALL), st.integers(1, 400))
def test_a_file_read_piece_by_piece_is_as_read_at_once(one: tuple[str, object], size: int) -> None:
    """Whatever the pieces: the same rows, head, tail, digest and faults."""
    profile, file = one
    layout, content = load_layout(profile), file.content  # type: ignore[attr-defined]
    whole = parse(file.name, content, layout)  # type: ignore[attr-defined]
    scan = Scan(file.name, layout)  # type: ignore[attr-defined]
    rows = [row for at in range(0, len(content), size) for row in scan.feed(content[at : at + size])]
    rows += scan.finish()
    assert (tuple(rows), scan.head, scan.tail) == (whole.rows, whole.head, whole.tail)
    assert (scan.body_sm3, scan.faults.found) == (whole.body_sm3, [])


def test_the_fast_way_reads_what_the_careful_way_reads() -> None:
    """Every line of a day in every profile, once with each."""
    for profile, file in SMALL:
        layout = load_layout(profile)
        fast = parse(file.name, file.content, layout)
        with patch.object(Scan, "_together", lambda *_: None):
            careful = parse(file.name, file.content, layout)
        assert fast == careful, file.name


LENIENT = [
    # by name               what is changed in a sound file              what becomes of it
    ("line_ends",           lambda c: c.replace(b"\r\n", b"\n")),
    ("line_ends",           lambda c: c.removesuffix(b"\r\n")),
    ("bom",                 lambda c: b"\xef\xbb\xbf" + c),
    ("spaces",              lambda c: c.replace(b"|20.00|REFD", b"| 20.00 |REFD")),
    ("decimals",            lambda c: c.replace(b"|20.00|REFD", b"|20|REFD")),
    ("decimals",            lambda c: c.replace(b"|20.00|REFD", b"|020.0|REFD")),
    ("thousands",           lambda c: c.replace(b"|1200.00|SUCC", b"|1,200.00|SUCC")),
    ("trailing_delimiter",  lambda c: c.replace(b"|END|", b"|END")),
    ("more_columns",        lambda c: c.replace(b"1010.B1||\r\n", b"1010.B1||x|\r\n", 1)),
    ("empty_lines",         lambda c: c + b"\r\n\r\n"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "change"), LENIENT, ids=[f"{row[0]}-{at}" for at, row in enumerate(LENIENT)]
)
def test_what_is_let_through_is_let_through_by_name_only(name: str, change: object) -> None:
    """Refused by a strict layout, the same rows by one that is lenient about it."""
    layout = load_layout("P")
    file = next(one for _, one in SMALL if one.name == "RHC_TXN_PLAT_B1_20260310_001_V1.txt")
    changed = change(file.content)  # type: ignore[operator]
    assert changed != file.content
    assert parse(file.name, changed, layout).faults
    lenient = layout.model_copy(update={"lenient": (name,)})
    found = parse(file.name, changed, lenient)
    assert [str(one) for one in found.faults] == []
    assert [row.record for row in found.rows] == [
        row.record for row in parse(file.name, file.content, layout).rows
    ]


@pytest.mark.parametrize("profile", "PHBFN")
def test_an_empty_line_anywhere_is_refused(profile: str) -> None:
    """Among the details, before the first line and behind the last one."""
    layout = load_layout(profile)
    end = layout.line_end.encode()
    file = next(one for of, one in SMALL if of == profile and one.type == "TXN" and one.records)
    lines = file.content.split(end)
    for at in range(len(lines)):
        content = end.join([*lines[:at], b"", *lines[at:]])
        assert parse(file.name, content, layout).faults, at


def test_a_large_file_is_made_and_checked_piece_by_piece(tmp_path: Path) -> None:
    """Sound, with all its digests, however many lines: a million of them in the soak."""
    members = load_members(document_of(members_file("P")))
    found = one_file(load_layout("P"), LINES, tmp_path, members)
    assert found["lines"] == LINES
