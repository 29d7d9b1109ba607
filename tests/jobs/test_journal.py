"""Each institution's day as vouchers in its own chart: the worked day, the tie to its position, the file."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from python_calamine import CalamineWorkbook

from clearing.errors import UsageError
from clearing.jobs.journal import journals, read_accounts, write_journals
from clearing.reports.hospital_chart import ROLES, chart_for
from clearing.reports.table import Document
from tests.jobs.reconcile_desk import NINTH, TENTH
from tests.jobs.running import Books

SHIPPED = read_accounts(None)


@pytest.fixture
def the(filed: Books) -> Books:
    """Books in which the three worked days are filed."""
    return filed


def rows(made: Document, code: str) -> list[dict[str, Any]]:
    """The rows of a table by column."""
    table = next(one for one in made.tables if one.code == code)
    return [dict(zip((column.code for column in table.columns), row, strict=True)) for row in table.rows]


def of_type(made: Document, kind: str) -> list[tuple[str, int]]:
    """(account, debit or minus credit) of the entries of one type."""
    found = [row for row in rows(made, "detail") if row["type"] == kind]
    return sorted((row["account"], (row["debit"] or 0) - (row["credit"] or 0)) for row in found)


async def test_the_worked_day_in_a_hospitals_books(the: Books) -> None:
    """Discharge with top-up and claim, discharge with refund, and the claim paid, as its accountant books them."""
    made = {code: one async for code, one in journals(the.engine, the.members, TENTH, SHIPPED)}
    assert of_type(made["H2"], "discharge.settled") == [
        ("1021", 64_416),
        ("121201", -1_286_040),
        ("12120201", 771_624),
        ("23050103", 450_000),
    ]
    assert of_type(made["H1"], "discharge.settled") == [
        ("1021", -159_000),
        ("121201", -980_000),
        ("12120201", 539_000),
        ("23050103", 600_000),
    ]
    assert of_type(made["H2"], "claim.settled") == [
        ("1002", 684_000),
        ("12120201", -771_624),
        ("12120204", 76_000),
        ("4101", 11_624),
    ]
    paid = [line for line in of_type(made["H1"], "payment.made") if line[0] == "4101"]
    assert ("4101", -12_850) in paid


async def test_every_voucher_balances_and_the_day_is_the_position(the: Books) -> None:
    """Debits are credits in each voucher; in transit and claims received make what the day settles."""
    made = {code: one async for code, one in journals(the.engine, the.members, TENTH, SHIPPED)}
    positions = {"H1": -143_000, "H2": 1_199_416, "H3": 0, "R1": 4_548}
    assert made.keys() == positions.keys()
    for code, document in made.items():
        sums: dict[int, int] = {}
        for row in rows(document, "vouchers"):
            sums[row["no"]] = sums.get(row["no"], 0) + (row["debit"] or 0) - (row["credit"] or 0)
        assert set(sums.values()) <= {0}
        assert [row["amount"] for row in rows(document, "tie")] == [positions[code], positions[code], 0]
        settled = [row for row in rows(document, "vouchers") if row["summary"] == "清算款到账"]
        assert {row["date"].isoformat() for row in settled} == ({"2026-03-11"} if positions[code] else set())
        bank = [row for row in rows(document, "vouchers") if row["account"] == "1002"]
        assert sum((row["debit"] or 0) - (row["credit"] or 0) for row in bank) == positions[code]


async def test_a_file_that_a_hospitals_software_imports(the: Books, tmp_path: Path) -> None:
    """One line of names, plain lines, in the encoding that the chart asks for; the workbook begins with them."""
    accounts = {**SHIPPED, "H2": {"like": "hospital", "encoding": "gb18030", "transit": "102109 银医在途"}}
    paths = await write_journals(the.engine, the.members, TENTH, tmp_path, accounts, ["H2"])
    assert [path.name for path in paths] == [f"RHC_JNL_PLAT_H2_20260310.{one}" for one in ("xlsx", "csv")]
    lines = list(csv.reader(io.StringIO(paths[1].read_bytes().decode("gb18030"))))
    assert lines[0][:9] == [
        "凭证日期", "凭证字", "凭证号", "分录号", "摘要", "科目编码", "科目名称", "借方金额", "贷方金额"
    ]  # fmt: skip
    assert ["102109", "银医在途"] in [line[5:7] for line in lines]
    assert "1021" not in {line[5] for line in lines}
    book = CalamineWorkbook.from_filelike(io.BytesIO(paths[0].read_bytes()))
    sheet = book.get_sheet_by_index(0).to_python()
    assert sheet[0] == lines[0]
    assert [row[5] for row in sheet[1:]] == [line[5] for line in lines[1:]]
    assert sum(float(f"{row[7]}" or "0") for row in sheet[1:]) == pytest.approx(
        sum(float(line[7] or "0") for line in lines[1:])
    )
    before = paths[1].read_bytes()
    await write_journals(the.engine, the.members, TENTH, tmp_path, accounts, ["H2"])
    assert paths[1].read_bytes() == before


async def test_an_account_that_is_missing_is_said_and_nothing_is_written(the: Books, tmp_path: Path) -> None:
    """The message names institution, day, what needs it, the role and the section; no file is left."""
    accounts = {
        "hospital": {"transit": "1021 其他货币资金", "deposit": "2305 预收账款", "bank": "1002 银行存款"}
    }
    with pytest.raises(UsageError, match=r"H1 2026-03-10 .*`outpatient` \(门急诊收入\) in \[hospital\]"):
        await write_journals(the.engine, the.members, TENTH, tmp_path, accounts)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError, match="expected hospitals or pharmacies in force, got B1, H9"):
        await anext(journals(the.engine, the.members, NINTH, SHIPPED, ["B1", "H1", "H9"]))


@pytest.mark.parametrize(("document", "said"), [
    ({},                                               r"expected a section \[hospital\]"),
    ({"hospital": {"like": "clinic"}},                 r"expected a section \[clinic\]"),
    ({"hospital": {"like": "hospital"}},               "hospital → hospital"),
    ({"hospital": {"cash": "1001 库存现金"}},           r"\[hospital\] cash: expected one of bank, transit"),
    ({"hospital": {"bank": "1002"}},                   'expected "CODE NAME"'),
    ({"hospital": {"bank": 1002}},                     'expected "CODE NAME"'),
    ({"hospital": {"encoding": "latin-1"}},            "expected one of utf-8-sig, utf-8, gb18030"),
])  # fmt: skip
def test_a_wrong_accounts_file_is_refused(document: dict[str, Any], said: str) -> None:
    """Each fault names section and role, what was expected and what it says."""
    with pytest.raises(UsageError, match=said):
        chart_for(document, "H1", "hospital")


@pytest.mark.parametrize("section", list(SHIPPED))
def test_the_shipped_accounts_have_every_role(section: str) -> None:
    """Every section of the file to begin with has an account for all that can happen."""
    chart = chart_for(SHIPPED, section, section)
    assert set(chart.accounts) == set(ROLES)


def test_township_bodies_hand_over_what_they_receive() -> None:
    """收支两条线: receipts of a township health centre are a liability."""
    assert chart_for(SHIPPED, "H9", "township").of("outpatient", where="").code == "230801"


def test_an_accounts_file_that_is_none_is_said_so(tmp_path: Path) -> None:
    """Missing, or no TOML."""
    with pytest.raises(UsageError, match="No such file"):
        read_accounts(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("[hospital\n", encoding="utf-8")
    with pytest.raises(UsageError, match="expected a TOML file"):
        read_accounts(broken)
