"""The mismatch report in its four renderings, each read back."""

from __future__ import annotations

import csv
import io
import os
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pypdfium2
import pytest

from clearing.errors import WorldFailed
from clearing.reconciliation.ledger_side import ledger_rows
from clearing.reconciliation.partner_files import Parsed, ParsedExport, ParsedStatement
from clearing.reconciliation.reconciled import Reconciled, reconcile
from clearing.reconciliation.report import Report, report
from clearing.reconciliation.report_detail import DetailLine, SideLine
from clearing.reconciliation.statements import parse_export, parse_statement
from clearing.reports import paper
from clearing.reports.mismatch import mismatch
from clearing.reports.mismatch_detail import Done
from clearing.reports.paper import as_paper
from clearing.reports.table import Document, Table
from clearing.reports.text import as_csv, as_json
from clearing.reports.workbook import as_workbook
from tests.reconciliation.sides import CLOCK, DAY, WORKED, worked_entries
from tests.reports.reading import from_csv, from_json, from_workbook, pages, sheets

SM3 = "ab" * 32
SOAK = os.environ.get("CLEARING_SOAK") == "1"
BREAKS = 10_000 if SOAK else 600
RENDERINGS = (as_csv, as_json, as_workbook, as_paper)


def files() -> tuple[dict[str, ParsedStatement], dict[str, ParsedExport]]:
    """The two files of the worked reconciliation's first day."""
    bank = (WORKED / "day-1" / "STM_BX.csv").read_bytes()
    his = (WORKED / "day-1" / "HIS_H1.csv").read_bytes()
    one = parse_statement(bank, partner="BX", file="STM_BX.csv", day=DAY, clock=CLOCK)
    two = parse_export(his, partner="H1", file="HIS_H1.csv", day=DAY, clock=CLOCK)
    assert isinstance(one, Parsed)
    assert isinstance(two, Parsed)
    return {"BX": one}, {"H1": two}


@pytest.fixture(name="worked", scope="module")
def worked_reconciliation() -> Reconciled:
    """The worked reconciliation's first day."""
    return reconcile(DAY, ledger_rows(DAY, worked_entries()), *files())


def document(model: Report, *done: Done) -> Document:
    """The report as a document."""
    return mismatch(model, sm3=SM3, platform="Example platform", done=done)


def table(made: Document, code: str) -> Table:
    """One table of a document."""
    return next(one for one in made.tables if one.code == code)


def named(one: Table) -> list[dict[str, Any]]:
    """Its rows by column."""
    return [dict(zip((column.code for column in one.columns), row, strict=True)) for row in one.rows]


def parts_of(made: Document) -> dict[str, str]:
    """The XML inside the workbook by its name."""
    with zipfile.ZipFile(io.BytesIO(as_workbook(made))) as book:
        return {name: book.read(name).decode() for name in book.namelist() if name.endswith(".xml")}


# ---------------------------------------------------------------- the worked reconciliation


def test_every_rendering_has_the_same_totals(worked: Reconciled) -> None:
    """CSV, JSON and XLSX read back say the same lines and sums of every table, and the PDF prints those sums."""
    made = document(report(worked, "1", *files()))
    expected = from_json(made)
    assert from_csv(made) == from_workbook(made) == expected
    assert expected["detail"].totals["amount"] == Decimal("570.00")
    assert expected["bridge"].totals["residual"] == 0
    text = "".join(pages(made))
    for read in expected.values():
        for total in read.totals.values():
            assert f"{total:,}" in text


def test_the_tables_are_those_of_the_page(worked: Reconciled) -> None:
    """Bridge, summary, rates, ageing and roll-forward have the worked reconciliation's figures."""
    made = document(report(worked, "1", *files()))
    assert made.verdict == "不平"
    assert [tuple(row) for row in table(made, "bridge").rows] == [
        ("BX", 104500, 2500, -8000, -1800, 97200, 0),
        ("H1", 104500, 4500, -30000, 0, 79000, 0),
    ]
    assert [(row[0], row[5], row[6]) for row in table(made, "summary").rows] == [
        ("AMT-001", 1, 12000),
        ("DUP-003", 1, 4500),
        ("SID-010", 1, 2500),
        ("SID-101", 1, 8000),
        ("SID-110", 1, 30000),
    ]  # fmt: skip
    assert [row for row in table(made, "match_by_bank").rows if row[0] == "BX"] == [
        ("BX", 2, 6, 54500, 107000, 3333, 5093)
    ]
    assert table(made, "ageing").rows[0] == ("D0", 5, 57000)
    assert table(made, "roll_forward").rows[0][-4:] == (0, 5, 0, 5)
    labels = {one["label"] for one in named(table(made, "detail"))}
    assert labels == {
        "银行 BX 短款 80.00", "银行 BX 短款 18.00", "银行 BX 长款 25.00", "HIS H1 短款 300.00", "HIS H1 长款 45.00",
    }  # fmt: skip


