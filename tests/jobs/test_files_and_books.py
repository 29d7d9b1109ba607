"""The books against their own files, whatever each member's files look like: LED-001 only where they differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from clearing.jobs.again import Order, new_version
from clearing.jobs.reconcile import reconcile_day
from clearing.ledger.members import Members
from tests.jobs.running import DAYS, Books, books, settings_of, worked_lines, worked_members

NINTH = date(2026, 3, 9)
STATEMENTS = DAYS / f"{NINTH}-worked-day" / "statements"
BRIBED = """
UPDATE file_part SET content = convert_to(replace(convert_from(content, 'UTF8'), '|1900.00|', '|1900.09|'), 'UTF8')
WHERE no = 0 AND name LIKE 'RHC_TXN_PLAT_B1_%'
"""
OWN = """
like = "P"
id = "OURS0001"
profile = "OURS"
delimiter = "^"
substitute = " "
"""


def with_profiles(**profiles: tuple[str, ...]) -> Members:
    """The worked days' members, some with profiles of their own."""
    members = worked_members()
    records = tuple(
        one.model_copy(update={"profile": profiles[one.code]}) if one.code in profiles else one
        for one in members.records
    )
    return replace(members, records=records)


async def led(the: Books) -> list[str]:
    """What LED-001 says of the ninth."""
    sides = [
        {path.stem[4:]: path for path in sorted(STATEMENTS.iterdir()) if path.stem.startswith(kind)}
        for kind in ("STM", "HIS")
    ]
    found = await reconcile_day(the.engine, the.settings, the.members, NINTH, *sides)
    return [one["detail"] for one in found["breaks"] if one["code"] == "LED-001"]


@pytest.mark.parametrize(
    "profiles",
    [
        {},
        {"B1": ("B",)},
        {"B1": ("OURS",), "H1": ("F", "P")},
        {"H1": ("H",)},
        {"H1": ("N",), "B1": ("B", "P")},
    ],
)
async def test_files_in_any_members_layout_agree_with_the_books(
    blank: Callable[[], str], tmp_path: Path, profiles: dict[str, tuple[str, ...]]
) -> None:
    """Of one profile for all, of a layout of a member's own, of one without a head."""
    (tmp_path / "ours.toml").write_text(OWN, encoding="utf-8")
    settings = settings_of(layouts=tmp_path)
    async with books(blank(), settings, with_profiles(**profiles)) as the:
        await the.ingest(worked_lines(9))
        await the.close(NINTH)
        assert await led(the) == []
        if "OURS" not in profiles.get("B1", ()):
            return
        told = Order("fin-1", "the bank lost it", datetime(2026, 3, 10, 9, tzinfo=UTC))
        await new_version(the.engine, the.settings, the.members, NINTH, receiver="B1", order=told)
        assert await led(the) == [], "of two versions the last one counts"


async def test_a_file_whose_head_is_not_the_position_is_told(blank: Callable[[], str]) -> None:
    """Of the member it is, by how much, and nobody else's."""
    async with books(blank(), settings_of(), worked_members()) as the:
        await the.ingest(worked_lines(9))
        await the.close(NINTH)
        await the.as_superuser(BRIBED)
        (told,) = await led(the)
        assert "files of B1, profile P: their nets come to 1900.09, its positions to 1900.00" in told
