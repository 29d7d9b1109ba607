"""Bytes and values: what is written reads back the same, and what was not written so is refused."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.errors import UsageError
from clearing.files import layout as layout_module
from clearing.files.cells import split_quoted
from clearing.files.characters import EDITION_2022, exchangeable
from clearing.files.check import check_file
from clearing.files.columns_out import Lines
from clearing.files.faults import FAULTS_MAX
from clearing.files.layout import Layout, load_layout, parse_layout
from clearing.files.manifest import Manifest, read_manifest, write_manifest
from clearing.files.parse import parse
from clearing.files.records import TxnLine
from clearing.files.render import Writer
from clearing.files.values import BUSINESS_ZONE
from tests.files.any_lines import RARE, TEXTS
from tests.files.small_day import files, manifest_for

P, H = load_layout("P"), load_layout("H")
NAME = "RHC_TXN_PLAT_B1_20260310_001_V1"
LINE = TxnLine(
    "20260310" + "ab" * 12, "payment.made", "R", 12850, "SUCC", "BR1", "H1-1", "", None,
    datetime(2026, 3, 10, 1, 2, 3, tzinfo=UTC), date(2026, 3, 10), "B1", "H1", "", "DIRECT", "N",
    "tok_00000001", "0001", 5, 12845, "MEDICAL", False, "2010.H1", "",
)  # fmt: skip
HEAD = {
    "type": "TXN", "file_id": NAME, "sender": "PLAT", "receiver": "B1", "clearing_date": date(2026, 3, 10),
    "cut_from": datetime(2026, 3, 9, 15, tzinfo=UTC), "cut_to": datetime(2026, 3, 10, 15, tzinfo=UTC),
    "created": datetime(2026, 3, 10, 15, tzinfo=UTC), "records": 1, "in_fen": 12850, "out_fen": 0,
    "fee_fen": 5,
    "net_fen": 12845,
    "reprocessed": False, "replaces": "", "hash_total": 0, "body_sm3": "0" * 64,
}  # fmt: skip


def whole(layout: Layout, *lines: TxnLine) -> bytes:
    """A TXN file with these lines; its totals are not theirs."""
    writer = Writer(layout, "TXN", BUSINESS_ZONE)
    body = b"".join(written(layout, line, number)[0] for number, line in enumerate(lines, 1))
    return writer.whole(HEAD, body)


def written(layout: Layout, line: TxnLine, number: int = 1) -> tuple[bytes, list[str]]:
    """One line of TXN, and what was noted of it."""
    block = Lines("D", TxnLine, [(value,) for value in line], [number])
    (text,), notes = Writer(layout, "TXN", BUSINESS_ZONE).block(block)
    return text.encode(layout.encoding), [note for _, note in notes]


def read_back(layout: Layout, *lines: TxnLine) -> list[Any]:
    """The lines of that file as the reader sees them."""
    parsed = parse(f"{NAME}.{layout.extension}", whole(layout, *lines), layout)
    assert [str(one) for one in parsed.faults] == []
    return [row.record for row in parsed.rows]


TABBED = H.model_copy(update={"tab_digits": 12})
ODD = P.model_copy(
    update={"delimiter": "|!", "trailing_delimiter": False, "line_end": "\n", "amount_unit": "fen"}
)
LAYOUTS = {"P": P, "H": H, "H with tabs": TABBED, "another delimiter, LF, fen": ODD}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@settings(max_examples=150, deadline=None)
@given(
    texts=st.tuples(TEXTS, TEXTS, TEXTS),
    amounts=st.tuples(st.integers(0, 10**15), st.integers(-(10**15), 10**15)),
    day=st.none() | st.dates(date(1970, 1, 1), date(2999, 12, 31)),
    at=st.datetimes(datetime(1990, 1, 1), datetime(2900, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  (bounds)
)
def test_parse_of_render_is_the_identity(
    layout: Layout, texts: tuple[str, str, str], amounts: tuple[int, int], day: date | None, at: datetime
) -> None:
    """Every value comes back as it was; text as far as a file can carry it."""
    line = LINE._replace(
        remark=texts[0], order_no=texts[1], card=texts[2], amount_fen=amounts[0], settle_fen=amounts[1],
        original_clearing_date=day, event_time=at.replace(microsecond=0),
    )  # fmt: skip
    carried = [exchangeable(text) for text in texts]
    if layout.quoting == "none":
        carried = [text.replace(layout.delimiter, layout.substitute) for text in carried]
    assert (
        read_back(layout, line, line)
        == [line._replace(remark=carried[0], order_no=carried[1], card=carried[2])] * 2
    )


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_rare_characters_survive(layout: Layout) -> None:
    """Those whose bytes contain a pipe, those beyond GBK and those beyond the basic plane."""
    assert read_back(layout, LINE._replace(remark=RARE))[0].remark == RARE


def test_a_pipe_in_a_value_becomes_a_wide_one_a_control_a_space_and_both_are_noted() -> None:
    """The note names line and column, for the log of whoever renders."""
    tabbed, _ = written(TABBED, LINE._replace(remark="a\tb"))
    assert tabbed.endswith(b",a b\r\n")
    row, notes = written(P, LINE._replace(remark="a|b", card="x\ny"), 7)
    assert row.decode("gb18030").endswith("|x y|0001|0.05|128.45|MEDICAL|0|2010.H1|a｜b|\r\n")
    assert notes == [
        f"line 7 {name}: characters replaced that the file cannot carry" for name in ("card", "remark")
    ]


@pytest.mark.parametrize(
    ("code", "char"), EDITION_2022.items(), ids=lambda x: f"{x:X}" if isinstance(x, int) else x
)
def test_code_points_of_the_2000_edition_are_read_as_todays(code: int, char: str) -> None:
    """A partner's bytes of an older table give the character, not a private-use one."""
    content = whole(P, LINE._replace(remark="@@")).replace(b"@@", chr(code).encode("gb18030"))
    parsed = parse(f"{NAME}.txt", content, P)
    assert parsed.faults == ()
    assert parsed.rows[0].record.remark == char
    assert exchangeable(chr(code)) == char


