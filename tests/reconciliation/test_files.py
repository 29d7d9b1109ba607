"""Partners' files: taken whole or refused with every error."""

# ruff: noqa: E501 - aligned tables and sentences of behaviour are read, not wrapped

from __future__ import annotations

import pytest

from clearing.reconciliation.partner_files import Parsed, ParsedStatement, Refused
from clearing.reconciliation.reconciled import reconcile
from clearing.reconciliation.statements import parse_statement
from clearing.reconciliation.totals import SeenFile, gate
from tests.reconciliation.sides import CLOCK, DAY, Sides

HEADER = "bank_ref,platform_ref,bank_date,bank_time,type,direction,amount,status,card,original_bank_ref"
LINE = "R1,,2026-03-10,09:00:00,PAY,D,12.50,SUCC,,"


def parsed(*lines: str, encoding: str = "utf-8") -> ParsedStatement | Refused:
    """A statement of BX made of lines."""
    data = ("\n".join(lines) + "\n").encode(encoding)
    return parse_statement(data, partner="BX", file="STM_B1.csv", day=DAY, clock=CLOCK)


# fmt: off
BAD = [
    # lines                                             message
    ((HEADER, LINE.replace("12.50", "12.5")),           'STM_B1.csv:2 field 7 amount: expected two decimals, no sign, got "12.5" [FMT-006]'),
    ((HEADER, LINE.replace("12.50", "-12.50")),         'STM_B1.csv:2 field 7 amount: expected two decimals, no sign, got "-12.50" [FMT-006]'),
    ((HEADER, LINE.replace("2026-03-10", "10.3.2026")), 'STM_B1.csv:2 field 3 bank_date: expected a date YYYY-MM-DD, got "10.3.2026" [FMT-007]'),
    ((HEADER, LINE.replace("2026-03-10", "2026-02-30")), 'STM_B1.csv:2 field 3 bank_date: expected a date YYYY-MM-DD, got "2026-02-30" [FMT-007]'),
    ((HEADER, LINE.replace("SUCC", "DONE")),            'STM_B1.csv:2 field 8 status: expected one of SUCC FAIL REVD, got "DONE" [FMT-005]'),
    ((HEADER, LINE + ",x"),                             "STM_B1.csv:2 line: expected 10 fields, got 11 [FMT-003]"),
    ((HEADER.replace("amount", "amout"), LINE),         'STM_B1.csv:1 header: expected a column "amount", got none [FMT-002]'),
    ((HEADER, LINE, "#TOTAL,one,2"),                    'STM_B1.csv:3 trailer: expected #TOTAL,<rows>,<sum in>,<sum out>, got "#TOTAL,one,2" [FMT-008]'),
    ((HEADER, LINE.replace(",,", ",,", 1).replace("SUCC,,", "SUCC,0000101301000010,")), "STM_B1.csv:2 field 9 card: expected a card token, got a card number [FMT-011]"),
]
# fmt: on


@pytest.mark.parametrize(("lines", "message"), BAD)
def test_a_bad_line_is_named_with_its_place(lines: tuple[str, ...], message: str) -> None:
    """The message says file, line, field, what was expected and what stands there."""
    found = parsed(*lines)
    assert isinstance(found, Refused)
    assert message in found.errors


def test_every_error_is_listed_up_to_a_thousand() -> None:
    """All bad lines are named at once, and the rest is counted."""
    found = parsed(HEADER, *(LINE.replace("12.50", "x") for _ in range(1200)))
    assert isinstance(found, Refused)
    assert len(found.errors) == 1001
    assert "200 more errors" in found.errors[-1]


def test_a_file_that_is_not_utf8_is_refused() -> None:
    """Bytes of another encoding are named with their line."""
    found = parsed(HEADER, LINE.replace("R1", "流水"), encoding="gb18030")
    assert isinstance(found, Refused)
    assert found.errors[0].startswith("STM_B1.csv:2 encoding: expected UTF-8, got byte 0x")


def test_a_file_of_another_day_is_refused() -> None:
    """A file without any row of the day says which dates were expected and which came."""
    found = parsed(HEADER, LINE.replace("2026-03-10", "2026-02-10"))
    assert isinstance(found, Refused)
    assert (
        "expected rows of clearing date 2026-03-10 (2026-03-09 23:00 to 2026-03-10 23:00)" in found.errors[0]
    )
    assert "all of 2026-02-10" in found.errors[0]


def test_columns_are_found_by_name() -> None:
    """The order of columns and a byte order mark do not matter."""
    mixed = ",".join(reversed(HEADER.split(",")))
    line = ",".join(reversed(LINE.split(",")))
    one, two = parsed(HEADER, LINE), parsed("\ufeff" + mixed, line)
    assert isinstance(one, Parsed)
    assert isinstance(two, Parsed)
    assert one.rows == two.rows


