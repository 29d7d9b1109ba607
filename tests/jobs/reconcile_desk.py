"""The worked days filed, a desk on which their partners' files lie, as they are or changed, and what a run says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from clearing.jobs.reconcile import reconcile_day
from tests.jobs.running import DAYS, Books, books, prepare, settings_of, worked_lines, worked_members

NINTH, TENTH, ELEVENTH, TWELFTH = (date(2026, 3, number) for number in (9, 10, 11, 12))
CARD = "tok_P1_B1_0001"

# fmt: off
PLANTED: dict[str, list[tuple[str, str]]] = {
    "STM_B1": [
        # what stands there                                  what is given instead
        ("BR00000011", ""),
        ("BR00000009", "BR00000009,,2026-03-10,09:20:01,PAY,D,45.00,SUCC,tok_P1_B1_0001,"),
        ("BR00000012", "BR00000012,,2026-03-10,10:00:01,PAY,D,2000.10,SUCC,tok_P3_B1_0001,"),
        ("BR00000025", "BR00000025,,2026-03-10,13:59:42,PAYOUT,D,4321.00,SUCC,tok_P5_B1_0001,"),
        ("BR00000033", "BR00000033,,2026-03-10,16:40:01,PAY,D,5.00,SUCC,tok_P1_B1_0001,"),
        ("13:59:43,PAYOUT,C,38.20", "BR00000026,,2026-03-09,13:59:43,PAYOUT,C,38.20,SUCC,tok_P1_B1_0001,"),
        ("09:00:01,REFUND", "BR00000008,,2026-03-10,09:00:01,REFUND,C,28.50,FAIL,tok_P1_B1_0001,BR00000001"),
        ("", "BR00000018,,2026-03-10,11:10:05,PREMIUM,D,1200.00,SUCC,tok_P5_B1_0001,"),
        ("", "BR90000010,,2026-03-10,12:00:00,PAY,D,25.00,SUCC,,"),
        ("", "BR90000011,,2026-03-10,12:01:00,PAY,D,60.00,SUCC,,"),
    ],
    "STM_B2": [
        ("BR00000024", ""),
        ("BR00000010", "BR00000010,,2026-03-10,09:30:01,PAY,D,10.00,FAIL,tok_P2_B2_0001,"),
    ],
    "STM_T1": [("BR00000017", "BR00000017,,2026-03-10,10:59:58,TOPUP,D,500.00,SUCC,tok_OTHER_0001,")],
    "HIS_H1": [
        ("H1-1001", "H1-1001,,ARREARS,R,128.50,SUCC,2026-03-10,08:31:02,,"),
        ("H1-1004", ""),
        ("BR00000007", ""),
        ("", "A42,,DISCHARGE,P,1590.00,SUCC,2026-03-10,15:10:09,BR00000015,"),
        ("", "H1-9001,,OPD,R,60.00,SUCC,2026-03-10,12:01:05,BR90000011,"),
    ],
    "HIS_H2": [
        ("BR00000013", ""),
        ("A31", "A31,,DISCHARGE,R,644.61,SUCC,2026-03-10,15:00:02,BR00000014,"),
        ("", "H2-9001,,OPD,R,12.00,SUCC,2026-03-10,12:00:00,,"),
    ],
}

HEADER = "bank_ref,platform_ref,bank_date,bank_time,type,direction,amount,status,card,original_bank_ref\n"
LATE = "BR00000024,,2026-03-11,08:00:00,PAY,D,75.00,SUCC,tok_P2_B2_0001,"
"""The bank's line of H1-1004, dated a day later."""


async def three_days(url: str) -> None:
    """The worked days taken in and closed."""
    await prepare(url)
    async with books(url, settings_of(), worked_members()) as the:
        for day in (NINTH, TENTH, ELEVENTH):
            await the.ingest(worked_lines(day.day))
            await the.close(day)


@dataclass(frozen=True)
class Desk:
    """Where the partners' files lie, as they are or changed."""

    folder: Path

    def paths(self, day: date) -> dict[str, Path]:
        """The day's files by name, `STM_B1` or `HIS_H1`."""
        found = DAYS / f"{day}-worked-day" / "statements"
        return {path.stem: path for path in sorted(found.iterdir())} if found.is_dir() else {}

    def put(self, name: str, text: str | bytes) -> Path:
        """A file of its own."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def changed(self, day: date, name: str, *edits: tuple[str, str], version: str = "") -> Path:
        """A day's file with lines edited: (part of a line, its new text); an empty part adds, an empty text drops."""
        lines = self.paths(day)[name].read_text().splitlines()[:-1]  # without #TOTAL
        for part, text in edits:
            if not part:
                lines.append(text)
                continue
            (at,) = [number for number, line in enumerate(lines) if part in line]
            lines[at : at + 1] = [text] if text else []
        return self.put(f"{day}/{name}{version}.csv", "\n".join(lines) + "\n")


async def run(
    the: Books, day: date, files: Mapping[str, Path | list[Path]], now: datetime | None = None
) -> dict[str, Any]:
    """Reconcile a day with files named `STM_<code>` and `HIS_<code>`."""
    banks = {name[4:]: path for name, path in files.items() if name.startswith("STM")}
    his = {name[4:]: path for name, path in files.items() if name.startswith("HIS")}
    return await reconcile_day(the.engine, the.settings, the.members, day, banks, his, now=now)


def brief(found: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """(code, bank reference or order, vector, state) of the breaks listed."""
    return sorted(
        (one["code"], one["keys"]["bank_ref"] or one["keys"]["order_no"], one["vector"], one["state"])
        for one in found["breaks"]
    )


async def counts(the: Books) -> tuple[int, int, int]:
    """Kept files, runs, breaks."""
    return (
        await the.one("SELECT count(*) FROM statement_file"),
        await the.one("SELECT count(*) FROM reconciliation_run"),
        await the.one("SELECT count(*) FROM break_"),
    )
