"""The report as CSV and as JSON: the model's figures, nothing added up again. 报告输出"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any, Final

from clearing.ledger.money import yuan
from clearing.reconciliation.report import DetailLine, Report

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def as_csv(model: Report) -> bytes:
    """The report as one CSV file: a line's first cell names its sheet; BOM, CRLF, no live formulas."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    for row in _csv_rows(model):
        writer.writerow([_safe(cell) for cell in row])
    return text.getvalue().encode("utf-8-sig")


def _csv_rows(model: Report) -> Iterator[Sequence[str]]:
    verdict = "平" if model.balanced else "不平"
    yield ("封面 cover", "date", "run", "verdict", "breaks", "amount")
    yield ("cover", model.day.isoformat(), model.run, verdict, str(model.total_count), yuan(model.total_fen))
    yield ("文件 files", "partner", "file", "rows", "sha256", "sm3")
    yield from (("file", one.partner, one.file, str(one.rows), one.sha256, one.sm3) for one in model.inputs)
    yield (
        "余额调节表 bridge",
        "partner",
        "ledger",
        "partner only",
        "ledger only",
        "differences",
        "other",
        "residual",
    )
    for line in model.bridges:
        figures = (line.ledger_fen, line.other_only_fen, -line.ledger_only_fen, line.differences_fen)
        yield ("bridge", line.partner, *map(yuan, (*figures, line.other_fen, line.residual_fen)))
    yield ("汇总 summary", "code", "名称", "institution", "bank", "count", "amount")
    for each in model.summary:
        place = (each.institution, each.bank)
        yield ("summary", each.code, each.chinese, *place, str(each.count), yuan(each.amount_fen))
    yield ("勾对率 match rate", "institution", "bank", "matched", "items", "% count", "% amount")
    for rate in model.rates:
        counts = (str(rate.matched), str(rate.items))
        yield ("rate", rate.institution, rate.bank, *counts, rate.by_count, rate.by_amount)
    yield ("账龄 ageing", "age", "count", "amount")
    yield from (("age", one.age, str(one.count), yuan(one.amount_fen)) for one in model.ages)
    yield ("滚动 roll-forward", "before", "new", "cleared", "after")
    yield ("roll", *map(str, model.roll))
    yield ("明细 detail", *(_detail_cells(model.detail[0]) if model.detail else ()))
    yield from (("detail", *_detail_cells(one).values()) for one in model.detail)


def _detail_cells(line: DetailLine) -> dict[str, str]:
    return {
        name.removesuffix("_fen"): yuan(value) if name.endswith("_fen") else str(value)
        for name, value in asdict(line).items()
    }


def _safe(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula; numbers stay numbers."""
    if cell.startswith(_FORMULA) and not cell.lstrip("-").replace(".", "", 1).isdigit():
        return f"'{cell}"
    return cell


def as_json(model: Report) -> dict[str, Any]:
    """The report as one object: yuan as text under the same names without `_fen`."""
    found: dict[str, Any] = _plain(asdict(model))
    for line, model_line in zip(found["bridges"], model.bridges, strict=True):
        line["residual"] = yuan(model_line.residual_fen)
    for line, rate in zip(found["rates"], model.rates, strict=True):
        line["by_count"], line["by_amount"] = rate.by_count, rate.by_amount
    return found


def _plain(value: Any) -> Any:  # noqa: ANN401 - any shape that JSON has
    if isinstance(value, dict):
        return {
            name.removesuffix("_fen"): yuan(each) if name.endswith("_fen") else _plain(each)
            for name, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, date) else value
