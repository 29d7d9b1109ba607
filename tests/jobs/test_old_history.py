"""Behind a long history a day is closed and reconciled at the price of that day: old events are not read again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from clearing.files.items import USED
from clearing.store import deliveries, notices, producers, standing, streams, uses
from clearing.store.session import driver, transaction
from tests.jobs.running import FIRST_DAY, Books, books, settings_of, worked_lines, worked_members

OLD = 40_000
LAST = FIRST_DAY + timedelta(days=6)
HISTORY = f"""
    INSERT INTO event (source, id, type, sm3, outcome, reason, detail, clearing_date, late, waits_for, occurred_at,
        raw, position, batch, no)
    SELECT source, id || '-' || n, type, sm3, outcome, reason, detail, clearing_date, late, waits_for, occurred_at,
        raw, position, batch, no
    FROM event, generate_series(1, {OLD} / 28) AS n WHERE batch = 1
"""  # noqa: S608 - a number of our own
QUERIES: dict[str, tuple[str, tuple[Any, ...]]] = {
    "uses without an entry, for SWP": (uses._OF_DAY, (LAST, sorted(USED))),
    "payouts sent and answered later": (standing._SENT, (LAST, LAST - timedelta(days=4))),
}


@pytest.fixture
async def the(blank: Callable[[], str]) -> AsyncIterator[Books]:
    """Books of a week, nearly all of whose events are of its first day."""
    async with books(blank(), settings_of(), worked_members()) as found:
        for number in range(3):
            await found.ingest(worked_lines(9 + number))
            await found.close(FIRST_DAY + timedelta(days=number))
        for number in range(3, 7):
            await found.close(FIRST_DAY + timedelta(days=number))
        await found.as_superuser(HISTORY)
        await found.as_superuser("ANALYZE")
        yield found


DELIVERED = f"""
    INSERT INTO file (name, clearing_date, type, receiver, seq, version, profile, layout, members, size, records,
        amount_total_fen, hash_total, sha256, sm3, replaces)
    SELECT 'OLD' || n, date '2024-01-01' + n / 100, 'TXN', 'R' || n % 100, 1, 1, 'P', '', 1, 1, 1, 1, '1', '', '', ''
    FROM generate_series(1, {OLD}) AS n;
    INSERT INTO delivery_attempt (file, target, place, attempt, result, bytes, sent, resumed_from, sha256, message)
    SELECT name, target, '', 1, 'DELIVERED', 1, 1, 0, '', ''
    FROM file, unnest(ARRAY['all', 'one']) AS target WHERE name LIKE 'OLD%'
"""  # noqa: S608 - a number of our own


READ = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every node of a plan."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


async def rows_read(the: Books, table: str, query: str, *given: object, patience: int = 0) -> int:
    """How many rows of a table a query touches; with `patience` as a worker asks it."""
    async with transaction(the.engine, idle_seconds_max=patience) as conn:
        told = await (await driver(conn)).fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", *given)
    return sum(
        int(node["Actual Loops"]) * sum(int(node.get(rows, 0)) for rows in READ)
        for node in nodes(told[0]["Plan"])
        if node.get("Relation Name") == table
    )


async def test_old_events_are_not_read_again(the: Books) -> None:
    """Each reads fewer events than a hundredth of the history, whatever the planner has come to know of it."""
    assert await the.one("SELECT count(*) FROM event") > OLD
    read = {name: await rows_read(the, "event", query, *given) for name, (query, given) in QUERIES.items()}
    assert {name: rows for name, rows in read.items() if rows > OLD / 100} == {}


async def test_numbers_of_producers_are_read_of_their_time(the: Books) -> None:
    """Of a date's records and those in the same pages, once the server has counted them."""
    midnight = datetime.combine(FIRST_DAY + timedelta(days=1), time(), tzinfo=UTC)
    # Small books, small ranges.
    await the.as_superuser("ALTER INDEX ix_event_occurred_at SET (pages_per_range = 16)")
    await the.as_superuser("REINDEX INDEX ix_event_occurred_at")
    read = await rows_read(the, "event", producers._GAPS, midnight, midnight + timedelta(days=1))
    assert 0 < read < OLD / 5


async def test_what_is_due_is_found_among_all_that_was_delivered(the: Books) -> None:
    """A target of everybody's files, and one of one receiver's, behind years of them: seconds, statistics or none."""
    await the.as_superuser(DELIVERED)
    for statistics in (False, True):
        if statistics:
            await the.as_superuser("ANALYZE")
        for target, receiver in (("all", "*"), ("one", "R7")):
            async with transaction(the.engine) as conn:
                await (await driver(conn)).execute("SET LOCAL statement_timeout = '10s'")
                found = await deliveries.due(
                    conn, target, receiver=receiver, types=(), profiles=(), since=None, day=None
                )
            assert not [one.name for one in found if one.name.startswith("OLD")]


IDLE = f"""
    INSERT INTO batch (id, stream, partition, position_from, position_to, records, previous, digest)
        OVERRIDING SYSTEM VALUE
        SELECT 1000 + n, 'busy', n % 3, n, n + 1, 1, '', '' FROM generate_series(1, {OLD}) AS n;
    INSERT INTO quarantine (stream, partition, position, where_, what, source, id, type, sm3, length, batch, no)
        SELECT 'busy', 0, n, '', '', '', '', '', '', 0, 1000 + n, 0 FROM generate_series(1, {OLD}) AS n
"""  # noqa: S608 - a number of our own


async def test_an_idle_partition_costs_no_look_at_the_others(the: Books) -> None:
    """What is to be told of a stream, and its last record, are found without the batches of other streams."""
    await the.as_superuser(IDLE)
    [(name, partition)] = await the.rows("SELECT name, partition FROM stream WHERE name = 'file'")
    asked: dict[str, tuple[str, tuple[Any, ...]]] = {
        "next to tell": (notices._PENDING, (name, partition, *notices.START, notices.ROWS_MAX)),
        "whether there is one": (notices._BEHIND, ([name],)),
        "last record": (streams._LAST, ([name], [partition])),
    }
    for statistics in (False, True):
        if statistics:
            await the.as_superuser("ANALYZE")
        read = {
            (what, table): await rows_read(the, table, query, *given, patience=15)
            for what, (query, given) in asked.items()
            for table in ("batch", "quarantine")
        }
        assert {what: rows for what, rows in read.items() if rows > OLD / 100} == {}