def test_other_private_use_characters_are_refused() -> None:
    """Nobody can say what they mean."""
    content = whole(P, LINE._replace(remark="@@")).replace(b"@@", "\ue001".encode("gb18030"))
    (fault,) = parse(f"{NAME}.txt", content, P).faults
    assert str(fault).startswith(
        f"{NAME}.txt:2 field 26 remark: expected text without control or private-use"
    )


AN_AMOUNT = "an amount with two decimals, not negative"
NO_ZEROS = "no leading zeros, 18 digits at most"
UPPER = f"20260310AB{'ab' * 11}"
A_TIME = "a time YYYYMMDDhhmmss"
CARRIED = "text without control or private-use characters"
BAD = [
    # part of the line    becomes          where it is, what is said of it, its code
    ("|128.50|",          "|128.5|",       "2 field 6 amount", 'two decimals, got "128.5"', 6),
    ("|128.50|",          "|128|",         "2 field 6 amount", 'two decimals, got "128"', 6),
    ("|128.50|",          "|-128.50|",     "2 field 6 amount", f'{AN_AMOUNT}, got "-128.50"', 6),
    ("|128.50|",          "|0128.50|",     "2 field 6 amount", f'{NO_ZEROS}, got "0128.50"', 6),
    ("|0.05|",            "|-0.00|",       "2 field 21 fee", 'zero without a sign, got "-0.00"', 6),
    ("|R|",               "|X|",           "2 field 5 dir", 'one of R P, got "X"', 4),
    ("|payment.made|",    "||",            "2 field 4 event_type", 'a value, got ""', 4),
    ("|20260310|B1",      "|20260230|B1",  "2 field 13 partner_date", 'a date YYYYMMDD, got "20260230"', 5),
    ("0310090203|",       "0310250203|",   "2 field 12 event_time", f'{A_TIME}, got "20260310250203"', 5),
    ("D|1|",              "D|2|",          "2 field 2 line_no", '1, got "2"', 7),
    ("D|1|",              "D|１|",         "2 field 2 line_no", 'a whole number, got "１"', 7),
    ("D|1|",              "E|1|",          "2 field 1", 'one of D, got "E"', 2),
    ("|20260310abab",     "|20260310ABab", "2 field 3 entry_id", f'32 hex digits, got "{UPPER}"', 8),
    ("|0001|",            "|0001|x|",      "2", '26 fields, got "27"', 3),
    ("|tok_00000001|",    "|\x07tok|",     "2 field 19 card", f'{CARRIED}, got "4 characters, not shown"', 1),
    ("2010.H1||\r\n",     "2010.H1|\r\n",  "2", '26 fields, got "25"', 3),
    ("|2010.H1||",        "|2010.H1||x",   "2", 'the line to end with |, got "1||x"', 2),
    ("H|RHCP0100|",       "H|RHCP0200|",   "1 field 2 layout", '"RHCP0100", got "RHCP0200"', 4),
    ("T|1|0|",            "U|1|0|",        "3 field 1", 'T, got "U"', 2),
]  # fmt: skip


