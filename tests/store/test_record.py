"""One batch is one transaction: all of it, once, sealed and fenced."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from clearing.errors import Fenced, InvariantViolated
from clearing.ledger.entry import Leg, Posting, Status
from clearing.ledger.entry_columns import EntryColumns
from clearing.ledger.facts import BankRef
from clearing.ledger.outcomes import Decision, Outcome, Reason
from clearing.store import balances, chain, entries, facts, locks, notices, parked, streams
from clearing.store.database import Database
from clearing.store.record import record, record_all
from clearing.store.session import driver, transaction
from messages import Malformed
from tests.store import made
from tests.store.made import DAY, batch, entry, event, malformed, posted, rejected


async def rows(conn: AsyncConnection, query: str) -> list[tuple[Any, ...]]:
    """What a query finds."""
    return [tuple(row) for row in await conn.execute(text(query))]


async def test_each_outcome_is_kept_in_its_place(books: Database) -> None:
    """Posted, refused and parked are events; repeats and malformed records have tables of their own."""
    duplicate = Decision(event=event("P1"), outcome=Outcome.DUPLICATE, detail="again")
    reused = rejected("P1", Reason.ID_REUSED)
    unreadable = malformed(keep_bytes=False, source="H\ud800", id="a\0b")
    refused, waits = rejected("P2"), made.parked("P3", "card/x")
    mixed: list[Decision | Malformed] = [
        posted("P1"),
        duplicate,
        malformed(),
        reused,
        refused,
        waits,
        unreadable,
    ]
    async with transaction(books.engine) as conn:
        number, digest = await record(conn, batch(mixed))
        assert (await streams.load(conn, "clearing.payments"))[0].digest == digest
        assert await rows(conn, "SELECT no, id, outcome, reason FROM event ORDER BY no") == [
            (0, "P1", "posted", ""), (4, "P2", "rejected", "card_not_allowed"), (5, "P3", "parked", ""),
        ]  # fmt: skip
        assert await rows(conn, "SELECT no, outcome, reason FROM repeat ORDER BY no") == [
            (1, "duplicate", ""), (3, "rejected", "id_reused"),
        ]  # fmt: skip
        assert await rows(conn, "SELECT no, raw, source, id FROM quarantine ORDER BY no") == [
            (2, b"no json", "", ""), (6, None, "H?", "a\ufffdb"),
        ]  # fmt: skip
        assert await rows(conn, "SELECT id, records, position_from, position_to FROM batch") == [
            (number, 7, None, 7)
        ]
        assert await rows(conn, "SELECT account, lane, fen FROM balance ORDER BY account") == [
            ("1010.B1", 1, 10_000), ("2010.H1", 1, -9_962), ("2060.B1", 1, -38),
        ]  # fmt: skip


async def test_a_moved_position_fences(books: Database) -> None:
    """Of two workers that loaded the same position only one writes; the other writes nothing at all."""
    async with transaction(books.engine) as conn:
        await record(conn, batch([posted("P1")]))
        head = (await streams.load(conn, "clearing.payments"))[0]
    assert head.position == 1
    late = [
        batch([posted("P2")]),  # thinks the stream is new
        batch([posted("P2")], first=0, previous=head.digest),  # another position
        batch([posted("P2")], first=1),  # another digest
    ]
    for one in late:
        with pytest.raises(Fenced):
            async with transaction(books.engine) as conn:
                await record(conn, one)
    async with transaction(books.engine) as conn:
        assert await rows(conn, "SELECT id FROM event") == [("P1",)]
        await record(conn, batch([posted("P2")], first=1, previous=head.digest))


async def test_two_workers_on_one_position_at_once(books: Database) -> None:
    """When both are in the middle of the same batch, one commits and one is fenced."""

    async def work() -> str:
        try:
            async with transaction(books.engine) as conn:
                await record(conn, batch([posted("P1")]))
                await asyncio.sleep(0.05)
        except Fenced:
            return "fenced"
        return "done"

    assert sorted(await asyncio.gather(work(), work())) == ["done", "fenced"]


async def test_batches_on_the_same_keys_serialise(books: Database) -> None:
    """Two streams that decide over one bank reference do it one after the other, so one sees the other's."""
    key = ("bank_ref", "B1", "2026-03-10", "R1")

    async def work(stream: str, id_: str) -> bool:
        async with transaction(books.engine) as conn:
            await locks.day_shared(conn)
            await locks.lock(conn, ["bank_ref/B1/2026-03-10/R1", f"event/H1/{id_}"])
            free = not await facts.read(conn, [key])
            used = (
                {key: BankRef(partner="B1", bank_date=DAY, bank_ref="R1", source="H1", id=id_)}
                if free
                else {}
            )
            await asyncio.sleep(0.05)
            decision = posted(id_) if free else rejected(id_, Reason.BANK_REF_REUSED)
            await record(conn, batch([decision], stream=stream, changes=used, lane=int(id_[1:])))
        return free

    assert sorted(await asyncio.gather(work("a", "P1"), work("b", "P2"))) == [False, True]


