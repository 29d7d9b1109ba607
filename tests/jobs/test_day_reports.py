"""Day and month reports on the worked days: their figures are the books', and every rendering has them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from clearing.errors import UsageError
from clearing.jobs.day_reports import day_document, month_document, write_day, write_month
from clearing.reports.table import Document, Table
from tests.jobs.day_folders import stories
from tests.jobs.reconcile_desk import ELEVENTH, NINTH, TENTH
from tests.jobs.running import Books, books, members_of, settings_of
from tests.reports.reading import from_csv, from_json, from_workbook, pages

MARCH = date(2026, 3, 1)


@pytest.fixture
def the(filed: Books) -> Books:
    """Books in which the three worked days are filed."""
    return filed


def table(made: Document, code: str) -> Table:
    """One table of a document."""
    return next(one for one in made.tables if one.code == code)


def named(made: Document, code: str) -> list[dict[str, Any]]:
    """The rows of a table by column."""
    one = table(made, code)
    return [dict(zip((column.code for column in one.columns), row, strict=True)) for row in one.rows]


async def test_the_tenth_of_march(the: Books) -> None:
    """Positions, bank nets and what stands open are those of the worked day."""
    made = await day_document(the.engine, the.members, TENTH)
    positions = {
        row["account"]: (row["debit"] or 0) - (row["credit"] or 0) for row in named(made, "positions")
    }
    assert positions == {
        "1010.B1": -615_944, "1010.B2": -446_000, "1020.F1": 1_507_920, "1030.I1": 685_000, "1040.T1": 50_000,
        "2010.H1": 143_000, "2010.H2": -1_199_416, "2011.R1": -4_548, "2040.F1": -120_000, "2060.B2": -12,
    }  # fmt: skip
    assert [(row["bank"], row["pays"], row["receives"]) for row in named(made, "bank_nets")] == [
        ("B1", 212_056, None),
        ("B2", None, 212_056),
    ]
    (claim,) = named(made, "claims")
    assert (claim["payer"], claim["of"], claim["count"], claim["amount"]) == ("F1", "H1", 1, 539_000)
    (retention,) = named(made, "retention")
    assert (retention["payer"], retention["of"], retention["amount"]) == ("F1", "H2", 76_000)
    (settled,) = [row for row in named(made, "discharge_days") if row["settled"]]
    assert (settled["institution"], settled["settled"], settled["in_time"]) == ("H2", 1, 10_000)


@pytest.mark.parametrize("day", [NINTH, TENTH, ELEVENTH], ids=str)
async def test_what_stands_on_an_account_is_tied_to_it(the: Books, day: date) -> None:
    """Deposits roll forward to the balance of 9011; claims, retention and returns leave no difference."""
    made = await day_document(the.engine, the.members, day)
    for code in ("deposits", "claims", "retention", "returned_funds"):
        assert table(made, code).totals["difference"] == 0
        assert table(made, code).marks == {}
    held = await the.rows(
        "SELECT split_part(account, '.', 2), -sum(fen)::bigint FROM balance "
        "WHERE account LIKE '9011.%' AND clearing_date <= :day GROUP BY 1 HAVING sum(fen) <> 0",
        day=day,
    )
    assert {row["institution"]: row["closing"] for row in named(made, "deposits") if row["closing"]} == dict(
        held
    )


LATER = [
    name for name in stories() if name.endswith(("give-back", "discharge-recalled", "claim-was-settled"))
]


@pytest.mark.parametrize("name", LATER)
async def test_a_day_is_reported_as_it_stood_whatever_came_later(name: str, blank: Callable[[], str]) -> None:
    """What was open at a day's end is listed when it has been ended since, each fen of the account."""
    case = stories()[name]
    members = members_of(case[0].path / "members.toml")
    then: dict[date, list[Table]] = {}

    async def stood(the: Books, day: date) -> list[Table]:
        made = await day_document(the.engine, members, day)
        return [
            table(made, code)
            for code in ("claims", "retention", "returned_funds", "deposits", "discharge_days")
        ]

    async with books(blank(), settings_of(), members, case[0].day) as the:
        for folder in case:
            await the.ingest(folder.lines())
            await the.close(folder.day)
            then[folder.day] = await stood(the, folder.day)
            assert not any(one.marks for one in then[folder.day])
        for day, tables in then.items():
            for before, after in zip(tables, await stood(the, day), strict=True):
                assert (before.code, after.rows, after.marks) == (before.code, before.rows, before.marks)


async def test_application_areas_have_every_entry_once(the: Books) -> None:
    """Entries and fees by area add up to the day's; received less paid back is what institutions got of cards."""
    made = await day_document(the.engine, the.members, TENTH)
    totals = table(made, "app_areas").totals
    entries = await the.one(
        "SELECT count(*) FROM entry WHERE clearing_date = :day AND type NOT LIKE 'day.%'", day=TENTH
    )
    fees = await the.one(
        "SELECT coalesce(-sum(fen), 0)::bigint FROM posting WHERE clearing_date = :day AND account LIKE '2060.%' "
        "AND entry_id NOT IN (SELECT id FROM entry WHERE type LIKE 'day.%')",
        day=TENTH,
    )
    assert (totals["entries"], totals["fees"]) == (entries, fees)
    assert totals["net"] == totals["received"] - totals["paid_back"]
    paid = await the.one(
        "SELECT sum(amount_fen)::bigint FROM entry WHERE clearing_date = :day AND type = 'claim.settled'",
        day=TENTH,
    )
    assert totals["claims"] == paid


