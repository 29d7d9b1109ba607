"""Tables on narrow and wide terminals and in pipes."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from clearing.console.show import table

FILE = "RHC_TXN_PLAT_H1_20260310_001_V1.txt"
COLUMNS = ("name", "名称", "amount", "why")
ROW = (FILE, "跨行清算", "1,234,567.89", "the slip says so and the bank agrees")


def _shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int | None
) -> list[str]:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("TTY_COMPATIBLE", "0" if columns is None else "1")
    monkeypatch.setenv("COLUMNS", str(columns or 20))
    table("Files 清算文件", COLUMNS, [ROW, ("a", "轧差", "0.01", "")])
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("columns", [40, 80, 100, 200])
def test_no_name_and_no_amount_is_broken_on_a_terminal_of_any_width(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    """A file's name and an amount of money stand whole in one line; texts fold first, within the width if it goes."""
    lines = _shown(capsys, monkeypatch, columns)
    assert any(FILE in line and "1,234,567.89" in line for line in lines)
    if columns >= 80:
        assert max(map(cell_len, lines)) <= columns


def test_in_a_pipe_a_row_is_a_line_without_blanks_at_its_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is searched or cut by other programs is not folded, however long."""
    lines = _shown(capsys, monkeypatch, None)
    assert lines[3] == "   ".join(ROW)
    assert len(lines) == 6
    assert [line.rstrip() for line in lines] == lines


def test_amounts_end_in_one_column_also_behind_chinese(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Chinese character counts for two columns."""
    lines = _shown(capsys, monkeypatch, None)
    ends = {
        cell_len(line[: line.index(amount) + len(amount)])
        for line, amount in zip(lines[3:5], ("567.89", "0.01"), strict=True)
    }
    assert len(ends) == 1