def test_sides_stand_side_by_side_and_what_differs_is_marked(worked: Reconciled) -> None:
    """The wrong amount is marked at the bank and where it disagrees; each side says file and line."""
    detail = table(document(report(worked, "1", *files())), "detail")
    number, wrong = next(
        (number, row) for number, row in enumerate(named(detail)) if row["code"] == "AMT-001"
    )
    assert (wrong["L_amount"], wrong["B_amount"], wrong["H_amount"]) == (12000, 10200, 12000)
    assert wrong["B_where"].startswith("STM_BX.csv:")
    assert wrong["H_where"].startswith("HIS_H1.csv:")
    names = {detail.columns[place].code for place in detail.marks[number]}
    assert names == {"L_amount", "B_amount", "H_amount"}


def test_cards_are_masked_everywhere(worked: Reconciled) -> None:
    """No rendering has a card's token; the detail has its last four characters."""
    made = document(report(worked, "1", *files()))
    assert {row["L_card"] for row in named(table(made, "detail"))} >= {"****0001"}
    for told in (as_csv(made).decode(), as_json(made).decode(), "".join(pages(made)), f"{sheets(made)}"):
        assert "tok_" not in told


def test_what_a_partner_writes_is_no_formula(worked: Reconciled) -> None:
    """In the CSV it is neutralised, in the workbook it is quoted text; formulas there are our own sums."""
    evil = "=cmd|' /C calc'!A0"
    banks, exports = files()
    named_so = {code: replace(one, files=(replace(one.files[0], file=evil),)) for code, one in banks.items()}
    spoiled = tuple(replace(one, detail="@SUM(1)", institution="+H1", bank="-BX") for one in worked.breaks)
    made = document(report(replace(worked, breaks=spoiled), "\r1", named_so, exports))
    cells = [cell for row in csv.reader(io.StringIO(as_csv(made).decode("utf-8-sig"))) for cell in row]
    live = [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert live
    assert all(re.fullmatch(r"-\d+(\.\d\d)?", cell) for cell in live)
    assert {f"'{evil}", "'@SUM(1)", "'+H1", "'-BX", "'\r1"} <= set(cells)
    parts = parts_of(made)
    formulas = [
        one for name, text in parts.items() if "/sheet" in name for one in re.findall(r"<f>(.*?)</f>", text)
    ]
    assert formulas
    assert all(re.fullmatch(r"SUBTOTAL\(109,[A-Z]+\d+:[A-Z]+\d+\)", one) for one in formulas)
    assert 'quotePrefix="1"' in parts["xl/styles.xml"]
    assert evil in {row[1] for row in sheets(made)["对账文件 files"] if len(row) > 1}


def test_the_workbook_is_one_to_work_in(worked: Reconciled) -> None:
    """Frozen headers, filters, charts, text ids, two decimals, nothing merged, headers repeated in print."""
    made = document(report(worked, "1", *files()))
    parts = parts_of(made)
    tables = [text for name, text in parts.items() if "/worksheets/" in name and "sheet1." not in name]
    assert len(tables) == len(made.tables)
    for text in tables:
        assert 'state="frozen"' in text
        assert "<autoFilter" in text
        assert "mergeCell" not in text
        assert 'orientation="landscape"' in text
    assert parts["xl/workbook.xml"].count("_xlnm.Print_Titles") == len(tables)
    assert len([name for name in parts if name.startswith("xl/charts/")]) == 2
    assert 'formatCode="#,##0.00"' in parts["xl/styles.xml"]
    ids = [row[0] for row in sheets(made)["差错明细 detail"][1:-1]]
    assert ids == [row[0] for row in table(made, "detail").rows]


def test_every_page_has_its_number_and_the_digest(worked: Reconciled) -> None:
    """The cover has the verdict, the files and three places to sign; a page is drawn and is not white."""
    made = document(report(worked, "1", *files()))
    found = pages(made)
    assert found
    for number, text in enumerate(found, 1):
        assert SM3 in text
        assert f"第 {number} 页 共 {len(found)} 页" in text
    for word in ("不平", "制表 preparer", "复核 reviewer", "审批 approver", "STM_BX.csv", "HIS_H1.csv"):
        assert word in found[0]
    drawn = pypdfium2.PdfDocument(as_paper(made))[0].render(scale=0.5, grayscale=True)
    assert sum(shade < 128 for shade in bytes(drawn.buffer)) > 500


@pytest.mark.parametrize("rendering", RENDERINGS, ids=lambda one: one.__name__)
def test_the_same_report_gives_the_same_bytes(
    worked: Reconciled, rendering: Callable[[Document], bytes]
) -> None:
    """No clock and no chance is in a rendering."""
    first, second = (document(report(worked, "1", *files())) for _ in range(2))
    assert rendering(first) == rendering(second)


# ---------------------------------------------------------------- made models


def line(number: int) -> DetailLine:
    """One break of three sides, 100.00 yuan and `number` fen."""

    def side(name: str, where: str, fen: int) -> SideLine:
        return SideLine(
            name, "B1", where, "payment.made", "D", fen, "SUCC", f"BR{number:09d}", f"H1-{number}", DAY,
            "****0001", "H1", None, ("amount",),
        )  # fmt: skip

    fen = 10_000 + number
    break_id = f"{DAY:%Y%m%d}{number:024x}"
    return DetailLine(
        id=break_id,
        code="AMT-001",
        chinese="金额不符",
        label="银行 B1 短款 1.00",
        codes="AMT-001",
        vector="L1B1H1",
        state="OPEN",
        opened=DAY,
        institution="H1",
        bank="B1",
        amount_fen=fen,
        difference_fen=100,
        differences="B1 1.00",
        rows=(
            side("L", break_id, fen),
            side("B", f"STM_B1.csv:{number}", fen - 100),
            side("H", f"HIS_H1.csv:{number}", fen),
        ),
        detail="",
    )


def model_of(*lines: DetailLine) -> Report:
    """A report of these breaks alone."""
    return Report(
        day=date(2026, 3, 10),
        run="1",
        balanced=not lines,
        inputs=(),
        bridges=(),
        summary=(),
        rates=(),
        ages=(),
        roll=(0, len(lines), 0, len(lines)),
        detail=lines,
        total_count=len(lines),
        total_fen=sum(one.amount_fen for one in lines),
    )


def test_a_break_of_several_rows_counts_its_amount_once() -> None:
    """Two bank rows of one break are two lines, the amount stands on the first alone."""
    one = line(1)
    two = replace(one, rows=(*one.rows, replace(one.rows[1], where="STM_B1.csv:9")))
    detail = table(document(model_of(two)), "detail")
    assert [(row["id"], row["B_where"], row["amount"]) for row in named(detail)] == [
        (one.id, "STM_B1.csv:1", 10_001),
        (one.id, "STM_B1.csv:9", None),
    ]
    assert detail.totals["amount"] == 10_001


def test_a_day_without_anything_is_reported_too() -> None:
    """No file, no break: every table is there, empty, and the day is 平."""
    made = document(model_of())
    assert made.verdict == "平"
    assert from_csv(made) == from_json(made) == from_workbook(made)
    assert {code for code, read in from_json(made).items() if read.rows} == {"roll_forward"}
    assert sheets(made)["差错明细 detail"][1][0] == "无 none"
    assert "无 none" in "".join(pages(made))


def test_what_people_did_since_is_listed_and_not_part_of_the_digest() -> None:
    """Steps of maker and checker stand in a table of their own; the digest is the run's."""
    one = line(1)
    step = Done(one.id, "RESOLVED", "ADJUST", "li", "wang", "bank's error", "2026-03-11 09:00:00")
    before, after = document(model_of(one)), document(model_of(one), step)
    (row,) = named(table(after, "adjustments"))
    assert (row["id"], row["amount"], row["maker"], row["checker"]) == (one.id, 10_001, "li", "wang")
    assert before.digest == after.digest == SM3


def test_a_very_bad_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes through all renderings with equal totals; the paper says how many lines it leaves out."""
    if not SOAK:
        monkeypatch.setattr(paper, "ROWS_MAX", 500)
    made = document(model_of(*map(line, range(BREAKS))))
    expected = from_json(made)
    assert expected["detail"].rows == BREAKS
    assert from_csv(made) == from_workbook(made) == expected
    text = "".join(pages(made))
    assert f"{expected['detail'].totals['amount']:,}" in text
    assert f"{BREAKS - paper.ROWS_MAX} more lines are in the workbook" in text


def test_a_table_longer_than_a_sheet_goes_on_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is lost at a sheet's end, and the total of all stands at the end of the last."""
    monkeypatch.setattr("clearing.reports.workbook.ROWS_MAX", 40)
    made = document(model_of(*map(line, range(100))))
    parts = [rows for name, rows in sheets(made).items() if name.startswith("差错明细 detail")]
    assert [len(part) for part in parts] == [41, 41, 22]
    assert [row[0] for part in parts for row in part[1:]][:-1] == [
        row[0] for row in table(made, "detail").rows
    ]
    assert parts[-1][-1][9] == pytest.approx(sum(100 + number / 100 for number in range(100)))


def test_without_a_chinese_font_the_pdf_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Boxes are not to be signed: the message says which font to install."""
    monkeypatch.setattr(paper, "FONTS", ("No Such Family",))
    paper.fonts.cache_clear()
    try:
        with pytest.raises(WorldFailed, match="fonts-noto-cjk"):
            as_paper(document(model_of()))
    finally:
        paper.fonts.cache_clear()
