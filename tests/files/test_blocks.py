"""Many lines at once as one by one: what the fast ways of writing and reading make is what the careful ways make."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.files import columns_out
from clearing.files import layout as layout_module
from clearing.files.check import check_file
from clearing.files.columns_in import BlockReader
from clearing.files.columns_out import BlockWriter
from clearing.files.layout import SHIPPED, Layout, load_layout, parse_layout
from clearing.files.names import FileName
from clearing.files.outgoing import RenderedFile, file_of
from clearing.files.parse import FEW, Scan, parse
from clearing.files.records import TxnLine
from clearing.jobs.bench.large_day import DAY, lines
from tests.files.any_lines import RARE, carried, lines_of
from tests.files.small_day import files
from tests.files.test_types import CLOCK, EVERY, LAYOUTS

NAME = FileName("TXN", "PLAT", "B1", DAY, 1, 1)
USUAL = [*lines(40)]
TRICKY = {
    "珅 has a pipe for its second byte": {"order_no": "珅韡弢"},
    "beyond GBK, beyond the basic plane": {"order_no": "䶮𠮷"},
    "a delimiter of any layout": {"order_no": "a|b,c\td|!e"},
    "quotes": {"order_no": 'say "x", y', "remark": "'"},
    "a formula": {"order_no": "=1+1", "remark": "@x", "bank_ref": "-5"},
    "leading zeros": {"order_no": "000123", "terminal": "000000000001"},
    "a word for nothing": {"order_no": "null"},
    "spaces": {"order_no": " x", "remark": "a  b"},
    "a wide space, which Python does not print": {"order_no": "a\u3000b"},
    "controls": {"order_no": "a\r\nb\x00"},
    "too long for its column, cut between characters": {"order_no": "长" * 40 + RARE},
    "an amount below zero and one of eighteen digits": {"fee_fen": -1, "settle_fen": -(10**15)},
    "nothing": {"order_no": "", "bank_ref": "", "remark": "", "card": "", "partner_date": None},
}


ALONE = 10**9


def written(name: FileName, tagged: list[tuple[str, Any]], layout: Layout, few: int = 0) -> RenderedFile:
    """A file, its lines written together, or so few of them alone."""
    with patch.object(columns_out, "FEW", few):
        return file_of(name, tagged, layout, CLOCK)


def made(profile: str, records: list[TxnLine], few: int = 0) -> bytes:
    """A TXN file of these lines."""
    return written(NAME, [("D", one) for one in records], LAYOUTS[profile], few).content


def file_name(profile: str) -> str:
    """Its name."""
    return file_of(NAME, [], LAYOUTS[profile], CLOCK).name


@pytest.mark.parametrize("profile", LAYOUTS)
@pytest.mark.parametrize("values", TRICKY.values(), ids=TRICKY)
def test_a_tricky_value_among_many_lines_is_written_and_read_as_alone(
    profile: str, values: dict[str, Any]
) -> None:
    """In every profile: the same bytes whichever way is taken, and each value back as a file can carry it."""
    records = [*USUAL[:20], USUAL[20]._replace(**values), *USUAL[21:]]
    content = made(profile, records)
    assert made(profile, records, ALONE) == content
    fast = parse(file_name(profile), content, LAYOUTS[profile])
    with patch.object(Scan, "_together", lambda *_: None):
        assert parse(file_name(profile), content, LAYOUTS[profile]) == fast
    assert [str(one) for one in fast.faults] == []
    assert [row.record for row in fast.rows] == [
        carried(LAYOUTS[profile], "TXN", "D", one) for one in records
    ]


MOMENTS = (
    datetime(2026, 3, 10, 8, 31, 59, 999_999, tzinfo=CLOCK.zone),
    datetime(2026, 3, 9, 16, 0, 0, tzinfo=UTC),
    datetime(2026, 3, 9, 23, 59, 59, 500_000, tzinfo=timezone(timedelta(hours=-3, minutes=-30))),
    datetime(1969, 12, 31, 23, 59, 58, 1, tzinfo=UTC),
)


@pytest.mark.parametrize("profile", LAYOUTS)
@pytest.mark.parametrize("form", ["", "ss:mm:hh DD.MM.YYYY"])
def test_instants_are_written_together_as_alone(profile: str, form: str) -> None:
    """Whatever their zone and fraction, wherever a form has its seconds."""
    layout = LAYOUTS[profile]
    if form and layout.delimiter:
        layout = layout.model_copy(update={"instant_format": form})
    lines_ = [("D", USUAL[at]._replace(event_time=one)) for at, one in enumerate(MOMENTS)]
    file = written(NAME, lines_, layout)
    assert written(NAME, lines_, layout, ALONE).content == file.content
    fast = parse(file.name, file.content, layout)
    with patch.object(Scan, "_together", lambda *_: None):
        assert parse(file.name, file.content, layout) == fast
    assert len(fast.rows) == len(MOMENTS)


@pytest.mark.parametrize("profile", [name for name in LAYOUTS if LAYOUTS[name].delimiter])
@pytest.mark.parametrize("seconds", ["60", "5x", "٠٠", "", " 1", "+1"])
def test_seconds_that_are_none_are_refused_both_ways(profile: str, seconds: str) -> None:
    """With the line, the field and what was expected."""
    moment = USUAL[0].event_time.replace(second=37)
    layout = LAYOUTS[profile]
    file = file_of(NAME, [("D", one._replace(event_time=moment)) for one in USUAL[:12]], layout, CLOCK)
    text = next(
        BlockWriter(layout, "TXN", layout.records("TXN")[0], (), CLOCK.zone)._writers[column.name](moment)
        for column in layout.records("TXN")[0].columns
        if column.key == "event_time"
    )
    wrong = text.replace("37", seconds).encode(layout.encoding)
    content = file.content.replace(text.encode(layout.encoding), wrong, 1)
    fast = parse(file.name, content, layout)
    with patch.object(Scan, "_together", lambda *_: None):
        assert parse(file.name, content, layout) == fast
    assert fast.faults


@pytest.mark.parametrize("value", ["a|", "|a", "|", "a||b"])
def test_a_delimiter_that_overlaps_itself_parts_where_it_stands(value: str) -> None:
    """Of `||` a value that ends in `|` would be parted a letter too early: no value holds that letter."""
    text = (Path(layout_module.__file__).parent / "layouts" / "P.toml").read_text(encoding="utf-8")
    layout = parse_layout(text.replace('delimiter = "|"', 'delimiter = "||"'), "a partner's layout")
    records = [*USUAL[:20], USUAL[20]._replace(order_no=value), *USUAL[21:]]
    file = file_of(NAME, [("D", one) for one in records], layout, CLOCK)
    found = parse(file.name, file.content, layout)
    assert [str(one) for one in found.faults] == []
    assert [row.record.order_no for row in found.rows] == [one.order_no.replace("|", "｜") for one in records]


@pytest.mark.parametrize("profile", LAYOUTS)
def test_usual_lines_never_go_one_by_one(profile: str) -> None:
    """Else a large file takes twenty times as long, and nothing else tells."""
    with patch.object(BlockWriter, "_careful", side_effect=AssertionError("written one by one")):
        content = made(profile, USUAL)
    with patch.object(Scan, "_careful", side_effect=AssertionError("read one by one")):
        assert len(parse(file_name(profile), content, LAYOUTS[profile]).rows) == len(USUAL)


def test_one_unusual_line_costs_a_few_careful_ones() -> None:
    """A block is cut until the line stands among few."""
    records = [*lines(600)]
    records[300] = records[300]._replace(order_no='say "x"')
    content, careful = made("H", records), Scan._careful
    with patch.object(Scan, "_careful", autospec=True, side_effect=careful) as read:
        parse(file_name("H"), content, LAYOUTS["H"])
    assert 1 <= read.call_count <= FEW


@pytest.mark.parametrize(("profile", "kind"), EVERY)
@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_any_lines_are_written_alike_both_ways(profile: str, kind: str, data: st.DataObject) -> None:
    """Every type in every profile, whatever its values."""
    layout, name = LAYOUTS[profile], NAME._replace(type=kind)
    tagged = data.draw(lines_of(layout, kind)) * 2
    file, again = written(name, tagged, layout), written(name, tagged, layout, ALONE)
    assert (again.content, again.notes) == (file.content, file.notes)
    with patch.object(BlockReader, "records", side_effect=ValueError):
        careful = parse(file.name, file.content, layout)
    assert careful == parse(file.name, file.content, layout)


SMALL = [file for name in SHIPPED for file in files(layout=load_layout(name)).values()]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_pieces_replaced_anywhere_never_crash_the_reader_of_any_profile(data: st.DataObject) -> None:
    """Each profile's files, ISO 20022 too: refused with a reason that can be shown, unless nothing was changed."""
    file = data.draw(st.sampled_from(SMALL))
    start = data.draw(st.integers(0, len(file.content)))
    end = data.draw(st.integers(start, min(len(file.content), start + 40)))
    changed = file.content[:start] + data.draw(st.binary(max_size=6)) + file.content[end:]
    checked = check_file(file.name, changed)
    assert checked.sound or all(str(one).startswith(file.name) for one in checked.faults)
    assert not checked.sound or changed == file.content or file.profile == "X"


@given(st.binary(max_size=300), st.sampled_from(SHIPPED))
def test_any_bytes_are_refused_under_any_name(content: bytes, profile: str) -> None:
    """With a reason, by every profile's reader."""
    layout = load_layout(profile)
    checked = check_file(f"{layout.stem(NAME)}.{layout.extension}", content)
    assert checked.faults


@pytest.mark.parametrize("profile", LAYOUTS)
def test_any_single_byte_changed_is_refused_in_every_profile(profile: str) -> None:
    """Also where lines are read together, and where the lines alone do not tell what the head says."""
    content = made(profile, USUAL[:3])
    name = file_name(profile)
    assert check_file(name, content).sound
    for at in range(len(content)):
        changed = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        assert check_file(name, changed).faults, (at, content[at : at + 1])