@pytest.mark.parametrize(("part", "becomes", "where", "said", "code"), BAD)
def test_a_fault_names_line_field_and_value(
    part: str, becomes: str, where: str, said: str, code: int
) -> None:
    """One wrong thing a row, and the message a partner reads."""
    text = whole(P, LINE).decode("gb18030")
    head, rest = text.split("D|", 1)
    if part.startswith("H|"):
        head = head.replace(part, becomes, 1)
    else:
        assert part in f"D|{rest}"
    content = (head + f"D|{rest}".replace(part, becomes, 1)).encode("gb18030")
    message = f"{NAME}.txt:{where}: expected {said} [FMT-00{code}]"
    assert str(parse(f"{NAME}.txt", content, P).faults[0]) == message


def test_a_file_that_stops_in_its_last_line_is_refused() -> None:
    """The line end belongs to the line."""
    (fault,) = parse(f"{NAME}.txt", whole(P, LINE)[:-2], P).faults
    assert (
        str(fault) == f"""{NAME}.txt: expected the last line to end with CRLF, got "45 4e 44 7c" [FMT-002]"""
    )


def test_every_fault_is_reported_up_to_a_thousand() -> None:
    """Not only the first: a partner corrects a file once."""
    bad = [LINE._replace(direction="?", settle_mode="?")] * 600
    found = parse(f"{NAME}.txt", whole(P, *bad), P).faults
    assert len(found) == FAULTS_MAX
    assert [(one.line, one.column) for one in found[:3]] == [(2, "dir"), (2, "settle_mode"), (3, "dir")]


def test_undecodable_lines_are_named_and_the_others_read() -> None:
    """A broken character costs its own line, not the file's other faults."""
    content = whole(P, LINE._replace(remark="@@"), LINE).replace(b"@@", b"\xff\xff")
    parsed = parse(f"{NAME}.txt", content, P)
    assert [(one.line, one.code) for one in parsed.faults] == [(2, "FMT-001")]
    assert [row.line for row in parsed.rows] == [3]


SMALL = {p: files(layout=load_layout(p)) for p in ("P", "H")}


@pytest.mark.parametrize(
    "name",
    [
        "RHC_TXN_PLAT_H2_20260310_001_V1.txt",
        "RHC_SUM_PLAT_H2_20260310_001_V1.txt",
        "RHC_TXN_PLAT_H2_20260310_001_V1.csv",
    ],
)
def test_any_single_byte_changed_is_refused_without_a_manifest_too(name: str) -> None:
    """Head, lines and trailer hold each other, so that not one byte can be another."""
    content = {**SMALL["P"], **SMALL["H"]}[name].content
    assert check_file(name, content).sound
    for at in range(len(content)):
        for bit in (1, 4, 64):
            changed = content[:at] + bytes([content[at] ^ bit]) + content[at + 1 :]
            assert not check_file(name, changed).sound, (at, content[at : at + 1], bit)


