"""Every type in every profile: what is written reads back the same, holds together, and is refused when changed."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.files.check import check_file
from clearing.files.day_files import ORDER
from clearing.files.faults import Fault
from clearing.files.layout import SHIPPED, Layout, load_layout
from clearing.files.names import FileName
from clearing.files.outgoing import RenderedFile, file_of
from clearing.files.parse import parse
from clearing.files.records import (
    BadLine,
    CardLine,
    PayLine,
    ResultLine,
    ReturnLine,
    TerminalLine,
    VerdictLine,
)
from clearing.files.totals import hash_part
from clearing.files.values import BUSINESS_ZONE
from clearing.files.verdict import verdict_lines
from clearing.ledger.business_day import BusinessClock
from tests.files.any_lines import carried, lines_of
from tests.files.small_day import files

CLOCK = BusinessClock(BUSINESS_ZONE, time(23, 0))
DAY = date(2026, 3, 10)
LAYOUTS = {name: load_layout(name) for name in SHIPPED if name != "X"}
EVERY = [(profile, kind) for profile, layout in LAYOUTS.items() for kind in layout.types]


def made(layout: Layout, kind: str, lines: list[tuple[str, Any]]) -> RenderedFile:
    """The file of a type with these lines."""
    return file_of(FileName(kind, "PLAT", "B1", DAY, 1, 1), lines, layout, CLOCK)


NO_LINES = "a form of its own, the canonical one of reconciliation"
TO_BANKS = "an example of a bank's: never sent to a bank"
NO_MESSAGE = "no message of ISO 20022 says it; such a member names a second profile for it"
HOLES = {
    **{("MIS", name): "a report, the same CSV for everybody" for name in SHIPPED},
    **{(kind, name): NO_LINES for kind in ("STM", "HIS") for name in SHIPPED},
    **{(kind, name): TO_BANKS for kind in ("DEP", "NRC", "SWP") for name in "BF"},
    **{(kind, "X"): NO_MESSAGE for kind in ("SUM", "ERR", "DEP", "NRC", "ACK", "SWP", "REG")},
    **{("NTF", name): "a notice is camt.054; in lines the day's TXN says it" for name in LAYOUTS},
}
"""(type, profile) → why the profile does not have it."""
TYPES = (
    *("TXN", "SUM", "ERR", "DEP", "NRC", "PAY", "PYR", "RTN", "STM", "HIS", "ACK", "SWP", "REG", "MIS"),
    "NTF",
)
"""Every type of file that there is."""


@pytest.mark.parametrize("profile", SHIPPED)
@pytest.mark.parametrize("kind", TYPES)
def test_every_profile_has_every_type_or_a_reason_not_to(profile: str, kind: str) -> None:
    """A hole that nobody meant fails here, and so does a reason for a hole that is none."""
    has = kind in load_layout(profile).types
    assert has is ((kind, profile) not in HOLES), HOLES.get((kind, profile), "no reason stated")


def test_no_profile_has_a_type_that_nobody_knows() -> None:
    """A type that is added is added to the table."""
    assert {kind for name in SHIPPED for kind in load_layout(name).types} <= set(TYPES)


@pytest.mark.parametrize(("profile", "kind"), EVERY)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_parse_of_render_is_the_identity(profile: str, kind: str, data: st.DataObject) -> None:
    """Each value comes back as it was, text as far as a file can carry it; nothing is wrong with the form."""
    layout = LAYOUTS[profile]
    lines = data.draw(lines_of(layout, kind))
    file = made(layout, kind, lines)
    parsed = parse(file.name, file.content, layout)
    assert [str(one) for one in parsed.faults] == []
    assert [(row.tag, row.record) for row in parsed.rows] == [
        (tag, carried(layout, kind, tag, record)) for tag, record in lines
    ]


PAID = PayLine(
    "F1/F1-0049/1", "F1-EXP", "990121000010", "tok_P1_B1_0001", "", False, 100000, "新农合报销", DAY, False
)  # fmt: skip
ANSWERED = ResultLine(*PAID, "S", "BR0001", DAY, "", "")
REFUSED = ResultLine(*PAID._replace(pay_id="F1/F1-0050/1"), "F", "", None, "R03", "账户已销户")
UNKNOWN = ResultLine(*PAID._replace(pay_id="F1/F1-0051/2"), "U", "", None, "", "")
RETURNED = ReturnLine("F1/F1-0049/1", "BR0001", "RT0001", DAY, 100000, "R03", "", False)
FAULT = Fault("STM.txt", 1523, 6, "amount", "two decimals", "12.5", "FMT-006")
ACCEPTED = verdict_lines("STM.txt", size=10, sha256="ab" * 32, records=3, taken=3, faults=())
PARTLY = verdict_lines("STM.txt", size=10, sha256="ab" * 32, records=3, taken=2, faults=[FAULT])
SMALL: dict[str, list[tuple[str, Any]]] = {
    "PAY": [("D", PAID), ("D", PAID._replace(pay_id="F1/F1-0050/1"))],
    "PYR": [("D", ANSWERED), ("D", REFUSED), ("D", UNKNOWN)],
    "RTN": [("D", RETURNED)],
    "ACK": PARTLY,
    "REG": [
        ("C", CardLine("tok_P1_B1_0001", "B1", "ACTIVE", "990001", "BANK PLATFORM")),
        ("C", CardLine("tok_P2_B2_0001", "B2", "LOST", "", "")),
        ("M", TerminalLine("0a0b0c0d0e01", "99000000000000000001", "H1", "IN_USE")),
    ],
}


@pytest.mark.parametrize(
    ("kind", "profile"),
    [(kind, name) for kind in SMALL for name, layout in LAYOUTS.items() if kind in layout.types],
)
def test_a_small_file_of_each_type_is_sound_and_any_byte_changed_is_refused(profile: str, kind: str) -> None:
    """Count, control total and hash of trailer and head hold the lines, so that no byte can be another."""
    file = made(LAYOUTS[profile], kind, SMALL[kind])
    assert [str(one) for one in check_file(file.name, file.content).faults] == []
    for at in range(len(file.content)):
        for bit in (1, 64):
            changed = file.content[:at] + bytes([file.content[at] ^ bit]) + file.content[at + 1 :]
            assert not check_file(file.name, changed).sound, (at, file.content[max(at - 9, 0) : at + 9])


def test_totals_of_a_pay_file_are_its_control_totals() -> None:
    """Out and net are what the bank is to pay; the hash total goes over the ids, digested where they are no hex."""
    file = made(LAYOUTS["P"], "PAY", SMALL["PAY"])
    assert (file.records, file.amount_total, file.net_fen) == (2, 200000, -200000)
    assert file.hash_total == sum(hash_part(line.pay_id) for _, line in SMALL["PAY"]) % 10**10
    assert hash_part("20260310fb2eb95243c11460b8042e19") == 0xB8042E19
    assert b"|2|0.00|2000.00|-2000.00|0.00|0||20260310230000|\r\n" in file.content


def test_a_long_purpose_is_cut_between_characters_and_noted() -> None:
    """Twenty bytes of GB18030 in every profile, whatever its own encoding."""
    long = PAID._replace(purpose="新农合住院报销款第三季度a")
    for layout in LAYOUTS.values():
        file = made(layout, "PAY", [("D", long)])
        assert file.notes == ("line 1 purpose: cut to 20 bytes",)
        (row,) = parse(file.name, file.content, layout).rows
        assert row.record.purpose == "新农合住院报销款第三"


DISAGREE = [
    ("PYR", [("D", ANSWERED._replace(bank_ref=""))], "bank_ref: expected a reference and a bank_date, since"),
    ("PYR", [("D", REFUSED._replace(reason_code=""))], "reason_code: expected a reason, since the result is F"),
    ("ACK", PARTLY[1:], "expected one line A, then lines E"),
    ("ACK", PARTLY[:1], "verdict: expected a line E for each fault with PART"),
    ("ACK", [*ACCEPTED, PARTLY[1]], "verdict: expected no line E with ACPT"),
    ("ACK", [("A", ACCEPTED[0][1]._replace(taken=2))], "taken: expected 3 with ACPT"),
    ("ACK", [("A", ACCEPTED[0][1]._replace(verdict="RJCT")), PARTLY[1]], "taken: expected 0 with RJCT"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "lines", "words"), DISAGREE)
def test_a_line_that_contradicts_itself_is_refused(
    kind: str, lines: list[tuple[str, Any]], words: str
) -> None:
    """The form may be right and the line still say two things."""
    file = made(LAYOUTS["P"], kind, lines)
    assert words in str(check_file(file.name, file.content).faults[0])


def test_a_verdict_is_accepted_partly_taken_or_rejected() -> None:
    """By what was taken; each fault is a line with line, field, column, code, expected and got."""
    assert [("A", VerdictLine("STM.txt", 10, "ab" * 32, "ACPT", 3, 3))] == ACCEPTED
    assert PARTLY[0][1].verdict == "PART"
    assert PARTLY[1] == ("E", BadLine(1523, 6, "amount", "FMT-006", "two decimals", "12.5"))
    assert verdict_lines("x", size=0, sha256="", records=3, taken=0, faults=[FAULT])[0][1].verdict == "RJCT"


def test_the_head_says_the_instants_of_its_clearing_date() -> None:
    """They are the date's nominal cutover, never a clock."""
    file = made(LAYOUTS["P"], "ACK", ACCEPTED)
    head = parse(file.name, file.content, LAYOUTS["P"]).head
    assert head["cut_to"] == head["created"] == datetime(2026, 3, 10, 15, tzinfo=UTC)


@pytest.mark.parametrize("profile", LAYOUTS)
def test_a_days_files_are_sound_in_every_profile(profile: str) -> None:
    """Each type that the profile has, for every member; each reads as its own profile and no other."""
    layout = LAYOUTS[profile]
    found = files(layout=layout)
    assert {one.type for one in found.values()} == set(ORDER) & set(layout.types)
    for file in found.values():
        checked = check_file(file.name, file.content)
        assert [str(one) for one in checked.faults] == []
        assert checked.parsed is not None
        assert checked.parsed.layout.profile == profile
