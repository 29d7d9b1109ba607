"""A layout is proposed for a sample, and what it proposes reads the sample."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.files.check import Checker
from clearing.files.describe import describe
from clearing.files.layout import parse_layout

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
SAMPLES = [
    (PIPES, ["encoding: gb18030", "line ends: CRLF", "delimiter: '|'", "column 交易金额: amount",
             "column 交易日期: date YYYY-MM-DD", "column 借贷标志: text one of C D"]),
    (FRAMED, ["line ends: LF", "delimiter: '|!'", "first column: the kind of line, D H T", "column c2: line",
              "column c4: signed", "empty values: written null", "column c6: instant YYYYMMDDhhmmss",
              "head field 3: the number of details", "tail field 3: the sum of c3"]),
    (CSV, ["encoding: utf-8, with a byte order mark", "header row: order_no, amount, status",
           "delimiter: ',', values in quotes", "column amount: amount", "column status: text one of SUCC"]),
]  # fmt: skip


@pytest.mark.parametrize(("sample", "said"), SAMPLES, ids=["pipes", "framed", "csv"])
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


@given(st.binary(max_size=200))
def test_any_bytes_are_described_without_a_crash(content: bytes) -> None:
    """Something is said of everything, and a proposal that is made can be read."""
    found = describe(content)
    assert found.findings
    if found.toml:
        parse_layout(found.toml, "proposed")