@given(st.binary(max_size=300), st.sampled_from(["txt", "csv"]))
def test_arbitrary_bytes_never_crash_the_reader(content: bytes, extension: str) -> None:
    """They are refused, with a reason."""
    assert not check_file(f"{NAME}.{extension}", content).sound


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_file_with_pieces_replaced_never_crashes_the_reader(data: st.DataObject) -> None:
    """Cuts and insertions anywhere are refused, and each fault can be shown."""
    file = data.draw(st.sampled_from([*SMALL["P"].values(), *SMALL["H"].values()]))
    start = data.draw(st.integers(0, len(file.content)))
    end = data.draw(st.integers(start, min(len(file.content), start + 40)))
    piece = data.draw(st.binary(max_size=6))
    changed = file.content[:start] + piece + file.content[end:]
    checked = check_file(file.name, changed)
    assert checked.sound is (changed == file.content)
    assert all(str(one).startswith(file.name) for one in checked.faults)


NAMES = [
    ("RHC_TXN_PLAT_B1_20260310_001_V1.txt", True),
    ("RHC_TXN_PLAT_B1_20260310_001_V12.csv", True),
    ("RHC_TXN_PLAT_B1_20260310_000_V1.txt", False),
    ("RHC_TXN_PLAT_B1_20260310_001_V0.txt", False),
    ("RHC_TXN_PLAT_B1_20260230_001_V1.txt", False),
    ("RHC_TXN_plat_B1_20260310_001_V1.txt", False),
    ("RHC_XYZ_PLAT_B1_20260310_001_V1.txt", False),
    ("../RHC_TXN_PLAT_B1_20260310_001_V1.txt", False),
    ("RHC_TXN_PLAT_B1_20260310_001_V1.txt\n", False),
    ("", False),
]


@pytest.mark.parametrize(("name", "known"), NAMES)
def test_a_name_that_is_not_ours_is_refused(name: str, known: bool) -> None:  # noqa: FBT001  (a table's column)
    """The name is checked first, and the message shows what one looks like."""
    codes = {one.code for one in check_file(name, b"").faults}
    assert ("FMT-010" in codes) is not known


# ---------------------------------------------------------------- manifest


def test_a_manifest_reads_back_and_fits_its_file() -> None:
    """JSON with the contract's fields in its order."""
    for file in SMALL["P"].values():
        manifest = manifest_for(file, run_id="run-1", created_at=datetime(2026, 3, 10, 16, tzinfo=UTC))
        written = write_manifest(manifest)
        assert read_manifest("x.ok", written) == manifest
        assert check_file(file.name, file.content, manifest).sound
    assert list(Manifest.model_fields) == [
        "file", "bytes", "records", "amount_total", "hash_total", "sha256", "sm3",
        "signature", "encryption", "run_id", "created_at", "replaces",
    ]  # fmt: skip


LIES = [
    (
        {"file": "other.txt"},
        'expected a manifest of RHC_TXN_PLAT_B1_20260310_001_V1.txt, got "other.txt" [FMT-011]',
    ),
    ({"bytes": 1}, "expected 1 bytes as in the manifest"),
    ({"sha256": "0" * 64}, "expected sha256 0000000000000000… as in the manifest"),
    ({"sm3": "0" * 64}, "expected sm3 0000000000000000… as in the manifest"),
    ({"records": 9}, 'expected records 8 as in the lines, got "9" [FMT-011]'),
    ({"amount_total": "1.00"}, 'expected amount_total 1357.00 as in the lines, got "1.00" [FMT-011]'),
    ({"hash_total": 1}, "expected hash_total"),
]


@pytest.mark.parametrize(("change", "words"), LIES)
def test_a_manifest_that_says_something_else_is_refused(change: dict[str, object], words: str) -> None:
    """Each figure is compared, and the message says which."""
    file = SMALL["P"][f"{NAME}.txt"]
    manifest = manifest_for(file, run_id="r", created_at=datetime(2026, 3, 10, tzinfo=UTC)).model_copy(
        update=change
    )
    (fault,) = check_file(file.name, file.content, manifest).faults
    assert words in str(fault)


@given(st.binary(max_size=60))
def test_a_broken_manifest_is_faults_not_a_crash(content: bytes) -> None:
    """Any bytes beside a file are judged."""
    found = read_manifest("x.ok", content)
    assert isinstance(found, tuple)
    assert {one.code for one in found} == {"FMT-011"}
    assert "Invalid JSON" not in str(found[0])


