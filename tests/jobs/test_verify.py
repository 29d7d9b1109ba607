"""Verify finds what somebody with all rights has done to the books, and says where."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from clearing.jobs.close import close
from clearing.jobs.generate import CITY, Plan, generate_day
from clearing.jobs.ingest_file import ingest_lines
from clearing.jobs.setup import init, members_in_force
from clearing.jobs.verify import verify
from clearing.jobs.verify_faults import OK
from clearing.settings import load
from clearing.store.database import connect, open_database
from tests.conftest import DatabaseServer
from tests.jobs.running import PATIENCE_SECONDS

DAYS = sorted((Path(__file__).parents[2] / "fixtures" / "days").glob("2026-03-*-worked-day"))
SETTINGS = load({}, Path(__file__).parent)
ONE_PAYMENT = """
    CREATE TEMP TABLE one AS SELECT id, source, event_id FROM entry
    WHERE type = 'payment.made' AND clearing_date = '2026-03-10' ORDER BY id LIMIT 1
"""


async def _three_days(url: str) -> None:
    """The worked days, taken in and closed."""
    async with open_database(url) as database:
        engine = database.engine
        await init(engine, (DAYS[0] / "members.toml").read_bytes(), date(2026, 3, 9))
        members = await members_in_force(engine)
        for folder in DAYS:
            lines = (folder / "events.jsonl").read_bytes().splitlines()
            await ingest_lines(engine, SETTINGS, members, lines)
            await close(engine, SETTINGS, members, date.fromisoformat(folder.name[:10]))


@pytest.fixture
def closed_url(database_server: DatabaseServer) -> Iterator[str]:
    """The worked days, fresh for each test."""
    url = database_server.create(database_server.template("worked days closed", _three_days))
    yield url
    database_server.drop(url)


async def checked(url: str) -> dict[str, str]:
    """What verify says of a database, the sound checks left out."""
    async with open_database(url) as database:
        told: list[str] = []
        found = await verify(database.engine, await members_in_force(database.engine), told=told.append)
    assert list(found["checks"]) == told
    assert found["ok"] is all(text == OK for text in found["checks"].values())
    return {name: text for name, text in found["checks"].items() if text != OK}


async def test_closed_days_are_sound(closed_url: str) -> None:
    """Three days with everything an ordinary day has pass every check."""
    assert await checked(closed_url) == {}


# what was done: as a superuser without triggers, the checks that fail, what the first of them says
DAMAGE = {
    "one fen of an entry": (
        """ALTER TABLE entry DROP CONSTRAINT ck_entry_balanced;
        UPDATE entry SET fens[1] = fens[1] + 1 FROM one WHERE entry.id = one.id""",
        "balances entries_balanced chains rendered",
        r"2026-03-10 \d{4}\.\w+: balance kept, expected .* got .* \(0\.01 more credit\)\. Next: ",
    ),
    "one fen moved inside an entry": (
        "UPDATE entry SET fens[1] = fens[1] + 1, fens[2] = fens[2] - 1 FROM one WHERE entry.id = one.id",
        "balances chains rendered",
        r"2026-03-10 .*: balance kept, .*; 2 such in all, this is the first",
    ),
    "one balance": (
        """UPDATE balance SET fen = fen - 1
        WHERE account = '2060.B2' AND clearing_date = '2026-03-10' AND lane < 31000""",
        "balances groups_zero positions",
        r"2026-03-10 2060\.B2: balance kept, expected 0\.00 .*, got -0\.01 \(0\.01 more credit\)",
    ),
    "one byte of a file": (
        """UPDATE file_part SET content = set_byte(content, 40, get_byte(content, 40) # 1)
        WHERE no = 0 AND name = (SELECT min(name) FROM file)""",
        "files rendered",
        r"file \w.*: SHA-256 of its bytes, expected [0-9a-f]{16} as stored, got [0-9a-f]{16}\. Next: ",
    ),
    "an event removed": (
        "DELETE FROM event USING one WHERE event.source = one.source AND event.id = one.event_id",
        "entries batches chains",
        r"entry [0-9a-f]{32}: expected the outcome of \w+/\S+, of the same day, got no such event",
    ),
    "an outcome changed": (
        """UPDATE event SET outcome = 'noted' FROM one
        WHERE event.source = one.source AND event.id = one.event_id""",
        "outcomes chains rendered",
        r"event \w+/\S+: expected an entry when posted, .*got noted, an entry, 2026-03-10, no reason",
    ),
    "a reason changed": (
        "UPDATE event SET reason = 'too_old' WHERE reason = 'unknown_source'",
        "chains rendered",
        r"file\[0\] batch \d+: digest of its rows, expected \w+ as sealed, got \w+",
    ),
    "an entry removed": (
        "DELETE FROM entry USING one WHERE entry.id = one.id",
        "balances entries chains rendered",
        r"2026-03-10 .*: balance kept",
    ),
    "an entry's id changed with its event's": (
        """UPDATE event SET entry_id = '20260310-0000-0000-0000-000000000000' FROM one
        WHERE event.source = one.source AND event.id = one.event_id;
        UPDATE entry SET original_id = '20260310-0000-0000-0000-000000000000' FROM one
        WHERE entry.original_id = one.id;
        UPDATE entry SET id = '20260310-0000-0000-0000-000000000000' FROM one WHERE entry.id = one.id""",
        "entry_ids chains rendered",
        r"entry 202603100{24}: expected id 20260310(?!0{24})[0-9a-f]{24} \(of 2026-03-10, PLAT/\w+/\S+\)",
    ),
    "an entry of the wrong day": (
        """ALTER TABLE entry DROP CONSTRAINT ck_entry_id;
        UPDATE entry SET clearing_date = '2026-03-11' FROM one WHERE entry.id = one.id""",
        "balances entries entry_ids chains rendered",
        r"2026-03-10 .*: balance kept",
    ),
    "a record's amount changed": (
        """UPDATE event SET raw = regexp_replace(convert_from(raw, 'UTF8'), '[.]00"', '.01"')::bytea FROM one
        WHERE event.source = one.source AND event.id = one.event_id""",
        "records",
        r"event \w+/\S+: digest of its bytes, expected \w+, got \w+",
    ),
    "the last batch cut off with all its rows": (
        """CREATE TEMP TABLE gone AS SELECT * FROM batch WHERE stream = 'file' ORDER BY id DESC LIMIT 1;
        DELETE FROM event WHERE batch = (SELECT id FROM gone);
        DELETE FROM woken WHERE batch = (SELECT id FROM gone);
        DELETE FROM entry WHERE batch = (SELECT id FROM gone);
        DELETE FROM batch WHERE id = (SELECT id FROM gone);
        UPDATE stream SET digest = previous, position = position_from FROM gone WHERE name = 'file'""",
        "balances timeouts days rendered",
        r"2026-03-11 .*: balance kept",
    ),
    "a day's root": (
        "UPDATE day SET root = sm3 FROM file WHERE day.clearing_date = '2026-03-10'",
        "days",
        r"day 2026-03-10: root, expected \w+ \(of the 2 heads it noted\), got \w+",
    ),
    "a link of a chain": (
        "UPDATE batch SET previous = digest WHERE id = (SELECT max(id) FROM batch)",
        "chains",
        r"jobs\[0\] batch \d+: link to the batch before",
    ),
    "a head of a chain": (
        "UPDATE stream SET digest = sm3 FROM file WHERE stream.name = 'jobs'",
        "chains",
        r"jobs\[0\]: head of the chain, expected \w+ \(its last batch\), got \w+",
    ),
    "a position": (
        "UPDATE stream SET position = position + 1 WHERE name = 'file'",
        "batches",
        r"file\[0\]: expected position \d+, got position \d+",
    ),
    "a count of records": (
        "UPDATE batch SET records = records + 1 WHERE id = 1",
        "batches",
        r"batch 1: expected 29 records, got 28 with an outcome",
    ),
    "a posted event parked": (
        """INSERT INTO parked (source, id, waits_for, since, limit_days, detail, line, adds, feeds)
        SELECT source, event_id, 'card/x', '2026-03-10', 3, '', '', false, '' FROM one""",
        "outcomes",
        r"parked \w+/\S+: expected an event that was parked, got posted",
    ),
    "a woken event's last outcome lost": (
        "DELETE FROM woken WHERE outcome = 'posted'",
        "outcomes entries chains",
        r"event \w+/\S+: expected parked, waiting or decided once, got neither",
    ),
    "what a stay holds": (
        "UPDATE stay SET deposit_fen = deposit_fen + 1 WHERE admission_no = 'A42'",
        "deposits stays",
        r"9010\.H1: balance, expected .* \(what the stays hold\), got .* \(0\.01 more credit\); 2 such",
    ),
    "what a stay owes": (
        "UPDATE stay SET arrears_fen = arrears_fen - 1 WHERE admission_no = 'A42'",
        "arrears stays",
        r"9040\.H1: balance, expected -0\.01 .*got 0\.00",
    ),
    "a payout's state": (
        "UPDATE payout SET state = 'PAID' WHERE state IN ('HELD', 'ACCEPTED', 'SENT')",
        "payouts paid_once",
        r"2035\.F1: balance, expected 0\.00 .*, got -640\.00 \(640\.00 more credit\)",
    ),
    "an open time-out": (
        "UPDATE timeout SET state = 'CONFIRMED' WHERE state = 'OPEN'",
        "timeouts",
        r"2050\.H1: balance, expected 0\.00 .*, got -70\.00 \(70\.00 more credit\)",
    ),
    "a confirmed instruction": (
        """UPDATE instruction SET state = 'CONFIRMED'
        WHERE kind = 'INTER_BANK' AND clearing_date = '2026-03-11'""",
        "in_transit",
        r"3010\.B\d: balance, expected",
    ),
    "an instruction's amount": (
        """UPDATE instruction SET amount_fen = amount_fen + 1
        WHERE id = (SELECT min(id) FROM instruction WHERE kind = 'INTER_BANK')""",
        "in_transit instructions rendered",
        r"3010\.B1: balance",
    ),
    "a claim": (
        "UPDATE settlement SET advanced_fen = advanced_fen + 1 WHERE advanced_fen <> 0 AND NOT settled",
        "claims",
        r"9020\.F1\.H1: balance, expected 5390\.01 .*, got 5390\.00 \(0\.01 more credit\)",
    ),
    "a retention": (
        "UPDATE retention SET retained_fen = retained_fen - 1",
        "retention",
        r"9030\.F1\.H2: balance, expected 759\.99 .*, got 760\.00 \(0\.01 more debit\)",
    ),
    "a bank's reference that may be used again": (
        "DELETE FROM bank_ref USING one WHERE bank_ref.source = one.source AND bank_ref.id = one.event_id",
        "references",
        r"entry [0-9a-f]{32}: expected a reference of \w+ that it has used up, got one that is free",
    ),
    "a refund that may be made again": (
        "UPDATE undo SET refunded_fen = refunded_fen - 1 WHERE refunded_fen > 0",
        "undone",
        r"undo of \w+/\S+: expected 0 times whole, \d+ fen, got not as a whole, \d+ fen",
    ),
    "an order that may be paid again": (
        "UPDATE order_no SET source = '', id = '' WHERE source <> ''",
        "paid_once",
        r"order \w+ \S+: expected taken by \w+/\S+, got free",
    ),
    "a payout that was paid": (
        "UPDATE payout SET state = 'WITHDRAWN' WHERE state = 'PAID'",
        "paid_once",
        r"payout F1/\S+: expected WITHDRAWN, got 1 times paid, 0 times returned",
    ),
    "an entry after its day was cut": (
        "UPDATE day SET cut_batch = 1 WHERE clearing_date = '2026-03-10'",
        "entries rendered",
        r"entry 20260310\w+: expected batch 1 at most, the last before 2026-03-10 was cut, got batch",
    ),
    "notices that nobody sent": (
        "UPDATE stream SET announced = 1000000 WHERE name = 'file'",
        "batches",
        r"file\[0\]: expected notices sent up to a batch it has, got up to batch 1000000",
    ),
    "what a settlement bank holds": (
        """UPDATE balance SET account = '3020.H2'
        WHERE account = '3020.H1' AND clearing_date = '2026-03-11'""",
        "balances held",
        r"2026-03-11 3020\.H1: balance kept, expected 70\.00 .*, got 0\.00",
    ),
}


@pytest.mark.parametrize("done", DAMAGE)
async def test_damage_done_with_all_rights_is_found_and_named(closed_url: str, done: str) -> None:
    """Each change, made as a superuser with triggers disabled, fails the checks it should and no others."""
    statements, names, message = DAMAGE[done]
    superuser = await connect(closed_url)
    try:
        await superuser.execute("SET session_replication_role = replica")
        await superuser.execute(ONE_PAYMENT)
        await superuser.execute(statements)
    finally:
        await superuser.close()
    found = await checked(closed_url)
    assert list(found) == names.split(), found
    assert re.match(message, found[names.split()[0]]), found


def looked_at(lines: list[bytes], looks: list[threading.Event]) -> Iterator[bytes]:
    """Lines of a file that is read in a thread: some more after each look, however quick the reader is."""
    some = len(lines) // (len(looks) + 1)
    for number, one in enumerate(lines):
        if number and number % some == 0 and number // some <= len(looks):
            assert looks[number // some - 1].wait(PATIENCE_SECONDS), "nobody looks"
        yield one


async def test_books_are_sound_at_every_moment_while_events_come_in(database_url: str) -> None:
    """Verify sees one snapshot: what is committed meanwhile is seen whole or not at all."""
    async with open_database(database_url) as database:
        engine = database.engine
        day = date(2026, 3, 10)
        await init(engine, CITY.read_bytes(), day)
        members = await members_in_force(engine)
        looks = [threading.Event() for _ in range(5)]
        lines = looked_at([one.value for one in generate_day(Plan(), members, day, 600, 7).events()], looks)
        taking = asyncio.create_task(
            ingest_lines(engine, load({}, Path(), batch_events_max="20"), members, lines)
        )
        looked = 0
        while not taking.done():
            found = await verify(engine, members)
            assert found["ok"], found
            if looked < len(looks):
                looks[looked].set()
            looked += 1
        assert (await taking)["taken"] == 600
        assert all(one.is_set() for one in looks)
        assert (await verify(engine, members))["ok"]