async def test_parking_waking_and_waiting_again(books: Database) -> None:
    """A wait keeps its place and its first day when it changes; days are waited for without a limit."""
    tomorrow = DAY + timedelta(days=1)
    async with transaction(books.engine) as conn:
        first = [
            made.parked("P2", "card/x"),
            made.parked("P1", "card/x"),
            made.parked("P3", "day/2026-03-13"),
        ]
        await record(conn, batch([*first, made.parked("P4", "event/H1/P1")]))
        assert made.ids(await made.waiting(conn, "card/x")) == ["P2", "P1"]
        again = [made.parked("P2", "stay/H1/A1", woken=True), made.parked("P3", "card/y", woken=True)]
        final = posted("P1", woken=True, notice_no=2)
        await record(conn, batch(stream="jobs", woken=[*again, final], first_uncut=tomorrow))
        waits = {one.id: one for one in await parked.everyone(conn)}
        assert {id_: (one.waits_for, one.since) for id_, one in waits.items()} == {
            "P2": ("stay/H1/A1", DAY), "P3": ("card/y", tomorrow), "P4": ("event/H1/P1", DAY),
        }  # fmt: skip
        assert list(waits) == ["P2", "P3", "P4"]
        assert waits["P2"].raw == made.raw("P2")
        assert await rows(conn, "SELECT id, outcome, entry_id IS NOT NULL FROM woken") == [
            ("P1", "posted", True)
        ]


async def test_what_waited_too_long_is_ended_by_the_cut(books: Database) -> None:
    """The limit counts cuts from the first day; what waits for a parked event waits as long as that one."""
    async with transaction(books.engine) as conn:
        waits = [
            made.parked("P1", "card/x"),
            made.parked("P2", "event/H1/P1"),
            made.parked("P3", "event/H1/P9"),
        ]
        days = [made.parked("P4", "day/2026-03-12"), made.parked("P5", "day/2026-03-14")]
        await record(conn, batch([*waits, *days]))
        assert await parked.expired(conn, date(2026, 3, 12)) == []
        assert made.ids(await parked.expired(conn, date(2026, 3, 13))) == ["P1", "P3"]
        assert made.ids(await parked.waiting_for_days(conn, date(2026, 3, 13))) == ["P4"]


async def test_who_waited_too_long_is_found_among_thousands(books: Database) -> None:
    """The cut keeps all batches away meanwhile: a topic of cards that stood still must not make that minutes."""
    waits = [made.parked(f"P{number}", f"event/H1/P{number - 1}") for number in range(1, 6_000)]
    async with transaction(books.engine) as conn:
        await record(conn, batch([made.parked("P0", "card/x"), *waits]))
        assert made.ids(await parked.expired(conn, date(2026, 3, 13))) == ["P0"]
        # Counted, not timed: a pair of each with each would be eighteen million rows looked at.
        explained = "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + parked._EXPIRED
        plan = await (await driver(conn)).fetchval(explained, date(2026, 3, 13))
        assert looked_at(plan[0]["Plan"]) < 20 * len(waits)