async def test_members_figures_are_parts_of_the_whole_days(the: Books) -> None:
    """Positions and what stands open go to exactly those whose they are, and tie to the accounts there too."""
    whole = await day_document(the.engine, the.members, TENTH)
    codes = sorted(the.members.codes() - {"PLAT"})
    parts = {code: await day_document(the.engine, the.members, TENTH, code) for code in codes}
    given = [row for made in parts.values() for row in table(made, "positions").rows]
    assert sorted(given, key=str) == sorted(table(whole, "positions").rows, key=str)
    for code, made in parts.items():
        for name in ("deposits", "claims", "retention", "returned_funds"):
            assert table(made, name).marks == {}
            assert {*map(tuple, table(made, name).rows)} <= {*map(tuple, table(whole, name).rows)}
        assert str(made.facts[0].value).split()[0] == code
    assert len(table(parts["H1"], "instructions").rows) == 1
    with pytest.raises(UsageError, match="expected a member's code"):
        await day_document(the.engine, the.members, TENTH, "X9")


async def test_cards_are_those_that_cards_counts_says(the: Books) -> None:
    """All cards of the registry at the day's end, each once."""
    made = await day_document(the.engine, the.members, ELEVENTH)
    assert table(made, "cards").totals["cards"] == await the.one("SELECT count(*) FROM card")


async def test_a_month_says_the_same_by_every_way(the: Books) -> None:
    """Four ways to sort it have equal totals; what is held at its end is the balance; a card is active once."""
    made = await month_document(the.engine, the.members, MARCH)
    by = {one.code: one.totals for one in made.tables}
    alike = [
        {name: by[code][name] for name in by["all"]}
        for code in ("by_area", "by_level", "by_bank", "by_app_area")
    ]
    assert alike == [by["all"]] * 4
    held = await the.one("SELECT -sum(fen)::bigint FROM balance WHERE account LIKE '9011.%'")
    assert {by[code]["deposits_held"] for code in ("by_area", "by_level", "by_bank")} == {held}
    used = await the.one(
        "SELECT count(DISTINCT card) FROM entry WHERE card <> '' "
        "AND type ~ '^(payment|deposit|discharge|topup|premium|arrears.paid)'"
    )
    assert next(one.value for one in made.facts if one.code == "active_cards") == used
    assert sum(row["active_cards"] for row in named(made, "by_bank")) == used
    days = [await day_document(the.engine, the.members, day) for day in (NINTH, TENTH, ELEVENTH)]
    for name in by["all"]:
        assert by["all"][name] == sum(table(one, "app_areas").totals[name] for one in days)
    assert by["all"]["topups"] > 0
    assert by["all"]["reimbursed"] > 0


async def test_every_rendering_of_both_has_the_same_totals(the: Books) -> None:
    """CSV, JSON and XLSX read back agree; the PDF prints each total."""
    for made in (
        await day_document(the.engine, the.members, TENTH),
        await month_document(the.engine, the.members, MARCH),
    ):
        expected = from_json(made)
        assert from_csv(made) == from_workbook(made) == expected
        text = "".join(pages(made))
        for code, read in expected.items():
            for total in read.totals.values() if read.rows else ():
                assert f"{total:,}" in text, code
        assert made.digest in text


async def test_a_quiet_day_is_reported_too(the: Books, tmp_path: Path) -> None:
    """Nothing has happened on the day after: zeros, what was open stays open, and the files are written."""
    quiet = date(2026, 3, 12)
    made = await day_document(the.engine, the.members, quiet)
    assert table(made, "positions").rows == []
    assert from_json(made)["claims"].totals["amount"] >= Decimal(0)
    paths = await write_day(the.engine, the.members, quiet, tmp_path)
    assert [path.name for path in paths] == [
        f"RHC_DAY_PLAT_ALL_20260312.{one}" for one in ("xlsx", "pdf", "csv", "json")
    ]
    (month,) = await write_month(the.engine, the.members, MARCH, tmp_path, ["json"])
    before = month.read_bytes()
    await write_month(the.engine, the.members, MARCH, tmp_path, ["json"])
    assert month.read_bytes() == before


async def test_a_day_or_month_that_never_was_is_said_so(the: Books) -> None:
    """What was never opened has no report."""
    with pytest.raises(UsageError, match="never opened"):
        await day_document(the.engine, the.members, date(2027, 1, 1))
    with pytest.raises(UsageError, match="none of its days was opened"):
        await month_document(the.engine, the.members, date(2027, 1, 1))