# ---------------------------------------------------------------- layouts and CSV


def test_shipped_layouts_carry_all_fields_and_the_same_columns() -> None:
    """H has P's columns by name, and either can be read back whole."""
    for kind in P.types:
        for one, other in zip(P.records(kind), H.records(kind), strict=True):
            assert one == other
    assert [len(one.columns) if one else 0 for one in (P.head, P.tail)] == [18, 4]


WRONG = [
    ('delimiter = "|"\n', "", "delimiter"),
    ('delimiter = "|"\n', 'delimiter = "|"\ncolour = "red"\n', "colour"),
    ('substitute = "｜"', 'substitute = "||"', "without the delimiter"),
    ("{seq}", "", "expected {seq} once"),
    ('{ name = "status"', '{ name = "amount"', "each column once"),
    ("bom = false", "bom = true", "only utf-8"),
    ('quoting = "none"', 'quoting = "none"\ntab_digits = 9', "only a layout with quotes"),
    ('"YYYYMMDDhhmmss"', '"YYYYMMDDhhmm"', "expected each of YYYY MM DD hh mm ss once"),
    ('date_format = "YYYYMMDD"', 'date_format = "MMDD"', "date_format: expected each of YYYY MM DD once"),
    ('id = "RHCP0100"', "id = ", "expected TOML"),
]


@pytest.mark.parametrize(("part", "becomes", "words"), WRONG)
def test_a_layout_that_cannot_be_read_back_is_refused(part: str, becomes: str, words: str) -> None:
    """Before a single file is written with it."""
    text = (Path(layout_module.__file__).parent / "layouts" / "P.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text)["profile"] == "P"
    with pytest.raises(UsageError) as caught:
        parse_layout(text.replace(part, becomes, 1), "P.toml")
    assert words in str(caught.value)


def test_a_column_without_a_field_is_refused_when_the_writer_is_made() -> None:
    """The message lists what there is."""
    text = (Path(layout_module.__file__).parent / "layouts" / "P.toml").read_text(encoding="utf-8")
    layout = parse_layout(text.replace('{ name = "bank_ref"', '{ name = "bankref"'), "P.toml")
    with pytest.raises(UsageError, match="column bankref of D: expected a field of entry_id"):
        Writer(layout, "TXN", BUSINESS_ZONE)
    with pytest.raises(UsageError, match="expected a type of TXN, SUM"):
        P.records("ZZZ")
    with pytest.raises(UsageError, match="expected one of P, H, B, F, N"):
        load_layout("Q")


CSV = [
    ("a,b,",       ["a", "b", ""]),
    ('"a,b",c',    ["a,b", "c"]),
    ('"a""b"',     ['a"b']),
    ('"",x',       ["", "x"]),
    ('""""',       ['"']),
    ('"a',         None),
    ('"a"b,c',     None),
    ('a"b',        None),
    ('"a""',       None),
    ("",           [""]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "cells"), CSV)
def test_csv_lines_split_by_the_rules(text: str, cells: list[str] | None) -> None:
    """RFC 4180, one line a record; what breaks the rules is refused."""
    assert split_quoted(text, ",") == cells


CELLS = [
    ("=1+1",            ",'=1+1\r\n"),
    ("'=1+1",           ",''=1+1\r\n"),
    (" @x",             ",' @x\r\n"),
    ("-5",              ",'-5\r\n"),
    ('say "x", y',      ',"say ""x"", y"\r\n'),
    ("123456789012345", ",\t123456789012345\r\n"),
    ("12345",           ",12345\r\n"),
]  # fmt: skip


@pytest.mark.parametrize(("remark", "end"), CELLS)
def test_spreadsheets_get_neutral_cells(remark: str, end: str) -> None:
    """A formula gets an apostrophe, a long number a tab where the layout says so; both come off again."""
    row, _ = written(TABBED, LINE._replace(remark=remark))
    assert row.decode().endswith(end)
    assert read_back(TABBED, LINE._replace(remark=remark))[0].remark == remark