def looked_at(node: dict[str, Any]) -> int:
    """Rows that a plan has gone through, kept or not."""
    rows = sum(node.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Join Filter", "Index Recheck"))
    here = (node["Actual Rows"] + rows) * node["Actual Loops"]
    return int(here) + sum(map(looked_at, node.get("Plans", [])))


async def test_parked_and_woken_in_one_batch(books: Database) -> None:
    """Both outcomes are kept and announced, and nobody waits; if it waits for something else, it does."""
    final = posted("P1", woken=True, notice_no=2)
    other = made.parked("P2", "card/y", woken=True)
    async with transaction(books.engine) as conn:
        await record(conn, batch([final, other, posted("P3")]))
        told = await notices.pending(conn, "clearing.payments", 0)
        assert [(one.id, one.table, one.outcome) for one in told] == [
            ("P1", "event", "parked"), ("P2", "event", "parked"), ("P3", "event", "posted"),
            ("P1", "woken", "posted"),
        ]  # fmt: skip
        assert [(one.id, one.waits_for) for one in await parked.everyone(conn)] == [("P2", "card/y")]
        assert [link.sound async for link in chain.recompute(conn, "clearing.payments", 0)] == [True]


async def test_parking_needs_the_open_day(books: Database) -> None:
    """A limit cannot be counted from nowhere."""
    with pytest.raises(InvariantViolated):
        async with transaction(books.engine) as conn:
            await record(conn, batch([made.parked("P1", "card/x")], first_uncut=None))


async def test_notices_are_pending_until_announced(books: Database) -> None:
    """Outcomes come in order of batch and number, so many at a time, and never twice once announced."""
    async with transaction(books.engine) as conn:
        first, head = await record(conn, batch([posted("P1"), malformed()]))
        second, _ = await record(conn, batch([rejected("P2")], first=2, previous=head))
        told = await notices.pending(conn, "clearing.payments", 0)
        assert [(one.batch, one.no, one.outcome) for one in told] == [
            (first, 0, "posted"), (first, 1, "malformed"), (second, 0, "rejected"),
        ]  # fmt: skip
        piece = await notices.pending(conn, "clearing.payments", 0, rows_max=1)
        assert piece == told[:1]
        rest = await notices.pending(conn, "clearing.payments", 0, after=(piece[0].batch, piece[0].no))
        assert rest == told[1:]
        await notices.announced(conn, [("clearing.payments", 0, first)])
        for never in (0, second + 1_000):  # back, or to a batch that is not there
            await notices.announced(conn, [("clearing.payments", 0, never)])
        assert made.ids(await notices.pending(conn, "clearing.payments", 0)) == ["P2"]
        await notices.announced(conn, [("clearing.payments", 0, second)])
        assert await notices.pending(conn, "clearing.payments", 0) == []


async def sealed(conn: AsyncConnection) -> list[bool]:
    """Whether each link of the chain holds."""
    return [link.sound async for link in chain.recompute(conn, "clearing.payments", 0)]


@pytest.fixture
async def three_batches(books: Database) -> Database:
    """Three batches of every outcome, and an entry of no event."""
    position, previous = None, chain.GENESIS
    for number in range(3):
        duplicate = Decision(event=event("P0"), outcome=Outcome.DUPLICATE)
        mixed: list[Decision | Malformed] = [
            posted(f"P{number}"),
            rejected(f"R{number}"),
            made.parked(f"W{number}", "card/x"),
            duplicate,
            malformed(),
        ]
        more = {"woken": [posted(f"W{number - 1}", woken=True)]} if number else {}
        ending = entry(f"E{number}", source="PLAT", type="day.net")
        async with transaction(books.engine) as conn:
            await record(conn, batch(mixed, position, previous=previous, entries=[ending], **more))
            head = (await streams.load(conn, "clearing.payments"))[0]
            position, previous = head.position, head.digest
    return books


async def test_the_chain_recomputes_from_the_tables(three_batches: Database) -> None:
    """Every digest follows from the one before and the stored rows alone, up to the stream's head."""
    async with transaction(three_batches.engine) as conn:
        links = [link async for link in chain.recompute(conn, "clearing.payments", 0)]
        head = (await streams.load(conn, "clearing.payments"))[0]
    assert [link.sound for link in links] == [True] * 3
    assert links[-1].stored == head.digest


TAMPERED = [
    "UPDATE event SET outcome = 'rejected' WHERE id = 'P1'",
    "UPDATE event SET sm3 = decode(repeat('00', 32), 'hex') WHERE id = 'P1'",
    "UPDATE entry SET fens = ARRAY[10001, -10001, 38, -38] WHERE event_id = 'P1'",
    "UPDATE entry SET accounts = ARRAY['1010.B2', '2010.H1', '2010.H1', '2060.B1'] WHERE event_id = 'P1'",
    "UPDATE woken SET reason = 'x' WHERE id = 'W0'",
    "UPDATE repeat SET id = 'x' WHERE batch = (SELECT id FROM batch ORDER BY id OFFSET 1 LIMIT 1)",
    "DELETE FROM quarantine WHERE batch = (SELECT id FROM batch ORDER BY id OFFSET 1 LIMIT 1)",
    "DELETE FROM entry WHERE event_id = 'E1'",
]


@pytest.mark.parametrize("statement", TAMPERED)
async def test_a_changed_row_breaks_its_batch(three_batches: Database, statement: str) -> None:
    """Whoever switches the triggers off and changes a row of the second batch is found at that batch."""
    async with three_batches.engine.begin() as conn:
        await conn.execute(text("SET LOCAL session_replication_role = replica"))
        await conn.execute(text(statement))
    async with transaction(three_batches.engine) as conn:
        assert await sealed(conn) == [True, False, True]


async def test_balances_are_the_sum_of_the_entries(three_batches: Database) -> None:
    """Shares of lanes add up to the replay of all entries, and one fen less is found."""
    async with transaction(three_batches.engine) as conn:
        assert await balances.differing(conn) == []
        assert await balances.of_day(conn, DAY) == {"1010.B1": 80_000, "2010.H1": -79_696, "2060.B1": -304}
        assert await balances.as_of(conn, DAY, "1010.") == {"1010.B1": 80_000}
        assert await balances.as_of(conn, DAY - timedelta(days=1)) == {}
        await conn.execute(text("UPDATE balance SET fen = fen - 1 WHERE account = '1010.B1'"))
        assert await balances.differing(conn, DAY) == [(DAY, "1010.B1", 79_999, 80_000)]


async def test_a_days_entries_come_in_order_of_id(three_batches: Database) -> None:
    """Every entry of a day, and none of another, as the very values that were posted."""
    async with transaction(three_batches.engine) as conn:
        other = entry("N1", day=DAY + timedelta(days=1))
        await record(conn, batch(stream="jobs", entries=[other]))
        found = [one async for one in entries.entries_of(conn, DAY)]
        assert [one async for one in entries.entries_of(conn, DAY + timedelta(days=1))] == [other]
        assert await entries.of_ids(conn, [other.id, "f" * 32]) == {other.id: other}
    assert found == sorted(found, key=lambda one: one.id)
    assert len(found) == 8
    assert entry("P1") in found


AS_SENT: list[dict[str, Any]] = [
    {"text": 'say "x", y', "bank_ref": '"', "order_no": "{a,b}"},
    {"text": "\\N", "bank_ref": "\\", "receipt_no": "N"},
    {"text": "a\nb\r\n", "terminal": "a\x1eb", "event_id": "00012"},
    {"text": " x ", "admission_no": "预交金 𠮷", "status": Status.HELD, "late": True, "amount_fen": 10**15},
    {"original_id": "ab" * 16, "original_date": DAY - timedelta(days=1), "bank_date": DAY},
    {"occurred_at": datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)},
    {"occurred_at": datetime(2962, 1, 1, 0, 0, 0, 1, tzinfo=UTC)},
    {"postings": (Posting('9011.H1.{a,"b"} \\', 5, Leg.MEMO), Posting("9011.H1.c", -5, Leg.MEMO))},
]