@pytest.mark.parametrize(
    ("trailer", "code"), [("#TOTAL,1,12.51,0.00", "TOT-001"), ("#TOTAL,2,12.50,0.00", "TOT-001"),
                          ("#BALANCE,1.00,13.51", "TOT-002"), ("#TOTAL,1,12.50,0.00", "")],
)  # fmt: skip
def test_a_wrong_total_is_a_break_without_a_difference(trailer: str, code: str) -> None:
    """A trailer that its rows do not bear out is named and takes no part in the proof."""
    found = parse_statement(
        f"{HEADER}\n{LINE}\n{trailer}".encode(), partner="BX", file="S.csv", day=DAY, clock=CLOCK
    )
    assert isinstance(found, Parsed)
    run = reconcile(DAY, (), {"BX": found}, {})
    totals = [one for one in run.breaks if not one.proven]
    assert [one.code for one in totals] == ([code] if code else [])
    assert all(one.differences == () for one in totals)
    assert run.roll.after == 1


def test_a_refused_file_is_listed_and_nothing_of_it_counts() -> None:
    """A refused file gives FIL-002 with its errors, and its side does not apply."""
    bad = parsed(HEADER, LINE.replace("12.50", "12.5"))
    assert isinstance(bad, Refused)
    run = reconcile(DAY, (), {}, {}, refused=[bad])
    assert [(one.code, one.vector) for one in run.breaks] == [("FIL-002", "L-B1H-")]
    assert run.proof == {}


def test_the_gate_knows_a_file_again() -> None:
    """The same bytes are ignored, other bytes under a used name are refused, a new name is taken."""
    seen = [SeenFile("BX", "S.csv", "aa" * 32)]
    assert gate("BX", "T.csv", "aa" * 32, seen) == "again"
    assert gate("BX", "T.csv", "bb" * 32, seen) == "new"
    again = gate("BX", "S.csv", "bb" * 32, seen)
    assert isinstance(again, Refused)
    assert again.code == "FIL-003"


def test_rows_after_the_cutover_wait_for_their_day() -> None:
    """A line of 23:30 makes no break today and counts tomorrow."""
    late = {"bank_ref": "R7", "bank_date": "2026-03-10", "bank_time": "23:30:00", "type": "PAY", "direction": "D",
            "amount": "9.00", "status": "SUCC"}  # fmt: skip
    first = Sides([], [late], []).run()
    assert first.breaks == ()
    second = Sides([], [], []).run(DAY.replace(day=11), after=first)
    assert [one.code for one in second.breaks] == ["SID-010"]


# fmt: off
PARTLY = [
    # lines after the header                                                     rows  bad lines   breaks
    ((LINE, LINE.replace("12.50", "12.5")),                                      1,    [3],        ["FIL-004"]),
    ((LINE, LINE + ",x", LINE.replace("D,", "X,").replace("SUCC", "DONE")),      1,    [3, 4],     ["FIL-004", "FIL-004"]),
    ((LINE, LINE.replace("12.50", "12.5"), "#TOTAL,2,25.00,0.00"),               1,    [3],        ["FIL-004"]),
    ((LINE, "#TOTAL,1,13.00,0.00"),                                              1,    [],         ["TOT-001"]),
]
REFUSED_ALL_THE_SAME = [
    # lines                                                        why
    ((HEADER, LINE.replace("12.50", "12.5")),                      "no good line is left"),
    ((HEADER.replace("status", "state"), LINE),                    "the header is wrong"),
    ((HEADER, LINE, LINE.replace("12.50", "1"), "#TOTAL,1"),       "a trailer is wrong"),
    ((HEADER, LINE.replace("2026-03-10", "2026-03-01"), LINE + ",x"), "it is of another day"),
]
# fmt: on


@pytest.mark.parametrize(("lines", "rows", "bad", "codes"), PARTLY)
def test_good_lines_of_a_file_that_may_be_partly_taken(
    lines: tuple[str, ...], rows: int, bad: list[int], codes: list[str]
) -> None:
    """Each bad line is left out and a break FIL-004 with all its faults; what they come to no total can say."""
    data = ("\n".join((HEADER, *lines)) + "\n").encode()
    found = parse_statement(data, partner="BX", file="STM_B1.csv", day=DAY, clock=CLOCK, partial=True)
    assert isinstance(found, Parsed), found
    (said,) = found.files
    assert (len(found.rows), said.counted.rows) == (rows, rows)
    assert [int(faults.split(":")[1].split()[0]) for faults in said.bad] == bad
    breaks = [one for one in reconcile(DAY, [], {"BX": found}, {}).breaks if one.code[:3] in {"FIL", "TOT"}]
    assert [one.code for one in breaks] == codes
    assert {one.state for one in breaks} == {"OPEN"}
    assert sorted(one.detail for one in breaks if one.code == "FIL-004") == sorted(said.bad)


@pytest.mark.parametrize(("lines", "why"), REFUSED_ALL_THE_SAME)
def test_what_is_wrong_with_the_whole_file_refuses_it(lines: tuple[str, ...], why: str) -> None:
    """A file that may be partly taken is refused where more than single lines are wrong."""
    data = ("\n".join(lines) + "\n").encode()
    found = parse_statement(data, partner="BX", file="STM_B1.csv", day=DAY, clock=CLOCK, partial=True)
    assert isinstance(found, Refused), why
    assert found.code == "FIL-002"
