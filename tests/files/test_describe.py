"""A layout is proposed for a sample, and what it proposes reads the sample."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.files.check import Checker
from clearing.files.describe import describe
from clearing.files.layout import load_layout, parse_layout
from tests.files.golden import FOLDER

PIPES = (
    "交易日期|银行流水号|交易金额|借贷标志|附言\r\n"
    + "".join(
        f"2026-03-{day:02d}|BR{day:06d}|{day}.50|{'D' if day % 2 else 'C'}|缴费\r\n" for day in range(1, 11)
    )
).encode("gb18030")
FRAMED = (
    "H|!20260310|!10|!5500\n"
    + "".join(f"D|!{n}|!{n * 100}|!{n * 100 - 600}|!null|!2026031009{n:02d}00\n" for n in range(1, 11))
    + "T|!10|!5500\n"
).encode()
CSV = b"\xef\xbb\xbforder_no,amount,status\r\n" + b"".join(
    b'"A,%d",%d.00,SUCC\r\n' % (n, n) for n in range(1, 10)
)
THOUSANDS = "".join(f"{n}~{n * 300:,}.50~{'珅韡弢䶮𠮷'[n % 5]}\n" for n in range(1, 11)).encode("gb18030")
FIXED = (
    "HDR20260310000010000000005500\r\n"
    + "".join(
        f"D{n:04d}20260310BR{'珅韡弢'[n % 3]}{n:03d}  {n * 100:012d}{'+-'[n % 2]}{n:08d}\r\n"
        for n in range(1, 11)
    )
    + "TRL000010\r\n"
).encode("gb18030")
NUMBERED = (
    "0|20260310|10|5500\n"
    + "".join(f"1|BR{n:03d}|{n * 100}|{'DC'[n % 2]}\n" for n in range(1, 11))
    + "9|10\n"
).encode()
MARKED = FIXED.replace(b"HDR", b"ADR").replace(b"\r\nD", b"\r\nB").replace(b"TRL", b"ZRL")
SAMPLES = [
    (NUMBERED, ["first column: the kind of line, 0 1 9", "head field 3: the number of details",
                "tail field 2: the number of details", "column c3: amount"]),
    (MARKED, ["first column: the kind of line, A B Z", "column c23: amount"]),
    (THOUSANDS, ["encoding: gb18030", "column c2: amount", "column c1: line"]),
    (FIXED, ["fixed width: 43 bytes a line", "head: a line of 29 bytes", "first column: the kind of line, D H T",
             "column c2: line", "column c6: date YYYYMMDD", "column c23: amount", "column c35: has a sign",
             "head or tail: the number of details", "head or tail: the sum of c23"]),
    (PIPES, ["encoding: gb18030", "line ends: CRLF", "delimiter: '|'", "column 交易金额: amount",
             "column 交易日期: date YYYY-MM-DD", "column 借贷标志: text one of C D"]),
    (FRAMED, ["line ends: LF", "delimiter: '|!'", "first column: the kind of line, D H T", "column c2: line",
              "column c4: signed", "empty values: written null", "column c6: instant YYYYMMDDhhmmss",
              "head field 3: the number of details", "tail field 3: the sum of c3"]),
    (CSV, ["encoding: utf-8, with a byte order mark", "header row: order_no, amount, status",
           "delimiter: ',', values in quotes", "column amount: amount", "column status: text one of SUCC"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("sample", "said"), SAMPLES, ids=["numbered", "marked", "thousands", "fixed", "pipes", "framed", "csv"]
)
def test_a_sample_is_described_and_its_layout_reads_it(sample: bytes, said: list[str]) -> None:
    """Encoding, line ends, delimiter, columns, totals; the proposal takes every line of the sample."""
    found = describe(sample)
    for one in said:
        assert any(line.startswith(one) for line in found.findings), (one, found.findings)
    layout = parse_layout(found.toml, "proposed")
    checker = Checker("sample.txt", layout, file_type="TXN")
    rows = checker.feed(sample)
    rows += checker.finish()
    assert [one.code for one in checker.faults] == ["FMT-010"], [str(one) for one in checker.faults]
    assert len(rows) == checker.scan.details >= 9


def test_a_count_that_was_seen_is_asked_of_other_samples() -> None:
    """A line that is missing is told by head and tail."""
    layout = parse_layout(describe(NUMBERED).toml, "proposed")
    checker = Checker("TXN_B1_PLAT_20260310_001_V1.txt", layout)
    checker.feed(NUMBERED.replace(b"1|BR005|500|C\n", b""))
    checker.finish()
    assert [(one.code, one.column, one.expected, one.got) for one in checker.faults] == [
        ("FMT-009", "records", "9", "10")
    ] * 2


def test_a_file_of_ours_of_fixed_width_is_described_well_enough_to_read_it() -> None:
    """Its own layout knows more, yet every line is taken, each column where one of its columns begins."""
    (path,) = FOLDER.glob("FTXN*_B2_001_V1.fix")
    found = describe(path.read_bytes(), path.name)
    checker = Checker(path.name, parse_layout(found.toml, "proposed"), file_type="TXN")
    rows = checker.feed(path.read_bytes())
    rows += checker.finish()
    assert len(rows) == checker.scan.details > 1, [str(one) for one in checker.faults]
    assert 'extension = "fix"' in found.toml
    begins, ours = 2, set()
    for column in load_layout("F").types["TXN"][0].columns:
        ours.add(f"c{begins}")
        begins += column.width
    seen = {one.name for one in found.columns}
    assert len(seen & ours) > len(ours) / 2, (seen, ours)


@pytest.mark.parametrize(
    "content", ["一|二\r\n".encode("utf-16"), b"PK\x03\x04\x00\x00"], ids=["UTF-16", "zip"]
)
def test_what_is_no_text_is_said_to_be_none(content: bytes) -> None:
    """Nothing is proposed for it."""
    found = describe(content)
    assert (found.toml, found.findings) == (
        "",
        ["encoding: UTF-16, or no text at all. Ask for GB18030 or UTF-8"],
    )


LINES = (
    st.integers(1, 12)
    .flatmap(
        lambda width: st.lists(
            st.text(alphabet="0123456789+- D珅𠮷x", min_size=width, max_size=width), min_size=2, max_size=6
        )
    )
    .map(lambda lines: "\n".join(lines).encode("gb18030"))
)


@given(st.one_of(st.binary(max_size=200), LINES))
def test_any_bytes_are_described_without_a_crash(content: bytes) -> None:
    """Something is said of everything, and a proposal that is made can be read."""
    found = describe(content)
    assert found.findings
    if found.toml:
        parse_layout(found.toml, "proposed")