async def test_a_days_entries_are_read_together_as_they_stand(
    books: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever their texts hold, and wherever one reading ends and the next begins."""
    posted_ = [entry(f"P{no}", **values) for no, values in enumerate(AS_SENT)]
    expected = sorted(posted_, key=lambda one: one.id)
    async with transaction(books.engine) as conn:
        await record(conn, batch(stream="jobs", entries=posted_))
        for chunk, lengths in ((100, [8]), (3, [3, 3, 2]), (4, [4, 4])):
            monkeypatch.setattr(entries, "_CHUNK", chunk)
            chunks = [one async for one in entries.chunks_of(conn, DAY)]
            assert [len(one) for one in chunks] == lengths
            assert [one for found in chunks for one in found.entries()] == expected
        assert EntryColumns.of(expected).entries([6, 0]) == [expected[6], expected[0]]


async def test_copying_without_a_transaction_is_refused(books: Database) -> None:
    """What would commit by itself is our own fault and never happens."""
    async with books.engine.connect() as conn:
        with pytest.raises(InvariantViolated):
            await driver(conn)


async def test_batches_of_several_streams_commit_together(books: Database) -> None:
    """One transaction moves each stream partition and seals each chain; one that has moved refuses them all."""
    several = [batch([posted("P1")]), batch([posted("P2"), malformed()], partition=3)]
    async with transaction(books.engine) as conn:
        (first, head), (second, other) = await record_all(conn, several)
        assert first != second
        assert head != other
        told = [(one.id, one.no) for one in await notices.pending(conn, "clearing.payments", 3) if one.id]
        assert told == [("P2", 0)]
    moved = [
        batch([posted("P3")], first=1, previous=head),
        batch([posted("P4")], first=9, previous=other, partition=3),
    ]
    with pytest.raises(Fenced, match=r"clearing\.payments\[3\]"):
        async with transaction(books.engine) as conn:
            await record_all(conn, moved)
    async with transaction(books.engine) as conn:
        assert {
            place: one.position for place, one in (await streams.load(conn, "clearing.payments")).items()
        } == {
            0: 1,
            3: 2,
        }
